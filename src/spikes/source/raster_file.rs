//! Packed words in a file.

use super::format::{RASTER, Sizes};
use super::{RasterWriter, Source, copy_rows, inside, one, window};
use crate::error::{Error, Result};
use crate::io::Mapped;
use crate::spikes::raster::WORD;
use crate::spikes::words;
use safetensors::tensor::Dtype;
use std::ops::Range;
use std::path::Path;

/// Spikes `[T, B, N]` in a file of packed words, read where they lie: a window costs its own pages, whatever the size of
/// the file. [`RasterWriter`] makes one.
///
/// The file must not be changed while it is open: one that is cut off ends the process. Replacing it by another of the same
/// name does no harm.
#[derive(Debug)]
pub struct RasterFile {
    file: Mapped,
    sizes: Sizes,
    spikes: Range<usize>,
    labels: Option<Vec<u32>>,
}

impl RasterFile {
    /// Opens a file. Its header is checked; the spikes are when they are read.
    ///
    /// # Errors
    /// [`Error::File`] where it is missing, damaged, foreign, or of another version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let file = Mapped::open(path)?;
        let sizes = Sizes::read(&file, RASTER, &["spikes", "labels"])?;
        let spikes = file.place("spikes", Dtype::U32, &[sizes.steps, sizes.samples, words(sizes.units)])?;
        let labels = sizes.labels(&file)?;
        Ok(RasterFile { file, sizes, spikes, labels })
    }

    /// Writes all of a source to a file, some steps at a time.
    ///
    /// # Errors
    /// [`Error::Input`] where there are labels, but not one for each sample, [`Error::File`] where the file cannot be
    /// written, and those of the source.
    pub fn write(path: impl AsRef<Path>, source: &dyn Source, labels: Option<&[u32]>) -> Result<()> {
        let (steps, batch) = (source.steps(), source.batch());
        let mut writer = RasterWriter::create(path, steps, batch, source.units(), labels)?;
        let some = ((1 << 20) / batch.saturating_mul(words(source.units())).max(1)).max(1);
        let mut piece = Vec::new();
        // Without samples or units there is nothing to write, however many steps there are.
        let steps = if writer.is_complete() { 0 } else { steps };
        for first in (0..steps).step_by(some) {
            source.read(first..steps.min(first + some), 0..batch, &mut piece)?;
            writer.write(&piece)?;
        }
        writer.finish()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Class of each sample, where the file has them.
    pub fn labels(&self) -> Option<&[u32]> {
        self.labels.as_deref()
    }

    fn past(&self, t: usize, sample: usize) -> Error {
        let units = self.sizes.units;
        let message = format!("sample {sample} has a spike at step {t} of a unit past the {units} that there are");
        Error::file(self.path(), message)
    }
}

/// Whether the last word of a row has a spike past N.
fn reaches_past(last: u32, units: usize) -> bool {
    let rest = units % WORD;
    rest != 0 && last >> rest != 0
}

impl Source for RasterFile {
    fn steps(&self) -> usize {
        self.sizes.steps
    }

    fn batch(&self) -> usize {
        self.sizes.samples
    }

    fn units(&self) -> usize {
        self.sizes.units
    }

    fn read(&self, steps: Range<usize>, samples: Range<usize>, out: &mut Vec<u32>) -> Result<()> {
        if window(self, &steps, &samples, out)? == 0 {
            return Ok(());
        }
        let row = words(self.sizes.units);
        copy_rows(self.file.pieces(&self.spikes), self.sizes.samples, row, steps.clone(), samples.clone(), out);
        let wrong = |words: &[u32]| reaches_past(words[row - 1], self.sizes.units);
        match out.chunks_exact(row).position(wrong) {
            Some(at) => Err(self.past(steps.start + at / samples.len(), samples.start + at % samples.len())),
            None => Ok(()),
        }
    }

    fn count(&self, steps: Range<usize>, sample: usize) -> Result<u64> {
        inside(self, &steps, &one(sample))?;
        let (pieces, row) = (self.file.pieces::<4>(&self.spikes), words(self.sizes.units));
        if row == 0 {
            return Ok(0);
        }
        let mut spikes = 0;
        for t in steps {
            let words = &pieces[(t * self.sizes.samples + sample) * row..][..row];
            if reaches_past(u32::from_le_bytes(words[row - 1]), self.sizes.units) {
                return Err(self.past(t, sample));
            }
            spikes += words.iter().map(|&word| u64::from(u32::from_le_bytes(word).count_ones())).sum::<u64>();
        }
        Ok(spikes)
    }
}
