//! The adjoint of a layer over a range of steps. See [`crate::kernels::Backward`].
//!
//! Samples run side by side in tiles. Where the layer is recurrent, or the layer above is fused, one step of a tile is a
//! dense product of χ rows with packed weights; then the adjoint runs over blocks of a few samples. Samples of a tile only
//! share the reading of weights and constants, so its size changes no bit.
//!
//! A surrogate with compact support is 0 for most neurons, and dL/dS only counts where it is not: a sample with few active
//! neurons takes just their rows of the weights, each as a scalar product with its χ. Which of the two forms a sample takes
//! at a step depends on nothing but its own number of active neurons.
//!
//! Where few samples would each read much of R, the products of a step are [those of all samples](super::columns).

use super::active::Log;
use super::columns::{self, Sums};
use super::float::Float;
use super::linear::{Work, dispatch, scalar_products};
use super::memory::{Activity, Aligned, Events, Shared, prefetch};
use super::multi;
use super::neuron::{Block, Step, adjoint_row, by_parameters, leak_row, through_reset, through_spike};
use super::packed::{Packed, RowsOf};
use super::scratch::Room;
use super::snippet::{Carry, Own, Place, Step as OwnStep};
use super::surrogate::derivative_row;
use crate::kernels::{Firing, HISTORY, Model, Shape, When, Window, plane};
use crate::network::{Reduce, Reset};
use crate::neuron::MOST_STATES;
use pulp::Simd;
use rayon::prelude::*;
use std::ops::Range;

/// Most samples in a tile.
const TILE: usize = 64;
/// Most samples in one where the surrogate is compact: rows of weights are seldom shared, and its rows stay in the cache.
const COMPACT_TILE: usize = 16;
/// A sample takes single rows of the weights where at most one neuron in so many is active.
pub const SPARSE: usize = 4;

/// The layer above, where its product with χ is fused into this pass: dL/dS_t = χ_{t+L} W^T.
#[derive(Clone, Copy)]
pub struct From<'a, F> {
    /// χ of the layer above.
    pub chi: &'a [F],
    /// Its weights W `[n][np]`, and W^T packed.
    pub weights: &'a [F],
    /// See `weights`.
    pub packed: &'a Packed<F>,
    /// Its lag L.
    pub lag: usize,
    /// Its row length.
    pub width: usize,
}

/// Everything that the tiles share.
pub struct Call<'a, F: Float> {
    /// Switches.
    pub model: Model,
    /// Shape.
    pub shape: Shape,
    /// Where the arrays over time lie in the batch.
    pub window: Window,
    /// Steps.
    pub range: Range<usize>,
    /// Constants.
    pub constants: &'a [F],
    /// R `[n][np]`, and R^T packed.
    pub recurrent: Option<(&'a [F], &'a Packed<F>)>,
    /// The layer above.
    pub above: Option<From<'a, F>>,
    /// Spikes.
    pub spikes: Option<&'a Activity<F>>,
    /// Tape; empty where the forward pass kept none, because it listed the active neurons.
    pub tape: &'a [F],
    /// gS.
    pub gradient_spikes: Option<&'a [F]>,
    /// gV.
    pub gradient_potential: Option<&'a [F]>,
    /// Whether dL/dζ is added.
    pub counts: bool,
    /// Readout.
    pub reduce: Option<Reduce>,
    /// Whether samples take single rows of weights where the surrogate is compact.
    pub rows: When,
    /// Whether threads share the columns of R in place of samples.
    pub columns: When,
    /// Whether the active neurons are listed.
    pub listed: bool,
    /// Whether somebody reads χ.
    pub chi: bool,
}

