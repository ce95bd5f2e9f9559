//! Labelled samples, and batches of them.

use super::store::{Analogue, Packed, Sample, Store};
use crate::error::{Error, Result};
use crate::spikes::{Raster, Trace};
use std::sync::Arc;

/// Labelled samples of T steps and N channels: spikes or real values, read from a [`Store`] when a batch needs them. Some of
/// a set ([`DataSet::pick`]) share its store. Two sets are equal where their samples and labels are, wherever they lie.
#[derive(Clone, Debug)]
pub struct DataSet {
    store: Arc<dyn Store>,
    /// Which samples of the store, in order.
    picked: Arc<[u32]>,
    classes: usize,
    labels: Labels,
    /// Steps of each sample of the store, where they differ.
    lengths: Option<Arc<[u32]>>,
}

/// What the answers should be, for each sample of the store.
#[derive(Clone, Debug)]
enum Labels {
    /// One for each picked sample: `[len]`.
    Samples(Vec<u32>),
    /// One for each step, `[sample of the store][T]`.
    Steps(Arc<StepLabels>),
}

/// Classes of steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepLabels {
    /// Class of each step; whatever where the step does not count.
    pub labels: Vec<u32>,
    /// Which steps count.
    pub mask: Vec<bool>,
}

/// Some samples of a data set, side by side.
#[derive(Clone, Debug, PartialEq)]
pub enum Activity {
    /// Spikes `[T, B, N]`.
    Spikes(Raster),
    /// Real values `[T, B, N]`.
    Values(Trace<f32>),
}

/// Some samples with what the answers should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// Input.
    pub activity: Activity,
    /// Class of each sample, `[B]`; None where each step has its own.
    pub labels: Option<Vec<u32>>,
    /// Class of each step, `[T, B]`.
    pub steps: Option<StepLabels>,
    /// Steps of each sample, `[B]`, where they differ.
    pub lengths: Option<Vec<u32>>,
}

impl DataSet {
    /// The samples of a store, with the class of each.
    ///
    /// # Errors
    /// [`Error::Input`] where there is not one label for each sample, or one is out of range.
    pub fn new(store: Arc<dyn Store>, classes: usize, labels: Vec<u32>) -> Result<Self> {
        let samples = store.len();
        if labels.len() != samples {
            return Err(Error::Input(format!("{samples} samples have {} labels", labels.len())));
        }
        if let Some(index) = labels.iter().position(|&label| label as usize >= classes) {
            return Err(Error::Input(format!(
                "sample {index} has the label {}, but there are {classes} classes (0 to {})",
                labels[index],
                classes.saturating_sub(1)
            )));
        }
        let picked = all(samples)?;
        Ok(DataSet { store, picked, classes, labels: Labels::Samples(labels), lengths: None })
    }

    /// The samples of a store, with the class of each step: `labels` is `[sample][T]`.
    ///
    /// # Errors
    /// [`Error::Input`] where there is not one label for each step, or one that counts is out of range.
    pub fn by_step(store: Arc<dyn Store>, classes: usize, labels: StepLabels) -> Result<Self> {
        let (samples, steps) = (store.len(), store.steps());
        if labels.labels.len() != samples * steps || labels.mask.len() != samples * steps {
            return Err(Error::Input(format!(
                "{samples} samples of {steps} steps have {} labels",
                labels.labels.len()
            )));
        }
        let mut cells = labels.labels.iter().zip(&labels.mask);
        if let Some(at) = cells.position(|(&label, &counts)| counts && label as usize >= classes) {
            let (sample, step, label) = (at / steps, at % steps, labels.labels[at]);
            return Err(Error::Input(format!(
                "sample {sample} has the label {label} at step {step}, but there are {classes} classes (0 to {})",
                classes.saturating_sub(1)
            )));
        }
        let picked = all(samples)?;
        Ok(DataSet { store, picked, classes, labels: Labels::Steps(Arc::new(labels)), lengths: None })
    }

