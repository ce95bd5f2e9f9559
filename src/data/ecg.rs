//! Electrocardiograms of the QT database as level crossings (Yin, Corradi & Bohté 2021): each step has a label of its own,
//! the wave that it belongs to.

use super::store::Packed;
use super::{DataSet, Npz, Parameters, Split, StepLabels, files};
use crate::error::{Error, Result};
use crate::spikes::Random;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Channels of level crossings.
const CHANNELS: usize = 4;
/// Waves.
const WAVES: [&str; 6] = ["P", "PQ", "QR", "RS", "ST", "TP"];
/// Steps of a trial.
const STEPS: usize = 1301;

/// How the recordings are prepared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ecg {
    /// Directory that holds `ecg/qtdb_train.npz` and `ecg/qtdb_test.npz`; the command line and `SPIKEGRAD_DATA` go before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// Validation trials, taken from the training trials.
    pub valid: usize,
    /// Seed of the split; None: the seed of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Default for Ecg {
    fn default() -> Self {
        Ecg { directory: None, valid: 60, seed: None }
    }
}

/// Stream of random numbers that splits.
const SPLIT: u64 = 0x4543_4753_504c_4954;
/// How to come by the files.
const GET: &str = "docs/data.md says where from and how it is made";

impl Ecg {
    fn part(&self, name: &str) -> Result<DataSet> {
        let path = files::find(self.directory.as_deref(), "ecg", name, GET)?;
        let mut file = Npz::open(&path)?;
        let events = file.array("events", &[None, Some(STEPS), Some(CHANNELS)])?;
        let trials = events.shape[0];
        let labels = file.array("label", &[Some(trials), Some(STEPS), Some(WAVES.len())])?;
        let mut store = Packed::new(STEPS, CHANNELS);
        for trial in events.values.chunks_exact(STEPS * CHANNELS) {
            // The one −1 of a trial marks its end in channel 0 and is no crossing.
            let spikes = trial.iter().enumerate().filter(|(_, value)| **value > 0.0);
            let spikes: Vec<(u32, u32)> =
                spikes.map(|(at, _)| ((at / CHANNELS) as u32, (at % CHANNELS) as u32)).collect();
            store.push(&spikes)?;
        }
        let rows = labels.values.chunks_exact(WAVES.len());
        let labels: Result<Vec<Option<u32>>> = rows.enumerate().map(|(at, row)| wave(&path, at, row)).collect();
        let labels = labels?;
        let steps = StepLabels {
            labels: labels.iter().map(|label| label.unwrap_or(0)).collect(),
            mask: labels.iter().map(Option::is_some).collect(),
        };
        DataSet::by_step(Arc::new(store), WAVES.len(), steps)
    }
}

/// The wave of a one-hot row; None of one without any, which does not count.
fn wave(path: &Path, at: usize, row: &[f32]) -> Result<Option<u32>> {
    let ones = row.iter().filter(|&&value| value == 1.0).count();
    if ones > 1 || row.iter().any(|&value| value != 0.0 && value != 1.0) {
        let (trial, step) = (at / STEPS, at % STEPS);
        return Err(Error::file(path, format!("has no one-hot label at step {step} of trial {trial}")));
    }
    Ok(row.iter().position(|&value| value == 1.0).map(|wave| wave as u32))
}

impl Parameters for Ecg {
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    fn load(&self, seed: u64) -> Result<Split> {
        let train = self.part("qtdb_train.npz")?;
        let test = self.part("qtdb_test.npz")?;
        if self.valid >= train.len() {
            let message = format!("{} of {} trials leave none to train with", self.valid, train.len());
            return Err(Error::network("data.valid", message));
        }
        let mut order: Vec<usize> = (0..train.len()).collect();
        Random::new(self.seed.unwrap_or(seed), SPLIT).shuffle(&mut order);
        let valid = order.split_off(order.len() - self.valid);
        Ok(Split { train: train.pick(&order), valid: train.pick(&valid), test })
    }

    fn directory(&mut self) -> Option<&mut Option<PathBuf>> {
        Some(&mut self.directory)
    }

    fn class_name(&self, index: usize) -> String {
        WAVES.get(index).map_or(index.to_string(), |wave| wave.to_string())
    }
}
