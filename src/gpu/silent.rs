//! Rows that a backward pass need not read: those of neurons whose surrogate derivative is 0.
//!
//! ρ, the gradient of a neuron's spike, is used only as σ'(V − θ) ρ: in λ, and in the gradient of a threshold. A differentiated
//! reset adds to ρ and so stands before σ' as well, and a snippet gets nothing of ρ but σ' ρ. So where σ' is 0 no part of ρ is
//! missed: neither R χ of later steps nor W χ of the layer above. (Where χ is infinite or not a number, a silent neuron stays at
//! 0 and is not made one that is no number.)

use super::backward::surrogate;
use super::buffers::Array;
use super::form::slices;
use super::recorder::{read, write};
use super::{Gpu, Permutation, Values};
use crate::kernels::{Backward, Firing, Model};
use crate::network::SurrogateKind;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    rows: u32,
    columns: u32,
    row: u32,
    first: u32,
    first_state: u32,
    first_out: u32,
    accumulate: u32,
    slope: f32,
    scale: f32,
    shape: [f32; 3],
}

/// Cells of a workgroup, as in the shader.
const CELLS: usize = 1024;

/// Whether a surrogate derivative is exactly 0 over a range of potentials.
pub(super) fn has_zeros(kind: SurrogateKind) -> bool {
    match kind {
        SurrogateKind::Triangle | SurrogateKind::Boxcar | SurrogateKind::SparseFastSigmoid { .. } => true,
        SurrogateKind::LeakyRelu { leak } => leak == 0.0,
        _ => false,
    }
}

/// Whether many neurons of a layer get no gradient through their spikes.
pub(super) fn is_sparse(model: &Model) -> bool {
    model.spiking && has_zeros(model.surrogate.kind)
}

/// Whether a product towards the spikes of a layer, so many steps at a time, skips the silent ones: `weights` have a row of
/// `inner` for each of its neurons. The choice is that of the whole batch, whatever part of it the arrays hold.
pub(super) fn product_skips(gpu: &Gpu, of: &Backward<Gpu>, steps: usize, weights: &Values, inner: usize) -> bool {
    let simple = of.model.snippet.is_none() && of.model.firing == Firing::Single;
    let planned = || gpu.costs.product_skips_silent(steps * of.window.samples, inner, of.shape.row());
    is_sparse(&of.model) && simple && weights.is_whole() && gpu.options.skip_silent.or(planned)
}

/// `C = A B^T` towards a layer's spikes, 0 for silent ones.
pub(super) struct Product<'a> {
    /// A with rows of `row`, and its first row.
    pub a: &'a Array,
    pub first: usize,
    /// B, a row for each neuron.
    pub b: &'a Array,
    pub row: usize,
    /// The layer, and the first row (step, sample) of its potential.
    pub of: &'a Backward<'a, Gpu>,
    pub first_state: usize,
    /// C and its rows.
    pub out: &'a Array,
    pub rows: usize,
    /// Whether to add to C.
    pub accumulate: bool,
}

pub(super) fn product(gpu: &mut Gpu, product: Product) {
    let Product { a, first, b, row, of, first_state, out, rows, accumulate } = product;
    let (columns, surrogate) = (of.shape.row(), of.model.surrogate);
    let permutation = permutation(surrogate.kind, gpu.appends_by_subgroups());
    let bindings = [read(1, a), read(2, b), read(3, &of.constants.array), read(4, &of.kept().array), write(5, out)];
    // Before training far more neurons may be near their threshold than planned for: a half, say.
    let work = (columns * (16 + row / 2)) as u64;
    for slice in slices(rows, work, 1) {
        let params = Params {
            rows: slice.len() as u32,
            columns: columns as u32,
            row: row as u32,
            first: (first + slice.start) as u32,
            first_state: (first_state + slice.start) as u32,
            first_out: slice.start as u32,
            accumulate: accumulate.into(),
            slope: surrogate.slope as f32,
            scale: surrogate.scale as f32,
            shape: surrogate.shape().map(|number| number as f32),
        };
        let groups = (slice.len() * columns).div_ceil(CELLS);
        gpu.dispatch(permutation.clone(), &params, &bindings, groups, work * slice.len() as u64);
    }
}

pub(super) fn permutation(kind: SurrogateKind, subgroups: bool) -> Permutation {
    Permutation::new("product_silent").define(surrogate(kind), true).define("SUBGROUPS", subgroups)
}
