//! A snippet's rows on the CPU: its constants and states for a block of samples, one step, and one step of the adjoint.
//! See [`crate::neuron`].

use super::float::Float;
use super::memory::Shared;
use super::surrogate::derivative_row;
use crate::kernels::{Model, NEVER, Shape, constant, plane};
use crate::neuron::{AdjointRows, BASE, BETA, GAMMA, Rows, Snippet, StepRows, THETA, Tail, ThresholdRows};

/// What the blocks of a layer share.
pub struct Own<'a, F: 'static> {
    rows: &'static dyn Rows,
    tail: Tail,
    /// `[BASE + own][stride]`, a row of constants repeated for each sample of a block.
    constants: &'a [F],
    stride: usize,
}

/// A block's place: its first sample and length in numbers.
#[derive(Clone, Copy)]
pub struct Place {
    /// First sample.
    pub first: usize,
    /// Samples × np.
    pub len: usize,
}

impl<'a, F: Float> Own<'a, F> {
    /// For blocks of `samples` samples; the constants are kept in `room`.
    pub fn new(
        snippet: &'static Snippet,
        model: &Model,
        constants: &[F],
        width: usize,
        samples: usize,
        room: &'a mut Vec<F>,
    ) -> Self {
        let parameters = (0..snippet.parameters.len()).map(|parameter| constant::ROWS + parameter);
        room.clear();
        for row in [constant::BETA, constant::GAMMA, constant::THETA].into_iter().chain(parameters) {
            if room.len() == (BASE - 1) * samples * width {
                room.resize(BASE * samples * width, F::from_f64(model.reset_potential));
            }
            for _ in 0..samples {
                room.extend_from_slice(&constants[row * width..(row + 1) * width]);
            }
        }
        room.resize((BASE + snippet.parameters.len()) * samples * width, F::from_f64(model.reset_potential));
        Own { rows: (snippet.rust)(model.reset), tail: Tail::of(snippet), constants: room, stride: samples * width }
    }

    /// States K.
    pub fn states(&self) -> usize {
        self.tail.states
    }

    /// Distance of rows.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Constants P.
    fn constants(&self) -> usize {
        BASE + self.tail.parameters
    }

    /// Reads the states of a block; V is `v`.
    pub fn load(&self, tail: &Shared<F>, shape: Shape, at: Place, v: &[F], z: &mut [F]) {
        z[..at.len].copy_from_slice(v);
        for state in 1..self.states() {
            // SAFETY: entries of this block's samples.
            let from = unsafe { tail.slice(place(shape, self.tail.state(state), at.first), at.len) };
            z[state * self.stride..][..at.len].copy_from_slice(from);
        }
    }

    /// Writes them back; V is in the common planes. `start`: as the states before step 0 too.
    pub fn store(&self, tail: &Shared<F>, shape: Shape, at: Place, z: &[F], start: bool) {
        for state in 1..self.states() {
            let to = if start { self.tail.start(state) } else { self.tail.state(state) };
            // SAFETY: entries of this block's samples.
            let to = unsafe { tail.slice(place(shape, to, at.first), at.len) };
            to.copy_from_slice(&z[state * self.stride..][..at.len]);
        }
    }

    /// State `state` ≥ 1 of a block before step 0.
    pub fn start<'b>(&self, tail: &'b Shared<F>, shape: Shape, at: Place, state: usize) -> &'b [F] {
        // SAFETY: entries of this block's samples, which nobody writes during the backward pass.
        unsafe { tail.slice(place(shape, self.tail.start(state), at.first), at.len) }
    }

    /// One step of a block: `z` goes from t − 1 to t, `theta` becomes what V_t is compared with.
    #[inline(always)]
    pub fn step(&self, (spike, reset): (&[F], &[F]), drive: &[F], z: &mut [F], theta: &mut [F]) {
        let (constants, stride) = (self.constants, self.stride);
        F::step_rows(self.rows, StepRows { constants, spike, reset, drive, states: &mut *z, stride });
        self.threshold(|state| &z[state * stride..], theta);
    }

    /// What V_t is compared with.
    #[inline(always)]
    pub fn threshold<'b>(&self, after: impl Fn(usize) -> &'b [F], out: &mut [F]) {
        let mut rows: [&[F]; crate::neuron::MOST_STATES] = [&[]; crate::neuron::MOST_STATES];
        for state in 0..self.states() {
            rows[state] = after(state);
        }
        let after = &rows[..self.states()];
        F::threshold_rows(self.rows, ThresholdRows { constants: self.constants, stride: self.stride, after, out });
    }
}

