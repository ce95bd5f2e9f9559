//! The contract: what a backend computes, with the maths and the shapes of each kernel.
//!
//! Notation (see `docs/dynamics.md`): step t of T, sample b of B, neuron j of n; drive X, synaptic current I, membrane
//! potential V before reset, spike S, emitted spike O; α, β, γ, θ as there. Adjoint totals λ = dL/dV, μ = dL/dI,
//! χ = dL/dX, ρ = dL/dS.
//!
//! **Layouts.** A row of n values is padded to `np = pad(n)`, a multiple of 32. Padding is 0 wherever it is read, and
//! padded neurons never spike: their threshold is [`NEVER`].
//!
//! | what | shape |
//! |---|---|
//! | [`Memory::Activity`] (raster or values) | `[HISTORY + T][B][np]`, rows 0 and 1 hold steps −2 and −1 |
//! | drive X | `[T][B][np]` |
//! | χ | `[T + FUTURE][B][np]`, the last rows hold steps T and T+1 (0 at the end of the sequence) |
//! | gradient of spikes `g` | `[T][B][np]`, row t is the part of dL/dS_t that comes from above |
//! | tape | `[Model::tapes][T][B][np]`: V, a snippet's other states, I where [`Model::keeps_current`], J where [`Model::keeps_drive`] |
//! | sample planes | `[B][PLANES][np]`, see [`plane`]; behind them a snippet's own, `[planes][B][np]`, see [`Tail`] |
//! | weights | `[in][np]`, recurrent `[n][np]` from row to column, current encoder `[np]` |
//! | neuron parameters and their gradients | `[4 + own][np]`, see [`row`]; a snippet's own after the common ones |
//! | constants | `[5 + own][np]`, see [`constant`], likewise |
//!
//! All lags are offsets of rows: a projection with lag L reads row `HISTORY + t − L` of its source.
//! Every sum has a fixed order, so the same device gives the same bits.

pub mod cost;
mod lstm;
mod profile;
mod time;
mod when;

pub use lstm::{GATES, LstmBackward, LstmForward};
pub use profile::{Cost, Gather, Profile, Span};
pub use time::{TimeBackward, TimeForward, TimeWeights};
pub use when::When;

use crate::error::Result;
use crate::network::{Reduce, Regulariser, Reset, Surrogate};
use crate::neuron::{KeepsDrive, Leak, Snippet, Tail};
use std::ops::Range;

/// Rows before step 0 in an activity: steps −2 and −1.
pub const HISTORY: usize = 2;
/// Rows after step T−1 in χ.
pub const FUTURE: usize = 2;
/// Threshold of a padded neuron.
pub const NEVER: f64 = 1e38;

/// Planes of the per-sample values of a layer, `[B][PLANES][np]`.
pub mod plane {
    /// V of the last step done (start: V_{-1}).
    pub const POTENTIAL: usize = 0;
    /// I of the last step done.
    pub const CURRENT: usize = 1;
    /// V_{-1} of this sequence: what the backward pass starts from.
    pub const START_POTENTIAL: usize = 2;
    /// I_{-1} of this sequence.
    pub const START_CURRENT: usize = 3;
    /// λ of the step after the range (0 at the end of the sequence); after `backward`, of the first step of the range.
    pub const LAMBDA: usize = 4;
    /// μ, likewise.
    pub const MU: usize = 5;
    /// ζ = Σ_t O_t.
    pub const COUNT: usize = 6;
    /// dL/dζ.
    pub const COUNT_GRADIENT: usize = 7;
    /// Σ_t of the sample's part of dL/dα (0 before `backward` adds to it; likewise the next three).
    pub const ALPHA_GRADIENT: usize = 8;
    /// dL/dβ.
    pub const BETA_GRADIENT: usize = 9;
    /// dL/dθ.
    pub const THETA_GRADIENT: usize = 10;
    /// dL/db = Σ_t χ_t.
    pub const BIAS_GRADIENT: usize = 11;
    /// Readout: the activation (trace reduced over time).
    pub const ACTIVATION: usize = 12;
    /// Readout `max`: the step of the maximum, as a real number.
    pub const STEP: usize = 13;
    /// Readout: dL/d activation.
    pub const ACTIVATION_GRADIENT: usize = 14;
    /// Number of planes.
    pub const PLANES: usize = 15;
}

/// Rows of the neuron parameters of a layer, `[4][np]`, and of their gradients.
pub mod row {
    /// τ_syn, ms.
    pub const TAU_SYN: usize = 0;
    /// τ_mem, ms.
    pub const TAU_MEM: usize = 1;
    /// Threshold θ.
    pub const THRESHOLD: usize = 2;
    /// Bias b of the drive.
    pub const BIAS: usize = 3;
    /// Number of rows.
    pub const ROWS: usize = 4;
}

/// Rows of the constants of a layer, `[5][np]`, made from the parameters by [`Kernels::constants`].
pub mod constant {
    /// α = exp(−dt/τ_syn), 0 without a synapse.
    pub const ALPHA: usize = 0;
    /// β = exp(−dt/τ_mem).
    pub const BETA: usize = 1;
    /// γ: 1 or 1 − β.
    pub const GAMMA: usize = 2;
    /// θ; [`super::NEVER`] for padding and for neurons that do not spike.
    pub const THETA: usize = 3;
    /// Bias b.
    pub const BIAS: usize = 4;
    /// Number of rows.
    pub const ROWS: usize = 5;
}

/// A number type that a backend computes in.
pub trait Real: bytemuck::Pod + Send + Sync + PartialOrd + std::fmt::Debug + 'static {
    /// The nearest value to `value`.
    fn from_f64(value: f64) -> Self;
    /// The same value in f64.
    fn to_f64(self) -> f64;
}

impl Real for f32 {
    fn from_f64(value: f64) -> Self {
        value as f32
    }

    fn to_f64(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    fn from_f64(value: f64) -> Self {
        value
    }

    fn to_f64(self) -> f64 {
        self
    }
}

/// The size of a layer's sequence: T steps, B samples, n units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Steps T.
    pub steps: usize,
    /// Samples B.
    pub batch: usize,
    /// Units n.
    pub units: usize,
}

impl Form {
    /// Its name in a profile.
    pub fn name(self) -> &'static str {
        match self {
            Form::Scan => "scan",
            Form::Resident { .. } => "resident",
            Form::Stepwise => "stepwise",
        }
    }
}

impl Shape {
    /// Length of a row of values.
    pub fn row(&self) -> usize {
        crate::spikes::pad(self.units)
    }

    /// Length of values `[steps][B][np]`.
    pub fn len(&self, steps: usize) -> usize {
        steps * self.batch * self.row()
    }
}

