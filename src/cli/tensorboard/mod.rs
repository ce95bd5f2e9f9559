//! Event files for TensorBoard, beside the run's own files.

mod message;
mod record;

use message::{Summary, version};
use record::record;
use spikegrad::engine::Parameters;
use spikegrad::io::{EpochMetrics, RunDirectory};
use spikegrad::{Error, Result};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Bins of a histogram; TensorBoard draws about as many.
const BINS: usize = 50;

/// An event file that grows by an event for each epoch.
pub struct Events {
    path: PathBuf,
    file: File,
    /// Numbers of the spiking layers.
    spiking: Vec<usize>,
}

impl Events {
    /// Begins a file in a run directory. TensorBoard takes all files of a directory together, so a run that is resumed goes
    /// on in a new one.
    ///
    /// # Errors
    /// [`Error::File`] where it cannot be written.
    pub fn create(directory: &RunDirectory, spiking: Vec<usize>) -> Result<Self> {
        let seconds = wall_time() as u64;
        // Two in one second: the name tells their order.
        for number in 0.. {
            let path = directory.file(&format!("events.out.tfevents.{seconds:010}.spikegrad.{number:03}"));
            match OpenOptions::new().create_new(true).append(true).open(&path) {
                Ok(file) => {
                    let mut events = Events { path, file, spiking };
                    events.write(&version(wall_time()))?;
                    return Ok(events);
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::file(path, format!("cannot be written: {error}"))),
            }
        }
        unreachable!("there is always another number")
    }

    /// Writes an epoch and the parameters after it. To be called once the checkpoint of the epoch is written: a run that is
    /// killed and resumed then never tells of an epoch twice.
    ///
    /// # Errors
    /// [`Error::File`] where it cannot be written.
    pub fn epoch(&mut self, metrics: &EpochMetrics, parameters: &Parameters) -> Result<()> {
        let mut summary = Summary::default();
        let mut add = |tag: &str, value: Option<f64>| {
            if let Some(value) = value {
                summary.scalar(tag, value);
            }
        };
        add("loss/train", Some(metrics.train_loss));
        add("loss/valid", metrics.valid_loss);
        add("accuracy/train", Some(metrics.train_accuracy));
        add("accuracy/valid", metrics.valid_accuracy);
        add("spikes_per_sample", Some(metrics.spikes_per_sample));
        add("synaptic_operations", Some(metrics.activity.synaptic_operations));
        add("learning_rate", Some(metrics.learning_rate));
        add("neuron_steps_per_s", Some(metrics.neuron_steps_per_s));
        for (place, layer) in self.spiking.iter().enumerate() {
            let activity = &metrics.activity;
            add(&format!("spikes_per_neuron/layer{layer}"), activity.spikes_per_neuron.get(place).copied());
            add(&format!("dead_fraction/layer{layer}"), activity.dead_fraction.get(place).copied());
            add(&format!("saturated_fraction/layer{layer}"), activity.saturated_fraction.get(place).copied());
        }
        for (name, tensor) in parameters.iter().filter(|(_, tensor)| tensor.values.len() > 1) {
            summary.histogram(&name.replacen('.', "/", 1), &tensor.values, BINS);
        }
        self.write(&summary.event(wall_time(), metrics.epoch as u64))
    }

    /// A record in one call, so that a reader never sees half of one for long.
    fn write(&mut self, event: &[u8]) -> Result<()> {
        let written = self.file.write_all(&record(event));
        written.map_err(|error| Error::file(&self.path, format!("cannot be written: {error}")))
    }
}

/// Seconds since 1970.
fn wall_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
