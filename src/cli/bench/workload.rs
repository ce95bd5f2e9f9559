//! The named workloads: networks with random weights that keep about one neuron in twenty active, and random spikes; and
//! that of a public benchmark, one layer on dense analogue input.

use serde::{Deserialize, Serialize};
use spikegrad::engine::{Batch, Engine, Gradient, Parameters, Tensor};
use spikegrad::network::{Init, Layer, Network, NeuronKind, Preset, Surrogate, SurrogateKind};
use spikegrad::spikes::{Random, Raster, Trace};
use spikegrad::{Error, Result};

/// Readout classes.
const CLASSES: usize = 20;
/// Decay factor of a membrane in a step.
const BETA: f64 = 0.9;
/// The same of a workload on analogue input.
const ANALOGUE_BETA: f64 = 0.95;
/// Decay factor of a synapse.
const ALPHA: f64 = 0.82;
/// Slope of the surrogate.
const SLOPE: f64 = 25.0;
/// Activity of hidden neurons that the weights are drawn for.
const HIDDEN: f64 = 0.05;

/// A workload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Workload {
    pub name: &'static str,
    pub steps: usize,
    pub batch: usize,
    pub inputs: usize,
    /// Units of the hidden layers.
    pub hidden: &'static [usize],
    pub recurrent: bool,
    pub synapse: bool,
    /// Activity of the input.
    pub active: f64,
    /// Deviation of the drive from the layer below, and of the recurrent one.
    pub gain: f64,
    pub recurrent_gain: f64,
    /// Surrogate of the hidden layers.
    pub surrogate: Surrogates,
}

/// The surrogate of a workload's hidden layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Surrogates {
    /// Of the workload: a fast sigmoid, which is 0 nowhere.
    Default,
    /// A triangle of the same slope, which is 0 away from the threshold.
    Compact,
}

impl Surrogates {
    /// Its name in a table.
    pub fn name(self) -> &'static str {
        match self {
            Surrogates::Default => "default",
            Surrogates::Compact => "compact",
        }
    }
}

/// 700 → 256 recurrent current-based → 20.
pub const W1: Workload = Workload {
    name: "W1",
    steps: 100,
    batch: 256,
    inputs: 700,
    hidden: &[256],
    recurrent: true,
    synapse: true,
    active: 0.015,
    gain: 0.105,
    recurrent_gain: 0.055,
    surrogate: Surrogates::Default,
};
/// 700 → 1024 → 1024 → 20.
pub const W2: Workload = Workload {
    name: "W2",
    steps: 250,
    batch: 64,
    inputs: 700,
    hidden: &[1024, 1024],
    recurrent: false,
    synapse: false,
    active: 0.015,
    gain: 0.5,
    recurrent_gain: 0.0,
    surrogate: Surrogates::Default,
};
/// 128 → 512 recurrent → 20, long.
pub const W4: Workload = Workload {
    name: "W4",
    steps: 2000,
    batch: 32,
    inputs: 128,
    hidden: &[512],
    recurrent: true,
    synapse: false,
    active: 0.03,
    gain: 0.45,
    recurrent_gain: 0.25,
    surrogate: Surrogates::Default,
};

/// 1024 → 8192 recurrent → 20.
pub const W6: Workload = Workload {
    name: "W6",
    steps: 100,
    batch: 16,
    inputs: 1024,
    hidden: &[8192],
    recurrent: true,
    synapse: false,
    active: 0.015,
    gain: 0.42,
    recurrent_gain: 0.22,
    surrogate: Surrogates::Default,
};
/// The names of all.
pub const NAMES: [&str; 8] = ["W1", "W2", "W3-512", "W3-4096", "W3-8192", "W3-16384", "W4", "W6"];

/// n → n with a bias on analogue input, the loss is the sum of the spikes.
const fn analogue(name: &'static str, hidden: &'static [usize]) -> Workload {
    Workload {
        name,
        steps: 500,
        batch: 16,
        inputs: hidden[0],
        hidden,
        recurrent: false,
        synapse: false,
        active: 1.0,
        gain: 1.0,
        recurrent_gain: 0.0,
        surrogate: Surrogates::Default,
    }
}

/// Sizes of a workload of one recurrent layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sizes {
    pub steps: usize,
    pub batch: usize,
    /// Inputs, and hidden units.
    pub units: usize,
    /// Activity of the input, and about that of the hidden units.
    pub active: f64,
}

impl Workload {
    /// n → n recurrent → 20 of any size. Keeps a few bytes for the rest of the process.
    pub fn sized(sizes: Sizes) -> Workload {
        let Sizes { steps, batch, units, active } = sizes;
        // Fitted: a drive of this deviation keeps about so many neurons active.
        let gain = match active {
            active if active < 0.0075 => 0.54,
            active if active < 0.015 => 0.62,
            active if active < 0.035 => 0.73,
            active if active < 0.075 => 0.93,
            active if active < 0.15 => 1.1,
            _ => 1.45,
        };
        let (gain, recurrent_gain) = (gain * W4.gain, gain * W4.recurrent_gain);
        let hidden = Vec::leak(vec![units]);
        Workload { name: "sweep", steps, batch, inputs: units, hidden, active, gain, recurrent_gain, ..W4 }
    }

