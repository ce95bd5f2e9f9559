//! Neurons as snippets: the names of their states and parameters, one step and its adjoint in Rust, and the same in WGSL.
//!
//! Everything beyond the leaky integrate-and-fire family ([`crate::network::NeuronKind`]) is such a snippet, and a neuron
//! of your own is one too: implement [`NeuronModel`], write the four functions again in WGSL, put both into a [`Snippet`],
//! and [`register`] it. A network then asks for it by name. See `examples/custom_neuron.rs`.
//!
//! The engine does the rest around a snippet: drive, recurrence, synapse, lags, threshold, surrogate, tape, sums over
//! time, and every kernel form on both backends.
//!
//! ```text
//! z_t = step(c, S_{t-1}, J_t, z_{t-1}),   V_t = z_t[0]
//! S_t = H(V_t − threshold(c, z_t))
//! ```

mod adlif;
mod alif;
mod alpha;
mod izhikevich;
mod lapicque;
mod refractory;
mod registry;
pub mod reset;
mod rows;

pub(crate) use registry::KEYS;
pub use registry::{find, names, register, snippets};
pub use rows::{Adjoint, AdjointRows, NeuronModel, Rows, StepRows, ThresholdAdjoint, ThresholdRows, rows};

pub use crate::cpu::Float;
use crate::network::{Gain, Reset};

/// Constants that every snippet has before its own: β, γ, θ, `v_reset`.
pub const BASE: usize = 4;
/// Place of β among the constants.
pub const BETA: usize = 0;
/// Place of γ: 1 or 1 − β.
pub const GAMMA: usize = 1;
/// Place of θ.
pub const THETA: usize = 2;
/// Place of `v_reset`.
pub const V_RESET: usize = 3;

/// Most parameters of its own that a snippet may have.
pub const MOST_PARAMETERS: usize = 16;
/// Most states that a snippet may have.
pub const MOST_STATES: usize = 8;

/// How a parameter becomes the constant that the step sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transform {
    /// The parameter itself.
    Identity,
    /// `exp(−dt/τ)` of a time constant in ms.
    Decay,
    /// `dt/τ` of a time constant in ms (forward Euler).
    Rate,
}

/// How β is made of τ_mem.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Leak {
    /// `β = exp(−dt/τ_mem)`.
    #[default]
    Exponential,
    /// `β = 1 − dt/τ_mem`.
    Euler,
    /// `β = 1 − logistic(p)`, the parameter is p and starts at `−ln(τ_mem/dt − 1)` (Fang et al. 2021).
    Logistic,
    /// `β = 1`: no leak, no τ_mem.
    None,
}

/// What a parameter's number means to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// A real number.
    Real,
    /// 0 or 1; `false` or `true` in a file. Never learned.
    Flag,
    /// A whole number of at least 0. Never learned.
    Count,
    /// One of these words, as its place among them. Never learned.
    Choice(&'static [&'static str]),
}

/// A parameter of a snippet, a key of the `neuron` table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParameterSpec {
    /// Key in a file; part of the tensor's name.
    pub name: &'static str,
    /// Name of the constant in WGSL.
    pub constant: &'static str,
    /// Value where a file has none.
    pub default: f64,
    /// From parameter to constant.
    pub transform: Transform,
    /// Smallest and largest value allowed.
    pub range: (f64, f64),
    /// What it means.
    pub meaning: Meaning,
}

impl ParameterSpec {
    /// A real number used as it is.
    pub const fn real(name: &'static str, default: f64) -> Self {
        let range = (f64::NEG_INFINITY, f64::INFINITY);
        ParameterSpec { name, constant: name, default, transform: Transform::Identity, range, meaning: Meaning::Real }
    }

    /// A time constant in ms; `constant` names its decay `exp(−dt/τ)`.
    pub const fn decay(name: &'static str, constant: &'static str, default: f64) -> Self {
        let range = (f64::MIN_POSITIVE, f64::INFINITY);
        ParameterSpec { name, constant, default, transform: Transform::Decay, range, meaning: Meaning::Real }
    }

    /// A time constant in ms; `constant` names its rate `dt/τ`.
    pub const fn rate(name: &'static str, constant: &'static str, default: f64) -> Self {
        let range = (f64::MIN_POSITIVE, f64::INFINITY);
        ParameterSpec { name, constant, default, transform: Transform::Rate, range, meaning: Meaning::Real }
    }

    /// 0 or 1.
    pub const fn flag(name: &'static str, default: bool) -> Self {
        let (default, range) = (if default { 1.0 } else { 0.0 }, (0.0, 1.0));
        ParameterSpec { name, constant: name, default, transform: Transform::Identity, range, meaning: Meaning::Flag }
    }