/// Runs the adjoint over all samples.
pub fn backward<F: Float>(call: Call<F>, planes: &mut [F], chi: &mut [F], logs: &mut [Log<F>], room: &mut Room<F>) {
    let (batch, width) = (call.shape.batch, call.shape.row());
    let most = if call.compact() { COMPACT_TILE } else { TILE };
    let tile = batch.div_ceil(rayon::current_num_threads()).clamp(1, most);
    let Room { rows, own, sums, .. } = room;
    let block = Block::new(call.constants, width, call.model.reset_potential, rows);
    let own =
        call.model.snippet.map(|snippet| Own::new(snippet, &call.model, call.constants, width, block.samples, own));
    let own = own.as_ref();
    let chi = Shared::new(chi);
    let (planes, tail) = planes.split_at_mut(plane::PLANES * call.window.planes(call.shape).len(1));
    let planes = &mut planes[plane::PLANES * width * call.window.sample..][..plane::PLANES * call.shape.len(1)];
    let tail = Shared::new(tail);
    let logs = Shared::new(logs);
    let mut run = |steps: Range<usize>, sums: Option<Sums<F>>| {
        planes.par_chunks_mut(tile * plane::PLANES * width).enumerate().for_each(|(index, planes)| {
            let samples = planes.len() / (plane::PLANES * width);
            let (call, block, first, chi, tail, steps) = (&call, &block, index * tile, &chi, &tail, steps.clone());
            // SAFETY: each sample is of one tile.
            let logs =
                unsafe { logs.slice(if call.listed { first } else { 0 }, if call.listed { samples } else { 0 }) };
            F::with_scratch(|scratch| {
                let scratch = &mut scratch.backward;
                dispatch(Tile { call, block, own, steps, sums, first, samples, planes, tail, chi, logs, scratch });
            });
        });
    };
    if !call.shares_columns() {
        return run(call.range.clone(), None);
    }
    for t in call.range.clone().rev() {
        let sums = columns::sums(&call, t, &chi, sums);
        run(t..t + 1, Some(sums));
    }
}

struct Tile<'a, 'b, F: Float> {
    call: &'a Call<'a, F>,
    block: &'a Block<'a, F>,
    own: Option<&'a Own<'a, F>>,
    /// Steps, and their products where there are some already.
    steps: Range<usize>,
    sums: Option<Sums<'a, F>>,
    first: usize,
    samples: usize,
    planes: &'b mut [F],
    tail: &'a Shared<'a, F>,
    chi: &'a Shared<'a, F>,
    /// The active neurons of the tile's samples, where they are listed.
    logs: &'b mut [Log<F>],
    scratch: &'b mut Scratch<F>,
}

/// Rows of a tile that a thread works in.
#[derive(Default)]
pub struct Scratch<F> {
    lambda: Aligned<F>,
    mu: Aligned<F>,
    count_gradient: Aligned<F>,
    activation_gradient: Aligned<F>,
    step: Aligned<F>,
    rho: Aligned<F>,
    sigma: Aligned<F>,
    s: Aligned<F>,
    s_before: Aligned<F>,
    g: Aligned<F>,
    /// Rows of χ side by side.
    side_by_side: Aligned<F>,
    /// Active neurons of a sample, and the samples that have many.
    active: Events<F>,
    many: Vec<u32>,
    carry: Carry<F>,
    /// λ of the active neurons of a sample.
    risen: Vec<F>,
    /// V_{-1}.
    start: Aligned<F>,
    /// I of the step after the arrays.
    after: Aligned<F>,
    /// χ of a step that nobody reads again.
    unread: Aligned<F>,
}

/// A plane of a tile's samples into a row of all of them.
fn collect<F: Float>(planes: &[F], plane: usize, width: usize, row: &mut Aligned<F>) {
    let row = row.grow(F::ZERO, planes.len() / plane::PLANES);
    for (row, planes) in row.chunks_exact_mut(width).zip(planes.chunks_exact(plane::PLANES * width)) {
        row.copy_from_slice(&planes[plane * width..][..width]);
    }
}

