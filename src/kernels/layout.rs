//! What arrays look like: their rows and planes, and the window of a batch that a call works on.

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

/// Rows of the constants of a layer, `[5][np]`, made from the parameters by [`super::Kernels::constants`].
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
