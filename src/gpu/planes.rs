//! `copy_plane` and `fill_plane`.

use super::recorder::write;
use super::{Gpu, Permutation, Values, flat};
use crate::kernels::Shape;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    batch: u32,
    row: u32,
    source: u32,
    plane: u32,
    value: f32,
}

pub(super) fn copy(gpu: &mut Gpu, shape: Shape, planes: &Values, from: usize, to: usize) {
    run(gpu, shape, planes, Some(from), to, 0.0);
}

pub(super) fn fill(gpu: &mut Gpu, shape: Shape, planes: &Values, plane: usize, value: f64) {
    run(gpu, shape, planes, None, plane, value);
}

fn run(gpu: &mut Gpu, shape: Shape, planes: &Values, from: Option<usize>, to: usize, value: f64) {
    let params = Params {
        batch: shape.batch as u32,
        row: shape.row() as u32,
        source: from.unwrap_or(0) as u32,
        plane: to as u32,
        value: value as f32,
    };
    let permutation = Permutation::new("planes").define("COPY", from.is_some());
    let entries = shape.len(1);
    gpu.flat(permutation, &params, &[write(1, &planes.array)], entries, entries as u64);
}

pub(super) fn permutations() -> Vec<Permutation> {
    vec![flat("planes"), flat("planes").define("COPY", true)]
}
