//! How the last layer is read: reductions over time, losses on them, their weighted sum.

use super::loss::Loss;
use serde::{Deserialize, Serialize};

/// How the potential of the readout layer is reduced over time while the layer runs: the reductions that need no
/// recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduce {
    /// `max_t V_t` (the first step of several equal ones).
    Max,
    /// `Σ_t V_t`.
    Sum,
    /// `Σ_t V_t / T`.
    Mean,
    /// `V_{T-1}`.
    Last,
}

/// How a recording of the last layer, `a_t` = V_t or O_t, becomes one activation for each unit. Only the steps of a sample
/// count: T is its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// `max_t a_t` (the first step of several equal ones).
    Max,
    /// `Σ_t a_t`.
    Sum,
    /// `Σ_t a_t / T`.
    Mean,
    /// `a_{T-1}`.
    Last,
    /// None: the loss stands on every step, and is averaged over them.
    EveryStep,
    /// `Σ_t O_t`.
    Count,
    /// The step of the first spike (or of [`Term::spike`]), T−1 where there is none. Its derivative is −1 at that step and
    /// 0 at all others (snnTorch).
    FirstSpike,
}

impl From<Reduce> for Reduction {
    fn from(reduce: Reduce) -> Self {
        match reduce {
            Reduce::Max => Reduction::Max,
            Reduce::Sum => Reduction::Sum,
            Reduce::Mean => Reduction::Mean,
            Reduce::Last => Reduction::Last,
        }
    }
}

impl Reduction {
    /// The same as a reduction that the layer can do while it runs, of its potential.
    pub fn online(self) -> Option<Reduce> {
        match self {
            Reduction::Max => Some(Reduce::Max),
            Reduction::Sum => Some(Reduce::Sum),
            Reduction::Mean => Some(Reduce::Mean),
            Reduction::Last => Some(Reduce::Last),
            Reduction::EveryStep | Reduction::Count | Reduction::FirstSpike => None,
        }
    }

    /// What it reads of a layer unless told otherwise: spikes where they are what it is about, the potential for `max` and
    /// `last`, and for everything on a layer that does not spike.
    pub fn default_of(self, spiking: bool) -> Of {
        match self {
            Reduction::Count | Reduction::FirstSpike => Of::Spikes,
            Reduction::Sum | Reduction::Mean | Reduction::EveryStep if spiking => Of::Spikes,
            _ => Of::Potential,
        }
    }

    /// Its name in a network file.
    pub fn name(self) -> &'static str {
        match self {
            Reduction::Max => "max",
            Reduction::Sum => "sum",
            Reduction::Mean => "mean",
            Reduction::Last => "last",
            Reduction::EveryStep => "every_step",
            Reduction::Count => "count",
            Reduction::FirstSpike => "first_spike",
        }
    }
}

/// What is read of the last layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// The membrane potential V, before reset.
    Potential,
    /// The emitted spikes O.
    Spikes,
}

/// One loss of the readout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// Reduction over time.
    pub reduce: Reduction,
    /// What it reads; None: [`Reduction::default_of`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Of>,
    /// Which spike `first_spike` means: 1 is the first.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub spike: u32,
    /// Population code: the units form this many contiguous groups of one size, the activations of a group are summed.
    /// None: each unit is a class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
    /// Loss on the activations.
    pub loss: Loss,
    /// Its weight in the sum.
    #[serde(default = "unit", skip_serializing_if = "is_unit")]
    pub weight: f64,
}

fn one() -> u32 {
    1
}

fn is_one(value: &u32) -> bool {
    *value == 1
}

fn unit() -> f64 {
    1.0
}

fn is_unit(value: &f64) -> bool {
    *value == 1.0
}

impl Term {
    /// A loss of weight 1 on the reduction of what that reduction reads by default.
    pub fn new(reduce: impl Into<Reduction>, loss: Loss) -> Term {
        Term { reduce: reduce.into(), of: None, spike: 1, classes: None, loss, weight: 1.0 }
    }

    /// The same on potential or spikes.
    pub fn of(mut self, of: Of) -> Term {
        self.of = Some(of);
        self
    }

    /// The same with a population code of `classes` groups.
    pub fn classes(mut self, classes: usize) -> Term {
        self.classes = Some(classes);
        self
    }

    /// The same with another weight.
    pub fn weight(mut self, weight: f64) -> Term {
        self.weight = weight;
        self
    }
}

/// The readout: the loss is the weighted sum of its terms, and so is the gradient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Readout {
    /// Its terms, at least one.
    pub losses: Vec<Term>,
    /// The reduction whose largest class (of `first_spike`: the earliest) is the network's answer. None: that of the first
    /// term; where that is `every_step`, each step answers for itself if steps have labels, and otherwise the sum over the
    /// steps does.
    pub accuracy_by: Option<Reduction>,
}

impl Default for Readout {
    fn default() -> Self {
        Readout { losses: vec![Term::new(Reduction::Max, Loss::cross_entropy())], accuracy_by: None }
    }
}

impl Readout {
    /// The readout of a network whose last layer spikes, where nothing else is said: cross-entropy of the spike counts.
    pub fn of_spikes() -> Self {
        Readout { losses: vec![Term::new(Reduction::Count, Loss::cross_entropy())], accuracy_by: None }
    }

    /// The key under which term `index` stands in a file.
    pub fn place(&self, index: usize) -> String {
        if self.losses.len() == 1 { "readout".into() } else { format!("readout.losses[{index}]") }
    }
}

/// A readout as a file has it: one term with its keys in the table itself, several in a list.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reduce: Option<Reduction>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<Of>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spike: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    classes: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accuracy_by: Option<Reduction>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    loss: Option<Loss>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    losses: Vec<Term>,
}

impl From<Readout> for Written {
    fn from(readout: Readout) -> Self {
        let Readout { mut losses, accuracy_by } = readout;
        let empty = Written {
            reduce: None,
            of: None,
            spike: None,
            classes: None,
            weight: None,
            accuracy_by,
            loss: None,
            losses: Vec::new(),
        };
        if losses.len() != 1 {
            return Written { losses, ..empty };
        }
        let Term { reduce, of, spike, classes, loss, weight } = losses.remove(0);
        Written {
            reduce: Some(reduce),
            of,
            spike: (spike != 1).then_some(spike),
            classes,
            weight: (weight != 1.0).then_some(weight),
            loss: Some(loss),
            ..empty
        }
    }
}

impl TryFrom<Written> for Readout {
    type Error = String;

    fn try_from(written: Written) -> std::result::Result<Self, String> {
        let Written { reduce, of, spike, classes, weight, accuracy_by, loss, losses } = written;
        let single = reduce.is_some()
            || of.is_some()
            || spike.is_some()
            || classes.is_some()
            || weight.is_some()
            || loss.is_some();
        if !losses.is_empty() {
            return match single {
                true => {
                    Err("has a list of losses: reduce, of, spike, classes, weight and loss belong into its entries"
                        .into())
                }
                false => Ok(Readout { losses, accuracy_by }),
            };
        }
        let default = Readout::default().losses.remove(0);
        let term = Term {
            reduce: reduce.unwrap_or(default.reduce),
            of,
            spike: spike.unwrap_or(1),
            classes,
            loss: loss.unwrap_or(default.loss),
            weight: weight.unwrap_or(1.0),
        };
        Ok(Readout { losses: vec![term], accuracy_by })
    }
}
