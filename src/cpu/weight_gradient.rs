//! Gradient of a projection's weights. See [`crate::kernels::WeightGradient`].
//!
//! From spikes: the events of a chunk of rows are sorted by input, then each input's row of dW is held in registers while
//! the rows of χ at its events are added. Threads split the columns of dW, so there are no partial copies, and the order of
//! each sum (t down, b up) is the same whatever the chunks, the threads and the windows. From values: a dense product for
//! each block of steps.

use super::Cpu;
use super::drive::product;
use super::float::Float;
use super::linear::{Work, dispatch, sum_rows};
use super::memory::{Data, Events, Shared};
use crate::kernels::{HISTORY, Projection, WeightGradient, quantum};
use crate::spikes::pad;
use pulp::Simd;
use rayon::prelude::*;

/// See [`WeightGradient`].
pub fn weight_gradient<F: Float>(call: WeightGradient<Cpu<F>>) {
    match (call.projection, &call.source.data) {
        (Projection::Current, _) => current(call),
        (Projection::Dense, Data::Values(_)) => dense(call),
        (Projection::Dense, Data::Raster(_)) => sparse(call),
        (Projection::Dense, Data::Bytes(_)) => counted(call),
    }
}

/// Rows of χ whose events are sorted together: a strip of so many stays in the second-level cache.
const CHUNK: usize = 512;
/// Chunks that are sorted before any is summed: their events are all that this takes besides.
const GROUP: usize = 16;

/// The events of a chunk of rows, sorted by input.
struct Chunk {
    /// Inputs with events, and the end of each one's events in `rows`.
    inputs: Vec<(u32, u32)>,
    /// Rows `t · B + b`, in the order of the sum.
    rows: Vec<u32>,
}

/// Sorts the events of the rows `from..to` of the sum: of n samples, row r is step `T − 1 − r / n`, sample `r mod n`.
fn sort<F: Float>(call: &WeightGradient<Cpu<F>>, from: usize, to: usize) -> Chunk {
    let (steps, batch, samples) = (call.shape.steps, call.shape.batch, call.samples.clone());
    let mut events = Events::default();
    let mut pairs: Vec<(u32, u32)> = Vec::new();
    let mut counts = vec![0u32; call.inputs + 1];
    for r in from..to {
        let (t, b) = (steps - 1 - r / samples.len(), samples.start + r % samples.len());
        call.source.events(HISTORY + t - call.lag, b, &mut events);
        for &input in &events.index {
            counts[input as usize + 1] += 1;
            pairs.push((input, (t * batch + b) as u32));
        }
    }
    for input in 0..call.inputs {
        counts[input + 1] += counts[input];
    }
    let inputs = (0..call.inputs)
        .filter(|&input| counts[input + 1] > counts[input])
        .map(|input| (input as u32, counts[input + 1]))
        .collect();
    let mut rows = vec![0; pairs.len()];
    for (input, row) in pairs {
        let at = &mut counts[input as usize];
        rows[*at as usize] = row;
        *at += 1;
    }
    Chunk { inputs, rows }
}

fn sparse<F: Float>(call: WeightGradient<Cpu<F>>) {
    let width = call.shape.row();
    let total = call.shape.steps * call.samples.len();
    if !call.accumulate {
        call.out[..call.inputs * width].fill(F::ZERO);
    }
    let strip = strip(width);
    for first in (0..total).step_by(GROUP * CHUNK) {
        let end = (first + GROUP * CHUNK).min(total);
        let chunks: Vec<Chunk> = (0..(end - first).div_ceil(CHUNK))
            .into_par_iter()
            .map(|chunk| sort(&call, first + chunk * CHUNK, (first + chunk * CHUNK + CHUNK).min(end)))
            .collect();
        let out = Shared::new(&mut call.out[..call.inputs * width]);
        (0..width.div_ceil(strip)).into_par_iter().for_each(|index| {
            let from = index * strip;
            let columns = strip.min(width - from);
            dispatch(Strip { chunks: &chunks, chi: call.chi, width, from, columns, out: &out });
        });
    }
}

/// Columns of a task: as wide as lets every thread have one, in whole words.
fn strip(width: usize) -> usize {
    let words = width / 32;
    words.div_ceil(rayon::current_num_threads()).clamp(1, 8) * 32
}

struct Strip<'a, F> {
    chunks: &'a [Chunk],
    chi: &'a [F],
    width: usize,
    from: usize,
    columns: usize,
    out: &'a Shared<'a, F>,
}

impl<F: Float> Work for Strip<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for chunk in self.chunks {
            let mut start = 0;
            for &(input, end) in &chunk.inputs {
                // SAFETY: this task alone touches these columns.
                let out = unsafe { self.out.slice(input as usize * self.width + self.from, self.columns) };
                sum_rows(simd, out, self.chi, self.width, self.from, &chunk.rows[start as usize..end as usize]);
                start = end;
            }
        }
    }
}

