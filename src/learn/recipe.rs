//! A training run as data: the network, what it learns from, and how. A recipe is one that comes with the program.

use super::group::Group;
use super::optimiser::{Optimiser, positive};
use super::schedule::Schedule;
use crate::data::{Augment, DataSet, Task};
use crate::error::{Error, Result};
use crate::network::{Network, Reduction, syntax, typed, with_line};
use crate::spikes::encode::Encoder;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// The recipes that come with the program: name and text.
const RECIPES: [(&str, &str); 10] = [
    ("randman", include_str!("../../recipes/randman.toml")),
    ("randman-code", include_str!("../../recipes/randman-code.toml")),
    ("braille", include_str!("../../recipes/braille.toml")),
    ("mnist-latency", include_str!("../../recipes/mnist-latency.toml")),
    ("mnist-rate", include_str!("../../recipes/mnist-rate.toml")),
    ("ecg", include_str!("../../recipes/ecg.toml")),
    ("fsdd", include_str!("../../recipes/fsdd.toml")),
    ("shd", include_str!("../../recipes/shd.toml")),
    ("shd-adlif", include_str!("../../recipes/shd-adlif.toml")),
    ("yin-yang", include_str!("../../recipes/yin-yang.toml")),
];

/// A training run: a file with the keys of a [`Network`], a table `[train]`, a table `[data]`, where training samples are to
/// be varied a table `[augment]`, and for data of real values a table `[encode]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// What is trained.
    pub network: Network,
    /// How.
    pub train: Train,
    /// With what.
    pub data: Task,
    /// How training samples are varied; None: not at all.
    pub augment: Option<Augment>,
    /// How real values become the network's input; None: as they are.
    pub encode: Option<Encoder>,
}

/// The table `[train]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// Name of the run; left out: that of the recipe or the file.
    #[serde(default)]
    pub name: String,
    /// Which task: one of [`Task::NAMES`].
    pub data: String,
    /// Passes over the training set.
    pub epochs: usize,
    /// Samples of a batch.
    pub batch: usize,
    /// Seed of weights, order, and (unless `[data]` has one) data.
    #[serde(default = "one")]
    pub seed: u64,
    /// Largest global norm of the gradient; left out: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// Optimiser.
    #[serde(default)]
    pub optimiser: Optimiser,
    /// Learning rate over the run.
    #[serde(default)]
    pub schedule: Schedule,
    /// What differs for some parameters.
    #[serde(default, rename = "group", skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
}

fn one() -> u64 {
    1
}

