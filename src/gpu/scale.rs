//! `scale`: an array times a number; `add`: another one added.

use super::buffers::cuts;
use super::recorder::{read, write};
use super::{Gpu, Permutation, Values, flat};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    len: u32,
    factor: f32,
}

pub(super) fn scale(gpu: &mut Gpu, from: Option<&Values>, factor: f64, len: usize, values: &Values) {
    pieces(gpu, &Permutation::new("scale").define("COPY", from.is_some()), from, factor, len, values);
}

pub(super) fn add(gpu: &mut Gpu, from: &Values, len: usize, values: &Values) {
    let permutation = Permutation::new("scale").define("COPY", true).define("ADD", true);
    pieces(gpu, &permutation, Some(from), 1.0, len, values);
}

fn pieces(gpu: &mut Gpu, permutation: &Permutation, from: Option<&Values>, factor: f64, len: usize, values: &Values) {
    assert!(from.is_none_or(|from| from.piece == values.piece), "weights of one shape are in the same pieces");
    for (index, range) in cuts(len, &[values.piece]).into_iter().enumerate() {
        let params = Params { len: range.len() as u32, factor: factor as f32 };
        let mut bindings = vec![write(1, values.part(index))];
        bindings.extend(from.map(|from| read(2, from.part(index))));
        gpu.flat(permutation.clone(), &params, &bindings, range.len(), range.len() as u64);
    }
}

pub(super) fn permutations() -> Vec<Permutation> {
    let copy = flat("scale").define("COPY", true);
    vec![flat("scale"), copy.clone(), copy.define("ADD", true)]
}
