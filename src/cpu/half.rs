//! Numbers as 16-bit floats, two in a word, the first in the lower half.

use super::float::Float;
use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

/// The largest 16-bit float.
const LARGEST: f32 = 65504.0;
/// Words that are converted at once.
const STRIP: usize = 128;
/// Words of a task.
const TASK: usize = 128 * STRIP;

/// Values beyond the largest 16-bit float become it; one that is not a number stays so.
pub fn halve<F: Float>(values: &[F], out: &mut [u32]) {
    out.par_chunks_mut(TASK).zip(values.par_chunks(2 * TASK)).for_each(|(out, values)| {
        let (mut wide, mut narrow) = ([0.0; 2 * STRIP], [f16::ZERO; 2 * STRIP]);
        for (out, values) in out.chunks_mut(STRIP).zip(values.chunks(2 * STRIP)) {
            for (wide, value) in wide.iter_mut().zip(values) {
                *wide = (value.to_f64() as f32).clamp(-LARGEST, LARGEST);
            }
            narrow.convert_from_f32_slice(&wide);
            for (out, pair) in out.iter_mut().zip(narrow.chunks_exact(2)) {
                *out = u32::from(pair[0].to_bits()) | u32::from(pair[1].to_bits()) << 16;
            }
        }
    });
}

/// The other way round.
pub fn unhalve<F: Float>(words: &[u32], out: &mut [F]) {
    out.par_chunks_mut(2 * TASK).zip(words.par_chunks(TASK)).for_each(|(out, words)| {
        let (mut wide, mut narrow) = ([0.0; 2 * STRIP], [f16::ZERO; 2 * STRIP]);
        for (out, words) in out.chunks_mut(2 * STRIP).zip(words.chunks(STRIP)) {
            for (pair, word) in narrow.chunks_exact_mut(2).zip(words) {
                (pair[0], pair[1]) = (f16::from_bits(*word as u16), f16::from_bits((word >> 16) as u16));
            }
            narrow.convert_to_f32_slice(&mut wide);
            for (out, &value) in out.iter_mut().zip(&wide) {
                *out = F::from_f64(f64::from(value));
            }
        }
    });
}
