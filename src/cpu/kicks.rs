//! The gradient of a layer's weights from its kicks. See [`crate::kernels::KickGradient`].
//!
//! The adjoint leaves κ = σ'ρ of each sample's active neurons, a step after the other. The kicks of a chunk of rows are brought
//! together by neuron. Each task then owns some columns of the source: it filters a chunk of them, which stays in the cache, and
//! holds a neuron's part of dW^T in registers while the rows at its kicks are added. Nobody shares a sum, and its order (t up, b
//! up) is the same whatever the chunks, the strips, the threads and the windows.

use super::Cpu;
use super::active::{Kicks, Log};
use super::float::{Float, load, store};
use super::linear::{Work, dispatch};
use super::memory::{Activity, Aligned, Data, Shared, prefetch};
use crate::kernels::{Firing, HISTORY, KickGradient, KickedChi, Model, constant};
use crate::network::Reset;
use crate::spikes::{pad, words};
use pulp::Simd;
use rayon::prelude::*;
use std::ops::Range;

/// The kicks of a chunk of rows by neuron.
#[derive(Debug, Default)]
pub struct Sorted<F> {
    /// Neurons that have some, and the end of each one's.
    neurons: Vec<(u32, u32)>,
    /// Row of each kick in the chunk, one neuron after the other, ascending.
    rows: Vec<u32>,
    values: Vec<F>,
    /// Where the next kick of each neuron goes.
    next: Vec<u32>,
}

/// Rows of a chunk, about.
const CHUNK: usize = 1024;
/// Planned where σ' is not 0 within this part of the threshold at most: farther out, as many neurons are active as spike.
const NARROW: f64 = 0.125;
/// Columns of a task at most.
const COLUMNS: [usize; 3] = [64, 32, 16];
/// Bytes of a task's part of dW^T at most, so that it stays in the second-level cache.
const PART: usize = 256 << 10;
/// Steps ahead that a word of the source is asked for.
const AHEAD: usize = 8;
/// Side of the squares in which a task's part is transposed.
const SQUARE: usize = 16;

/// Whether the kicks of such a layer say all about the gradient of its weights, if its constants are those of one neuron.
pub fn possible(model: &Model) -> bool {
    let free = matches!(model.reset, Reset::None | Reset::SubtractBefore | Reset::SubtractAfter);
    let once = model.firing == Firing::Single && model.snippet.is_none();
    model.spiking && free && once && model.surrogate.is_compact() && model.recurrent_lag <= 1
}

/// Whether all neurons of the layer have the same α, β and γ.
pub fn uniform<F: Float>(constants: &[F], units: usize) -> bool {
    let width = pad(units);
    [constant::ALPHA, constant::BETA, constant::GAMMA].into_iter().all(|row| {
        let row = &constants[row * width..][..units];
        row.iter().all(|value| *value == row[0])
    })
}

/// Whether the surrogate is 0 for all but few of the neurons.
pub fn narrow<F: Float>(model: &Model, constants: &[F], units: usize) -> bool {
    let thresholds = &constants[constant::THETA * pad(units)..][..units];
    let reach = model.surrogate.reach().unwrap_or(f64::INFINITY);
    thresholds.iter().all(|theta| reach <= NARROW * theta.to_f64())
}

