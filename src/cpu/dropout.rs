//! Dropout of spikes, and its adjoint. See [`crate::kernels::Dropout`].

use super::Cpu;
use super::float::Float;
use super::memory::Data;
use crate::kernels::{Dropout, DropoutBackward, DropoutMask, HISTORY, Window};
use crate::spikes::{Random, words};
use rayon::prelude::*;

/// The mask of the units of word `w` in row `row` (counted with the history) of sample b, both of the window.
fn mask(mask: &DropoutMask, window: Window, row: usize, b: usize, w: usize) -> u32 {
    let row = Random::keyed(mask.key).row(if mask.per_step { window.step + row } else { 0 }, window.sample + b);
    (0..32).map(|bit| u32::from(row.spike(w * 32 + bit, mask.keep)) << bit).sum()
}

/// See [`Dropout`].
pub fn dropout<F: Float>(call: Dropout<Cpu<F>>) {
    let (batch, width) = (call.shape.batch, call.shape.row());
    let (drawn, window) = (call.mask, call.window);
    match (&call.spikes.data, &mut call.out.data) {
        (Data::Raster(from), Data::Raster(into)) => {
            let row = words(call.shape.units);
            into.par_chunks_exact_mut(row).zip(from.par_chunks_exact(row)).enumerate().for_each(
                |(at, (into, from))| {
                    for (w, (into, &from)) in into.iter_mut().zip(from).enumerate() {
                        // Silent words need no mask.
                        *into = if from == 0 { 0 } else { from & mask(&drawn, window, at / batch, at % batch, w) };
                    }
                },
            );
        }
        (Data::Values(from), Data::Values(into)) => {
            let rows = into.par_chunks_exact_mut(width).zip(from.par_chunks_exact(width));
            rows.enumerate().for_each(|(at, (into, from))| {
                for (w, (into, from)) in into.chunks_exact_mut(32).zip(from.chunks_exact(32)).enumerate() {
                    let mask = mask(&drawn, window, at / batch, at % batch, w);
                    for (bit, (into, &from)) in into.iter_mut().zip(from).enumerate() {
                        *into = from * F::from_bit(mask >> bit & 1);
                    }
                }
            });
        }
        (Data::Bytes(from), Data::Bytes(into)) => {
            let rows = into.par_chunks_exact_mut(width).zip(from.par_chunks_exact(width));
            rows.enumerate().for_each(|(at, (into, from))| {
                for (w, (into, from)) in into.chunks_exact_mut(32).zip(from.chunks_exact(32)).enumerate() {
                    let mask = mask(&drawn, window, at / batch, at % batch, w);
                    for (bit, (into, &from)) in into.iter_mut().zip(from).enumerate() {
                        *into = if mask >> bit & 1 == 1 { from } else { 0 };
                    }
                }
            });
        }
        _ => unreachable!("both are made by the same plan"),
    }
}

/// See [`DropoutBackward`].
pub fn dropout_backward<F: Float>(call: DropoutBackward<Cpu<F>>) {
    let (batch, width, len) = (call.shape.batch, call.shape.row(), call.shape.len(call.shape.steps));
    let (drawn, window) = (call.mask, call.window);
    let given = call.given;
    call.gradient[..len].par_chunks_exact_mut(width).enumerate().for_each(|(at, row)| {
        for (w, lanes) in row.chunks_exact_mut(32).enumerate() {
            let mask = mask(&drawn, window, HISTORY + at / batch, at % batch, w);
            for (bit, lane) in lanes.iter_mut().enumerate() {
                let own = given.map_or(F::ZERO, |given| given[at * width + w * 32 + bit]);
                *lane = if mask >> bit & 1 == 1 { *lane + own } else { own };
            }
        }
    });
}