impl<F: Float> Work for Tile<'_, '_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Tile { call, block, own, steps, sums, first, samples, planes, tail, chi, logs, scratch } = self;
        let (model, batch, width) = (&call.model, call.shape.batch, call.shape.row());
        let len = samples * width;
        collect(planes, plane::LAMBDA, width, &mut scratch.lambda);
        collect(planes, plane::MU, width, &mut scratch.mu);
        collect(planes, plane::COUNT_GRADIENT, width, &mut scratch.count_gradient);
        collect(planes, plane::ACTIVATION_GRADIENT, width, &mut scratch.activation_gradient);
        collect(planes, plane::STEP, width, &mut scratch.step);
        collect(planes, plane::CURRENT, width, &mut scratch.after);
        let rows = [&mut scratch.rho, &mut scratch.sigma, &mut scratch.s, &mut scratch.s_before, &mut scratch.g];
        for row in rows {
            row.grow(F::ZERO, len).fill(F::ZERO);
        }
        let place = Place { first: call.window.sample + first, len };
        let whole = call.window.planes(call.shape);
        if let Some(own) = own {
            scratch.carry.load(own, model, tail, planes, whole, place);
            collect(planes, plane::START_POTENTIAL, width, &mut scratch.start);
        }
        let sparse = call.is_sparse();
        let mut unread = std::mem::take(&mut scratch.unread);
        for t in steps.rev() {
            match sums {
                None => sum_gradient(simd, call, block, t, (first, samples), chi, logs, scratch),
                Some(sums) => {
                    let rho = &mut scratch.rho[..len];
                    rho.chunks_exact_mut(width).enumerate().for_each(|(m, rho)| sums.read(first + m, rho));
                }
            }
            if sparse {
                sparse_step(call, block, t, (first, samples), chi, logs, scratch);
                continue;
            }
            for from in (0..samples).step_by(block.samples) {
                let count = block.samples.min(samples - from);
                let at = (t * batch + first + from) * width;
                let chi = match call.chi {
                    true => {
                        if t > call.range.start {
                            // SAFETY: rows of this tile; only asked for.
                            prefetch(unsafe { chi.slice(at - batch * width, count * width) });
                        }
                        // SAFETY: rows of this tile.
                        unsafe { chi.slice(at, count * width) }
                    }
                    false => unread.grow(F::ZERO, count * width),
                };
                let logs = if call.listed { &mut logs[from..from + count] } else { &mut [][..] };
                block_step(simd, call, (block, own), tail, t, (first, from, count), planes, scratch, (chi, logs));
            }
            // σ' of the next step finds 0 everywhere.
            for (log, sigma) in logs.iter().zip(scratch.sigma.chunks_exact_mut(width)) {
                log.neurons(call.window.step + t).iter().for_each(|&j| sigma[j as usize] = F::ZERO);
            }
        }
        scratch.unread = unread;
        if let Some(own) = own {
            scratch.carry.store(own, model, tail, planes, whole, place);
        }
        for (m, planes) in planes.chunks_exact_mut(plane::PLANES * width).enumerate() {
            planes[plane::LAMBDA * width..][..width].copy_from_slice(&scratch.lambda[m * width..][..width]);
            planes[plane::MU * width..][..width].copy_from_slice(&scratch.mu[m * width..][..width]);
        }
    }
}

impl<F: Float> Call<'_, F> {
    /// Whether ρ is only needed where σ' is not 0, which it seldom is.
    fn compact(&self) -> bool {
        let once = !matches!(self.model.firing, Firing::Multi { periodic: true, .. });
        self.spikes.is_some() && self.model.snippet.is_none() && once && self.model.surrogate.is_compact()
    }

    /// Whether threads share the columns of R in place of samples.
    fn shares_columns(&self) -> bool {
        let can = self.recurrent.is_some() && self.chi && !self.compact();
        let planned = || columns::pays::<F>(self.shape.units, self.shape.batch, rayon::current_num_threads());
        can && self.columns.or(planned)
    }

    /// Whether nothing but kicks is wanted, and ρ does not depend on steps after: then there is no recursion at all.
    fn is_bare(&self) -> bool {
        self.is_sparse() && !self.chi && self.recurrent.is_none() && self.model.detach
    }

    /// Whether λ and μ of all but the active neurons just decay, and nothing is summed over the steps.
    fn is_sparse(&self) -> bool {
        let learned = self.model.learned;
        let sums = learned.bias || learned.tau_syn || learned.tau_mem || learned.threshold;
        self.listed && !sums && self.gradient_potential.is_none() && self.reduce.is_none()
    }

    /// Whether something is added to ρ of all neurons besides the sums over neurons.
    fn adds_to_all(&self) -> bool {
        !self.is_sparse() && (self.gradient_spikes.is_some() || self.counts || !self.model.detach)
    }
}

