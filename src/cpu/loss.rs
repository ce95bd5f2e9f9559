//! The losses of the readout. See [`Loss`].

use super::Cpu;
use super::float::Float;
use super::memory::Shared;
use crate::kernels::{Answer, Criterion, HISTORY, Loss, MASKED, Recording, Score, Scores, Shape, coefficient};
use pulp::Simd;
use rayon::prelude::*;

/// What all samples and steps share.
struct Terms<'a, F> {
    criterion: Criterion,
    score: Score,
    /// Units of a class.
    group: usize,
    classes: usize,
    coefficients: &'a [F],
    table: &'a [F],
    answers: Option<Answer>,
}

/// Rows that a task works in.
struct Scratch<'a, F> {
    /// Activations of a row.
    activation: &'a mut [F],
    /// Scores of the classes.
    score: &'a mut [F],
    /// dL/d score.
    gradient: &'a mut [F],
}

impl<'a, F> Scratch<'a, F> {
    /// Of `row + 2 classes` numbers.
    fn new(room: &'a mut [F], row: usize, classes: usize) -> Self {
        let (activation, rest) = room.split_at_mut(row);
        let (score, gradient) = rest.split_at_mut(classes);
        Scratch { activation, score, gradient }
    }
}

/// What losses work in, kept from call to call.
#[derive(Debug, Default)]
pub struct Room<F> {
    /// [`Scratch`] of each task.
    scratch: Vec<F>,
    /// Loss and right answers of each step.
    parts: Vec<(f64, f64)>,
}

/// Tasks for each thread: steps at the end of a ragged batch are shorter.
const TASKS: usize = 4;

/// See [`Loss`].
pub fn loss<F: Float>(call: Loss<Cpu<F>>, room: &mut Room<F>) {
    let Loss {
        shape, window, classes, criterion, score, stepwise, labels, lengths, coefficients, table, answers, ..
    } = call;
    let terms = Terms { criterion, score, group: shape.units / classes, classes, coefficients, table, answers };
    let (row, batch) = (shape.row(), shape.batch);
    // Summed in f64, sample by sample: it grows with steps × samples.
    let (mut value, mut right) = (0.0, 0.0);
    match call.scores {
        Scores::Samples(place, planes) => {
            room.scratch.resize(row + 2 * classes, F::ZERO);
            let scratch = &mut Scratch::new(&mut room.scratch, row, classes);
            let size = place.planes * row;
            for (b, planes) in planes.chunks_exact_mut(size).enumerate().skip(window.sample).take(batch) {
                scratch.activation.copy_from_slice(&planes[place.activation * row..][..row]);
                let gradient = &mut planes[place.gradient * row..][..row];
                if criterion != Criterion::None {
                    gradient.fill(F::ZERO);
                }
                let (loss, answer) = terms.measure(b, b, labels[b], scratch);
                terms.spread(scratch, &mut gradient[..shape.units]);
                (value, right) = (value + loss, right + answer);
            }
        }
        Scores::Steps(recording, gradient) => {
            let gradient = gradient.map(|gradient| Shared::new(gradient.as_mut_slice()));
            let lag = if let Recording::Spikes(_, lag) = recording { lag } else { 0 };
            // The gradient of a step belongs to the row `lag` steps before.
            let first = window.step + if gradient.is_some() { lag } else { 0 };
            let last = (first + shape.steps).min(window.steps);
            let own = (last - first).div_ceil(TASKS * rayon::current_num_threads()).max(1);
            let size = row + 2 * classes;
            let Room { scratch, parts } = room;
            scratch.resize((last - first).div_ceil(own) * size, F::ZERO);
            parts.resize(last - first, (0.0, 0.0));
            let tasks = parts.par_chunks_mut(own).zip(scratch.par_chunks_exact_mut(size)).enumerate();
            tasks.for_each(|(task, (parts, scratch))| {
                let scratch = &mut Scratch::new(scratch, row, classes);
                for (t, sum) in (first + task * own..).zip(parts) {
                    *sum = (0.0, 0.0);
                    for m in (0..batch).filter(|&m| t < lengths[window.sample + m] as usize) {
                        let b = window.sample + m;
                        let cell = t * window.samples + b;
                        let label = if stepwise { labels[cell] } else { labels[b] };
                        if label == MASKED {
                            continue;
                        }
                        read(pulp::Scalar::new(), recording, shape, t - window.step, m, 0, scratch.activation);
                        let (loss, answer) = terms.measure(cell, b, label, scratch);
                        *sum = (sum.0 + loss, sum.1 + answer);
                        if let Some(gradient) = &gradient {
                            // SAFETY: the row of this step alone.
                            let at = ((t - lag - window.step) * batch + m) * row;
                            let row = unsafe { gradient.slice(at, shape.units) };
                            terms.spread(scratch, row);
                        }
                    }
                }
            });
            for &(loss, answers) in &*parts {
                (value, right) = (value + loss, right + answers);
            }
        }
    }
    if let Some((metrics, slot)) = call.metrics {
        metrics[slot] += F::from_f64(value);
        metrics[slot + 1] += F::from_f64(right);
    }
}

