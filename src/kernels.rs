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

mod backward;
mod between;
pub mod cost;
mod forward;
mod gradient;
mod layout;
mod lstm;
mod model;
mod profile;
mod readout;
mod time;
mod update;
mod when;

pub use backward::{Above, Backward, DriveBackward, Listing};
pub use between::{
    Dropout, DropoutBackward, DropoutMask, Normalise, NormaliseBackward, NormaliseTraining, Regularise, normal,
};
pub use forward::{Drive, EncodeRate, Forward};
pub use gradient::{KickGradient, KickedChi, NeuronGradient, WeightGradient, chunk, quantum};
pub use layout::{
    ActivityData, ActivityKind, FUTURE, HISTORY, NEVER, Real, Shape, Stretch, Window, constant, plane, row,
};
pub use lstm::{GATES, LstmBackward, LstmForward};
pub use model::{Firing, Form, Learned, Model, Projection};
pub use profile::{Cost, Gather, Profile, Span};
pub use readout::{
    Answer, Collapse, Count, Criterion, Loss, MASKED, Place, Pooling, Recording, Score, Scores, Spread, Tally,
    coefficient,
};
pub use time::{TimeBackward, TimeForward, TimeWeights};
pub use update::{Constrain, Mode, Modes, Penalty, Rule, Update};
pub use when::When;

use crate::error::Result;
use crate::network::{Reduce, Regulariser, Reset, Surrogate};
use crate::neuron::{KeepsDrive, Leak, Snippet, Tail};
use std::ops::Range;

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
    /// The active neurons of a layer (those whose σ' is not 0) and their kicks; see [`Forward::active`] and [`KickGradient`].
    /// Of a backend that lists none, a type without values.
    type Kicks;

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
    /// An empty list for a layer that [`Kernels::kicks_suffice`] may be true of; None where the backend lists none.
    fn kicks(&mut self, _model: Model) -> Option<Self::Kicks> {
        None
    }
    /// Whether the active neurons of a layer with these constants are listed and the gradient of its weights is summed from
    /// their kicks.
    fn kicks_suffice(&self, _model: Model, _units: usize, _constants: &Self::Values) -> bool {
        false
    }
    /// Bytes that a list takes beyond those it has, for a whole sequence of samples of this shape, and for so many numbers of
    /// filtered source that are kept from window to window. More where more neurons are near their threshold than expected.
    fn more_for_kicks(&self, _kicks: &Self::Kicks, _shape: Shape, _filtered: usize) -> u64 {
        0
    }
    /// Bytes of the list of some samples between forward and backward pass.
    fn kept_by_kicks(&self, _kicks: &Self::Kicks, _samples: usize) -> u64 {
        0
    }
    /// See [`KickGradient`].
    fn kick_gradient(&mut self, call: KickGradient<Self>);
    /// See [`KickedChi`].
    fn kicked_chi(&mut self, call: KickedChi<Self>);
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
    /// The form in which a recurrent layer runs best forward where a share `active` of its neurons spikes in a step. No form
    /// changes a bit.
    fn form_at(&self, shape: Shape, active: f64) -> Form;
    /// Tells what share of the entries of a spiking `activity` will be active in each step, which the form of what reads it
    /// may depend on. No form changes a bit.
    fn expect(&mut self, activity: &mut Self::Activity, active: f64);
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
