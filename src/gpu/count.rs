//! `count`: emitted spikes of each neuron of each sample.

use super::recorder::{read, write};
use super::{Activity, Gpu, Permutation, Values, Words};
use crate::kernels::Shape;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    batch: u32,
    row: u32,
    emit_lag: u32,
}

pub(super) fn count(gpu: &mut Gpu, shape: Shape, emit_lag: usize, spikes: &Activity, lengths: &Words, planes: &Values) {
    assert!(spikes.is_spikes(), "spikes are not numbers on a GPU");
    let params = Params { batch: shape.batch as u32, row: shape.row() as u32, emit_lag: emit_lag as u32 };
    let bindings = [read(1, &spikes.array), write(2, &planes.array), read(3, &lengths.array)];
    let permutation = Permutation::new("count").define("BYTES", spikes.is_bytes());
    gpu.flat(permutation, &params, &bindings, shape.len(1), shape.len(shape.steps) as u64);
}