/// Which part of a batch the arrays over time of a call hold. Sample planes, lengths, labels of the steps, targets and
/// coefficients are those of the whole batch. Everything that is said of a step t or a sample b in the calls below means
/// those of the whole sequence and batch; the arrays begin at `step` and `sample`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// First step.
    pub step: usize,
    /// Steps T of the whole sequence.
    pub steps: usize,
    /// First sample.
    pub sample: usize,
    /// Samples B of the whole batch.
    pub samples: usize,
}

impl Window {
    /// All of it: arrays that hold every step and sample.
    pub fn whole(shape: Shape) -> Self {
        Window { step: 0, steps: shape.steps, sample: 0, samples: shape.batch }
    }

    /// The shape of the layer's sample planes, whose arrays over time have `shape`.
    pub fn planes(&self, shape: Shape) -> Shape {
        Shape { batch: self.samples, ..shape }
    }
}

/// Which neuron parameters are learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Learned {
    /// τ_syn, hence α.
    pub tau_syn: bool,
    /// τ_mem, hence β.
    pub tau_mem: bool,
    /// Threshold.
    pub threshold: bool,
    /// Bias.
    pub bias: bool,
    /// Bit i: the snippet's own parameter i.
    pub own: u32,
}

impl Learned {
    /// Whether any constant but the bias has a gradient.
    pub fn constants(&self) -> bool {
        self.tau_syn || self.tau_mem || self.threshold || self.own != 0
    }
}

/// How V becomes spikes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Firing {
    /// `S = H(V − θ)`.
    #[default]
    Single,
    /// `S = clamp(⌊V/θ⌋, 0, most)` (with `>`: `⌈V/θ⌉ − 1`); S counts θs, also where it resets and where it is summed.
    /// The surrogate stands on `V − θ`; `periodic`: on the multiple of θ that is nearest, `2(V − nθ)` with
    /// `n = ⌊V/θ + 1/2⌋` from θ on (sinabs), and dS/dθ is n times as large.
    Multi { most: u32, periodic: bool },
}

/// The switches of a neuron (`dynamics.md`, section 1).
///
/// ```text
/// I_t = α I_{t-1} + X_t,   J_t = I_t (lag 0) or I_{t-1} (lag 1)
/// V_t = reset_form(V_{t-1}, S_{t-1}, γ J_t),   S_t = H(V_t − θ),   O_t = S_{t-e}
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Model {
    /// Whether it spikes; a readout does not.
    pub spiking: bool,
    /// Reset form.
    pub reset: Reset,
    /// Whether the reset is detached from the gradient.
    pub detach: bool,
    /// Lag of the current, 0 or 1.
    pub lag: usize,
    /// Emit lag e, 0 or 1.
    pub emit_lag: usize,
    /// Recurrent lag r, 1 or 2.
    pub recurrent_lag: usize,
    /// Whether γ = 1 − β.
    pub normalised: bool,
    /// Whether V = θ spikes.
    pub inclusive: bool,
    /// `v_reset` of the form `zero_before`.
    pub reset_potential: f64,
    /// Surrogate derivative.
    pub surrogate: Surrogate,
    /// Whether it has a synapse (else α = 0).
    pub synapse: bool,
    /// How V becomes spikes.
    pub firing: Firing,
    /// How β is made of τ_mem.
    pub leak: Leak,
    /// The neuron's own step where it is not of the leaky integrate-and-fire family.
    pub snippet: Option<&'static Snippet>,
    /// What is learned.
    pub learned: Learned,
}

impl Model {
    /// Parameters of the snippet's own.
    pub fn own(&self) -> usize {
        self.snippet.map_or(0, |snippet| snippet.parameters.len())
    }

    /// Rows of the neuron parameters.
    pub fn parameter_rows(&self) -> usize {
        row::ROWS + self.own()
    }

    /// Rows of the constants.
    pub fn constant_rows(&self) -> usize {
        constant::ROWS + self.own()
    }

    /// The snippet's planes behind the common ones.
    pub fn tail(&self) -> Option<Tail> {
        self.snippet.map(Tail::of)
    }

    /// Numbers in the sample planes of a layer, the tail included.
    pub fn planes_len(&self, shape: Shape) -> usize {
        (plane::PLANES + self.tail().map_or(0, |tail| tail.len())) * shape.len(1)
    }

    /// Entries of plane `index` of the tail.
    pub fn tail_range(shape: Shape, index: usize) -> Range<usize> {
        let from = (plane::PLANES + index) * shape.len(1);
        from..from + shape.len(1)
    }

    /// Whether the tape holds J: see [`KeepsDrive`].
    pub fn keeps_drive(&self) -> bool {
        let Some(snippet) = self.snippet else { return false };
        match snippet.keeps_drive {
            KeepsDrive::Always => true,
            KeepsDrive::ForParameters if self.learned.tau_mem || self.learned.own != 0 => true,
            _ => (self.learned.tau_mem && self.normalised) || (self.reset == Reset::ZeroAfter && !self.detach),
        }
    }

    /// Rows of the tape a step: states, and what is kept besides.
    pub fn tapes(&self) -> usize {
        let states = self.snippet.map_or(1, |snippet| snippet.states());
        states + usize::from(self.keeps_current()) + usize::from(self.keeps_drive())
    }

    /// What its spikes are kept as.
    pub fn activity(&self) -> ActivityKind {
        match self.firing {
            Firing::Single => ActivityKind::Raster,
            Firing::Multi { .. } => ActivityKind::Bytes,
        }
    }

    /// Whether the backward pass reads I (`J_t` in ∂V/∂β where γ = 1 − β, `I_{t-1}` in dα, `J_{t+1}` in the
    /// differentiated reset of `zero_after`), so that the tape must hold it.
    pub fn keeps_current(&self) -> bool {
        if self.snippet.is_some() {
            return self.learned.tau_syn && self.synapse;
        }
        (self.learned.tau_mem && self.normalised)
            || (self.learned.tau_syn && self.synapse)
            || (self.reset == Reset::ZeroAfter && !self.detach)
    }
}

/// How a recurrent or feed-forward scan runs. The CPU has one form; a GPU has all three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Form {
    /// Each neuron of each sample walks the steps alone (not recurrent).
    Scan,
    /// One workgroup owns `tile` samples and all neurons and walks up to `quantum` steps in a dispatch.
    Resident { tile: usize, quantum: usize },
    /// One dispatch a step over the whole device.
    Stepwise,
}

/// A connection's arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Projection {
    /// `X_t = s_{t-L} W`, W `[in][np]`.
    Dense,
    /// `X_{t,j} = w_j s_{t-L, j mod in}`, w `[np]`; the source holds values, not bits.
    Current,
}

