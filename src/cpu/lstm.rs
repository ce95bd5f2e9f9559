//! The LSTM cell in tiles of samples. See [`crate::kernels::LstmForward`].

use super::Cpu;
use super::drive::product;
use super::float::Float;
use super::forward::soften;
use super::linear::{Work, dispatch};
use super::memory::{Activity, Aligned, Data, Shared};
use super::packed::{Packed, RowsOf};
use super::surrogate::derivative_row;
use super::time::Arriving;
use crate::kernels::{GATES, HISTORY, LstmBackward, LstmForward, Model, Shape, constant, plane};
use crate::network::Reset;
use pulp::Simd;
use rayon::prelude::*;

/// Samples of a tile; fixed, so that its bits do not depend on the threads.
const TILE: usize = 8;

/// `1 / (1 + e^−x)`; a number that is none stays none.
#[inline(always)]
fn logistic<F: Float>(x: F) -> F {
    let e = (-x.abs()).exponential();
    let r = F::ONE / (F::ONE + e);
    #[allow(clippy::eq_op)]
    if x == x { if x < F::ZERO { e * r } else { r } } else { x }
}

/// tanh without a call.
#[inline(always)]
fn tanh<F: Float>(x: F) -> F {
    let e = (F::from_f64(-2.0) * x.abs()).exponential();
    let r = (F::ONE - e) / (F::ONE + e);
    #[allow(clippy::eq_op)]
    if x == x { if x < F::ZERO { -r } else { r } } else { x }
}

/// See [`LstmForward`]. `held` stands for S_{t-1} in the reset, `[T][B][np]`.
pub fn lstm_forward<F: Float>(call: LstmForward<Cpu<F>>, held: Option<&[F]>, smooth: bool) {
    let width = call.shape.row();
    let (mut raster, mut values) = (None, None);
    match &mut call.spikes.data {
        Data::Raster(data) => raster = Some(Shared::new(data.as_mut_slice())),
        Data::Values(data) => values = Some(Shared::new(&mut data[..])),
        Data::Bytes(_) => unreachable!("a cell spikes once a step"),
    }
    let (mut tape, mut hidden) = (None, None);
    if let Some((into, source)) = call.tape {
        tape = Some(Shared::new(into.as_mut_slice()));
        if let Data::Values(data) = &mut source.data {
            hidden = Some(Shared::new(&mut data[..]));
        }
    }
    let theta = call.constants[constant::THETA * width..][..width].repeat(TILE);
    let shared = Forward {
        model: &call.model,
        shape: call.shape,
        theta: &theta,
        recurrent: call.recurrent,
        gates: Shared::new(call.gates.as_mut_slice()),
        raster,
        values,
        tape,
        hidden,
        held,
        smooth,
    };
    let planes = call.planes[..plane::PLANES * call.shape.len(1)].par_chunks_mut(TILE * plane::PLANES * width);
    planes.enumerate().for_each(|(tile, planes)| dispatch(ForwardTile { shared: &shared, first: tile * TILE, planes }));
}

/// What the tiles share.
struct Forward<'a, F: Float> {
    model: &'a Model,
    shape: Shape,
    /// θ of each neuron, for each sample of a tile.
    theta: &'a [F],
    recurrent: &'a [F],
    gates: Shared<'a, F>,
    raster: Option<Shared<'a, u32>>,
    values: Option<Shared<'a, F>>,
    tape: Option<Shared<'a, F>>,
    hidden: Option<Shared<'a, F>>,
    held: Option<&'a [F]>,
    smooth: bool,
}

struct ForwardTile<'a, 'b, F: Float> {
    shared: &'a Forward<'a, F>,
    first: usize,
    planes: &'b mut [F],
}

/// A plane of a tile's samples.
fn collect<F: Float>(planes: &[F], plane: usize, width: usize) -> Vec<F> {
    let samples = planes.chunks_exact(plane::PLANES * width);
    samples.flat_map(|planes| &planes[plane * width..][..width]).copied().collect()
}

/// Writes it back.
fn give_back<F: Float>(planes: &mut [F], plane: usize, width: usize, row: &[F]) {
    for (planes, row) in planes.chunks_exact_mut(plane::PLANES * width).zip(row.chunks_exact(width)) {
        planes[plane * width..][..width].copy_from_slice(row);
    }
}