    /// The same with the steps of each sample, `[sample]`: what lies past them is padding.
    ///
    /// # Errors
    /// [`Error::Input`] where there is not one length for each sample of the store, or one is not 1 to T.
    pub fn with_lengths(mut self, lengths: Vec<u32>) -> Result<Self> {
        let (samples, steps) = (self.store.len(), self.store.steps());
        if lengths.len() != samples {
            return Err(Error::Input(format!("{samples} samples have {} lengths", lengths.len())));
        }
        if let Some(index) = lengths.iter().position(|&length| length == 0 || length as usize > steps) {
            let length = lengths[index];
            return Err(Error::Input(format!("sample {index} has the length {length}, which is not 1 to {steps}")));
        }
        self.lengths = Some(lengths.into());
        Ok(self)
    }

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
        let mut packed = Packed::new(steps, inputs);
        for sample in samples {
            packed.push(sample)?;
        }
        DataSet::new(Arc::new(packed), classes, labels)
    }

    /// Analogue samples, `values` is `[sample][T][N]`.
    ///
    /// # Errors
    /// [`Error::Input`] where a value is not finite, a label is out of range, or the number of values does not fit.
    pub fn values(steps: usize, inputs: usize, classes: usize, values: Vec<f32>, labels: Vec<u32>) -> Result<Self> {
        let store = Analogue::new(steps, inputs, labels.len(), values)?;
        DataSet::new(Arc::new(store), classes, labels)
    }

    /// Some of the samples, in this order, on the same store.
    ///
    /// # Panics
    /// Where an index is out of range.
    pub fn pick(&self, indices: &[usize]) -> DataSet {
        let labels = match &self.labels {
            Labels::Samples(labels) => Labels::Samples(indices.iter().map(|&index| labels[index]).collect()),
            Labels::Steps(labels) => Labels::Steps(labels.clone()),
        };
        let picked = indices.iter().map(|&index| self.picked[index]).collect();
        DataSet { store: self.store.clone(), picked, labels, lengths: self.lengths.clone(), classes: self.classes }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.picked.len()
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.picked.is_empty()
    }

    /// Steps T of a sample.
    pub fn steps(&self) -> usize {
        self.store.steps()
    }

    /// Channels N.
    pub fn inputs(&self) -> usize {
        self.store.inputs()
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Class of each sample; empty where each step has its own.
    pub fn labels(&self) -> &[u32] {
        match &self.labels {
            Labels::Samples(labels) => labels,
            Labels::Steps(_) => &[],
        }
    }

    /// Whether each step has a label of its own.
    pub fn is_by_step(&self) -> bool {
        matches!(self.labels, Labels::Steps(_))
    }

    /// Whether samples are spikes (else real values).
    pub fn spiking(&self) -> bool {
        self.store.spiking()
    }

    /// Where sample `index` lies in the store: two parts of a set never share one.
    ///
    /// # Panics
    /// Where there is no such sample.
    pub fn place(&self, index: usize) -> usize {
        self.picked[index] as usize
    }

    /// Reads one sample.
    ///
    /// # Errors
    /// [`Error::File`] where its file is gone or damaged.
    ///
    /// # Panics
    /// Where there is no such sample.
    pub fn sample(&self, index: usize) -> Result<Sample> {
        self.store.read(self.place(index))
    }

    /// Steps of a sample that are not padding.
    ///
    /// # Panics
    /// Where there is no such sample.
    pub fn length(&self, index: usize) -> usize {
        self.lengths.as_ref().map_or(self.steps(), |lengths| lengths[self.place(index)] as usize)
    }

    /// The samples of `indices` side by side, and what the answers should be.
    ///
    /// # Errors
    /// As [`DataSet::sample`].
    ///
    /// # Panics
    /// Where an index is out of range.
    pub fn select(&self, indices: &[usize]) -> Result<Selection> {
        self.select_with(indices, |_, sample| Ok(sample))
    }

    /// The same, of what `change` makes of each sample; it is given the sample's index.
    ///
    /// # Errors
    /// As [`DataSet::sample`], and those of `change`.
    ///
    /// # Panics
    /// Where an index is out of range, or `change` makes events or values that do not fit.
    pub fn select_with(
        &self,
        indices: &[usize],
        mut change: impl FnMut(usize, Sample) -> Result<Sample>,
    ) -> Result<Selection> {
        let (steps, batch, inputs) = (self.steps(), indices.len(), self.inputs());
        let mut raster = Raster::new(if self.spiking() { steps } else { 0 }, batch, inputs);
        let mut values = vec![0.0; if self.spiking() { 0 } else { steps * batch * inputs }];
        for (b, &index) in indices.iter().enumerate() {
            match change(index, self.sample(index)?)? {
                Sample::Events(events) => {
                    events.iter().for_each(|&(step, channel)| raster.set(step as usize, b, channel as usize));
                }
                Sample::Values(sample) => {
                    for (t, row) in sample.chunks_exact(inputs).enumerate() {
                        values[(t * batch + b) * inputs..][..inputs].copy_from_slice(row);
                    }
                }
            }
        }
        let activity = match self.spiking() {
            true => Activity::Spikes(raster),
            false => Activity::Values(Trace { steps, batch, units: inputs, values }),
        };
        let lengths = self.lengths.as_ref().map(|_| indices.iter().map(|&index| self.length(index) as u32).collect());
        let (mut labels, mut by_step) = (None, None);
        match &self.labels {
            Labels::Samples(all) => labels = Some(indices.iter().map(|&index| all[index]).collect()),
            Labels::Steps(all) => {
                let cell = |at: usize| self.place(indices[at % batch]) * steps + at / batch;
                by_step = Some(StepLabels {
                    labels: (0..steps * batch).map(|at| all.labels[cell(at)]).collect(),
                    mask: (0..steps * batch).map(|at| all.mask[cell(at)]).collect(),
                });
            }
        }
        Ok(Selection { activity, labels, steps: by_step, lengths })
    }
}

impl PartialEq for DataSet {
    fn eq(&self, other: &Self) -> bool {
        let alike =
            |set: &DataSet| (set.len(), set.steps(), set.inputs(), set.classes, set.spiking(), set.is_by_step());
        let same = |index: usize| match (self.select(&[index]), other.select(&[index])) {
            (Ok(one), Ok(two)) => one == two,
            _ => false,
        };
        alike(self) == alike(other) && (0..self.len()).all(same)
    }
}

/// All samples of a store, in order.
fn all(samples: usize) -> Result<Arc<[u32]>> {
    let samples = u32::try_from(samples).map_err(|_| Error::Input(format!("{samples} samples are too many")))?;
    Ok((0..samples).collect())
}
