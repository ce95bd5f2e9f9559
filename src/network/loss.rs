//! The losses, and the names that other libraries give them.

use super::file::typed;
use super::readout::{Of, Reduction};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// A loss on activations `a` of C classes; `y` is the label, w the weights of the classes (all 1 where the list is empty).
/// Averaged over the batch as [`Average`] says, and on `every_step` over the steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Loss {
    /// Softmax cross-entropy, `−(1−ε) w_y ln p_y − (ε/C) Σ_c w_c ln p_c` with `p = softmax(a)`.
    CrossEntropy {
        /// ε, 0 to 1.
        #[serde(default, skip_serializing_if = "is_zero")]
        label_smoothing: f64,
        /// w, one for each class; empty: all 1.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        class_weights: Vec<f64>,
        /// What stands for a spike time t.
        #[serde(default, skip_serializing_if = "is_negate")]
        inverse: Inverse,
        /// Over the batch.
        #[serde(default, skip_serializing_if = "is_default")]
        average: Average,
    },
    /// Negative log-likelihood: `−w_y a_y` of activations that are log-probabilities already.
    Nll {
        /// w, one for each class; empty: all 1.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        class_weights: Vec<f64>,
        /// Over the batch.
        #[serde(default, skip_serializing_if = "is_default")]
        average: Average,
    },
    /// Mean squared error `(w_y/C) Σ_c (a_c − target_c)²`. Without any target below the targets come with the batch.
    Mse {
        /// Target of the label's class. Of spike times: a step, a negative one counts from the end, and the error is divided
        /// by T².
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on_target: Option<f64>,
        /// Target of all other classes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        off_target: Option<f64>,
        /// Spikes of a unit in a step that the label's class should have: the target of `count` is
        /// `⌊T · rate · units of the class⌋`, and the error is divided by T (snnTorch, SLAYER).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        correct_rate: Option<f64>,
        /// The same for all other classes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        incorrect_rate: Option<f64>,
        /// An error smaller than this is none.
        #[serde(default, skip_serializing_if = "is_zero")]
        tolerance: f64,
        /// w, one for each class; empty: all 1. Not with targets of the batch.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        class_weights: Vec<f64>,
        /// Over the batch; `none` also sums over the classes.
        #[serde(default, skip_serializing_if = "is_default")]
        average: Average,
    },
}

/// How a spike time t becomes an activation that is large for early spikes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inverse {
    /// `−t`.
    #[default]
    Negate,
    /// `1/(t + 1)`.
    Reciprocal,
}

/// The average over the batch. Without class weights the first two are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Average {
    /// `Σ_b w_y ℓ_b / Σ_b w_y` (PyTorch).
    #[default]
    Weights,
    /// `Σ_b w_y ℓ_b / B` (snnTorch).
    Samples,
    /// `Σ_b w_y ℓ_b`.
    None,
}

fn is_default(average: &Average) -> bool {
    *average == Average::default()
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

fn is_negate(inverse: &Inverse) -> bool {
    *inverse == Inverse::Negate
}

impl Loss {
    /// Softmax cross-entropy without smoothing and weights.
    pub fn cross_entropy() -> Loss {
        Loss::CrossEntropy {
            label_smoothing: 0.0,
            class_weights: Vec::new(),
            inverse: Inverse::Negate,
            average: Average::Weights,
        }
    }

    /// Negative log-likelihood.
    pub fn nll() -> Loss {
        Loss::Nll { class_weights: Vec::new(), average: Average::Weights }
    }

    /// Mean squared error to the targets of the batch.
    pub fn mse() -> Loss {
        Loss::Mse {
            on_target: None,
            off_target: None,
            correct_rate: None,
            incorrect_rate: None,
            tolerance: 0.0,
            class_weights: Vec::new(),
            average: Average::Weights,
        }
    }

    /// Mean squared error to one target for the label's class and one for all others.
    pub fn mse_to(on: f64, off: f64) -> Loss {
        let mut loss = Loss::mse();
        if let Loss::Mse { on_target, off_target, .. } = &mut loss {
            (*on_target, *off_target) = (Some(on), Some(off));
        }
        loss
    }

    /// Mean squared error of counts to rates, see [`Loss::Mse`].
    pub fn mse_rate(correct: f64, incorrect: f64) -> Loss {
        let mut loss = Loss::mse();
        if let Loss::Mse { correct_rate, incorrect_rate, .. } = &mut loss {
            (*correct_rate, *incorrect_rate) = (Some(correct), Some(incorrect));
        }
        loss
    }

    /// Whether the targets come with the batch.
    pub fn is_given(&self) -> bool {
        matches!(self, Loss::Mse { on_target: None, correct_rate: None, .. })
    }

    /// Weights of the classes; empty: all 1.
    pub fn class_weights(&self) -> &[f64] {
        match self {
            Loss::CrossEntropy { class_weights, .. }
            | Loss::Nll { class_weights, .. }
            | Loss::Mse { class_weights, .. } => class_weights,
        }
    }

    /// The average over the batch.
    pub fn average(&self) -> Average {
        match self {
            Loss::CrossEntropy { average, .. } | Loss::Nll { average, .. } | Loss::Mse { average, .. } => *average,
        }
    }

    /// The same with weights of the classes and an average.
    pub fn weighted(mut self, weights: Vec<f64>, over: Average) -> Loss {
        match &mut self {
            Loss::CrossEntropy { class_weights, average, .. }
            | Loss::Nll { class_weights, average }
            | Loss::Mse { class_weights, average, .. } => (*class_weights, *average) = (weights, over),
        }
        self
    }
}

/// What a name of another library stands for: reduction, what it reads, kind, and keys that the library sets.
struct Name {
    reduce: Reduction,
    of: Option<Of>,
    kind: &'static str,
    defaults: &'static [(&'static str, f64)],
}

