//! The matrix of the audit: every neuron with every reset form and surrogate, every readout and regulariser.

use super::{ALLOWED, Options, Tapes, audit, tapes};
use crate::network::{
    Average, Inverse, Layer, Loss as Criterion, Network, NeuronKind, Of, Preset, Readout, Reduction, Regulariser,
    Reset, Surrogate, SurrogateKind, Term,
};
use rayon::prelude::*;

/// One network of the matrix.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Neuron of the hidden layer.
    pub neuron: NeuronKind,
    /// Its reset form.
    pub reset: Reset,
    /// Whether the reset is detached.
    pub detach: bool,
    /// Its surrogate.
    pub surrogate: SurrogateKind,
    /// What is done besides: recurrence, synapse, lags, readout, regulariser.
    pub kind: Kind,
    /// What came out.
    pub outcome: Outcome,
}

/// The switches of a cell that are not enumerated but go round, so that every pair comes together.
#[derive(Clone, Debug, PartialEq)]
pub struct Kind {
    /// Whether the hidden layer is recurrent, and its lag.
    pub recurrent: Option<u32>,
    /// Whether it has a synapse.
    pub synapse: bool,
    /// Lag of the current and of the spikes.
    pub lags: (u32, u32),
    /// What the loss is, and whether the last layer spikes.
    pub loss: &'static str,
    /// Whether samples end before the last step.
    pub short: bool,
    /// Regulariser of the hidden layer.
    pub regulariser: Option<Regulariser>,
}

/// What came of a cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The worst relative error of any parameter, and which.
    Measured { error: f64, worst: String, crossed: usize },
    /// Why it does not apply.
    Inapplicable(String),
    /// The network could not be run.
    Failed(String),
}

impl Outcome {
    /// Whether the adjoint is the gradient here, or there is nothing to ask.
    pub fn passes(&self) -> bool {
        match self {
            Outcome::Measured { error, .. } => *error <= ALLOWED,
            Outcome::Inapplicable(_) => true,
            Outcome::Failed(_) => false,
        }
    }
}

/// The matrix of the neurons named (all where none is). Each cell is a network of 4 hidden neurons.
pub fn matrix(neurons: &[NeuronKind]) -> Vec<Cell> {
    let known: Vec<NeuronKind> = NeuronKind::names()
        .into_iter()
        .filter_map(NeuronKind::named)
        .filter(|kind| *kind != NeuronKind::Li)
        .filter(|kind| neurons.is_empty() || neurons.contains(kind))
        .collect();
    let mut cells = Vec::new();
    for neuron in known {
        for reset in Reset::ALL {
            for surrogate in SurrogateKind::ALL {
                for detach in [false, true] {
                    if detach && reset == Reset::None {
                        continue;
                    }
                    let kind = going_round(cells.len(), neuron);
                    let outcome = Outcome::Inapplicable(String::new());
                    cells.push(Cell { neuron, reset, detach, surrogate, kind, outcome });
                }
            }
        }
    }
    cells.par_iter_mut().enumerate().for_each(|(index, cell)| cell.outcome = measure(cell, index as u64));
    cells
}

/// What the tapes that save memory do to the gradients of each neuron's networks in `cells`: the worst of those that apply,
/// and the number of them. None where the tape of the neuron is always whole.
pub fn tapes_of(cells: &[Cell]) -> Vec<(NeuronKind, Option<(Tapes, usize)>)> {
    let mut kinds: Vec<NeuronKind> = Vec::new();
    for cell in cells {
        if !kinds.contains(&cell.neuron) {
            kinds.push(cell.neuron);
        }
    }
    let of_kind = |kind: NeuronKind| {
        let measured = cells.par_iter().enumerate().filter(|(_, cell)| cell.neuron == kind);
        let measured = measured.filter(|(_, cell)| matches!(cell.outcome, Outcome::Measured { .. }));
        let measured = measured.filter_map(|(index, cell)| {
            let options = Options { steps: STEPS, batch: 2, seed: index as u64, drawn: true, ..Options::default() };
            tapes(&network(cell), options).ok().flatten()
        });
        let all: Vec<Tapes> = measured.collect();
        let replay = all.iter().map(|tapes| tapes.replay).fold(0.0, f64::max);
        let number = all.len();
        let worst = all.into_iter().max_by(|a, b| a.half.0.total_cmp(&b.half.0))?;
        Some((Tapes { replay, ..worst }, number))
    };
    kinds.into_iter().map(|kind| (kind, of_kind(kind))).collect()
}

