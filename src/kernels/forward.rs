//! The calls of the forward pass of a layer.

use super::*;

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
    /// Tape of V (and I where kept), or None for inference, or where `active` is all that the adjoint reads.
    pub tape: Option<&'a mut K::Values>,
    /// Where the neurons go whose σ'(V − θ) is not 0, with their σ'. The call that holds the first step of the sequence begins a
    /// new list, and each later one goes on with the step after.
    pub active: Option<&'a mut K::Kicks>,
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
            active: self.active.as_deref_mut(),
            planes: &mut *self.planes,
            reduce: self.reduce,
        }
    }
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
