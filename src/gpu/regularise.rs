//! `regularise`: the activity regularisers, one workgroup a sample (`l2`: for a stretch of units), then `finish`.

use super::finish::{PARTS, finish};
use super::recorder::write;
use super::{Gpu, TREE};
use crate::kernels::Regularise;
use crate::network::Regulariser;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    batch: u32,
    row: u32,
    units: u32,
    kind: u32,
    exponent: u32,
    strength: f32,
    target: f32,
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct L2Params {
    batch: u32,
    row: u32,
    units: u32,
    strength: f32,
}

pub(super) fn regularise(gpu: &mut Gpu, call: Regularise<Gpu>) {
    let (shape, planes) = (call.shape, &call.planes.array);
    let (batch, row, units) = (shape.batch as u32, shape.row() as u32, shape.units as u32);
    let (kind, strength, target, exponent) = match call.regulariser {
        Regulariser::Lower { strength, target } => (0, strength, target, 2),
        Regulariser::Upper { strength, target, exponent } => (1, strength, target, exponent),
        Regulariser::L1 { strength } => (2, strength, 0.0, 1),
        Regulariser::UpperNeuron { strength, target, exponent } => (3, strength, target, exponent),
        Regulariser::L2Target { strength, target } => (4, strength, target, 2),
        Regulariser::L2 { strength } => {
            let count = shape.units.div_ceil(TREE);
            let Some(parts) = gpu.recorder.scratch(PARTS, count) else { return };
            let params = L2Params { batch, row, units, strength: strength as f32 };
            let bindings = [write(1, planes), write(2, &parts)];
            gpu.dispatch(gpu.tree("regularise_l2"), &params, &bindings, count, 2 * shape.len(1) as u64);
            return finish(gpu, &parts, 1, count, call.metrics, call.slot, true);
        }
    };
    let Some(parts) = gpu.recorder.scratch(PARTS, shape.batch) else { return };
    let params = Params { batch, row, units, kind, exponent, strength: strength as f32, target: target as f32 };
    let bindings = [write(1, planes), write(2, &parts)];
    gpu.dispatch(gpu.tree("regularise"), &params, &bindings, shape.batch, 4 * shape.len(1) as u64);
    finish(gpu, &parts, 1, shape.batch, call.metrics, call.slot, true);
}
