//! A network in a few lines of Rust.

use super::*;
use crate::error::Result;

/// Builds a [`Network`]; made by [`Network::builder`].
#[derive(Clone, Debug)]
pub struct Builder {
    network: Network,
}

impl Network {
    /// A network on `inputs` channels with steps of 1 ms and the default preset.
    ///
    /// ```
    /// use spikegrad::network::{Network, Preset};
    /// let network = Network::builder(700)
    ///     .preset(Preset::ZenkeVogels)
    ///     .recurrent(256, |layer| layer.neuron.tau_mem = 10.0.into())
    ///     .readout(20)
    ///     .build()?;
    /// assert_eq!(network.neurons(), 276);
    /// # Ok::<(), spikegrad::Error>(())
    /// ```
    pub fn builder(inputs: usize) -> Builder {
        let readout = Readout { losses: Vec::new(), accuracy_by: None };
        let network = Network { preset: Preset::default(), dt: 1.0, inputs, layers: Vec::new(), readout };
        Builder { network }
    }
}

impl Layer {
    /// A layer of `units` neurons of `kind` with the switches of `preset`.
    pub fn new(preset: Preset, kind: NeuronKind, units: usize, recurrent: bool) -> Layer {
        Layer {
            units,
            connection: Connection::Dense,
            recurrent: recurrent || kind == NeuronKind::Slstm,
            bias: false,
            neuron: preset.neuron(kind, recurrent),
            surrogate: (kind != NeuronKind::Li).then(|| preset.surrogate()),
            init: Init::default(),
            recurrent_init: Init::default(),
            bias_init: zero(),
            dale: None,
            dropout: None,
            normalise: None,
            density: None,
            recurrent_density: None,
            self_connections: true,
            regularise: Vec::new(),
        }
    }
}

impl Builder {
    /// Takes the switches of the layers that follow from `preset`.
    pub fn preset(mut self, preset: Preset) -> Self {
        self.network.preset = preset;
        self
    }

    /// Length of a step, ms.
    pub fn dt(mut self, dt: f64) -> Self {
        self.network.dt = dt;
        self
    }

    /// Adds any layer.
    pub fn layer(mut self, layer: Layer) -> Self {
        self.network.layers.push(layer);
        self
    }

    /// Adds a hidden layer of the preset's neuron, changed by `change`.
    pub fn hidden(self, units: usize, change: impl FnOnce(&mut Layer)) -> Self {
        self.add(None, units, false, change)
    }

    /// Adds a recurrent hidden layer of the preset's neuron, changed by `change`.
    pub fn recurrent(self, units: usize, change: impl FnOnce(&mut Layer)) -> Self {
        self.add(None, units, true, change)
    }

    /// Adds the leaky-integrator readout, `max` over time and cross-entropy unless [`Builder::reduce`] says otherwise.
    pub fn readout(self, units: usize) -> Self {
        self.add(Some(NeuronKind::Li), units, false, |_| {})
    }

    /// The reduction over time, with cross-entropy on it.
    pub fn reduce(self, reduce: impl Into<Reduction>) -> Self {
        self.loss(Term::new(reduce, Loss::cross_entropy()))
    }

    /// The loss, in place of cross-entropy on the maximum of the readout's potential (on the counts of a last layer that
    /// spikes).
    pub fn loss(self, term: Term) -> Self {
        self.losses(vec![term])
    }

    /// A weighted sum of losses.
    pub fn losses(mut self, terms: Vec<Term>) -> Self {
        self.network.readout.losses = terms;
        self
    }

    fn add(self, kind: Option<NeuronKind>, units: usize, recurrent: bool, change: impl FnOnce(&mut Layer)) -> Self {
        let preset = self.network.preset;
        let mut layer = Layer::new(preset, kind.unwrap_or(preset.hidden_kind()), units, recurrent);
        change(&mut layer);
        self.layer(layer)
    }

    /// The network, validated.
    ///
    /// # Errors
    /// [`crate::Error::Network`] with the place of the first mistake.
    pub fn build(mut self) -> Result<Network> {
        let spiking = self.network.layers.last().is_some_and(|layer| layer.neuron.spiking());
        if self.network.readout.losses.is_empty() {
            let Readout { losses, .. } = if spiking { Readout::of_spikes() } else { Readout::default() };
            self.network.readout.losses = losses;
        }
        self.network.validate()?;
        Ok(self.network)
    }
}
