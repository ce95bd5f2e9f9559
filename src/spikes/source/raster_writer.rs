//! Writes a file of packed words, step after step.

use super::format::{HEADER, RASTER, Sizes, finish};
use crate::error::{Error, Result};
use crate::io::WholeFile;
use crate::spikes::raster::WORD;
use crate::spikes::words;
use safetensors::tensor::Dtype;
use std::path::Path;

/// A [`RasterFile`](super::RasterFile) on its way to the disk: steps come one after the other and none is kept. The file is
/// there, whole, after [`RasterWriter::finish`]; a writer that is dropped before leaves nothing behind.
#[derive(Debug)]
pub struct RasterWriter {
    file: WholeFile,
    sizes: Sizes,
    length: u64,
    /// Words that came so far, and of all steps.
    words: [usize; 2],
}

impl RasterWriter {
    /// Begins a file of T steps, B samples and N units, with or without the class of each sample.
    ///
    /// # Errors
    /// [`Error::Input`] where there are labels, but not one for each sample, and [`Error::File`] where the file cannot be
    /// made.
    pub fn create(
        path: impl AsRef<Path>,
        steps: usize,
        samples: usize,
        units: usize,
        labels: Option<&[u32]>,
    ) -> Result<Self> {
        let sizes = Sizes { steps, samples, units };
        sizes.check_labels(labels)?;
        let mut tensors = Vec::new();
        if labels.is_some() {
            tensors.push(("labels", Dtype::U32, vec![samples]));
        }
        tensors.push(("spikes", Dtype::U32, vec![steps, samples, words(units)]));
        let header = sizes.header(RASTER, &tensors)?;
        let labels = labels.unwrap_or_default();
        let words = steps * samples * words(units);
        let length = (HEADER + 4 * (labels.len() + words)) as u64;
        let mut file = WholeFile::create(path)?;
        file.write(&header)?;
        file.write_words(labels)?;
        Ok(RasterWriter { file, sizes, length, words: [0, words] })
    }

    /// The next steps, as many as there are words for: `[steps][B][words(N)]`.
    ///
    /// # Errors
    /// [`Error::Input`] where the words are not those of whole steps, of more steps than are left, or have a bit past N, and
    /// nothing is written then; [`Error::File`] where the disk is full or gone.
    pub fn write(&mut self, steps: &[u32]) -> Result<()> {
        let Sizes { samples, units, .. } = self.sizes;
        let width = samples * words(units);
        if steps.is_empty() {
            return Ok(());
        }
        if width == 0 || !steps.len().is_multiple_of(width) {
            let have = steps.len();
            return Err(Error::Input(format!("{have} words are no whole steps: one has {width} of them")));
        }
        let [have, all] = self.words;
        if steps.len() > all - have {
            let (more, done, of) = (steps.len() / width, have / width, all / width);
            return Err(Error::Input(format!("{more} more steps of a raster that has {done} of its {of} already")));
        }
        let rest = units % WORD;
        let past = |row: &[u32]| rest != 0 && row[row.len() - 1] >> rest != 0;
        if let Some(at) = steps.chunks_exact(words(units)).position(past) {
            let (t, b) = (have / width + at / samples, at % samples);
            let message = format!("sample {b} has a spike at step {t} of a unit past the {units} that there are");
            return Err(Error::Input(message));
        }
        self.file.write_words(steps)?;
        self.words[0] += steps.len();
        Ok(())
    }

    /// Whether all steps came.
    pub fn is_complete(&self) -> bool {
        self.words[0] == self.words[1]
    }

    /// Sees the file onto the disk and gives it its name.
    ///
    /// # Errors
    /// [`Error::Input`] where steps are missing, and [`Error::File`] where the file cannot be written.
    pub fn finish(self) -> Result<()> {
        if !self.is_complete() {
            let width = self.sizes.samples * words(self.sizes.units);
            let (done, of) = (self.words[0] / width, self.sizes.steps);
            return Err(Error::Input(format!("a raster of {of} steps is not finished after {done} of them")));
        }
        finish(self.file, self.length)
    }
}