/// One projection over a range of steps: `X_t = s_{t-L} W + b` (the bias from the constants).
pub struct Drive<'a, K: Kernels> {
    /// Dense or current.
    pub projection: Projection,
    /// Width of the source.
    pub inputs: usize,
    /// The layer's shape.
    pub shape: Shape,
    /// Steps to compute.
    pub range: Range<usize>,
    /// Source, `[HISTORY + T][B][pad(in)]`.
    pub source: &'a K::Activity,
    /// Lag L of the source: its emit lag plus this layer's input delay.
    pub lag: usize,
    /// Weights.
    pub weights: &'a K::Values,
    /// Constants, for the bias.
    pub constants: &'a K::Values,
    /// Where X goes, `[T][B][np]`. A fused form may leave it unwritten.
    pub out: &'a mut K::Values,
}

/// The neuron over a range of steps, with its recurrent projection: writes S (raster), the tape, and the state.
///
/// With `recurrent`, `X_t` of the drive is completed by `Σ_j S_{t-r,j} R_j` inside.
pub struct Forward<'a, K: Kernels> {
    /// Switches.
    pub model: Model,
    /// Shape.
    pub shape: Shape,
    /// Where the arrays over time lie in the batch.
    pub window: Window,
    /// Steps to compute; the state planes hold the step before it.
    pub range: Range<usize>,
    /// How it runs.
    pub form: Form,
    /// Constants.
    pub constants: &'a K::Values,
    /// Recurrent weights `[n][np]` and what [`Kernels::prepare`] made of them.
    pub recurrent: Option<(&'a K::Values, &'a K::Prepared)>,
    /// Spikes S, `[HISTORY + T][B]`; read at earlier steps, written in the range. None for a readout.
    pub spikes: Option<&'a mut K::Activity>,
    /// Tape of V (and I where kept), or None for inference.
    pub tape: Option<&'a mut K::Values>,
    /// Sample planes: POTENTIAL and CURRENT are read and written; ACTIVATION and STEP where `reduce`.
    pub planes: &'a mut K::Values,
    /// Readout reduction of V, carried on from the planes (step 0 of the sequence starts it): `max` keeps the first
    /// of equal maxima, `mean` divides by T at every step, `last` keeps the newest.
    pub reduce: Option<Reduce>,
}

impl<K: Kernels> Forward<'_, K> {
    /// The same call, for somebody who looks at its arrays after it.
    pub fn again(&mut self) -> Forward<'_, K> {
        Forward {
            model: self.model,
            shape: self.shape,
            window: self.window,
            range: self.range.clone(),
            form: self.form,
            constants: self.constants,
            recurrent: self.recurrent,
            spikes: self.spikes.as_deref_mut(),
            tape: self.tape.as_deref_mut(),
            planes: &mut *self.planes,
            reduce: self.reduce,
        }
    }
}

/// The adjoint of [`Forward`] over a range of steps, from the last to the first (`dynamics.md`, section 2):
///
/// ```text
/// ρ_t = g_t + [t + e < T] dL/dζ + Σ_k R_jk χ_{t+r,k} + reset term_t
/// λ_t = gV_t + carry_t λ_{t+1} + σ'(V_t − θ) ρ_t
/// μ_t = α μ_{t+1} + γ (G_t λ_t  at lag 0 | G_{t+1} λ_{t+1}  at lag 1),   χ_t = μ_t
/// ```
pub struct Backward<'a, K: Kernels> {
    /// Switches.
    pub model: Model,
    /// Shape.
    pub shape: Shape,
    /// Where the arrays over time lie in the batch.
    pub window: Window,
    /// Steps to compute; LAMBDA and MU of the planes hold those of `range.end`, χ the rows after it.
    pub range: Range<usize>,
    /// How it runs.
    pub form: Form,
    /// Constants.
    pub constants: &'a K::Values,
    /// Recurrent weights and what [`Kernels::prepare`] made of them.
    pub recurrent: Option<(&'a K::Values, &'a K::Prepared)>,
    /// Spikes S of the forward pass. None for a readout.
    pub spikes: Option<&'a K::Activity>,
    /// Tape of the forward pass.
    pub tape: &'a K::Values,
    /// Gradient of the spikes from above, `[T][B][np]`.
    pub gradient_spikes: Option<&'a K::Values>,
    /// Gradient of the potential, `[T][B][np]`.
    pub gradient_potential: Option<&'a K::Values>,
    /// Whether COUNT_GRADIENT of the planes is to be added.
    pub counts: bool,
    /// Readout: ACTIVATION_GRADIENT of the planes reaches V through this reduction.
    pub reduce: Option<Reduce>,
    /// Sample planes: reads START_* (the state before row 0 of the arrays), COUNT_GRADIENT, ACTIVATION_GRADIENT, STEP, and
    /// where a reset `zero_after` is differentiated, in CURRENT, I of the step after the arrays (any number where λ is 0);
    /// carries LAMBDA, MU and the gradients of α, β, θ and b where they are learned, each sum one after the other from
    /// the last step to the first, so that its bits do not depend on the cut into ranges and windows.
    pub planes: &'a mut K::Values,
    /// χ, `[T + FUTURE][B][np]`.
    pub chi: &'a mut K::Values,
}

/// The adjoint of [`Drive`] towards its source: `dL/ds_t = χ_{t+L} W^T`, rows 0..T.
pub struct DriveBackward<'a, K: Kernels> {
    /// Dense or current.
    pub projection: Projection,
    /// Width of the source.
    pub inputs: usize,
    /// The layer's shape (not the source's).
    pub shape: Shape,
    /// Lag L.
    pub lag: usize,
    /// Weights and what [`Kernels::prepare`] made of them.
    pub weights: (&'a K::Values, &'a K::Prepared),
    /// χ of the layer.
    pub chi: &'a K::Values,
    /// Whether to add to what is there.
    pub accumulate: bool,
    /// Where it goes, `[T][B][pad(in)]`.
    pub out: &'a mut K::Values,
}

/// What a layer's spikes feed, for the fused backward pass: the fields of the [`DriveBackward`] of the layer above.
pub struct Above<'a, K: Kernels> {
    /// The shape of the layer above.
    pub shape: Shape,
    /// Its lag L.
    pub lag: usize,
    /// Its (dense) weights.
    pub weights: (&'a K::Values, &'a K::Prepared),
    /// Its χ.
    pub chi: &'a K::Values,
    /// Whether `gradient` holds something to add to.
    pub accumulate: bool,
    /// Where dL/dS from above goes, `[T][B][np]` of this layer. A fused form may leave it as it is.
    pub gradient: &'a mut K::Values,
}

impl<'a, K: Kernels> Above<'a, K> {
    /// The same on its own, towards a layer of so many units.
    pub fn drive_backward(self, inputs: usize) -> DriveBackward<'a, K> {
        let Above { shape, lag, weights, chi, accumulate, gradient } = self;
        let projection = Projection::Dense;
        DriveBackward { projection, inputs, shape, lag, weights, chi, accumulate, out: gradient }
    }
}