/// ρ_t of a tile as far as it comes from the layer above and through the recurrence; and σ'_t, where it says what is needed.
#[inline(always)]
fn sum_gradient<F: Float, S: Simd>(
    simd: S,
    call: &Call<F>,
    block: &Block<F>,
    t: usize,
    (first, samples): (usize, usize),
    chi: &Shared<F>,
    logs: &[Log<F>],
    scratch: &mut Scratch<F>,
) {
    let (batch, width) = (call.shape.batch, call.shape.row());
    let sparse = call.is_sparse();
    let Scratch { rho, sigma, side_by_side, active, many, mu, .. } = scratch;
    let above = call.above.map(|above| {
        let after = &above.chi[((t + above.lag) * batch + first) * above.width..][..samples * above.width];
        (after, above.width, above.weights, above.packed)
    });
    let recurrent = call.recurrent.map(|(weights, packed)| {
        let at = ((t + call.model.recurrent_lag) * batch + first) * width;
        let after: &[F] = match call.chi {
            // SAFETY: rows of this tile, written at later steps.
            true => unsafe { chi.slice(at, samples * width) },
            // Of the next step, which is as far as the recurrence of such a layer goes.
            false => &mu[..samples * width],
        };
        (after, width, weights, packed)
    });
    let parts = [above, recurrent];
    let compact = call.compact();
    if compact {
        many.clear();
        let theta = block.constants().theta;
        for m in 0..samples {
            let row = m * width..(m + 1) * width;
            let (rho, sigma) = (&mut rho[row.clone()], &mut sigma[row.clone()]);
            let active = match logs.get(m) {
                Some(log) => {
                    let (neurons, derivatives) = log.derivatives(call.window.step + t);
                    if !sparse {
                        neurons.iter().zip(derivatives).for_each(|(&j, &derivative)| sigma[j as usize] = derivative);
                    }
                    neurons
                }
                None => {
                    let v = &call.tape[(t * batch + first + m) * width..][..width];
                    derivative_row(call.model.surrogate, v, &theta[..width], sigma);
                    if above.is_none() && recurrent.is_none() {
                        continue;
                    }
                    active.mark(simd, sigma);
                    &active.index[..]
                }
            };
            if above.is_none() && recurrent.is_none() {
                continue;
            }
            if !call.rows.or(|| active.len() * SPARSE <= call.shape.units) {
                many.push(m as u32);
                continue;
            }
            // Elsewhere ρ is what it was: it only counts times σ', which is 0 there.
            match call.adds_to_all() {
                true => rho.fill(F::ZERO),
                false => active.iter().for_each(|&j| rho[j as usize] = F::ZERO),
            }
            for (after, row, weights, _) in parts.into_iter().flatten() {
                scalar_products(simd, rho, &after[m * row..][..row], weights, active);
            }
        }
        if above.is_none() && recurrent.is_none() {
            return;
        }
    }
    let rows = if compact { RowsOf::Listed(many) } else { RowsOf::First(samples) };
    let mut accumulate = false;
    for (after, row, _, packed) in parts.into_iter().flatten() {
        packed.product(simd, after, row, rows, rho, width, accumulate, side_by_side);
        accumulate = true;
    }
}

