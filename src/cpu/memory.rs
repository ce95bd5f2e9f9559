//! Where the CPU backend keeps things: activity, and rows that several threads write side by side.

use super::bits::push_bits;
use super::float::Float;
use crate::kernels::{ActivityKind, HISTORY, Shape};
use crate::spikes::{pad, words};
use pulp::Simd;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers of a row that a kernel holds at once where it sums over samples or steps: they stay in the first-level cache
/// and on the stack.
pub const BLOCK: usize = 256;

/// Bytes of all living arrays, and the most that there were at once.
#[derive(Debug, Default)]
pub struct Ledger {
    now: AtomicU64,
    most: AtomicU64,
}

impl Ledger {
    /// Bytes now.
    pub fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    /// Most bytes so far.
    pub fn most(&self) -> u64 {
        self.most.load(Ordering::Relaxed)
    }

    /// Enters `bytes` until the entry is dropped.
    pub fn enter(self: &Arc<Self>, bytes: u64) -> Entry {
        let now = self.now.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.most.fetch_max(now, Ordering::Relaxed);
        Entry { ledger: self.clone(), bytes }
    }
}

/// Bytes in a [`Ledger`].
#[derive(Debug)]
pub struct Entry {
    ledger: Arc<Ledger>,
    bytes: u64,
}

impl Entry {
    /// Its bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// It has so many bytes from here on.
    pub fn set(&mut self, bytes: u64) {
        if bytes != self.bytes {
            *self = self.ledger.enter(bytes);
        }
    }
}

impl Clone for Entry {
    fn clone(&self) -> Self {
        self.ledger.enter(self.bytes)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.ledger.now.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Bytes of a cache line, and of the widest vector.
const LINE: usize = 64;

/// Numbers whose first one stands at the start of a cache line: a vector that lies across two lines takes twice as long.
#[derive(Debug)]
pub struct Aligned<T> {
    data: Vec<T>,
    start: usize,
    len: usize,
}

impl<T> Default for Aligned<T> {
    fn default() -> Self {
        Aligned { data: Vec::new(), start: 0, len: 0 }
    }
}

impl<T: Copy> Aligned<T> {
    /// `len` times `zero`.
    pub fn new(zero: T, len: usize) -> Self {
        // The system gives fresh pages of zeros to a `vec!`, so nothing is touched here.
        let data = vec![zero; len + LINE / size_of::<T>()];
        let start = data.as_ptr().align_offset(LINE).min(LINE / size_of::<T>());
        Aligned { data, start, len }
    }

    /// At least `len` entries; those that were there are lost where it grows.
    pub fn grow(&mut self, zero: T, len: usize) -> &mut [T] {
        if self.len < len {
            *self = Aligned::new(zero, len);
        }
        &mut self[..len]
    }
}

impl<T: Clone> Clone for Aligned<T> {
    fn clone(&self) -> Self {
        let mut data: Vec<T> = Vec::with_capacity(self.data.len());
        let Some(any) = self.data.first() else { return Aligned { data, start: 0, len: 0 } };
        let start = data.as_ptr().align_offset(LINE).min(self.data.len() - self.len);
        data.resize(start, any.clone());
        data.extend_from_slice(self);
        data.resize(self.data.len(), any.clone());
        Aligned { data, start, len: self.len }
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        &self.data[self.start..self.start + self.len]
    }
}

impl<T> DerefMut for Aligned<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.data[self.start..self.start + self.len]
    }
}

/// An array that is counted while it lives.
#[derive(Clone, Debug)]
pub struct Array<T> {
    data: Aligned<T>,
    _entry: Entry,
}

impl<T: Copy> Array<T> {
    /// `len` times `zero`.
    pub fn new(zero: T, len: usize, entry: Entry) -> Self {
        Array { data: Aligned::new(zero, len), _entry: entry }
    }
}

impl<T> Array<T> {
    /// All of it.
    pub fn as_slice(&self) -> &[T] {
        self
    }

    /// All of it.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        self
    }
}

