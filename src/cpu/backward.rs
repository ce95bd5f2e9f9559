//! The adjoint of a layer over a range of steps. See [`crate::kernels::Backward`].
//!
//! Samples run side by side in tiles. Where the layer is recurrent, one step of a tile is a dense product of its χ rows
//! with the packed R^T, then the rows of the adjoint; tiles only share the reading of R, so their size changes no bit.

use super::float::Float;
use super::forward::constants;
use super::linear::{Packed, Work, dispatch};
use super::memory::{Activity, Shared};
use super::neuron::{Constants, Step, adjoint_row, by_parameters};
use super::surrogate::derivative_row;
use crate::kernels::{HISTORY, Model, Shape, plane};
use crate::network::Reduce;
use pulp::Simd;
use rayon::prelude::*;
use std::ops::Range;

/// Most samples in a tile.
const TILE: usize = 64;

/// Everything that the tiles share.
pub struct Call<'a, F: Float> {
    /// Switches.
    pub model: Model,
    /// Shape.
    pub shape: Shape,
    /// Steps.
    pub range: Range<usize>,
    /// Constants.
    pub constants: &'a [F],
    /// Packed R^T.
    pub recurrent: Option<&'a Packed<F>>,
    /// Spikes.
    pub spikes: Option<&'a Activity<F>>,
    /// Tape.
    pub tape: &'a [F],
    /// gS.
    pub gradient_spikes: Option<&'a [F]>,
    /// gV.
    pub gradient_potential: Option<&'a [F]>,
    /// Whether dL/dζ is added.
    pub counts: bool,
    /// Readout.
    pub reduce: Option<Reduce>,
}

/// Runs the adjoint over all samples.
pub fn backward<F: Float>(call: Call<F>, planes: &mut [F], chi: &mut [F]) {
    let (batch, width) = (call.shape.batch, call.shape.row());
    let tile = batch.div_ceil(rayon::current_num_threads()).clamp(1, TILE);
    let chi = Shared::new(chi);
    planes.par_chunks_mut(tile * plane::PLANES * width).enumerate().for_each(|(index, planes)| {
        let samples = planes.len() / (plane::PLANES * width);
        dispatch(Tile { call: &call, first: index * tile, samples, planes, chi: &chi });
    });
}

struct Tile<'a, 'b, F: Float> {
    call: &'a Call<'a, F>,
    first: usize,
    samples: usize,
    planes: &'b mut [F],
    chi: &'a Shared<'a, F>,
}

/// Rows that a tile works in.
struct Scratch<F> {
    rho: Vec<F>,
    sigma: Vec<F>,
    s: Vec<F>,
    s_before: Vec<F>,
    g: Vec<F>,
}

impl<F: Float> Work for Tile<'_, '_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Tile { call, first, samples, planes, chi } = self;
        let (model, batch, width) = (&call.model, call.shape.batch, call.shape.row());
        let k = constants(model, call.constants, width);
        let zeros = || vec![F::ZERO; width];
        let mut scratch = Scratch { rho: zeros(), sigma: zeros(), s: zeros(), s_before: zeros(), g: zeros() };
        let mut recurrent = vec![F::ZERO; if call.recurrent.is_some() { samples * width } else { 0 }];
        for t in call.range.clone().rev() {
            if let Some(packed) = call.recurrent {
                let at = ((t + model.recurrent_lag) * batch + first) * width;
                // SAFETY: rows of this tile, written at later steps.
                let after = unsafe { chi.slice(at, samples * width) };
                packed.product(simd, after, width, samples, &mut recurrent, width, false);
            }
            for m in 0..samples {
                let rows = &mut planes[m * plane::PLANES * width..][..plane::PLANES * width];
                let rec = call.recurrent.is_some().then(|| &recurrent[m * width..][..width]);
                // SAFETY: a row of this tile.
                let chi = unsafe { chi.slice((t * batch + first + m) * width, width) };
                sample_step(call, k, t, first + m, rows, rec, &mut scratch, chi);
            }
        }
    }
}