/// A step of which nothing is wanted but kicks and, where somebody reads it, χ: ρ only counts at the active neurons, and
/// elsewhere λ and μ decay. α, β and γ are those of one neuron, as always where active neurons are listed; bits are those of
/// [`adjoint_row`].
#[inline(always)]
fn sparse_step<F: Float>(
    call: &Call<F>,
    block: &Block<F>,
    t: usize,
    (first, samples): (usize, usize),
    chi: &Shared<F>,
    logs: &mut [Log<F>],
    scratch: &mut Scratch<F>,
) {
    let (model, batch, width) = (&call.model, call.shape.batch, call.shape.row());
    let step = call.window.step + t;
    let counts = call.counts && step + model.emit_lag < call.window.steps;
    let summed = call.above.is_some() || call.recurrent.is_some();
    let bare = call.is_bare();
    let k = block.constants();
    let (alpha, beta, gamma) = (k.alpha[0], k.beta[0], k.gamma[0]);
    let Scratch { rho, count_gradient, lambda, mu, risen, .. } = scratch;
    for (m, log) in logs.iter_mut().enumerate().take(samples) {
        let row = m * width..(m + 1) * width;
        let at = (t * batch + first + m) * width;
        // No closures below: one that is not inlined is not compiled for this instruction set.
        let (neurons, derivatives, kicks) = log.step(step);
        let (rho, counted) = (&mut rho[row.clone()], &count_gradient[row.clone()]);
        for &j in neurons {
            let j = j as usize;
            let mut all = if summed { rho[j] } else { F::ZERO };
            if let Some(given) = call.gradient_spikes {
                all += given[at + j];
            }
            if counts {
                all += counted[j];
            }
            rho[j] = all;
        }
        if bare {
            for ((&j, &derivative), kick) in neurons.iter().zip(derivatives).zip(kicks) {
                *kick = derivative * rho[j as usize];
            }
            continue;
        }
        let (lambda, mu) = (&mut lambda[row.clone()], &mut mu[row]);
        risen.clear();
        for ((&j, &derivative), kick) in neurons.iter().zip(derivatives).zip(kicks) {
            let j = j as usize;
            let mut rho = rho[j];
            if !model.detach {
                rho += through_spike(model.reset, beta, k.theta[j]) * lambda[j];
            }
            risen.push(derivative.fma(rho, beta * lambda[j]).settled());
            *kick = derivative * rho;
        }
        if model.lag == 0 {
            fall(beta, lambda, neurons, risen);
        }
        if call.chi {
            if t > call.range.start {
                // SAFETY: rows of this tile; only asked for.
                prefetch(unsafe { chi.slice(at - batch * width, width) });
            }
            // SAFETY: rows of this tile.
            let chi = unsafe { chi.slice(at, width) };
            for ((mu, chi), &lambda) in mu.iter_mut().zip(chi).zip(&*lambda) {
                *mu = alpha.fma(*mu, gamma * lambda).settled();
                *chi = *mu;
            }
        } else {
            for (mu, &lambda) in mu.iter_mut().zip(&*lambda) {
                *mu = alpha.fma(*mu, gamma * lambda).settled();
            }
        }
        if model.lag == 1 {
            fall(beta, lambda, neurons, risen);
        }
    }
}

/// λ decays, but that of the active neurons, which has `risen`.
#[inline(always)]
fn fall<F: Float>(beta: F, lambda: &mut [F], neurons: &[u32], risen: &[F]) {
    for lambda in &mut *lambda {
        *lambda = (beta * *lambda).settled();
    }
    for (&j, &risen) in neurons.iter().zip(risen) {
        lambda[j as usize] = risen;
    }
}

