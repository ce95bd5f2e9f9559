//! `weight_gradient`: in two stages, partial sums over chunks of time and batch, then the sum of the chunks. The chunks
//! depend on the shapes only, so the same shapes give the same bits.

use super::buffers::Array;
use super::recorder::{read, write};
use super::{Gpu, Permutation, flat};
use crate::kernels::{HISTORY, Projection, WeightGradient};
use crate::spikes::pad;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    chunk: u32,
    rows: u32,
    chunks: u32,
    first_source: u32,
    row: u32,
    source_row: u32,
    inputs: u32,
    first_group: u32,
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct CurrentParams {
    chunk: u32,
    rows: u32,
    chunks: u32,
    first_source: u32,
    row: u32,
    source_row: u32,
    inputs: u32,
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct SumParams {
    chunks: u32,
    entries: u32,
}

/// Columns of a workgroup of the event-driven kernel, side of a tile of the dense one, as in the shaders.
const TILE: usize = 64;
/// Workgroups (or waves of the current encoder) that the first stage aims at: enough for a large device.
const GROUPS: usize = 4096;
/// Rows that a chunk has at least: below that, summing the chunks costs more than it gains.
const ROWS: usize = 64;
/// Numbers that the partial sums may take: 64 MiB.
const PARTIALS: usize = 1 << 24;

/// Chunks for `rows` rows where one chunk is `groups` workgroups and `entries` partial sums.
fn chunks(rows: usize, groups: usize, entries: usize) -> (usize, usize) {
    let wanted = (GROUPS / groups.max(1)).min(rows / ROWS).min(PARTIALS / entries.max(1)).max(1);
    let chunk = rows.div_ceil(wanted);
    (chunk, rows.div_ceil(chunk.max(1)).max(1))
}

pub(super) fn weight_gradient(gpu: &mut Gpu, call: WeightGradient<Gpu>) {
    // Rows of bytes are counted in inputs, as those of numbers are.
    let bytes = if call.source.is_bytes() { 4 } else { 1 };
    let (row, source_row) = (call.shape.row(), call.source.row() * bytes);
    let rows = call.shape.steps * call.shape.batch;
    let first_source = (HISTORY - call.lag) * call.shape.batch;
    let raster = call.source.is_raster();
    let tiles = if raster { source_row } else { call.inputs.div_ceil(TILE) } * row.div_ceil(TILE);
    let (entries, groups) = match call.projection {
        Projection::Dense => (call.inputs * row, tiles),
        Projection::Current => (row, row.div_ceil(super::FLAT)),
    };
    let (chunk, chunks) = chunks(rows, groups, entries);
    let partial = if chunks > 1 { gpu.recorder.scratch("partial weight gradients", chunks * entries) } else { None };
    if chunks > 1 && partial.is_none() {
        return;
    }
    let target = partial.as_ref().unwrap_or(&call.out.array);
    let bindings = [read(1, &call.source.array), read(2, &call.chi.array), write(3, target)];
    match call.projection {
        Projection::Dense => {
            let work = (if raster { chunk * row * source_row } else { chunk * entries } as u64).div_ceil(groups as u64);
            // As many workgroups in a dispatch as may run without holding the device for long.
            for slice in super::form::slices(groups * chunks, work, 1) {
                let params = Params {
                    chunk: chunk as u32,
                    rows: rows as u32,
                    chunks: chunks as u32,
                    first_source: first_source as u32,
                    row: row as u32,
                    source_row: source_row as u32,
                    inputs: call.inputs as u32,
                    first_group: slice.start as u32,
                };
                let name = if raster { "weight_gradient" } else { "weight_gradient_dense" };
                let work = work * slice.len() as u64;
                let permutation = Permutation::new(name).define("BYTES", call.source.is_bytes());
                gpu.dispatch(permutation, &params, &bindings, slice.len(), work);
            }
        }
        Projection::Current => {
            let params = CurrentParams {
                chunk: chunk as u32,
                rows: rows as u32,
                chunks: chunks as u32,
                first_source: first_source as u32,
                row: row as u32,
                source_row: source_row as u32,
                inputs: call.inputs as u32,
            };
            let permutation = Permutation::new("weight_gradient_current").define("SOURCE_BITS", raster);
            gpu.flat(permutation, &params, &bindings, chunks * row, (rows * row) as u64);
        }
    }
    if let Some(partial) = &partial {
        let params = SumParams { chunks: chunks as u32, entries: entries as u32 };
        let bindings = [read(1, partial), write(2, &call.out.array)];
        gpu.flat(Permutation::new("sum_chunks"), &params, &bindings, entries, (chunks * entries) as u64);
    }
}

/// `out[i][c] = Σ_r from[r][i] values[r][c]` over two matrices of `rows` rows: `inputs` columns of the first, padded, and
/// `row` of the second.
pub(super) fn dense(gpu: &mut Gpu, from: &Array, inputs: usize, values: &Array, row: usize, rows: usize, out: &Array) {
    let entries = inputs * row;
    let groups = inputs.div_ceil(TILE) * row.div_ceil(TILE);
    let (chunk, chunks) = chunks(rows, groups, entries);
    let partial = if chunks > 1 { gpu.recorder.scratch("partial weight gradients", chunks * entries) } else { None };
    if chunks > 1 && partial.is_none() {
        return;
    }
    let bindings = [read(1, from), read(2, values), write(3, partial.as_ref().unwrap_or(out))];
    let work = ((chunk * entries) as u64).div_ceil(groups as u64);
    for slice in super::form::slices(groups * chunks, work, 1) {
        let params = Params {
            chunk: chunk as u32,
            rows: rows as u32,
            chunks: chunks as u32,
            first_source: 0,
            row: row as u32,
            source_row: pad(inputs) as u32,
            inputs: inputs as u32,
            first_group: slice.start as u32,
        };
        let work = work * slice.len() as u64;
        gpu.dispatch(Permutation::new("weight_gradient_dense"), &params, &bindings, slice.len(), work);
    }
    if let Some(partial) = &partial {
        let params = SumParams { chunks: chunks as u32, entries: entries as u32 };
        let bindings = [read(1, partial), write(2, out)];
        gpu.flat(Permutation::new("sum_chunks"), &params, &bindings, entries, (chunks * entries) as u64);
    }
}

pub(super) fn permutations() -> Vec<Permutation> {
    let current = || flat("weight_gradient_current");
    vec![
        Permutation::new("weight_gradient"),
        Permutation::new("weight_gradient_dense"),
        Permutation::new("weight_gradient_dense").define("BYTES", true),
        current(),
        current().define("SOURCE_BITS", true),
        flat("sum_chunks"),
    ]
}
