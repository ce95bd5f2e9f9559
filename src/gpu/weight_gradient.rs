//! `weight_gradient`: in two stages, partial sums over parts of blocks of time, then the sum of the parts of each block,
//! the blocks from the last to the first. Blocks and parts depend on the shapes but for the steps, so the same shapes give
//! the same bits, however a sequence is cut into windows at whole blocks.

use super::buffers::Array;
use super::product::tiled;
use super::recorder::{read, write};
use super::{Gpu, Permutation, flat};
use crate::kernels::{ActivityKind, HISTORY, Projection, Shape, WeightGradient, quantum};
use crate::spikes::{pad, words};
use std::ops::Range;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    /// First step of the first part in the whole sequence, steps of a part, parts.
    first_step: u32,
    part: u32,
    parts: u32,
    /// Steps of the arrays.
    begin: u32,
    end: u32,
    /// Samples of the arrays, and those that count.
    batch: u32,
    first_sample: u32,
    samples: u32,
    first_source: u32,
    row: u32,
    source_row: u32,
    /// Inputs whose weights are summed here, and the first of them.
    inputs: u32,
    first_input: u32,
    first_group: u32,
    /// 1 where the sums are added to what is there.
    accumulate: u32,
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct SumParams {
    blocks: u32,
    parts: u32,
    entries: u32,
    first: u32,
    accumulate: u32,
}

/// Columns of a workgroup of the event-driven kernel, side of a small tile of the dense one, as in the shaders. Parts are
/// counted with it whatever tile is taken, so that the tile changes no bit.
const TILE: usize = 64;
/// Workgroups (or waves of the current encoder) that the first stage aims at with one block, and with as many as may be.
const BLOCK_GROUPS: usize = 1024;
const GROUPS: usize = 4096;
/// Rows that a part has at least: below that, summing the parts costs more than it gains.
const ROWS: usize = 64;
/// Parts of a block at most: they are whole steps, and a block is a multiple of 32.
const PARTS: usize = 32;
/// Numbers that the partial sums may take: 16 MiB.
const PARTIALS: usize = 1 << 22;
/// The name of their memory.
const SCRATCH: &str = "partial weight gradients";

/// How a call is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cut {
    /// Numbers of a partial sum.
    entries: usize,
    /// Inputs whose partial sums stand in memory at once.
    window: usize,
    /// Steps of a block.
    quantum: usize,
    /// Parts of a block.
    parts: usize,
    /// Blocks whose parts stand in memory at once.
    blocks: usize,
}

impl Cut {
    /// Of a shape whose samples all count, in a whole batch of `batch`, where an array takes `limit` bytes.
    fn new(projection: Projection, source: ActivityKind, inputs: usize, shape: Shape, batch: usize, limit: u64) -> Cut {
        let row = shape.row();
        let (entries, groups) = match projection {
            Projection::Dense => (inputs * row, groups(source, inputs, row)),
            Projection::Current => (row, row.div_ceil(super::FLAT)),
        };
        let (entries, groups) = (entries.max(1), groups.max(1));
        let quantum = quantum(batch);
        // Never by the number of steps, which another window would have another one of.
        let parts = (BLOCK_GROUPS / groups).min(quantum * shape.batch / ROWS).min(PARTIALS / entries).clamp(1, PARTS);
        let parts = 1 << parts.ilog2();
        let blocks = (GROUPS / (groups * parts)).min(PARTIALS / (entries * parts));
        let blocks = blocks.clamp(1, shape.steps.div_ceil(quantum).max(1));
        let whole = Cut { entries, window: inputs, quantum, parts, blocks };
        // Only arrays below 16 MiB are too small for the partial sums: then those of fewer inputs at a time.
        let most = (limit / 4) as usize;
        if whole.partials() <= most {
            return whole;
        }
        let of_input = entries.div_ceil(inputs.max(1)).max(1);
        let of = |parts: usize| match projection {
            Projection::Dense => (most / (parts * of_input) / 32 * 32).min(inputs),
            Projection::Current if parts * entries <= most => inputs,
            Projection::Current => 0,
        };
        // Fewer parts than elsewhere, and other bits, where there is no room even so.
        let parts =
            std::iter::successors(Some(parts), |parts| Some(parts / 2)).find(|&parts| parts < 2 || of(parts) > 0);
        let parts = parts.unwrap_or(1).max(1);
        let window = if parts == 1 { inputs } else { of(parts) };
        Cut { entries: if window < inputs { window * of_input } else { entries }, window, quantum, parts, blocks: 1 }
    }

    /// Numbers that the partial sums take: none where the first stage adds to the result itself.
    fn partials(&self) -> usize {
        let parts = self.parts * self.blocks;
        if parts > 1 { parts * self.entries } else { 0 }
    }
}

