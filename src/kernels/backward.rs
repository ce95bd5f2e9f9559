//! The calls of the backward pass of a layer.

use super::*;

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
    /// Tape of the forward pass. A layer with `kicks` needs one only for the sums of constants that are learned.
    pub tape: Option<&'a K::Values>,
    /// Gradient of the spikes from above, `[T][B][np]`.
    pub gradient_spikes: Option<&'a K::Values>,
    /// Gradient of the potential, `[T][B][np]`.
    pub gradient_potential: Option<&'a K::Values>,
    /// Whether COUNT_GRADIENT of the planes is to be added.
    pub counts: bool,
    /// Readout: ACTIVATION_GRADIENT of the planes reaches V through this reduction.
    pub reduce: Option<Reduce>,
    /// The active neurons that the forward pass listed in place of V, where it did, and where their kicks go.
    pub kicks: Option<Listing<'a, K>>,
    /// Sample planes: reads START_* (the state before row 0 of the arrays), COUNT_GRADIENT, ACTIVATION_GRADIENT, STEP, and
    /// where a reset `zero_after` is differentiated, in CURRENT, I of the step after the arrays (any number where λ is 0);
    /// carries LAMBDA, MU and the gradients of α, β, θ and b where they are learned, each sum one after the other from
    /// the last step to the first, so that its bits do not depend on the cut into ranges and windows.
    pub planes: &'a mut K::Values,
    /// χ, `[T + FUTURE][B][np]`.
    pub chi: &'a mut K::Values,
}

impl<K: Kernels> Backward<'_, K> {
    /// The tape, for a backend that lists no active neurons.
    ///
    /// # Panics
    /// Where there is none.
    pub fn kept(&self) -> &K::Values {
        self.tape.expect("only a layer whose active neurons are listed does without a tape")
    }
}

/// What the adjoint of a layer reads and leaves where its active neurons are listed.
pub struct Listing<'a, K: Kernels> {
    /// Those of the whole sequence. κ of the steps of the call is written.
    pub kicks: &'a mut K::Kicks,
    /// Whether somebody reads χ; else it is any number after the call, and so are LAMBDA and MU of the planes where nothing
    /// but kicks is asked for.
    pub chi: bool,
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
