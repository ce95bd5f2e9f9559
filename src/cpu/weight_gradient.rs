//! Gradient of a projection's weights. See [`crate::kernels::WeightGradient`].
//!
//! From spikes: the bits of a chunk of rows are transposed, so that each input's events lie side by side; then each input's
//! row of dW is held in registers while the rows of χ at its events are added. Threads split the columns (and the inputs
//! where there are few columns), so there are no partial copies, and the order of each sum (t down, b up) is the same
//! whatever the chunks, the threads and the windows. From values: a dense product for each block of steps.

use super::Cpu;
use super::bits::{ROOM, push_bits};
use super::drive::product;
use super::float::Float;
use super::linear::{Work, dispatch, sum_rows};
use super::memory::{Aligned, Data, Shared, prefetch};
use super::scratch::Room;
use crate::kernels::{HISTORY, Projection, WeightGradient, quantum};
use crate::spikes::pad;
use pulp::Simd;
use rayon::prelude::*;

/// See [`WeightGradient`].
pub fn weight_gradient<F: Float>(call: WeightGradient<Cpu<F>>, room: &mut Room<F>) {
    match (call.projection, &call.source.data) {
        (Projection::Current, _) => current(call),
        (Projection::Dense, Data::Values(_)) => dense(call, &mut room.gathered),
        (Projection::Dense, Data::Raster(_)) => sparse(call, &mut room.chunks),
        (Projection::Dense, Data::Bytes(_)) => counted(call),
    }
}

/// Rows of χ whose events are brought together.
const CHUNK: usize = 512;
/// Words of a chunk's bits for each input.
const WORDS: usize = CHUNK / 32;
/// Chunks whose events are found before any is summed: their events are all that this takes besides.
const GROUP: usize = 16;
/// Columns of a task: those of a chunk stay in the second-level cache.
const COLUMNS: usize = 64;
/// Rows of χ that are asked for before they are put side by side.
const AHEAD: usize = 8;
/// Rows of χ are put side by side where each is read at least so often.
const READ_OFTEN: usize = 3;

/// The events of a chunk of rows by input.
#[derive(Debug, Default)]
pub struct Chunk {
    /// Bits of the rows, `[inputs][WORDS]`.
    bits: Vec<[u32; WORDS]>,
    /// Rows of the chunk at which each input is active, ascending, one input after the other.
    rows: Vec<u16>,
    /// Inputs that are, and the end of each one's rows.
    inputs: Vec<(u32, u32)>,
    /// Where each row of the chunk is, `t · B + b`.
    places: Vec<u32>,
}

/// A 32 × 32 transpose of bits in each of some columns of words: word i of column l becomes the bits i of its words.
#[inline(always)]
fn transpose<const L: usize>(words: &mut [[u32; L]; 32]) {
    let (mut half, mut mask) = (16, 0x0000_ffff_u32);
    while half > 0 {
        let mut k = 0;
        while k < 32 {
            for l in 0..L {
                let (low, high) = (words[k][l], words[k + half][l]);
                let swap = (low >> half ^ high) & mask;
                words[k + half][l] = high ^ swap;
                words[k][l] = low ^ swap << half;
            }
            k = (k + half + 1) & !half;
        }
        half /= 2;
        mask ^= mask << half;
    }
}

/// Columns of words that are transposed together.
const LANES: usize = 16;

/// The rows `from..to` of the sum: of n samples, row r is step `T − 1 − r / n`, sample `r mod n`; places are `t · B + b`.
#[derive(Clone, Copy)]
struct Order {
    steps: usize,
    batch: usize,
    first: usize,
    samples: usize,
}

impl Order {
    #[inline(always)]
    fn place(&self, r: usize) -> usize {
        (self.steps - 1 - r / self.samples) * self.batch + self.first + r % self.samples
    }
}

