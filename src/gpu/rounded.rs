//! Weights as 16-bit floats for the forward passes: a copy beside the weights, made anew whenever they were written since.
//!
//! Whether a tensor has one is decided when it is made, and every kernel that reads weights forward reads the copy then, so that
//! all forms, and a forward pass and its replay, compute with the same numbers. `update` works on the weights themselves.

use super::buffers::{Array, Matrix, Values};
use super::halve;
use super::{Gpu, memory};
use crate::error::Result;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of weights from which on a copy is planned: more than the cache of a middle-class GPU keeps.
const CACHE: usize = 4 << 20;

/// The copy.
pub(super) struct Rounded {
    /// Two numbers in a word, in as many arrays as the weights.
    values: Values,
    /// How often each array of the weights had been written when its copy was made.
    made_at: Vec<AtomicU64>,
}

/// See `Kernels::forward_weights`.
pub(super) fn weights(gpu: &mut Gpu, role: &str, rows: usize, row: usize) -> Result<Values> {
    let mut weights = memory::weights(gpu, role, 1, rows, row)?;
    if gpu.options.half_forward.or(|| rows * row * 4 > CACHE) {
        let arrays: Result<Vec<Array>> =
            weights.lengths().into_iter().map(|len| gpu.recorder.array(role, len / 2)).collect();
        let values = weights.halved(arrays?);
        let made_at = values.lengths().iter().map(|_| AtomicU64::new(u64::MAX)).collect();
        weights.rounded = Some(Box::new(Rounded { values, made_at }));
    }
    Ok(weights)
}

/// Weights as a forward pass reads them.
#[derive(Clone, Copy)]
pub(super) struct Read<'a> {
    values: &'a Values,
    /// Whether they are 16-bit floats, two in a word.
    pub half: bool,
}

impl<'a> Read<'a> {
    /// The weights themselves.
    pub fn exact(values: &'a Values) -> Read<'a> {
        Read { values, half: false }
    }

    /// Whether they are in one array.
    pub fn is_whole(&self) -> bool {
        self.values.is_whole()
    }

    /// The first array.
    pub fn array(&self) -> &'a Array {
        &self.values.array
    }

    /// As a matrix with rows of `row` entries.
    pub fn matrix(&self, row: usize) -> Matrix<'a> {
        self.values.matrix(if self.half { row / 2 } else { row })
    }
}

/// The weights, or their copy, which is brought up to date first.
pub(super) fn read<'a>(gpu: &mut Gpu, weights: &'a Values) -> Read<'a> {
    let Some(rounded) = &weights.rounded else { return Read::exact(weights) };
    for (index, len) in weights.lengths().into_iter().enumerate() {
        let (from, to, made_at) = (weights.part(index), rounded.values.part(index), &rounded.made_at[index]);
        if made_at.swap(from.writes(), Ordering::Relaxed) != from.writes() {
            halve::between(gpu, from, len / 2, to);
        }
    }
    Read { values: &rounded.values, half: true }
}