/// Gradient of a projection's weights: `dW = Σ_{t,b} s_{t-L}^T χ_t` over the rows of `samples`, added to `out` where
/// `accumulate`. On the CPU one after the other, t from the last to the first, b ascending; from values, and on a GPU, in
/// blocks of [`quantum`]`(window.samples)` steps that begin at multiples of it in the whole sequence: the sum of each block, the last one
/// first. So the bits do not depend on how a sequence is cut into windows at such multiples.
pub struct WeightGradient<'a, K: Kernels> {
    /// Dense or current.
    pub projection: Projection,
    /// Width of the source.
    pub inputs: usize,
    /// The layer's shape.
    pub shape: Shape,
    /// Where the arrays over time lie in the batch.
    pub window: Window,
    /// Source.
    pub source: &'a K::Activity,
    /// Lag L.
    pub lag: usize,
    /// χ of the layer.
    pub chi: &'a K::Values,
    /// Which samples of the arrays count.
    pub samples: Range<usize>,
    /// Whether `out` is added to; else it is overwritten.
    pub accumulate: bool,
    /// Where it goes, the shape of the weights.
    pub out: &'a mut K::Values,
}

/// Samples of a chunk of the sums over a whole batch of so many: at most four chunks, of 32 at least. The gradient of a weight
/// is the sum of those of the chunks, the last one first; a [`WeightGradient`] is of one chunk or a part of it.
pub fn chunk(batch: usize) -> usize {
    batch.div_ceil(4).next_multiple_of(32)
}

/// Steps of a block in which [`WeightGradient`] sums, for a whole batch of so many samples: a multiple of 32, with about 512
/// rows of a chunk at least.
pub fn quantum(batch: usize) -> usize {
    512usize.div_ceil(32 * chunk(batch).min(batch).max(1)) * 32
}

/// How a row of the neuron parameters (or a whole weight tensor) is updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Not learned.
    Frozen,
    /// `p ← p − Δ`.
    Plain,
    /// `p ← p e^(−Δ)` with the gradient `p dL/dp`: the optimiser moves ln p, so a time constant or a
    /// threshold stays above 0.
    Logarithmic,
}

/// How the rows of the neuron parameters are learned: the mode, and whether one value serves the whole layer.
pub type Modes = Vec<(Mode, bool)>;

/// Gradients of the neuron parameters from the planes, summed over the samples in ascending order:
/// `dτ_syn = dα α dt/τ_syn²`, `dτ_mem = dβ β dt/τ_mem²` (or as [`Leak`] says), dθ, db, and a snippet's own by their
/// transform. A row with one value for the layer is summed over the
/// neurons, the sum stands in its first entry and 0 in the others. Frozen rows are 0.
pub struct NeuronGradient<'a, K: Kernels> {
    /// Switches.
    pub model: Model,
    /// Shape.
    pub shape: Shape,
    /// Step length, ms.
    pub dt: f64,
    /// Modes of the rows.
    pub modes: &'a [(Mode, bool)],
    /// Parameters `[4 + own][np]`.
    pub parameters: &'a K::Values,
    /// Constants `[5 + own][np]`.
    pub constants: &'a K::Values,
    /// Sample planes.
    pub planes: &'a K::Values,
    /// Where it goes, `[4 + own][np]`.
    pub out: &'a mut K::Values,
}

/// An optimiser's rule with this step's numbers. `g` is the gradient after clipping; m, v, … are rows of the state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// `m ← momentum m + g`, `Δ = lr m` (one row of state; none is read where momentum is 0).
    Sgd { momentum: f64 },
    /// `m ← β₁m + (1−β₁)g`, `v ← β₂v + (1−β₂)g²`, `Δ = lr (m/c₁) / (√(v/c₂) + ε)`, `c_i = 1 − β_i^k` at step k
    /// (Kingma & Ba 2015). `decay` > 0: AdamW, `p ← p − lr decay p` besides, plain tensors only (Loshchilov & Hutter 2019).
    Adam { beta1: f64, beta2: f64, epsilon: f64, decay: f64 },
    /// `m` as Adam, `u ← max(β₂u, |g| + ε)`, `Δ = (lr/c₁) m/u`.
    Adamax { beta1: f64, beta2: f64, epsilon: f64 },
    /// `r = 1/(mem+1)`, `g1 ← (1−r)g1 + rg`, `g2 ← (1−r)g2 + rg²`, `x = g1²/(g2+ε)`, `mem ← 1 + mem(1−x)`,
    /// `Δ = min(lr, x) g/(√g2 + ε)`; rows g1, g2, mem − 1 (so that the start, mem = 1, is 0) (stork; S. Funk).
    Smorms3 { epsilon: f64 },
}

impl Rule {
    /// Rows of state, each the size of the tensor, 0 at the start.
    pub fn rows(&self) -> usize {
        match self {
            Rule::Sgd { .. } => 1,
            Rule::Adam { .. } | Rule::Adamax { .. } => 2,
            Rule::Smorms3 { .. } => 3,
        }
    }
}

/// What pulls weights to 0: adds `l2 p + l1 sign(p)` to the gradient g, after the clipping (the gradient of
/// `(l2/2) Σ p² + l1 Σ |p|`). Plain rows only.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Penalty {
    /// Of the squares: the classic weight decay.
    pub l2: f64,
    /// Of the absolute values.
    pub l1: f64,
}

/// One optimiser step on one tensor. Does nothing where the control says that the step is not finite.
pub struct Update<'a, K: Kernels> {
    /// Rule.
    pub rule: Rule,
    /// Learning rate.
    pub rate: f64,
    /// What is added to the gradient.
    pub penalty: Penalty,
    /// Number of this step, from 1.
    pub step: u64,
    /// Length of a row; a weight tensor is one row.
    pub row: usize,
    /// Mode of each row, and whether one value serves the row (its gradient stands in the row's first entry).
    pub modes: &'a [(Mode, bool)],
    /// Parameters.
    pub parameters: &'a mut K::Values,
    /// Gradient.
    pub gradient: &'a K::Values,
    /// State, `[rule.rows()][len]`.
    pub state: &'a mut K::Values,
    /// From [`Kernels::control`]: scale of the gradient, and whether the step is finite.
    pub control: &'a K::Values,
}

/// What a layer leaves of each step, as the readout sees it.
pub enum Recording<'a, K: Kernels> {
    /// V of the tape, `[T][B][np]`.
    Potential(&'a K::Values),
    /// `O_t = S_{t-e}` from a raster (or values) and the emit lag e.
    Spikes(&'a K::Activity, usize),
}

impl<K: Kernels> Clone for Recording<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: Kernels> Copy for Recording<'_, K> {}

/// A recording reduced over the steps `t < length` of a sample. Of a length L:
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// `max_t a_t`; the step is that of the first maximum.
    Max,
    /// `Σ_t a_t`.
    Sum,
    /// `Σ_t a_t / L`.
    Mean,
    /// `a_{L-1}`.
    Last,
    /// The step of the spike of this number (from 1; a step may have several), L − 1 where there are fewer. Its derivative towards `a_t` is −1 at
    /// that step, 0 elsewhere.
    Spike(u32),
}

