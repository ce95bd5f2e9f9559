//! What a thread works in. It is kept from call to call, so that a steady loop allocates nothing.

use super::memory::Aligned;
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