/// See [`KickGradient`].
pub fn kick_gradient<F: Float>(call: KickGradient<Cpu<F>>, sorted: &mut Vec<Sorted<F>>) {
    let KickGradient { model, inputs, shape, window, source, lag, recurrent, constants, kicks, samples, .. } = call;
    let (width, row) = (shape.row(), pad(inputs));
    let cut = shape.steps < window.steps;
    let Kicks { logs, filters, .. } = kicks;
    let filter = &mut filters[usize::from(recurrent)];
    if cut && filter.len() < 2 * shape.batch * row {
        filter.resize(2 * shape.batch * row, F::ZERO);
    }
    let tasks = 2 * rayon::current_num_threads();
    let fits = |columns: &usize| row / columns >= tasks && shape.units * columns * size_of::<F>() <= PART;
    let most = COLUMNS.into_iter().find(fits).unwrap_or(COLUMNS[COLUMNS.len() - 1]);
    let logs = &logs[..shape.batch];
    let steps = (CHUNK / samples.len().max(1)).max(1);
    let chunks = shape.steps.div_ceil(steps);
    if sorted.len() < chunks {
        sorted.resize_with(chunks, Sorted::default);
    }
    let begin = |chunk: usize| window.step + (chunk * steps).min(shape.steps);
    sorted[..chunks].par_iter_mut().enumerate().for_each(|(chunk, sorted)| {
        sorted.sort(&logs[samples.clone()], begin(chunk)..begin(chunk + 1), shape.units);
    });
    let of = |row: usize| constants[row * width];
    let leak = Leak {
        alpha: of(constant::ALPHA),
        beta: of(constant::BETA),
        gamma: of(constant::GAMMA),
        lagged: model.lag == 1,
    };
    let shared = Shared::new(&mut call.out[..inputs * width]);
    let strips = Strips {
        chunks: &sorted[..chunks],
        chunk: steps,
        batch: shape.batch,
        filter: &Shared::new(if cut { filter } else { &mut [] }),
        source,
        first: HISTORY - lag,
        steps: window.step..window.step + shape.steps,
        samples,
        leak,
        accumulate: call.accumulate,
        units: shape.units,
        inputs,
        out: &shared,
    };
    (0..row.div_ceil(most)).into_par_iter().for_each(|task| {
        let from = task * most;
        F::with_scratch(|scratch| {
            let (sums, filter, rows) = (&mut scratch.sums, &mut scratch.strip, &mut scratch.side_by_side);
            // A row is a multiple of 32 numbers, so the last strip may be half of 64.
            match most.min(row - from) {
                64 => dispatch(Strip::<F, 64> { strips: &strips, from, sums, filter, rows }),
                32 => dispatch(Strip::<F, 32> { strips: &strips, from, sums, filter, rows }),
                _ => dispatch(Strip::<F, 16> { strips: &strips, from, sums, filter, rows }),
            }
        });
    });
}

/// How χ decays.
#[derive(Clone, Copy)]
struct Leak<F> {
    alpha: F,
    beta: F,
    gamma: F,
    lagged: bool,
}

/// What the strips share.
struct Strips<'a, F: Float> {
    chunks: &'a [Sorted<F>],
    /// Steps of a chunk.
    chunk: usize,
    /// Samples of the arrays.
    batch: usize,
    /// u and x̃ between windows; empty where there is one window.
    filter: &'a Shared<'a, F>,
    source: &'a Activity<F>,
    /// Row of the source at the first step.
    first: usize,
    /// Steps in the whole sequence.
    steps: Range<usize>,
    samples: Range<usize>,
    leak: Leak<F>,
    accumulate: bool,
    units: usize,
    inputs: usize,
    out: &'a Shared<'a, F>,
}

/// W columns of the source from `from` on.
struct Strip<'a, F: Float, const W: usize> {
    strips: &'a Strips<'a, F>,
    from: usize,
    /// These columns of dW^T, `[n][W]`.
    sums: &'a mut Aligned<F>,
    /// u and x̃, `[2][samples][W]`.
    filter: &'a mut Aligned<F>,
    /// x̃ of the rows of a chunk, `[rows][W]`.
    rows: &'a mut Aligned<F>,
}

