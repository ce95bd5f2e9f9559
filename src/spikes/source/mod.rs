//! Input that no one holds as T × B × N values: it is read window by window, from lists of events or packed words, in
//! memory or in a file.
//!
//! | source | what lies where |
//! |---|---|
//! | [`Raster`] | packed words in memory |
//! | [`Events`] | sorted (step, channel) in memory |
//! | [`RasterFile`] | packed words in a mapped file |
//! | [`EventFile`] | sorted (step, channel) in a mapped file |
//! | [`Selected`] | some samples of another source |

mod event_file;
mod event_writer;
mod events;
mod format;
mod raster_file;
mod raster_writer;
mod selected;

pub use event_file::EventFile;
pub use event_writer::EventWriter;
pub use events::Events;
pub use raster_file::RasterFile;
pub use raster_writer::RasterWriter;
pub use selected::Selected;

use super::{Raster, words};
use crate::error::{Error, Result};
use std::ops::Range;

/// Where the input of a batch is read from, piece by piece.
pub trait Source: Send + Sync + std::fmt::Debug {
    /// Steps T.
    fn steps(&self) -> usize;

    /// Samples B.
    fn batch(&self) -> usize;

    /// Units N.
    fn units(&self) -> usize;

    /// Packed words `[steps][samples][words(N)]` of these steps and samples, into `out`, which is cleared first and may hold
    /// anything after an error.
    ///
    /// # Errors
    /// [`Error::Input`] where the window reaches past the end, [`Error::Memory`] where there is no room for it, and
    /// [`Error::File`] where a file turns out to be damaged there.
    fn read(&self, steps: Range<usize>, samples: Range<usize>, out: &mut Vec<u32>) -> Result<()>;

    /// Number of spikes in these steps of one sample.
    ///
    /// # Errors
    /// As [`Source::read`].
    fn count(&self, steps: Range<usize>, sample: usize) -> Result<u64>;
}

impl Source for Raster {
    fn steps(&self) -> usize {
        self.steps()
    }

    fn batch(&self) -> usize {
        self.batch()
    }

    fn units(&self) -> usize {
        self.units()
    }

    fn read(&self, steps: Range<usize>, samples: Range<usize>, out: &mut Vec<u32>) -> Result<()> {
        if window(self, &steps, &samples, out)? > 0 {
            copy_rows(self.words(), self.batch(), words(self.units()), steps, samples, out);
        }
        Ok(())
    }

    fn count(&self, steps: Range<usize>, sample: usize) -> Result<u64> {
        inside(self, &steps, &one(sample))?;
        let row = words(self.units());
        let ones = |t: usize| self.words()[(t * self.batch() + sample) * row..][..row].iter().map(|w| w.count_ones());
        Ok(if row == 0 { 0 } else { steps.flat_map(ones).map(u64::from).sum() })
    }
}

/// An integer as it lies in memory or in a file.
trait Word: Copy {
    fn value(self) -> u32;
}

impl Word for u32 {
    fn value(self) -> u32 {
        self
    }
}

impl Word for [u8; 4] {
    fn value(self) -> u32 {
        u32::from_le_bytes(self)
    }
}

/// The window of one sample; past the end where there is no such sample.
fn one(sample: usize) -> Range<usize> {
    sample..sample.saturating_add(1)
}

/// Whether a window lies inside.
fn inside(source: &(impl Source + ?Sized), steps: &Range<usize>, samples: &Range<usize>) -> Result<()> {
    for (what, window, size) in [("steps", steps, source.steps()), ("samples", samples, source.batch())] {
        if window.start > window.end || window.end > size {
            let message = format!("{what} {}..{} of input that has {size} {what}", window.start, window.end);
            return Err(Error::Input(message));
        }
    }
    Ok(())
}

/// Checks a window and makes room for its words: how many there are.
fn window(
    source: &(impl Source + ?Sized),
    steps: &Range<usize>,
    samples: &Range<usize>,
    out: &mut Vec<u32>,
) -> Result<usize> {
    inside(source, steps, samples)?;
    out.clear();
    let sizes = [steps.len(), samples.len(), words(source.units())];
    if sizes.contains(&0) {
        return Ok(0);
    }
    let words = sizes.into_iter().try_fold(1usize, usize::checked_mul);
    match words {
        Some(words) if out.try_reserve_exact(words).is_ok() => Ok(words),
        _ => Err(Error::Memory {
            what: format!("input of {} steps × {} samples × {} units", steps.len(), samples.len(), source.units()),
            needed: words.map_or(u64::MAX, |words| (words as u64).saturating_mul(4)),
            remedy: "read fewer steps or samples at a time".into(),
        }),
    }
}

/// Appends the rows of a window that is not empty, of words `[T][batch][row]`.
fn copy_rows<W: Word>(
    words: &[W],
    batch: usize,
    row: usize,
    steps: Range<usize>,
    samples: Range<usize>,
    out: &mut Vec<u32>,
) {
    if samples.len() == batch {
        return out.extend(words[steps.start * batch * row..steps.end * batch * row].iter().map(|word| word.value()));
    }
    for t in steps {
        out.extend(words[(t * batch + samples.start) * row..][..samples.len() * row].iter().map(|word| word.value()));
    }
}
