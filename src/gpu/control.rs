//! `control`: the scale of the gradient, and whether the step is finite.

use super::recorder::{read, write};
use super::{Gpu, Permutation, Values};
use std::ops::Range;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    first: u32,
    end: u32,
    loss: u32,
    bounded: u32,
    max_norm: f32,
}

pub(super) fn control(
    gpu: &mut Gpu,
    metrics: &Values,
    squares: Range<usize>,
    loss: usize,
    max_norm: Option<f64>,
    control: &Values,
) {
    let params = Params {
        first: squares.start as u32,
        end: squares.end as u32,
        loss: loss as u32,
        bounded: max_norm.is_some().into(),
        max_norm: max_norm.unwrap_or(0.0) as f32,
    };
    let bindings = [read(1, &metrics.array), write(2, &control.array)];
    gpu.dispatch(Permutation::new("control"), &params, &bindings, 1, squares.len() as u64);
}