impl<F: Float, const W: usize> Work for Strip<'_, F, W> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Strip { strips, from, sums, filter, rows } = self;
        let count = strips.samples.len();
        let sums = sums.grow(F::ZERO, strips.units * W);
        let (u, x) = filter.grow(F::ZERO, 2 * count * W).split_at_mut(count * W);
        if strips.accumulate {
            strips.transpose::<W>(from, sums, false);
        } else {
            sums.fill(F::ZERO);
        }
        strips.between::<W>(from, u, x, false);
        let rows = rows.grow(F::ZERO, strips.chunk * count * W);
        for (index, chunk) in strips.chunks.iter().enumerate() {
            let first = strips.steps.start + index * strips.chunk;
            let steps = first..(first + strips.chunk).min(strips.steps.end);
            // Without a synapse u is the source.
            match strips.leak.alpha == F::ZERO && !strips.leak.lagged {
                true => strips.filter::<S, W, false>(simd, from, steps, rows, u, x),
                false => strips.filter::<S, W, true>(simd, from, steps, rows, u, x),
            }
            let mut begun = 0;
            for &(neuron, end) in &chunk.neurons {
                let kicks = begun as usize..end as usize;
                let sums = &mut sums[neuron as usize * W..][..W];
                add::<F, S, W>(simd, sums, rows, &chunk.rows[kicks.clone()], &chunk.values[kicks]);
                begun = end;
            }
        }
        strips.between::<W>(from, u, x, true);
        strips.transpose::<W>(from, sums, true);
    }
}

/// `sums += Σ_r κ_r x̃_r`, W numbers each.
#[inline(always)]
fn add<F: Float, S: Simd, const W: usize>(simd: S, sums: &mut [F], x: &[F], rows: &[u32], kicks: &[F]) {
    assert!(sums.len() == W && rows.iter().all(|&row| (row as usize + 1) * W <= x.len()));
    let lanes = F::lanes::<S>();
    let mut at = 0;
    while at < W {
        // SAFETY: as many vectors lie in W numbers, which each row has.
        at += unsafe {
            let (sums, x) = (sums.as_mut_ptr().add(at), x.as_ptr().add(at));
            match (W - at) / lanes {
                8.. => add_strip::<F, S, W, 8>(simd, sums, x, rows, kicks),
                4.. => add_strip::<F, S, W, 4>(simd, sums, x, rows, kicks),
                2.. => add_strip::<F, S, W, 2>(simd, sums, x, rows, kicks),
                _ => add_strip::<F, S, W, 1>(simd, sums, x, rows, kicks),
            }
        };
    }
}

/// V vectors of [`add`]; returns their width.
///
/// # Safety
/// They lie at `sums`, and W apart for each of `rows` at `x`.
#[inline(always)]
unsafe fn add_strip<F: Float, S: Simd, const W: usize, const V: usize>(
    simd: S,
    sums: *mut F,
    x: *const F,
    rows: &[u32],
    kicks: &[F],
) -> usize {
    let lanes = F::lanes::<S>();
    // SAFETY: by the caller.
    unsafe {
        let mut sum: [F::Vector<S>; V] = std::array::from_fn(|v| load::<F, S>(sums.add(v * lanes)));
        for (&row, &kick) in rows.iter().zip(kicks) {
            let (row, kick) = (x.add(row as usize * W), F::splat(simd, kick));
            for (v, sum) in sum.iter_mut().enumerate() {
                *sum = F::mul_add(simd, kick, load::<F, S>(row.add(v * lanes)), *sum);
            }
        }
        for (v, sum) in sum.into_iter().enumerate() {
            store::<F, S>(sums.add(v * lanes), sum);
        }
    }
    V * lanes
}

impl<F: Float> Sorted<F> {
    /// Brings the kicks of some samples in some steps together.
    fn sort(&mut self, logs: &[Log<F>], steps: Range<usize>, units: usize) {
        let Sorted { neurons, rows, values, next } = self;
        next.clear();
        next.resize(units, 0);
        for log in logs {
            for &j in steps.clone().flat_map(|t| log.neurons(t)) {
                next[j as usize] += 1;
            }
        }
        neurons.clear();
        let mut end = 0;
        for (j, next) in next.iter_mut().enumerate() {
            let count = std::mem::replace(next, end);
            end += count;
            if count > 0 {
                neurons.push((j as u32, end));
            }
        }
        rows.resize(end as usize, 0);
        values.resize(end as usize, F::ZERO);
        let mut row = 0;
        for t in steps {
            for log in logs {
                let (neurons, kicks) = log.kicks(t);
                for (&j, &kick) in neurons.iter().zip(kicks) {
                    let place = &mut next[j as usize];
                    rows[*place as usize] = row;
                    values[*place as usize] = kick;
                    *place += 1;
                }
                row += 1;
            }
        }
    }

