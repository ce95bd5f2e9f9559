//! Neurons that see all steps at once, as dense products over time. See [`crate::kernels::TimeForward`].

use super::Cpu;
use super::drive::{matrix_product, product};
use super::float::Float;
use super::forward::soften;
use super::linear::{Work, dispatch};
use super::memory::Data;
use super::surrogate::derivative_row;
use crate::kernels::{HISTORY, Model, NEVER, Shape, TimeBackward, TimeForward, TimeWeights, constant, plane};
use crate::spikes::pad;
use pulp::Simd;
use rayon::prelude::*;

/// Steps in a task of a product; fixed, so that its bits do not depend on the threads.
const STEPS: usize = 16;

/// W as `[T][pad(T)]`, and b of each step.
fn matrix<F: Float>(from: &TimeWeights<Cpu<F>>, steps: usize) -> (Vec<F>, Vec<F>) {
    let width = pad(steps);
    let Some(order) = from.order else {
        return (from.weights[..steps * width].to_vec(), from.bias[..steps].to_vec());
    };
    let mut matrix = vec![F::ZERO; steps * width];
    for (t, row) in matrix.chunks_exact_mut(width).enumerate() {
        for back in 0..order.min(t + 1) {
            row[t - back] = from.weights[order - 1 - back];
        }
    }
    (matrix, vec![from.bias[0]; steps])
}

/// See [`TimeForward`].
pub fn time_forward<F: Float>(call: TimeForward<Cpu<F>>, smooth: bool) {
    let (model, shape) = (call.model, call.shape);
    let (steps, width, row) = (shape.steps, pad(shape.steps), shape.len(1));
    let (weights, bias) = matrix(&call.weights, steps);
    call.potential[..shape.len(steps)].par_chunks_mut(STEPS * row).enumerate().for_each(|(chunk, out)| {
        let rows = out.len() / row;
        let from = &weights[chunk * STEPS * width..];
        product((rows, row, steps), out, row, false, from, (width, 1), call.drive, row);
    });
    let theta = call.constants[constant::THETA * shape.row()..][..shape.row()].repeat(shape.batch);
    let potential = &mut call.potential[..shape.len(steps)];
    let task = |t: usize, v: &mut [F], words: Option<&mut [u32]>, values: Option<&mut [F]>| {
        dispatch(Threshold { model: &model, smooth, bias: bias[t], theta: &theta, v, words, values });
    };
    match &mut call.spikes.data {
        Data::Raster(words) => {
            let words = &mut words[HISTORY * row / 32..(HISTORY + steps) * row / 32];
            let rows = potential.par_chunks_exact_mut(row).zip(words.par_chunks_exact_mut(row / 32));
            rows.enumerate().for_each(|(t, (v, words))| task(t, v, Some(words), None));
        }
        Data::Bytes(_) => unreachable!("such a neuron spikes once a step"),
        Data::Values(values) => {
            let values = &mut values[HISTORY * row..(HISTORY + steps) * row];
            let rows = potential.par_chunks_exact_mut(row).zip(values.par_chunks_exact_mut(row));
            rows.enumerate().for_each(|(t, (v, values))| task(t, v, None, Some(values)));
        }
    }
    let last = &potential[(steps - 1) * row..];
    for (planes, v) in call.planes.chunks_exact_mut(plane::PLANES * shape.row()).zip(last.chunks_exact(shape.row())) {
        planes[plane::POTENTIAL * shape.row()..][..shape.row()].copy_from_slice(v);
    }
}

/// Adds the bias to a step's row of V and thresholds it.
struct Threshold<'a, F> {
    model: &'a Model,
    smooth: bool,
    bias: F,
    theta: &'a [F],
    v: &'a mut [F],
    words: Option<&'a mut [u32]>,
    values: Option<&'a mut [F]>,
}

impl<F: Float> Work for Threshold<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Threshold { model, smooth, bias, theta, v, words, values } = self;
        let never = F::from_f64(NEVER);
        for (v, &theta) in v.iter_mut().zip(theta) {
            *v = if theta < never { *v + bias } else { F::ZERO };
        }
        match (words, values) {
            (Some(words), _) => {
                let mut s = [F::ZERO; 32];
                for (at, word) in words.iter_mut().enumerate() {
                    *word = F::fire_word(simd, model.inclusive, &v[at * 32..], &theta[at * 32..], &mut s);
                }
            }
            (None, Some(values)) if smooth => soften(model, v, theta, values),
            (None, Some(values)) => {
                for at in (0..values.len()).step_by(32) {
                    F::fire_word(simd, model.inclusive, &v[at..], &theta[at..], &mut values[at..]);
                }
            }
            (None, None) => {}
        }
    }
}

/// What reaches V from outside the neuron.
pub struct Arriving<'a, F> {
    /// Switches.
    pub model: Model,
    /// Shape.
    pub shape: Shape,
    /// Constants.
    pub constants: &'a [F],
    /// V, `[T][B][np]`.
    pub potential: &'a [F],
    /// g.
    pub gradient_spikes: Option<&'a [F]>,
    /// gV.
    pub gradient_potential: Option<&'a [F]>,
    /// Whether dL/dζ is added.
    pub counts: bool,
}

