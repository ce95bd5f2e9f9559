//! Counts of emitted spikes.

use super::Cpu;
use super::float::Float;
use super::linear::wide;
use super::memory::{BLOCK, Data, prefetch_line};
use crate::kernels::{Count, HISTORY, plane};
use rayon::prelude::*;

/// Words of a block.
const WORDS: usize = BLOCK / 32;
/// Binary digits of the sums over a group of rows.
const DIGITS: usize = 5;
/// Rows of a group: their sums have so many digits at most.
const GROUP: usize = (1 << DIGITS) - 1;

/// Rows that are asked for before they are added: those of a sample lie far apart.
const AHEAD: usize = 16;

/// Adds the bits of some rows to a count each. The rows of a group are added as binary numbers side by side, a word of 32
/// columns for each digit; only their sums are taken apart.
#[inline(always)]
fn add_bits<'a>(mut rows: impl Iterator<Item = &'a [u32]>, counts: &mut [u32]) {
    loop {
        let mut digits = [[0u32; WORDS]; DIGITS];
        let mut some = false;
        for row in rows.by_ref().take(GROUP) {
            let mut carry = [0; WORDS];
            match row.first_chunk() {
                Some(whole) => carry = *whole,
                None => carry[..row.len()].copy_from_slice(row),
            }
            for digit in &mut digits {
                for (digit, carry) in digit.iter_mut().zip(&mut carry) {
                    (*digit, *carry) = (*digit ^ *carry, *digit & *carry);
                }
            }
            some = true;
        }
        if !some {
            return;
        }
        for (place, digit) in digits.iter().enumerate() {
            for (&word, counts) in digit.iter().zip(counts.chunks_exact_mut(32)) {
                let Some(counts) = counts.first_chunk_mut::<32>() else { return };
                for bit in 0..32 {
                    counts[bit] += (word >> bit & 1) << place;
                }
            }
        }
    }
}

/// See [`Count`].
pub fn count<F: Float>(call: Count<Cpu<F>>) {
    let Count { shape, window, emit_lag, spikes, lengths, planes } = call;
    let width = shape.row();
    let first = window.sample * plane::PLANES * width;
    planes[first..][..shape.batch * plane::PLANES * width].par_chunks_mut(plane::PLANES * width).enumerate().for_each(
        |(b, planes)| {
            let out = &mut planes[plane::COUNT * width..][..width];
            let steps = (lengths[window.sample + b] as usize).saturating_sub(window.step).min(shape.steps);
            if window.step == 0 {
                out.fill(F::ZERO);
            }
            let mut counts = [0u32; BLOCK];
            for (block, out) in out.chunks_mut(BLOCK).enumerate() {
                let counts = &mut counts[..out.len()];
                let row = |t: usize| ((HISTORY + t - emit_lag) * shape.batch + b) * width + block * BLOCK;
                match &spikes.data {
                    Data::Raster(words) => {
                        counts.fill(0);
                        let len = counts.len() / 32;
                        let line = |t: usize| {
                            prefetch_line(words.as_ptr().wrapping_add(row(t + AHEAD) / 32));
                            &words[row(t) / 32..][..len]
                        };
                        wide(
                            #[inline(always)]
                            || add_bits((0..steps).map(line), counts),
                        );
                        for (out, &count) in out.iter_mut().zip(counts.iter()) {
                            *out += F::from_f64(f64::from(count));
                        }
                    }
                    Data::Bytes(bytes) => {
                        counts.fill(0);
                        for t in 0..steps {
                            for (count, &byte) in counts.iter_mut().zip(&bytes[row(t)..]) {
                                *count += u32::from(byte);
                            }
                        }
                        for (out, &count) in out.iter_mut().zip(counts.iter()) {
                            *out += F::from_f64(f64::from(count));
                        }
                    }
                    Data::Values(values) => {
                        for t in 0..steps {
                            for (out, &value) in out.iter_mut().zip(&values[row(t)..]) {
                                *out += value;
                            }
                        }
                    }
                }
            }
        },
    );
}