/// One step of a block: samples `first + from..first + from + count`.
#[inline(always)]
fn block_step<F: Float, S: Simd>(
    simd: S,
    call: &Call<F>,
    (block, snippet): (&Block<F>, Option<&Own<F>>),
    tail: &Shared<F>,
    t: usize,
    (first, from, count): (usize, usize, usize),
    planes: &mut [F],
    scratch: &mut Scratch<F>,
    (chi, logs): (&mut [F], &mut [Log<F>]),
) {
    let (model, shape) = (&call.model, call.shape);
    let (width, batch) = (shape.row(), shape.batch);
    let len = count * width;
    let at = (t * batch + first + from) * width;
    let own = from * width..from * width + len;
    let k = block.constants().first(len);
    let v = call.tape.get(at..at + len);
    if t > call.range.start
        && let Some(before) = call.tape.get(at - batch * width..at - batch * width + len)
    {
        prefetch(before);
    }
    let current = |t: usize| &call.tape[((shape.steps + t) * batch + first + from) * width..][..len];
    let lambda = &mut scratch.lambda[own.clone()];
    let mu = &mut scratch.mu[own.clone()];
    let g = &mut scratch.g[own.clone()];
    let given = call.gradient_potential.map(|gradient| &gradient[at..][..len]);
    let g_potential = match call.reduce {
        None => given,
        Some(reduce) => {
            let reduced = (&scratch.activation_gradient[own.clone()], &scratch.step[own.clone()]);
            potential_gradient(reduce, call.window.step + t, call.window.steps, given, reduced, g);
            Some(&*g)
        }
    };
    let learned = model.learned;
    let parameters = learned.tau_syn || learned.tau_mem || learned.threshold;
    let Some(spikes) = call.spikes else {
        leak_row(model.lag, k, g_potential, lambda, mu, chi);
        if learned.bias || parameters {
            sum_parameters(call, block, t, (first, from, count), planes, scratch, chi);
        }
        return;
    };
    let (s, s_before, sigma) =
        (&mut scratch.s[own.clone()], &mut scratch.s_before[own.clone()], &mut scratch.sigma[own.clone()]);
    let gated = model.reset == Reset::ZeroAfter && model.lag == 0;
    let seen = matches!(model.reset, Reset::ZeroBefore | Reset::ZeroAfter) || snippet.is_some();
    for m in 0..count {
        let row = m * width..(m + 1) * width;
        if seen {
            spikes.expand(simd, HISTORY + t, first + from + m, &mut s[row.clone()]);
        }
        if gated || parameters || snippet.is_some() {
            spikes.expand(simd, HISTORY + t - 1, first + from + m, &mut s_before[row]);
        }
    }
    match (snippet, model.firing) {
        (Some(_), _) => {}
        _ if call.compact() => {}
        (None, firing) => {
            let v = v.expect("a layer whose active neurons are listed has a compact surrogate");
            match firing {
                Firing::Multi { periodic: true, .. } => multi::derivative_row(model.surrogate, v, k.theta, sigma),
                _ => derivative_row(model.surrogate, v, k.theta, sigma),
            }
        }
    }

    // ρ: from above, from the counts, from the recurrence, through the reset.
    let gradient = call.gradient_spikes.map(|gradient| &gradient[at..][..len]);
    let counts = call.counts && call.window.step + t + model.emit_lag < call.window.steps;
    let summed = call.recurrent.is_some() || call.above.is_some();
    let rho = &mut scratch.rho[own.clone()];
    let rho: &[F] = match gradient {
        Some(gradient) if !counts && !summed && model.detach && !parameters && snippet.is_none() => gradient,
        gradient => {
            match (summed, gradient) {
                (true, Some(gradient)) => add(rho, gradient),
                (true, None) => {}
                (false, Some(gradient)) => rho.copy_from_slice(gradient),
                (false, None) => rho.fill(F::ZERO),
            }
            if counts {
                add(rho, &scratch.count_gradient[own.clone()]);
            }
            if let Some(snippet) = snippet {
                let states = snippet.states();
                let mut rows: [[&[F]; MOST_STATES]; 2] = Default::default();
                let whole = shape.len(shape.steps);
                for state in 0..states {
                    rows[1][state] = &call.tape[state * whole + at..][..len];
                    rows[0][state] = match (t, state) {
                        (0, 0) => &scratch.start[own.clone()],
                        (0, _) => {
                            let place = Place { first: call.window.sample + first + from, len };
                            snippet.start(tail, call.window.planes(shape), place, state)
                        }
                        _ => &call.tape[state * whole + at - batch * width..][..len],
                    };
                }
                let drive = model.keeps_drive().then(|| &call.tape[(model.tapes() - 1) * whole + at..][..len]);
                let step = OwnStep {
                    s_before,
                    drive,
                    before: &rows[0][..states],
                    after: &rows[1][..states],
                    potential: g_potential,
                };
                scratch.carry.step(snippet, model, (from * width, len), step, k.alpha, sigma, rho, mu, chi);
                if learned.bias || learned.tau_syn {
                    sum_parameters(call, block, t, (first, from, count), planes, scratch, chi);
                }
                return;
            }
            if !model.detach {
                let j_after = (model.reset == Reset::ZeroAfter).then(|| match model.lag {
                    0 if t + 1 == shape.steps => &scratch.after[own.clone()],
                    0 => current(t + 1),
                    _ => current(t),
                });
                through_reset(model.reset, k, v, j_after, lambda, rho);
            }
            rho
        }
    };
    adjoint_row(model.reset, model.lag, k, Step { s, s_before, sigma, rho, g_potential }, lambda, mu, chi);
    for (m, log) in logs.iter_mut().enumerate() {
        let (neurons, derivatives, kicks) = log.step(call.window.step + t);
        for ((&j, &derivative), kick) in neurons.iter().zip(derivatives).zip(kicks) {
            *kick = derivative * rho[m * width + j as usize];
        }
    }
    if learned.bias || parameters {
        sum_parameters(call, block, t, (first, from, count), planes, scratch, chi);
    }
}

