//! The contract of neurons that see all steps at once: `psn` and `sliding_psn` (Fang et al. 2023).

use super::{Kernels, Model, Shape};

/// Weights over time, the same for every neuron of a layer.
///
/// ```text
/// order None:      W_ts = weights[t][s]                              weights [T][pad(T)], bias [pad(T)]
/// order Some(k):   W_ts = weights[k−1−(t−s)] where 0 ≤ t−s < k       weights [pad(k)], bias one number
/// ```
pub struct TimeWeights<'a, K: Kernels> {
    /// How many steps of X a step sees; None: all T of them, each by a weight of its own.
    pub order: Option<usize>,
    /// Weights.
    pub weights: &'a K::Values,
    /// Bias b of each step, or of all.
    pub bias: &'a K::Values,
}

/// `V_t = b_t + Σ_s W_ts X_s`, `S_t = H(V_t − θ)`, for all steps. V of padding is 0.
pub struct TimeForward<'a, K: Kernels> {
    /// Switches.
    pub model: Model,
    /// Shape.
    pub shape: Shape,
    /// Constants, for θ.
    pub constants: &'a K::Values,
    /// W and b.
    pub weights: TimeWeights<'a, K>,
    /// X, `[T][B][np]`.
    pub drive: &'a K::Values,
    /// Spikes S, `[HISTORY + T][B]`.
    pub spikes: &'a mut K::Activity,
    /// V, `[T][B][np]`.
    pub potential: &'a mut K::Values,
    /// Sample planes: POTENTIAL becomes V_{T-1}.
    pub planes: &'a mut K::Values,
}

/// The adjoint of [`TimeForward`]:
///
/// ```text
/// ρ_t = g_t + [t + e < T] dL/dζ,   λ_t = gV_t + σ'(V_t − θ) ρ_t
/// χ_s = Σ_t W_ts λ_t,   dW_ts = Σ_{b,j} λ_t X_s,   db_t = Σ_{b,j} λ_t,   dθ = −Σ_t σ'(V_t − θ) ρ_t
/// ```
pub struct TimeBackward<'a, K: Kernels> {
    /// Switches.
    pub model: Model,
    /// Shape.
    pub shape: Shape,
    /// Constants, for θ.
    pub constants: &'a K::Values,
    /// W and b.
    pub weights: TimeWeights<'a, K>,
    /// X of the forward pass.
    pub drive: &'a K::Values,
    /// V of the forward pass.
    pub potential: &'a K::Values,
    /// Gradient of the spikes from above, `[T][B][np]`.
    pub gradient_spikes: Option<&'a K::Values>,
    /// Gradient of the potential, `[T][B][np]`.
    pub gradient_potential: Option<&'a K::Values>,
    /// Whether COUNT_GRADIENT of the planes is to be added.
    pub counts: bool,
    /// Sample planes: reads COUNT_GRADIENT; adds to the gradients of θ and of the drive's bias where they are learned.
    pub planes: &'a mut K::Values,
    /// χ, `[T + FUTURE][B][np]`; its last rows stay as they are.
    pub chi: &'a mut K::Values,
    /// dW (overwritten), the shape of the weights.
    pub weight_gradient: &'a mut K::Values,
    /// db (overwritten).
    pub bias_gradient: &'a mut K::Values,
}
