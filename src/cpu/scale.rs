//! An array times a number. See [`crate::kernels::Kernels::scale`].

use super::float::Float;
use rayon::prelude::*;

/// `values += from`.
pub fn add<F: Float>(from: &[F], values: &mut [F]) {
    values.par_chunks_mut(TASK).zip(from.par_chunks(TASK)).for_each(|(values, from)| {
        for (value, &from) in values.iter_mut().zip(from) {
            *value += from;
        }
    });
}

/// Entries of a task.
const TASK: usize = 1 << 14;

/// `values = factor · from`, or of itself.
pub fn scale<F: Float>(from: Option<&[F]>, factor: f64, values: &mut [F]) {
    let factor = F::from_f64(factor);
    values.par_chunks_mut(TASK).enumerate().for_each(|(task, values)| match from {
        Some(from) => {
            for (value, &from) in values.iter_mut().zip(&from[task * TASK..]) {
                *value = factor * from;
            }
        }
        None => values.iter_mut().for_each(|value| *value = factor * *value),
    });
}