/// Input rows in a task of the dense product; fixed.
const ROWS: usize = 64;

/// The blocks of steps of a window, the last one first; in rows of its arrays.
fn blocks<F: Float>(call: &WeightGradient<Cpu<F>>) -> impl Iterator<Item = std::ops::Range<usize>> + use<F> {
    let (quantum, first, steps) = (quantum(call.window.samples), call.window.step, call.shape.steps);
    let (from, to) = (first / quantum, (first + steps).div_ceil(quantum));
    let inside = move |step: usize| step.clamp(first, first + steps) - first;
    (from..to).rev().map(move |block| inside(block * quantum)..inside((block + 1) * quantum))
}

/// Numbers that the rows of some of the samples take where they are put side by side for a product.
pub fn side_by_side(inputs: usize, samples: usize, batch: usize, row: usize) -> usize {
    quantum(batch) * samples * (pad(inputs) + row)
}

fn dense<F: Float>(call: WeightGradient<Cpu<F>>) {
    let (width, row, batch) = (call.shape.row(), pad(call.inputs), call.shape.batch);
    let Data::Values(data) = &call.source.data else { return };
    let samples = call.samples.clone();
    let data = &data[(HISTORY - call.lag) * batch * row..];
    let mut side_by_side = (Vec::new(), Vec::new());
    if !call.accumulate {
        call.out[..call.inputs * width].fill(F::ZERO);
    }
    for block in blocks(&call) {
        let depth = block.len() * samples.len();
        let (source, chi) = if samples.len() == batch {
            (&data[block.start * batch * row..], &call.chi[block.start * batch * width..])
        } else {
            let (source, chi) = &mut side_by_side;
            let chi = gather(call.chi, width, batch, &block, &samples, chi);
            (gather(data, row, batch, &block, &samples, source), chi)
        };
        call.out[..call.inputs * width].par_chunks_mut(ROWS * width).enumerate().for_each(|(chunk, out)| {
            let rows = out.len() / width;
            product((rows, width, depth), out, width, true, &source[chunk * ROWS..], (1, row), chi, width);
        });
    }
}

/// Puts the rows of some samples side by side.
fn gather<'a, F: Float>(
    from: &[F],
    row: usize,
    batch: usize,
    steps: &std::ops::Range<usize>,
    samples: &std::ops::Range<usize>,
    into: &'a mut Vec<F>,
) -> &'a [F] {
    into.clear();
    for t in steps.clone() {
        into.extend_from_slice(&from[(t * batch + samples.start) * row..(t * batch + samples.end) * row]);
    }
    into
}

/// From several spikes a step: each task has input rows of its own and adds the rows of χ at their events, t down, b up.
fn counted<F: Float>(call: WeightGradient<Cpu<F>>) {
    let (width, row, batch) = (call.shape.row(), pad(call.inputs), call.shape.batch);
    let Data::Bytes(data) = &call.source.data else { return };
    let data = &data[(HISTORY - call.lag) * batch * row..];
    let samples = call.samples.clone();
    call.out[..call.inputs * width].par_chunks_mut(ROWS * width).enumerate().for_each(|(chunk, out)| {
        if !call.accumulate {
            out.fill(F::ZERO);
        }
        for at in (0..call.shape.steps).rev().flat_map(|t| samples.clone().map(move |b| t * batch + b)) {
            let chi = &call.chi[at * width..][..width];
            let bytes = &data[at * row + chunk * ROWS..];
            for (out, &byte) in out.chunks_exact_mut(width).zip(bytes) {
                if byte != 0 {
                    let count = F::from_bit(byte.into());
                    for (out, &chi) in out.iter_mut().zip(chi) {
                        *out = count.fma(chi, *out);
                    }
                }
            }
        }
    });
}

fn current<F: Float>(call: WeightGradient<Cpu<F>>) {
    let (width, batch) = (call.shape.row(), call.shape.batch);
    let row = pad(call.inputs);
    let out = &mut call.out[..width];
    if !call.accumulate {
        out.fill(F::ZERO);
    }
    let Data::Values(data) = &call.source.data else { return };
    for t in (0..call.shape.steps).rev() {
        for b in call.samples.clone() {
            let source = &data[((HISTORY + t - call.lag) * batch + b) * row..][..call.inputs];
            let chi = &call.chi[(t * batch + b) * width..][..call.shape.units];
            for (out, chi) in out.chunks_mut(call.inputs).zip(chi.chunks(call.inputs)) {
                for ((out, &chi), &x) in out.iter_mut().zip(chi).zip(source) {
                    *out = chi.fma(x, *out);
                }
            }
        }
    }
}
