//! `constants`: α, β, γ, θ, b of each neuron from its parameters.

use super::recorder::{read, write};
use super::{Gpu, Permutation, Values};
use crate::kernels::Model;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    row: u32,
    units: u32,
    synapse: u32,
    normalised: u32,
    spiking: u32,
    dt: f32,
}

pub(super) fn constants(gpu: &mut Gpu, model: Model, units: usize, dt: f64, parameters: &Values, out: &Values) {
    let row = crate::spikes::pad(units);
    let params = Params {
        row: row as u32,
        units: units as u32,
        synapse: model.synapse.into(),
        normalised: model.normalised.into(),
        spiking: model.spiking.into(),
        dt: dt as f32,
    };
    let bindings = [read(1, &parameters.array), write(2, &out.array)];
    gpu.flat(Permutation::new("constants"), &params, &bindings, row, 32 * row as u64);
}
