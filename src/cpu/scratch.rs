//! What a thread works in. It is kept from call to call, so that a steady loop allocates nothing.

use super::active::Log;
use super::kicks::Sorted;
use super::memory::Aligned;
use super::weight_gradient::Chunk;
use super::wide::Lists;
use super::{backward, forward};

/// The rows of one thread, whatever the kernel.
#[derive(Default)]
pub struct Scratch<F> {
    /// Of [`super::forward`].
    pub forward: forward::Scratch<F>,
    /// Of [`super::backward`].
    pub backward: backward::Scratch<F>,
    /// Columns of χ or of weights, side by side.
    pub strip: Aligned<F>,
    /// Columns of dW, side by side.
    pub sums: Aligned<F>,
    /// Rows of χ side by side, for a product.
    pub side_by_side: Aligned<F>,
}

/// What the tasks of a call read together. It is kept from call to call, too.
#[derive(Debug, Default)]
pub struct Room<F> {
    /// Constants of a layer for each sample of a block, and those of a snippet.
    pub rows: Aligned<F>,
    /// See `rows`.
    pub own: Vec<F>,
    /// Events of a layer in strips.
    pub lists: Vec<Lists>,
    /// Active neurons of each strip.
    pub active: Vec<Log<F>>,
    /// ρ of a step, strips of columns.
    pub sums: Aligned<F>,
    /// Rows of some samples, of the source and of χ.
    pub gathered: [Vec<F>; 2],
    /// Events of a weight gradient.
    pub chunks: Vec<Chunk>,
    /// Kicks of a weight gradient.
    pub kicks: Vec<Sorted<F>>,
}
