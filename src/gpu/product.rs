//! The tiled matrix product behind the drive of analogue values and of many spikes, `drive_backward`, and the stepwise backward pass.

use super::buffers::{Array, Matrix};
use super::form::slices;
use super::recorder::{read, write};
use super::{Gpu, Permutation};
use crate::kernels::ActivityKind;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    pub rows: u32,
    pub columns: u32,
    pub inner: u32,
    pub row: u32,
    pub first: u32,
    pub first_inner: u32,
    pub first_out: u32,
    pub begin: u32,
}

/// What stands in C before, as in the shader: nothing, what the product is added to, or its first part.
pub(super) const NEW: u32 = 0;
const ADD: u32 = 1;
pub(super) const CONTINUE: u32 = 2;

/// Side of a small tile of the result, as in the shader; a wide one is twice as wide.
const TILE: usize = 64;

/// The constants of tiles of `side` times 64 entries.
pub(super) fn tiled(permutation: Permutation, side: usize) -> Permutation {
    permutation.constant("SIDE", side).constant("EACH", 4 * side)
}

/// What A and B hold.
fn unpacked(kind: ActivityKind, half: bool) -> Permutation {
    Permutation::new("product")
        .define("HALF", half)
        .define("BITS", kind == ActivityKind::Raster)
        .define("BYTES", kind == ActivityKind::Bytes)
}

/// `C = A B`, `+ bias` from the constants, or `+ C`. All row lengths are multiples of 32.
pub(super) struct Product<'a> {
    /// A, what it holds, the length of its row in the array, and its first row.
    pub a: &'a Array,
    pub kind: ActivityKind,
    pub row: usize,
    pub first: usize,
    /// B `[inner][columns]`. Its pieces are taken one after the other, in the order of the sum; only where C is added to, C
    /// comes behind the first piece and not at the end.
    pub b: Matrix<'a>,
    /// Whether B is of 16-bit floats.
    pub half: bool,
    pub inner: usize,
    /// Constants `[5][columns]` whose bias is added.
    pub bias: Option<&'a Array>,
    /// C, its first row, rows and columns.
    pub out: &'a Array,
    pub first_out: usize,
    pub rows: usize,
    pub columns: usize,
    /// Whether to add to C.
    pub accumulate: bool,
}

pub(super) fn product(gpu: &mut Gpu, product: Product) {
    let Product { a, kind, row, first, b, half, inner, bias, out, first_out, rows, columns, accumulate } = product;
    let costs = &gpu.costs;
    let side = 1 + usize::from(gpu.options.wide.or(|| costs.wide(rows, columns, 1)));
    let tile = side * TILE;
    for (piece, b) in b.parts(inner) {
        let bias = bias.filter(|_| piece.start == 0);
        let begin = match (piece.start, accumulate) {
            (0, false) => NEW,
            (0, true) => ADD,
            _ => CONTINUE,
        };
        let work = (piece.len() * columns) as u64;
        for slice in slices(rows, work, tile) {
            let params = Params {
                rows: slice.len() as u32,
                columns: columns as u32,
                inner: piece.len() as u32,
                row: row as u32,
                first: (first + slice.start) as u32,
                first_inner: piece.start as u32,
                first_out: (first_out + slice.start) as u32,
                begin,
            };
            let mut bindings = vec![read(1, a), read(2, b), write(4, out)];
            bindings.extend(bias.map(|constants| read(3, constants)));
            let permutation = tiled(unpacked(kind, half).define("BIAS", bias.is_some()), side);
            let groups = slice.len().div_ceil(tile) * columns.div_ceil(tile);
            gpu.dispatch(permutation, &params, &bindings, groups, slice.len() as u64 * work);
        }
    }
}

pub(super) fn permutations() -> Vec<Permutation> {
    let kinds = [ActivityKind::Values, ActivityKind::Raster, ActivityKind::Bytes];
    let kinds = kinds.into_iter().flat_map(|kind| [false, true].map(|half| unpacked(kind, half)));
    let each = kinds.flat_map(|permutation| [false, true].map(|bias| permutation.clone().define("BIAS", bias)));
    each.flat_map(|permutation| [1, 2].map(|side| tiled(permutation.clone(), side))).collect()
}