/// Adds the step's part to the gradients of the neuron parameters that are learned.
#[inline(always)]
fn sum_parameters<F: Float>(
    call: &Call<F>,
    block: &Block<F>,
    t: usize,
    (first, from, count): (usize, usize, usize),
    planes: &mut [F],
    scratch: &Scratch<F>,
    chi: &[F],
) {
    let (model, shape, learned) = (&call.model, call.shape, call.model.learned);
    let (width, batch) = (shape.row(), shape.batch);
    let k = block.constants();
    let keeps = model.keeps_current();
    let periodic = matches!(model.firing, Firing::Multi { periodic: true, .. });
    let states = model.snippet.map_or(1, |snippet| snippet.states());
    for m in 0..count {
        let planes = &mut planes[(from + m) * plane::PLANES * width..][..plane::PLANES * width];
        if learned.bias {
            add(&mut planes[plane::BIAS_GRADIENT * width..][..width], &chi[m * width..][..width]);
        }
        if !(learned.tau_syn || learned.tau_mem || learned.threshold) {
            continue;
        }
        let at = (t * batch + first + from + m) * width;
        let current_at = |t: usize| ((states * shape.steps + t) * batch + first + from + m) * width;
        for j in 0..shape.units {
            let own = (from + m) * width + j;
            let plane_at = |plane: usize| plane * width + j;
            let (lambda, mu) = (scratch.lambda[own], scratch.mu[own]);
            let v_before =
                if t > 0 { call.tape[at - batch * width + j] } else { planes[plane_at(plane::START_POTENTIAL)] };
            let i_before = match (keeps, t) {
                (false, _) => F::ZERO,
                (true, 0) => planes[plane_at(plane::START_CURRENT)],
                (true, _) => call.tape[current_at(t - 1) + j],
            };
            if learned.tau_syn {
                planes[plane_at(plane::ALPHA_GRADIENT)] += mu * i_before;
            }
            if model.snippet.is_some() {
                // The rest is summed by the snippet's own adjoint.
                continue;
            }
            let seen = match (model.normalised && keeps, model.lag) {
                (false, _) => F::ZERO,
                (true, 0) => call.tape[current_at(t) + j],
                (true, _) => i_before,
            };
            let s_before = scratch.s_before[own];
            let (by_beta, by_theta) =
                by_parameters(model.reset, k.beta[j], k.theta[j], k.v_reset, v_before, s_before, seen);
            if learned.tau_mem {
                planes[plane_at(plane::BETA_GRADIENT)] += lambda * by_beta;
            }
            if learned.threshold {
                let mut through = scratch.sigma[own] * scratch.rho[own];
                if periodic {
                    // The n-th multiple of θ moves n times as far.
                    through = through * multi::nearest(call.tape[at + j], k.theta[j]).0;
                }
                planes[plane_at(plane::THETA_GRADIENT)] += lambda * by_theta - through;
            }
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
fn potential_gradient<F: Float>(
    reduce: Reduce,
    t: usize,
    steps: usize,
    given: Option<&[F]>,
    (gradient, step): (&[F], &[F]),
    g: &mut [F],
) {
    match given {
        Some(given) => g.copy_from_slice(given),
        None => g.fill(F::ZERO),
    }
    match reduce {
        Reduce::Max => {
            let now = F::from_f64(t as f64);
            for ((g, &gradient), &step) in g.iter_mut().zip(gradient).zip(step) {
                *g += if step == now { gradient } else { F::ZERO };
            }
        }
        Reduce::Sum => add(g, gradient),
        Reduce::Mean => {
            let share = F::from_f64(1.0 / steps as f64);
            for (g, &gradient) in g.iter_mut().zip(gradient) {
                *g += gradient * share;
            }
        }
        Reduce::Last => {
            if t + 1 == steps {
                add(g, gradient);
            }
        }
    }
}
