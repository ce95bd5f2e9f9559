//! Drawn cases: shapes with every kind of remainder, every switch, numbers that f32 holds exactly.

use crate::naive::{Constants, Grid, Layer, Trace, forward};
use spikegrad::kernels::*;
use spikegrad::network::{Reset, Surrogate, SurrogateKind};
use spikegrad::neuron::Leak;
use spikegrad::spikes::Random;

/// One of `choices`.
pub fn one_of<T: Copy>(random: &mut Random, choices: &[T]) -> T {
    choices[random.below(choices.len())]
}

/// True with this probability.
pub fn chance(random: &mut Random, probability: f64) -> bool {
    random.uniform() < probability
}

/// The nearest number that f32 holds.
pub fn single(value: f64) -> f64 {
    f64::from(value as f32)
}

/// Standard normal, in f32.
pub fn normal(random: &mut Random) -> f64 {
    single(random.normal())
}

/// Uniform in low..high, in f32.
pub fn between(random: &mut Random, low: f64, high: f64) -> f64 {
    single(low + (high - low) * random.uniform())
}

/// Widths: 1, around a word, odd, above 256; now and then 1000.
pub fn width(random: &mut Random) -> usize {
    let wide = chance(random, 0.04);
    if wide { 1000 } else { one_of(random, &[1, 3, 7, 31, 32, 33, 40, 64, 65, 100, 257, 300]) }
}

/// T from 1 to 12, B odd (or 2), any width; now and then a batch that is split into several tasks.
pub fn shape(random: &mut Random) -> Shape {
    if chance(random, 0.1) {
        let (steps, batch, units) = (1 + random.below(6), one_of(random, &[67, 131]), one_of(random, &[1, 33, 65]));
        return Shape { steps, batch, units };
    }
    let units = width(random);
    let steps = if units > 300 { one_of(random, &[1, 4]) } else { 1 + random.below(12) };
    Shape { steps, batch: one_of(random, &[1, 1, 2, 3, 5]), units }
}

/// Any switches.
pub fn model(random: &mut Random, spiking: bool) -> Model {
    let reset = if spiking { one_of(random, &Reset::ALL) } else { Reset::None };
    Model {
        spiking,
        reset,
        detach: chance(random, 0.5),
        lag: random.below(2),
        emit_lag: if spiking { random.below(2) } else { 0 },
        recurrent_lag: 1 + random.below(2),
        normalised: chance(random, 0.5),
        inclusive: chance(random, 0.5),
        reset_potential: if reset == Reset::ZeroBefore { one_of(random, &[0.0, 0.25]) } else { 0.0 },
        surrogate: Surrogate {
            kind: one_of(random, &SurrogateKind::ALL),
            slope: one_of(random, &[1.0, 5.0, 10.0, 25.0]),
            scale: one_of(random, &[1.0, 0.25]),
        },
        synapse: chance(random, 0.5),
        learned: Learned {
            tau_syn: chance(random, 0.5),
            tau_mem: chance(random, 0.5),
            threshold: chance(random, 0.5),
            bias: chance(random, 0.5),
            own: 0,
        },
        firing: spikegrad::kernels::Firing::Single,
        leak: Leak::Exponential,
        snippet: None,
    }
}

/// Per-neuron constants for `model`.
pub fn draw_constants(random: &mut Random, model: Model, units: usize) -> Constants {
    let mut each = |low, high| (0..units).map(|_| between(random, low, high)).collect::<Vec<f64>>();
    let beta = each(0.3, 0.95);
    Constants {
        alpha: if model.synapse { each(0.2, 0.9) } else { vec![0.0; units] },
        gamma: beta.iter().map(|beta| if model.normalised { single(1.0 - beta) } else { 1.0 }).collect(),
        beta,
        theta: each(0.5, 1.5),
        bias: each(-0.5, 0.5),
    }
}

/// A layer with drawn constants and recurrent weights.
pub fn draw_layer(random: &mut Random, model: Model, units: usize, recurrent: bool) -> Layer {
    let constants = draw_constants(random, model, units);
    let recurrent = recurrent.then(|| {
        let scale = 0.7 / (units as f64).sqrt();
        let entry = |at: usize| single(random.normal() * scale / constants.gamma[at % units]);
        (0..units * units).map(entry).collect()
    });
    Layer { model, constants, recurrent, smooth: None }
}