impl<T> Deref for Array<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.data
    }
}

impl<T> DerefMut for Array<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.data
    }
}

/// Activity `[HISTORY + T][B][np]`: bits, or real values.
#[derive(Clone, Debug)]
pub struct Activity<F> {
    /// Size without the history.
    pub shape: Shape,
    /// The bits or values.
    pub data: Data<F>,
    entry: Entry,
}

/// See [`Activity`].
#[derive(Clone, Debug)]
pub enum Data<F> {
    /// `[HISTORY + T][B][words]`.
    Raster(Vec<u32>),
    /// `[HISTORY + T][B][np]`.
    Values(Aligned<F>),
    /// `[HISTORY + T][B][np]`.
    Bytes(Vec<u8>),
}

impl<F: Float> Activity<F> {
    /// All 0.
    pub fn new(kind: ActivityKind, shape: Shape, entry: Entry) -> Self {
        let rows = (HISTORY + shape.steps) * shape.batch;
        let data = match kind {
            ActivityKind::Raster => Data::Raster(vec![0; rows * words(shape.units)]),
            ActivityKind::Values => Data::Values(Aligned::new(F::ZERO, rows * pad(shape.units))),
            ActivityKind::Bytes => Data::Bytes(vec![0; rows * pad(shape.units)]),
        };
        Activity { shape, data, entry }
    }

    /// What it holds.
    pub fn kind(&self) -> ActivityKind {
        match self.data {
            Data::Raster(_) => ActivityKind::Raster,
            Data::Values(_) => ActivityKind::Values,
            Data::Bytes(_) => ActivityKind::Bytes,
        }
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> u64 {
        self.entry.bytes
    }

    /// The non-zero entries of row `row` (counted with the history) of sample `b`, ascending, into `events`.
    #[inline(always)]
    pub fn events<S: Simd>(&self, simd: S, row: usize, b: usize, events: &mut Events<F>) {
        let at = row * self.shape.batch + b;
        match &self.data {
            Data::Raster(data) => {
                let width = words(self.shape.units);
                events.decode(simd, &data[at * width..(at + 1) * width]);
            }
            Data::Values(data) => {
                let width = pad(self.shape.units);
                events.grade(&data[at * width..][..self.shape.units]);
            }
            Data::Bytes(data) => {
                let width = pad(self.shape.units);
                events.tally(&data[at * width..][..self.shape.units]);
            }
        }
    }

    /// Row `row` of sample `b` as numbers, into `out` of length `np`.
    #[inline(always)]
    pub fn expand<S: Simd>(&self, simd: S, row: usize, b: usize, out: &mut [F]) {
        self.expand_from(simd, row, b, 0, out);
    }

    /// The same from entry `from` on, a multiple of 32, as many as `out` takes.
    #[inline(always)]
    pub fn expand_from<S: Simd>(&self, simd: S, row: usize, b: usize, from: usize, out: &mut [F]) {
        let at = (row * self.shape.batch + b) * pad(self.shape.units) + from;
        match &self.data {
            Data::Raster(data) => unpack(simd, &data[at / 32..(at + out.len()) / 32], out),
            Data::Values(data) => out.copy_from_slice(&data[at..at + out.len()]),
            Data::Bytes(data) => {
                for (out, &byte) in out.iter_mut().zip(&data[at..]) {
                    *out = F::from_bit(byte.into());
                }
            }
        }
    }
}

/// Bits as numbers.
#[inline(always)]
pub fn unpack<F: Float, S: Simd>(simd: S, words: &[u32], out: &mut [F]) {
    for (&word, lanes) in words.iter().zip(out.chunks_exact_mut(32)) {
        F::expand_word(simd, word, lanes);
    }
}

/// Asks for the cache lines of `row` before they are needed.
#[inline(always)]
pub fn prefetch<F>(row: &[F]) {
    for line in row.chunks(64 / size_of::<F>()) {
        prefetch_line(line.as_ptr());
    }
}

/// Asks for the cache line at `at`, which may lie anywhere.
#[inline(always)]
pub fn prefetch_line<F>(at: *const F) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing and never faults.
    unsafe {
        std::arch::x86_64::_mm_prefetch(at.cast(), std::arch::x86_64::_MM_HINT_T0)
    };
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// The events of one row: indices, and their values where they are not all 1.
#[derive(Clone, Debug, Default)]
pub struct Events<F> {
    /// Indices, ascending.
    pub index: Vec<u32>,
    /// Values; empty for bits.
    pub value: Vec<F>,
    /// Whether `value` holds.
    pub graded: bool,
}

/// Events by reference.
#[derive(Clone, Copy, Debug)]
pub struct List<'a, F> {
    /// Indices, ascending.
    pub index: &'a [u32],
    /// Values, where they are not all 1.
    pub value: Option<&'a [F]>,
}