/// Where activation, step and dL/d activation stand in an array `[B][planes][np]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Planes of a sample.
    pub planes: usize,
    /// Plane of the activation.
    pub activation: usize,
    /// Plane of the step that it stands at, for [`Pooling::Max`] and [`Pooling::Spike`].
    pub step: usize,
    /// Plane of the gradient.
    pub gradient: usize,
}

impl Place {
    /// In the sample planes of the layer.
    pub const LAYER: Place = Place {
        planes: plane::PLANES,
        activation: plane::ACTIVATION,
        step: plane::STEP,
        gradient: plane::ACTIVATION_GRADIENT,
    };
    /// In an array that holds nothing else, `[B][3][np]`.
    pub const OWN: Place = Place { planes: 3, activation: 0, step: 1, gradient: 2 };
    /// dL/dζ in the sample planes.
    pub const COUNT: Place =
        Place { planes: plane::PLANES, activation: plane::COUNT, step: plane::STEP, gradient: plane::COUNT_GRADIENT };
}

/// Reduces a recording to activations (and their steps). Window after window: the first step of the sequence starts the
/// reduction, a later window goes on from what stands in `out`, and the last one finishes it.
pub struct Collapse<'a, K: Kernels> {
    /// The layer's shape.
    pub shape: Shape,
    /// Where the arrays over time lie in the batch.
    pub window: Window,
    /// What is reduced.
    pub recording: Recording<'a, K>,
    /// How.
    pub pooling: Pooling,
    /// Length of each sample, 1 to T, `[B]`.
    pub lengths: &'a K::Words,
    /// Where the result goes in `out`.
    pub place: Place,
    /// `[B][planes][np]`.
    pub out: &'a mut K::Values,
}

/// The adjoint of [`Collapse`]: adds `dL/d activation · d activation/da_t` to the gradient of each step. Steps at or past
/// a sample's length get nothing.
pub struct Spread<'a, K: Kernels> {
    /// The layer's shape.
    pub shape: Shape,
    /// Where the arrays over time lie in the batch.
    pub window: Window,
    /// How it was reduced.
    pub pooling: Pooling,
    /// Lengths `[B]`.
    pub lengths: &'a K::Words,
    /// Where gradient and step stand in `from`.
    pub place: Place,
    /// `[B][planes][np]`.
    pub from: &'a K::Values,
    /// The gradient of `O_t` belongs to row t − e (of `O_t` with t < e to none). 0 for a potential.
    pub emit_lag: usize,
    /// `[T][B][np]` of the window, added to.
    pub out: &'a mut K::Values,
}

/// How activations become scores: each class is a group of `units / classes` contiguous units, `s_c = Σ_j f(a_j)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Score {
    /// f(a) = a.
    Plain,
    /// f(a) = −a.
    Negated,
    /// f(a) = 1/(a + 1).
    Reciprocal,
}

/// The loss ℓ of one sample (or of one step of it) from its scores s, with label y, class weights w, coefficients κ, v, on
/// and off: the value v ℓ is added up, and `κ dℓ/ds` is the gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Criterion {
    /// `ℓ = (1−ε) w_y (lse(s) − s_y) + (ε/C) Σ_c w_c (lse(s) − s_c)`.
    CrossEntropy {
        /// ε.
        smoothing: f64,
    },
    /// `ℓ = −w_y s_y`.
    NegativeLogLikelihood,
    /// `ℓ = w_y Σ_c (s_c − target_c)²`, target = on for c = y and off for the others; an error below the tolerance is 0.
    SquaredError {
        /// Tolerance.
        tolerance: f64,
    },
    /// The same without weights to targets `[B][C]`, or `[T][B][C]` where `stepwise`.
    SquaredErrorToTargets {
        /// Tolerance.
        tolerance: f64,
        /// Whether each step has its own.
        stepwise: bool,
    },
    /// None: only the answers are counted.
    None,
}

/// What a loss stands on.
pub enum Scores<'a, K: Kernels> {
    /// Activations of the samples, `[B][planes][np]`; the gradient plane is overwritten.
    Samples(Place, &'a mut K::Values),
    /// Every step `t < length` of a recording; its gradient `[T][B][np]` is added to (rows as in [`Spread`]), where there
    /// is one. Without one the steps of the window are measured; with one, the steps whose gradient belongs to a row of
    /// the window (of `O_t` with an emit lag of 1, one step later).
    Steps(Recording<'a, K>, Option<&'a mut K::Values>),
}

/// Label of a sample or a step that does not count.
pub const MASKED: u32 = u32::MAX;

/// Numbers of a sample in the coefficients of a loss, `[B][4]`.
pub mod coefficient {
    /// κ: what dℓ/ds is multiplied by.
    pub const GRADIENT: usize = 0;
    /// v: what ℓ is multiplied by.
    pub const VALUE: usize = 1;
    /// Target of the label's class.
    pub const ON: usize = 2;
    /// Target of the other classes.
    pub const OFF: usize = 3;
    /// How many.
    pub const COUNT: usize = 4;
}

/// One loss of the readout, and its gradient with respect to what it stands on.
pub struct Loss<'a, K: Kernels> {
    /// The layer's shape.
    pub shape: Shape,
    /// Where the arrays over time lie in the batch.
    pub window: Window,
    /// Number of classes; divides the units.
    pub classes: usize,
    /// What is measured.
    pub criterion: Criterion,
    /// How activations become scores.
    pub score: Score,
    /// What it stands on.
    pub scores: Scores<'a, K>,
    /// Labels `[B]`, or `[T][B]` of the whole batch where `stepwise`; [`MASKED`] ones do not count.
    pub labels: &'a K::Words,
    /// Whether each step has its own label.
    pub stepwise: bool,
    /// Lengths `[B]`, for steps.
    pub lengths: &'a K::Words,
    /// Coefficients `[B][4]`.
    pub coefficients: &'a K::Values,
    /// Class weights `[C]`, or the targets.
    pub table: &'a K::Values,
    /// Metrics and the slot to which `Σ v ℓ` is added; the next one gets the number of right answers where they are
    /// counted. None: the gradient only.
    pub metrics: Option<(&'a mut K::Values, usize)>,
    /// Whether answers are counted, and whether the smallest score is the answer (else the largest; the first of equal
    /// ones).
    pub answers: Option<Answer>,
}

/// Which class is the answer; of equal ones the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The largest score.
    Largest,
    /// The smallest score.
    Smallest,
}

