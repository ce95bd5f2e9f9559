//! Normalisation of the drive, and its adjoint. See [`crate::kernels::Normalise`]. Each task has 32 units; sums are in f64
//! over the rows in ascending order.

use super::Cpu;
use super::float::Float;
use super::memory::Shared;
use crate::kernels::{Normalise, NormaliseBackward, normal};
use rayon::prelude::*;

/// Units of a task.
const LANES: usize = 32;

/// See [`Normalise`].
pub fn normalise<F: Float>(call: Normalise<Cpu<F>>) {
    let (rows, width) = (call.shape.steps * call.shape.batch, call.shape.row());
    let drive = Shared::new(&mut call.drive[..rows * width]);
    let running = Shared::new(call.running);
    let training = call
        .training
        .map(|training| (training.momentum, Shared::new(training.normal), Shared::new(training.deviation)));
    (0..width / LANES).into_par_iter().for_each(|task| {
        let first = task * LANES;
        // SAFETY: here and below, rows of this task's units only.
        let row = |r: usize| unsafe { drive.slice(r * width + first, LANES) };
        let own = |plane: usize| unsafe { running.slice(plane * width + first, LANES) };
        let (mut mean, mut inverse) = ([0.0; LANES], [0.0; LANES]);
        if let Some((momentum, _, deviation)) = &training {
            let mut variance = [0.0; LANES];
            for r in 0..rows {
                row(r).iter().zip(&mut mean).for_each(|(x, sum)| *sum += x.to_f64());
            }
            mean.iter_mut().for_each(|sum| *sum /= rows as f64);
            for r in 0..rows {
                for (j, x) in row(r).iter().enumerate() {
                    variance[j] += (x.to_f64() - mean[j]).powi(2);
                }
            }
            let deviation = unsafe { deviation.slice(first, LANES) };
            let (means, variances) = (own(normal::MEAN), own(normal::VARIANCE));
            for j in 0..LANES {
                let unbiased = variance[j] / (rows.max(2) - 1) as f64;
                let blend = |old: F, new: f64| F::from_f64((1.0 - momentum) * old.to_f64() + momentum * new);
                means[j] = blend(means[j], mean[j]);
                variances[j] = blend(variances[j], unbiased);
                inverse[j] = 1.0 / (variance[j] / rows as f64 + call.epsilon).sqrt();
                deviation[j] = F::from_f64(inverse[j]);
            }
        } else {
            for j in 0..LANES {
                mean[j] = own(normal::MEAN)[j].to_f64();
                inverse[j] = 1.0 / (own(normal::VARIANCE)[j].to_f64() + call.epsilon).sqrt();
            }
        }
        let factor = own(normal::FACTOR);
        let (scale, shift) = (&call.parameters[first..], &call.parameters[width + first..]);
        for r in 0..rows {
            let row = row(r);
            for j in 0..LANES {
                let standard = F::from_f64((row[j].to_f64() - mean[j]) * inverse[j]);
                if let Some((_, kept, _)) = &training {
                    // SAFETY: as above.
                    let kept = unsafe { kept.slice(r * width + first, LANES) };
                    kept[j] = standard;
                }
                row[j] = (factor[j] * scale[j]).fma(standard, shift[j]);
            }
        }
    });
}

/// See [`NormaliseBackward`].
pub fn normalise_backward<F: Float>(call: NormaliseBackward<Cpu<F>>) {
    let (rows, width) = (call.shape.steps * call.shape.batch, call.shape.row());
    let out = Shared::new(&mut call.out[..rows * width]);
    let gradient = Shared::new(call.gradient);
    (0..width / LANES).into_par_iter().for_each(|task| {
        let first = task * LANES;
        let at = |r: usize| r * width + first;
        let (mut sums, mut products) = ([0.0; LANES], [0.0; LANES]);
        for r in 0..rows {
            for j in 0..LANES {
                let g = call.chi[at(r) + j].to_f64();
                sums[j] += g;
                products[j] += g * call.normal[at(r) + j].to_f64();
            }
        }
        // SAFETY: entries of this task's units only.
        let (scale, shift) = unsafe { (gradient.slice(first, LANES), gradient.slice(width + first, LANES)) };
        let mut slope = [0.0; LANES];
        for j in 0..LANES {
            let factor = call.running[normal::FACTOR * width + first + j].to_f64();
            scale[j] = F::from_f64(factor * products[j]);
            shift[j] = F::from_f64(sums[j]);
            slope[j] = factor * call.parameters[first + j].to_f64() * call.deviation[first + j].to_f64();
        }
        let count = rows as f64;
        for r in 0..rows {
            // SAFETY: as above.
            let out = unsafe { out.slice(at(r), LANES) };
            for j in 0..LANES {
                let (g, x) = (call.chi[at(r) + j].to_f64(), call.normal[at(r) + j].to_f64());
                out[j] = F::from_f64(slope[j] * (g - sums[j] / count - x * products[j] / count));
            }
        }
    });
}
