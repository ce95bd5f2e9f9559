//! Counts, loss and regularisers on the sample planes. See [`CrossEntropy`] and [`Regularise`].

use super::Cpu;
use super::float::Float;
use super::memory::{Activity, Data};
use crate::kernels::{CrossEntropy, HISTORY, Regularise, Shape, plane};
use crate::network::Regulariser;
use rayon::prelude::*;

/// COUNT `= Σ_t O_t`.
pub fn count<F: Float>(shape: Shape, emit_lag: usize, spikes: &Activity<F>, planes: &mut [F]) {
    let width = shape.row();
    let planes = &mut planes[..plane::PLANES * shape.len(1)];
    planes.par_chunks_mut(plane::PLANES * width).enumerate().for_each_init(
        || vec![0u32; width],
        |counts, (b, planes)| {
            let out = &mut planes[plane::COUNT * width..][..width];
            let row = |t: usize| ((HISTORY + t - emit_lag) * shape.batch + b) * width;
            match &spikes.data {
                Data::Raster(words) => {
                    counts.fill(0);
                    for t in 0..shape.steps {
                        let words = &words[row(t) / 32..][..width / 32];
                        for (&word, counts) in words.iter().zip(counts.chunks_exact_mut(32)) {
                            if word != 0 {
                                for (bit, count) in counts.iter_mut().enumerate() {
                                    *count += word >> bit & 1;
                                }
                            }
                        }
                    }
                    for (out, &count) in out.iter_mut().zip(counts.iter()) {
                        *out = F::from_f64(f64::from(count));
                    }
                }
                Data::Values(values) => {
                    out.fill(F::ZERO);
                    for t in 0..shape.steps {
                        for (out, &value) in out.iter_mut().zip(&values[row(t)..][..width]) {
                            *out += value;
                        }
                    }
                }
            }
        },
    );
}

/// Σ of a plane over samples and units.
pub fn total<F: Float>(shape: Shape, planes: &[F], plane: usize) -> F {
    let width = shape.row();
    let mut sum = 0.0;
    for planes in planes.chunks_exact(plane::PLANES * width).take(shape.batch) {
        sum += planes[plane * width..][..shape.units].iter().map(|value| value.to_f64()).sum::<f64>();
    }
    F::from_f64(sum)
}

/// See [`CrossEntropy`].
pub fn cross_entropy<F: Float>(call: CrossEntropy<Cpu<F>>) {
    let (width, classes) = (call.shape.row(), call.shape.units);
    let share = F::ONE / F::from_f64(call.shape.batch as f64);
    let (mut loss, mut correct) = (0.0, 0.0);
    for (planes, &label) in call.planes.chunks_exact_mut(plane::PLANES * width).zip(call.labels.iter()) {
        let label = label as usize;
        let (before, after) = planes.split_at_mut(plane::ACTIVATION_GRADIENT * width);
        let activation = &before[plane::ACTIVATION * width..][..classes];
        let gradient = &mut after[..width];
        let (mut best, mut largest) = (0, activation[0]);
        for (class, &value) in activation.iter().enumerate() {
            if value > largest {
                (best, largest) = (class, value);
            }
        }
        let mut sum = F::ZERO;
        for (gradient, &value) in gradient.iter_mut().zip(activation) {
            *gradient = (value - largest).exp();
            sum += *gradient;
        }
        loss += (sum.ln() - (activation[label] - largest)).to_f64();
        if best == label {
            correct += 1.0;
        }
        for (class, gradient) in gradient[..classes].iter_mut().enumerate() {
            let target = if class == label { F::ONE } else { F::ZERO };
            *gradient = (*gradient / sum - target) * share;
        }
        gradient[classes..].fill(F::ZERO);
    }
    call.metrics[call.slot] = F::from_f64(loss);
    call.metrics[call.slot + 1] = F::from_f64(correct);
}

/// See [`Regularise`].
pub fn regularise<F: Float>(call: Regularise<Cpu<F>>) {
    let (width, units, batch) = (call.shape.row(), call.shape.units, call.shape.batch);
    let number = |value: f64| F::from_f64(value);
    let m = number(units as f64);
    let share = F::ONE / number(batch as f64);
    // Summed in f64: it grows with samples × units.
    let mut value = 0.0;
    let samples = call.planes.chunks_exact_mut(plane::PLANES * width).take(batch);
    let split = |planes: &mut [F], run: &mut dyn FnMut(&[F], &mut [F])| {
        let (count, gradient) = planes[plane::COUNT * width..][..2 * width].split_at_mut(width);
        run(&count[..units], &mut gradient[..units]);
    };
    match call.regulariser {
        Regulariser::Lower { strength, target } => {
            let (strength, target) = (number(strength), number(target));
            for planes in samples {
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
            for planes in samples {
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
        Regulariser::L1 { strength } => {
            let strength = number(strength) * share;
            for planes in samples {
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
            let mut sums = vec![F::ZERO; units];
            for planes in call.planes.chunks_exact(plane::PLANES * width).take(batch) {
                for (sum, &count) in sums.iter_mut().zip(&planes[plane::COUNT * width..]) {
                    *sum += count;
                }
            }
            for &sum in &sums {
                value += (strength * sum * sum).to_f64();
            }
            for planes in call.planes.chunks_exact_mut(plane::PLANES * width).take(batch) {
                for (gradient, &sum) in planes[plane::COUNT_GRADIENT * width..].iter_mut().zip(&sums) {
                    *gradient += number(2.0) * strength * sum;
                }
            }
        }
    }
    call.metrics[call.slot] += F::from_f64(value);
}

const _: () = assert!(plane::COUNT_GRADIENT == plane::COUNT + 1);
