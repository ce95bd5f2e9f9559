//! The run directory.
//!
//! | file | what |
//! |---|---|
//! | `config.toml` | the whole run, every switch written out |
//! | `metrics.jsonl` | one [`EpochMetrics`] a line |
//! | `checkpoint.safetensors` | see [`super::Checkpoint`] |
//! | `summary.json` | what came out, written at the end |
//! | `plan.txt` | how batches are cut to fit into memory |
//! | `learning_curve.png`, `raster.png` | pictures |
//! | `report.html` | the page that `spikegrad report` writes |
//! | `events.out.tfevents.…` | events for TensorBoard, where they were asked for |
//!
//! A line of metrics reaches the disk before the checkpoint of its epoch, so a run that is killed at any moment has all
//! lines up to its checkpoint; those past it are dropped when it is resumed.

use super::write_whole;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// How active the network was: what hardware that computes with spikes would pay for. Lists have one entry for each spiking
/// layer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActivityMetrics {
    /// Spikes of a neuron for a sample.
    pub spikes_per_neuron: Vec<f64>,
    /// Fraction of the neurons that never spiked.
    pub dead_fraction: Vec<f64>,
    /// Fraction of the neurons that spiked at more than half of the steps.
    pub saturated_fraction: Vec<f64>,
    /// Synaptic operations for a sample: each spike, of the input too, once for each weight that it goes through.
    pub synaptic_operations: f64,
    /// Multiply-adds for a sample that analogue input costs.
    pub multiply_adds: f64,
}

impl ActivityMetrics {
    /// Energy proxy, in joules for a sample: what the arithmetic of the forward pass alone would take in 45 nm, 0.9 pJ for the
    /// addition of a synaptic operation and 4.6 pJ for a multiply-add, in f32 (Horowitz 2014). Memory, which takes more in most
    /// hardware, and the neurons' own arithmetic are not in it.
    pub fn energy(&self) -> f64 {
        0.9e-12 * self.synaptic_operations + 4.6e-12 * self.multiply_adds
    }
}

/// What happened in an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Mean loss of the training batches, each before its own update, without regularisers.
    pub train_loss: f64,
    /// Fraction of the training samples that were right, likewise.
    pub train_accuracy: f64,
    /// Loss on the validation set after the epoch; null without one.
    pub valid_loss: Option<f64>,
    /// Accuracy on the validation set after the epoch; null without one.
    pub valid_accuracy: Option<f64>,
    /// Spikes of all hidden layers for a training sample.
    pub spikes_per_sample: f64,
    /// Activity over all training samples of the epoch.
    #[serde(default)]
    pub activity: ActivityMetrics,
    /// Learning rate of the epoch's last step.
    pub learning_rate: f64,
    /// Neurons × steps × samples trained in a second, forward, backward and update.
    pub neuron_steps_per_s: f64,
    /// Seconds that the epoch took, validation included.
    pub seconds: f64,
}

/// A run directory.
#[derive(Clone, Debug, PartialEq)]
pub struct RunDirectory {
    path: PathBuf,
}

impl RunDirectory {
    /// Makes the directory `out`, or `runs/<name>-<seed>`, or `runs/<name>-<seed>-2`, … where those are taken.
    ///
    /// # Errors
    /// [`Error::File`] where it cannot be made, or `out` holds a run already.
    pub fn create(out: Option<&Path>, name: &str, seed: u64) -> Result<Self> {
        let cannot =
            |path: &Path, error: std::io::Error| Error::file(path, format!("cannot make the directory: {error}"));
        if let Some(path) = out {
            Self::vacant(path)?;
            fs::create_dir_all(path).map_err(|error| cannot(path, error))?;
            return Ok(RunDirectory { path: path.to_path_buf() });
        }
        let runs = Path::new("runs");
        fs::create_dir_all(runs).map_err(|error| cannot(runs, error))?;
        for number in 1.. {
            let path = runs.join(Self::name(name, seed, number));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(RunDirectory { path }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(cannot(&path, error)),
            }
        }
        unreachable!("there is always another number")
    }

    /// Whether `out` can be made a run's directory, before anything is done for it.
    ///
    /// # Errors
    /// [`Error::File`] where it holds a run already, or is a file.
    pub fn vacant(out: &Path) -> Result<()> {
        if out.join("config.toml").exists() {
            return Err(Error::file(out, "holds a run already: give --resume to go on with it, or another --out"));
        }
        match out.exists() && !out.is_dir() {
            true => Err(Error::file(out, "cannot make the directory: there is a file")),
            false => Ok(()),
        }
    }

    fn name(name: &str, seed: u64, number: usize) -> String {
        if number == 1 { format!("{name}-{seed}") } else { format!("{name}-{seed}-{number}") }
    }

    /// The newest of the default directories of a run that holds one.
    ///
    /// # Errors
    /// [`Error::File`] where there is none.
    pub fn latest(name: &str, seed: u64) -> Result<Self> {
        let mut found = None;
        for number in 1.. {
            let path = Path::new("runs").join(Self::name(name, seed, number));
            if !path.exists() {
                break;
            }
            if path.join("config.toml").is_file() {
                found = Some(RunDirectory { path });
            }
        }
        found.ok_or_else(|| {
            Error::file(Path::new("runs").join(Self::name(name, seed, 1)), "no such run: name one with --resume RUN")
        })
    }

