//! The leaky integrate-and-fire family as data: every switch of the dynamics, and the parameters.
//!
//! Step `t`, drive `X`, synaptic current `I`, membrane potential `V` (before reset: the value that the threshold sees),
//! spike `S`, `α = exp(−dt/τ_syn)`, `β = exp(−dt/τ_mem)`:
//!
//! ```text
//! I_t = α I_{t-1} + X_t                    no synapse: α = 0
//! J_t = I_t (lag 0) or I_{t-1} (lag 1)
//! V_t = reset_form(V_{t-1}, S_{t-1}, γ J_t)
//! S_t = H(V_t − θ),  O_t = S_{t-e}
//! ```

use crate::neuron::{Leak, Snippet};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::collections::BTreeMap;

/// Which neuron.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NeuronKind {
    /// Integrate-and-fire: β = 1, γ = 1, no τ_mem.
    If,
    /// Leaky integrate-and-fire, the drive acts on the membrane directly.
    Lif,
    /// Current-based leaky integrate-and-fire: an exponential synapse before the membrane.
    CubaLif,
    /// Leaky integrate-and-fire with a learned leak `1 − β = logistic(p)` (Fang et al. 2021).
    Plif,
    /// Leaky integrator that does not spike: the readout. With `tau_syn` it has a synapse.
    Li,
    /// Leaky integrate-and-fire with several spikes a step: `S_t = clamp(⌊V_t/θ⌋, 0, max_spikes)`.
    MultiSpike,
    /// `V = W_time X + b_t` over all steps at once, no reset (Fang et al. 2023).
    Psn,
    /// The same with the last `order` steps of X, and the same weights at every step.
    SlidingPsn,
    /// An LSTM cell whose output h is thresholded, snnTorch's SLSTM: always recurrent, h is fed back.
    Slstm,
    /// Any other neuron: see [`crate::neuron`].
    Snippet(&'static Snippet),
}

impl NeuronKind {
    /// The kinds of the leaky integrate-and-fire family.
    pub const FAMILY: [NeuronKind; 6] = [
        NeuronKind::If,
        NeuronKind::Lif,
        NeuronKind::CubaLif,
        NeuronKind::Plif,
        NeuronKind::MultiSpike,
        NeuronKind::Li,
    ];

    /// The kinds whose neurons are no membranes: weights over time, gates.
    pub const WHOLE: [NeuronKind; 3] = [NeuronKind::Psn, NeuronKind::SlidingPsn, NeuronKind::Slstm];

    /// The kind of that name in a network file.
    pub fn named(name: &str) -> Option<NeuronKind> {
        let mut known = NeuronKind::FAMILY.into_iter().chain(NeuronKind::WHOLE);
        let family = known.find(|kind| kind.name() == name);
        family.or_else(|| crate::neuron::find(name).map(NeuronKind::Snippet))
    }

