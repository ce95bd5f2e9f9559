//! `dropout`: one word of spikes for each invocation; `dropout_backward`: one entry.

use super::recorder::{Dispatch, read, write};
use super::window::Window;
use super::{FLAT, Gpu, Permutation, flat};
use crate::kernels::{self, ActivityKind, Dropout, DropoutBackward, DropoutMask, HISTORY, Shape};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    rows: u32,
    batch: u32,
    words: u32,
    keep: u32,
    per_step: u32,
    key_low: u32,
    key_high: u32,
    window: Window,
}

fn params(shape: Shape, window: kernels::Window, rows: usize, mask: DropoutMask) -> Params {
    Params {
        rows: rows as u32,
        batch: shape.batch as u32,
        words: (shape.row() / 32) as u32,
        keep: mask.keep,
        per_step: mask.per_step.into(),
        key_low: mask.key as u32,
        key_high: (mask.key >> 32) as u32,
        window: window.into(),
    }
}

pub(super) fn dropout(gpu: &mut Gpu, call: Dropout<Gpu>) {
    assert!(call.spikes.kind == call.out.kind && call.spikes.kind != ActivityKind::Values, "spikes are bits or bytes");
    let words = call.spikes.row();
    let mut params = params(call.shape, call.window, HISTORY + call.shape.steps, call.mask);
    params.words = words as u32;
    let entries = (HISTORY + call.shape.steps) * call.shape.batch * words;
    gpu.recorder.dispatch(Dispatch {
        permutation: flat("dropout").define("BYTES", call.spikes.kind == ActivityKind::Bytes),
        params: bytemuck::bytes_of(&params),
        // The key is another at every step.
        changing: true,
        bindings: &[read(1, &call.spikes.array), write(2, &call.out.array)],
        groups: entries.div_ceil(FLAT) as u64,
        work: 2048 * entries as u64,
    });
}

pub(super) fn dropout_backward(gpu: &mut Gpu, call: DropoutBackward<Gpu>) {
    let params = params(call.shape, call.window, call.shape.steps, call.mask);
    let entries = call.shape.len(call.shape.steps);
    let mut bindings = vec![write(1, &call.gradient.array)];
    bindings.extend(call.given.map(|given| read(2, &given.array)));
    gpu.recorder.dispatch(Dispatch {
        permutation: flat("dropout_backward").define("GIVEN", call.given.is_some()),
        params: bytemuck::bytes_of(&params),
        changing: true,
        bindings: &bindings,
        groups: entries.div_ceil(FLAT) as u64,
        work: 128 * entries as u64,
    });
}

pub(super) fn permutations() -> Vec<Permutation> {
    vec![
        flat("dropout"),
        flat("dropout").define("BYTES", true),
        flat("dropout_backward"),
        flat("dropout_backward").define("GIVEN", true),
    ]
}