    /// One of some words, the first where a file has none.
    pub const fn choice(name: &'static str, words: &'static [&'static str]) -> Self {
        let (transform, range) = (Transform::Identity, (0.0, words.len() as f64 - 1.0));
        ParameterSpec { name, constant: name, default: 0.0, transform, range, meaning: Meaning::Choice(words) }
    }

    /// A whole number.
    pub const fn count(name: &'static str, default: u32) -> Self {
        let (default, range) = (default as f64, (0.0, 65535.0));
        ParameterSpec { name, constant: name, default, transform: Transform::Identity, range, meaning: Meaning::Count }
    }

    /// The same, above 0.
    pub const fn positive(mut self) -> Self {
        self.range = (f64::MIN_POSITIVE, f64::INFINITY);
        self
    }

    /// Whether training may change it.
    pub fn learnable(&self) -> bool {
        self.meaning == Meaning::Real
    }

    /// Whether its values are above 0, so that the optimiser moves their logarithm.
    pub fn logarithmic(&self) -> bool {
        self.range.0 > 0.0
    }
}

/// When the tape holds J_t for the adjoint. (Besides: where γ = 1 − β and τ_mem is learned, and for a differentiated
/// `zero_after`.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeepsDrive {
    /// Never.
    Never,
    /// Where τ_mem or one of its own parameters is learned.
    ForParameters,
    /// Always.
    Always,
}

/// See [`Snippet::check`].
pub type Check = fn(&[f64], f64) -> std::result::Result<(), (usize, String)>;

/// Nothing to check.
pub fn unchecked(_values: &[f64], _dt: f64) -> std::result::Result<(), (usize, String)> {
    Ok(())
}

/// A neuron as data. See the module.
#[derive(Debug)]
pub struct Snippet {
    /// Name in a network file.
    pub name: &'static str,
    /// One line: the equation and its source.
    pub about: &'static str,
    /// Names of the states, V first.
    pub states: &'static [&'static str],
    /// Its own parameters, after τ_mem and the threshold.
    pub parameters: &'static [ParameterSpec],
    /// How β is made.
    pub leak: Leak,
    /// Reset forms that it takes, the default first.
    pub resets: &'static [Reset],
    /// γ where a file does not say; None: that of the preset.
    pub gain: Option<Gain>,
    /// When its adjoint reads J_t, so that the tape must hold it.
    pub keeps_drive: KeepsDrive,
    /// What must hold between its own parameters (their values for one neuron, in order, and dt in ms): the place of the one
    /// that is wrong, and what is allowed there. [`unchecked`] where all is well.
    pub check: Check,
    /// `step`, `threshold`, `adjoint` and `threshold_adjoint` in WGSL.
    pub wgsl: &'static str,
    /// The same in Rust for a reset form, made by [`rows`].
    pub rust: fn(Reset) -> &'static dyn Rows,
}

impl PartialEq for Snippet {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Snippet {}

impl std::hash::Hash for Snippet {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Snippet {
    /// Number of states K.
    pub fn states(&self) -> usize {
        self.states.len()
    }

    /// The parameter `name` and its place among the snippet's own.
    pub fn parameter(&self, name: &str) -> Option<(usize, &ParameterSpec)> {
        self.parameters.iter().enumerate().find(|(_, spec)| spec.name == name)
    }
}

/// The planes of a snippet behind the common ones of a layer: `[planes][B][np]`, each whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// States K.
    pub states: usize,
    /// Parameters of its own.
    pub parameters: usize,
}

impl Tail {
    /// Of a snippet.
    pub fn of(snippet: &Snippet) -> Self {
        Tail { states: snippet.states(), parameters: snippet.parameters.len() }
    }

    /// State `state` ≥ 1 of the last step done (V stands in the common planes).
    pub fn state(&self, state: usize) -> usize {
        state - 1
    }

    /// State `state` ≥ 1 before step 0.
    pub fn start(&self, state: usize) -> usize {
        self.states - 1 + state - 1
    }

    /// dL/dz of state `state` ≥ 0 from the step after the range.
    pub fn carry(&self, state: usize) -> usize {
        2 * (self.states - 1) + state
    }

    /// dL/dS through the step after the range.
    pub fn carry_spike(&self) -> usize {
        3 * self.states - 2
    }

    /// dL/dJ of the step after the range.
    pub fn carry_drive(&self) -> usize {
        3 * self.states - 1
    }

    /// dL/d constant of the snippet's own parameter `parameter`, summed over the steps.
    pub fn gradient(&self, parameter: usize) -> usize {
        3 * self.states + parameter
    }

    /// Number of planes.
    pub fn len(&self) -> usize {
        3 * self.states + self.parameters
    }

    /// Never: a snippet has V.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The planes that a backward pass starts at 0: carries and gradients.
    pub fn cleared(&self) -> std::ops::Range<usize> {
        self.carry(0)..self.len()
    }
}
