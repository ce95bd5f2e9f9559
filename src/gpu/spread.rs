//! `spread`: the adjoint of a reduction over the steps.

use super::collapse::{number, pooling};
use super::recorder::{read, write};
use super::window::Window;
use super::{Gpu, Permutation};
use crate::kernels::Spread;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    steps: u32,
    batch: u32,
    row: u32,
    units: u32,
    emit_lag: u32,
    pooling: u32,
    planes: u32,
    gradient: u32,
    step: u32,
    window: Window,
}

pub(super) fn spread(gpu: &mut Gpu, call: Spread<Gpu>) {
    let (shape, place) = (call.shape, call.place);
    let params = Params {
        steps: number(shape.steps),
        batch: number(shape.batch),
        row: number(shape.row()),
        units: number(shape.units),
        emit_lag: number(call.emit_lag),
        pooling: pooling(call.pooling),
        planes: number(place.planes),
        gradient: number(place.gradient),
        step: number(place.step),
        window: call.window.into(),
    };
    let bindings = [read(1, &call.lengths.array), read(2, &call.from.array), write(3, &call.out.array)];
    let entries = shape.len(shape.steps);
    gpu.flat(Permutation::new("spread"), &params, &bindings, entries, 2 * entries as u64);
}
