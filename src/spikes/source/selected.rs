//! Some samples of a source.

use super::{Source, inside, one, window};
use crate::error::{Error, Result};
use crate::spikes::words;
use std::ops::Range;
use std::sync::Arc;

/// Some samples of another source, in any order, each as often as it is named: how a batch is drawn from a large file.
#[derive(Clone, Debug)]
pub struct Selected {
    source: Arc<dyn Source>,
    samples: Vec<usize>,
}

impl Selected {
    /// The samples `samples` of `source`. Neighbours of the source that are neighbours here too are read together.
    ///
    /// # Errors
    /// [`Error::Input`] where the source has no such sample.
    pub fn new(source: Arc<dyn Source>, samples: Vec<usize>) -> Result<Self> {
        let batch = source.batch();
        match samples.iter().find(|&&sample| sample >= batch) {
            Some(sample) => Err(Error::Input(format!("sample {sample} of input that has {batch} samples"))),
            None => Ok(Selected { source, samples }),
        }
    }

    /// What the samples are taken from.
    pub fn source(&self) -> &Arc<dyn Source> {
        &self.source
    }

    /// Which samples.
    pub fn samples(&self) -> &[usize] {
        &self.samples
    }
}

impl Source for Selected {
    fn steps(&self) -> usize {
        self.source.steps()
    }

    fn batch(&self) -> usize {
        self.samples.len()
    }

    fn units(&self) -> usize {
        self.source.units()
    }

    fn read(&self, steps: Range<usize>, samples: Range<usize>, out: &mut Vec<u32>) -> Result<()> {
        let length = window(self, &steps, &samples, out)?;
        if length == 0 {
            return Ok(());
        }
        let (picked, row) = (&self.samples[samples], words(self.units()));
        let mut piece = Vec::new();
        let mut b = 0;
        for run in picked.chunk_by(|a, b| a + 1 == *b) {
            let samples = run[0]..run[0] + run.len();
            if run.len() == picked.len() {
                return self.source.read(steps, samples, out);
            }
            out.resize(length, 0);
            self.source.read(steps.clone(), samples, &mut piece)?;
            for (t, rows) in piece.chunks_exact(run.len() * row).enumerate() {
                out[(t * picked.len() + b) * row..][..rows.len()].copy_from_slice(rows);
            }
            b += run.len();
        }
        Ok(())
    }

    fn count(&self, steps: Range<usize>, sample: usize) -> Result<u64> {
        inside(self, &steps, &one(sample))?;
        self.source.count(steps, self.samples[sample])
    }
}
