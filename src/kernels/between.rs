//! What stands between layers, or acts on their spikes.

use super::*;

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
