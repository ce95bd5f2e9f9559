//! From recordings of the last layer to a loss, its gradient and its answers.

use super::*;

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
