//! Plans that cut time and batch, on a GPU: the facts of `engine::memory`.

use crate::engine::memory::{
    cuts_change_no_bit, little_room_is_enough, micro_batches_change_nothing, predictions_hold, small_arrays_are_enough,
};
use spikegrad::gpu::{Choice, Gpu, Options, adapters};

/// None, with a word about it, where there is no adapter.
fn open(options: Options) -> Option<Gpu> {
    if adapters().is_empty() {
        eprintln!("no GPU adapter here: skipped");
        return None;
    }
    let options = Options { checked: true, fuse: 0, ..options };
    Some(Gpu::new(&Choice { adapter: Some(0), options }).unwrap())
}

fn any() -> Option<Gpu> {
    open(Options::default())
}

#[test]
fn segments_and_replay_change_no_bit_on_a_gpu() {
    let Some(gpu) = any() else { return };
    cuts_change_no_bit(gpu, &[32], 20);
}

#[test]
fn micro_batches_change_nothing_on_a_gpu() {
    let Some(gpu) = any() else { return };
    micro_batches_change_nothing(gpu, true);
}

#[test]
fn a_plan_on_a_gpu_takes_what_it_says() {
    if any().is_some() {
        predictions_hold(|| any().unwrap(), true);
    }
}

#[test]
fn a_gpu_that_runs_out_of_memory_gets_a_smaller_plan_and_the_same_numbers() {
    if any().is_some() {
        little_room_is_enough(|memory| open(Options { memory, ..Options::default() }).unwrap());
    }
}

#[test]
fn a_gpu_with_small_arrays_gets_short_segments_and_the_same_bits() {
    let Some(gpu) = any() else { return };
    let options = Options { largest_array: Some(300 << 10), ..Options::default() };
    small_arrays_are_enough(gpu, open(options).unwrap());
}
