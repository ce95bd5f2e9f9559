//! `constants`: α, β, γ, θ, b of each neuron from its parameters.

use super::recorder::{read, write};
use super::{Gpu, Permutation, Values};
use crate::kernels::Model;
use crate::neuron::{Leak, MOST_PARAMETERS, Transform};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    row: u32,
    units: u32,
    synapse: u32,
    normalised: u32,
    spiking: u32,
    leak: u32,
    dt: f32,
    rows: u32,
    transforms: [u32; MOST_PARAMETERS],
}

/// The number of a leak in the shaders.
pub(super) fn leak(leak: Leak) -> u32 {
    match leak {
        Leak::Exponential => 0,
        Leak::Euler => 1,
        Leak::Logistic => 2,
        Leak::None => 3,
    }
}

/// The numbers of the transforms of a snippet's own parameters.
pub(super) fn transforms(model: &Model) -> [u32; MOST_PARAMETERS] {
    let own = model.snippet.map_or(&[][..], |snippet| snippet.parameters);
    let mut numbers = [0; MOST_PARAMETERS];
    for (number, spec) in numbers.iter_mut().zip(own) {
        *number = match spec.transform {
            Transform::Identity => 0,
            Transform::Decay => 1,
            Transform::Rate => 2,
        };
    }
    numbers
}

pub(super) fn constants(gpu: &mut Gpu, model: Model, units: usize, dt: f64, parameters: &Values, out: &Values) {
    let row = crate::spikes::pad(units);
    let params = Params {
        row: row as u32,
        units: units as u32,
        synapse: model.synapse.into(),
        normalised: model.normalised.into(),
        spiking: model.spiking.into(),
        leak: leak(model.leak),
        dt: dt as f32,
        rows: model.own() as u32,
        transforms: transforms(&model),
    };
    let bindings = [read(1, &parameters.array), write(2, &out.array)];
    gpu.flat(Permutation::new("constants"), &params, &bindings, row, 32 * row as u64);
    if model.own() > 0 {
        let entries = model.own() * row;
        gpu.flat(Permutation::new("constants").define("OWN", true), &params, &bindings, entries, 32 * entries as u64);
    }
}