impl<F: Float> Work for ForwardTile<'_, '_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let ForwardTile { shared, first, planes } = self;
        let Forward { model, shape, smooth, .. } = *shared;
        let (width, batch) = (shape.row(), shape.batch);
        let samples = planes.len() / (plane::PLANES * width);
        let len = samples * width;
        let theta = &shared.theta[..len];
        let (mut h, mut c) = (collect(planes, plane::POTENTIAL, width), collect(planes, plane::CURRENT, width));
        let mut s = vec![F::ZERO; len];
        let before = (HISTORY - 1) * batch + first;
        for (m, s) in s.chunks_exact_mut(width).enumerate() {
            if let Some(raster) = &shared.raster {
                // SAFETY: rows of this tile.
                super::memory::unpack(simd, unsafe { raster.slice((before + m) * width / 32, width / 32) }, s);
            } else if let Some(values) = &shared.values {
                // SAFETY: as above.
                s.copy_from_slice(unsafe { values.slice((before + m) * width, width) });
            }
        }
        if let Some(hidden) = &shared.hidden {
            // SAFETY: as above.
            unsafe { hidden.slice(before * width, len) }.copy_from_slice(&h);
        }
        for t in 0..shape.steps {
            let at = (t * batch + first) * width;
            // SAFETY: as above.
            let gates = unsafe { shared.gates.slice(GATES * at, GATES * len) };
            let size = (samples, GATES * width, shape.units);
            product(size, gates, GATES * width, true, &h, (width, 1), shared.recurrent, GATES * width);
            let r = shared.held.map_or(&s[..], |held| &held[at..][..len]);
            for (m, gates) in gates.chunks_exact_mut(GATES * width).enumerate() {
                let own = m * width..(m + 1) * width;
                cell(model.reset, gates, &theta[own.clone()], &r[own.clone()], &mut c[own.clone()], &mut h[own]);
            }
            if let Some(tape) = &shared.tape {
                // SAFETY: as above.
                unsafe { tape.slice(at, len) }.copy_from_slice(&h);
                // SAFETY: as above.
                unsafe { tape.slice(shape.len(shape.steps) + at, len) }.copy_from_slice(&c);
            }
            let row = at + HISTORY * batch * width;
            if let Some(hidden) = &shared.hidden {
                // SAFETY: as above.
                unsafe { hidden.slice(row, len) }.copy_from_slice(&h);
            }
            if smooth {
                soften(model, &h, theta, &mut s);
            } else {
                for j in (0..len).step_by(32) {
                    let word = F::fire_word(simd, model.inclusive, &h[j..], &theta[j..], &mut s[j..]);
                    if let Some(raster) = &shared.raster {
                        // SAFETY: as above.
                        let words = unsafe { raster.slice((row + j) / 32, 1) };
                        words[0] = word;
                    }
                }
            }
            if let Some(values) = &shared.values {
                // SAFETY: as above.
                unsafe { values.slice(row, len) }.copy_from_slice(&s);
            }
        }
        give_back(planes, plane::POTENTIAL, width, &h);
        give_back(planes, plane::CURRENT, width, &c);
    }
}

/// One step of the neurons of one sample: gates from their drive, c and h of the step.
#[inline(always)]
fn cell<F: Float>(reset: Reset, gates: &mut [F], theta: &[F], s: &[F], c: &mut [F], h: &mut [F]) {
    let width = c.len();
    let (i, rest) = gates.split_at_mut(width);
    let (f, rest) = rest.split_at_mut(width);
    let (g, o) = rest.split_at_mut(width);
    for j in 0..width {
        (i[j], f[j], g[j], o[j]) = (logistic(i[j]), logistic(f[j]), tanh(g[j]), logistic(o[j]));
        c[j] = f[j].fma(c[j], i[j] * g[j]);
        let out = o[j] * tanh(c[j]);
        h[j] = match reset {
            Reset::SubtractAfter => out - theta[j] * s[j],
            Reset::ZeroAfter => out * (F::ONE - s[j]),
            _ => out,
        };
    }
}

/// See [`LstmBackward`].
pub fn lstm_backward<F: Float>(call: LstmBackward<Cpu<F>>) {
    let (model, shape) = (call.model, call.shape);
    let width = shape.row();
    let arriving = Arriving {
        model,
        shape,
        constants: call.constants,
        potential: call.tape,
        gradient_spikes: call.gradient_spikes.map(super::Array::as_slice),
        gradient_potential: call.gradient_potential.map(super::Array::as_slice),
        counts: call.counts,
    };
    let direct = arriving.sum(call.planes);
    let theta = call.constants[constant::THETA * width..][..width].repeat(TILE);
    let shared = Backward {
        model: &model,
        shape,
        theta: &theta,
        recurrent: call.recurrent,
        gates: call.gates,
        spikes: call.spikes,
        tape: call.tape,
        direct: &direct,
        chi: Shared::new(call.chi.as_mut_slice()),
    };
    let planes = call.planes[..plane::PLANES * shape.len(1)].par_chunks_mut(TILE * plane::PLANES * width);
    planes
        .enumerate()
        .for_each(|(tile, planes)| dispatch(BackwardTile { shared: &shared, first: tile * TILE, planes }));
    if let Some(out) = call.bias_gradient {
        let out = &mut out[constant::BIAS * GATES * width..][..GATES * width];
        out.par_chunks_mut(32).enumerate().for_each(|(strip, out)| {
            out.fill(F::ZERO);
            for row in call.chi.chunks_exact(GATES * width).take(shape.steps * shape.batch) {
                for (out, &chi) in out.iter_mut().zip(&row[strip * 32..]) {
                    *out += chi;
                }
            }
        });
    }
}

