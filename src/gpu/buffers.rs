//! Arrays on the device: one buffer for each, counted while it lives.

use crate::kernels::{ActivityKind, Shape};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What the recorder must know about arrays that come and go.
#[derive(Default)]
pub(super) struct Ledger {
    /// Bytes of all living arrays.
    pub bytes: AtomicU64,
    /// The most that they were at once.
    pub peak: AtomicU64,
    /// Arrays that are gone and may still stand in cached bind groups.
    pub dropped: Mutex<Vec<u64>>,
}

struct Inner {
    buffer: wgpu::Buffer,
    id: u64,
    /// How often work that writes to it was recorded.
    writes: AtomicU64,
    ledger: Arc<Ledger>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.ledger.bytes.fetch_sub(self.buffer.size(), Ordering::Relaxed);
        self.ledger.dropped.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(self.id);
    }
}

/// A buffer with a number that is never given twice.
#[derive(Clone)]
pub(super) struct Array(Arc<Inner>);

impl Array {
    /// Takes `buffer` into the ledger.
    pub fn new(buffer: wgpu::Buffer, id: u64, ledger: &Arc<Ledger>) -> Array {
        let bytes = ledger.bytes.fetch_add(buffer.size(), Ordering::Relaxed) + buffer.size();
        ledger.peak.fetch_max(bytes, Ordering::Relaxed);
        Array(Arc::new(Inner { buffer, id, writes: AtomicU64::new(0), ledger: ledger.clone() }))
    }

    /// The buffer.
    pub fn buffer(&self) -> &wgpu::Buffer {
        &self.0.buffer
    }

    /// Counts work that writes to it.
    pub fn written(&self) {
        self.0.writes.fetch_add(1, Ordering::Relaxed);
    }

    /// How often work that writes to it was recorded.
    pub fn writes(&self) -> u64 {
        self.0.writes.load(Ordering::Relaxed)
    }

    /// Its number.
    pub fn id(&self) -> u64 {
        self.0.id
    }
}

/// Numbers on the device: in one array, or weights that are too long for one in several, of whole rows each.
pub struct Values {
    /// The first piece.
    pub(super) array: Array,
    /// The others.
    pub(super) rest: Vec<Array>,
    pub(super) len: usize,
    /// Entries of a plane. A piece holds the same entries of every plane (the rows of an optimiser), one behind the other.
    plane: usize,
    /// Entries of a plane in each piece but the last.
    pub(super) piece: usize,
    /// The copy that forward passes read instead.
    pub(super) rounded: Option<Box<super::rounded::Rounded>>,
}

/// Entries that lie one behind the other in one array.
pub(super) struct Segment<'a> {
    pub array: &'a Array,
    pub offset: usize,
    /// Which of all entries they are.
    pub range: Range<usize>,
}

impl Values {
    /// In one array.
    pub(super) fn whole(array: Array, len: usize) -> Values {
        Values { array, rest: Vec::new(), len, plane: usize::MAX, piece: usize::MAX, rounded: None }
    }

    /// In several arrays: `planes` planes of `plane` entries, of which each array but the last holds `piece`.
    pub(super) fn in_pieces(mut arrays: Vec<Array>, planes: usize, plane: usize, piece: usize) -> Values {
        let rest = arrays.split_off(1);
        let array = arrays.remove(0);
        Values { array, rest, len: planes * plane, plane, piece, rounded: None }
    }

    /// Whether it is in one array.
    pub(super) fn is_whole(&self) -> bool {
        self.rest.is_empty()
    }

    /// Numbers of each piece, of one plane.
    pub(super) fn lengths(&self) -> Vec<usize> {
        if self.is_whole() { vec![self.len] } else { (0..=self.rest.len()).map(|index| self.stride(index)).collect() }
    }

    /// In `arrays` cut as this one is, with half as many entries in each.
    pub(super) fn halved(&self, mut arrays: Vec<Array>) -> Values {
        if self.is_whole() {
            return Values::whole(arrays.remove(0), self.len / 2);
        }
        Values::in_pieces(arrays, 1, self.plane / 2, self.piece / 2)
    }

    /// Piece `index`.
    pub(super) fn part(&self, index: usize) -> &Array {
        index.checked_sub(1).map_or(&self.array, |index| &self.rest[index])
    }

    /// Entries of a plane in piece `index`.
    pub(super) fn stride(&self, index: usize) -> usize {
        self.piece.min(self.plane - index * self.piece)
    }

    /// The segments of a range of entries, in their order.
    pub(super) fn segments(&self, range: Range<usize>) -> Vec<Segment<'_>> {
        let mut all = Vec::new();
        let mut start = range.start;
        while start < range.end {
            let (plane, entry) = (start / self.plane, start % self.plane);
            let (index, within) = (entry / self.piece, entry % self.piece);
            let length = (self.stride(index) - within).min(range.end - start);
            let offset = plane * self.stride(index) + within;
            all.push(Segment { array: self.part(index), offset, range: start..start + length });
            start += length;
        }
        all
    }

    /// As a matrix with rows of `row` entries.
    pub(super) fn matrix(&self, row: usize) -> Matrix<'_> {
        Matrix { first: &self.array, rest: &self.rest, rows: self.piece / row.max(1) }
    }
}

