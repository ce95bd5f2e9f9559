//! The drive of spikes as a product of cooperative matrices (tensor cores): spikes are exact in 16-bit floats, weights are the
//! copies of [`super::rounded`], sums are f32 in the order of the device's matrix units.
//!
//! wgpu's feature is experimental, so it is asked for only with the cargo feature `cooperative-matrix` and by
//! [`super::Options::cooperative`]. Whether a drive takes this form follows from its weights alone: the numbers of a replay, and
//! of a sequence that is cut, are those of the whole.

use super::drive::Active;
use super::form::slices;
use super::product::{CONTINUE, NEW, Params};
use super::recorder::{read, write};
use super::{Activity, Gpu, Permutation, Values};

/// Rows and columns of C in a workgroup, and inner entries of a slab, as in the shader.
const HEIGHT: usize = 32;
const WIDTH: usize = 64;
const DEPTH: usize = 32;
/// Weights from which on it is planned: fewer leave most of a tile empty.
const LARGE: usize = 1 << 14;

/// The side of the matrices that an adapter multiplies with 16-bit floats and sums in f32; None where it has none, or where they
/// are not asked for.
#[cfg(feature = "cooperative-matrix")]
pub(super) fn edge(adapter: &wgpu::Adapter, options: &super::Options) -> Option<usize> {
    use super::When;
    let needed = features();
    // A fragment is worked on by a whole subgroup: the workgroup must be made of whole ones.
    let whole = adapter.get_info().subgroup_max_size <= 128;
    if options.cooperative == When::Never || options.subgroups == When::Never {
        return None;
    }
    let fits = |edge: &usize| {
        let side = *edge as u32;
        adapter.cooperative_matrix_properties().iter().any(|has| {
            (has.m_size, has.n_size, has.k_size) == (side, side, side)
                && has.ab_type == wgpu::CooperativeScalarType::F16
                && has.cr_type == wgpu::CooperativeScalarType::F32
        })
    };
    (whole && adapter.features().contains(needed)).then(|| [16, 8].into_iter().find(fits)).flatten()
}

/// Without the cargo feature there are none.
#[cfg(not(feature = "cooperative-matrix"))]
pub(super) fn edge(_: &wgpu::Adapter, _: &super::Options) -> Option<usize> {
    None
}

/// What the shader needs of a device.
pub(super) fn features() -> wgpu::Features {
    wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX | wgpu::Features::SHADER_F16 | wgpu::Features::SUBGROUP
}

/// The consent to an experimental feature, where it is used.
pub(super) fn consent(edge: Option<usize>) -> wgpu::ExperimentalFeatures {
    match edge {
        // SAFETY: asked for twice, by a cargo feature and by an option, whose documentation says that it is experimental.
        #[cfg(feature = "cooperative-matrix")]
        Some(_) => unsafe { wgpu::ExperimentalFeatures::enabled() },
        _ => wgpu::ExperimentalFeatures::disabled(),
    }
}

/// The side of the matrices by which the drive of `source` through `weights` is made, if it is.
pub(super) fn takes(gpu: &Gpu, source: &Activity, weights: &Values) -> Option<usize> {
    let edge = gpu.recorder.device.limits.cooperative?;
    let fits = source.is_spikes() && weights.rounded.is_some();
    (fits && gpu.options.cooperative.or(|| weights.len >= LARGE)).then_some(edge)
}

/// The drive of `call`, by fragments of `edge`.
pub(super) fn drive(gpu: &mut Gpu, call: Active, edge: usize) {
    let Active { source, first_source, inputs, weights, constants, out, first_out, rows, row, .. } = call;
    debug_assert!(weights.half, "cooperative matrices hold 16-bit floats");
    let permutation = permutation(edge, source.is_bytes());
    for (piece, weights) in weights.matrix(row).parts(inputs) {
        let bindings = [read(1, &source.array), read(2, weights), read(3, &constants.array), write(4, &out.array)];
        let work = (piece.len() * row) as u64;
        for slice in slices(rows, work, HEIGHT) {
            let params = Params {
                rows: slice.len() as u32,
                columns: row as u32,
                inner: piece.len() as u32,
                row: source.row() as u32,
                first: (first_source + slice.start) as u32,
                first_inner: piece.start as u32,
                first_out: (first_out + slice.start) as u32,
                begin: if piece.start == 0 { NEW } else { CONTINUE },
            };
            let groups = slice.len().div_ceil(HEIGHT) * row.div_ceil(WIDTH);
            gpu.dispatch(permutation.clone(), &params, &bindings, groups, slice.len() as u64 * work);
        }
    }
}

fn permutation(edge: usize, bytes: bool) -> Permutation {
    Permutation::new("product_cooperative")
        .define("COOPERATIVE", true)
        .define("SUBGROUPS", true)
        .define("EIGHT", edge == 8)
        .define("BYTES", bytes)
        .constant("SLICES", DEPTH / edge)
}

pub(super) fn permutations() -> Vec<Permutation> {
    [8, 16].into_iter().flat_map(|edge| [false, true].map(|bytes| permutation(edge, bytes))).collect()
}
