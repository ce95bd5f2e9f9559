//! Presets: which library or paper the switches that a file leaves out are taken from (`dynamics.md`, section 8).

use super::*;
use crate::neuron::Leak;
use std::collections::BTreeMap;

/// A set of switches under the name of a library or a paper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Zenke & Vogels 2021, eq. 4.1; readout starts at −0.01.
    #[default]
    ZenkeVogels,
    /// Neftci, Mostafa & Zenke 2019, eq. 4 and 5.
    Neftci,
    /// snnTorch: Leaky, Synaptic and their recurrent forms, reset by subtraction.
    Snntorch,
    /// SpikingJelly LIF, hard reset.
    Spikingjelly,
    /// Norse LIF (recurrent: detached; `lif_feed_forward_step` differentiates the reset).
    Norse,
    /// stork LIFGroup.
    Stork,
    /// SpyTorch, tutorials 1 to 4.
    Spytorch,
    /// Spyx LIF and CuBaLIF.
    Spyx,
    /// sinabs LIF, single spike, subtractive reset.
    Sinabs,
}

/// Steps that a `sliding_psn` sees where a file does not say.
const ORDER: usize = 4;

impl Preset {
    /// All presets.
    pub const ALL: [Preset; 9] = [
        Preset::ZenkeVogels,
        Preset::Neftci,
        Preset::Snntorch,
        Preset::Spikingjelly,
        Preset::Norse,
        Preset::Stork,
        Preset::Spytorch,
        Preset::Spyx,
        Preset::Sinabs,
    ];