/// Entries `0..len` cut wherever one of several arrays ends that hold so many each.
pub(super) fn cuts(len: usize, pieces: &[usize]) -> Vec<Range<usize>> {
    let mut all = Vec::new();
    let mut start = 0;
    while start < len {
        let ends = pieces.iter().map(|&piece| (start / piece + 1).saturating_mul(piece));
        let end = ends.min().unwrap_or(len).min(len);
        all.push(start..end);
        start = end;
    }
    all
}

/// A matrix in one array, or in several of whole rows.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    first: &'a Array,
    rest: &'a [Array],
    /// Rows of each array but the last.
    rows: usize,
}

impl<'a> Matrix<'a> {
    /// The arrays that hold rows `0..rows`, and which of them, in ascending order.
    pub fn parts(self, rows: usize) -> impl Iterator<Item = (Range<usize>, &'a Array)> {
        let each = self.rows;
        let arrays = std::iter::once(self.first).chain(self.rest);
        let starts = (0..rows.max(1)).step_by(each);
        starts.zip(arrays).map(move |(start, array)| (start..start.saturating_add(each).min(rows), array))
    }
}

impl<'a> From<&'a Array> for Matrix<'a> {
    fn from(first: &'a Array) -> Self {
        Matrix { first, rest: &[], rows: usize::MAX }
    }
}

/// Rows of a piece of weights whose `planes` planes have rows of `row` entries, where an array takes `limit` bytes: whole
/// words of spikes, and whole stretches of `stretch` entries where these fit, so that sums are those of one array. None
/// where not even one word fits.
pub(super) fn rows_of_piece(limit: u64, planes: usize, row: usize, stretch: usize) -> Option<usize> {
    let most = (limit / 4) as usize / (planes * row).max(1);
    let whole = (stretch >> row.trailing_zeros().min(stretch.trailing_zeros())).max(32);
    [whole, 32].into_iter().map(|unit| most / unit * unit).find(|&rows| rows > 0)
}

/// 32-bit words on the device.
pub struct Words {
    pub(super) array: Array,
    pub(super) len: usize,
}

/// Activity on the device: `[HISTORY + T][B]` rows of words (bits, or bytes) or of numbers.
pub struct Activity {
    pub(super) array: Array,
    pub(super) kind: ActivityKind,
    pub(super) shape: Shape,
    /// Share of its entries that are active: of the first data that was written, or as it is expected of a layer.
    pub(super) share: Option<f64>,
}

impl Activity {
    /// Entries of a row of one sample: words of bits or bytes, or numbers.
    pub(super) fn row(&self) -> usize {
        match self.kind {
            ActivityKind::Raster => crate::spikes::words(self.shape.units),
            ActivityKind::Values => self.shape.row(),
            ActivityKind::Bytes => self.shape.row() / 4,
        }
    }

    /// Whether it holds several spikes a step.
    pub(super) fn is_bytes(&self) -> bool {
        self.kind == ActivityKind::Bytes
    }

    /// Whether it holds spikes.
    pub(super) fn is_spikes(&self) -> bool {
        self.kind != ActivityKind::Values
    }

    /// Whether it holds bits.
    pub(super) fn is_raster(&self) -> bool {
        self.kind == ActivityKind::Raster
    }
}

/// A weight tensor transposed: `[pad(columns)][pad(rows)]`, 0 where it is padded.
pub struct Prepared {
    pub(super) values: Values,
    /// Whether its entries are 16-bit floats, two in a word.
    pub(super) half: bool,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl Prepared {
    /// As a matrix with rows of `row` entries.
    pub(super) fn matrix(&self, row: usize) -> Matrix<'_> {
        self.values.matrix(if self.half { row / 2 } else { row })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_end_where_an_array_does() {
        assert_eq!(cuts(10, &[4, usize::MAX]), [0..4, 4..8, 8..10]);
        assert_eq!(cuts(10, &[4, 6]), [0..4, 4..6, 6..8, 8..10]);
        assert!(cuts(0, &[4]).is_empty());
    }

    #[test]
    fn pieces_are_whole_words_and_stretches() {
        assert_eq!(rows_of_piece(128 << 20, 1, 8192, 4096), Some(4096));
        assert_eq!(rows_of_piece(300 << 10, 1, 288, 4096), Some(256));
        assert_eq!(rows_of_piece(20 << 10, 1, 128, 4096), Some(32));
        // Not 128 rows, but 32.
        assert_eq!(rows_of_piece(80 << 10, 1, 288, 4096), Some(64));
        assert_eq!(rows_of_piece(1000, 1, 32, 4096), None);
    }
}