/// Workgroups of a part of a dense projection's gradient.
fn groups(source: ActivityKind, inputs: usize, row: usize) -> usize {
    let tiles = if source == ActivityKind::Raster { words(inputs) } else { inputs.div_ceil(TILE) };
    tiles * row.div_ceil(TILE)
}

/// See `Kernels::weight_gradient_bytes`; of a shape whose samples all count.
pub(super) fn bytes(
    projection: Projection,
    source: ActivityKind,
    inputs: usize,
    shape: Shape,
    batch: usize,
    limit: u64,
) -> u64 {
    4 * Cut::new(projection, source, inputs, shape, batch, limit).partials() as u64
}

pub(super) fn weight_gradient(gpu: &mut Gpu, call: WeightGradient<Gpu>) {
    let limit = gpu.recorder.device.limits.largest_array;
    let shape = Shape { batch: call.samples.len(), ..call.shape };
    let cut = Cut::new(call.projection, call.source.kind, call.inputs, shape, call.window.samples, limit);
    let partial = if cut.partials() > 0 { gpu.recorder.scratch(SCRATCH, cut.partials()) } else { None };
    if cut.partials() > 0 && partial.is_none() {
        return;
    }
    if call.projection == Projection::Current {
        return window(gpu, &call, cut, partial.as_ref(), 0..call.inputs, (&call.out.array, 0));
    }
    let row = call.shape.row();
    for (piece, out) in call.out.matrix(row).parts(call.inputs) {
        // Without partial sums the first stage writes a whole piece.
        let length = if partial.is_some() { cut.window.max(1) } else { piece.len().max(1) };
        for first in piece.clone().step_by(length) {
            let inputs = first..(first + length).min(piece.end);
            window(gpu, &call, cut, partial.as_ref(), inputs, (out, (first - piece.start) * row));
        }
    }
}

/// The gradient of some inputs' weights; `into` says in which array they stand and where.
fn window(
    gpu: &mut Gpu,
    call: &WeightGradient<Gpu>,
    cut: Cut,
    partial: Option<&Array>,
    inputs: Range<usize>,
    into: (&Array, usize),
) {
    let (samples, row) = (call.samples.len(), call.shape.row());
    // Rows of bytes are counted in inputs, as those of numbers are.
    let source_row = call.source.row() * if call.source.is_bytes() { 4 } else { 1 };
    let raster = call.source.is_raster();
    let entries = if call.projection == Projection::Dense { inputs.len() * row } else { row };
    let (begin, end) = (call.window.step, call.window.step + call.shape.steps);
    let part = cut.quantum / cut.parts;
    let mut accumulate = call.accumulate;
    let mut last = end.div_ceil(cut.quantum);
    let first = begin / cut.quantum;
    let bindings = [read(1, &call.source.array), read(2, &call.chi.array), write(3, partial.unwrap_or(into.0))];
    while last > first {
        let block = last.saturating_sub(cut.blocks).max(first);
        let parts = (last - block) * cut.parts;
        let params = Params {
            first_step: (block * cut.quantum) as u32,
            part: part as u32,
            parts: parts as u32,
            begin: begin as u32,
            end: end as u32,
            batch: call.shape.batch as u32,
            first_sample: call.samples.start as u32,
            samples: samples as u32,
            first_source: ((HISTORY - call.lag) * call.shape.batch) as u32,
            row: row as u32,
            source_row: source_row as u32,
            inputs: inputs.len() as u32,
            first_input: inputs.start as u32,
            first_group: 0,
            accumulate: (accumulate && partial.is_none()).into(),
        };
        let rows = part * samples;
        match call.projection {
            Projection::Dense => {
                let bytes = call.source.is_bytes();
                if raster {
                    let work = (rows * row * words(inputs.len())) as u64;
                    let groups = groups(call.source.kind, inputs.len(), row).max(1);
                    products(gpu, &Permutation::new("weight_gradient"), params, &bindings, groups, work);
                } else {
                    tiles(gpu, bytes, params, &bindings, (rows * entries) as u64);
                }
            }
            Projection::Current => {
                let permutation = Permutation::new("weight_gradient_current").define("SOURCE_BITS", raster);
                let entries = parts * entries;
                gpu.flat(permutation, &params, &bindings, entries, (rows * entries) as u64);
            }
        }
        if let Some(partial) = partial {
            sum(gpu, partial, last - block, cut.parts, entries, accumulate, into);
        }
        (accumulate, last) = (true, block);
    }
}

/// The parts of `params` in tiles, `work` multiply-adds each.
fn tiles(gpu: &mut Gpu, bytes: bool, params: Params, bindings: &[super::Binding], work: u64) {
    let (inputs, row, parts) = (params.inputs as usize, params.row as usize, params.parts as usize);
    let costs = &gpu.costs;
    let side = 1 + usize::from(gpu.options.wide.or(|| costs.wide(inputs, row, parts)));
    let groups = inputs.div_ceil(side * TILE) * row.div_ceil(side * TILE);
    products(gpu, &dense_permutation(bytes, side), params, bindings, groups.max(1), work);
}

