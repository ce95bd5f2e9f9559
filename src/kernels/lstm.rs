//! The contract of the LSTM cell whose output is thresholded (`slstm`, snnTorch).

use super::{Kernels, Model, Shape};

/// Gates of an LSTM cell, in the order i, f, g, o.
pub const GATES: usize = 4;

/// The cell over all steps:
///
/// ```text
/// i, f, g, o = σ, σ, tanh, σ (X_t + h_{t-1} R)          X, R, χ: a row holds four rows of np, one for each gate
/// c_t = f c_{t-1} + i g,   ĥ = o tanh c_t
/// h_t = ĥ (reset none)  |  ĥ − θ S_{t-1} (subtract_after)  |  ĥ (1 − S_{t-1}) (zero_after)
/// V_t = h_t,   S_t = H(h_t − θ)
/// ```
pub struct LstmForward<'a, K: Kernels> {
    /// Switches.
    pub model: Model,
    /// Shape.
    pub shape: Shape,
    /// Constants, for θ.
    pub constants: &'a K::Values,
    /// R, `[n][4 np]`.
    pub recurrent: &'a K::Values,
    /// In: X with its bias, out: the gates, `[T][B][4 np]`.
    pub gates: &'a mut K::Values,
    /// Spikes S, `[HISTORY + T][B]`.
    pub spikes: &'a mut K::Activity,
    /// `[2][T][B][np]`: V, then c; and h as a source of R, values `[HISTORY + T][B][np]`. None for inference.
    pub tape: Option<(&'a mut K::Values, &'a mut K::Activity)>,
    /// Sample planes: POTENTIAL is h and CURRENT is c, read and written.
    pub planes: &'a mut K::Values,
}

/// The adjoint of [`LstmForward`]:
///
/// ```text
/// ρ_t = g_t + [t + e < T] dL/dζ + reset term_t (0 where detached; subtract_after: −θ λ_{t+1}; zero_after: −ĥ_{t+1} λ_{t+1})
/// λ_t = gV_t + R χ_{t+1} + σ'(h_t − θ) ρ_t,   λ̂ = λ_t, zero_after: λ_t (1 − S_{t-1})
/// μ_t = f_{t+1} μ_{t+1} + λ̂ o (1 − tanh² c_t)
/// χ_t = μ_t g i(1−i),  μ_t c_{t-1} f(1−f),  μ_t i (1−g²),  λ̂ tanh c_t o(1−o)
/// ```
pub struct LstmBackward<'a, K: Kernels> {
    /// Switches.
    pub model: Model,
    /// Shape.
    pub shape: Shape,
    /// Constants, for θ.
    pub constants: &'a K::Values,
    /// What [`Kernels::prepare`] made of R.
    pub recurrent: &'a K::Prepared,
    /// Gates of the forward pass.
    pub gates: &'a K::Values,
    /// Spikes S of the forward pass.
    pub spikes: &'a K::Activity,
    /// Tape of the forward pass.
    pub tape: &'a K::Values,
    /// Gradient of the spikes from above, `[T][B][np]`.
    pub gradient_spikes: Option<&'a K::Values>,
    /// Gradient of the potential, `[T][B][np]`.
    pub gradient_potential: Option<&'a K::Values>,
    /// Whether COUNT_GRADIENT of the planes is to be added.
    pub counts: bool,
    /// Sample planes: reads START_CURRENT and COUNT_GRADIENT; LAMBDA and MU are 0 before; adds to the gradient of θ where it
    /// is learned.
    pub planes: &'a mut K::Values,
    /// χ, `[T + FUTURE][B][4 np]`; its last rows are 0.
    pub chi: &'a mut K::Values,
    /// Where `db = Σ_{t,b} χ_t` goes: row BIAS of `[5][4 np]`, overwritten. None where there is no bias.
    pub bias_gradient: Option<&'a mut K::Values>,
}
