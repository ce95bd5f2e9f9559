//! The adjoint of the drive towards its source.

use super::drive::{Case, draw, draw_weights, many_rows};
use super::*;
use crate::naive::{self, Grid};
use spikegrad::kernels::*;

pub fn check<K: Kernels>(kernels: &mut K, case: &Case) {
    let Case { projection, inputs, shape, lag, .. } = *case;
    let random = &mut Random::new(case.seed, 1);
    let (weights, before) = (
        draw_weights(random, projection, inputs, shape.units),
        Grid::drawn(0..shape.steps as isize, shape.batch, inputs, || normal(random)),
    );
    // the two future rows are part of the sum
    let chi = Grid::drawn(0..shape.steps as isize + 2, shape.batch, shape.units, || normal(random));
    let expected = naive::drive_backward(projection, inputs, shape, lag, &weights, &chi);

    let weights = super::weights(kernels, shape.units, &weights);
    let chi = rows(kernels, shape.units, &chi.values);
    let source = Shape { units: inputs, ..shape };
    for accumulate in [false, true] {
        let mut out = rows(kernels, inputs, &before.values);
        kernels.drive_backward(DriveBackward {
            projection,
            inputs,
            shape,
            lag,
            weights: (&weights.0, &weights.1),
            chi: &chi,
            accumulate,
            out: &mut out,
        });
        let mut expected = expected.clone();
        if accumulate {
            expected.values.iter_mut().zip(&before.values).for_each(|(sum, before)| *sum += before);
        }
        let got = read_grid(kernels, "gradient of the source", source, &out, 0);
        assert_close("gradient of the source", &got.values, &expected.values, tolerance::<K>(1e-5));
    }
}

on_every_backend!(equals_naive, 60, draw, check);
on_every_backend!(of_many_rows, 6, many_rows, check);
