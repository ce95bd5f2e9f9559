//! The switches of a layer, and the forms in which it can run.

use super::*;

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

/// A connection's arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Projection {
    /// `X_t = s_{t-L} W`, W `[in][np]`.
    Dense,
    /// `X_{t,j} = w_j s_{t-L, j mod in}`, w `[np]`; the source holds values, not bits.
    Current,
}
