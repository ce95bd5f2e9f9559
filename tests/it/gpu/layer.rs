//! A recurrent layer with drawn weights, run forward and backward through the contract alone.

use spikegrad::kernels::*;
use spikegrad::network::{Reset, Surrogate, SurrogateKind};
use spikegrad::spikes::Random;

/// A current-based neuron with every parameter fixed.
pub fn model(recurrent_lag: usize) -> Model {
    Model {
        spiking: true,
        reset: Reset::ZeroAfter,
        detach: true,
        lag: 0,
        emit_lag: 0,
        recurrent_lag,
        normalised: false,
        inclusive: false,
        reset_potential: 0.0,
        surrogate: Surrogate::new(SurrogateKind::FastSigmoid, 5.0),
        synapse: true,
        firing: spikegrad::kernels::Firing::Single,
        leak: spikegrad::neuron::Leak::Exponential,
        snippet: None,
        learned: Learned::default(),
    }
}

/// Rows of `units` numbers on a grid of 1/64, whose sums have no rounding in any order; padding 0.
pub fn drawn<K: Kernels>(kernels: &mut K, seed: u64, rows: usize, units: usize, scale: f64) -> K::Values {
    let row = spikegrad::spikes::pad(units);
    let random = &mut Random::new(seed, 7);
    let mut data = vec![K::Real::from_f64(0.0); rows * row];
    for r in 0..rows {
        for j in 0..units {
            data[r * row + j] = K::Real::from_f64((random.normal() * scale * 64.0).round() / 64.0);
        }
    }
    let mut values = kernels.values("drawn", data.len()).unwrap();
    kernels.write(&mut values, 0, &data);
    values
}

/// Constants of `units` neurons with τ_syn = 5 ms and τ_mem = 10 ms.
pub fn constants<K: Kernels>(kernels: &mut K, model: Model, units: usize) -> K::Values {
    let row = spikegrad::spikes::pad(units);
    let mut parameters = kernels.values("parameters", row::ROWS * row).unwrap();
    for (at, value) in [(row::TAU_SYN, 5.0), (row::TAU_MEM, 10.0), (row::THRESHOLD, 1.0)] {
        kernels.fill(&mut parameters, at * row..at * row + units, value);
    }
    let mut out = kernels.values("constants", constant::ROWS * row).unwrap();
    kernels.constants(model, units, 1.0, &parameters, &mut out);
    out
}

/// Spikes and χ.
pub fn run<K: Kernels>(kernels: &mut K, shape: Shape, recurrent_lag: usize, form: Form) -> (Vec<f32>, Vec<f32>) {
    let model = model(recurrent_lag);
    let row = shape.row();
    let constants = constants(kernels, model, shape.units);
    let drive = drawn(kernels, 1, shape.steps * shape.batch, shape.units, 0.8);
    let weights = drawn(kernels, 2, shape.units, shape.units, 0.1);
    let gradient = drawn(kernels, 3, shape.steps * shape.batch, shape.units, 1.0);
    let mut prepared = kernels.prepared("recurrent", shape.units, shape.units).unwrap();
    kernels.prepare(&weights, shape.units, shape.units, &mut prepared);
    let mut spikes = kernels.activity("spikes", ActivityKind::Raster, shape).unwrap();
    let mut tape = kernels.values("tape", shape.len(shape.steps)).unwrap();
    let mut planes = kernels.values("planes", shape.batch * plane::PLANES * row).unwrap();
    let mut chi = kernels.values("chi", shape.len(shape.steps + FUTURE)).unwrap();
    kernels.forward(
        &drive,
        Forward {
            model,
            shape,
            window: Window::whole(shape),
            range: 0..shape.steps,
            form,
            constants: &constants,
            recurrent: Some((&weights, &prepared)),
            spikes: Some(&mut spikes),
            tape: Some(&mut tape),
            active: None,
            planes: &mut planes,
            reduce: None,
        },
    );
    kernels.backward(Backward {
        model,
        shape,
        window: Window::whole(shape),
        range: 0..shape.steps,
        form,
        constants: &constants,
        recurrent: Some((&weights, &prepared)),
        spikes: Some(&spikes),
        tape: Some(&tape),
        gradient_spikes: Some(&gradient),
        gradient_potential: None,
        counts: false,
        kicks: None,
        reduce: None,
        planes: &mut planes,
        chi: &mut chi,
    });
    let single = |values: Vec<K::Real>| values.into_iter().map(|value| value.to_f64() as f32).collect::<Vec<_>>();
    let spikes = kernels.read_activity(&spikes, HISTORY..HISTORY + shape.steps).unwrap();
    let chi = kernels.read(&chi, 0..shape.len(shape.steps)).unwrap();
    (single(spikes), single(chi))
}
