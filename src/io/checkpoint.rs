//! Checkpoints: everything that a run needs to go on to the same bits, in one safetensors file.
//!
//! | tensors | |
//! |---|---|
//! | `layer0.weight`, … | parameters after the epoch, under the names of [`crate::engine::shapes`] |
//! | `best.layer0.weight`, … | parameters of the epoch with the best validation accuracy, where there was one |
//! | `optimiser.layer0.weight`, … | state of the optimiser |
//!
//! The metadata under the key `spikegrad` is a [`Progress`] as JSON, with a checksum (`crc32`) of all of it and of the tensors.

use super::tensors::checksum;
use super::{Stored, TensorFile, write_tensors};
use crate::engine::{OptimiserState, Parameters};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;

/// Version of the format; another one is refused.
const FORMAT: u32 = 1;
/// Where the metadata have the checksum; a file of an earlier program has none.
const CHECKSUM: &str = "crc32";

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Version of the format.
    pub format: u32,
    /// The whole run as TOML.
    pub config: String,
    /// Epochs done.
    pub epoch: usize,
    /// Optimiser steps done.
    pub step: u64,
    /// Seed.
    pub seed: u64,
    /// Seconds of training so far.
    pub seconds: f64,
    /// The epoch with the best validation accuracy.
    pub best: Option<Best>,
}

/// The epoch whose parameters are kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// Which epoch, from 1.
    pub epoch: usize,
    /// Its accuracy on the validation set.
    pub accuracy: f64,
    /// Its loss on the validation set.
    pub loss: f64,
}

/// A run between two epochs.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Where the run stands.
    pub progress: Progress,
    /// Parameters.
    pub parameters: Parameters,
    /// Parameters of the best epoch.
    pub best: Option<Parameters>,
    /// State of the optimiser.
    pub optimiser: OptimiserState,
}

impl Progress {
    /// A run that has not begun.
    pub fn start(config: String, seed: u64) -> Self {
        Progress { format: FORMAT, config, epoch: 0, step: 0, seed, seconds: 0.0, best: None }
    }
}

impl Checkpoint {
    /// Writes the checkpoint, whole or not at all.
    ///
    /// # Errors
    /// [`Error::File`] where it cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let mut tensors = Vec::new();
        let sets = [
            ("", Some(&self.parameters)),
            ("best.", self.best.as_ref()),
            ("optimiser.", Some(&self.optimiser.tensors)),
        ];
        for (prefix, set) in sets {
            for (name, tensor) in set.into_iter().flatten() {
                tensors.push((format!("{prefix}{name}"), Stored::reals(tensor)));
            }
        }
        let mut metadata = serde_json::to_value(&self.progress).map_err(|error| Error::file(path, error))?;
        metadata[CHECKSUM] = together(&metadata, checksum(&tensors)).into();
        write_tensors(path, &tensors, Some(metadata.to_string()))
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// [`Error::File`] where it is missing, damaged, foreign, or of another version.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let file = TensorFile::open(path)?;
        let path = file.path();
        let foreign = || Error::file(path, "not a checkpoint of spikegrad: it has no metadata of a run");
        let text = file.metadata().ok_or_else(foreign)?;
        let mut metadata: Value = serde_json::from_str(&text).map_err(|_| foreign())?;
        if metadata["format"] != FORMAT {
            let found = &metadata["format"];
            return Err(Error::file(path, format!("is of format {found}, this program reads format {FORMAT}")));
        }
        let written = metadata.as_object_mut().and_then(|keys| keys.remove(CHECKSUM));
        if written.is_some_and(|written| written != together(&metadata, file.checksum())) {
            return Err(Error::file(
                path,
                "is damaged (its checksum is not that of what it holds): put a copy of it back, or train again",
            ));
        }
        let progress: Progress = serde_json::from_value(metadata)
            .map_err(|error| Error::file(path, format!("has damaged metadata: {error}")))?;
        let (mut parameters, mut best, mut optimiser) = (Parameters::new(), Parameters::new(), Parameters::new());
        for name in file.names() {
            let tensor = file.reals(&name)?;
            if let Some(name) = name.strip_prefix("best.") {
                best.insert(name.into(), tensor);
            } else if let Some(name) = name.strip_prefix("optimiser.") {
                optimiser.insert(name.into(), tensor);
            } else {
                parameters.insert(name, tensor);
            }
        }
        let best = (!best.is_empty()).then_some(best);
        if best.is_some() != progress.best.is_some() || parameters.is_empty() {
            return Err(Error::file(path, "is not complete: tensors that its metadata speaks of are missing"));
        }
        let optimiser = OptimiserState { step: progress.step, tensors: optimiser };
        Ok(Checkpoint { progress, parameters, best, optimiser })
    }
}

/// The checksum of metadata and of tensors that have their own.
fn together(metadata: &Value, tensors: u32) -> u32 {
    crc32fast::hash(format!("{metadata}{tensors}").as_bytes())
}
