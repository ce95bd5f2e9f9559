//! Sums of the columns of a matrix, and of values over their steps.

use super::buffers::Array;
use super::recorder::{read, write};
use super::{Gpu, Permutation, Values};
use crate::kernels::Shape;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    chunk: u32,
    rows: u32,
    chunks: u32,
    columns: u32,
    first_out: u32,
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct StepParams {
    steps: u32,
    batch: u32,
    row: u32,
    plane: u32,
}

/// Rows of a chunk at least, and chunks at most: they depend on the shape only, so the same shape gives the same bits.
const ROWS: usize = 64;
const CHUNKS: usize = 256;

/// `out[first_out + c] = Σ_r values[r][c]`.
pub(super) fn column_sum(gpu: &mut Gpu, values: &Array, rows: usize, columns: usize, out: &Array, first_out: usize) {
    let chunk = rows.div_ceil(CHUNKS).max(ROWS);
    let chunks = rows.div_ceil(chunk);
    let parts = if chunks > 1 { gpu.recorder.scratch("partial sums of columns", chunks * columns) } else { None };
    let (chunk, rows, columns) = (chunk as u32, rows as u32, columns as u32);
    let params = Params { chunk, rows, chunks: chunks as u32, columns, first_out: 0 };
    let last = Params { chunk: chunks as u32, rows: chunks as u32, chunks: 1, columns, first_out: first_out as u32 };
    match &parts {
        None if chunks > 1 => {}
        None => sum(gpu, Params { first_out: first_out as u32, ..params }, values, out),
        Some(parts) => {
            sum(gpu, params, values, parts);
            sum(gpu, last, parts, out);
        }
    }
}

fn sum(gpu: &mut Gpu, params: Params, from: &Array, to: &Array) {
    let (entries, work) = (params.chunks as usize * params.columns as usize, u64::from(params.rows * params.columns));
    gpu.flat(Permutation::new("column_sum"), &params, &[read(1, from), write(2, to)], entries, work);
}

/// Adds `Σ_t` of values `[T][B][np]` to a plane.
pub(super) fn step_sum(gpu: &mut Gpu, shape: Shape, values: &Values, planes: &Values, plane: usize) {
    let params = StepParams {
        steps: shape.steps as u32,
        batch: shape.batch as u32,
        row: shape.row() as u32,
        plane: plane as u32,
    };
    let bindings = [read(1, &values.array), write(2, &planes.array)];
    gpu.flat(Permutation::new("step_sum"), &params, &bindings, shape.len(1), shape.len(shape.steps) as u64);
}