/// COUNT `= Σ_t O_t`, `O_t = S_{t-e}`, over the steps below a sample's length; the first window of a sequence begins the
/// sum, a later one adds to it.
pub struct Count<'a, K: Kernels> {
    /// Shape.
    pub shape: Shape,
    /// Where the arrays over time lie in the batch.
    pub window: Window,
    /// Emit lag e.
    pub emit_lag: usize,
    /// Spikes.
    pub spikes: &'a K::Activity,
    /// Lengths `[B]`.
    pub lengths: &'a K::Words,
    /// Sample planes.
    pub planes: &'a mut K::Values,
}

/// What the units of a layer did, from the COUNT plane. The number of a unit's spikes is summed over the samples; it is
/// *silent* where that is 0, *saturated* where it is more than half of the samples' steps.
pub struct Tally<'a, K: Kernels> {
    /// Shape.
    pub shape: Shape,
    /// Sample planes.
    pub planes: &'a K::Values,
    /// Lengths `[B]`.
    pub lengths: &'a K::Words,
    /// Spikes of each unit, `[np]`, added to.
    pub totals: &'a mut K::Values,
    /// Metrics: `[slot]` spikes, `[slot + 1]` silent units, `[slot + 2]` saturated units.
    pub metrics: &'a mut K::Values,
    /// Slot in `metrics`; overwritten.
    pub slot: usize,
}

/// One activity regulariser on the COUNT plane of a layer: adds dL/dζ to COUNT_GRADIENT, and its value to `[slot]`.
pub struct Regularise<'a, K: Kernels> {
    /// The term.
    pub regulariser: Regulariser,
    /// Shape.
    pub shape: Shape,
    /// Sample planes.
    pub planes: &'a mut K::Values,
    /// Metrics.
    pub metrics: &'a mut K::Values,
    /// Slot in `metrics`; added to.
    pub slot: usize,
}

/// Holds weights to what they may be: those that do not exist become 0, and those whose sign is not their source's.
/// The source of the weight in row r, column j is `r + j mod modulo`.
pub struct Constrain<'a, K: Kernels> {
    /// Rows.
    pub rows: usize,
    /// Columns, unpadded.
    pub columns: usize,
    /// 1; of a current encoder the number of its channels.
    pub modulo: usize,
    /// Which weights exist: bit `j mod 32` of word `[r][j / 32]`. None: all.
    pub mask: Option<&'a K::Words>,
    /// Weights of sources below this one are ≥ 0, the others ≤ 0. None: any sign.
    pub excitatory: Option<usize>,
    /// Weights, or their gradients, `[rows][pad(columns)]`.
    pub values: &'a mut K::Values,
}

/// Which spikes of a layer are kept: unit n of sample b in row r of the sequence (counted with the history of its first
/// window; 0 where one mask serves the sequence) is, where the upper 24 bits of number n of row (r, b) of the key ([`crate::spikes::Random::row`]) are below
/// `keep`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DropoutMask {
    /// Of 2^24.
    pub keep: u32,
    /// Whether each step has a mask of its own.
    pub per_step: bool,
    /// Key.
    pub key: u64,
}

/// The spikes that are kept, history and all: `out = S ∘ mask`.
pub struct Dropout<'a, K: Kernels> {
    /// Shape.
    pub shape: Shape,
    /// Where the arrays over time lie in the batch.
    pub window: Window,
    /// Mask.
    pub mask: DropoutMask,
    /// Spikes.
    pub spikes: &'a K::Activity,
    /// Where they go, of the same kind.
    pub out: &'a mut K::Activity,
}

/// The adjoint of [`Dropout`]: `g ← mask ∘ g`, and then what is given is added.
pub struct DropoutBackward<'a, K: Kernels> {
    /// Shape.
    pub shape: Shape,
    /// Where the arrays over time lie in the batch.
    pub window: Window,
    /// The same mask.
    pub mask: DropoutMask,
    /// Gradient of all spikes, `[T][B][np]`.
    pub given: Option<&'a K::Values>,
    /// Gradient of the kept spikes, then of all, `[T][B][np]`.
    pub gradient: &'a mut K::Values,
}

/// Rows of a normalised drive.
pub mod normal {
    /// Learned rows: scale g, shift h.
    pub const LEARNED: usize = 2;
    /// Running mean.
    pub const MEAN: usize = 0;
    /// Running variance.
    pub const VARIANCE: usize = 1;
    /// The fixed factor s.
    pub const FACTOR: usize = 2;
    /// Number of rows that are not learned.
    pub const ROWS: usize = 3;
}

/// Normalises a drive: `N = (X − μ)/√(σ² + ε)`, `X ← s g N + h`, each unit by itself, in training with the mean and the
/// variance over all T·B rows, which the running ones follow (the variance by its unbiased estimate), else with the
/// running ones.
pub struct Normalise<'a, K: Kernels> {
    /// Shape.
    pub shape: Shape,
    /// ε.
    pub epsilon: f64,
    /// g and h, `[2][np]`.
    pub parameters: &'a K::Values,
    /// `[3][np]`, see [`normal`].
    pub running: &'a mut K::Values,
    /// X, `[T][B][np]`.
    pub drive: &'a mut K::Values,
    /// None: not in training.
    pub training: Option<NormaliseTraining<'a, K>>,
}

/// What [`Normalise`] does in training besides.
pub struct NormaliseTraining<'a, K: Kernels> {
    /// Part of this batch in the running statistics.
    pub momentum: f64,
    /// N, `[T][B][np]`.
    pub normal: &'a mut K::Values,
    /// 1/√(σ² + ε), `[np]`.
    pub deviation: &'a mut K::Values,
}

/// The adjoint of [`Normalise`] in training, with M = T·B: `dg = s Σ χN`, `dh = Σ χ`,
/// `dL/dX = s g/√(σ² + ε) (χ − Σχ/M − N Σ(χN)/M)`.
pub struct NormaliseBackward<'a, K: Kernels> {
    /// Shape.
    pub shape: Shape,
    /// g and h.
    pub parameters: &'a K::Values,
    /// For the factor.
    pub running: &'a K::Values,
    /// N.
    pub normal: &'a K::Values,
    /// 1/√(σ² + ε).
    pub deviation: &'a K::Values,
    /// χ, `[T + FUTURE][B][np]`.
    pub chi: &'a K::Values,
    /// dL/dX before the normalisation; rows from T on stay.
    pub out: &'a mut K::Values,
    /// dg and dh, `[2][np]`.
    pub gradient: &'a mut K::Values,
}

/// Draws rate-coded spikes where they are used: `S_t = [upper 24 bits of number n of row (t, b) of the key < chance]` for
/// steps from `first` on, 0 before ([`crate::spikes::encode::Rates`]).
pub struct EncodeRate<'a, K: Kernels> {
    /// Shape of the activity.
    pub shape: Shape,
    /// Where the arrays over time lie in the batch.
    pub window: Window,
    /// Steps without a spike at the beginning.
    pub first: usize,
    /// Key of the stream.
    pub key: u64,
    /// Chances of 2^24, `[B][np]` of the whole batch, padding 0.
    pub chances: &'a K::Words,
    /// Where the steps of the window go; of a window that does not begin the sequence, the history as well. A raster.
    pub out: &'a mut K::Activity,
}