/// Finds the events of the rows `from..to` of the sum.
struct Find<'a> {
    words: &'a [u32],
    inputs: usize,
    order: Order,
    from: usize,
    to: usize,
    chunk: &'a mut Chunk,
}

impl Work for Find<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Find { words, inputs, order, from, to, chunk } = self;
        let width = inputs.div_ceil(32);
        chunk.bits.resize(width * 32, [0; WORDS]);
        chunk.places.clear();
        chunk.places.extend((from..to).map(|r| order.place(r) as u32));
        let blocks = (to - from).div_ceil(32);
        for block in 0..blocks {
            for first in (0..width).step_by(LANES) {
                let lanes = LANES.min(width - first);
                let mut square = [[0; LANES]; 32];
                for (&place, square) in chunk.places[block * 32..].iter().zip(&mut square) {
                    let row = &words[place as usize * width + first..][..lanes];
                    square[..lanes].copy_from_slice(row);
                }
                transpose(&mut square);
                for l in 0..lanes {
                    for (bits, square) in chunk.bits[(first + l) * 32..].iter_mut().zip(&square) {
                        bits[block] = square[l];
                    }
                }
            }
        }
        chunk.rows.clear();
        chunk.inputs.clear();
        for (input, bits) in chunk.bits[..inputs].iter().enumerate() {
            let before = chunk.rows.len();
            chunk.rows.reserve(CHUNK + ROOM);
            for (block, &word) in bits[..blocks].iter().enumerate() {
                push_bits(simd, &mut chunk.rows, block as u32 * 32, word);
            }
            if chunk.rows.len() > before {
                chunk.inputs.push((input as u32, chunk.rows.len() as u32));
            }
        }
    }
}

fn sparse<F: Float>(call: WeightGradient<Cpu<F>>, chunks: &mut Vec<Chunk>) {
    let width = call.shape.row();
    let Data::Raster(words) = &call.source.data else { return };
    let (steps, batch, samples) = (call.shape.steps, call.shape.batch, call.samples.len());
    let order = Order { steps, batch, first: call.samples.start, samples };
    let words = &words[(HISTORY - call.lag) * batch * call.inputs.div_ceil(32)..];
    let total = steps * samples;
    if !call.accumulate {
        call.out[..call.inputs * width].fill(F::ZERO);
    }
    let strips = width.div_ceil(COLUMNS);
    // Where there are fewer strips than threads, they share the inputs of one.
    let shares = rayon::current_num_threads().div_ceil(strips).min(call.inputs.div_ceil(32));
    let share = call.inputs.div_ceil(shares);
    let wanted = GROUP.min(total.div_ceil(CHUNK));
    if chunks.len() < wanted {
        chunks.resize_with(wanted, Chunk::default);
    }
    for first in (0..total).step_by(GROUP * CHUNK) {
        let end = (first + GROUP * CHUNK).min(total);
        let chunks = &mut chunks[..(end - first).div_ceil(CHUNK)];
        chunks.par_iter_mut().enumerate().for_each(|(index, chunk)| {
            let from = first + index * CHUNK;
            let to = (from + CHUNK).min(end);
            dispatch(Find { words, inputs: call.inputs, order, from, to, chunk });
        });
        let (chunks, out) = (&*chunks, Shared::new(&mut call.out[..call.inputs * width]));
        (0..strips * shares).into_par_iter().for_each(|task| {
            let from = task / shares * COLUMNS;
            let inputs = task % shares * share..(task % shares * share + share).min(call.inputs);
            let columns = COLUMNS.min(width - from);
            F::with_scratch(|scratch| {
                let (strip, sums) = (&mut scratch.strip, &mut scratch.sums);
                dispatch(Strip { chunks, chi: call.chi, width, from, columns, inputs, out: &out, strip, sums });
            });
        });
    }
}

