//! `total`: the sum of a plane, one workgroup a sample, then `finish`.

use super::buffers::Array;
use super::recorder::{read, write};
use super::{Gpu, Permutation, TREE, Values, tree};
use crate::kernels::Shape;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    batch: u32,
    row: u32,
    units: u32,
    plane: u32,
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct FinishParams {
    parts: u32,
    slot: u32,
    accumulate: u32,
}

/// Name of the scratch memory for the parts of a sum.
pub(super) const PARTS: &str = "parts of a sum";

pub(super) fn total(gpu: &mut Gpu, shape: Shape, planes: &Values, plane: usize, metrics: &Values, slot: usize) {
    let Some(parts) = gpu.recorder.scratch(PARTS, shape.batch) else { return };
    let params =
        Params { batch: shape.batch as u32, row: shape.row() as u32, units: shape.units as u32, plane: plane as u32 };
    let bindings = [read(1, &planes.array), write(2, &parts)];
    gpu.dispatch(tree("total"), &params, &bindings, shape.batch, shape.len(1) as u64);
    finish(gpu, &parts, shape.batch, metrics, slot, false);
}

/// Adds `count` parts and writes the sum to `metrics[slot]`, or adds it there.
pub(super) fn finish(gpu: &mut Gpu, parts: &Array, count: usize, metrics: &Values, slot: usize, accumulate: bool) {
    let params = FinishParams { parts: count as u32, slot: slot as u32, accumulate: accumulate.into() };
    let permutation = Permutation::new("finish").constant("SIZE", TREE);
    gpu.dispatch(permutation, &params, &[read(1, parts), write(2, &metrics.array)], 1, count as u64);
}
