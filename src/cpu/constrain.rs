//! Weights that do not exist become 0, and those of the wrong sign. See [`crate::kernels::Constrain`].

use super::Cpu;
use super::float::Float;
use crate::kernels::Constrain;
use crate::spikes::{pad, words};
use rayon::prelude::*;

/// See [`Constrain`].
pub fn constrain<F: Float>(call: Constrain<Cpu<F>>) {
    let (width, packed) = (pad(call.columns), words(call.columns));
    let values = &mut call.values[..call.rows * width];
    values.par_chunks_exact_mut(width).enumerate().for_each(|(row, values)| {
        for (j, value) in values[..call.columns].iter_mut().enumerate() {
            if let Some(mask) = call.mask
                && mask[row * packed + j / 32] >> (j % 32) & 1 == 0
            {
                *value = F::ZERO;
            }
            if let Some(excitatory) = call.excitatory {
                let excites = row + j % call.modulo < excitatory;
                *value = if excites { value.max(F::ZERO) } else { value.min(F::ZERO) };
            }
        }
    });
}