    /// That of a name.
    ///
    /// # Errors
    /// [`Error::Input`] where there is none.
    pub fn named(name: &str) -> Result<Workload> {
        let known = [
            W1,
            W2,
            analogue("W3-512", &[512]),
            analogue("W3-4096", &[4096]),
            analogue("W3-8192", &[8192]),
            analogue("W3-16384", &[16384]),
            W4,
            W6,
        ];
        if name == "W5" {
            return Err(Error::Input("W5 is a convolution, which the engine does not have".into()));
        }
        if name.is_empty() {
            return Err(Error::Input(format!("a workload without a name: the workloads are {}", NAMES.join(", "))));
        }
        let found = known.into_iter().find(|workload| workload.name == name);
        found.ok_or_else(|| Error::Input(format!("unknown workload {name}: {}", NAMES.join(", "))))
    }

    /// Whether its input are numbers, not spikes; such a workload has no readout and no labels.
    pub fn is_analogue(&self) -> bool {
        self.active == 1.0
    }

    /// Neurons, the readout's among them.
    pub fn neurons(&self) -> usize {
        self.hidden.iter().sum::<usize>() + if self.is_analogue() { 0 } else { CLASSES }
    }

    /// The surrogate of the hidden layers.
    pub fn surrogate(&self) -> Surrogate {
        match (self.surrogate, self.is_analogue()) {
            (Surrogates::Compact, _) => Surrogate::new(SurrogateKind::Triangle, SLOPE),
            (Surrogates::Default, true) => Preset::Snntorch.surrogate(),
            (Surrogates::Default, false) => Surrogate::new(SurrogateKind::FastSigmoid, SLOPE),
        }
    }

    /// The network.
    ///
    /// # Errors
    /// None: the workloads are right.
    pub fn network(&self) -> Result<Network> {
        let mut builder = Network::builder(self.inputs);
        let tau = |decay: f64| -1.0 / decay.ln();
        for &units in self.hidden {
            let kind = if self.synapse { NeuronKind::CubaLif } else { NeuronKind::Lif };
            let mut layer = Layer::new(Preset::Snntorch, kind, units, self.recurrent);
            layer.neuron.tau_mem = tau(BETA).into();
            if self.synapse {
                layer.neuron.tau_syn = Some(tau(ALPHA).into());
            }
            layer.surrogate = Some(self.surrogate());
            if self.is_analogue() {
                layer.neuron.tau_mem = tau(ANALOGUE_BETA).into();
                layer.bias = true;
                layer.bias_init = Init::Uniform { gain: 1.0 };
            }
            builder = builder.layer(layer);
        }
        if self.is_analogue() {
            return builder.build();
        }
        let mut readout = Layer::new(Preset::Snntorch, NeuronKind::Li, CLASSES, false);
        readout.neuron.tau_mem = tau(BETA).into();
        builder.layer(readout).build()
    }

    /// Puts the weights on the device.
    ///
    /// # Errors
    /// Those of [`Engine::set_parameters`].
    pub fn start(&self, engine: &mut Engine) -> Result<()> {
        if self.is_analogue() {
            return engine.initialise(1);
        }
        let mut random = Random::new(1, 0);
        let mut normal = |rows: usize, columns: usize, deviation: f64| Tensor {
            shape: vec![rows, columns],
            values: (0..rows * columns).map(|_| (random.normal() * deviation) as f32).collect::<Vec<f32>>(),
        };
        let mut parameters = Parameters::new();
        let (mut inputs, mut active) = (self.inputs, self.active);
        for (index, &units) in self.hidden.iter().enumerate() {
            let scale = |gain: f64, inputs: usize, active: f64| gain / (inputs as f64 * active).sqrt();
            parameters.insert(format!("layer{index}.weight"), normal(inputs, units, scale(self.gain, inputs, active)));
            if self.recurrent {
                let deviation = scale(self.recurrent_gain, units, HIDDEN);
                parameters.insert(format!("layer{index}.recurrent"), normal(units, units, deviation));
            }
            (inputs, active) = (units, HIDDEN);
        }
        let deviation = 0.3 / (inputs as f64 * HIDDEN).sqrt();
        parameters.insert(format!("layer{}.weight", self.hidden.len()), normal(inputs, CLASSES, deviation));
        engine.set_parameters(&parameters)
    }

    /// Random spikes and labels, or standard normal numbers.
    ///
    /// # Errors
    /// None: the shapes fit.
    pub fn batch(&self) -> Result<Batch> {
        let mut random = Random::new(2, 0);
        if self.is_analogue() {
            let values = (0..self.steps * self.batch * self.inputs).map(|_| random.normal() as f32).collect();
            return Ok(Batch::values(Trace::new(self.steps, self.batch, self.inputs, values)?));
        }
        let mut raster = Raster::new(self.steps, self.batch, self.inputs);
        // The gaps between events of a Bernoulli process are geometric.
        let cells = self.steps * self.batch * self.inputs;
        let mut at = 0;
        loop {
            let gap = ((1.0 - random.uniform()).ln() / (1.0 - self.active).ln()) as usize;
            at += gap;
            if at >= cells {
                break;
            }
            let (row, n) = (at / self.inputs, at % self.inputs);
            raster.set(row / self.batch, row % self.batch, n);
            at += 1;
        }
        let labels = (0..self.batch).map(|_| random.below(CLASSES) as u32).collect();
        Ok(Batch::spikes(raster).with_labels(labels))
    }

    /// What the backward pass starts from: the built-in loss, or that of the sum of all spikes.
    pub fn gradient(&self) -> Gradient {
        match self.is_analogue() {
            true => Gradient::activation(vec![1.0; self.batch * self.inputs]),
            false => Gradient::loss(),
        }
    }

    /// Bytes of the input as it stands on the device.
    pub fn input_bytes(&self) -> u64 {
        if self.is_analogue() {
            return (4 * self.steps * self.batch * spikegrad::spikes::pad(self.inputs)) as u64;
        }
        (self.steps * self.batch * spikegrad::spikes::words(self.inputs) * 4) as u64
    }
}
