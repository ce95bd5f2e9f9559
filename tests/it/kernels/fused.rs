//! `layer_forward` equals `drive`, then `forward`, from the same source and weights.

use super::drive::{Case as Projected, draw as draw_projection, draw_source};
use super::forward::compare;
use super::*;
use crate::naive::{self, Trace};
use spikegrad::kernels::*;

#[derive(Clone, Debug)]
pub struct Case {
    pub drive: Projected,
    pub neuron: super::forward::Case,
}

pub fn draw(random: &mut Random) -> Case {
    let drive = draw_projection(random);
    let neuron = super::forward::draw(random);
    let cuts = cuts(random, drive.shape.steps);
    Case { neuron: super::forward::Case { shape: drive.shape, cuts, ..neuron }, drive }
}

/// Numbers on a grid of 1/64: their sums have no rounding, so that every order of summing gives the same drive.
fn on_a_grid(value: f64) -> f64 {
    (value * 64.0).round() / 64.0
}

/// Draws until no potential comes near its threshold.
fn set_up(case: &Case) -> (naive::Layer, naive::Grid, Vec<f64>, Trace) {
    let Projected { projection, kind, inputs, shape, lag, .. } = case.drive;
    let model = case.neuron.model;
    for attempt in 0..200 {
        let random = &mut Random::new(case.drive.seed, attempt);
        let mut layer = draw_layer(random, model, shape.units, case.neuron.recurrent);
        let mut source = draw_source(random, kind, inputs, shape);
        source.values.iter_mut().for_each(|value| *value = on_a_grid(*value));
        let active = source.values.iter().filter(|&&value| value != 0.0).count() as f64 / source.values.len() as f64;
        let scale = if projection == Projection::Dense { (active * inputs as f64).max(1.0).sqrt() } else { 1.0 };
        let constants = &mut layer.constants;
        let count = if projection == Projection::Dense { inputs } else { 1 };
        let mut weights = vec![0.0; count * shape.units];
        for (at, weight) in weights.iter_mut().enumerate() {
            let j = at % shape.units;
            *weight = on_a_grid(random.normal() / scale * (1.0 - constants.alpha[j]) / constants.gamma[j]);
        }
        constants.bias.iter_mut().for_each(|bias| *bias = on_a_grid(*bias));
        if let Some(recurrent) = &mut layer.recurrent {
            recurrent.iter_mut().for_each(|weight| *weight = on_a_grid(*weight));
        }
        let drive = naive::drive(projection, shape, &source, lag, &weights, &layer.constants.bias);
        let mut trace = draw_start(random, &layer, shape);
        naive::forward(&layer, &drive, &mut trace, None);
        let near = |(t, b, j)| (trace.potential.get(t, b, j) - layer.constants.theta[j]).abs() < 2e-5;
        if !model.spiking || !drive.places(drive.steps.clone()).any(near) {
            return (layer, source, weights, trace);
        }
    }
    panic!("no potentials away from the threshold");
}

pub fn check<K: Kernels>(kernels: &mut K, case: &Case) {
    let (layer, source, weights, trace) = set_up(case);
    for fused in [false, true] {
        println!("fused: {fused}");
        let outcome = run(kernels, case, &layer, &source, &weights, &trace, fused);
        compare(&case.neuron, &outcome, &trace, tolerance::<K>(1e-5));
    }
}

/// What a backend makes of a case whose weights are on a grid of 1/64, apart and fused.
pub fn outcomes<K: Kernels>(kernels: &mut K, case: &Case) -> [super::forward::Outcome; 2] {
    let (layer, source, weights, trace) = set_up(case);
    [false, true].map(|fused| run(kernels, case, &layer, &source, &weights, &trace, fused))
}