/// A readout of the matrix.
struct Loss {
    name: &'static str,
    /// Whether the last layer spikes; it has 4 units.
    spiking: bool,
    terms: fn() -> Vec<Term>,
}

/// The readouts and losses that go round.
const LOSSES: [Loss; 13] = [
    Loss {
        name: "cross-entropy of max V",
        spiking: false,
        terms: || vec![Term::new(Reduction::Max, Criterion::cross_entropy())],
    },
    Loss {
        name: "smoothed cross-entropy of sum V",
        spiking: false,
        terms: || {
            let weights = vec![1.0, 0.5, 2.0, 1.5];
            let (inverse, average) = (Inverse::Negate, Average::default());
            let loss = Criterion::CrossEntropy { label_smoothing: 0.2, class_weights: weights, inverse, average };
            vec![Term::new(Reduction::Sum, loss)]
        },
    },
    Loss {
        name: "cross-entropy of mean V",
        spiking: false,
        terms: || vec![Term::new(Reduction::Mean, Criterion::cross_entropy())],
    },
    Loss {
        name: "cross-entropy of last V",
        spiking: false,
        terms: || vec![Term::new(Reduction::Last, Criterion::cross_entropy())],
    },
    Loss {
        name: "cross-entropy of V at every step",
        spiking: false,
        terms: || vec![Term::new(Reduction::EveryStep, Criterion::cross_entropy())],
    },
    Loss {
        name: "squared error of max V",
        spiking: false,
        terms: || vec![Term::new(Reduction::Max, Criterion::mse_to(1.0, -0.5))],
    },
    Loss {
        name: "squared error of V at every step to given targets",
        spiking: false,
        terms: || vec![Term::new(Reduction::EveryStep, Criterion::mse())],
    },
    Loss { name: "likelihood of mean V", spiking: false, terms: || vec![Term::new(Reduction::Mean, Criterion::nll())] },
    Loss {
        name: "population code of sum V",
        spiking: false,
        terms: || vec![Term::new(Reduction::Sum, Criterion::cross_entropy()).classes(2)],
    },
    Loss {
        name: "cross-entropy of counts",
        spiking: true,
        terms: || vec![Term::new(Reduction::Count, Criterion::cross_entropy())],
    },
    Loss {
        name: "squared error of counts",
        spiking: true,
        terms: || vec![Term::new(Reduction::Count, Criterion::mse_rate(0.8, 0.1))],
    },
    Loss {
        name: "cross-entropy of O at every step",
        spiking: true,
        terms: || vec![Term::new(Reduction::EveryStep, Criterion::cross_entropy()).of(Of::Spikes)],
    },
    Loss {
        name: "sum of cross-entropy of max V and squared error of counts",
        spiking: true,
        terms: || {
            vec![
                Term::new(Reduction::Max, Criterion::cross_entropy()).of(Of::Potential).weight(0.7),
                Term::new(Reduction::Count, Criterion::mse_to(5.0, 1.0)).weight(0.3),
            ]
        },
    },
];

fn going_round(n: usize, neuron: NeuronKind) -> Kind {
    let regularisers = [
        None,
        Some(Regulariser::Lower { strength: 0.3, target: 9.0 }),
        Some(Regulariser::Upper { strength: 0.3, target: 1.0, exponent: 1 }),
        Some(Regulariser::Upper { strength: 0.3, target: 1.0, exponent: 2 }),
        Some(Regulariser::UpperNeuron { strength: 0.3, target: 2.0, exponent: 1 }),
        Some(Regulariser::UpperNeuron { strength: 0.3, target: 2.0, exponent: 2 }),
        Some(Regulariser::L2Target { strength: 0.2, target: 3.0 }),
        Some(Regulariser::L1 { strength: 0.2 }),
        Some(Regulariser::L2 { strength: 0.05 }),
    ];
    let synapse = match neuron {
        NeuronKind::CubaLif => true,
        NeuronKind::Snippet(_) => (n / 2).is_multiple_of(2),
        _ => false,
    };
    let bit = |at: usize| (n / at % 2) as u32;
    Kind {
        recurrent: match neuron {
            NeuronKind::Psn | NeuronKind::SlidingPsn => None,
            NeuronKind::Slstm => Some(1),
            _ => [None, Some(1), Some(2)][n % 3],
        },
        synapse,
        lags: (if synapse { bit(4) } else { 0 }, bit(8)),
        loss: LOSSES[n % LOSSES.len()].name,
        short: n % 4 == 3,
        regulariser: regularisers[n / 5 % regularisers.len()],
    }
}

