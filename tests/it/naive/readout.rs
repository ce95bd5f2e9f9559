//! Counts, readout, loss and regularisers (section 5). Samples' values are `[B][n]`.

use super::Grid;
use spikegrad::network::{Reduce, Regulariser};

/// `ζ = Σ_{t=0}^{T-1} S_{t-e}`.
pub fn count(spikes: &Grid, emit_lag: usize) -> Vec<f64> {
    count_until(spikes, emit_lag, &vec![spikes.steps.end as u32; spikes.batch])
}

/// The same up to the end of each sample.
pub fn count_until(spikes: &Grid, emit_lag: usize, lengths: &[u32]) -> Vec<f64> {
    let mut counts = vec![0.0; spikes.batch * spikes.units];
    for (t, b, j) in spikes.places(0..spikes.steps.end).filter(|&(t, b, _)| t < lengths[b] as isize) {
        counts[b * spikes.units + j] += spikes.get(t - emit_lag as isize, b, j);
    }
    counts
}

/// V_0..V_{T-1} reduced to an activation, and the first step of the maximum.
pub fn reduce(reduce: Reduce, potential: &Grid) -> (Vec<f64>, Vec<f64>) {
    let (end, n) = (potential.steps.end, potential.units);
    let mut activation = vec![0.0; potential.batch * n];
    let mut step = activation.clone();
    for (_, b, j) in potential.places(0..1) {
        let trace: Vec<f64> = (0..end).map(|t| potential.get(t, b, j)).collect();
        let largest = trace.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        activation[b * n + j] = match reduce {
            Reduce::Max => largest,
            Reduce::Sum => trace.iter().sum(),
            Reduce::Mean => trace.iter().sum::<f64>() / end as f64,
            Reduce::Last => trace[end as usize - 1],
        };
        step[b * n + j] = trace.iter().position(|&v| v == largest).unwrap() as f64;
    }
    (activation, step)
}

/// d activation / dV_t.
pub fn reduction_gradient(reduce: Reduce, t: isize, end: isize, step: f64) -> f64 {
    match reduce {
        Reduce::Max => f64::from(t as f64 == step),
        Reduce::Sum => 1.0,
        Reduce::Mean => 1.0 / end as f64,
        Reduce::Last => f64::from(t == end - 1),
    }
}

/// dL/dζ and the value of one regulariser.
pub fn regularise(regulariser: Regulariser, counts: &[f64], batch: usize) -> (Vec<f64>, f64) {
    let m = counts.len() / batch;
    let (units, samples) = (m as f64, batch as f64);
    let mut gradient = vec![0.0; counts.len()];
    let mut value = 0.0;
    for b in 0..batch {
        let mean = counts[b * m..(b + 1) * m].iter().sum::<f64>() / units;
        for j in 0..m {
            let zeta = counts[b * m + j];
            gradient[b * m + j] = match regulariser {
                Regulariser::Lower { strength, target } => {
                    let lacking = (target - zeta).max(0.0);
                    value += strength / units * lacking * lacking / samples;
                    -2.0 * strength / units * lacking / samples
                }
                Regulariser::Upper { strength, target, exponent } => {
                    let excess = mean - target;
                    if excess <= 0.0 {
                        0.0
                    } else if exponent == 1 {
                        value += strength * excess / units / samples;
                        strength / units / samples
                    } else {
                        value += strength * excess * excess / units / samples;
                        2.0 * strength * excess / units / samples
                    }
                }
                Regulariser::UpperNeuron { strength, target, exponent } => {
                    let excess = (zeta - target).max(0.0);
                    value += strength / units * excess.powi(exponent as i32) / samples;
                    let slope = if exponent == 2 { 2.0 * excess } else { f64::from(excess > 0.0) };
                    strength / units * slope / samples
                }
                Regulariser::L2Target { strength, target } => {
                    value += strength / units * (zeta - target).powi(2) / samples;
                    2.0 * strength / units * (zeta - target) / samples
                }
                Regulariser::L1 { strength } => {
                    value += strength * zeta / samples;
                    strength / samples
                }
                Regulariser::L2 { strength } => {
                    let all: f64 = (0..batch).map(|b| counts[b * m + j]).sum();
                    value += strength * all * all / units / samples;
                    2.0 * strength * all / units
                }
            };
        }
    }
    (gradient, value)
}