/// `a_t` of a sample from unit `from` on, a multiple of 32, as many as `out` takes.
#[inline(always)]
pub fn read<F: Float, S: Simd>(
    simd: S,
    recording: Recording<Cpu<F>>,
    shape: Shape,
    t: usize,
    b: usize,
    from: usize,
    out: &mut [F],
) {
    match recording {
        Recording::Potential(tape) => {
            out.copy_from_slice(&tape[(t * shape.batch + b) * shape.row() + from..][..out.len()]);
        }
        Recording::Spikes(spikes, lag) => spikes.expand_from(simd, HISTORY + t - lag, b, from, out),
    }
}

impl<F: Float> Terms<'_, F> {
    /// `v ℓ` and whether the answer is right; `κ dℓ/ds` into the scratch. `cell` counts samples, or steps and samples.
    fn measure(&self, cell: usize, b: usize, label: u32, scratch: &mut Scratch<F>) -> (f64, f64) {
        let Scratch { activation, score: s, gradient } = scratch;
        for (s, units) in s.iter_mut().zip(activation.chunks_exact(self.group)) {
            *s = F::ZERO;
            for &a in units {
                *s += match self.score {
                    Score::Plain => a,
                    Score::Negated => -a,
                    Score::Reciprocal => F::ONE / (a + F::ONE),
                };
            }
        }
        let own = &self.coefficients[b * coefficient::COUNT..][..coefficient::COUNT];
        let (kappa, label) = (own[coefficient::GRADIENT], label as usize);
        let (mut best, mut largest) = (0, s[0]);
        let (mut first, mut smallest) = (0, s[0]);
        for (class, &value) in s.iter().enumerate() {
            if value > largest {
                (best, largest) = (class, value);
            }
            if value < smallest {
                (first, smallest) = (class, value);
            }
        }
        let right = match self.answers {
            None => false,
            Some(Answer::Largest) => best == label,
            Some(Answer::Smallest) => first == label,
        };
        let loss = match self.criterion {
            Criterion::None => F::ZERO,
            Criterion::NegativeLogLikelihood => {
                gradient.fill(F::ZERO);
                gradient[label] = -(kappa * self.table[label]);
                -(self.table[label] * s[label])
            }
            Criterion::CrossEntropy { smoothing } => {
                let even = F::from_f64(smoothing / self.classes as f64);
                let sure = F::from_f64(1.0 - smoothing) * self.table[label];
                let (mut sum, mut weight) = (F::ZERO, sure);
                for ((gradient, &s), &w) in gradient.iter_mut().zip(s.iter()).zip(self.table) {
                    *gradient = (s - largest).exp();
                    sum += *gradient;
                    weight += even * w;
                }
                let log_sum = sum.ln();
                let mut loss = sure * (log_sum - (s[label] - largest));
                for (class, (gradient, &w)) in gradient.iter_mut().zip(self.table).enumerate() {
                    let mut target = even * w;
                    if smoothing > 0.0 {
                        loss += target * (log_sum - (s[class] - largest));
                    }
                    if class == label {
                        target += sure;
                    }
                    *gradient = (*gradient / sum * weight - target) * kappa;
                }
                loss
            }
            Criterion::SquaredError { tolerance } => {
                let weight = self.table[label];
                let target = |class| own[if class == label { coefficient::ON } else { coefficient::OFF }];
                weight * self.squares(s, gradient, kappa * weight, tolerance, target)
            }
            Criterion::SquaredErrorToTargets { tolerance, stepwise } => {
                let targets = &self.table[if stepwise { cell } else { b } * self.classes..][..self.classes];
                self.squares(s, gradient, kappa, tolerance, |class| targets[class])
            }
        };
        ((own[coefficient::VALUE] * loss).to_f64(), f64::from(u8::from(right)))
    }

    fn squares(&self, s: &[F], gradient: &mut [F], kappa: F, tolerance: f64, target: impl Fn(usize) -> F) -> F {
        let (tolerance, two) = (F::from_f64(tolerance), F::from_f64(2.0));
        let mut loss = F::ZERO;
        for (class, (gradient, &s)) in gradient.iter_mut().zip(s).enumerate() {
            let mut error = s - target(class);
            if error.abs() < tolerance {
                error = F::ZERO;
            }
            loss += error * error;
            *gradient = kappa * (two * error);
        }
        loss
    }

    /// Adds dL/d activation to a row.
    fn spread(&self, scratch: &Scratch<F>, out: &mut [F]) {
        if self.criterion == Criterion::None {
            return;
        }
        let units = out.chunks_exact_mut(self.group).zip(scratch.activation.chunks_exact(self.group));
        for ((out, a), &gradient) in units.zip(&*scratch.gradient) {
            for (out, &a) in out.iter_mut().zip(a) {
                *out += match self.score {
                    Score::Plain => gradient,
                    Score::Negated => -gradient,
                    Score::Reciprocal => -(gradient / ((a + F::ONE) * (a + F::ONE))),
                };
            }
        }
    }
}
