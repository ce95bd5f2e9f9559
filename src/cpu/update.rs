//! Optimisers, the norm of the gradient and its bound. See [`Update`].

use super::Cpu;
use super::float::Float;
use super::linear::wide;
use crate::kernels::{Mode, Penalty, Rule, Update};
use rayon::prelude::*;
use std::ops::Range;

/// Numbers in a chunk of a sum of squares; fixed.
const CHUNK: usize = 4096;

/// Σ x², chunk by chunk.
pub fn square_sum<F: Float>(values: &[F]) -> F {
    wide(
        #[inline(always)]
        || {
            let mut sum = F::ZERO;
            for chunk in values.chunks(CHUNK) {
                // Eight running sums, so that the order does not depend on the vector width.
                let mut lanes = [F::ZERO; 8];
                let mut parts = chunk.chunks_exact(8);
                for part in &mut parts {
                    for l in 0..8 {
                        lanes[l] = part[l].fma(part[l], lanes[l]);
                    }
                }
                for (lane, &x) in lanes.iter_mut().zip(parts.remainder()) {
                    *lane = x.fma(x, *lane);
                }
                for lane in lanes {
                    sum += lane;
                }
            }
            sum
        },
    )
}

/// Adam on entries that are each their own, in chunks side by side.
#[derive(Clone, Copy)]
struct Adam<F> {
    rate: F,
    scale: F,
    corrections: (F, F),
    b1: F,
    b2: F,
    r1: F,
    r2: F,
    epsilon: F,
    decay: F,
}

/// Entries in a task of an update.
const TASK: usize = 16_384;

impl<F: Float> Adam<F> {
    /// Parameters, their gradient, and the two rows of state.
    fn run(self, (parameters, gradient, first, second): (&mut [F], &[F], &mut [F], &mut [F])) {
        let states = first.par_chunks_mut(TASK).zip(second.par_chunks_mut(TASK));
        let tasks = parameters.par_chunks_mut(TASK).zip(gradient.par_chunks(TASK)).zip(states);
        tasks.for_each(|((p, g), (first, second))| {
            wide(
                #[inline(always)]
                || self.chunk(p, g, first, second),
            );
        });
    }

    #[inline(always)]
    fn chunk(self, parameters: &mut [F], gradient: &[F], first: &mut [F], second: &mut [F]) {
        let len = parameters.len();
        let (gradient, first, second) = (&gradient[..len], &mut first[..len], &mut second[..len]);
        for j in 0..len {
            let p = parameters[j];
            let g = self.scale * gradient[j];
            first[j] = self.b1.fma(first[j], self.r1 * g);
            second[j] = self.b2.fma(second[j], self.r2 * g * g);
            let delta =
                self.rate * (first[j] / self.corrections.0) / ((second[j] / self.corrections.1).sqrt() + self.epsilon);
            let p = p - self.decay * p;
            parameters[j] = p - delta;
        }
    }
}

/// See [`crate::kernels::Kernels::control`].
pub fn control<F: Float>(metrics: &[F], squares: Range<usize>, loss: usize, max_norm: Option<f64>, out: &mut [F]) {
    let mut sum = F::ZERO;
    for &square in &metrics[squares] {
        sum += square;
    }
    let finite = sum.is_finite() && metrics[loss].is_finite();
    let norm = sum.sqrt();
    out[0] = match max_norm {
        Some(max) if finite && norm > F::from_f64(max) => F::from_f64(max) / norm,
        _ => F::ONE,
    };
    out[1] = if finite { F::ONE } else { F::ZERO };
}

