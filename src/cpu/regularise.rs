//! The activity regularisers. See [`Regularise`].

use super::Cpu;
use super::float::Float;
use super::memory::BLOCK;
use crate::kernels::{Regularise, plane};
use crate::network::Regulariser;

/// See [`Regularise`].
pub fn regularise<F: Float>(call: Regularise<Cpu<F>>) {
    let (width, units, batch) = (call.shape.row(), call.shape.units, call.shape.batch);
    let number = |value: f64| F::from_f64(value);
    let m = number(units as f64);
    let share = F::ONE / number(batch as f64);
    // Summed in f64: it grows with samples × units.
    let mut value = 0.0;
    let planes = &mut call.planes[..batch * plane::PLANES * width];
    let split = |planes: &mut [F], run: &mut dyn FnMut(&[F], &mut [F])| {
        let (count, gradient) = planes[plane::COUNT * width..][..2 * width].split_at_mut(width);
        run(&count[..units], &mut gradient[..units]);
    };
    match call.regulariser {
        Regulariser::Lower { strength, target } => {
            let (strength, target) = (number(strength), number(target));
            for planes in planes.chunks_exact_mut(plane::PLANES * width) {
                split(planes, &mut |count, gradient| {
                    for (gradient, &count) in gradient.iter_mut().zip(count) {
                        let missing = (target - count).max(F::ZERO);
                        value += (strength / m * missing * missing * share).to_f64();
                        *gradient += -(number(2.0) * strength / m * missing * share);
                    }
                });
            }
        }
        Regulariser::Upper { strength, target, exponent } => {
            let (strength, target) = (number(strength), number(target));
            for planes in planes.chunks_exact_mut(plane::PLANES * width) {
                split(planes, &mut |count, gradient| {
                    let mut sum = F::ZERO;
                    for &count in count {
                        sum += count;
                    }
                    let excess = (sum / m - target).max(F::ZERO);
                    if excess == F::ZERO {
                        return;
                    }
                    let (term, slope) =
                        if exponent == 2 { (excess * excess, number(2.0) * excess) } else { (excess, F::ONE) };
                    value += (strength * term * share).to_f64();
                    for gradient in gradient.iter_mut() {
                        *gradient += strength * slope / m * share;
                    }
                });
            }
        }
        Regulariser::UpperNeuron { strength, target, exponent } => {
            let (strength, target) = (number(strength), number(target));
            for planes in planes.chunks_exact_mut(plane::PLANES * width) {
                split(planes, &mut |count, gradient| {
                    for (gradient, &count) in gradient.iter_mut().zip(count) {
                        let excess = (count - target).max(F::ZERO);
                        if excess > F::ZERO {
                            let (term, slope) =
                                if exponent == 2 { (excess * excess, number(2.0) * excess) } else { (excess, F::ONE) };
                            value += (strength / m * term * share).to_f64();
                            *gradient += strength / m * slope * share;
                        }
                    }
                });
            }
        }
        Regulariser::L2Target { strength, target } => {
            let (strength, target) = (number(strength), number(target));
            for planes in planes.chunks_exact_mut(plane::PLANES * width) {
                split(planes, &mut |count, gradient| {
                    for (gradient, &count) in gradient.iter_mut().zip(count) {
                        let error = count - target;
                        value += (strength / m * error * error * share).to_f64();
                        *gradient += number(2.0) * strength / m * error * share;
                    }
                });
            }
        }
        Regulariser::L1 { strength } => {
            let strength = number(strength) * share;
            for planes in planes.chunks_exact_mut(plane::PLANES * width) {
                split(planes, &mut |count, gradient| {
                    for (gradient, &count) in gradient.iter_mut().zip(count) {
                        value += (strength * count).to_f64();
                        *gradient += strength;
                    }
                });
            }
        }
        Regulariser::L2 { strength } => {
            let strength = number(strength) / m;
            let mut sums = [F::ZERO; BLOCK];
            for from in (0..units).step_by(BLOCK) {
                let sums = &mut sums[..BLOCK.min(units - from)];
                sums.fill(F::ZERO);
                for planes in planes.chunks_exact(plane::PLANES * width) {
                    for (sum, &count) in sums.iter_mut().zip(&planes[plane::COUNT * width + from..]) {
                        *sum += count;
                    }
                }
                for &sum in &*sums {
                    value += (strength * sum * sum).to_f64();
                }
                for planes in planes.chunks_exact_mut(plane::PLANES * width) {
                    let gradient = &mut planes[plane::COUNT_GRADIENT * width + from..];
                    for (gradient, &sum) in gradient.iter_mut().zip(&*sums) {
                        *gradient += number(2.0) * strength * sum;
                    }
                }
            }
        }
    }
    call.metrics[call.slot] += F::from_f64(value);
}

const _: () = assert!(plane::COUNT_GRADIENT == plane::COUNT + 1);
