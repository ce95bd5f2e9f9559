//! `lstm_forward` and `lstm_backward`: two dispatches a step, the tiled product with R and the cell.

use super::arriving::{Arriving, arriving};
use super::backward::surrogate;
use super::column_sum::column_sum;
use super::forward::reset;
use super::product::{Product, product};
use super::recorder::{read, write};
use super::{FLAT, Gpu, Permutation, flat, rounded};
use crate::kernels::{ActivityKind, GATES, LstmBackward, LstmForward, constant, plane};
use crate::network::{Reset, SurrogateKind};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    steps: u32,
    batch: u32,
    row: u32,
    step: u32,
    inclusive: u32,
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct BackwardParams {
    steps: u32,
    batch: u32,
    row: u32,
    step: u32,
    learned: u32,
    slope: f32,
    scale: f32,
    shape: [f32; 3],
}

fn forward_permutation(form: Reset, tape: bool) -> Permutation {
    flat("lstm_forward").define(reset(form), true).define("TAPE", tape)
}

fn backward_permutation(form: Reset, detach: bool, kind: SurrogateKind) -> Permutation {
    let expression = if let SurrogateKind::Custom(custom) = kind { Some(custom.wgsl()) } else { None };
    flat("lstm_backward")
        .expression(expression)
        .define(reset(form), true)
        .define("SPIKE_BEFORE", form != Reset::None)
        .define("THROUGH_RESET", form != Reset::None && !detach)
        .define(surrogate(kind), true)
}

pub(super) fn lstm_forward(gpu: &mut Gpu, call: LstmForward<Gpu>) {
    let (model, shape) = (call.model, call.shape);
    let (batch, row, cells) = (shape.batch, shape.row(), shape.len(1));
    // h_{t-1} is the first plane of each sample: a matrix whose rows are all planes of a sample.
    const { assert!(plane::POTENTIAL == 0) };
    let mut bindings = vec![
        read(1, &call.constants.array),
        write(2, &call.planes.array),
        write(3, &call.gates.array),
        write(4, &call.spikes.array),
    ];
    if let Some((tape, hidden)) = &call.tape {
        bindings.extend([write(5, &tape.array), write(6, &hidden.array)]);
    }
    let permutation = forward_permutation(model.reset, call.tape.is_some());
    let recurrent = rounded::read(gpu, call.recurrent);
    for step in 0..shape.steps {
        product(
            gpu,
            Product {
                a: &call.planes.array,
                kind: ActivityKind::Values,
                row: plane::PLANES * row,
                first: 0,
                b: recurrent.matrix(GATES * row),
                half: recurrent.half,
                inner: shape.units,
                bias: None,
                out: &call.gates.array,
                first_out: step * batch,
                rows: batch,
                columns: GATES * row,
                accumulate: true,
            },
        );
        let params = Params {
            steps: shape.steps as u32,
            batch: batch as u32,
            row: row as u32,
            step: step as u32,
            inclusive: model.inclusive.into(),
        };
        gpu.dispatch(permutation.clone(), &params, &bindings, cells.div_ceil(FLAT), 128 * cells as u64);
    }
}

pub(super) fn lstm_backward(gpu: &mut Gpu, call: LstmBackward<Gpu>) {
    let (model, shape) = (call.model, call.shape);
    let (batch, row, cells) = (shape.batch, shape.row(), shape.len(1));
    let direct = gpu.recorder.scratch("adjoint over time", shape.len(shape.steps));
    let feedback = gpu.recorder.scratch("recurrent feedback", cells);
    let (Some(direct), Some(feedback)) = (direct, feedback) else { return };
    let from = Arriving {
        model,
        shape,
        constants: call.constants,
        potential: call.tape,
        gradient_spikes: call.gradient_spikes,
        gradient_potential: call.gradient_potential,
        counts: call.counts,
    };
    arriving(gpu, from, call.planes, &direct);
    let bindings = [
        read(1, &call.constants.array),
        write(2, &call.planes.array),
        read(3, &call.gates.array),
        read(4, &call.tape.array),
        read(5, &call.spikes.array),
        read(6, &direct),
        read(7, &feedback),
        write(8, &call.chi.array),
    ];
    let permutation = backward_permutation(model.reset, model.detach, model.surrogate.kind);
    for step in (0..shape.steps).rev() {
        product(
            gpu,
            Product {
                a: &call.chi.array,
                kind: ActivityKind::Values,
                row: GATES * row,
                first: (step + 1) * batch,
                b: call.recurrent.matrix(row),
                half: call.recurrent.half,
                inner: GATES * row,
                bias: None,
                out: &feedback,
                first_out: 0,
                rows: batch,
                columns: row,
                accumulate: false,
            },
        );
        let params = BackwardParams {
            steps: shape.steps as u32,
            batch: batch as u32,
            row: row as u32,
            step: step as u32,
            learned: model.learned.threshold.into(),
            slope: model.surrogate.slope as f32,
            scale: model.surrogate.scale as f32,
            shape: model.surrogate.shape().map(|number| number as f32),
        };
        gpu.dispatch(permutation.clone(), &params, &bindings, cells.div_ceil(FLAT), 128 * cells as u64);
    }
    if let Some(out) = call.bias_gradient {
        let columns = GATES * row;
        column_sum(gpu, &call.chi.array, shape.steps * batch, columns, &out.array, constant::BIAS * columns);
    }
}

pub(super) fn permutations() -> Vec<Permutation> {
    let mut all = Vec::new();
    for form in [Reset::None, Reset::SubtractAfter, Reset::ZeroAfter] {
        for on in [false, true] {
            all.push(forward_permutation(form, on));
            all.push(backward_permutation(form, on, SurrogateKind::FastSigmoid));
        }
    }
    all.extend(SurrogateKind::ALL.map(|kind| backward_permutation(Reset::ZeroAfter, false, kind)));
    all
}
