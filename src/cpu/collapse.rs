//! A recording reduced over the steps of each sample. See [`Collapse`].

use super::Cpu;
use super::float::Float;
use super::linear::{Work, dispatch};
use super::loss::read;
use super::memory::BLOCK;
use crate::kernels::{Collapse, Pooling, Recording, Shape};
use pulp::Simd;
use rayon::prelude::*;
use std::ops::Range;

/// Adds a share of each step.
struct Add<'a, 'b, F: Float> {
    recording: Recording<'a, Cpu<F>>,
    shape: Shape,
    steps: Range<usize>,
    b: usize,
    from: usize,
    share: F,
    a: &'b mut [F],
    activation: &'b mut [F],
}

impl<F: Float> Work for Add<'_, '_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Add { recording, shape, steps, b, from, share, a, activation } = self;
        for t in steps {
            read(simd, recording, shape, t, b, from, a);
            for (activation, &a) in activation.iter_mut().zip(&*a) {
                *activation = share.fma(a, *activation);
            }
        }
    }
}

/// See [`Collapse`].
pub fn collapse<F: Float>(call: Collapse<Cpu<F>>) {
    let Collapse { shape, window, recording, pooling, lengths, place, out } = call;
    let row = shape.row();
    let first = window.sample * place.planes * row;
    let stepped = matches!(pooling, Pooling::Max | Pooling::Spike(_));
    let samples = out[first..][..shape.batch * place.planes * row].par_chunks_mut(place.planes * row);
    samples.enumerate().for_each(|(b, planes)| {
        let length = lengths[window.sample + b] as usize;
        let share = if pooling == Pooling::Mean { F::from_f64(1.0 / length as f64) } else { F::ONE };
        let mut rows = [[F::ZERO; BLOCK]; 3];
        for from in (0..row).step_by(BLOCK) {
            let len = BLOCK.min(row - from);
            let [a, activation, step] = rows.each_mut().map(|values| &mut values[..len]);
            if window.step == 0 {
                activation.fill(F::ZERO);
                step.fill(F::ZERO);
            } else {
                activation.copy_from_slice(&planes[place.activation * row + from..][..len]);
                step.copy_from_slice(
                    &planes[if stepped { place.step } else { place.activation } * row + from..][..len],
                );
            }
            let steps = window.step..length.min(window.step + shape.steps);
            if matches!(pooling, Pooling::Sum | Pooling::Mean) {
                let steps = steps.start - window.step..steps.end.max(steps.start) - window.step;
                dispatch(Add { recording, shape, steps, b, from, share, a, activation });
                planes[place.activation * row + from..][..len].copy_from_slice(activation);
                continue;
            }
            for t in steps {
                read(pulp::Scalar::new(), recording, shape, t - window.step, b, from, a);
                let now = F::from_f64(t as f64);
                for j in 0..len {
                    match pooling {
                        // One that is not a number stays: it must not vanish from the loss.
                        Pooling::Max if t == 0 || a[j] > activation[j] || !a[j].is_finite() => {
                            (activation[j], step[j]) = (a[j], now);
                        }
                        Pooling::Max => {}
                        Pooling::Sum | Pooling::Mean => unreachable!("added above"),
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
            if let (Pooling::Spike(number), true) = (pooling, window.step + shape.steps == window.steps) {
                let (enough, last) = (F::from_f64(f64::from(number)), F::from_f64((length - 1) as f64));
                for (activation, step) in activation.iter_mut().zip(&mut *step) {
                    *step = if *activation < enough { last } else { *step };
                    *activation = *step;
                }
                let inside = len.min(shape.units - from);
                activation[inside..].fill(F::ZERO);
                step[inside..].fill(F::ZERO);
            }
            planes[place.activation * row + from..][..len].copy_from_slice(activation);
            if stepped {
                planes[place.step * row + from..][..len].copy_from_slice(step);
            }
        }
    });
}
