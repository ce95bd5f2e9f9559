//! The tiled matrix product behind the drive of analogue values, `drive_backward`, and the stepwise backward pass.

use super::buffers::{Array, Matrix};
use super::form::slices;
use super::recorder::{read, write};
use super::{Gpu, Permutation};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    rows: u32,
    columns: u32,
    inner: u32,
    row: u32,
    first: u32,
    first_inner: u32,
    first_out: u32,
    begin: u32,
}

/// What stands in C before, as in the shader: nothing, what the product is added to, or its first part.
const NEW: u32 = 0;
const ADD: u32 = 1;
const CONTINUE: u32 = 2;

/// Side of a tile of the result, as in the shader.
const TILE: usize = 64;

/// `C = A B`, `+ bias` from the constants, or `+ C`. All row lengths are multiples of 32.
pub(super) struct Product<'a> {
    /// A, its row length and its first row.
    pub a: &'a Array,
    pub row: usize,
    pub first: usize,
    /// B `[inner][columns]`. Its pieces are taken one after the other, in the order of the sum; only where C is added to, C
    /// comes behind the first piece and not at the end.
    pub b: Matrix<'a>,
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
    let Product { a, row, first, b, inner, bias, out, first_out, rows, columns, accumulate } = product;
    for (piece, b) in b.parts(inner) {
        let bias = bias.filter(|_| piece.start == 0);
        let begin = match (piece.start, accumulate) {
            (0, false) => NEW,
            (0, true) => ADD,
            _ => CONTINUE,
        };
        let work = (piece.len() * columns) as u64;
        for slice in slices(rows, work, TILE) {
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
            let permutation = Permutation::new("product").define("BIAS", bias.is_some());
            let groups = slice.len().div_ceil(TILE) * columns.div_ceil(TILE);
            gpu.dispatch(permutation, &params, &bindings, groups, slice.len() as u64 * work);
        }
    }
}

pub(super) fn permutations() -> Vec<Permutation> {
    vec![Permutation::new("product"), Permutation::new("product").define("BIAS", true)]
}
