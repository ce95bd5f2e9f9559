//! `count`: emitted spikes of each neuron of each sample.

use super::recorder::{read, write};
use super::window::Window;
use super::{Gpu, Permutation};
use crate::kernels::Count;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    steps: u32,
    batch: u32,
    row: u32,
    emit_lag: u32,
    window: Window,
}

pub(super) fn count(gpu: &mut Gpu, call: Count<Gpu>) {
    let Count { shape, window, emit_lag, spikes, lengths, planes } = call;
    assert!(spikes.is_spikes(), "spikes are not numbers on a GPU");
    let params = Params {
        steps: shape.steps as u32,
        batch: shape.batch as u32,
        row: shape.row() as u32,
        emit_lag: emit_lag as u32,
        window: window.into(),
    };
    let bindings = [read(1, &spikes.array), write(2, &planes.array), read(3, &lengths.array)];
    let permutation = Permutation::new("count").define("BYTES", spikes.is_bytes());
    gpu.flat(permutation, &params, &bindings, shape.len(1), shape.len(shape.steps) as u64);
}