fn dense_permutation(bytes: bool, side: usize) -> Permutation {
    tiled(Permutation::new("weight_gradient_dense").define("BYTES", bytes), side)
}

/// The parts of `params`, each of `groups` workgroups and `work` multiply-adds: as many workgroups in a dispatch as may run
/// without holding the device for long.
fn products(
    gpu: &mut Gpu,
    permutation: &Permutation,
    params: Params,
    bindings: &[super::Binding],
    groups: usize,
    work: u64,
) {
    let work = work.div_ceil(groups as u64);
    for slice in super::form::slices(groups * params.parts as usize, work, 1) {
        let params = Params { first_group: slice.start as u32, ..params };
        gpu.dispatch(permutation.clone(), &params, bindings, slice.len(), work * slice.len() as u64);
    }
}

/// The second stage.
fn sum(
    gpu: &mut Gpu,
    from: &Array,
    blocks: usize,
    parts: usize,
    entries: usize,
    accumulate: bool,
    (out, first): (&Array, usize),
) {
    let params = SumParams {
        blocks: blocks as u32,
        parts: parts as u32,
        entries: entries as u32,
        first: first as u32,
        accumulate: accumulate.into(),
    };
    let work = (blocks * parts * entries) as u64;
    gpu.flat(Permutation::new("sum_chunks"), &params, &[read(1, from), write(2, out)], entries, work);
}

/// `out[i][c] = Σ_r from[r][i] values[r][c]` over two matrices of `rows` rows: `inputs` columns of the first, padded, and
/// `row` of the second.
pub(super) fn dense(gpu: &mut Gpu, from: &Array, inputs: usize, values: &Array, row: usize, rows: usize, out: &Array) {
    let entries = inputs * row;
    let groups = inputs.div_ceil(TILE) * row.div_ceil(TILE);
    let most = PARTIALS.min((gpu.recorder.device.limits.largest_array / 4) as usize);
    let wanted = (GROUPS / groups.max(1)).min(rows / ROWS).min(most / entries.max(1)).max(1);
    let part = rows.div_ceil(wanted).max(1);
    let parts = rows.div_ceil(part).max(1);
    let partial = if parts > 1 { gpu.recorder.scratch(SCRATCH, parts * entries) } else { None };
    if parts > 1 && partial.is_none() {
        return;
    }
    // Each row is a step of one sample.
    let params = Params {
        first_step: 0,
        part: part as u32,
        parts: parts as u32,
        begin: 0,
        end: rows as u32,
        batch: 1,
        first_sample: 0,
        samples: 1,
        first_source: 0,
        row: row as u32,
        source_row: pad(inputs) as u32,
        inputs: inputs as u32,
        first_input: 0,
        first_group: 0,
        accumulate: 0,
    };
    let bindings = [read(1, from), read(2, values), write(3, partial.as_ref().unwrap_or(out))];
    tiles(gpu, false, params, &bindings, (part * entries) as u64);
    if let Some(partial) = &partial {
        sum(gpu, partial, 1, parts, entries, false, (out, 0));
    }
}

pub(super) fn permutations() -> Vec<Permutation> {
    let current = || flat("weight_gradient_current");
    vec![
        Permutation::new("weight_gradient"),
        dense_permutation(false, 1),
        dense_permutation(false, 2),
        dense_permutation(true, 1),
        dense_permutation(true, 2),
        current(),
        current().define("SOURCE_BITS", true),
        flat("sum_chunks"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_whole_steps_whatever_the_number_of_steps_and_partial_sums_stay_bounded() {
        for batch in [1, 3, 16, 100, 256, 1000] {
            for (inputs, units) in [(1, 1), (700, 128), (700, 1024), (2048, 2048), (5000, 3000)] {
                for kind in [ActivityKind::Raster, ActivityKind::Values, ActivityKind::Bytes] {
                    for projection in [Projection::Dense, Projection::Current] {
                        let of =
                            |steps| Cut::new(projection, kind, inputs, Shape { steps, batch, units }, batch, u64::MAX);
                        let long = of(100_000);
                        assert!(long.quantum.is_multiple_of(long.parts) && long.partials() <= PARTIALS, "{long:?}");
                        assert_eq!(of(1).parts, long.parts);
                        assert_eq!(of(1).blocks, 1);
                        // WebGPU's floor is as good.
                        let shape = Shape { steps: 100_000, batch, units };
                        assert_eq!(Cut::new(projection, kind, inputs, shape, batch, 128 << 20), long);
                        let small = Cut::new(projection, kind, inputs, shape, batch, 1 << 20);
                        assert!(small.partials() <= 1 << 18, "{small:?}");
                    }
                }
            }
        }
    }
}