/// A drive under which about a fifth of the neurons spike.
pub fn draw_drive(random: &mut Random, layer: &Layer, shape: Shape) -> Grid {
    let constants = &layer.constants;
    let mut drive = Grid::new(0..shape.steps as isize, shape.batch, shape.units);
    for (t, b, j) in drive.places(drive.steps.clone()) {
        let scale = (1.0 - constants.alpha[j]) / constants.gamma[j];
        drive.set(t, b, j, single((0.3 + 0.8 * random.normal()) * scale));
    }
    drive
}

/// Start values, none of them 0: V_{-1}, I_{-1}, and the spikes of steps −2 and −1.
pub fn draw_start(random: &mut Random, layer: &Layer, shape: Shape) -> Trace {
    let mut trace = Trace::new(shape.steps, shape.batch, shape.units);
    for (_, b, j) in trace.potential.places(-1..0) {
        trace.potential.set(-1, b, j, between(random, -0.5, 0.5));
        trace.current.set(-1, b, j, between(random, -0.5, 0.5));
        if layer.model.spiking {
            trace.spikes.set(-1, b, j, f64::from(chance(random, 0.3)));
            trace.spikes.set(-2, b, j, f64::from(chance(random, 0.3)));
        }
    }
    trace
}

/// Distance that potentials keep from the threshold, so that rounding cannot flip a spike.
pub const MARGIN: f64 = 1e-3;

/// Runs the naive forward pass, and moves the drive (or I_{-1}) wherever a potential comes too near its threshold.
pub fn settle(layer: &Layer, drive: &mut Grid, trace: &mut Trace) {
    let (lag, constants) = (layer.model.lag as isize, &layer.constants);
    for _ in 0..20 * drive.steps.len() {
        forward(layer, drive, trace, None);
        if !layer.model.spiking {
            return;
        }
        let near = |t, b, j| (trace.potential.get(t, b, j) - constants.theta[j]).abs() < MARGIN;
        let Some((first, ..)) = drive.places(drive.steps.clone()).find(|&(t, b, j)| near(t, b, j)) else {
            return;
        };
        let moved: Vec<_> = drive.places(first..first + 1).filter(|&(t, b, j)| near(t, b, j)).collect();
        for (t, b, j) in moved {
            let by = 5.0 * MARGIN / constants.gamma[j];
            if t == 0 && lag == 1 {
                trace.current.set(-1, b, j, single(trace.current.get(-1, b, j) + by));
            } else {
                drive.set(t - lag, b, j, single(drive.get(t - lag, b, j) + by));
            }
        }
    }
    panic!("the drive does not settle");
}

/// Rounds a naive run to f32, and keeps the potentials off the jumps and the kinks of a compact surrogate.
pub fn round(layer: &Layer, trace: &mut Trace) {
    trace.current.values.iter_mut().for_each(|value| *value = single(*value));
    let surrogate = layer.model.surrogate;
    for (t, b, j) in trace.potential.places(trace.potential.steps.clone()) {
        let mut v = single(trace.potential.get(t, b, j));
        let z = surrogate.slope * (v - layer.constants.theta[j]).abs();
        if layer.model.spiking && ((z - 0.5).abs() < MARGIN || (z - 1.0).abs() < MARGIN) {
            v = single(v + 5.0 * MARGIN / surrogate.slope);
        }
        trace.potential.set(t, b, j, v);
    }
}

/// Normal numbers, one for each (sample, neuron).
pub fn draw_plane(random: &mut Random, shape: Shape) -> Vec<f64> {
    (0..shape.batch * shape.units).map(|_| normal(random)).collect()
}

/// Normal numbers, steps 0..T.
pub fn draw_grid(random: &mut Random, shape: Shape) -> Grid {
    Grid::drawn(0..shape.steps as isize, shape.batch, shape.units, || normal(random))
}

/// The ends of the ranges that 0..steps is cut into.
pub fn cuts(random: &mut Random, steps: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = (0..random.below(3)).map(|_| random.below(steps)).filter(|&cut| cut > 0).collect();
    cuts.push(steps);
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

/// Lengths of samples: all T, or each its own.
pub fn draw_lengths(random: &mut Random, shape: Shape) -> Vec<u32> {
    let all = chance(random, 0.3);
    (0..shape.batch).map(|_| if all { shape.steps } else { 1 + random.below(shape.steps) } as u32).collect()
}
