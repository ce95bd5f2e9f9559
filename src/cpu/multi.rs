//! Several spikes a step: `S = clamp(⌊V/θ⌋, 0, most)`, and where its surrogate stands. See [`crate::kernels::Firing`].

use super::float::Float;
use super::surrogate;
use crate::network::Surrogate;

/// S of a row, as numbers; 0 for padding, whose threshold is out of reach.
#[inline(always)]
pub fn count_row<F: Float>(inclusive: bool, most: u32, v: &[F], theta: &[F], s: &mut [F]) {
    let most = F::from_f64(f64::from(most));
    for ((s, &v), &theta) in s.iter_mut().zip(v).zip(theta) {
        let ratio = v / theta;
        let count = if inclusive { ratio.floor() } else { -((-ratio).floor()) - F::ONE };
        *s = count.max(F::ZERO).min(most);
    }
}

/// The multiple of θ whose crossing the surrogate stands for: n and x.
#[inline(always)]
pub fn nearest<F: Float>(v: F, theta: F) -> (F, F) {
    if v < theta {
        return (F::ONE, v - theta);
    }
    let n = (v / theta + F::from_f64(0.5)).floor();
    (n, F::from_f64(2.0) * (v - n * theta))
}

/// σ' of a row with a peak at every multiple of θ.
#[inline(always)]
pub fn derivative_row<F: Float>(own: Surrogate, v: &[F], theta: &[F], out: &mut [F]) {
    // Distances first, then the surrogate of these and a threshold of 0.
    let mut x = [F::ZERO; 32];
    for ((v, theta), out) in v.chunks(32).zip(theta.chunks(32)).zip(out.chunks_mut(32)) {
        for ((x, &v), &theta) in x.iter_mut().zip(v).zip(theta) {
            *x = nearest(v, theta).1;
        }
        surrogate::derivative_row(own, &x[..out.len()], &[F::ZERO; 32][..out.len()], out);
    }
}

/// A smooth stand-in for the count, whose derivative is σ': it jumps half way between two multiples.
pub fn primitive<F: Float>(own: Surrogate, v: F, theta: F) -> F {
    let (n, x) = nearest(v, theta);
    let half = F::from_f64(0.5);
    let rise = surrogate::primitive(own, x) - half;
    n - half + if v < theta { rise } else { half * rise }
}
