//! `constrain`: one weight for each invocation.

use super::recorder::{read, write};
use super::{Gpu, Permutation, flat};
use crate::kernels::Constrain;
use crate::spikes::pad;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    rows: u32,
    first_row: u32,
    columns: u32,
    row: u32,
    modulo: u32,
    excitatory: u32,
}

pub(super) fn constrain(gpu: &mut Gpu, call: Constrain<Gpu>) {
    let row = pad(call.columns);
    let of = |rows: std::ops::Range<usize>| Params {
        rows: rows.len() as u32,
        first_row: rows.start as u32,
        columns: call.columns as u32,
        row: row as u32,
        modulo: call.modulo as u32,
        excitatory: call.excitatory.unwrap_or(0) as u32,
    };
    let permutation =
        Permutation::new("constrain").define("MASKED", call.mask.is_some()).define("SIGNED", call.excitatory.is_some());
    for (piece, values) in call.values.matrix(row).parts(call.rows) {
        let mut bindings = vec![write(1, values)];
        bindings.extend(call.mask.map(|mask| read(2, &mask.array)));
        let entries = piece.len() * row;
        gpu.flat(permutation.clone(), &of(piece), &bindings, entries, 4 * entries as u64);
    }
}

pub(super) fn permutations() -> Vec<Permutation> {
    let of = |masked, signed| flat("constrain").define("MASKED", masked).define("SIGNED", signed);
    vec![of(true, false), of(false, true), of(true, true)]
}