/// What the tiles share.
struct Backward<'a, F: Float> {
    model: &'a Model,
    shape: Shape,
    theta: &'a [F],
    recurrent: &'a Packed<F>,
    gates: &'a [F],
    spikes: &'a Activity<F>,
    tape: &'a [F],
    /// What reaches V from outside.
    direct: &'a [F],
    chi: Shared<'a, F>,
}

struct BackwardTile<'a, 'b, F: Float> {
    shared: &'a Backward<'a, F>,
    first: usize,
    planes: &'b mut [F],
}

impl<F: Float> Work for BackwardTile<'_, '_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let BackwardTile { shared, first, planes } = self;
        let (model, shape) = (shared.model, shared.shape);
        let (width, batch) = (shape.row(), shape.batch);
        let (whole, step) = (shape.len(shape.steps), shape.len(1));
        let samples = planes.len() / (plane::PLANES * width);
        let len = samples * width;
        let theta = &shared.theta[..len];
        let (mut lambda, mut mu) = (collect(planes, plane::LAMBDA, width), collect(planes, plane::MU, width));
        let mut by_theta = collect(planes, plane::THETA_GRADIENT, width);
        let start = collect(planes, plane::START_CURRENT, width);
        let row = || vec![F::ZERO; len];
        let (mut feedback, mut sigma, mut s) = (row(), row(), row());
        let mut side_by_side = Aligned::default();
        let through = !model.detach && model.reset != Reset::None;
        for t in (0..shape.steps).rev() {
            let at = (t * batch + first) * width;
            // SAFETY: rows of this tile, written at the step after.
            let after = unsafe { shared.chi.slice(GATES * (at + step), GATES * len) };
            let rows = RowsOf::First(samples);
            shared.recurrent.product(simd, after, GATES * width, rows, &mut feedback, width, false, &mut side_by_side);
            for (m, s) in s.chunks_exact_mut(width).enumerate() {
                shared.spikes.expand(simd, HISTORY + t - 1, first + m, s);
            }
            if through {
                derivative_row(model.surrogate, &shared.tape[at..][..len], theta, &mut sigma);
            }
            // SAFETY: rows of this tile.
            let chi = unsafe { shared.chi.slice(GATES * at, GATES * len) };
            for m in 0..samples {
                for j in 0..width {
                    let own = m * width + j;
                    let gates = &shared.gates[GATES * (at + m * width)..];
                    let (i, f, g, o) = (gates[j], gates[width + j], gates[2 * width + j], gates[3 * width + j]);
                    let c = shared.tape[whole + at + own];
                    let before = if t == 0 { start[own] } else { shared.tape[whole + at + own - step] };
                    let mut total = shared.direct[at + own] + feedback[own];
                    if through && t + 1 < shape.steps {
                        let by_spike = match model.reset {
                            Reset::SubtractAfter => -theta[own],
                            _ => {
                                let next = shared.gates[GATES * (at + step + m * width) + 3 * width + j];
                                -(next * tanh(shared.tape[whole + at + own + step]))
                            }
                        };
                        let part = sigma[own] * (by_spike * lambda[own]);
                        total += part;
                        by_theta[own] = by_theta[own] - part;
                    }
                    lambda[own] = total;
                    if model.reset == Reset::SubtractAfter {
                        by_theta[own] = by_theta[own] - s[own] * total;
                    }
                    let out = if model.reset == Reset::ZeroAfter { total * (F::ONE - s[own]) } else { total };
                    let held = tanh(c);
                    let d = mu[own] + out * o * (F::ONE - held * held);
                    let chi = &mut chi[GATES * m * width..];
                    chi[j] = d * g * i * (F::ONE - i);
                    chi[width + j] = d * before * f * (F::ONE - f);
                    chi[2 * width + j] = d * i * (F::ONE - g * g);
                    chi[3 * width + j] = out * held * o * (F::ONE - o);
                    mu[own] = f * d;
                }
            }
        }
        give_back(planes, plane::LAMBDA, width, &lambda);
        give_back(planes, plane::MU, width, &mu);
        if model.learned.threshold {
            give_back(planes, plane::THETA_GRADIENT, width, &by_theta);
        }
    }
}