fn run<K: Kernels>(
    kernels: &mut K,
    case: &Case,
    layer: &naive::Layer,
    source: &naive::Grid,
    weights: &[f64],
    begin: &Trace,
    fused: bool,
) -> super::forward::Outcome {
    let Projected { projection, kind, inputs, shape, lag, .. } = case.drive;
    let (model, reduce) = (case.neuron.model, case.neuron.reduce);
    let source = activity(kernels, kind, source);
    let weights = forward_weights(kernels, shape.units, weights);
    let constants = super::constants(kernels, model, &layer.constants);
    let recurrent = recurrent(kernels, layer);
    let form = case.neuron.form.unwrap_or_else(|| kernels.form(shape, case.neuron.recurrent).0);
    let mut x = kernels.values("drive", shape.len(shape.steps)).unwrap();
    let mut unwritten = begin.spikes.clone();
    unwritten.values[2 * shape.batch * shape.units..].fill(1.0);
    let mut spikes = model.spiking.then(|| activity(kernels, ActivityKind::Raster, &unwritten));
    let mut tape = case.neuron.tape.then(|| kernels.values("tape", 2 * shape.len(shape.steps)).unwrap());
    let mut planes = start(kernels, shape, begin);
    let mut from = 0;
    for &to in &case.neuron.cuts {
        let drive = Drive {
            projection,
            inputs,
            shape,
            range: from..to,
            source: &source,
            lag,
            weights: &weights,
            constants: &constants,
            out: &mut x,
        };
        let forward = Forward {
            model,
            shape,
            window: Window::whole(shape),
            range: from..to,
            form,
            constants: &constants,
            recurrent: recurrent.as_ref().map(|(weights, prepared)| (weights, prepared)),
            spikes: spikes.as_mut(),
            tape: tape.as_mut(),
            active: None,
            planes: &mut planes,
            reduce,
        };
        if fused {
            kernels.layer_forward(drive, forward);
        } else {
            kernels.drive(drive);
            kernels.forward(&x, forward);
        }
        from = to;
    }
    super::forward::Outcome {
        spikes: spikes.map(|spikes| read_activity(kernels, "spikes", shape, &spikes)),
        potential: tape.as_ref().map(|tape| read_grid(kernels, "tape of V", shape, tape, 0)),
        current: None,
        planes: [plane::POTENTIAL, plane::CURRENT, plane::ACTIVATION, plane::STEP]
            .map(|plane| read_plane(kernels, shape, &planes, plane))
            .to_vec(),
    }
}

on_every_backend!(equals_drive_then_forward, 60, draw, check);

/// The same where the GPU fuses layers of any size; without this only large ones are fused.
#[cfg(feature = "gpu")]
#[test]
fn gpu_that_always_fuses() {
    use spikegrad::gpu::{Choice, Gpu, Options};
    if let Some(plain) = gpu() {
        let (adapter, options) = (Some(plain.adapter().index), Options { fuse: 0, ..Options::default() });
        on_drawn(&mut Gpu::new(Choice { adapter, options }).unwrap(), 30, draw, check);
    }
}

/// A feed-forward layer that strips of columns can walk.
fn feed_forward(random: &mut Random, inputs: usize, shape: Shape) -> Case {
    let (projection, kind) = (Projection::Dense, ActivityKind::Raster);
    let drive = Projected { projection, kind, inputs, shape, range: 0..shape.steps, ..draw_projection(random) };
    let neuron = super::forward::draw(random);
    let cuts =
        if shape.steps > 1 && chance(random, 0.5) { vec![shape.steps - 1, shape.steps] } else { vec![shape.steps] };
    let model = model(random, true);
    Case { neuron: super::forward::Case { shape, cuts, model, recurrent: false, reduce: None, ..neuron }, drive }
}

/// Walks layers as drive and scan, and as one call, which is in strips: the same bits.
fn strips_change_no_bit(forms: spikegrad::cpu::Forms, count: u64, draw: impl Fn(&mut Random) -> Case) {
    let spiked = std::cell::Cell::new(0.0);
    on_drawn(&mut spikegrad::cpu::Cpu::<f32>::with_forms(forms), count, draw, |kernels, case| {
        let Projected { inputs, shape, kind, .. } = case.drive;
        let random = &mut Random::new(case.drive.seed, 1);
        let layer = draw_layer(random, case.neuron.model, shape.units, false);
        let source = draw_source(random, kind, inputs, shape);
        let weights: Vec<f64> = (0..inputs * shape.units).map(|_| 0.2 * normal(random)).collect();
        let trace = draw_start(random, &layer, shape);
        let [apart, fused] = [false, true].map(|fused| run(kernels, case, &layer, &source, &weights, &trace, fused));
        assert_eq!(apart, fused);
        spiked.set(spiked.get() + fused.spikes.unwrap().values.iter().sum::<f64>());
    });
    assert!(spiked.get() > 1000.0, "{spiked:?} spikes");
}

/// Feed-forward layers whose weights are too many for a cache: the CPU walks them in strips by itself.
#[test]
fn strips_of_a_wide_layer_change_no_bit() {
    strips_change_no_bit(Default::default(), 8, |random| {
        let inputs = one_of(random, &[700, 1030]);
        let (steps, batch) = (5 + random.below(6), one_of(random, &[67, 131]));
        let shape = Shape { steps, batch, units: one_of(random, &[224, 257, 300]) };
        feed_forward(random, inputs, shape)
    });
}

/// Any shape, where strips are asked for.
#[test]
fn strips_of_any_layer_change_no_bit() {
    let forms = spikegrad::cpu::Forms { strips: When::Always, ..Default::default() };
    strips_change_no_bit(forms, 40, |random| {
        let (inputs, units) = (one_of(random, &[1, 31, 70, 200]), one_of(random, &[1, 32, 33, 64, 65, 130]));
        let shape = Shape { steps: 1 + random.below(9), batch: 1 + random.below(20), units };
        feed_forward(random, inputs, shape)
    });
}
