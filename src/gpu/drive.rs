//! `drive`: event-driven for spikes, a tiled matrix product for analogue values and for many spikes, an entry-wise product for
//! a current encoder.

use super::form::slices;
use super::product::{Product, product};
use super::recorder::{read, write};
use super::rounded::{self, Read};
use super::{Activity, Gpu, Permutation, Values, cooperative, flat};
use crate::kernels::{Drive, HISTORY, Projection};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    rows: u32,
    first_source: u32,
    first_out: u32,
    row: u32,
    source_row: u32,
    first_word: u32,
    words: u32,
    accumulate: u32,
}

/// The weight rows of the active entries of `rows` rows of a spiking source, from `first_source` on, added to those of X
/// from `first_out` on, or to the bias.
pub(super) struct Active<'a> {
    pub source: &'a Activity,
    pub first_source: usize,
    pub inputs: usize,
    pub weights: Read<'a>,
    pub constants: &'a Values,
    pub out: &'a Values,
    pub first_out: usize,
    pub rows: usize,
    /// Length of a row of X.
    pub row: usize,
    pub accumulate: bool,
}

/// Pieces of the weights one after the other: the order of the sum is that of weights in one array.
pub(super) fn add_active(gpu: &mut Gpu, call: Active) {
    let Active { source, first_source, inputs, weights, constants, out, first_out, rows, row, accumulate } = call;
    let permutation = Permutation::new("drive").define("BYTES", source.is_bytes()).define("HALF", weights.half);
    let of_word = if source.is_bytes() { 4 } else { 32 };
    for (piece, weights) in weights.matrix(row).parts(inputs) {
        let bindings = [read(1, &source.array), read(2, weights), read(3, &constants.array), write(4, &out.array)];
        // At most a few in a hundred inputs are active; for the split, assume one in ten.
        let work = (row * (4 + piece.len() / 10)) as u64;
        for slice in slices(rows, work, 1) {
            let params = Params {
                rows: slice.len() as u32,
                first_source: (first_source + slice.start) as u32,
                first_out: (first_out + slice.start) as u32,
                row: row as u32,
                source_row: source.row() as u32,
                first_word: (piece.start / of_word) as u32,
                words: (crate::spikes::pad(piece.len()) / of_word) as u32,
                accumulate: (accumulate || piece.start > 0).into(),
            };
            let work = slice.len() as u64 * work;
            gpu.flat(permutation.clone(), &params, &bindings, slice.len() * row, work);
        }
    }
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct CurrentParams {
    rows: u32,
    first_source: u32,
    first_out: u32,
    row: u32,
    units: u32,
    source_row: u32,
    inputs: u32,
}

/// Whether the drive of a spiking source is a tiled product that unpacks its spikes: the same bits as the sum over the
/// active inputs, and faster where these are many.
pub(super) fn unpacks(gpu: &Gpu, source: &Activity) -> bool {
    source.is_spikes() && gpu.options.unpack.or(|| source.share.is_some_and(|share| share > gpu.costs.dense_from()))
}

pub(super) fn drive(gpu: &mut Gpu, call: Drive<Gpu>) {
    let (batch, row) = (call.shape.batch, call.shape.row());
    let rows = call.range.len() * batch;
    let first_out = call.range.start * batch;
    let first_source = (call.range.start + HISTORY - call.lag) * batch;
    let (source, source_row) = (call.source, call.source.row());
    let (constants, out) = (&call.constants.array, &call.out.array);
    let dense = call.projection == Projection::Dense;
    let weights = if dense { rounded::read(gpu, call.weights) } else { Read::exact(call.weights) };
    if dense && let Some(edge) = cooperative::takes(gpu, source, call.weights) {
        let (inputs, constants, out) = (call.inputs, call.constants, &*call.out);
        let accumulate = false;
        let active = Active { source, first_source, inputs, weights, constants, out, first_out, rows, row, accumulate };
        return cooperative::drive(gpu, active, edge);
    }
    match (call.projection, source.is_spikes()) {
        (Projection::Dense, true) if !unpacks(gpu, source) => add_active(
            gpu,
            Active {
                source,
                first_source,
                inputs: call.inputs,
                weights,
                constants: call.constants,
                out: call.out,
                first_out,
                rows,
                row,
                accumulate: false,
            },
        ),
        (Projection::Dense, _) => product(
            gpu,
            Product {
                a: &source.array,
                kind: source.kind,
                row: source_row,
                first: first_source,
                b: weights.matrix(row),
                half: weights.half,
                inner: call.inputs,
                bias: Some(constants),
                out,
                first_out,
                rows,
                columns: row,
                accumulate: false,
            },
        ),
        (Projection::Current, raster) => {
            let params = CurrentParams {
                rows: rows as u32,
                first_source: first_source as u32,
                first_out: first_out as u32,
                row: row as u32,
                units: call.shape.units as u32,
                source_row: source_row as u32,
                inputs: call.inputs as u32,
            };
            let bindings = [read(1, &source.array), read(2, weights.array()), read(3, constants), write(4, out)];
            let permutation = Permutation::new("drive_current").define("SOURCE_BITS", raster);
            gpu.flat(permutation, &params, &bindings, rows * row, (rows * row) as u64);
        }
    }
}

pub(super) fn permutations() -> Vec<Permutation> {
    let mut all = [false, true].map(|bits| flat("drive_current").define("SOURCE_BITS", bits)).to_vec();
    for half in [false, true] {
        all.extend([false, true].map(|bytes| flat("drive").define("BYTES", bytes).define("HALF", half)));
    }
    all
}
