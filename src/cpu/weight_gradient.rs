//! Gradient of a projection's weights. See [`crate::kernels::WeightGradient`].
//!
//! From spikes: threads split the columns of dW and each walks all rows of χ, adding its strip of a row to the rows of dW of
//! the active inputs. No partial copies, dW stays in the cache, and the order of the sum (t down, b up) is fixed.

use super::Cpu;
use super::drive::product;
use super::float::Float;
use super::linear::{Work, dispatch, scatter_rows};
use super::memory::{Activity, Data, Events, Shared};
use crate::kernels::{HISTORY, Projection, WeightGradient};
use crate::spikes::pad;
use pulp::Simd;
use rayon::prelude::*;

/// dW, overwritten.
pub fn weight_gradient<F: Float>(call: WeightGradient<Cpu<F>>) {
    let width = call.shape.row();
    match (call.projection, &call.source.data) {
        (Projection::Current, _) => current(call),
        (Projection::Dense, Data::Values(_)) => dense(call),
        (Projection::Dense, Data::Raster(_)) => {
            let out = &mut call.out[..call.inputs * width];
            out.fill(F::ZERO);
            let strip = strip(width);
            let out = Shared::new(out);
            (0..width.div_ceil(strip)).into_par_iter().for_each(|index| {
                let from = index * strip;
                dispatch(Strip {
                    source: call.source,
                    lag: call.lag,
                    chi: call.chi,
                    width,
                    steps: call.shape.steps,
                    batch: call.shape.batch,
                    from,
                    columns: strip.min(width - from),
                    rows: call.inputs,
                    out: &out,
                });
            });
        }
    }
}

/// Columns of a task: as wide as lets every thread have one, in whole words.
fn strip(width: usize) -> usize {
    let words = width / 32;
    words.div_ceil(rayon::current_num_threads()).clamp(1, 8) * 32
}

struct Strip<'a, F: Float> {
    source: &'a Activity<F>,
    lag: usize,
    chi: &'a [F],
    width: usize,
    steps: usize,
    batch: usize,
    from: usize,
    columns: usize,
    rows: usize,
    out: &'a Shared<'a, F>,
}

impl<F: Float> Work for Strip<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let mut events = Events::default();
        // SAFETY: an empty slice; only its address is used, and this task alone touches its columns.
        let rows = unsafe { self.out.slice(0, 0) }.as_mut_ptr();
        for t in (0..self.steps).rev() {
            for b in 0..self.batch {
                self.source.events(HISTORY + t - self.lag, b, &mut events);
                let chi = &self.chi[(t * self.batch + b) * self.width + self.from..][..self.columns];
                assert!(events.index.last().is_none_or(|&last| (last as usize) < self.rows));
                // SAFETY: every event has a row, and the columns are this task's own.
                unsafe { scatter_rows(simd, chi, rows, self.width, self.from, &events) };
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
