//! `halve` and `unhalve`: numbers as 16-bit floats, two in a word.

use super::buffers::Array;
use super::recorder::{read, write};
use super::{Gpu, Permutation, Values, Words};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    words: u32,
}

pub(super) fn halve(gpu: &mut Gpu, values: &Values, len: usize, out: &Words) {
    between(gpu, &values.array, words(len, values, out), &out.array);
}

/// The first `2 words` numbers of an array.
pub(super) fn between(gpu: &mut Gpu, from: &Array, words: usize, out: &Array) {
    let bindings = [read(1, from), write(2, out)];
    gpu.flat(Permutation::new("halve"), &Params { words: words as u32 }, &bindings, words, 32 * words as u64);
}

pub(super) fn unhalve(gpu: &mut Gpu, from: &Words, len: usize, out: &Values) {
    let words = words(len, out, from);
    let bindings = [read(1, &from.array), write(2, &out.array)];
    gpu.flat(Permutation::new("unhalve"), &Params { words: words as u32 }, &bindings, words, 16 * len as u64);
}

/// Words that `len` numbers take.
fn words(len: usize, values: &Values, words: &Words) -> usize {
    assert!(len.is_multiple_of(2), "{len} numbers do not fill words");
    assert!(len <= values.len && len / 2 <= words.len, "{len} numbers of {}, {} words", values.len, words.len);
    len / 2
}
