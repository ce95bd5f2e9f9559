//! `neuron_gradient`: planes summed over the samples, the chain rule to the time constants, then over the layer where one
//! value serves it.

use super::recorder::{read, write};
use super::{Gpu, Permutation, TREE, flat, tree};
use crate::kernels::{Mode, NeuronGradient, row};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    learned: [u32; 4],
    shared: [u32; 4],
    batch: u32,
    row: u32,
    units: u32,
    dt: f32,
}

pub(super) fn neuron_gradient(gpu: &mut Gpu, call: NeuronGradient<Gpu>) {
    let length = call.shape.row();
    let mut params = Params {
        learned: call.modes.map(|(mode, _)| u32::from(mode != Mode::Frozen)),
        shared: call.modes.map(|(mode, shared)| u32::from(mode != Mode::Frozen && shared)),
        batch: call.shape.batch as u32,
        row: length as u32,
        units: call.shape.units as u32,
        dt: call.dt as f32,
    };
    if !call.model.synapse {
        params.learned[row::TAU_SYN] = 0;
    }
    let bindings = [
        read(1, &call.parameters.array),
        read(2, &call.constants.array),
        read(3, &call.planes.array),
        write(4, &call.out.array),
    ];
    let entries = row::ROWS * length;
    gpu.flat(Permutation::new("neuron_gradient"), &params, &bindings, entries, (call.shape.batch * entries) as u64);
    if params.shared.contains(&1) {
        gpu.dispatch(second(), &params, &[write(4, &call.out.array)], row::ROWS, entries as u64);
    }
}

fn second() -> Permutation {
    Permutation::new("neuron_gradient").define("SHARED", true).constant("SIZE", TREE)
}

pub(super) fn permutations() -> Vec<Permutation> {
    vec![flat("neuron_gradient"), tree("neuron_gradient").define("SHARED", true)]
}