    /// Bytes that it takes.
    fn bytes(&self) -> usize {
        8 * self.neurons.capacity()
            + 4 * (self.rows.capacity() + self.next.capacity())
            + size_of::<F>() * self.values.capacity()
    }
}

/// Bytes of what is kept from call to call.
pub fn bytes<F: Float>(sorted: &[Sorted<F>]) -> u64 {
    sorted.iter().map(Sorted::bytes).sum::<usize>() as u64
}

impl<F: Float> Strips<'_, F> {
    /// x̃ of some steps into `out`, `[steps][samples][W]`, from u and x̃ of the step before in `u` and `x`, which go on.
    #[inline(always)]
    fn filter<S: Simd, const W: usize, const SYNAPSE: bool>(
        &self,
        simd: S,
        from: usize,
        steps: Range<usize>,
        out: &mut [F],
        u: &mut [F],
        x: &mut [F],
    ) {
        match &self.source.data {
            Data::Raster(bits) if W.is_multiple_of(32) => {
                let width = words(self.inputs);
                self.walk::<W, SYNAPSE>(steps, out, (u, x), |row, b, out| {
                    let at = (row * self.batch + b) * width + from / 32;
                    // Rows of a sample are too far apart for the machine to see where it goes.
                    if let Some(ahead) = bits.get(at + AHEAD * self.batch * width..) {
                        prefetch(&ahead[..ahead.len().min(1)]);
                    }
                    let bits = &bits[at..][..W / 32];
                    for (out, &word) in out.chunks_exact_mut(32).zip(bits) {
                        F::expand_word(simd, word, out);
                    }
                });
            }
            _ => {
                self.walk::<W, SYNAPSE>(steps, out, (u, x), |row, b, out| self.row::<S, W>(simd, row, b, from, out));
            }
        }
    }

    /// A sample after the other, so that u and x̃ stay where they are while it walks the steps.
    #[inline(always)]
    fn walk<const W: usize, const SYNAPSE: bool>(
        &self,
        steps: Range<usize>,
        out: &mut [F],
        (u, x): (&mut [F], &mut [F]),
        read: impl Fn(usize, usize, &mut [F]),
    ) {
        let Leak { alpha, beta, gamma, lagged } = self.leak;
        let count = self.samples.len();
        let cells = u.chunks_exact_mut(W).zip(x.chunks_exact_mut(W));
        for (m, (b, (u, x))) in self.samples.clone().zip(cells).enumerate() {
            let (mut s, mut own_u, mut own_x) = ([F::ZERO; W], [F::ZERO; W], [F::ZERO; W]);
            own_u.copy_from_slice(u);
            own_x.copy_from_slice(x);
            for (t, out) in steps.clone().zip(out[m * W..].chunks_mut(count * W)) {
                read(self.first + t - self.steps.start, b, &mut s);
                let out = &mut out[..W];
                for l in 0..W {
                    let seen = match SYNAPSE {
                        true => {
                            let old = own_u[l];
                            own_u[l] = alpha.fma(old, s[l]).settled();
                            if lagged { old } else { own_u[l] }
                        }
                        false => s[l],
                    };
                    own_x[l] = beta.fma(own_x[l], gamma * seen).settled();
                    out[l] = own_x[l];
                }
            }
            u.copy_from_slice(&own_u);
            x.copy_from_slice(&own_x);
        }
    }

    /// W columns of a row of the source.
    #[inline(always)]
    fn row<S: Simd, const W: usize>(&self, simd: S, row: usize, b: usize, from: usize, out: &mut [F]) {
        if W.is_multiple_of(32) {
            self.source.expand_from(simd, row, b, from, out);
        } else {
            // Half of a word.
            let mut word = [F::ZERO; 32];
            self.source.expand_from(simd, row, b, from / 32 * 32, &mut word);
            out.copy_from_slice(&word[from % 32..][..W]);
        }
    }

    /// u and x̃ as the window before left them; or, `back`, for the next one.
    #[inline(always)]
    fn between<const W: usize>(&self, from: usize, u: &mut [F], x: &mut [F], back: bool) {
        let row = pad(self.inputs);
        let whole = self.batch * row;
        for (half, rows) in [u, x].into_iter().enumerate() {
            match (self.filter.is_empty(), back) {
                (true, true) => {}
                (false, _) if back || self.steps.start > 0 => {
                    for (b, cells) in self.samples.clone().zip(rows.chunks_exact_mut(W)) {
                        // SAFETY: this task alone touches these columns.
                        let kept = unsafe { self.filter.slice(half * whole + b * row + from, W) };
                        match back {
                            true => kept.copy_from_slice(cells),
                            false => cells.copy_from_slice(kept),
                        }
                    }
                }
                _ => rows.fill(F::ZERO),
            }
        }
    }

    /// This part of dW from the gradient into `sums`; or, `back`, the other way round.
    #[inline(always)]
    fn transpose<const W: usize>(&self, from: usize, sums: &mut [F], back: bool) {
        let (width, columns) = (pad(self.units), W.min(self.inputs - from.min(self.inputs)));
        for first in (0..self.units).step_by(SQUARE) {
            let neurons = SQUARE.min(self.units - first);
            for l in 0..columns {
                // SAFETY: this task alone touches these rows.
                let out = unsafe { self.out.slice((from + l) * width + first, neurons) };
                for (out, sums) in out.iter_mut().zip(sums[first * W..].chunks_exact_mut(W)) {
                    match back {
                        true => *out = sums[l],
                        false => sums[l] = *out,
                    }
                }
            }
        }
        if back && !self.accumulate {
            for l in 0..columns {
                // SAFETY: as above.
                unsafe { self.out.slice((from + l) * width + self.units, width - self.units) }.fill(F::ZERO);
            }
        }
    }
}

