//! Rate-coded spikes drawn in place. See [`crate::kernels::EncodeRate`].

use super::Cpu;
use super::float::Float;
use super::memory::Data;
use crate::kernels::{EncodeRate, HISTORY};
use crate::spikes::{Random, words};
use rayon::prelude::*;

/// See [`EncodeRate`].
pub fn encode_rate<F: Float>(call: EncodeRate<Cpu<F>>) {
    let (batch, width, key) = (call.shape.batch, call.shape.row(), Random::keyed(call.key));
    // Of a row counted with the history.
    let window = call.window;
    let skipped = if window.step == 0 { HISTORY } else { 0 };
    let rows = HISTORY + call.shape.steps - skipped;
    let word = |row: usize, b: usize, w: usize| -> u32 {
        let (t, b) = (window.step + skipped + row, window.sample + b);
        if t < HISTORY + call.first {
            return 0;
        }
        let row = key.row(t - HISTORY, b);
        let chances = &call.chances[b * width + w * 32..][..32];
        (0..32).map(|bit| u32::from(row.spike(w * 32 + bit, chances[bit])) << bit).sum()
    };
    match &mut call.out.data {
        Data::Raster(data) => {
            let row = words(call.shape.units);
            data[skipped * batch * row..][..rows * batch * row].par_chunks_exact_mut(row).enumerate().for_each(
                |(at, out)| {
                    for (w, out) in out.iter_mut().enumerate() {
                        *out = word(at / batch, at % batch, w);
                    }
                },
            );
        }
        Data::Values(data) => {
            data[skipped * batch * width..][..rows * batch * width].par_chunks_exact_mut(width).enumerate().for_each(
                |(at, out)| {
                    for (w, lanes) in out.chunks_exact_mut(32).enumerate() {
                        let word = word(at / batch, at % batch, w);
                        for (bit, lane) in lanes.iter_mut().enumerate() {
                            *lane = F::from_bit(word >> bit & 1);
                        }
                    }
                },
            );
        }
        Data::Bytes(_) => panic!("rate-coded spikes are bits"),
    }
}
