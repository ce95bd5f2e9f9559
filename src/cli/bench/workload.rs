//! The named workloads: networks with random weights that keep about one neuron in twenty active, and random spikes.

use spikegrad::engine::{Batch, Engine, Parameters, Tensor};
use spikegrad::network::{Layer, Network, NeuronKind, Preset, Surrogate, SurrogateKind};
use spikegrad::spikes::{Random, Raster};
use spikegrad::{Error, Result};

/// Readout classes.
const CLASSES: usize = 20;
/// Decay factor of a membrane in a step.
const BETA: f64 = 0.9;
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
};

impl Workload {
    /// That of a name.
    ///
    /// # Errors
    /// [`Error::Input`] where there is none.
    pub fn named(name: &str) -> Result<Workload> {
        let known = [W1, W2, W4];
        let found = known.into_iter().find(|workload| workload.name == name);
        found.ok_or_else(|| Error::Input(format!("unknown workload {name}: W1, W2, W4")))
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
            layer.surrogate = Some(Surrogate::new(SurrogateKind::FastSigmoid, SLOPE));
            builder = builder.layer(layer);
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

    /// Random spikes and labels.
    pub fn batch(&self) -> Batch {
        let mut random = Random::new(2, 0);
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
        Batch::spikes(raster).with_labels(labels)
    }

    /// Bytes of the input as bits.
    pub fn input_bytes(&self) -> u64 {
        (self.steps * self.batch * spikegrad::spikes::words(self.inputs) * 4) as u64
    }
}