impl<F: Float> Arriving<'_, F> {
    /// `gV_t + σ'(V_t − θ) (g_t + [t + e < T] dL/dζ)`, `[T][B][np]`; `−Σ_t` of the second part is added to dθ where it is
    /// learned.
    pub fn sum(&self, planes: &mut [F]) -> Vec<F> {
        let (shape, width) = (self.shape, self.shape.row());
        let row = shape.len(1);
        let theta = self.constants[constant::THETA * width..][..width].repeat(shape.batch);
        let samples = || planes.chunks_exact(plane::PLANES * width).take(shape.batch);
        let counts: Vec<F> =
            samples().flat_map(|planes| &planes[plane::COUNT_GRADIENT * width..][..width]).copied().collect();
        let mut out = vec![F::ZERO; shape.len(shape.steps)];
        out.par_chunks_exact_mut(row).enumerate().for_each(|(t, out)| {
            let gradient = self.gradient_spikes.map(|gradient| &gradient[t * row..][..row]);
            let counts = (self.counts && t + self.model.emit_lag < shape.steps).then_some(counts.as_slice());
            let v = &self.potential[t * row..][..row];
            dispatch(ThroughSpike { model: &self.model, theta: &theta, v, gradient, counts, out });
        });
        if self.model.learned.threshold {
            planes.par_chunks_exact_mut(plane::PLANES * width).take(shape.batch).enumerate().for_each(|(b, planes)| {
                let sum = &mut planes[plane::THETA_GRADIENT * width..][..width];
                for rows in out.chunks_exact(row) {
                    for (sum, &value) in sum.iter_mut().zip(&rows[b * width..][..width]) {
                        *sum = *sum - value;
                    }
                }
            });
        }
        if let Some(gradient) = self.gradient_potential {
            out.par_chunks_mut(row).zip(gradient.par_chunks(row)).for_each(|(out, gradient)| {
                for (out, &gradient) in out.iter_mut().zip(gradient) {
                    *out += gradient;
                }
            });
        }
        out
    }
}

/// `σ'(V_t − θ) ρ_t` of a row.
struct ThroughSpike<'a, F> {
    model: &'a Model,
    theta: &'a [F],
    v: &'a [F],
    gradient: Option<&'a [F]>,
    counts: Option<&'a [F]>,
    out: &'a mut [F],
}

impl<F: Float> Work for ThroughSpike<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _simd: S) {
        let ThroughSpike { model, theta, v, gradient, counts, out } = self;
        derivative_row(model.surrogate, v, theta, out);
        let never = F::from_f64(NEVER);
        for (j, out) in out.iter_mut().enumerate() {
            let rho = gradient.map_or(F::ZERO, |row| row[j]) + counts.map_or(F::ZERO, |row| row[j]);
            *out = if theta[j] < never { *out * rho } else { F::ZERO };
        }
    }
}

/// See [`TimeBackward`].
pub fn time_backward<F: Float>(call: TimeBackward<Cpu<F>>) {
    let (model, shape) = (call.model, call.shape);
    let (steps, width, row) = (shape.steps, pad(shape.steps), shape.len(1));
    let (weights, _) = matrix(&call.weights, steps);
    let arriving = Arriving {
        model,
        shape,
        constants: call.constants,
        potential: call.potential,
        gradient_spikes: call.gradient_spikes.map(super::Array::as_slice),
        gradient_potential: call.gradient_potential.map(super::Array::as_slice),
        counts: call.counts,
    };
    let lambda = arriving.sum(call.planes);
    let chi = &mut call.chi[..shape.len(steps)];
    chi.par_chunks_mut(STEPS * row).enumerate().for_each(|(chunk, out)| {
        let rows = out.len() / row;
        product((rows, row, steps), out, row, false, &weights[chunk * STEPS..], (1, width), &lambda, row);
    });
    if model.learned.bias {
        let planes = call.planes.par_chunks_exact_mut(plane::PLANES * shape.row()).take(shape.batch);
        planes.enumerate().for_each(|(b, planes)| {
            let sum = &mut planes[plane::BIAS_GRADIENT * shape.row()..][..shape.row()];
            for rows in chi.chunks_exact(row) {
                for (sum, &value) in sum.iter_mut().zip(&rows[b * shape.row()..]) {
                    *sum += value;
                }
            }
        });
    }
    let mut by_weights = vec![F::ZERO; steps * width];
    by_weights.par_chunks_mut(STEPS * width).enumerate().for_each(|(chunk, out)| {
        let rows = out.len() / width;
        let from = &lambda[chunk * STEPS * row..];
        matrix_product((rows, steps, row), out, width, false, from, (row, 1), call.drive, (1, row));
    });
    let sum = |values: &[F]| values.iter().fold(F::ZERO, |sum, &value| sum + value);
    let by_bias: Vec<F> = lambda.par_chunks_exact(row).map(sum).collect();
    match call.weights.order {
        None => {
            call.weight_gradient[..steps * width].copy_from_slice(&by_weights);
            call.bias_gradient[..steps].copy_from_slice(&by_bias);
        }
        Some(order) => {
            for (tap, out) in call.weight_gradient[..order].iter_mut().enumerate() {
                let back = order - 1 - tap;
                let diagonal = (back..steps).map(|t| by_weights[t * width + t - back]);
                *out = diagonal.fold(F::ZERO, |sum, value| sum + value);
            }
            call.bias_gradient[0] = sum(&by_bias);
        }
    }
}
