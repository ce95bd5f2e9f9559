//! The order in which an epoch visits the samples.

use crate::spikes::Random;

/// Streams of random numbers that shuffle, apart from those that draw weights and data.
const SHUFFLE: u64 = 0x5348_5546_464c_4500;

/// The order of `samples` samples in `epoch`: a function of seed and epoch alone, so that a run that is resumed goes on
/// exactly as an unbroken one.
pub fn order(samples: usize, seed: u64, epoch: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..samples).collect();
    Random::new(seed, SHUFFLE.wrapping_add(epoch as u64)).shuffle(&mut order);
    order
}
