//! The gradient of the weights of a projection, the recurrent one (source = the layer's own spikes) included.

use super::drive::{Case, draw, draw_source, many_rows};
use super::*;
use crate::naive::{self, Grid};
use spikegrad::kernels::*;

/// What the naive version and a backend make of a case.
fn both<K: Kernels>(kernels: &mut K, case: &Case) -> (Vec<f64>, Vec<f64>) {
    let Case { projection, kind, inputs, shape, lag, .. } = *case;
    let random = &mut Random::new(case.seed, 1);
    let source = draw_source(random, kind, inputs, shape);
    // the future rows of χ are not part of the sum
    let chi = Grid::drawn(0..shape.steps as isize + 2, shape.batch, shape.units, || normal(random));
    let expected = naive::weight_gradient(projection, shape, &source, lag, &chi);

    let mut out = rows(kernels, shape.units, &vec![STALE; expected.len()]);
    let call = WeightGradient {
        projection,
        inputs,
        shape,
        window: Window::whole(shape),
        source: &activity(kernels, kind, &source),
        lag,
        chi: &rows(kernels, shape.units, &chi.values),
        samples: 0..shape.batch,
        accumulate: false,
        out: &mut out,
    };
    kernels.weight_gradient(call);
    let got = read(kernels, &out, expected.len() / shape.units * shape.row());
    (expected, stripped("gradient of the weights", shape.units, &got))
}

/// The gradient that a backend makes of a case.
pub fn run<K: Kernels>(kernels: &mut K, case: &Case) -> Vec<f64> {
    both(kernels, case).1
}

pub fn check<K: Kernels>(kernels: &mut K, case: &Case) {
    let (expected, got) = both(kernels, case);
    assert_close("gradient of the weights", &got, &expected, tolerance::<K>(1e-5));
}

on_every_backend!(equals_naive, 60, draw, check);
on_every_backend!(of_many_rows, 6, many_rows, check);

fn recurrent(random: &mut Random) -> Case {
    let shape = shape(random);
    let projection = Projection::Dense;
    let kind = one_of(random, &[ActivityKind::Raster, ActivityKind::Bytes]);
    let lag = 1 + random.below(2);
    Case { seed: random.bits(), projection, kind, inputs: shape.units, shape, lag, range: 0..shape.steps }
}

on_every_backend!(of_recurrent_weights, 20, recurrent, check);
