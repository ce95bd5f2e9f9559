//! What a run directory holds.

use crate::cli::train;
use serde_json::Value;
use spikegrad::Result;
use spikegrad::io::{Checkpoint, EpochMetrics, RunDirectory};
use spikegrad::learn::Recipe;
use std::path::Path;

/// A run as its files tell it. What is not there, or cannot be read, is left out and said.
#[derive(Debug)]
pub struct Run {
    /// Name of the directory.
    pub name: String,
    pub directory: RunDirectory,
    pub recipe: Recipe,
    /// `config.toml` as it stands there.
    pub config: String,
    pub epochs: Vec<EpochMetrics>,
    pub checkpoint: Option<Checkpoint>,
    pub summary: Option<Value>,
    /// `plan.txt` without its first line, where that is the device.
    pub plan: Option<String>,
    /// The device that trained it, where it is known.
    pub device: Option<String>,
    pub state: State,
    /// What is missing, in whole sentences.
    pub missing: Vec<String>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// All epochs are done, and what came out is written.
    Finished,
    /// A process trains in the directory now.
    Training,
    /// It was ended before its last epoch, or before it wrote what came out.
    Stopped,
}

impl Run {
    /// Reads a run directory.
    ///
    /// # Errors
    /// [`spikegrad::Error::File`] where there is none, or its configuration is not one.
    pub fn read(path: &Path) -> Result<Self> {
        let directory = RunDirectory::open(path)?;
        let config = directory.config()?;
        let recipe = train::stored(&directory)?;
        let mut missing = Vec::new();
        let mut note = |what: String| missing.push(what);
        let checkpoint = match Checkpoint::load(directory.checkpoint()) {
            Ok(checkpoint) => Some(checkpoint),
            Err(_) if !directory.checkpoint().exists() => {
                note(
                    "There is no checkpoint: nothing about parameters, and nothing that is measured with them.".into(),
                );
                None
            }
            Err(error) => {
                note(format!("The checkpoint cannot be used: {error}."));
                None
            }
        };
        let epochs = directory.readable_metrics()?;
        let done = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.progress.epoch);
        if epochs.len() < done {
            let read = epochs.len();
            note(format!("metrics.jsonl tells of {read} epochs only, of {done} that were trained."));
        }
        let summary = read(&directory, "summary.json").and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let state = match () {
            () if directory.is_training() => State::Training,
            () if summary.is_some() && epochs.len().max(done) >= recipe.train.epochs => State::Finished,
            () => State::Stopped,
        };
        let (planned_on, plan) = match read(&directory, "plan.txt") {
            Some(text) => split_device(text),
            None => {
                note(
                    "There is no plan.txt: the plan is that of this report's own measurement, if there is one.".into(),
                );
                (None, None)
            }
        };
        let told = summary.as_ref().and_then(|summary| summary["device"].as_str().map(str::to_string));
        let resolved = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let name = resolved.file_name().unwrap_or(resolved.as_os_str()).to_string_lossy().into_owned();
        let device = told.or(planned_on);
        Ok(Run { name, directory, recipe, config, epochs, checkpoint, summary, plan, device, state, missing })
    }

    /// Epochs that were trained.
    pub fn done(&self) -> usize {
        self.checkpoint.as_ref().map_or(self.epochs.len(), |checkpoint| checkpoint.progress.epoch)
    }

    /// A number of `summary.json`. That of a run which went on since belongs to an earlier end.
    pub fn told(&self, key: &str) -> Option<f64> {
        self.summary.as_ref().filter(|_| self.state == State::Finished).and_then(|summary| summary[key].as_f64())
    }

    /// Seconds of training.
    pub fn seconds(&self) -> f64 {
        let counted = || self.epochs.iter().map(|epoch| epoch.seconds).sum();
        self.checkpoint.as_ref().map_or_else(counted, |checkpoint| checkpoint.progress.seconds)
    }

    /// The state in words.
    pub fn state_text(&self) -> String {
        let (done, all) = (self.done(), self.recipe.train.epochs);
        match self.state {
            State::Finished => format!("finished, {done} epochs"),
            State::Training => format!("still training, {done} of {all} epochs"),
            State::Stopped if done >= all => format!("stopped after the last of {all} epochs, before its end"),
            State::Stopped => format!("stopped after {done} of {all} epochs"),
        }
    }

    /// Neurons × steps × samples in a second: the median of the epochs.
    pub fn speed(&self) -> Option<f64> {
        let mut speeds: Vec<f64> = self.epochs.iter().map(|epoch| epoch.neuron_steps_per_s).collect();
        speeds.sort_by(f64::total_cmp);
        speeds.get(speeds.len() / 2).copied()
    }

    /// A layer for people: `layer 0, 100 cuba_lif`.
    pub fn layer_name(&self, index: usize) -> String {
        let layer = &self.recipe.network.layers[index];
        let recurrent = if layer.recurrent { " recurrent" } else { "" };
        format!("layer {index}: {} {}{recurrent}", layer.units, layer.neuron.kind.name())
    }
}

fn read(directory: &RunDirectory, name: &str) -> Option<String> {
    let bytes = std::fs::read(directory.file(name)).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The device that stands in the first line of a plan, and the rest. Plans of earlier versions have no device.
fn split_device(text: String) -> (Option<String>, Option<String>) {
    match text.split_once('\n') {
        Some((first, rest)) if first.starts_with("cpu: ") || first.starts_with("gpu: ") => {
            (Some(first.to_string()), Some(rest.to_string()))
        }
        _ => (None, Some(text)),
    }
}