    /// The name in a network file.
    pub fn name(self) -> &'static str {
        match self {
            NeuronKind::If => "if",
            NeuronKind::Lif => "lif",
            NeuronKind::CubaLif => "cuba_lif",
            NeuronKind::Plif => "plif",
            NeuronKind::MultiSpike => "multi_spike",
            NeuronKind::Li => "li",
            NeuronKind::Psn => "psn",
            NeuronKind::SlidingPsn => "sliding_psn",
            NeuronKind::Slstm => "slstm",
            NeuronKind::Snippet(snippet) => snippet.name,
        }
    }

    /// All names that are known.
    pub fn names() -> Vec<&'static str> {
        let whole = NeuronKind::WHOLE.map(NeuronKind::name);
        NeuronKind::FAMILY.iter().map(|kind| kind.name()).chain(crate::neuron::names()).chain(whole).collect()
    }

    /// Drives of a neuron: an LSTM cell has one for each gate, i, f, g, o.
    pub fn gates(self) -> usize {
        if self == NeuronKind::Slstm { crate::kernels::GATES } else { 1 }
    }

    /// Reset forms that it takes, the default first.
    pub fn resets(self) -> &'static [Reset] {
        match self {
            NeuronKind::Psn | NeuronKind::SlidingPsn => &[Reset::None],
            NeuronKind::Slstm => &[Reset::None, Reset::SubtractAfter, Reset::ZeroAfter],
            NeuronKind::Snippet(snippet) => snippet.resets,
            NeuronKind::MultiSpike => &[Reset::SubtractBefore, Reset::SubtractAfter, Reset::None],
            _ => &Reset::ALL,
        }
    }

    /// Whether it sees all steps at once, by weights over time.
    pub fn over_time(self) -> bool {
        matches!(self, NeuronKind::Psn | NeuronKind::SlidingPsn)
    }

    /// The snippet behind it.
    pub fn snippet(self) -> Option<&'static Snippet> {
        match self {
            NeuronKind::Snippet(snippet) => Some(snippet),
            _ => None,
        }
    }

    /// How β is made of τ_mem.
    pub fn leak(self) -> Leak {
        match self {
            NeuronKind::If | NeuronKind::Psn | NeuronKind::SlidingPsn | NeuronKind::Slstm => Leak::None,
            NeuronKind::Plif => Leak::Logistic,
            NeuronKind::Snippet(snippet) => snippet.leak,
            _ => Leak::Exponential,
        }
    }
}

impl Serialize for NeuronKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for NeuronKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        NeuronKind::named(&name)
            .ok_or_else(|| de::Error::custom(crate::suggest::unknown("neuron", &name, &NeuronKind::names())))
    }
}

/// How a spike resets the membrane. The formula of each form stands at its variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reset {
    /// `V_t = β (V_{t-1} − θ S_{t-1}) + γ J_t`: SpikingJelly soft, sinabs.
    SubtractBefore,
    /// `V_t = β V_{t-1} − θ S_{t-1} + γ J_t`: snnTorch, Neftci et al. 2019 eq. 5.
    SubtractAfter,
    /// `V_t = β V_{t-1} (1 − S_{t-1}) + β v_reset S_{t-1} + γ J_t`: SpikingJelly hard, Norse.
    ZeroBefore,
    /// `V_t = (β V_{t-1} + γ J_t) (1 − S_{t-1})`: Zenke & Vogels 2021 eq. 4.1.
    ZeroAfter,
    /// `V_t = β V_{t-1} + γ J_t`: readouts.
    None,
}

impl Reset {
    /// All forms, in the order of their numbers in the shaders.
    pub const ALL: [Reset; 5] =
        [Reset::SubtractBefore, Reset::SubtractAfter, Reset::ZeroBefore, Reset::ZeroAfter, Reset::None];

    /// The name in a network file.
    pub fn name(self) -> &'static str {
        match self {
            Reset::SubtractBefore => "subtract_before",
            Reset::SubtractAfter => "subtract_after",
            Reset::ZeroBefore => "zero_before",
            Reset::ZeroAfter => "zero_after",
            Reset::None => "none",
        }
    }
}

/// The factor `γ` before `J_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gain {
    /// `γ = 1`.
    One,
    /// `γ = 1 − β`.
    OneMinusBeta,
}

/// Whether a potential equal to the threshold spikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// `V > θ`: `H(0) = 0`.
    Greater,
    /// `V ≥ θ`: `H(0) = 1`.
    GreaterEqual,
}

/// Whether a learned parameter has one value for the layer or one for each neuron.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// One value.
    Layer,
    /// One value for each neuron.
    Neuron,
}

/// A neuron parameter: a number, a list of one number for each neuron, or `{ value, learned, per }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// One value, or one for each neuron.
    pub values: Vec<f64>,
    /// Whether `values` was given as a list.
    pub listed: bool,
    /// Whether training changes it.
    pub learned: bool,
    /// One value for the layer or for each neuron; a list is always for each neuron.
    pub per: Per,
    /// Smallest value that training may give it.
    pub min: Option<f64>,
    /// Largest value that training may give it.
    pub max: Option<f64>,
    /// σ of ln of the values, which are drawn around the given ones (the medians) at the start; 0: as they are.
    pub log_normal: f64,
}

