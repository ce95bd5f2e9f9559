//! `tally`: what the units of a layer did, 32 of them a workgroup, then `finish`.

use super::finish::{PARTS, finish};
use super::recorder::{read, write};
use super::{Gpu, Permutation};
use crate::kernels::Tally;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    batch: u32,
    row: u32,
    units: u32,
    groups: u32,
}

/// Spikes, silent units, saturated units.
const SUMS: usize = 3;

pub(super) fn tally(gpu: &mut Gpu, call: Tally<Gpu>) {
    let shape = call.shape;
    let groups = shape.row() / 32;
    let Some(parts) = gpu.recorder.scratch(PARTS, SUMS * groups) else { return };
    let params =
        Params { batch: shape.batch as u32, row: shape.row() as u32, units: shape.units as u32, groups: groups as u32 };
    let bindings =
        [read(1, &call.planes.array), read(2, &call.lengths.array), write(3, &call.totals.array), write(4, &parts)];
    gpu.dispatch(Permutation::new("tally"), &params, &bindings, groups, shape.len(1) as u64);
    finish(gpu, &parts, SUMS, groups, call.metrics, call.slot, false);
}
