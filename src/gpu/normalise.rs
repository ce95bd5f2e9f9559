//! `normalise` and `normalise_backward`: a workgroup has 32 units, eight invocations a unit share the rows.

use super::recorder::{read, write};
use super::{Gpu, Permutation, TREE};
use crate::kernels::{Normalise, NormaliseBackward, Shape};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    rows: u32,
    row: u32,
    epsilon: f32,
    momentum: f32,
}

fn params(shape: Shape, epsilon: f64, momentum: f64) -> Params {
    let rows = (shape.steps * shape.batch) as u32;
    Params { rows, row: shape.row() as u32, epsilon: epsilon as f32, momentum: momentum as f32 }
}

fn permutation(name: &'static str) -> Permutation {
    Permutation::new(name).constant("SIZE", TREE)
}

/// Numbers that a workgroup goes through, three times.
fn work(shape: Shape) -> u64 {
    4 * shape.len(shape.steps) as u64
}

pub(super) fn normalise(gpu: &mut Gpu, call: Normalise<Gpu>) {
    let momentum = call.training.as_ref().map_or(0.0, |training| training.momentum);
    let params = params(call.shape, call.epsilon, momentum);
    let mut bindings =
        vec![read(1, &call.parameters.array), write(2, &call.running.array), write(3, &call.drive.array)];
    if let Some(training) = &call.training {
        bindings.extend([write(4, &training.normal.array), write(5, &training.deviation.array)]);
    }
    let permutation = permutation("normalise").define("TRAINING", call.training.is_some());
    gpu.dispatch(permutation, &params, &bindings, call.shape.row() / 32, work(call.shape));
}

pub(super) fn normalise_backward(gpu: &mut Gpu, call: NormaliseBackward<Gpu>) {
    let params = params(call.shape, 0.0, 0.0);
    let bindings = [
        read(1, &call.parameters.array),
        read(2, &call.running.array),
        read(3, &call.normal.array),
        read(4, &call.deviation.array),
        read(5, &call.chi.array),
        write(6, &call.out.array),
        write(7, &call.gradient.array),
    ];
    gpu.dispatch(permutation("normalise_backward"), &params, &bindings, call.shape.row() / 32, work(call.shape));
}

pub(super) fn permutations() -> Vec<Permutation> {
    let normalise = || permutation("normalise");
    vec![normalise(), normalise().define("TRAINING", true), permutation("normalise_backward")]
}
