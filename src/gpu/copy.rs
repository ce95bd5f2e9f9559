//! `copy`: equally long stretches of one array into another.

use super::recorder::{read, write};
use super::{Gpu, Permutation, Values};
use crate::kernels::Stretch;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    count: u32,
    len: u32,
    from_first: u32,
    from_stride: u32,
    to_first: u32,
    to_stride: u32,
}

pub(super) fn copy(
    gpu: &mut Gpu,
    from: &Values,
    from_at: Stretch,
    to: &Values,
    to_at: Stretch,
    count: usize,
    len: usize,
) {
    if count * len == 0 {
        return;
    }
    for (values, at) in [(from, from_at), (to, to_at)] {
        let end = at.first + (count - 1) * at.stride + len;
        assert!(end <= values.len, "stretches to entry {end} of {}", values.len);
    }
    let params = Params {
        count: count as u32,
        len: len as u32,
        from_first: from_at.first as u32,
        from_stride: from_at.stride as u32,
        to_first: to_at.first as u32,
        to_stride: to_at.stride as u32,
    };
    let entries = count * len;
    gpu.flat(Permutation::new("copy"), &params, &[read(1, &from.array), write(2, &to.array)], entries, entries as u64);
}
