//! `prepare`: the transpose of a weight tensor, read along rows by the backward passes.

use super::buffers::{Array, Matrix};
use super::recorder::{read, write};
use super::{Gpu, Permutation, Prepared, Values};
use crate::spikes::pad;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    rows: u32,
    row: u32,
    column: u32,
    first_row: u32,
    first_column: u32,
    across: u32,
    tiles: u32,
}

/// Side of a tile, as in the shader.
const TILE: usize = 16;

pub(super) fn prepare(gpu: &mut Gpu, weights: &Values, rows: usize, columns: usize, out: &Prepared) {
    assert_eq!((out.rows, out.columns), (rows, columns), "prepared for another tensor");
    let row = pad(columns);
    transposed(gpu, weights.matrix(row), rows, row, out.matrix(pad(rows)), out.half);
}

/// `[rows][row]` to `[row][pad(rows)]`.
pub(super) fn transpose(gpu: &mut Gpu, from: &Array, rows: usize, row: usize, to: &Array) {
    transposed(gpu, from.into(), rows, row, to.into(), false);
}

/// Every piece of the one to every piece of the other.
fn transposed(gpu: &mut Gpu, from: Matrix, rows: usize, row: usize, to: Matrix, half: bool) {
    for (piece, from) in from.parts(rows) {
        for (columns, to) in to.parts(row) {
            let (across, down) = (columns.len() / TILE, pad(piece.len()) / TILE);
            let params = Params {
                rows: piece.len() as u32,
                row: row as u32,
                column: pad(rows) as u32,
                first_row: piece.start as u32,
                first_column: columns.start as u32,
                across: across as u32,
                tiles: (across * down) as u32,
            };
            let bindings = [read(1, from), write(2, to)];
            let work = (pad(piece.len()) * columns.len()) as u64;
            gpu.dispatch(permutation(half), &params, &bindings, across * down, work);
        }
    }
}

/// To numbers, or to 16-bit floats.
pub(super) fn permutation(half: bool) -> Permutation {
    Permutation::new("prepare").define("HALF", half)
}
