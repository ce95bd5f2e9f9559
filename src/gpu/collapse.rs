//! `collapse`: a recording reduced over the steps of each sample.

use super::buffers::Array;
use super::recorder::{read, write};
use super::window::Window;
use super::{Gpu, Permutation, flat};
use crate::kernels::{Collapse, Pooling, Recording};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    steps: u32,
    batch: u32,
    row: u32,
    units: u32,
    emit_lag: u32,
    pooling: u32,
    number: u32,
    planes: u32,
    activation: u32,
    step: u32,
    window: Window,
}

/// A size in a parameter block.
pub(super) fn number(size: usize) -> u32 {
    size as u32
}

/// The number of a reduction in the shaders.
pub(super) fn pooling(pooling: Pooling) -> u32 {
    match pooling {
        Pooling::Max => 0,
        Pooling::Sum => 1,
        Pooling::Mean => 2,
        Pooling::Last => 3,
        Pooling::Spike(_) => 4,
    }
}

/// The array of a recording, and its emit lag.
pub(super) fn recording<'a>(recording: Recording<'a, Gpu>) -> (&'a Array, u32) {
    match recording {
        Recording::Potential(tape) => (&tape.array, 0),
        Recording::Spikes(spikes, lag) => {
            assert!(spikes.is_spikes(), "spikes are not numbers on a GPU");
            (&spikes.array, number(lag))
        }
    }
}

/// Whether a recording is of several spikes a step.
pub(super) fn counted(recording: &Recording<Gpu>) -> bool {
    matches!(recording, Recording::Spikes(spikes, _) if spikes.is_bytes())
}

pub(super) fn collapse(gpu: &mut Gpu, call: Collapse<Gpu>) {
    let (array, emit_lag) = recording(call.recording);
    let (shape, place) = (call.shape, call.place);
    let params = Params {
        steps: number(shape.steps),
        batch: number(shape.batch),
        row: number(shape.row()),
        units: number(shape.units),
        emit_lag,
        pooling: pooling(call.pooling),
        number: if let Pooling::Spike(number) = call.pooling { number } else { 0 },
        planes: number(place.planes),
        activation: number(place.activation),
        step: number(place.step),
        window: call.window.into(),
    };
    let potential = matches!(call.recording, Recording::Potential(_));
    let bytes = counted(&call.recording);
    let permutation = Permutation::new("collapse").define("POTENTIAL", potential).define("BYTES", bytes);
    let bindings = [read(1, &call.lengths.array), write(2, &call.out.array), read(5, array)];
    gpu.flat(permutation, &params, &bindings, shape.len(1), shape.len(shape.steps) as u64);
}

pub(super) fn permutations() -> Vec<Permutation> {
    let mut all = [false, true].map(|potential| flat("collapse").define("POTENTIAL", potential)).to_vec();
    all.push(flat("collapse").define("BYTES", true));
    all
}
