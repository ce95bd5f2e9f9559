//! Batches as the engine takes them, from the samples of a data set and the encoder of a recipe.

use super::Recipe;
use crate::data::{Activity, DataSet, Selection, StepLabels};
use crate::engine::{Batch, Input};
use crate::error::{Error, Result};
use crate::spikes::encode::{Encoded, stream};

/// Steps of the encoder's random numbers that evaluations use: each batch of an evaluation has the same ones every time.
pub(super) const EVALUATION: u64 = 1 << 40;

/// Samples of a data set as they are.
///
/// # Errors
/// [`Error::File`] where the file of a sample is gone or damaged.
pub fn select(data: &DataSet, samples: &[usize]) -> Result<Batch> {
    Ok(batch(data.select(samples)?))
}

fn batch(selection: Selection) -> Batch {
    let Selection { activity, labels, steps, lengths } = selection;
    let mut batch = Batch::new(match activity {
        Activity::Spikes(raster) => Input::Spikes(raster),
        Activity::Values(trace) => Input::Values(trace),
    });
    (batch.labels, batch.lengths) = (labels, lengths);
    if let Some(StepLabels { labels, mask }) = steps {
        (batch.step_labels, batch.mask) = (Some(labels), Some(mask));
    }
    batch
}

impl Recipe {
    /// Samples of a data set, encoded where the recipe has an encoder; `step` is the training step, which seeds what is
    /// random.
    ///
    /// # Errors
    /// [`Error::Input`] where a value is outside what the encoder takes, [`Error::File`] where the file of a sample is gone
    /// or damaged.
    pub fn batch(&self, data: &DataSet, samples: &[usize], step: u64) -> Result<Batch> {
        self.encoded(select(data, samples)?, step)
    }

    /// The same as they are seen in `epoch` of the training, varied where the recipe says so.
    ///
    /// # Errors
    /// As [`Recipe::batch`].
    pub fn varied(&self, data: &DataSet, samples: &[usize], step: u64, epoch: usize) -> Result<Batch> {
        let Some(augment) = &self.augment else { return self.batch(data, samples, step) };
        let (seed, size) = (self.train.seed, (data.steps(), data.inputs()));
        let selection =
            data.select_with(samples, |index, sample| Ok(augment.apply(sample, size, seed, epoch, index)))?;
        let mut varied = batch(selection);
        if let Some(lengths) = &mut varied.lengths {
            for (length, &index) in lengths.iter_mut().zip(samples) {
                *length = augment.length(*length as usize, data.steps(), seed, epoch, index) as u32;
            }
        }
        self.encoded(varied, step)
    }

    fn encoded(&self, batch: Batch, step: u64) -> Result<Batch> {
        let (Some(encoder), Input::Values(values)) = (&self.encode, &batch.input) else { return Ok(batch) };
        let input = match encoder.encode(values, &stream(self.train.seed, step))? {
            Encoded::Spikes(raster) => Input::Spikes(raster),
            Encoded::Values(trace) => Input::Values(trace),
            Encoded::Rates(rates) => Input::Rates(rates),
        };
        Ok(Batch { input, ..batch })
    }

    /// Input channels of a sample of `data`, after the encoder.
    pub(super) fn channels(&self, data: &DataSet) -> usize {
        self.encode.as_ref().map_or(data.inputs(), |encoder| encoder.channels(data.inputs()))
    }

    /// Steps of a sample of `data`, after the encoder.
    pub fn steps(&self, data: &DataSet) -> usize {
        self.encode.as_ref().map_or(data.steps(), |encoder| encoder.steps(data.steps()))
    }

    /// Whether the encoder can take the data.
    pub(super) fn encodes(&self, data: &DataSet) -> Result<()> {
        if self.encode.is_some() && data.spiking() {
            return Err(Error::network("encode", format!("{} is spikes already: leave it out", self.data.name())));
        }
        Ok(())
    }
}
