//! Counts of emitted spikes.

use super::Cpu;
use super::float::Float;
use super::linear::wide;
use super::memory::{BLOCK, Data};
use crate::kernels::{Count, HISTORY, plane};
use rayon::prelude::*;

/// Adds the bits of words to a count each.
#[inline(always)]
fn add_bits(words: &[u32], counts: &mut [u32]) {
    for (&word, counts) in words.iter().zip(counts.chunks_exact_mut(32)) {
        let Some(counts) = counts.first_chunk_mut::<32>() else { return };
        for bit in 0..32 {
            counts[bit] += word >> bit & 1;
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
                        wide(
                            #[inline(always)]
                            || {
                                for t in 0..steps {
                                    add_bits(&words[row(t) / 32..], counts);
                                }
                            },
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
