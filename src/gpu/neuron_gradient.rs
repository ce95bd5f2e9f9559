//! `neuron_gradient`: planes summed over the samples, the chain rule to the time constants, then over the layer where one
//! value serves it.

use super::constants::{leak, transforms};
use super::recorder::{read, write};
use super::{Gpu, Permutation, flat, trees};
use crate::kernels::{Mode, NeuronGradient, row};
use crate::neuron::MOST_PARAMETERS;

/// Rows of neuron parameters at most.
const ROWS: usize = row::ROWS + MOST_PARAMETERS;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    modes: [u32; ROWS],
    transforms: [u32; MOST_PARAMETERS],
    batch: u32,
    row: u32,
    units: u32,
    dt: f32,
    leak: u32,
    rows: u32,
    first_plane: u32,
    padding: u32,
}

pub(super) fn neuron_gradient(gpu: &mut Gpu, call: NeuronGradient<Gpu>) {
    let length = call.shape.row();
    let mut params = Params {
        modes: [0; ROWS],
        transforms: transforms(&call.model),
        batch: call.shape.batch as u32,
        row: length as u32,
        units: call.shape.units as u32,
        dt: call.dt as f32,
        leak: leak(call.model.leak),
        rows: call.model.own() as u32,
        first_plane: call.model.tail().map_or(0, |tail| tail.gradient(0)) as u32,
        padding: 0,
    };
    for (number, &(mode, shared)) in params.modes.iter_mut().zip(call.modes) {
        let learned = mode != Mode::Frozen;
        *number = u32::from(learned) | u32::from(learned && shared) << 1;
    }
    if !call.model.synapse {
        params.modes[row::TAU_SYN] = 0;
    }
    let bindings = [
        read(1, &call.parameters.array),
        read(2, &call.constants.array),
        read(3, &call.planes.array),
        write(4, &call.out.array),
    ];
    let entries = row::ROWS * length;
    gpu.flat(Permutation::new("neuron_gradient"), &params, &bindings, entries, (call.shape.batch * entries) as u64);
    if params.rows > 0 {
        let entries = call.model.own() * length;
        let permutation = Permutation::new("neuron_gradient").define("OWN", true);
        gpu.flat(permutation, &params, &bindings, entries, (call.shape.batch * entries) as u64);
    }
    if params.modes.iter().any(|mode| mode & 2 != 0) {
        let rows = call.model.parameter_rows();
        gpu.dispatch(
            gpu.tree("neuron_gradient").define("SHARED", true),
            &params,
            &[write(4, &call.out.array)],
            rows,
            (rows * length) as u64,
        );
    }
}

pub(super) fn permutations() -> Vec<Permutation> {
    let mut all = vec![flat("neuron_gradient"), flat("neuron_gradient").define("OWN", true)];
    all.extend(trees("neuron_gradient").map(|permutation| permutation.define("SHARED", true)));
    all
}