impl Recipe {
    /// The names of the recipes that come with the program.
    pub fn names() -> impl Iterator<Item = &'static str> {
        RECIPES.iter().map(|(name, _)| *name)
    }

    /// The recipe `name` that comes with the program.
    ///
    /// # Errors
    /// [`Error::Input`] with the list of names where there is no such recipe.
    pub fn named(name: &str) -> Result<Recipe> {
        let Some((name, text)) = RECIPES.iter().find(|(known, _)| *known == name) else {
            let known: Vec<&str> = Recipe::names().collect();
            let near = crate::suggest::did_you_mean(name, known.iter().copied());
            return Err(Error::Input(format!(
                "unknown recipe {name}{near}: the recipes are {}; a file must end in .toml",
                known.join(", ")
            )));
        };
        Recipe::from_toml(text, name)
    }

    /// Reads a training file; `name` is the name of the run unless the file has one.
    ///
    /// # Errors
    /// [`Error::Network`] with the key and its line.
    pub fn from_toml(text: &str, name: &str) -> Result<Recipe> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| syntax(text, &error))?;
        Recipe::from_table(table, name).map_err(|error| with_line(text, error))
    }

    /// The network of a network file, or of a training file, whose other tables must be right as well.
    ///
    /// # Errors
    /// [`Error::Network`] with the key and its line.
    pub fn network_of(text: &str) -> Result<Network> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| syntax(text, &error))?;
        if table.contains_key("train") {
            return Recipe::from_toml(text, "network").map(|recipe| recipe.network);
        }
        Network::from_toml(text)
    }

    fn from_table(mut table: Table, name: &str) -> Result<Recipe> {
        let train = table.remove("train").ok_or_else(|| {
            Error::network("train", "missing: a training file has a table [train] with data, epochs and batch")
        })?;
        let data = table.remove("data").unwrap_or_else(|| Value::Table(Table::new()));
        let encode = table.remove("encode").map(|encode| within("encode", typed(encode))).transpose()?;
        let augment = table.remove("augment").map(|augment| within("augment", typed(augment))).transpose()?;
        let network = Network::from_table(table)?;
        let mut train: Train = within("train", typed(train))?;
        if train.name.is_empty() {
            train.name = name.to_string();
        }
        let Some(data) = within("data", Task::read(&train.data, data))? else {
            let mut message = crate::suggest::unknown("task", &train.data, Task::NAMES);
            if cfg!(not(feature = "data")) {
                message += " (built without the feature `data`, which has the published data sets)";
            }
            return Err(Error::network("train.data", message));
        };
        let recipe = Recipe { network, train, data, augment, encode };
        recipe.validate()?;
        Ok(recipe)
    }

    /// The whole run as TOML, every switch written out; reading it gives the same recipe.
    pub fn to_toml(&self) -> String {
        let mut tables = Table::new();
        tables.insert("train".into(), Value::try_from(&self.train).expect("plain data"));
        if let Some(augment) = &self.augment {
            tables.insert("augment".into(), Value::try_from(augment).expect("plain data"));
        }
        if let Some(encode) = &self.encode {
            tables.insert("encode".into(), Value::try_from(encode).expect("plain data"));
        }
        let train = toml::to_string(&tables).expect("plain data");
        format!("{}\n{train}\n[data]\n{}", self.network.to_toml(), self.data.to_toml())
    }

    /// Checks what the types do not; [`Recipe::from_toml`] has done it.
    ///
    /// # Errors
    /// [`Error::Network`] with the key and what is allowed there.
    pub fn validate(&self) -> Result<()> {
        let train = &self.train;
        for (key, value, most) in [("epochs", train.epochs, 1_000_000), ("batch", train.batch, 1 << 20)] {
            if !(1..=most).contains(&value) {
                return Err(Error::network(format!("train.{key}"), format!("must be 1 to {most}, is {value}")));
            }
        }
        if i64::try_from(train.seed).is_err() {
            return Err(Error::network("train.seed", format!("must be below 2^63, is {}", train.seed)));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if train.name.is_empty() || !train.name.chars().all(plain) || train.name.starts_with('.') {
            return Err(Error::network(
                "train.name",
                format!("{:?} cannot name a run: letters, digits, - _ and . only", train.name),
            ));
        }
        train.optimiser.validate()?;
        train.schedule.validate()?;
        for (g, group) in train.groups.iter().enumerate() {
            group.validate(&format!("train.group[{g}]"), &self.network, train.optimiser.rule())?;
        }
        if let Some(clip) = train.clip {
            positive("train.clip", clip)?;
        }
        let readout = &self.network.readout;
        if let Some(index) = readout.losses.iter().position(|term| term.loss.is_given()) {
            return Err(Error::network(
                format!("{}.loss", readout.place(index)),
                "the data have labels alone: an mse needs on_target and off_target (of counts: correct_rate and incorrect_rate)",
            ));
        }
        if let Some(augment) = &self.augment {
            augment.validate()?;
        }
        if let Some(encode) = &self.encode {
            encode.validate()?;
        }
        self.data.validate()
    }

    /// Checks that the network fits the data.
    ///
    /// # Errors
    /// [`Error::Network`] where a width differs.
    pub fn fits(&self, data: &DataSet) -> Result<()> {
        self.encodes(data)?;
        if let Some(augment) = &self.augment {
            augment.fits(data.spiking(), data.is_by_step())?;
        }
        let (inputs, classes) = (self.network.inputs, self.network.classes());
        let channels = self.channels(data);
        if inputs != channels {
            let encoded = if self.encode.is_some() { ", encoded," } else { "" };
            return Err(Error::network(
                "inputs",
                format!("is {inputs}, but {}{encoded} has {channels} channels", self.data.name()),
            ));
        }
        if data.is_by_step() {
            self.fits_steps(data)?;
        }
        if classes != data.classes() {
            let coded = self.network.readout.losses[0].classes.is_some();
            let units = format!("layer[{}].units", self.network.layers.len() - 1);
            return Err(Error::network(
                if coded { format!("{}.classes", self.network.readout.place(0)) } else { units },
                format!("the readout has {classes} classes, but {} has {} classes", self.data.name(), data.classes()),
            ));
        }
        Ok(())
    }

    /// Checks that each step of the network is asked where each step of the data has a label.
    fn fits_steps(&self, data: &DataSet) -> Result<()> {
        let readout = &self.network.readout;
        if let Some(index) = readout.losses.iter().position(|term| term.reduce != Reduction::EveryStep) {
            let message = format!("must be \"every_step\": each step of {} has a label of its own", self.data.name());
            return Err(Error::network(format!("{}.reduce", readout.place(index)), message));
        }
        if readout.accuracy_by.is_some() {
            let message = format!("must be left out: the steps of {} are counted", self.data.name());
            return Err(Error::network("readout.accuracy_by", message));
        }
        if self.steps(data) != data.steps() {
            let message =
                format!("the steps of {} have labels of their own: an encoder must keep them", self.data.name());
            return Err(Error::network("encode", message));
        }
        Ok(())
    }
}

/// Puts the table's name before the place of a mistake.
fn within<T>(table: &str, result: Result<T>) -> Result<T> {
    result.map_err(|error| match error {
        Error::Network { place, message } if place == "network" => Error::network(table, message),
        Error::Network { place, message } => Error::network(format!("{table}.{place}"), message),
        other => other,
    })
}
