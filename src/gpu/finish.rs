//! `finish`: the last stage of sums whose parts several workgroups made.

use super::buffers::Array;
use super::recorder::{read, write};
use super::{Gpu, Values};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    parts: u32,
    sums: u32,
    slot: u32,
    accumulate: u32,
}

/// Name of the scratch memory for the parts of sums.
pub(super) const PARTS: &str = "parts of a sum";

/// Adds the parts `[sums][parts]` up and writes the sums to `metrics[slot..]`, or adds them there.
pub(super) fn finish(
    gpu: &mut Gpu,
    array: &Array,
    sums: usize,
    parts: usize,
    metrics: &Values,
    slot: usize,
    accumulate: bool,
) {
    let params = Params { parts: parts as u32, sums: sums as u32, slot: slot as u32, accumulate: accumulate.into() };
    let bindings = [read(1, array), write(2, &metrics.array)];
    gpu.dispatch(gpu.tree("finish"), &params, &bindings, 1, (sums * parts) as u64);
}
