//! Losses of the readout and the reductions under them (section 5).

use super::Grid;
use spikegrad::kernels::{Answer, Criterion, Pooling, Score};

/// One sample, or one step of it, as a loss sees it.
#[derive(Clone, Debug)]
pub struct Question {
    pub label: usize,
    /// κ, v, on, off.
    pub coefficients: [f64; 4],
    /// Targets `[C]`.
    pub targets: Vec<f64>,
}

/// dL/d activation, `v ℓ`, and whether the answer is right.
pub fn loss(
    criterion: Criterion,
    score: Score,
    answer: Option<Answer>,
    weights: &[f64],
    activation: &[f64],
    question: &Question,
) -> (Vec<f64>, f64, bool) {
    let classes = weights.len();
    let group = activation.len() / classes;
    let f = |a: f64| match score {
        Score::Plain => a,
        Score::Negated => -a,
        Score::Reciprocal => 1.0 / (a + 1.0),
    };
    let slope = |a: f64| match score {
        Score::Plain => 1.0,
        Score::Negated => -1.0,
        Score::Reciprocal => -1.0 / (a + 1.0).powi(2),
    };
    let s: Vec<f64> = activation.chunks(group).map(|units| units.iter().map(|&a| f(a)).sum()).collect();
    let Question { label, coefficients: [kappa, v, on, off], ref targets } = *question;
    let largest = s.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let smallest = s.iter().copied().fold(f64::INFINITY, f64::min);
    let best = match answer {
        Some(Answer::Smallest) => smallest,
        _ => largest,
    };
    let right = answer.is_some() && s.iter().position(|&s| s == best) == Some(label);
    let log_sum = largest + s.iter().map(|s| (s - largest).exp()).sum::<f64>().ln();
    let (mut value, mut gradient) = (0.0, vec![0.0; classes]);
    let mut squares = |goal: &dyn Fn(usize) -> f64, tolerance: f64| {
        for c in 0..classes {
            let error = s[c] - goal(c);
            if error.abs() >= tolerance {
                value += error * error;
                gradient[c] = 2.0 * error;
            }
        }
    };
    match criterion {
        Criterion::None => {}
        Criterion::SquaredError { tolerance } => {
            squares(&|c| if c == label { on } else { off }, tolerance);
            value *= weights[label];
            gradient.iter_mut().for_each(|gradient| *gradient *= weights[label]);
        }
        Criterion::SquaredErrorToTargets { tolerance, .. } => squares(&|c| targets[c], tolerance),
        Criterion::NegativeLogLikelihood => {
            value = -weights[label] * s[label];
            gradient[label] = -weights[label];
        }
        Criterion::CrossEntropy { smoothing } => {
            let goals: Vec<f64> = (0..classes)
                .map(|c| {
                    let sure = if c == label { (1.0 - smoothing) * weights[c] } else { 0.0 };
                    sure + smoothing / classes as f64 * weights[c]
                })
                .collect();
            let all: f64 = goals.iter().sum();
            for c in 0..classes {
                value += goals[c] * (log_sum - s[c]);
                gradient[c] = (s[c] - log_sum).exp() * all - goals[c];
            }
        }
    }
    let units = activation.iter().enumerate().map(|(j, &a)| kappa * gradient[j / group] * slope(a)).collect();
    (units, v * value, right)
}

/// Activation and step of each unit, `[B][n]`, over the steps of each sample.
pub fn collapse(pooling: Pooling, trace: &Grid, lengths: &[u32]) -> (Vec<f64>, Vec<f64>) {
    let (mut activation, mut step) = (Vec::new(), Vec::new());
    for (b, &length) in lengths.iter().enumerate() {
        for j in 0..trace.units {
            let values: Vec<f64> = (0..length as isize).map(|t| trace.get(t, b, j)).collect();
            let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = values.iter().sum();
            // The step of each spike; one may have several.
            let spikes: Vec<usize> = (0..values.len()).flat_map(|t| vec![t; values[t].max(0.0) as usize]).collect();
            let last = values.len() - 1;
            let (a, s) = match pooling {
                Pooling::Max => (largest, values.iter().position(|&v| v == largest).unwrap()),
                Pooling::Sum => (sum, 0),
                Pooling::Mean => (sum / f64::from(length), 0),
                Pooling::Last => (values[last], 0),
                Pooling::Spike(number) => {
                    let at = spikes.get(number as usize - 1).copied().unwrap_or(last);
                    (at as f64, at)
                }
            };
            activation.push(a);
            step.push(s as f64);
        }
    }
    (activation, step)
}

/// The gradient of each step, `[T][B][n]`.
pub fn spread(pooling: Pooling, steps: usize, lengths: &[u32], gradient: &[f64], step: &[f64]) -> Grid {
    let units = gradient.len() / lengths.len();
    let mut out = Grid::new(0..steps as isize, lengths.len(), units);
    for (t, b, j) in out.places(0..steps as isize) {
        let at = b * units + j;
        let here = f64::from(t as f64 == step[at]);
        let share = match pooling {
            _ if t >= lengths[b] as isize => 0.0,
            Pooling::Max => here,
            Pooling::Sum => 1.0,
            Pooling::Mean => 1.0 / f64::from(lengths[b]),
            Pooling::Last => f64::from(t + 1 == lengths[b] as isize),
            Pooling::Spike(_) => -here,
        };
        out.set(t, b, j, share * gradient[at]);
    }
    out
}