/// Kinds of this library.
const KINDS: [&str; 3] = ["cross_entropy", "nll", "mse"];
/// Names of snnTorch, and of SpikingJelly (`tet`).
const NAMES: [&str; 9] = [
    "ce_rate",
    "ce_count",
    "ce_max_membrane",
    "ce_temporal",
    "mse_count",
    "mse_membrane",
    "mse_temporal",
    "mse_multi_temporal",
    "tet",
];

fn named(name: &str) -> Option<Name> {
    use Reduction::*;
    let entry = |reduce, of, kind, defaults| Some(Name { reduce, of, kind, defaults });
    let (spikes, potential) = (Some(Of::Spikes), Some(Of::Potential));
    match name {
        "ce_rate" => entry(EveryStep, spikes, "cross_entropy", &[]),
        "ce_count" => entry(Count, spikes, "cross_entropy", &[]),
        "ce_max_membrane" => entry(Max, potential, "cross_entropy", &[]),
        "ce_temporal" => entry(FirstSpike, spikes, "cross_entropy", &[]),
        "mse_count" => entry(Count, spikes, "mse", &[("correct_rate", 1.0), ("incorrect_rate", 0.0)]),
        "mse_membrane" => entry(EveryStep, potential, "mse", &[("on_target", 1.0), ("off_target", 0.0)]),
        "mse_temporal" => entry(FirstSpike, spikes, "mse", &[("on_target", 0.0), ("off_target", -1.0)]),
        "tet" => entry(EveryStep, None, "cross_entropy", &[]),
        _ => None,
    }
}

/// Writes the table `[readout]` of a file out: names of losses become reduction, source and kind.
///
/// # Errors
/// [`Error::Network`] where a name is unknown, or contradicts what stands beside it.
pub(super) fn complete(readout: &mut Table, spiking: bool) -> Result<()> {
    if let Some(losses) = readout.get_mut("losses") {
        let Value::Array(terms) = losses else {
            return Err(Error::network("readout.losses", "must be a list of tables { reduce, loss, weight, … }"));
        };
        if terms.is_empty() {
            return Err(Error::network("readout.losses", "is empty: a readout has at least one loss"));
        }
        let mut written = Vec::new();
        for (index, term) in std::mem::take(terms).into_iter().enumerate() {
            let place = format!("readout.losses[{index}]");
            let Value::Table(term) = term else {
                return Err(Error::network(place, "must be a table { reduce, loss, weight, … }"));
            };
            written.extend(complete_term(term, spiking, &place)?.into_iter().map(Value::Table));
        }
        *terms = written;
        return Ok(());
    }
    let accuracy_by = readout.remove("accuracy_by");
    let mut terms = complete_term(std::mem::take(readout), spiking, "readout")?;
    if terms.len() == 1 {
        *readout = terms.remove(0);
    } else {
        readout.insert("losses".into(), Value::Array(terms.into_iter().map(Value::Table).collect()));
    }
    if let Some(accuracy_by) = accuracy_by {
        readout.insert("accuracy_by".into(), accuracy_by);
    }
    Ok(())
}

