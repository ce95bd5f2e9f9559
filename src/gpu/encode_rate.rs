//! `encode_rate`: one word of spikes for each invocation.

use super::recorder::{Dispatch, read, write};
use super::window::Window;
use super::{FLAT, Gpu, flat};
use crate::kernels::{EncodeRate, HISTORY};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    begin: u32,
    end: u32,
    batch: u32,
    words: u32,
    first: u32,
    key_low: u32,
    key_high: u32,
    window: Window,
}

pub(super) fn encode_rate(gpu: &mut Gpu, call: EncodeRate<Gpu>) {
    assert!(call.out.is_raster(), "rate-coded spikes are bits");
    let words = call.out.row();
    // The history of a first window is no part of the sequence.
    let (begin, end) = (if call.window.step == 0 { HISTORY } else { 0 }, HISTORY + call.shape.steps);
    let params = Params {
        begin: begin as u32,
        end: end as u32,
        batch: call.shape.batch as u32,
        words: words as u32,
        first: call.first as u32,
        key_low: call.key as u32,
        key_high: (call.key >> 32) as u32,
        window: call.window.into(),
    };
    let entries = (end - begin) * call.shape.batch * words;
    gpu.recorder.dispatch(Dispatch {
        permutation: flat("encode_rate"),
        params: bytemuck::bytes_of(&params),
        // The key is another at every step.
        changing: true,
        bindings: &[read(1, &call.chances.array), write(2, &call.out.array)],
        groups: entries.div_ceil(FLAT) as u64,
        work: 2048 * entries as u64,
    });
}