/// Where plane `index` of the tail has sample `first`; the tail alone.
fn place(shape: Shape, index: usize, first: usize) -> usize {
    (index * shape.batch + first) * shape.row()
}

/// What a thread carries from step to step of the adjoint of a tile, block after block.
#[derive(Default)]
pub struct Carry<F> {
    /// dL/dz, `[blocks][K][stride]`.
    states: Vec<F>,
    /// Sums of dL/d constants, `[blocks][P][stride]`; empty where nothing is learned.
    sums: Vec<F>,
    /// dL/dS, dL/dJ and thresholds, `[samples][np]`.
    spike: Vec<F>,
    drive: Vec<F>,
    theta: Vec<F>,
    /// A plane of the samples.
    values: Vec<F>,
}

/// What one step of the adjoint of a block reads; rows of the block's length.
pub struct Step<'a, F> {
    /// S_{t-1}.
    pub s_before: &'a [F],
    /// J_t, where the tape holds it.
    pub drive: Option<&'a [F]>,
    /// z_{t-1} and z_t.
    pub before: &'a [&'a [F]],
    /// z_t.
    pub after: &'a [&'a [F]],
    /// gV_t.
    pub potential: Option<&'a [F]>,
}

impl<F: Float> Carry<F> {
    /// Reads what the step after the range left, and the sums so far.
    pub fn load(&mut self, own: &Own<F>, model: &Model, tail: &Shared<F>, planes: &[F], shape: Shape, at: Place) {
        let (blocks, stride) = (at.len.div_ceil(own.stride), own.stride);
        let row = |index: usize| {
            // SAFETY: entries of this tile's samples.
            unsafe { &*tail.slice(place(shape, index, at.first), at.len) }
        };
        let fresh = |values: &mut Vec<F>, len: usize| {
            values.clear();
            values.resize(len, F::ZERO);
        };
        fresh(&mut self.states, blocks * own.states() * stride);
        for state in 0..own.states() {
            spread(row(own.tail.carry(state)), &mut self.states, own.states(), state, stride);
        }
        fresh(&mut self.spike, at.len);
        self.spike.copy_from_slice(row(own.tail.carry_spike()));
        fresh(&mut self.drive, at.len);
        self.drive.copy_from_slice(row(own.tail.carry_drive()));
        fresh(&mut self.theta, at.len);
        self.sums.clear();
        if model.learned.constants() {
            let (rows, width) = (own.constants(), shape.row());
            fresh(&mut self.sums, blocks * rows * stride);
            for (constant, plane) in [(BETA, plane::BETA_GRADIENT), (THETA, plane::THETA_GRADIENT)] {
                let samples = planes.chunks_exact(plane::PLANES * width);
                self.values.clear();
                for planes in samples {
                    self.values.extend_from_slice(&planes[plane * width..][..width]);
                }
                spread(&self.values, &mut self.sums, rows, constant, stride);
            }
            for parameter in 0..own.tail.parameters {
                spread(row(own.tail.gradient(parameter)), &mut self.sums, rows, BASE + parameter, stride);
            }
        }
    }

    /// Writes both back.
    pub fn store(&mut self, own: &Own<F>, model: &Model, tail: &Shared<F>, planes: &mut [F], shape: Shape, at: Place) {
        let row = |index: usize| {
            // SAFETY: entries of this tile's samples.
            unsafe { tail.slice(place(shape, index, at.first), at.len) }
        };
        for state in 0..own.states() {
            collect(&self.states, own.states(), state, own.stride, row(own.tail.carry(state)));
        }
        row(own.tail.carry_spike()).copy_from_slice(&self.spike);
        row(own.tail.carry_drive()).copy_from_slice(&self.drive);
        if self.sums.is_empty() {
            return;
        }
        let (rows, width, learned) = (own.constants(), shape.row(), model.learned);
        self.values.clear();
        self.values.resize(at.len, F::ZERO);
        let values = &mut self.values[..];
        let common = [(learned.tau_mem, BETA, plane::BETA_GRADIENT), (learned.threshold, THETA, plane::THETA_GRADIENT)];
        for (_, constant, plane) in common.into_iter().filter(|(learned, ..)| *learned) {
            collect(&self.sums, rows, constant, own.stride, values);
            let samples = planes.chunks_exact_mut(plane::PLANES * width);
            for (sum, planes) in values.chunks_exact(width).zip(samples) {
                planes[plane * width..][..width].copy_from_slice(sum);
            }
        }
        for parameter in (0..own.tail.parameters).filter(|parameter| learned.own >> parameter & 1 == 1) {
            collect(&self.sums, rows, BASE + parameter, own.stride, row(own.tail.gradient(parameter)));
        }
    }

