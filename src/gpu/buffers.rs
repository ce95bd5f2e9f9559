//! Arrays on the device: one buffer for each, counted while it lives.

use crate::kernels::{ActivityKind, Shape};
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
        Array(Arc::new(Inner { buffer, id, ledger: ledger.clone() }))
    }

    /// The buffer.
    pub fn buffer(&self) -> &wgpu::Buffer {
        &self.0.buffer
    }

    /// Its number.
    pub fn id(&self) -> u64 {
        self.0.id
    }
}

/// Numbers on the device.
pub struct Values {
    pub(super) array: Array,
    pub(super) len: usize,
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
    pub(super) array: Array,
    pub(super) rows: usize,
    pub(super) columns: usize,
}
