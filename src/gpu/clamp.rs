//! `clamp`: a range of entries held between two values.

use super::recorder::write;
use super::{Gpu, Permutation, Values};
use std::ops::Range;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    begin: u32,
    end: u32,
    low: f32,
    high: f32,
}

pub(super) fn clamp(gpu: &mut Gpu, values: &Values, range: Range<usize>, low: f64, high: f64) {
    // f64 bounds beyond f32 are no bounds.
    let number = |value: f64| value.clamp(-f64::from(f32::MAX), f64::from(f32::MAX)) as f32;
    let params = Params { begin: range.start as u32, end: range.end as u32, low: number(low), high: number(high) };
    gpu.flat(Permutation::new("clamp"), &params, &[write(1, &values.array)], range.len(), range.len() as u64);
}
