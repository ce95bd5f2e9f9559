//! Data sets: samples in memory, cut into training, validation and test, and the order in which an epoch visits them.

mod braille;
mod npz;
mod order;
mod randman;

pub use braille::Braille;
pub use npz::{Array, Npz};
pub use order::order;
pub use randman::{Randman, Spectrum};

use crate::error::{Error, Result};
use crate::spikes::{Raster, Trace};

/// Labelled samples of T steps and N channels: spikes, kept as lists of events, or real values.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSet {
    steps: usize,
    inputs: usize,
    classes: usize,
    labels: Vec<u32>,
    samples: Samples,
}

/// What a sample is made of.
#[derive(Clone, Debug, PartialEq)]
enum Samples {
    /// `events[offsets[i]..offsets[i + 1]]` are the (step, channel) of sample i.
    Events { offsets: Vec<usize>, events: Vec<(u32, u32)> },
    /// `[sample][T][N]`.
    Values(Vec<f32>),
}

/// Some samples of a data set, side by side.
#[derive(Clone, Debug, PartialEq)]
pub enum Activity {
    /// Spikes `[T, B, N]`.
    Spikes(Raster),
    /// Real values `[T, B, N]`.
    Values(Trace<f32>),
}

/// A data set cut in three. A part may be empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// What the network learns from.
    pub train: DataSet,
    /// What decides which epoch's parameters are kept.
    pub valid: DataSet,
    /// What the reported accuracy is measured on, once.
    pub test: DataSet,
}

impl DataSet {
    /// Spiking samples of `steps` steps and `inputs` channels. `events[i]` are the (step, channel) of sample i.
    ///
    /// # Errors
    /// [`Error::Input`] where an event or a label is out of range, or the numbers of samples and labels differ.
    pub fn events(
        steps: usize,
        inputs: usize,
        classes: usize,
        samples: &[Vec<(u32, u32)>],
        labels: Vec<u32>,
    ) -> Result<Self> {
        check_labels(samples.len(), classes, &labels)?;
        let mut offsets = vec![0];
        let mut events = Vec::with_capacity(samples.iter().map(Vec::len).sum());
        for (index, sample) in samples.iter().enumerate() {
            for &(step, channel) in sample {
                if step as usize >= steps || channel as usize >= inputs {
                    return Err(Error::Input(format!(
                        "sample {index} has an event of channel {channel} at step {step}, outside {inputs} channels × {steps} steps"
                    )));
                }
                events.push((step, channel));
            }
            offsets.push(events.len());
        }
        Ok(DataSet { steps, inputs, classes, labels, samples: Samples::Events { offsets, events } })
    }

    /// Analogue samples, `values` is `[sample][T][N]`.
    ///
    /// # Errors
    /// [`Error::Input`] where a value is not finite, a label is out of range, or the number of values does not fit.
    pub fn values(steps: usize, inputs: usize, classes: usize, values: Vec<f32>, labels: Vec<u32>) -> Result<Self> {
        check_labels(labels.len(), classes, &labels)?;
        let size = steps * inputs;
        if values.len() != labels.len() * size {
            return Err(Error::Input(format!(
                "{} samples of {steps} steps × {inputs} channels are {} values, not {}",
                labels.len(),
                labels.len() * size,
                values.len()
            )));
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let (sample, step, channel) = (at / size, at % size / inputs, at % inputs);
            let value = values[at];
            return Err(Error::Input(format!(
                "sample {sample} has the value {value} at step {step}, channel {channel}: input must be finite"
            )));
        }
        Ok(DataSet { steps, inputs, classes, labels, samples: Samples::Values(values) })
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Steps T of a sample.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Channels N.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Class of each sample.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Whether samples are spikes (else real values).
    pub fn spiking(&self) -> bool {
        matches!(self.samples, Samples::Events { .. })
    }

    /// The (step, channel) of the spikes of a sample; none of an analogue one.
    ///
    /// # Panics
    /// Where there is no such sample.
    pub fn sample_events(&self, index: usize) -> &[(u32, u32)] {
        assert!(index < self.len(), "sample {index} of {}", self.len());
        match &self.samples {
            Samples::Events { offsets, events } => &events[offsets[index]..offsets[index + 1]],
            Samples::Values(_) => &[],
        }
    }

    /// The samples of `indices` side by side, and their labels.
    ///
    /// # Panics
    /// Where an index is out of range.
    pub fn select(&self, indices: &[usize]) -> (Activity, Vec<u32>) {
        let labels = indices.iter().map(|&index| self.labels[index]).collect();
        let batch = indices.len();
        let activity = match &self.samples {
            Samples::Events { offsets, events } => {
                let mut raster = Raster::new(self.steps, batch, self.inputs);
                for (b, &index) in indices.iter().enumerate() {
                    for &(step, channel) in &events[offsets[index]..offsets[index + 1]] {
                        raster.set(step as usize, b, channel as usize);
                    }
                }
                Activity::Spikes(raster)
            }
            Samples::Values(values) => {
                let size = self.steps * self.inputs;
                let mut out = vec![0.0; batch * size];
                for (b, &index) in indices.iter().enumerate() {
                    let sample = &values[index * size..][..size];
                    for (t, row) in sample.chunks_exact(self.inputs).enumerate() {
                        out[(t * batch + b) * self.inputs..][..self.inputs].copy_from_slice(row);
                    }
                }
                Activity::Values(Trace { steps: self.steps, batch, units: self.inputs, values: out })
            }
        };
        (activity, labels)
    }
}

fn check_labels(samples: usize, classes: usize, labels: &[u32]) -> Result<()> {
    if labels.len() != samples {
        return Err(Error::Input(format!("{samples} samples have {} labels", labels.len())));
    }
    match labels.iter().position(|&label| label as usize >= classes) {
        Some(index) => Err(Error::Input(format!(
            "sample {index} has the label {}, but there are {classes} classes (0 to {})",
            labels[index],
            classes.saturating_sub(1)
        ))),
        None => Ok(()),
    }
}
