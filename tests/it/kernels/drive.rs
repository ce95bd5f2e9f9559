//! Drive: dense and current projections of a raster or of values, every lag, any range of steps.

use super::*;
use crate::naive::{self, Grid};
use spikegrad::kernels::*;

#[derive(Clone, Debug)]
pub struct Case {
    pub seed: u64,
    pub projection: Projection,
    pub kind: ActivityKind,
    pub inputs: usize,
    pub shape: Shape,
    pub lag: usize,
    pub range: std::ops::Range<usize>,
}

pub fn draw(random: &mut Random) -> Case {
    let mut shape = shape(random);
    let projection = one_of(random, &[Projection::Dense, Projection::Dense, Projection::Current]);
    let mut inputs = width(random);
    if projection == Projection::Current {
        inputs = one_of(random, &[1, 3, 12, 33]);
        shape.units = inputs * one_of(random, &[1, 2, 7]);
    }
    let start = if chance(random, 0.5) { 0 } else { random.below(shape.steps) };
    Case {
        seed: random.bits(),
        projection,
        kind: one_of(random, &[ActivityKind::Raster, ActivityKind::Values, ActivityKind::Bytes]),
        inputs,
        shape,
        lag: random.below(3),
        range: start..start + 1 + random.below(shape.steps - start),
    }
    .of_its_kind()
}

/// Thousands of rows `(t, b)`, which are worked off in chunks.
pub fn many_rows(random: &mut Random) -> Case {
    let (steps, batch) = (one_of(random, &[40, 57]), one_of(random, &[67, 131]));
    let (projection, inputs, units) = match random.below(3) {
        0 => (Projection::Current, 3, 6),
        _ => (Projection::Dense, one_of(random, &[3, 40]), one_of(random, &[1, 33])),
    };
    Case { projection, inputs, shape: Shape { steps, batch, units }, range: 0..steps, ..draw(random) }.of_its_kind()
}

impl Case {
    /// The current encoder takes analogue input only.
    fn of_its_kind(self) -> Case {
        match self.projection {
            Projection::Dense => self,
            Projection::Current => Case { kind: ActivityKind::Values, ..self },
        }
    }
}

/// Activity of the source, its history included: sparse spikes with some silent rows, or normal values.
pub fn draw_source(random: &mut Random, kind: ActivityKind, inputs: usize, shape: Shape) -> Grid {
    let rate = one_of(random, &[0.02, 0.2, 0.9]);
    Grid::drawn(-2..shape.steps as isize, shape.batch, inputs, || match kind {
        ActivityKind::Raster => f64::from(chance(random, rate)),
        ActivityKind::Values => normal(random),
        ActivityKind::Bytes => {
            if chance(random, rate) {
                1.0 + random.below(5) as f64
            } else {
                0.0
            }
        }
    })
}

/// Weights of the projection, about `1/√in`.
pub fn draw_weights(random: &mut Random, projection: Projection, inputs: usize, units: usize) -> Vec<f64> {
    let rows = if projection == Projection::Dense { inputs } else { 1 };
    let scale = 1.0 / (rows as f64).sqrt();
    (0..rows * units).map(|_| single(random.normal() * scale)).collect()
}

/// What the naive version and a backend make of a case.
fn both<K: Kernels>(kernels: &mut K, case: &Case) -> (Grid, Grid) {
    let Case { projection, kind, inputs, shape, lag, .. } = *case;
    let random = &mut Random::new(case.seed, 1);
    let source = draw_source(random, kind, inputs, shape);
    let weights = draw_weights(random, projection, inputs, shape.units);
    let model = model(random, true);
    let constants = draw_constants(random, model, shape.units);
    let expected = naive::drive(projection, shape, &source, lag, &weights, &constants.bias);

    let stale = Grid::drawn(0..shape.steps as isize, shape.batch, shape.units, || STALE);
    let mut out = rows(kernels, shape.units, &stale.values);
    let call = Drive {
        projection,
        inputs,
        shape,
        range: case.range.clone(),
        source: &activity(kernels, kind, &source),
        lag,
        weights: &forward_weights(kernels, shape.units, &weights),
        constants: &super::constants(kernels, model, &constants),
        out: &mut out,
    };
    kernels.drive(call);
    (expected, read_grid(kernels, "drive", shape, &out, 0))
}

/// The drive that a backend makes of a case.
pub fn run<K: Kernels>(kernels: &mut K, case: &Case) -> Vec<f64> {
    both(kernels, case).1.values
}

pub fn check<K: Kernels>(kernels: &mut K, case: &Case) {
    let (expected, got) = both(kernels, case);
    let range = case.range.start as isize..case.range.end as isize;
    assert_close(
        "drive",
        &got.part(range.clone(), 0).values,
        &expected.part(range.clone(), 0).values,
        tolerance::<K>(1e-5),
    );
    for (t, b, j) in got.places(0..case.shape.steps as isize).filter(|(t, ..)| !range.contains(t)) {
        assert_eq!(got.get(t, b, j), STALE, "step {t} is outside the range");
    }
}

on_every_backend!(equals_naive, 60, draw, check);
on_every_backend!(of_many_rows, 6, many_rows, check);