    /// One step of the block at `from..from + len` of the tile: `rho` is the part of dL/dS_t from outside; gives χ_t in
    /// `chi` and carries μ on in `mu`.
    pub fn step(
        &mut self,
        own: &Own<F>,
        model: &Model,
        (from, len): (usize, usize),
        at: Step<F>,
        alpha: &[F],
        sigma: &mut [F],
        rho: &mut [F],
        mu: &mut [F],
        chi: &mut [F],
    ) {
        let (stride, block) = (own.stride, from / own.stride);
        let theta = &mut self.theta[from..from + len];
        own.threshold(|state| at.after[state], theta);
        derivative_row(model.surrogate, at.after[0], theta, sigma);
        let never = F::from_f64(NEVER);
        for (sigma, &theta) in sigma.iter_mut().zip(theta.iter()) {
            *sigma = if theta < never { *sigma } else { F::ZERO };
        }
        // With lag 1, J_{t+1} is I_t: its gradient was carried here.
        let drive = &mut self.drive[from..from + len];
        if model.lag == 1 {
            through_synapse(alpha, drive, mu, chi);
        }
        let states = own.states() * stride;
        let carry = &mut self.states[block * states..][..states];
        let rows = own.constants() * stride;
        let mut sums = self.sums.chunks_exact_mut(rows).nth(block);
        if let Some(sums) = &mut sums {
            // γ is summed for this step alone: where γ = 1 − β, it belongs to β.
            sums[GAMMA * stride..][..len].fill(F::ZERO);
        }
        F::adjoint_rows(
            own.rows,
            AdjointRows {
                constants: own.constants,
                spike: at.s_before,
                drive: at.drive,
                before: at.before,
                after: at.after,
                sigma,
                rho,
                potential: at.potential,
                detach: model.detach,
                carry,
                carry_spike: &mut self.spike[from..from + len],
                out_drive: drive,
                sums: sums.as_deref_mut(),
                stride,
            },
        );
        for state in carry.iter_mut() {
            *state = state.settled();
        }
        if let (Some(sums), true) = (sums, model.normalised) {
            let (before, after) = sums.split_at_mut(GAMMA * stride);
            for (beta, &gamma) in before[BETA * stride..][..len].iter_mut().zip(&after[..len]) {
                *beta = *beta - gamma;
            }
        }
        if model.lag == 0 {
            through_synapse(alpha, &self.drive[from..from + len], mu, chi);
        }
    }
}

/// μ_t = α μ_{t+1} + dL/dJ, which is χ_t.
fn through_synapse<F: Float>(alpha: &[F], drive: &[F], mu: &mut [F], chi: &mut [F]) {
    for j in 0..drive.len() {
        mu[j] = alpha[j].fma(mu[j], drive[j]).settled();
        chi[j] = mu[j];
    }
}

/// `row` of a tile to row `index` of `rows` of each block.
fn spread<F: Copy>(row: &[F], blocks: &mut [F], rows: usize, index: usize, stride: usize) {
    for (row, block) in row.chunks(stride).zip(blocks.chunks_exact_mut(rows * stride)) {
        block[index * stride..][..row.len()].copy_from_slice(row);
    }
}

/// The other way round.
fn collect<F: Copy>(blocks: &[F], rows: usize, index: usize, stride: usize, row: &mut [F]) {
    for (row, block) in row.chunks_mut(stride).zip(blocks.chunks_exact(rows * stride)) {
        row.copy_from_slice(&block[index * stride..][..row.len()]);
    }
}