    /// The name in a network file.
    pub fn name(self) -> &'static str {
        match self {
            Preset::ZenkeVogels => "zenke-vogels",
            Preset::Neftci => "neftci",
            Preset::Snntorch => "snntorch",
            Preset::Spikingjelly => "spikingjelly",
            Preset::Norse => "norse",
            Preset::Stork => "stork",
            Preset::Spytorch => "spytorch",
            Preset::Spyx => "spyx",
            Preset::Sinabs => "sinabs",
        }
    }

    /// What it is, in one line.
    pub fn description(self) -> &'static str {
        match self {
            Preset::ZenkeVogels => "Zenke & Vogels 2021, eq. 4.1 (the default); the readout starts at -0.01",
            Preset::Neftci => "Neftci, Mostafa & Zenke 2019, eq. 4 and 5",
            Preset::Snntorch => "snnTorch Leaky, Synaptic and their recurrent forms, reset by subtraction",
            Preset::Spikingjelly => "SpikingJelly LIFNode, hard reset",
            Preset::Norse => "Norse LIF; the reset is detached in recurrent layers only",
            Preset::Stork => "stork LIFGroup",
            Preset::Spytorch => "SpyTorch, tutorials 1 to 4",
            Preset::Spyx => "Spyx LIF and CuBaLIF",
            Preset::Sinabs => "sinabs LIF, one spike a step, reset by subtraction",
        }
    }

    /// The kind of a hidden layer that names none.
    pub fn hidden_kind(self) -> NeuronKind {
        match self {
            Preset::Snntorch | Preset::Spikingjelly | Preset::Spyx | Preset::Sinabs => NeuronKind::Lif,
            _ => NeuronKind::CubaLif,
        }
    }

    /// A neuron of `kind` in a layer that is recurrent or not, with this preset's switches.
    pub fn neuron(self, kind: NeuronKind, recurrent: bool) -> Neuron {
        use Comparison::*;
        use Reset::{SubtractAfter, SubtractBefore, ZeroAfter, ZeroBefore};
        // reset, detached, comparison, lag, emit lag, recurrent lag, input delay, gain 1 − β
        let (reset, detach, comparison, lag, emit, recurrent_lag, delay, normalised) = match self {
            Preset::ZenkeVogels => (ZeroAfter, true, Greater, 1, 1, 1, 0, true),
            Preset::Neftci => (SubtractAfter, true, Greater, 1, 1, 1, 0, false),
            Preset::Snntorch => (SubtractAfter, true, Greater, 0, 0, 1, 0, false),
            Preset::Spikingjelly => (ZeroBefore, false, GreaterEqual, 0, 0, 1, 0, true),
            Preset::Norse => (ZeroBefore, recurrent, Greater, 0, 0, 1, 0, true),
            Preset::Stork => (ZeroAfter, true, Greater, 1, 1, 2, 1, true),
            Preset::Spytorch => (ZeroAfter, true, Greater, 1, 1, 2, 0, false),
            Preset::Spyx if !matches!(kind, NeuronKind::CubaLif) => (SubtractAfter, false, Greater, 0, 1, 1, 0, false),
            Preset::Spyx => (SubtractBefore, false, Greater, 0, 1, 1, 0, false),
            Preset::Sinabs => (SubtractBefore, false, GreaterEqual, 0, 0, 1, 0, true),
        };
        let spiking = kind != NeuronKind::Li;
        let papers = matches!(self, Preset::ZenkeVogels | Preset::Neftci | Preset::Stork | Preset::Spytorch);
        let tau_mem = match (self, kind) {
            (Preset::ZenkeVogels, NeuronKind::Li) => 20.0,
            _ => 10.0,
        };
        let tau_mem = match kind.leak() {
            Leak::None => Parameter::absent(),
            Leak::Logistic => Parameter::from(tau_mem).learned(),
            _ => tau_mem.into(),
        };
        let tau_syn = match kind {
            NeuronKind::CubaLif => Some(5.0),
            NeuronKind::Li => papers.then_some(5.0),
            _ => None,
        };
        let mut gain = if normalised { Gain::OneMinusBeta } else { Gain::One };
        let mut reset = if spiking { reset } else { Reset::None };
        match kind {
            NeuronKind::If => gain = Gain::One,
            NeuronKind::Psn | NeuronKind::SlidingPsn | NeuronKind::Slstm => (gain, reset) = (Gain::One, Reset::None),
            NeuronKind::MultiSpike if !matches!(reset, Reset::SubtractBefore | Reset::SubtractAfter) => {
                reset = Reset::SubtractBefore;
            }
            NeuronKind::Snippet(snippet) => {
                // A neuron with a gain of its own has a reset form of its own too.
                if snippet.gain.is_some() || !snippet.resets.contains(&reset) {
                    reset = snippet.resets[0];
                }
                gain = snippet.gain.unwrap_or(gain);
            }
            _ => {}
        }
        let whole = NeuronKind::WHOLE.contains(&kind);
        // |h| < 1: an LSTM cell never reaches 1.
        let threshold = if kind == NeuronKind::Slstm { 0.5 } else { 1.0 };
        Neuron {
            kind,
            tau_mem,
            tau_syn: tau_syn.map(Parameter::from),
            threshold: spiking.then(|| threshold.into()),
            reset,
            detach_reset: detach && !kind.over_time(),
            lag: if tau_syn.is_some() { lag } else { 0 },
            emit_lag: if spiking { emit } else { 0 },
            recurrent_lag: if whole { 1 } else { recurrent_lag },
            input_delay: delay,
            gain,
            comparison,
            reset_potential: 0.0,
            initial_potential: if spiking { 0.0 } else { -0.01 },
            initial_current: 0.0,
            steps: None,
            order: (kind == NeuronKind::SlidingPsn).then_some(ORDER),
            max_spikes: (kind == NeuronKind::MultiSpike).then_some(255),
            periodic: false,
            parameters: BTreeMap::new(),
        }
    }

    /// The surrogate of a layer that names none.
    pub fn surrogate(self) -> Surrogate {
        use SurrogateKind::*;
        match self {
            Preset::ZenkeVogels => Surrogate::new(FastSigmoid, 10.0),
            Preset::Neftci | Preset::Spytorch => Surrogate::new(FastSigmoid, 100.0),
            Preset::Snntorch => Surrogate::new(Atan, 2.0),
            Preset::Spikingjelly => Surrogate { kind: Sigmoid, slope: 4.0, scale: 1.0 },
            Preset::Norse => Surrogate::new(FastSigmoid, 1.0),
            Preset::Stork => Surrogate::new(FastSigmoid, 20.0),
            Preset::Spyx => Surrogate::new(FastSigmoid, 25.0),
            Preset::Sinabs => Surrogate { kind: Exponential, slope: 2.0, scale: 2.0 },
        }
    }
}
