//! `cross_entropy`: the built-in loss, in one workgroup.

use super::recorder::{read, write};
use super::{Gpu, tree};
use crate::kernels::CrossEntropy;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    batch: u32,
    row: u32,
    units: u32,
    slot: u32,
}

pub(super) fn cross_entropy(gpu: &mut Gpu, call: CrossEntropy<Gpu>) {
    let params = Params {
        batch: call.shape.batch as u32,
        row: call.shape.row() as u32,
        units: call.shape.units as u32,
        slot: call.slot as u32,
    };
    let bindings = [read(1, &call.labels.array), write(2, &call.planes.array), write(3, &call.metrics.array)];
    gpu.dispatch(tree("cross_entropy"), &params, &bindings, 1, 64 * call.shape.len(1) as u64);
}