/// Where equally long stretches of an array begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The first one.
    pub first: usize,
    /// Distance from one to the next.
    pub stride: usize,
}

/// What an activity holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActivityKind {
    /// Bits.
    Raster,
    /// Real values: analogue input; on the CPU also the graded S of the gradient audit.
    Values,
    /// Small whole numbers, a byte each: several spikes a step.
    Bytes,
}

/// Data for the steps of an activity.
pub enum ActivityData<'a, F> {
    /// Packed words `[T][B][words]`.
    Raster(&'a [u32]),
    /// Values `[T][B][np]`, padding 0.
    Values(&'a [F]),
    /// Counts `[T][B][np]`, padding 0.
    Bytes(&'a [u8]),
}

impl<F> ActivityData<'_, F> {
    /// Bytes of the data.
    pub fn bytes(&self) -> f64 {
        match self {
            ActivityData::Raster(words) => size_of_val(*words) as f64,
            ActivityData::Values(values) => size_of_val(*values) as f64,
            ActivityData::Bytes(bytes) => bytes.len() as f64,
        }
    }
}

/// Where arrays are made. A backend is one; so is what counts the bytes of a plan before it is made.
pub trait Memory: Sized {
    /// Number type.
    type Real: Real;
    /// An array of numbers on the device.
    type Values;
    /// An array of 32-bit words on the device (labels, lengths).
    type Words;
    /// Activity of a layer or of the input on the device.
    type Activity;

    /// An array of `len` zeros; `role` names it in messages.
    ///
    /// # Errors
    /// [`crate::Error::Memory`] where it does not fit.
    fn values(&mut self, role: &str, len: usize) -> Result<Self::Values>;
    /// Weights, or what has their shape: `planes` times `[rows][row]`, all 0. They may be longer than one array
    /// ([`Kernels::largest_array`]); the kernels that take weights, their gradients, optimiser rows or
    /// [`Kernels::prepared`] layouts work on them all the same.
    ///
    /// # Errors
    /// [`crate::Error::Memory`] where they do not fit.
    fn weights(&mut self, role: &str, planes: usize, rows: usize, row: usize) -> Result<Self::Values> {
        self.values(role, planes * rows * row)
    }
    /// An array of `len` zero words.
    ///
    /// # Errors
    /// [`crate::Error::Memory`] where it does not fit.
    fn words(&mut self, role: &str, len: usize) -> Result<Self::Words>;
    /// Activity `[HISTORY + T][B][np]`, all 0.
    ///
    /// # Errors
    /// [`crate::Error::Memory`] where it does not fit.
    fn activity(&mut self, role: &str, kind: ActivityKind, shape: Shape) -> Result<Self::Activity>;
}

/// A backend: memory and kernels. A call may only record its work; reading memory waits for it.
pub trait Kernels: Memory {
    /// Another layout of a weight tensor (transposed, packed), made by [`Kernels::prepare`].
    type Prepared;

    /// Room for the other layouts of weights `[rows][pad(columns)]`.
    ///
    /// # Errors
    /// [`crate::Error::Memory`] where it does not fit.
    fn prepared(&mut self, role: &str, rows: usize, columns: usize) -> Result<Self::Prepared>;
    /// Weights `[rows][row]` that [`Kernels::drive`] and the recurrent forward passes read. A backend may keep a shorter form
    /// beside them and read that, wherever they are read forward.
    ///
    /// # Errors
    /// [`crate::Error::Memory`] where they do not fit.
    fn forward_weights(&mut self, role: &str, rows: usize, row: usize) -> Result<Self::Values> {
        self.weights(role, 1, rows, row)
    }

    /// Writes `data` from entry `offset` on.
    fn write(&mut self, values: &mut Self::Values, offset: usize, data: &[Self::Real]);
    /// Reads a range of entries; waits for the work recorded so far.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device was lost.
    fn read(&mut self, values: &Self::Values, range: Range<usize>) -> Result<Vec<Self::Real>>;
    /// Sets a range of entries to `value`.
    fn fill(&mut self, values: &mut Self::Values, range: Range<usize>, value: f64);
    /// Writes words from the first on.
    fn write_words(&mut self, words: &mut Self::Words, data: &[u32]);
    /// The activity has this shape from here on; it fits into the room that was made. What it holds is lost.
    fn reshape(&mut self, activity: &mut Self::Activity, shape: Shape);
    /// Writes rows of an activity from row `first` on (counted with the history, so step t is row `HISTORY + t`).
    fn write_activity(&mut self, activity: &mut Self::Activity, first: usize, data: ActivityData<Self::Real>);
    /// Reads rows `range` (counted with the history, so step t is row `HISTORY + t`) as numbers, `[rows][B][np]`.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device was lost.
    fn read_activity(&mut self, activity: &Self::Activity, range: Range<usize>) -> Result<Vec<Self::Real>>;
    /// Writes the two history rows, `[HISTORY][B][np]` numbers (0 and 1 for a raster).
    fn write_history(&mut self, activity: &mut Self::Activity, data: &[Self::Real]);
    /// Moves the last two steps into the history, so that the next sequence goes on from here.
    fn advance(&mut self, activity: &mut Self::Activity);
    /// The last two steps of `from` become the history of `to`, an activity of the same kind, batch and units.
    fn carry(&mut self, from: &Self::Activity, to: &mut Self::Activity);
    /// Copies `count` stretches of `len` numbers: `to[to_at.first + i to_at.stride + j] = from[…]`.
    fn copy(
        &mut self,
        from: &Self::Values,
        from_at: Stretch,
        to: &mut Self::Values,
        to_at: Stretch,
        count: usize,
        len: usize,
    );
    /// The first `len` numbers (even) as 16-bit floats, two in a word, held within ±65504.
    fn halve(&mut self, values: &Self::Values, len: usize, out: &mut Self::Words);
    /// The other way round.
    fn unhalve(&mut self, words: &Self::Words, len: usize, out: &mut Self::Values);
    /// See [`EncodeRate`].
    fn encode_rate(&mut self, call: EncodeRate<Self>);
    /// Copies plane `from` to plane `to` in `[B][PLANES][np]`.
    fn copy_plane(&mut self, shape: Shape, planes: &mut Self::Values, from: usize, to: usize);
    /// Sets a plane to one value (padding too).
    fn fill_plane(&mut self, shape: Shape, planes: &mut Self::Values, plane: usize, value: f64);

    /// Constants `[5 + own][np]` from parameters `[4 + own][np]`: α = exp(−dt/τ_syn) (0 without a synapse), β, γ, θ, b;
    /// padding: α = β = γ = 0, θ = [`NEVER`], b = 0. α and β are held at or below the largest number under 1 (not where
    /// there is no leak). A snippet's own are transformed in the padding as well.
    fn constants(&mut self, model: Model, units: usize, dt: f64, parameters: &Self::Values, out: &mut Self::Values);
    /// Refreshes the other layouts of weights `[rows][pad(columns)]`, after each update.
    fn prepare(&mut self, weights: &Self::Values, rows: usize, columns: usize, out: &mut Self::Prepared);

    /// See [`Drive`].
    fn drive(&mut self, call: Drive<Self>);
    /// See [`Forward`]. `drive` is X, `[T][B][np]`; a backend may complete it by the recurrent part in place.
    fn forward(&mut self, drive: &Self::Values, call: Forward<Self>);
    /// [`Kernels::drive`], then [`Kernels::forward`]: what normally runs. A backend may fuse them.
    fn layer_forward(&mut self, drive: Drive<Self>, forward: Forward<Self>);
    /// See [`Backward`].
    fn backward(&mut self, call: Backward<Self>);
    /// [`Kernels::drive_backward`] of the layer above, then [`Kernels::backward`] with its result as the gradient of the
    /// spikes: what normally runs. A backend may fuse them. `call.gradient_spikes` is None, `call.range` all steps.
    fn layer_backward(&mut self, above: Above<Self>, call: Backward<Self>) {
        let Above { shape, lag, weights, chi, accumulate, gradient } = above;
        let again = Above { shape, lag, weights, chi, accumulate, gradient: &mut *gradient };
        self.drive_backward(again.drive_backward(call.shape.units));
        self.backward(Backward { gradient_spikes: Some(&*gradient), ..call });
    }
    /// See [`DriveBackward`].
    fn drive_backward(&mut self, call: DriveBackward<Self>);
    /// See [`WeightGradient`].
    fn weight_gradient(&mut self, call: WeightGradient<Self>);
    /// See [`NeuronGradient`].
    fn neuron_gradient(&mut self, call: NeuronGradient<Self>);

    /// See [`TimeForward`].
    fn time_forward(&mut self, call: TimeForward<Self>);
    /// See [`TimeBackward`].
    fn time_backward(&mut self, call: TimeBackward<Self>);
    /// See [`LstmForward`].
    fn lstm_forward(&mut self, call: LstmForward<Self>);
    /// See [`LstmBackward`].
    fn lstm_backward(&mut self, call: LstmBackward<Self>);

    /// See [`Count`].
    fn count(&mut self, call: Count<Self>);
    /// See [`Tally`].
    fn tally(&mut self, call: Tally<Self>);
    /// See [`Collapse`].
    fn collapse(&mut self, call: Collapse<Self>);
    /// See [`Spread`].
    fn spread(&mut self, call: Spread<Self>);
    /// See [`Loss`].
    fn loss(&mut self, call: Loss<Self>);
    /// See [`Regularise`].
    fn regularise(&mut self, call: Regularise<Self>);

    /// `metrics[slot] = Σ x²` over the first `len` entries.
    fn square_sum(&mut self, values: &Self::Values, len: usize, metrics: &mut Self::Values, slot: usize);
    /// From the sums of squares in `metrics[squares]`: `control[0]` = the factor that brings the global norm to at most
    /// `max_norm` (1 without a bound), `control[1]` = 1 where the norm and `metrics[loss]` are finite, else 0.
    fn control(
        &mut self,
        metrics: &Self::Values,
        squares: Range<usize>,
        loss: usize,
        max_norm: Option<f64>,
        control: &mut Self::Values,
    );
    /// `values[0..len] = factor · from[0..len]`, or times itself where `from` is None.
    fn scale(&mut self, from: Option<&Self::Values>, factor: f64, len: usize, values: &mut Self::Values);
    /// `values[0..len] += from[0..len]`.
    fn add(&mut self, from: &Self::Values, len: usize, values: &mut Self::Values);
    /// See [`Dropout`].
    fn dropout(&mut self, call: Dropout<Self>);
    /// See [`DropoutBackward`].
    fn dropout_backward(&mut self, call: DropoutBackward<Self>);
    /// See [`Normalise`].
    fn normalise(&mut self, call: Normalise<Self>);
    /// See [`NormaliseBackward`].
    fn normalise_backward(&mut self, call: NormaliseBackward<Self>);

    /// See [`Constrain`].
    fn constrain(&mut self, call: Constrain<Self>);
    /// See [`Update`].
    fn update(&mut self, call: Update<Self>);
    /// Holds a range of entries between `low` and `high`: what a bounded parameter needs after an update.
    fn clamp(&mut self, values: &mut Self::Values, range: Range<usize>, low: f64, high: f64);

    /// The form in which a layer runs best, forward and backward.
    fn form(&self, shape: Shape, recurrent: bool) -> (Form, Form);
    /// Hands recorded work to the device without waiting for it.
    fn submit(&mut self);

    /// From here on the time of every call is recorded, or no longer; what was recorded before is forgotten. While it is,
    /// the activity that calls meet is counted between them.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device cannot measure time.
    fn profile(&mut self, on: bool) -> Result<()> {
        match on {
            true => Err(crate::Error::Device("this backend does not record where time goes".into())),
            false => Ok(()),
        }
    }
    /// The calls that follow are for this layer; None: for all, or none. Only a profile asks.
    fn at_layer(&mut self, _layer: Option<usize>) {}
    /// What was recorded since the last call, or since [`Kernels::profile`]; waits for the device.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device was lost.
    fn take_profile(&mut self) -> Result<Profile> {
        Ok(Profile::default())
    }

    /// Bytes that all living arrays take.
    fn allocated(&self) -> u64;
    /// The most that they took at once so far.
    fn peak(&self) -> u64;
    /// Bytes of one array at most; [`Memory::weights`] may take several.
    fn largest_array(&self) -> u64;
    /// Bytes that a run takes where nobody says how many.
    fn fair_share(&self) -> u64;
    /// Whether the fused forms leave the drive and the gradient of the spikes unwritten, so that they need no room: of
    /// a projection from such a source; of [`Kernels::layer_backward`] where nothing is accumulated.
    fn leaves_drive(&self, projection: Projection, source: ActivityKind) -> bool;
    /// See [`Kernels::leaves_drive`].
    fn leaves_gradient(&self) -> bool;
    /// Bytes that [`WeightGradient`] takes for itself besides, over so many `samples` of arrays of `shape` from a source of
    /// `inputs`, in a whole batch of `batch`.
    fn weight_gradient_bytes(
        &self,
        projection: Projection,
        source: ActivityKind,
        inputs: usize,
        shape: Shape,
        samples: usize,
        batch: usize,
    ) -> u64;
}