fn complete_term(mut term: Table, spiking: bool, place: &str) -> Result<Vec<Table>> {
    let mut loss = match term.remove("loss") {
        None => Table::new(),
        Some(Value::Table(loss)) => loss,
        Some(name @ Value::String(_)) => Table::from_iter([("kind".to_string(), name)]),
        Some(_) => return Err(Error::network(format!("{place}.loss"), "must be a name, or a table { kind, … }")),
    };
    let kind = loss.entry("kind").or_insert(Value::String("cross_entropy".into())).clone();
    let name = kind.as_str().unwrap_or_default().to_string();
    if name == "mse_multi_temporal" {
        return multi_temporal(term, loss, place);
    }
    if let Some(known) = named(&name) {
        expect(&mut term, "reduce", known.reduce.name(), &name, place)?;
        if let Some(of) = known.of {
            expect(&mut term, "of", if of == Of::Spikes { "spikes" } else { "potential" }, &name, place)?;
        }
        loss.insert("kind".into(), Value::String(known.kind.into()));
        for (key, value) in known.defaults {
            loss.entry(*key).or_insert(Value::Float(*value));
        }
        // All of snnTorch's but this one divide by the samples, whatever they weigh.
        if name.starts_with("ce_") && name != "ce_temporal" || name.starts_with("mse_") {
            loss.entry("average").or_insert(Value::String("samples".into()));
        }
    } else if !KINDS.contains(&name.as_str()) {
        let all: Vec<&str> = KINDS.into_iter().chain(NAMES).collect();
        return Err(Error::network(format!("{place}.loss"), format!("unknown loss {kind}, known: {}", all.join(", "))));
    }
    let default = if spiking { "count" } else { "max" };
    term.entry("reduce").or_insert(Value::String(default.into()));
    let loss: Loss = typed(Value::Table(loss)).map_err(|error| within(format!("{place}.loss"), error))?;
    term.insert("loss".into(), Value::try_from(loss).expect("plain data"));
    Ok(vec![term])
}

/// Puts a mistake under the key that was read.
fn within(key: String, error: Error) -> Error {
    match error {
        Error::Network { place, message } if place == "network" => Error::network(key, message),
        Error::Network { place, message } => Error::network(format!("{key}.{place}"), message),
        other => other,
    }
}

/// Sets a key that a name stands for.
fn expect(term: &mut Table, key: &str, value: &str, name: &str, place: &str) -> Result<()> {
    match term.insert(key.into(), Value::String(value.into())) {
        Some(Value::String(given)) if given != value => {
            Err(Error::network(format!("{place}.{key}"), format!("{name} has {key} = \"{value}\", not \"{given}\"")))
        }
        _ => Ok(()),
    }
}

/// `mse_multi_temporal`: the first F spikes of each unit against F targets. One term for each, of weight 1/F.
fn multi_temporal(mut term: Table, mut loss: Table, place: &str) -> Result<Vec<Table>> {
    let mut targets = |key: &str| -> Result<Vec<Value>> {
        match loss.remove(key) {
            Some(Value::Array(values)) if !values.is_empty() => Ok(values),
            _ => Err(Error::network(
                format!("{place}.loss.{key}"),
                "mse_multi_temporal needs a list of steps, one a spike",
            )),
        }
    };
    let (on, off) = (targets("on_target")?, targets("off_target")?);
    if on.len() != off.len() {
        return Err(Error::network(
            format!("{place}.loss.off_target"),
            format!("has {} steps, on_target has {}", off.len(), on.len()),
        ));
    }
    let weight = match term.remove("weight") {
        None => 1.0,
        Some(Value::Float(weight)) => weight,
        Some(Value::Integer(weight)) => weight as f64,
        Some(_) => return Err(Error::network(format!("{place}.weight"), "must be a number")),
    };
    loss.insert("kind".into(), Value::String("mse_temporal".into()));
    term.insert("weight".into(), Value::Float(weight / on.len() as f64));
    let mut all = Vec::new();
    for (index, (on, off)) in on.into_iter().zip(off).enumerate() {
        let (mut term, mut loss) = (term.clone(), loss.clone());
        loss.insert("on_target".into(), on);
        loss.insert("off_target".into(), off);
        term.insert("spike".into(), Value::Integer(index as i64 + 1));
        term.insert("loss".into(), Value::Table(loss));
        all.extend(complete_term(term, true, place)?);
    }
    Ok(all)
}
