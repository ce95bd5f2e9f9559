//! Gradient of a projection's weights. See [`crate::kernels::WeightGradient`].
//!
//! From spikes: the events of a chunk of rows are sorted by input, then each input's row of dW is held in registers while
//! the rows of χ at its events are added. Threads split the columns of dW, so there are no partial copies, and the order of
//! each sum (t down, b up) is the same whatever the chunks and the threads.

use super::Cpu;
use super::drive::product;
use super::float::Float;
use super::linear::{Work, dispatch, sum_rows};
use super::memory::{Data, Events, Shared};
use crate::kernels::{HISTORY, Projection, WeightGradient};
use crate::spikes::pad;
use pulp::Simd;
use rayon::prelude::*;

/// dW, overwritten.
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

/// The events of a chunk of rows, sorted by input.
struct Chunk {
    /// Inputs with events, and the end of each one's events in `rows`.
    inputs: Vec<(u32, u32)>,
    /// Rows `t · B + b`, in the order of the sum.
    rows: Vec<u32>,
}

/// Sorts the events of the rows `from..to` of the sum: row r is step `T − 1 − r / B`, sample `r mod B`.
fn sort<F: Float>(call: &WeightGradient<Cpu<F>>, from: usize, to: usize) -> Chunk {
    let (steps, batch) = (call.shape.steps, call.shape.batch);
    let mut events = Events::default();
    let mut pairs: Vec<(u32, u32)> = Vec::new();
    let mut counts = vec![0u32; call.inputs + 1];
    for r in from..to {
        let (t, b) = (steps - 1 - r / batch, r % batch);
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
    let total = call.shape.steps * call.shape.batch;
    let chunks: Vec<Chunk> = (0..total.div_ceil(CHUNK))
        .into_par_iter()
        .map(|chunk| sort(&call, chunk * CHUNK, (chunk * CHUNK + CHUNK).min(total)))
        .collect();
    let out = &mut call.out[..call.inputs * width];
    out.fill(F::ZERO);
    let strip = strip(width);
    let out = Shared::new(out);
    (0..width.div_ceil(strip)).into_par_iter().for_each(|index| {
        let from = index * strip;
        let columns = strip.min(width - from);
        dispatch(Strip { chunks: &chunks, chi: call.chi, width, from, columns, out: &out });
    });
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

fn dense<F: Float>(call: WeightGradient<Cpu<F>>) {
    let (width, row, batch) = (call.shape.row(), pad(call.inputs), call.shape.batch);
    let Data::Values(data) = &call.source.data else { return };
    let from = (HISTORY - call.lag) * batch * row;
    let depth = call.shape.steps * batch;
    call.out[..call.inputs * width].par_chunks_mut(ROWS * width).enumerate().for_each(|(chunk, out)| {
        let rows = out.len() / width;
        let source = &data[from + chunk * ROWS..];
        product((rows, width, depth), out, width, false, source, (1, row), call.chi, width);
    });
}

/// From several spikes a step: each task has input rows of its own and adds the rows of χ at their events, t down, b up.
fn counted<F: Float>(call: WeightGradient<Cpu<F>>) {
    let (width, row, batch) = (call.shape.row(), pad(call.inputs), call.shape.batch);
    let Data::Bytes(data) = &call.source.data else { return };
    let data = &data[(HISTORY - call.lag) * batch * row..];
    let total = call.shape.steps * batch;
    call.out[..call.inputs * width].par_chunks_mut(ROWS * width).enumerate().for_each(|(chunk, out)| {
        out.fill(F::ZERO);
        for r in 0..total {
            let at = (call.shape.steps - 1 - r / batch) * batch + r % batch;
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
    out.fill(F::ZERO);
    let Data::Values(data) = &call.source.data else { return };
    for t in (0..call.shape.steps).rev() {
        for b in 0..batch {
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