/// See [`Update`].
pub fn update<F: Float>(call: Update<Cpu<F>>) {
    if call.control[1] == F::ZERO {
        return;
    }
    let number = |value: f64| F::from_f64(value);
    let (rate, scale, len) = (number(call.rate), call.control[0], call.parameters.len());
    let length = call.row;
    for (index, &(mode, shared)) in call.modes.iter().enumerate() {
        if mode == Mode::Frozen {
            continue;
        }
        let from = index * length;
        let parameters = &mut call.parameters[from..from + length];
        let gradient = &call.gradient[from..from + length];
        let penalised = mode == Mode::Plain && call.penalty != Penalty::default();
        let (l2, l1) = (number(call.penalty.l2), number(call.penalty.l1));
        let sign = |p: F| match p {
            p if p > F::ZERO => l1,
            p if p < F::ZERO => -l1,
            _ => F::ZERO,
        };
        let (first, rest) = call.state.split_at_mut(len);
        let (second, third) = rest.split_at_mut(rest.len().min(len));
        let first = &mut first[from..from + length];
        let gradient_at = |j: usize, p: F| {
            let g = scale * if shared { gradient[0] } else { gradient[j] };
            match mode {
                Mode::Logarithmic => g * p,
                _ if penalised => g + (l2 * p + sign(p)),
                _ => g,
            }
        };
        let apply = |p: &mut F, delta: F| {
            *p = if mode == Mode::Logarithmic { *p * (-delta).exp() } else { *p - delta };
        };
        match call.rule {
            Rule::Sgd { momentum } => {
                let momentum = number(momentum);
                for (j, p) in parameters.iter_mut().enumerate() {
                    first[j] = momentum.fma(first[j], gradient_at(j, *p));
                    apply(p, rate * first[j]);
                }
            }
            Rule::Adam { beta1, beta2, epsilon, decay } => {
                let second = &mut second[from..from + length];
                let corrections = (number(correction(beta1, call.step)), number(correction(beta2, call.step)));
                let (b1, b2, epsilon) = (number(beta1), number(beta2), number(epsilon));
                let (r1, r2) = (number(1.0 - beta1), number(1.0 - beta2));
                let decay = if mode == Mode::Plain { rate * number(decay) } else { F::ZERO };
                if mode == Mode::Plain && !shared && !penalised {
                    let rows = (parameters, gradient, first, second);
                    let adam = Adam { rate, scale, corrections, b1, b2, r1, r2, epsilon, decay };
                    adam.run(rows);
                    continue;
                }
                wide(
                    #[inline(always)]
                    || {
                        for (j, p) in parameters.iter_mut().enumerate() {
                            let g = gradient_at(j, *p);
                            first[j] = b1.fma(first[j], r1 * g);
                            second[j] = b2.fma(second[j], r2 * g * g);
                            let delta =
                                rate * (first[j] / corrections.0) / ((second[j] / corrections.1).sqrt() + epsilon);
                            *p = *p - decay * *p;
                            apply(p, delta);
                        }
                    },
                );
            }
            Rule::Adamax { beta1, beta2, epsilon } => {
                let second = &mut second[from..from + length];
                let rate = rate / number(correction(beta1, call.step));
                let (b1, b2, epsilon, r1) = (number(beta1), number(beta2), number(epsilon), number(1.0 - beta1));
                for (j, p) in parameters.iter_mut().enumerate() {
                    let g = gradient_at(j, *p);
                    first[j] = b1.fma(first[j], r1 * g);
                    second[j] = (b2 * second[j]).max(g.abs() + epsilon);
                    apply(p, rate * first[j] / second[j]);
                }
            }
            Rule::Smorms3 { epsilon } => {
                let second = &mut second[from..from + length];
                let third = &mut third[from..from + length];
                let epsilon = number(epsilon);
                for (j, p) in parameters.iter_mut().enumerate() {
                    let g = gradient_at(j, *p);
                    // The third row holds mem − 1.
                    let mem = third[j] + F::ONE;
                    let r = F::ONE / (mem + F::ONE);
                    first[j] = (F::ONE - r).fma(first[j], r * g);
                    second[j] = (F::ONE - r).fma(second[j], r * g * g);
                    let x = first[j] * first[j] / (second[j] + epsilon);
                    third[j] = mem * (F::ONE - x);
                    apply(p, rate.min(x) * g / (second[j].sqrt() + epsilon));
                }
            }
        }
    }
}

/// `1 − β^k`.
pub fn correction(beta: f64, step: u64) -> f64 {
    1.0 - beta.powf(step as f64)
}
