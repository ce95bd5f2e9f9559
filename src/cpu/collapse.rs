//! A recording reduced over the steps of each sample. See [`Collapse`].

use super::Cpu;
use super::float::Float;
use super::loss::read;
use crate::kernels::{Collapse, Pooling};
use rayon::prelude::*;

/// See [`Collapse`].
pub fn collapse<F: Float>(call: Collapse<Cpu<F>>) {
    let Collapse { shape, recording, pooling, lengths, place, out } = call;
    let row = shape.row();
    let samples = out[..shape.batch * place.planes * row].par_chunks_mut(place.planes * row);
    samples.enumerate().for_each_init(
        || (vec![F::ZERO; row], vec![F::ZERO; row], vec![F::ZERO; row]),
        |(a, activation, step), (b, planes)| {
            let length = lengths[b] as usize;
            let share = if pooling == Pooling::Mean { F::from_f64(1.0 / length as f64) } else { F::ONE };
            activation.fill(F::ZERO);
            step.fill(F::ZERO);
            for t in 0..length {
                read(recording, shape, t, b, a);
                let now = F::from_f64(t as f64);
                for j in 0..row {
                    match pooling {
                        // One that is not a number stays: it must not vanish from the loss.
                        Pooling::Max if t == 0 || a[j] > activation[j] || !a[j].is_finite() => {
                            (activation[j], step[j]) = (a[j], now);
                        }
                        Pooling::Max => {}
                        Pooling::Sum | Pooling::Mean => activation[j] = share.fma(a[j], activation[j]),
                        Pooling::Last => activation[j] = a[j],
                        // Counts spikes in the activation while it goes.
                        Pooling::Spike(number) => {
                            let (before, enough) = (activation[j], F::from_f64(f64::from(number)));
                            activation[j] += a[j];
                            if before < enough && activation[j] >= enough {
                                step[j] = now;
                            }
                        }
                    }
                }
            }
            if let Pooling::Spike(number) = pooling {
                let (enough, last) = (F::from_f64(f64::from(number)), F::from_f64((length - 1) as f64));
                for (activation, step) in activation.iter_mut().zip(&mut *step) {
                    *step = if *activation < enough { last } else { *step };
                    *activation = *step;
                }
                activation[shape.units..].fill(F::ZERO);
                step[shape.units..].fill(F::ZERO);
            }
            planes[place.activation * row..][..row].copy_from_slice(activation);
            if matches!(pooling, Pooling::Max | Pooling::Spike(_)) {
                planes[place.step * row..][..row].copy_from_slice(step);
            }
        },
    );
}
