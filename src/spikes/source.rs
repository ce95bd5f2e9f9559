use crate::error::Result;
use std::ops::Range;
/// Where the input of a batch is read from, piece by piece.
pub trait Source: Send + Sync + std::fmt::Debug {
    /// Steps T.
    fn steps(&self) -> usize;
    /// Samples B.
    fn batch(&self) -> usize;
    /// Units N.
    fn units(&self) -> usize;
    /// Packed words.
    fn read(&self, steps: Range<usize>, samples: Range<usize>, out: &mut Vec<u32>) -> Result<()>;
    /// Spikes.
    fn count(&self, steps: Range<usize>, sample: usize) -> Result<u64>;
}
