//! What the units of a layer did. See [`Tally`].

use super::Cpu;
use super::float::Float;
use super::memory::BLOCK;
use crate::kernels::{Tally, plane};

/// See [`Tally`].
pub fn tally<F: Float>(call: Tally<Cpu<F>>) {
    let (row, units, batch) = (call.shape.row(), call.shape.units, call.shape.batch);
    let steps: f64 = call.lengths[..batch].iter().map(|&length| f64::from(length)).sum();
    let half = F::from_f64(0.5 * steps);
    let (mut spikes, mut silent, mut saturated) = (0.0, 0.0, 0.0);
    let mut counts = [F::ZERO; BLOCK];
    for from in (0..units).step_by(BLOCK) {
        let counts = &mut counts[..BLOCK.min(units - from)];
        counts.fill(F::ZERO);
        for planes in call.planes[..batch * plane::PLANES * row].chunks_exact(plane::PLANES * row) {
            for (sum, &count) in counts.iter_mut().zip(&planes[plane::COUNT * row + from..]) {
                *sum += count;
            }
        }
        for (total, &count) in call.totals[from..].iter_mut().zip(&*counts) {
            *total += count;
            spikes += count.to_f64();
            silent += f64::from(u8::from(count == F::ZERO));
            saturated += f64::from(u8::from(count > half));
        }
    }
    for (at, value) in [spikes, silent, saturated].into_iter().enumerate() {
        call.metrics[call.slot + at] = F::from_f64(value);
    }
}