    /// A directory that holds a run.
    ///
    /// # Errors
    /// [`Error::File`] where it does not.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.is_dir() {
            return Err(Error::file(path, "no such run directory"));
        }
        if !path.join("config.toml").is_file() {
            return Err(Error::file(path, "not a run directory: it has no config.toml"));
        }
        Ok(RunDirectory { path: path.to_path_buf() })
    }

    /// Keeps other processes from training in this directory for as long as the file is held; the system lets go of it
    /// when the process ends, however it ends.
    ///
    /// # Errors
    /// [`Error::File`] where another process trains in it.
    pub fn lock(&self) -> Result<fs::File> {
        let path = self.file(".lock");
        let cannot = |error: &dyn std::fmt::Display| Error::file(&path, format!("cannot be locked: {error}"));
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(|error| cannot(&error))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => {
                Err(Error::file(&self.path, "another process is training in this run directory: wait for it"))
            }
            // Not every file system can lock; then nothing keeps the two apart.
            Err(fs::TryLockError::Error(_)) => Ok(file),
        }
    }

    /// Whether a process trains in this directory now. Changes nothing in it; false where the file system cannot lock.
    pub fn is_training(&self) -> bool {
        let Ok(file) = fs::File::open(self.file(".lock")) else { return false };
        matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// `checkpoint.safetensors`.
    pub fn checkpoint(&self) -> PathBuf {
        self.file("checkpoint.safetensors")
    }

    /// The text of `config.toml`.
    ///
    /// # Errors
    /// [`Error::File`] where it cannot be read.
    pub fn config(&self) -> Result<String> {
        let path = self.file("config.toml");
        fs::read_to_string(&path).map_err(|error| Error::file(&path, format!("cannot be read: {error}")))
    }

    /// Writes `config.toml`.
    ///
    /// # Errors
    /// [`Error::File`] where it cannot be written.
    pub fn write_config(&self, text: &str) -> Result<()> {
        write_whole(self.file("config.toml"), text.as_bytes())
    }

    /// Adds a line to `metrics.jsonl` and sees it onto the disk.
    ///
    /// # Errors
    /// [`Error::File`] where it cannot be written.
    pub fn append(&self, metrics: &EpochMetrics) -> Result<()> {
        let path = self.file("metrics.jsonl");
        let fail = |error: &dyn std::fmt::Display| Error::file(&path, format!("cannot be written: {error}"));
        let mut line = serde_json::to_string(metrics).map_err(|error| fail(&error))?;
        line.push('\n');
        let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(|error| fail(&error))?;
        file.write_all(line.as_bytes()).and_then(|()| file.sync_data()).map_err(|error| fail(&error))
    }

    /// The metrics of the epochs that can be read, from the first on: those of a run that goes on, or whose last line was cut
    /// off.
    ///
    /// # Errors
    /// [`Error::File`] where the file is there and cannot be read.
    pub fn readable_metrics(&self) -> Result<Vec<EpochMetrics>> {
        let path = self.file("metrics.jsonl");
        match fs::read(&path) {
            Ok(bytes) => {
                let read = bytes.split(|&byte| byte == b'\n').map_while(|line| serde_json::from_slice(line).ok());
                Ok(read
                    .zip(1..)
                    .take_while(|(metrics, epoch): &(EpochMetrics, _)| metrics.epoch == *epoch)
                    .map(|(metrics, _)| metrics)
                    .collect())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(Error::file(&path, format!("cannot be read: {error}"))),
        }
    }

    /// The metrics of epochs 1 to `epochs`; what lies past them, or was cut off when the run was killed, is left out.
    ///
    /// # Errors
    /// [`Error::File`] where a line up to there is missing or damaged.
    pub fn metrics(&self, epochs: usize) -> Result<Vec<EpochMetrics>> {
        let path = self.file("metrics.jsonl");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Error::file(&path, format!("cannot be read: {error}"))),
        };
        let read: Vec<EpochMetrics> =
            text.lines().map_while(|line| serde_json::from_str(line).ok()).take(epochs).collect();
        let complete = read.len() == epochs && read.iter().zip(1..).all(|(metrics, epoch)| metrics.epoch == epoch);
        if complete {
            Ok(read)
        } else {
            Err(Error::file(&path, format!("does not hold the {epochs} epochs of the checkpoint")))
        }
    }

    /// Drops the lines past epoch `epochs`.
    ///
    /// # Errors
    /// As [`RunDirectory::metrics`], and where the file cannot be written.
    pub fn cut_metrics(&self, epochs: usize) -> Result<Vec<EpochMetrics>> {
        let kept = self.metrics(epochs)?;
        let mut text = String::new();
        for metrics in &kept {
            text += &serde_json::to_string(metrics).map_err(|error| Error::file(self.file("metrics.jsonl"), error))?;
            text.push('\n');
        }
        write_whole(self.file("metrics.jsonl"), text.as_bytes())?;
        Ok(kept)
    }
}