/// One step of one sample.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn sample_step<F: Float>(
    call: &Call<F>,
    k: Constants<F>,
    t: usize,
    b: usize,
    planes: &mut [F],
    recurrent: Option<&[F]>,
    scratch: &mut Scratch<F>,
    chi: &mut [F],
) {
    let (model, shape) = (&call.model, call.shape);
    let (width, batch) = (shape.row(), shape.batch);
    let at = (t * batch + b) * width;
    let v = &call.tape[at..][..width];
    let Scratch { rho, sigma, s, s_before, g } = scratch;

    match call.gradient_spikes {
        Some(gradient) => rho.copy_from_slice(&gradient[at..][..width]),
        None => rho.fill(F::ZERO),
    }
    if call.counts && t + model.emit_lag < shape.steps {
        add(rho, &planes[plane::COUNT_GRADIENT * width..][..width]);
    }
    if let Some(recurrent) = recurrent {
        add(rho, recurrent);
    }
    if let Some(spikes) = call.spikes {
        spikes.expand(HISTORY + t, b, s);
        spikes.expand(HISTORY + t - 1, b, s_before);
        derivative_row(model.surrogate, v, k.theta, sigma);
    }
    let current = |t: usize| &call.tape[((shape.steps + t) * batch + b) * width..][..width];
    let j_after = (model.keeps_current() && !model.detach).then(|| {
        // Past the last step λ is 0, so any finite number does.
        current(if model.lag == 1 { t } else { (t + 1).min(shape.steps - 1) })
    });
    let g_potential = potential_gradient(call, t, at, planes, g);
    let step = Step { v, s, s_before, sigma, j_after, g_potential };
    {
        let (lambda, mu) = planes[plane::LAMBDA * width..][..2 * width].split_at_mut(width);
        adjoint_row(model.reset, model.detach, model.lag, k, step, rho, lambda, mu);
        chi.copy_from_slice(mu);
    }
    let learned = model.learned;
    if learned.bias {
        add(&mut planes[plane::BIAS_GRADIENT * width..][..width], chi);
    }
    if !(learned.tau_syn || learned.tau_mem || learned.threshold) {
        return;
    }
    let keeps = model.keeps_current();
    for j in 0..shape.units {
        let plane_at = |plane: usize| plane * width + j;
        let (lambda, mu) = (planes[plane_at(plane::LAMBDA)], planes[plane_at(plane::MU)]);
        let v_before = if t > 0 { call.tape[at - batch * width + j] } else { planes[plane_at(plane::START_POTENTIAL)] };
        let i_before = match (keeps, t) {
            (false, _) => F::ZERO,
            (true, 0) => planes[plane_at(plane::START_CURRENT)],
            (true, _) => current(t - 1)[j],
        };
        if learned.tau_syn {
            planes[plane_at(plane::ALPHA_GRADIENT)] += mu * i_before;
        }
        let current_seen = match (model.normalised && keeps, model.lag) {
            (false, _) => F::ZERO,
            (true, 0) => current(t)[j],
            (true, _) => i_before,
        };
        let (by_beta, by_theta) =
            by_parameters(model.reset, k.beta[j], k.theta[j], k.v_reset, v_before, s_before[j], current_seen);
        if learned.tau_mem {
            planes[plane_at(plane::BETA_GRADIENT)] += lambda * by_beta;
        }
        if learned.threshold {
            planes[plane_at(plane::THETA_GRADIENT)] += lambda * by_theta - sigma[j] * rho[j];
        }
    }
}

#[inline(always)]
fn add<F: Float>(sum: &mut [F], row: &[F]) {
    for (sum, &value) in sum.iter_mut().zip(row) {
        *sum += value;
    }
}

/// gV_t: from above, and through the reduction of the readout.
#[inline(always)]
fn potential_gradient<'a, F: Float>(
    call: &Call<'a, F>,
    t: usize,
    at: usize,
    planes: &[F],
    g: &'a mut [F],
) -> Option<&'a [F]> {
    let width = g.len();
    let given = call.gradient_potential.map(|gradient| &gradient[at..][..width]);
    let Some(reduce) = call.reduce else { return given };
    match given {
        Some(given) => g.copy_from_slice(given),
        None => g.fill(F::ZERO),
    }
    let gradient = &planes[plane::ACTIVATION_GRADIENT * width..][..width];
    match reduce {
        Reduce::Max => {
            let step = &planes[plane::STEP * width..][..width];
            let now = F::from_f64(t as f64);
            for j in 0..width {
                if step[j] == now {
                    g[j] += gradient[j];
                }
            }
        }
        Reduce::Sum => add(g, gradient),
        Reduce::Mean => {
            let share = F::from_f64(1.0 / call.shape.steps as f64);
            for j in 0..width {
                g[j] += gradient[j] * share;
            }
        }
        Reduce::Last => {
            if t + 1 == call.shape.steps {
                add(g, gradient);
            }
        }
    }
    Some(g)
}

const _: () = assert!(plane::MU == plane::LAMBDA + 1);
