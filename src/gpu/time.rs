//! `time_forward` and `time_backward`: tiled products over time, with the threshold after and what reaches V before.

use super::arriving::{Arriving, arriving};
use super::buffers::Array;
use super::column_sum::{column_sum, step_sum};
use super::prepare::transpose;
use super::product::{Product, product};
use super::recorder::{read, write};
use super::{Gpu, Permutation, weight_gradient};
use crate::kernels::{ActivityKind, TimeBackward, TimeForward, TimeWeights, plane};
use crate::spikes::pad;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    steps: u32,
    batch: u32,
    row: u32,
    inclusive: u32,
    own_bias: u32,
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct BandParams {
    steps: u32,
    row: u32,
    order: u32,
}

impl BandParams {
    fn new(steps: usize, order: usize) -> Self {
        BandParams { steps: steps as u32, row: pad(steps) as u32, order: order as u32 }
    }
}

/// W as `[T][pad(T)]`; None after a failure, which the next read reports.
fn matrix(gpu: &mut Gpu, from: &TimeWeights<Gpu>, steps: usize) -> Option<Array> {
    let Some(order) = from.order else { return Some(from.weights.array.clone()) };
    let entries = steps * pad(steps);
    let out = gpu.recorder.scratch("weights over time", entries)?;
    let bindings = [read(1, &from.weights.array), write(2, &out)];
    gpu.flat(Permutation::new("band"), &BandParams::new(steps, order), &bindings, entries, entries as u64);
    Some(out)
}

pub(super) fn time_forward(gpu: &mut Gpu, call: TimeForward<Gpu>) {
    let (shape, steps) = (call.shape, call.shape.steps);
    let Some(weights) = matrix(gpu, &call.weights, steps) else { return };
    product(
        gpu,
        Product {
            a: &weights,
            kind: ActivityKind::Values,
            row: pad(steps),
            first: 0,
            b: (&call.drive.array).into(),
            half: false,
            inner: steps,
            bias: None,
            out: &call.potential.array,
            first_out: 0,
            rows: steps,
            columns: shape.len(1),
            accumulate: false,
        },
    );
    let params = Params {
        steps: steps as u32,
        batch: shape.batch as u32,
        row: shape.row() as u32,
        inclusive: call.model.inclusive.into(),
        own_bias: call.weights.order.is_none().into(),
    };
    let bindings = [
        read(1, &call.constants.array),
        read(2, &call.weights.bias.array),
        write(3, &call.potential.array),
        write(4, &call.spikes.array),
        write(5, &call.planes.array),
    ];
    let entries = shape.len(steps);
    gpu.flat(Permutation::new("time_forward"), &params, &bindings, entries, 4 * entries as u64);
}

pub(super) fn time_backward(gpu: &mut Gpu, call: TimeBackward<Gpu>) {
    let (shape, steps, width) = (call.shape, call.shape.steps, pad(call.shape.steps));
    let columns = shape.len(1);
    // λ as [T][B·np] and its transpose, X transposed, W transposed.
    let scratch = [
        ("adjoint over time", shape.len(steps)),
        ("adjoint over time, transposed", columns * width),
        ("drive over time, transposed", columns * width),
        ("weights over time, transposed", width * width),
        ("gradient of the weights over time", steps * width),
        ("gradient of the bias over time", width),
    ];
    let arrays = scratch.map(|(name, entries)| gpu.recorder.scratch(name, entries));
    let [Some(lambda), Some(lambda_across), Some(x_across), Some(across), Some(by_weights), Some(by_bias)] = arrays
    else {
        return;
    };
    let Some(weights) = matrix(gpu, &call.weights, steps) else { return };
    let from = Arriving {
        model: call.model,
        shape,
        constants: call.constants,
        potential: call.potential,
        gradient_spikes: call.gradient_spikes,
        gradient_potential: call.gradient_potential,
        counts: call.counts,
    };
    arriving(gpu, from, call.planes, &lambda);
    transpose(gpu, &weights, steps, width, &across);
    product(
        gpu,
        Product {
            a: &across,
            kind: ActivityKind::Values,
            row: width,
            first: 0,
            b: (&lambda).into(),
            half: false,
            inner: steps,
            bias: None,
            out: &call.chi.array,
            first_out: 0,
            rows: steps,
            columns,
            accumulate: false,
        },
    );
    if call.model.learned.bias {
        step_sum(gpu, shape, call.chi, call.planes, plane::BIAS_GRADIENT);
    }
    transpose(gpu, &lambda, steps, columns, &lambda_across);
    transpose(gpu, &call.drive.array, steps, columns, &x_across);
    let (into, into_bias) = match call.weights.order {
        None => (&call.weight_gradient.array, &call.bias_gradient.array),
        Some(_) => (&by_weights, &by_bias),
    };
    weight_gradient::dense(gpu, &lambda_across, steps, &x_across, width, columns, into);
    column_sum(gpu, &lambda_across, columns, width, into_bias, 0);
    if let Some(order) = call.weights.order {
        let bindings = [read(1, &by_weights), write(2, &call.weight_gradient.array)];
        let permutation = gpu.tree("band_gradient");
        gpu.dispatch(permutation, &BandParams::new(steps, order), &bindings, order, (order * steps) as u64);
        column_sum(gpu, &by_bias, steps, 1, &call.bias_gradient.array, 0);
    }
}
