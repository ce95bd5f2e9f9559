//! Writes a file of lists of events, sample after sample.

use super::events::in_order;
use super::format::{EVENTS, HEADER, Sizes, finish};
use crate::error::{Error, Result};
use crate::io::WholeFile;
use safetensors::tensor::Dtype;
use std::path::Path;

/// An [`EventFile`](super::EventFile) on its way to the disk: samples come one after the other, and of each only where it
/// ends is kept. The file is there, whole, after [`EventWriter::finish`]; a writer that is dropped before leaves nothing
/// behind.
#[derive(Debug)]
pub struct EventWriter {
    file: WholeFile,
    /// The channels, until it is known where they go: the number of events is not.
    channels: WholeFile,
    sizes: Sizes,
    labels: bool,
    offsets: Vec<u64>,
    events: Vec<(u32, u32)>,
    column: Vec<u32>,
}

impl EventWriter {
    /// Begins a file of T steps, B samples and N units, with or without the class of each sample.
    ///
    /// # Errors
    /// [`Error::Input`] where there are labels, but not one for each sample, or steps or units that 32 bits do not number,
    /// and [`Error::File`] where the file cannot be made.
    pub fn create(
        path: impl AsRef<Path>,
        steps: usize,
        samples: usize,
        units: usize,
        labels: Option<&[u32]>,
    ) -> Result<Self> {
        let path = path.as_ref();
        let sizes = Sizes { steps, samples, units };
        sizes.check_labels(labels)?;
        if [steps, units].iter().any(|&size| size as u64 > 1 << 32) {
            return Err(Error::Input(format!("{steps} steps × {units} units: 32 bits do not number them")));
        }
        // What the header says of a file without events tells whether its sizes are those of a file.
        let header = sizes.header(EVENTS, &Self::tensors(sizes, labels.is_some(), 0)?)?;
        let mut file = WholeFile::create(path)?;
        let mut beside = path.as_os_str().to_os_string();
        beside.push(".channels");
        let channels = WholeFile::create(beside)?;
        file.write(&header)?;
        file.seek(Self::begin(sizes, false))?;
        file.write_words(labels.unwrap_or_default())?;
        let labels = labels.is_some();
        Ok(EventWriter { file, channels, sizes, labels, offsets: vec![0], events: Vec::new(), column: Vec::new() })
    }

    /// The tensors in the order of the file.
    fn tensors(sizes: Sizes, labels: bool, events: u64) -> Result<Vec<(&'static str, Dtype, Vec<usize>)>> {
        let bounds = sizes.samples.checked_add(1).ok_or_else(|| sizes.too_large())?;
        let events = usize::try_from(events).map_err(|_| sizes.too_large())?;
        let mut tensors = vec![("offsets", Dtype::U64, vec![bounds])];
        if labels {
            tensors.push(("labels", Dtype::U32, vec![sizes.samples]));
        }
        tensors.extend(["steps", "channels"].map(|name| (name, Dtype::U32, vec![events])));
        Ok(tensors)
    }

    /// Where the events begin: past the header, the offsets and the labels.
    fn begin(sizes: Sizes, labels: bool) -> u64 {
        let labels = if labels { 4 * sizes.samples as u64 } else { 0 };
        HEADER as u64 + 8 * (sizes.samples as u64 + 1) + labels
    }

    /// The (step, channel) of the next sample, in any order. Several events of a channel at a step are one spike.
    ///
    /// # Errors
    /// [`Error::Input`] where an event lies outside, or there is no next sample, and nothing is written then; [`Error::File`]
    /// where the disk is full or gone.
    pub fn write(&mut self, events: &[(u32, u32)]) -> Result<()> {
        let sample = self.offsets.len() - 1;
        let Sizes { steps, samples, units } = self.sizes;
        if sample == samples {
            return Err(Error::Input(format!("one more sample for a file that has all {samples} of them")));
        }
        self.events.clear();
        self.events.extend(events);
        in_order(steps, units, sample, &mut self.events)?;
        self.column.clear();
        self.column.extend(self.events.iter().map(|event| event.0));
        self.file.write_words(&self.column)?;
        self.column.clear();
        self.column.extend(self.events.iter().map(|event| event.1));
        self.channels.write_words(&self.column)?;
        self.offsets.push(self.offsets[sample] + self.events.len() as u64);
        Ok(())
    }

    /// Sees the file onto the disk and gives it its name.
    ///
    /// # Errors
    /// [`Error::Input`] where samples are missing, and [`Error::File`] where the file cannot be written.
    pub fn finish(mut self) -> Result<()> {
        let (done, of) = (self.offsets.len() - 1, self.sizes.samples);
        if done != of {
            return Err(Error::Input(format!("a file of {of} samples is not finished after {done} of them")));
        }
        let events = self.offsets[of];
        self.file.append(&mut self.channels)?;
        self.file.seek(0)?;
        self.file.write(&self.sizes.header(EVENTS, &Self::tensors(self.sizes, self.labels, events)?)?)?;
        for offset in &self.offsets {
            self.file.write(&offset.to_le_bytes())?;
        }
        finish(self.file, Self::begin(self.sizes, self.labels) + 8 * events)
    }
}
