//! `prepare`: the transpose of a weight tensor, read along rows by the backward passes.

use super::buffers::Array;
use super::recorder::{read, write};
use super::{Gpu, Permutation, Prepared, Values};
use crate::spikes::pad;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    rows: u32,
    row: u32,
    column: u32,
}

/// Side of a tile, as in the shader.
const TILE: usize = 16;

pub(super) fn prepare(gpu: &mut Gpu, weights: &Values, rows: usize, columns: usize, out: &Prepared) {
    assert_eq!((out.rows, out.columns), (rows, columns), "prepared for another tensor");
    transpose(gpu, &weights.array, rows, pad(columns), &out.array);
}

/// `[rows][row]` to `[row][pad(rows)]`.
pub(super) fn transpose(gpu: &mut Gpu, from: &Array, rows: usize, row: usize, to: &Array) {
    let column = pad(rows);
    let params = Params { rows: rows as u32, row: row as u32, column: column as u32 };
    let bindings = [read(1, from), write(2, to)];
    let groups = (row / TILE) * (column / TILE);
    gpu.dispatch(Permutation::new("prepare"), &params, &bindings, groups, (row * column) as u64);
}