/// See [`KickedChi`].
pub fn kicked_chi<F: Float>(call: KickedChi<Cpu<F>>) {
    let KickedChi { model, shape, constants, kicks, chi } = call;
    let (width, batch) = (shape.row(), shape.batch);
    let of = |row: usize| constants[row * width];
    let (alpha, beta, gamma) = (of(constant::ALPHA), of(constant::BETA), of(constant::GAMMA));
    let chi = Shared::new(&mut chi[..shape.len(shape.steps)]);
    kicks.logs[..batch].par_iter().enumerate().for_each(|(b, log)| {
        let (mut lambda, mut mu) = (vec![F::ZERO; width], vec![F::ZERO; width]);
        let mut after = vec![F::ZERO; width];
        for t in (0..shape.steps).rev() {
            after.copy_from_slice(&lambda);
            for lambda in &mut lambda {
                *lambda = (beta * *lambda).settled();
            }
            let (neurons, values) = log.kicks(t);
            for (&j, &kick) in neurons.iter().zip(values) {
                lambda[j as usize] += kick;
            }
            let seen = if model.lag == 1 { &after } else { &lambda };
            // SAFETY: rows of this sample.
            let chi = unsafe { chi.slice((t * batch + b) * width, width) };
            for ((mu, chi), &seen) in mu.iter_mut().zip(chi).zip(seen) {
                *mu = alpha.fma(*mu, gamma * seen).settled();
                *chi = *mu;
            }
        }
    });
}