impl From<f64> for Parameter {
    fn from(value: f64) -> Self {
        Parameter::plain(vec![value], false)
    }
}

impl From<Vec<f64>> for Parameter {
    fn from(values: Vec<f64>) -> Self {
        Parameter::plain(values, true)
    }
}

impl Parameter {
    fn plain(values: Vec<f64>, listed: bool) -> Self {
        let per = if listed { Per::Neuron } else { Per::Layer };
        Parameter { values, listed, learned: false, per, min: None, max: None, log_normal: 0.0 }
    }

    /// Of a neuron that has no such parameter.
    pub fn absent() -> Self {
        Parameter::plain(Vec::new(), false)
    }

    /// Whether the neuron has no such parameter.
    pub fn is_absent(&self) -> bool {
        self.values.is_empty()
    }

    /// The same parameter, held between two values while it is learned.
    pub fn between(mut self, min: f64, max: f64) -> Self {
        (self.min, self.max) = (Some(min), Some(max));
        self
    }

    /// The same parameter, changed by training, one value for the layer (or for each neuron where a list was given).
    pub fn learned(mut self) -> Self {
        self.learned = true;
        self
    }

    /// The same parameter with a value of its own for each neuron.
    pub fn per_neuron(mut self) -> Self {
        self.per = Per::Neuron;
        self
    }

    /// The same parameter, each neuron's value drawn at the start: its logarithm has standard deviation `sigma`.
    pub fn log_normal(mut self, sigma: f64) -> Self {
        (self.per, self.log_normal) = (Per::Neuron, sigma);
        self
    }

    /// How many values are stored for `units` neurons.
    pub fn stored(&self, units: usize) -> usize {
        match self.per {
            Per::Layer => 1,
            Per::Neuron => units,
        }
    }

    /// The value of each of `units` neurons.
    pub fn broadcast(&self, units: usize) -> Vec<f64> {
        if self.listed { self.values.clone() } else { vec![self.values[0]; units] }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Full {
    value: Plain,
    #[serde(default)]
    learned: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    per: Option<Per>,
    #[serde(default, skip_serializing_if = "is_zero")]
    log_normal: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<f64>,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

enum Plain {
    One(f64),
    Many(Vec<f64>),
}

impl Serialize for Plain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Plain::One(value) => value.serialize(serializer),
            Plain::Many(values) => values.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parameter = Parameter::deserialize(deserializer)?;
        Ok(if parameter.listed { Plain::Many(parameter.values) } else { Plain::One(parameter.values[0]) })
    }
}

impl Serialize for Parameter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let plain = if self.listed { Plain::Many(self.values.clone()) } else { Plain::One(self.values[0]) };
        let usual = if self.listed || self.log_normal != 0.0 { Per::Neuron } else { Per::Layer };
        let Parameter { learned, min, max, log_normal, .. } = *self;
        if !learned && self.per == usual && log_normal == 0.0 && min.is_none() && max.is_none() {
            plain.serialize(serializer)
        } else {
            let per = (self.per != usual).then_some(self.per);
            Full { value: plain, learned, per, log_normal, min, max }.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Parameter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Parameter;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str(
                    "a number, a list of one number a neuron, or { value = …, learned = true, per = \"neuron\", min = …, max = … }",
                )
            }

