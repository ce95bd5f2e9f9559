//! `scale`: an array times a number; `add`: another one added.

use super::recorder::{read, write};
use super::{Gpu, Permutation, Values, flat};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    len: u32,
    factor: f32,
}

pub(super) fn scale(gpu: &mut Gpu, from: Option<&Values>, factor: f64, len: usize, values: &Values) {
    let params = Params { len: len as u32, factor: factor as f32 };
    let mut bindings = vec![write(1, &values.array)];
    bindings.extend(from.map(|from| read(2, &from.array)));
    let permutation = Permutation::new("scale").define("COPY", from.is_some());
    gpu.flat(permutation, &params, &bindings, len, len as u64);
}

pub(super) fn add(gpu: &mut Gpu, from: &Values, len: usize, values: &Values) {
    let params = Params { len: len as u32, factor: 1.0 };
    let bindings = [write(1, &values.array), read(2, &from.array)];
    let permutation = Permutation::new("scale").define("COPY", true).define("ADD", true);
    gpu.flat(permutation, &params, &bindings, len, len as u64);
}

pub(super) fn permutations() -> Vec<Permutation> {
    let copy = flat("scale").define("COPY", true);
    vec![flat("scale"), copy.clone(), copy.define("ADD", true)]
}