struct Strip<'a, F> {
    chunks: &'a [Chunk],
    chi: &'a [F],
    width: usize,
    from: usize,
    columns: usize,
    inputs: std::ops::Range<usize>,
    out: &'a Shared<'a, F>,
    /// Columns of χ, and of dW, side by side.
    strip: &'a mut Aligned<F>,
    sums: &'a mut Aligned<F>,
}

impl<F: Float> Work for Strip<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Strip { chunks, chi, width, from, columns, inputs, out, strip, sums } = self;
        // Rows far apart share few sets of a cache, so those that are read often are put side by side.
        let sums = sums.grow(F::ZERO, inputs.len() * columns);
        for (input, sums) in inputs.clone().zip(sums.chunks_exact_mut(columns)) {
            // SAFETY: this task alone touches these columns of these inputs.
            sums.copy_from_slice(unsafe { out.slice(input * width + from, columns) });
        }
        let mut places = [0; CHUNK];
        for chunk in chunks {
            let begun = chunk.inputs.partition_point(|&(input, _)| (input as usize) < inputs.start);
            let ended = chunk.inputs.partition_point(|&(input, _)| (input as usize) < inputs.end);
            if begun == ended {
                continue;
            }
            let mut start = if begun == 0 { 0 } else { chunk.inputs[begun - 1].1 as usize };
            let (end, count) = (chunk.inputs[ended - 1].1 as usize, chunk.places.len());
            let rows = if end - start >= READ_OFTEN * count {
                let strip = strip.grow(F::ZERO, count * columns);
                for (r, (&place, row)) in chunk.places.iter().zip(strip.chunks_exact_mut(columns)).enumerate() {
                    if let Some(&ahead) = chunk.places.get(r + AHEAD) {
                        prefetch(&chi[ahead as usize * width + from..][..columns]);
                    }
                    row.copy_from_slice(&chi[place as usize * width + from..][..columns]);
                    places[r] = r * columns;
                }
                &*strip
            } else {
                for (r, &place) in chunk.places.iter().enumerate() {
                    places[r] = place as usize * width + from;
                }
                chi
            };
            assert!(places[..count].iter().all(|place| place + columns <= rows.len()));
            for &(input, end) in &chunk.inputs[begun..ended] {
                let sums = &mut sums[(input as usize - inputs.start) * columns..][..columns];
                // SAFETY: the rows of a chunk are fewer than its places, which were checked above.
                unsafe { sum_rows(simd, sums, rows, &places, &chunk.rows[start..end as usize]) };
                start = end as usize;
            }
        }
        for (input, sums) in inputs.zip(sums.chunks_exact(columns)) {
            // SAFETY: as above.
            unsafe { out.slice(input * width + from, columns) }.copy_from_slice(sums);
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

fn dense<F: Float>(call: WeightGradient<Cpu<F>>, gathered: &mut [Vec<F>; 2]) {
    let (width, row, batch) = (call.shape.row(), pad(call.inputs), call.shape.batch);
    let Data::Values(data) = &call.source.data else { return };
    let samples = call.samples.clone();
    let data = &data[(HISTORY - call.lag) * batch * row..];
    if !call.accumulate {
        call.out[..call.inputs * width].fill(F::ZERO);
    }
    for block in blocks(&call) {
        let depth = block.len() * samples.len();
        let (source, chi) = if samples.len() == batch {
            (&data[block.start * batch * row..], &call.chi[block.start * batch * width..])
        } else {
            let [source, chi] = &mut *gathered;
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

#[cfg(test)]
mod tests {
    use super::transpose;

    #[test]
    fn bits_are_transposed() {
        let mut words = [[0u32; 3]; 32];
        for (r, words) in words.iter_mut().enumerate() {
            *words = [(r as u32).wrapping_mul(0x9e37_79b9), 1 << r, r as u32];
        }
        let before = words;
        transpose(&mut words);
        for r in 0..32 {
            for i in 0..32 {
                for l in 0..3 {
                    assert_eq!(words[i][l] >> r & 1, before[r][l] >> i & 1);
                }
            }
        }
    }
}