            fn visit_f64<E>(self, value: f64) -> Result<Parameter, E> {
                Ok(Parameter::from(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Parameter, E> {
                Ok(Parameter::from(value as f64))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Parameter, E> {
                Ok(Parameter::from(value as f64))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Parameter, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = seq.next_element::<f64>()? {
                    values.push(value);
                }
                Ok(Parameter::from(values))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Parameter, A::Error> {
                let full = Full::deserialize(de::value::MapAccessDeserializer::new(map))?;
                let mut parameter = match full.value {
                    Plain::One(value) => Parameter::from(value),
                    Plain::Many(values) => Parameter::from(values),
                };
                parameter.learned = full.learned;
                (parameter.min, parameter.max) = (full.min, full.max);
                parameter.log_normal = full.log_normal;
                if full.log_normal != 0.0 {
                    parameter.per = Per::Neuron;
                    if full.per == Some(Per::Layer) {
                        return Err(de::Error::custom(
                            "log_normal gives each neuron a value, so per cannot be \"layer\"",
                        ));
                    }
                }
                if let Some(per) = full.per {
                    if parameter.listed && per == Per::Layer {
                        return Err(de::Error::custom("a list of values cannot be per = \"layer\""));
                    }
                    parameter.per = per;
                }
                Ok(parameter)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// None is written as `false`: what is left out of a file comes from its preset.
fn or_false<S: Serializer>(parameter: &Option<Parameter>, serializer: S) -> Result<S::Ok, S::Error> {
    match parameter {
        Some(parameter) => parameter.serialize(serializer),
        None => serializer.serialize_bool(false),
    }
}

/// One neuron of the family: switches and parameters. Times are in ms, potentials in units of the threshold's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Neuron {
    /// Which neuron.
    pub kind: NeuronKind,
    /// Membrane time constant τ_mem, ms; `β = exp(−dt/τ_mem)`, or as [`NeuronKind::leak`] says; absent where there is no
    /// leak. (A file may give `beta` in its place.)
    #[serde(default = "Parameter::absent", skip_serializing_if = "Parameter::is_absent")]
    pub tau_mem: Parameter,
    /// Synaptic time constant τ_syn, ms; `α = exp(−dt/τ_syn)`. None, in a file `false`: no synapse. (A file may give
    /// `alpha` in its place.)
    #[serde(serialize_with = "or_false")]
    pub tau_syn: Option<Parameter>,
    /// Threshold θ; None for a neuron that does not spike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Parameter>,
    /// Reset form.
    pub reset: Reset,
    /// Whether the gradient ignores the spike in the reset (`sg S`).
    pub detach_reset: bool,
    /// 1: the membrane sees the current of the step before.
    pub lag: u32,
    /// 1: the next layer, the loss and the regularisers see the spike one step later.
    pub emit_lag: u32,
    /// After how many steps (1 or 2) a layer sees its own spikes.
    pub recurrent_lag: u32,
    /// 1: the layer sees its input one step later.
    pub input_delay: u32,
    /// The factor before the current.
    pub gain: Gain,
    /// Whether a potential equal to the threshold spikes.
    pub comparison: Comparison,
    /// `v_reset` of the form `zero_before`.
    pub reset_potential: f64,
    /// `V_{-1}`.
    pub initial_potential: f64,
    /// `I_{-1}`.
    pub initial_current: f64,
    /// Most spikes of a step of a [`NeuronKind::MultiSpike`], 1 to 255.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_spikes: Option<u32>,
    /// Whether the surrogate of a [`NeuronKind::MultiSpike`] has a peak at every multiple of θ (sinabs), not only at θ.
    #[serde(default, skip_serializing_if = "is_false")]
    pub periodic: bool,
    /// Of a `psn`: the number of steps T that its weights over time are made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Of a `sliding_psn`: how many steps of the drive it sees, the current one included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<usize>,
    /// The neuron's own parameters by name, where it is a snippet; those left out have their default.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Parameter>,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Neuron {
    /// Whether it has a synapse.
    pub fn synapse(&self) -> bool {
        self.tau_syn.is_some()
    }

    /// The value of a snippet's own parameter `index`.
    pub fn own(&self, index: usize) -> Option<Parameter> {
        let spec = self.kind.snippet()?.parameters.get(index)?;
        Some(self.parameters.get(spec.name).cloned().unwrap_or_else(|| spec.default.into()))
    }

    /// Shape of the weights over time of a kind that has some: rows, columns.
    pub fn time(&self) -> Option<(usize, usize)> {
        match self.kind {
            NeuronKind::Psn => self.steps.map(|steps| (steps, steps)),
            NeuronKind::SlidingPsn => self.order.map(|order| (1, order)),
            _ => None,
        }
    }

    /// Whether it spikes.
    pub fn spiking(&self) -> bool {
        self.kind != NeuronKind::Li
    }
}
