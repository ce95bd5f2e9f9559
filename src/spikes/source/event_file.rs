//! Lists of events in a file.

use super::events::{List, check_offsets, read_lists};
use super::format::{EVENTS, Sizes};
use super::{EventWriter, Source, inside, one};
use crate::error::{Error, Result};
use crate::io::Mapped;
use crate::spikes::words;
use safetensors::tensor::Dtype;
use std::ops::Range;
use std::path::Path;

/// Spikes as lists of (step, channel), one for each sample, in a file, read where they lie: a window of a sample costs the
/// pages of its own events and those of a binary search. [`EventWriter`] makes one.
///
/// The file must not be changed while it is open: one that is cut off ends the process. Replacing it by another of the same
/// name does no harm.
#[derive(Debug)]
pub struct EventFile {
    file: Mapped,
    sizes: Sizes,
    offsets: Range<usize>,
    step: Range<usize>,
    channel: Range<usize>,
    labels: Option<Vec<u32>>,
}

impl EventFile {
    /// Opens a file. Its header and its offsets are checked; the events are when they are read.
    ///
    /// # Errors
    /// [`Error::File`] where it is missing, damaged, foreign, or of another version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let file = Mapped::open(path)?;
        let sizes = Sizes::read(&file, EVENTS, &["offsets", "steps", "channels", "labels"])?;
        let bounds = sizes.samples.checked_add(1).ok_or_else(|| Error::file(file.path(), "has too many samples"))?;
        let offsets = file.place("offsets", Dtype::U64, &[bounds])?;
        let events = file.shape("steps").and_then(|shape| shape.first().copied()).unwrap_or(0);
        let step = file.place("steps", Dtype::U32, &[events])?;
        let channel = file.place("channels", Dtype::U32, &[events])?;
        let bounds = file.pieces::<8>(&offsets).iter().map(|&offset| usize::try_from(u64::from_le_bytes(offset)).ok());
        check_offsets(bounds, events).map_err(|message| Error::file(file.path(), message))?;
        let labels = sizes.labels(&file)?;
        Ok(EventFile { file, sizes, offsets, step, channel, labels })
    }

    /// Writes all of a source to a file, one sample after the other.
    ///
    /// # Errors
    /// [`Error::Input`] where there are labels, but not one for each sample, or steps or units that 32 bits do not number,
    /// [`Error::File`] where the file cannot be written, and those of the source.
    pub fn write(path: impl AsRef<Path>, source: &dyn Source, labels: Option<&[u32]>) -> Result<()> {
        let (steps, row) = (source.steps(), words(source.units()));
        let mut writer = EventWriter::create(path, steps, source.batch(), source.units(), labels)?;
        let some = ((1 << 20) / row.max(1)).max(1);
        // Without units there are no events, however many steps there are.
        let steps = if row == 0 { 0 } else { steps };
        let (mut piece, mut events) = (Vec::new(), Vec::new());
        for b in 0..source.batch() {
            events.clear();
            for first in (0..steps).step_by(some) {
                source.read(first..steps.min(first + some), b..b + 1, &mut piece)?;
                for (at, &word) in piece.iter().enumerate() {
                    let mut bits = word;
                    while bits != 0 {
                        let n = at % row * 32 + bits.trailing_zeros() as usize;
                        events.push(((first + at / row) as u32, n as u32));
                        bits &= bits - 1;
                    }
                }
            }
            writer.write(&events)?;
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

    /// The (step, channel) of a sample, sorted. It costs the events that are there, however many steps there might be.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no such sample, [`Error::File`] where its events are damaged.
    pub fn sample(&self, sample: usize) -> Result<Vec<(u32, u32)>> {
        inside(self, &(0..self.sizes.steps), &one(sample))?;
        let list = self.list(sample);
        let mut events = Vec::with_capacity(list.step.len());
        let visited = list.visit(0..self.sizes.steps, |t, n| events.push((t as u32, n as u32)));
        visited.map_err(|message| Error::file(self.path(), message))?;
        Ok(events)
    }

    /// The events of a sample. Nothing where the offsets have changed since they were checked.
    fn list(&self, sample: usize) -> List<'_, [u8; 4]> {
        let offsets = self.file.pieces::<8>(&self.offsets);
        let [start, end] = [sample, sample + 1].map(|at| u64::from_le_bytes(offsets[at]) as usize);
        let step = self.file.pieces(&self.step).get(start..end).unwrap_or_default();
        let channel = self.file.pieces(&self.channel).get(start..end).unwrap_or_default();
        List { steps: self.sizes.steps, units: self.sizes.units, sample, step, channel }
    }
}

impl Source for EventFile {
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
        read_lists(self, |sample| self.list(sample), steps, samples, out, |message| Error::file(self.path(), message))
    }

    fn count(&self, steps: Range<usize>, sample: usize) -> Result<u64> {
        inside(self, &steps, &one(sample))?;
        self.list(sample).count(steps).map_err(|message| Error::file(self.path(), message))
    }
}