/// Steps of every cell.
const STEPS: usize = 7;

/// The network of a cell.
fn network(cell: &Cell) -> Network {
    let kind = &cell.kind;
    let mut hidden = Layer::new(Preset::Snntorch, cell.neuron, 4, kind.recurrent.is_some());
    hidden.bias = true;
    hidden.neuron.periodic = cell.neuron == NeuronKind::MultiSpike && kind.short;
    let neuron = &mut hidden.neuron;
    neuron.reset = cell.reset;
    neuron.detach_reset = cell.detach;
    neuron.tau_syn = kind.synapse.then(|| 4.0.into());
    (neuron.lag, neuron.emit_lag) = kind.lags;
    neuron.recurrent_lag = kind.recurrent.unwrap_or(1);
    neuron.steps = (cell.neuron == NeuronKind::Psn).then_some(STEPS);
    if cell.reset == Reset::ZeroBefore {
        neuron.reset_potential = 0.2;
    }
    if let Some(snippet) = cell.neuron.snippet() {
        for spec in snippet.parameters.iter().filter(|spec| spec.name == "refractory") {
            neuron.parameters.insert(spec.name.into(), 2.0.into());
        }
    }
    let slope = if cell.surrogate == SurrogateKind::StraightThrough { 1.0 } else { 2.0 };
    hidden.surrogate = Some(Surrogate { scale: 0.4, ..Surrogate::new(cell.surrogate, slope) });
    hidden.regularise = kind.regulariser.into_iter().collect();
    let loss = LOSSES.iter().find(|loss| loss.name == kind.loss).expect("a loss of the matrix");
    let last = if loss.spiking { NeuronKind::Lif } else { NeuronKind::Li };
    let mut top = Layer::new(Preset::Snntorch, last, 4, false);
    top.neuron.detach_reset = false;
    let readout = Readout { losses: (loss.terms)(), accuracy_by: None };
    Network { preset: Preset::Snntorch, dt: 1.0, inputs: 3, layers: vec![hidden, top], readout }
}

/// Draws until no potential crosses a jump.
fn measure(cell: &Cell, seed: u64) -> Outcome {
    if cell.neuron == NeuronKind::MultiSpike && matches!(cell.reset, Reset::ZeroBefore | Reset::ZeroAfter) {
        return Outcome::Inapplicable("multi_spike subtracts θ for each spike".into());
    }
    if !cell.neuron.resets().contains(&cell.reset) {
        return Outcome::Inapplicable(format!("{} has no reset {}", cell.neuron.name(), cell.reset.name()));
    }
    let network = network(cell);
    let mut best: Option<(f64, String, usize)> = None;
    for attempt in 0..8 {
        let seed = seed * 8 + attempt;
        let options = Options { steps: STEPS, batch: 2, seed, entries: 12, short: cell.kind.short, drawn: true };
        let lines = match audit(&network, options) {
            Ok(lines) => lines,
            Err(error) => return Outcome::Failed(error.to_string()),
        };
        let crossed: usize = lines.iter().map(|line| line.crossed).sum();
        let worst = lines.iter().max_by(|a, b| a.error.total_cmp(&b.error)).expect("every network has an input");
        if best.as_ref().is_none_or(|(_, _, fewest)| crossed < *fewest) {
            best = Some((worst.error, worst.name.clone(), crossed));
        }
        if crossed == 0 {
            break;
        }
    }
    let (error, worst, crossed) = best.expect("at least one attempt");
    Outcome::Measured { error, worst, crossed }
}