impl<F> Events<F> {
    /// By reference.
    #[inline(always)]
    pub fn list(&self) -> List<'_, F> {
        List { index: &self.index, value: self.graded.then_some(&self.value) }
    }
}

impl<F: Float> Events<F> {
    /// The set bits of a row.
    #[inline(always)]
    pub fn decode<S: Simd>(&mut self, simd: S, words: &[u32]) {
        self.graded = false;
        self.index.clear();
        for (w, &word) in words.iter().enumerate() {
            push_bits(simd, &mut self.index, w as u32 * 32, word);
        }
    }

    /// Where `values` are not 0; the values themselves are not kept.
    #[inline(always)]
    pub fn mark<S: Simd>(&mut self, simd: S, values: &[F]) {
        self.graded = false;
        self.index.clear();
        for (w, values) in values.chunks_exact(32).enumerate() {
            push_bits(simd, &mut self.index, w as u32 * 32, F::nonzero_word(simd, values));
        }
    }

    #[inline(always)]
    pub fn tally(&mut self, bytes: &[u8]) {
        self.graded = true;
        self.index.clear();
        self.value.clear();
        for (n, &byte) in bytes.iter().enumerate() {
            if byte != 0 {
                self.index.push(n as u32);
                self.value.push(F::from_bit(byte.into()));
            }
        }
    }

    #[inline(always)]
    pub fn grade(&mut self, values: &[F]) {
        self.graded = true;
        self.index.clear();
        self.value.clear();
        for (n, &value) in values.iter().enumerate() {
            if value != F::ZERO {
                self.index.push(n as u32);
                self.value.push(value);
            }
        }
    }
}

/// Bytes of memory that this machine has, where the system tells.
pub fn installed() -> u64 {
    static INSTALLED: std::sync::LazyLock<u64> = std::sync::LazyLock::new(|| {
        let kibibytes = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
            text.lines().find(|line| line.starts_with("MemTotal"))?.split_whitespace().nth(1)?.parse::<u64>().ok()
        });
        kibibytes.map_or(isize::MAX as u64 / 2, |kibibytes| kibibytes * 1024)
    });
    *INSTALLED
}

/// A slice that several threads write, each its own entries.
pub struct Shared<'a, F> {
    at: *mut F,
    len: usize,
    life: PhantomData<&'a mut [F]>,
}

// SAFETY: entries are only reached through `slice`, whose caller promises that no two threads share one.
unsafe impl<F: Send> Sync for Shared<'_, F> {}
// SAFETY: as above.
unsafe impl<F: Send> Send for Shared<'_, F> {}

impl<'a, F> Shared<'a, F> {
    /// Shares `slice`.
    pub fn new(slice: &'a mut [F]) -> Self {
        Shared { at: slice.as_mut_ptr(), len: slice.len(), life: PhantomData }
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Entries `from..from + len`.
    ///
    /// # Safety
    /// No other reference to these entries lives as long as this one is used.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn slice(&self, from: usize, len: usize) -> &mut [F] {
        assert!(from + len <= self.len, "entries {from}+{len} of {}", self.len);
        // SAFETY: within bounds; exclusive by the caller.
        unsafe { std::slice::from_raw_parts_mut(self.at.add(from), len) }
    }
}
