//! What reaches V from outside a neuron, for every step at once, and its part of the gradient of the threshold.

use super::backward::surrogate;
use super::buffers::Array;
use super::recorder::{read, write};
use super::{Gpu, Permutation, Values, flat};
use crate::kernels::{Model, Shape};
use crate::network::SurrogateKind;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    steps: u32,
    batch: u32,
    row: u32,
    emit_lag: u32,
    counts: u32,
    slope: f32,
    scale: f32,
    shape: [f32; 3],
}

/// The fields of [`crate::kernels::TimeBackward`] that it reads.
pub(super) struct Arriving<'a> {
    pub model: Model,
    pub shape: Shape,
    pub constants: &'a Values,
    pub potential: &'a Values,
    pub gradient_spikes: Option<&'a Values>,
    pub gradient_potential: Option<&'a Values>,
    pub counts: bool,
}

fn permutation(name: &'static str, kind: SurrogateKind, spikes: bool, potential: bool) -> Permutation {
    let expression = if let SurrogateKind::Custom(custom) = kind { Some(custom.wgsl()) } else { None };
    flat(name)
        .expression(expression)
        .define(surrogate(kind), true)
        .define("SPIKE_GRADIENT", spikes)
        .define("POTENTIAL_GRADIENT", potential)
}

/// `out = gV_t + σ'(V_t − θ) ρ_t`, and `−Σ_t` of the second part into the planes where θ is learned.
pub(super) fn arriving(gpu: &mut Gpu, call: Arriving, planes: &Values, out: &Array) {
    let (model, shape) = (call.model, call.shape);
    let params = Params {
        steps: shape.steps as u32,
        batch: shape.batch as u32,
        row: shape.row() as u32,
        emit_lag: model.emit_lag as u32,
        counts: call.counts.into(),
        slope: model.surrogate.slope as f32,
        scale: model.surrogate.scale as f32,
        shape: model.surrogate.shape().map(|number| number as f32),
    };
    let mut bindings = vec![read(1, &call.constants.array), write(2, &planes.array), read(3, &call.potential.array)];
    bindings.extend(call.gradient_spikes.map(|gradient| read(4, &gradient.array)));
    let spikes = call.gradient_spikes.is_some();
    let (kind, entries) = (model.surrogate.kind, shape.len(shape.steps));
    if model.learned.threshold {
        let permutation = permutation("arriving_theta", kind, spikes, false);
        gpu.dispatch(permutation, &params, &bindings, shape.len(1).div_ceil(super::FLAT), 16 * entries as u64);
    }
    bindings.extend(call.gradient_potential.map(|gradient| read(5, &gradient.array)));
    bindings.push(write(6, out));
    let permutation = permutation("arriving", kind, spikes, call.gradient_potential.is_some());
    gpu.dispatch(permutation, &params, &bindings, entries.div_ceil(super::FLAT), 16 * entries as u64);
}

pub(super) fn permutations() -> Vec<Permutation> {
    let switches = [false, true];
    let mut all = Vec::new();
    for (spikes, potential) in switches.into_iter().flat_map(|a| switches.map(|b| (a, b))) {
        all.push(permutation("arriving", SurrogateKind::FastSigmoid, spikes, potential));
    }
    for kind in SurrogateKind::ALL {
        all.push(permutation("arriving_theta", kind, true, false));
    }
    all
}
