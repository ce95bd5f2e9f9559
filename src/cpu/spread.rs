//! The adjoint of a reduction over the steps. See [`Spread`].

use super::Cpu;
use super::float::Float;
use crate::kernels::{Pooling, Spread};
use rayon::prelude::*;

/// See [`Spread`].
pub fn spread<F: Float>(call: Spread<Cpu<F>>) {
    let Spread { shape, window, pooling, lengths, place, from, emit_lag, out } = call;
    let (row, batch) = (shape.row(), shape.batch);
    out[..shape.len(shape.steps)].par_chunks_mut(batch * row).enumerate().for_each(|(at, out)| {
        let t = window.step + at + emit_lag;
        let now = F::from_f64(t as f64);
        for (b, out) in out.chunks_exact_mut(row).enumerate() {
            let b = window.sample + b;
            let length = lengths[b] as usize;
            if t >= length || (pooling == Pooling::Last && t + 1 < length) {
                continue;
            }
            let planes = &from[b * place.planes * row..][..place.planes * row];
            let gradient = &planes[place.gradient * row..][..shape.units];
            let step = &planes[place.step * row..][..shape.units];
            let share = match pooling {
                Pooling::Mean => F::from_f64(1.0 / length as f64),
                Pooling::Spike(_) => -F::ONE,
                Pooling::Max | Pooling::Sum | Pooling::Last => F::ONE,
            };
            let at_step = matches!(pooling, Pooling::Max | Pooling::Spike(_));
            for ((out, &gradient), &step) in out.iter_mut().zip(gradient).zip(step) {
                if !at_step || step == now {
                    *out += share * gradient;
                }
            }
        }
    });
}
