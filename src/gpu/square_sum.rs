//! `square_sum`: stretches of the array, one for each workgroup, then `finish`.

use super::buffers::cuts;
use super::finish::{PARTS, finish};
use super::recorder::{read, write};
use super::{Gpu, Values};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    len: u32,
    stretch: u32,
    parts: u32,
    first_part: u32,
}

/// Entries of a workgroup: 16 for each invocation.
pub(super) const STRETCH: usize = 16 * super::TREE;

pub(super) fn square_sum(gpu: &mut Gpu, values: &Values, len: usize, metrics: &Values, slot: usize) {
    let pieces = cuts(len, &[values.piece]);
    let count: usize = pieces.iter().map(|piece| piece.len().div_ceil(STRETCH)).sum();
    let Some(parts) = gpu.recorder.scratch(PARTS, count) else { return };
    let mut first_part = 0;
    for (index, piece) in pieces.into_iter().enumerate() {
        let (len, count) = (piece.len(), piece.len().div_ceil(STRETCH));
        let params =
            Params { len: len as u32, stretch: STRETCH as u32, parts: count as u32, first_part: first_part as u32 };
        let bindings = [read(1, values.part(index)), write(2, &parts)];
        gpu.dispatch(gpu.tree("square_sum"), &params, &bindings, count, len as u64);
        first_part += count;
    }
    finish(gpu, &parts, 1, count, metrics, slot, false);
}
