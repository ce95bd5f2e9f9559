//! Surrogate derivatives `f(z)` and their primitives; twin of `shaders/surrogate/`. Finite for every z, ±∞ included.

use super::float::Float;
use crate::network::{Surrogate, SurrogateKind};
use std::f64::consts::{FRAC_PI_2, PI};

/// A shape `f` with `f(0) = 1` and a primitive of it.
pub trait Shape<F: Float> {
    /// `f(z)`.
    fn derivative(z: F) -> F;
    /// `F(z)` with `F' = f`, `F(0) = 0`.
    fn primitive(z: F) -> F;
}

macro_rules! shape {
    ($name:ident, $z:ident, $derivative:expr, $primitive:expr) => {
        /// See [`SurrogateKind`].
        pub struct $name;

        impl<F: Float> Shape<F> for $name {
            #[inline(always)]
            fn derivative($z: F) -> F {
                $derivative
            }
            #[inline(always)]
            fn primitive($z: F) -> F {
                $primitive
            }
        }
    };
}

#[inline(always)]
fn c<F: Float>(value: f64) -> F {
    F::from_f64(value)
}

shape!(
    FastSigmoid,
    z,
    {
        let r = F::ONE / (F::ONE + z.abs());
        r * r
    },
    z / (F::ONE + z.abs())
);
shape!(
    Sigmoid,
    z,
    {
        // 4 s (1 − s) = 4e / (1 + e)² with e = exp(−|z|) ≤ 1.
        let e = (-z.abs()).exp();
        let r = F::ONE / (F::ONE + e);
        c::<F>(4.0) * e * r * r
    },
    {
        let e = (-z.abs()).exp();
        let half = c::<F>(2.0) * (F::ONE - e) / (F::ONE + e);
        if z < F::ZERO { -half } else { half }
    }
);
shape!(Triangle, z, (F::ONE - z.abs()).max(F::ZERO), {
    let a = z.abs().min(F::ONE);
    let half = a - c::<F>(0.5) * a * a;
    if z < F::ZERO { -half } else { half }
});
shape!(Exponential, z, (-z.abs()).exp(), {
    let half = F::ONE - (-z.abs()).exp();
    if z < F::ZERO { -half } else { half }
});
shape!(
    Atan,
    z,
    {
        let a = c::<F>(FRAC_PI_2) * z;
        F::ONE / (F::ONE + a * a)
    },
    c::<F>(2.0 / PI) * (c::<F>(FRAC_PI_2) * z).atan()
);
shape!(Boxcar, z, if z.abs() < c(0.5) { F::ONE } else { F::ZERO }, z.max(c(-0.5)).min(c(0.5)));
shape!(Gaussian, z, (-(z * z)).exp(), c::<F>(PI.sqrt() / 2.0) * error_function(z));
shape!(StraightThrough, _z, F::ONE, _z);

/// erf(z): the Taylor series for small |z|, the continued fraction of erfc beyond, to f64 rounding
/// (Abramowitz & Stegun 7.1.6 and 7.1.14). Only the audit needs it, so it is slow and exact.
fn error_function<F: Float>(z: F) -> F {
    let x = z.to_f64();
    let a = x.abs();
    let value = if a < 3.0 {
        let (mut term, mut sum) = (a, a);
        for n in 1..200 {
            term *= 2.0 * a * a / (2 * n + 1) as f64;
            sum += term;
            if term < 1e-18 * sum {
                break;
            }
        }
        2.0 / PI.sqrt() * (-a * a).exp() * sum
    } else {
        let mut fraction = a;
        for n in (1..=80).rev() {
            fraction = a + n as f64 / 2.0 / fraction;
        }
        1.0 - (-a * a).exp() / PI.sqrt() / fraction
    };
    F::from_f64(value.copysign(x))
}

/// Calls `$body` with `$shape` bound to the type of `$kind`.
macro_rules! with_shape {
    ($kind:expr, $shape:ident => $body:expr) => {
        match $kind {
            $crate::network::SurrogateKind::FastSigmoid => {
                type $shape = $crate::cpu::surrogate::FastSigmoid;
                $body
            }
            $crate::network::SurrogateKind::Sigmoid => {
                type $shape = $crate::cpu::surrogate::Sigmoid;
                $body
            }
            $crate::network::SurrogateKind::Triangle => {
                type $shape = $crate::cpu::surrogate::Triangle;
                $body
            }
            $crate::network::SurrogateKind::Exponential => {
                type $shape = $crate::cpu::surrogate::Exponential;
                $body
            }
            $crate::network::SurrogateKind::Atan => {
                type $shape = $crate::cpu::surrogate::Atan;
                $body
            }
            $crate::network::SurrogateKind::Boxcar => {
                type $shape = $crate::cpu::surrogate::Boxcar;
                $body
            }
            $crate::network::SurrogateKind::Gaussian => {
                type $shape = $crate::cpu::surrogate::Gaussian;
                $body
            }
            $crate::network::SurrogateKind::StraightThrough => {
                type $shape = $crate::cpu::surrogate::StraightThrough;
                $body
            }
        }
    };
}

/// `out_j = c f(k (v_j − θ_j))`.
#[inline(always)]
pub fn derivative_row<F: Float>(surrogate: Surrogate, v: &[F], theta: &[F], out: &mut [F]) {
    #[inline(always)]
    fn row<F: Float, K: Shape<F>>(k: F, c: F, v: &[F], theta: &[F], out: &mut [F]) {
        for ((out, &v), &theta) in out.iter_mut().zip(v).zip(theta) {
            *out = c * K::derivative(k * (v - theta));
        }
    }
    let (k, c) = (F::from_f64(surrogate.slope), F::from_f64(surrogate.scale));
    with_shape!(surrogate.kind, K => row::<F, K>(k, c, v, theta, out));
}

/// A smooth stand-in for the step function: `1/2 + (c/k) F(k x)`, whose derivative is σ'(x).
#[inline(always)]
pub fn primitive<F: Float>(surrogate: Surrogate, x: F) -> F {
    let (k, scale) = (F::from_f64(surrogate.slope), F::from_f64(surrogate.scale / surrogate.slope));
    let value = with_shape!(surrogate.kind, K => K::primitive(k * x));
    scale.fma(value, c(0.5))
}

/// Derivative at one point, for pictures and checks.
pub fn derivative(surrogate: Surrogate, x: f64) -> f64 {
    let f: fn(f64) -> f64 = with_shape!(surrogate.kind, K => <K as Shape<f64>>::derivative);
    surrogate.scale * f(surrogate.slope * x)
}

const _: () = assert!(SurrogateKind::ALL.len() == 8);
