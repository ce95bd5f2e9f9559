//! `drive_backward`: `dL/ds = χ W^T` with the prepared transpose.

use super::product::{Product, product};
use super::recorder::{read, write};
use super::{Gpu, Permutation};
use crate::kernels::{ActivityKind, DriveBackward, Projection};
use crate::spikes::pad;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct CurrentParams {
    rows: u32,
    first: u32,
    row: u32,
    units: u32,
    source_row: u32,
    inputs: u32,
    accumulate: u32,
}

pub(super) fn drive_backward(gpu: &mut Gpu, call: DriveBackward<Gpu>) {
    let (row, source_row) = (call.shape.row(), pad(call.inputs));
    let rows = call.shape.steps * call.shape.batch;
    let first = call.lag * call.shape.batch;
    let (weights, prepared) = call.weights;
    let (chi, out) = (&call.chi.array, &call.out.array);
    match call.projection {
        Projection::Dense => product(
            gpu,
            Product {
                a: chi,
                kind: ActivityKind::Values,
                row,
                first,
                b: prepared.matrix(source_row),
                half: prepared.half,
                inner: call.shape.units,
                bias: None,
                out,
                first_out: 0,
                rows,
                columns: source_row,
                accumulate: call.accumulate,
            },
        ),
        Projection::Current => {
            let params = CurrentParams {
                rows: rows as u32,
                first: first as u32,
                row: row as u32,
                units: call.shape.units as u32,
                source_row: source_row as u32,
                inputs: call.inputs as u32,
                accumulate: call.accumulate.into(),
            };
            let bindings = [read(1, &weights.array), read(2, chi), write(3, out)];
            let work = (rows * row) as u64;
            gpu.flat(Permutation::new("drive_backward_current"), &params, &bindings, rows * source_row, work);
        }
    }
}
