//! What is trained: layers, neurons, surrogates, initialisers, presets. Plain data, no device.
//!
//! A [`Network`] is built with [`Network::builder`] or read from TOML with [`Network::from_toml`]; what is left out is
//! filled in from the preset. [`Network::validate`] names every mistake with its place.

mod builder;
mod constraint;
mod custom;
mod dropout;
mod file;
mod initialise;
mod loss;
mod neuron;
mod preset;
mod readout;
mod regulariser;
mod surrogate;
mod switches;
mod validate;

pub use builder::Builder;
pub use constraint::Dale;
pub use custom::CustomSurrogate;
pub(crate) use custom::register as register_surrogate;
pub use dropout::{Dropout, DropoutPer, Normalise, NormaliseKind, Scale};
pub(crate) use file::{syntax, typed, with_line};
pub use initialise::Init;
pub use loss::{Average, Inverse, Loss};
pub use neuron::{Comparison, Gain, Neuron, NeuronKind, Parameter, Per, Reset};
pub use preset::Preset;
pub use readout::{Of, Readout, Reduce, Reduction, Term};
pub use regulariser::Regulariser;
pub use surrogate::{Surrogate, SurrogateKind};

use serde::{Deserialize, Serialize};

/// How a layer is connected to its input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Connection {
    /// `X = s W + b`, weights `[in, out]`.
    #[default]
    Dense,
    /// Learned current encoder: neuron j sees channel `j mod inputs`, `X_j = w_j x_(j mod inputs) + b_j`, weights `[units]`.
    /// First layer only, analogue input (SpyTorch tutorial 5).
    Current,
}

/// One layer: a connection to the layer below (or the input), an optional recurrent one, and a neuron.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Number of neurons.
    pub units: usize,
    /// Connection to the layer below.
    #[serde(default)]
    pub connection: Connection,
    /// Whether its spikes come back to it through weights `[units, units]`, from row to column.
    #[serde(default)]
    pub recurrent: bool,
    /// Whether the drive has a bias.
    #[serde(default)]
    pub bias: bool,
    /// The neuron.
    pub neuron: Neuron,
    /// Surrogate derivative; None for a neuron that does not spike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub surrogate: Option<Surrogate>,
    /// Initialiser of the feed-forward weights.
    #[serde(default)]
    pub init: Init,
    /// Initialiser of the recurrent weights.
    #[serde(default)]
    pub recurrent_init: Init,
    /// Initialiser of the bias.
    #[serde(default = "zero")]
    pub bias_init: Init,
    /// Dale's law for both connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dale: Option<Dale>,
    /// Fraction of the feed-forward weights that exist, drawn from the seed; None: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub density: Option<f64>,
    /// The same for the recurrent weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrent_density: Option<f64>,
    /// Whether a recurrent unit has a weight to itself.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub self_connections: bool,
    /// Dropout of the spikes on their way to the next layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropout: Option<Dropout>,
    /// Normalisation of the feed-forward drive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalise: Option<Normalise>,
    /// Activity regularisers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regularise: Vec<Regulariser>,
}

fn zero() -> Init {
    Init::Constant { value: 0.0 }
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

/// A spiking network as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Where the switches that were left out came from.
    #[serde(default)]
    pub preset: Preset,
    /// Length of a step, ms.
    pub dt: f64,
    /// Input channels.
    pub inputs: usize,
    /// Layers, from the input up. The readout reads the last one, whether it spikes or not.
    #[serde(rename = "layer")]
    pub layers: Vec<Layer>,
    /// How the last layer is read, and the loss on it.
    #[serde(default)]
    pub readout: Readout,
}

impl Network {
    /// Width of the input of layer `index`.
    pub fn fan_in(&self, index: usize) -> usize {
        if index == 0 { self.inputs } else { self.layers[index - 1].units }
    }

    /// Number of outputs: the units of the last layer.
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.units)
    }

    /// Number of classes: the outputs, or the groups of the first loss's population code.
    pub fn classes(&self) -> usize {
        self.readout.losses.first().and_then(|term| term.classes).unwrap_or(self.outputs())
    }

    /// What a loss reads of the last layer.
    pub fn reads(&self, term: &Term) -> Of {
        let spiking = self.layers.last().is_some_and(|layer| layer.neuron.spiking());
        term.of.unwrap_or(term.reduce.default_of(spiking))
    }

    /// Number of neurons, the readout included.
    pub fn neurons(&self) -> usize {
        self.layers.iter().map(|layer| layer.units).sum()
    }
}
