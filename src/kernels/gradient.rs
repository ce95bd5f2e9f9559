//! The gradients of parameters, and the order in which they are summed.

use super::*;

/// Gradient of a projection's weights: `dW = Σ_{t,b} s_{t-L}^T χ_t` over the rows of `samples`, added to `out` where
/// `accumulate`. On the CPU one after the other, t from the last to the first, b ascending; from values, and on a GPU, in
/// blocks of [`quantum`]`(window.samples)` steps that begin at multiples of it in the whole sequence: the sum of each block, the last one
/// first. So the bits do not depend on how a sequence is cut into windows at such multiples.
pub struct WeightGradient<'a, K: Kernels> {
    /// Dense or current.
    pub projection: Projection,
    /// Width of the source.
    pub inputs: usize,
    /// The layer's shape.
    pub shape: Shape,
    /// Where the arrays over time lie in the batch.
    pub window: Window,
    /// Source.
    pub source: &'a K::Activity,
    /// Lag L.
    pub lag: usize,
    /// χ of the layer.
    pub chi: &'a K::Values,
    /// Which samples of the arrays count.
    pub samples: Range<usize>,
    /// Whether `out` is added to; else it is overwritten.
    pub accumulate: bool,
    /// Where it goes, the shape of the weights.
    pub out: &'a mut K::Values,
}

/// The same gradient of a layer with one α, β and γ whose reset does not depend on which neuron spiked (`none`, `subtract_*`),
/// summed from its kicks `κ_t = σ'(V_t − θ) ρ_t`, which are 0 for most neurons where the surrogate is compact. χ is a linear
/// filter of them, which goes over to the source:
///
/// ```text
/// dW = Σ_{t,b} x̃_t^T κ_t,   u_t = α u_{t−1} + s_{t−L},   x̃_t = β x̃_{t−1} + γ (u_t  at lag 0 | u_{t−1}  at lag 1)
/// ```
///
/// with u and x̃ 0 before the sequence. t ascends, then b, so that bits depend on no cut; windows come in the order of time,
/// after the adjoints of all. Compare Perez-Nieves & Goodman 2021, who leave inactive neurons out of both passes.
pub struct KickGradient<'a, K: Kernels> {
    /// Switches.
    pub model: Model,
    /// Width of the source.
    pub inputs: usize,
    /// The layer's shape.
    pub shape: Shape,
    /// Where the arrays over time lie in the batch.
    pub window: Window,
    /// Source.
    pub source: &'a K::Activity,
    /// Lag L.
    pub lag: usize,
    /// Whether these are the recurrent weights, whose filtered source is kept for the next window beside that of the others.
    pub recurrent: bool,
    /// Constants.
    pub constants: &'a K::Values,
    /// What the adjoint listed.
    pub kicks: &'a mut K::Kicks,
    /// Which samples of the arrays count.
    pub samples: Range<usize>,
    /// Whether `out` is added to; else it is overwritten.
    pub accumulate: bool,
    /// Where it goes, the shape of the weights.
    pub out: &'a mut K::Values,
}

/// χ from the kicks of a whole sequence, as the adjoint has it.
pub struct KickedChi<'a, K: Kernels> {
    /// Switches.
    pub model: Model,
    /// The layer's shape.
    pub shape: Shape,
    /// Constants.
    pub constants: &'a K::Values,
    /// What the adjoint listed.
    pub kicks: &'a K::Kicks,
    /// χ, rows 0..T.
    pub chi: &'a mut K::Values,
}

/// Samples of a chunk of the sums over a whole batch of so many: at most four chunks, of 32 at least. The gradient of a weight
/// is the sum of those of the chunks, the last one first; a [`WeightGradient`] is of one chunk or a part of it.
pub fn chunk(batch: usize) -> usize {
    batch.div_ceil(4).next_multiple_of(32)
}

/// Steps of a block in which [`WeightGradient`] sums, for a whole batch of so many samples: a multiple of 32, with about 512
/// rows of a chunk at least.
pub fn quantum(batch: usize) -> usize {
    512usize.div_ceil(32 * chunk(batch).min(batch).max(1)) * 32
}

/// Gradients of the neuron parameters from the planes, summed over the samples in ascending order:
/// `dτ_syn = dα α dt/τ_syn²`, `dτ_mem = dβ β dt/τ_mem²` (or as [`Leak`] says), dθ, db, and a snippet's own by their
/// transform. A row with one value for the layer is summed over the
/// neurons, the sum stands in its first entry and 0 in the others. Frozen rows are 0.
pub struct NeuronGradient<'a, K: Kernels> {
    /// Switches.
    pub model: Model,
    /// Shape.
    pub shape: Shape,
    /// Step length, ms.
    pub dt: f64,
    /// Modes of the rows.
    pub modes: &'a [(Mode, bool)],
    /// Parameters `[4 + own][np]`.
    pub parameters: &'a K::Values,
    /// Constants `[5 + own][np]`.
    pub constants: &'a K::Values,
    /// Sample planes.
    pub planes: &'a K::Values,
    /// Where it goes, `[4 + own][np]`.
    pub out: &'a mut K::Values,
}
