//! Counts of emitted spikes.

use super::float::Float;
use super::memory::{Activity, Data};
use crate::kernels::{HISTORY, Shape, plane};
use rayon::prelude::*;

/// COUNT `= Σ_t O_t` over the steps of a sample.
pub fn count<F: Float>(shape: Shape, emit_lag: usize, spikes: &Activity<F>, lengths: &[u32], planes: &mut [F]) {
    let width = shape.row();
    planes[..shape.batch * plane::PLANES * width].par_chunks_mut(plane::PLANES * width).enumerate().for_each_init(
        || vec![0u32; width],
        |counts, (b, planes)| {
            let out = &mut planes[plane::COUNT * width..][..width];
            let row = |t: usize| ((HISTORY + t - emit_lag) * shape.batch + b) * width;
            match &spikes.data {
                Data::Raster(words) => {
                    counts.fill(0);
                    for t in 0..lengths[b] as usize {
                        let words = &words[row(t) / 32..][..width / 32];
                        for (&word, counts) in words.iter().zip(counts.chunks_exact_mut(32)) {
                            if word != 0 {
                                for (bit, count) in counts.iter_mut().enumerate() {
                                    *count += word >> bit & 1;
                                }
                            }
                        }
                    }
                    for (out, &count) in out.iter_mut().zip(counts.iter()) {
                        *out = F::from_f64(f64::from(count));
                    }
                }
                Data::Bytes(bytes) => {
                    counts.fill(0);
                    for t in 0..lengths[b] as usize {
                        for (count, &byte) in counts.iter_mut().zip(&bytes[row(t)..][..width]) {
                            *count += u32::from(byte);
                        }
                    }
                    for (out, &count) in out.iter_mut().zip(counts.iter()) {
                        *out = F::from_f64(f64::from(count));
                    }
                }
                Data::Values(values) => {
                    out.fill(F::ZERO);
                    for t in 0..lengths[b] as usize {
                        for (out, &value) in out.iter_mut().zip(&values[row(t)..][..width]) {
                            *out += value;
                        }
                    }
                }
            }
        },
    );
}
