//! `square_sum`: stretches of the array, one for each workgroup, then `finish`.

use super::finish::{PARTS, finish};
use super::recorder::{read, write};
use super::{Gpu, Values, tree};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    len: u32,
    stretch: u32,
    parts: u32,
}

/// Entries of a workgroup: 16 for each invocation.
const STRETCH: usize = 16 * super::TREE;

pub(super) fn square_sum(gpu: &mut Gpu, values: &Values, len: usize, metrics: &Values, slot: usize) {
    let count = len.div_ceil(STRETCH).max(1);
    let Some(parts) = gpu.recorder.scratch(PARTS, count) else { return };
    let params = Params { len: len as u32, stretch: STRETCH as u32, parts: count as u32 };
    gpu.dispatch(tree("square_sum"), &params, &[read(1, &values.array), write(2, &parts)], count, len as u64);
    finish(gpu, &parts, 1, count, metrics, slot, false);
}
