//! `advance`: the last two steps of an activity become its history.

use super::recorder::write;
use super::{Activity, Gpu, Permutation};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    entries: u32,
    steps: u32,
}

pub(super) fn advance(gpu: &mut Gpu, activity: &Activity) {
    let entries = activity.shape.batch * activity.row();
    let params = Params { entries: entries as u32, steps: activity.shape.steps as u32 };
    gpu.flat(Permutation::new("advance"), &params, &[write(1, &activity.array)], entries, 4 * entries as u64);
}
