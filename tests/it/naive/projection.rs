//! Projections: drive, and its adjoints towards the source and the weights.

use super::Grid;
use spikegrad::kernels::{Projection, Shape};

/// `X_t = s_{t-L} W + b`, or `X_{t,j} = w_j s_{t-L, j mod in} + b_j`.
pub fn drive(projection: Projection, shape: Shape, source: &Grid, lag: usize, weights: &[f64], bias: &[f64]) -> Grid {
    let mut x = Grid::new(0..shape.steps as isize, shape.batch, shape.units);
    for (t, b, j) in x.places(x.steps.clone()) {
        let from = t - lag as isize;
        let sum: f64 = match projection {
            Projection::Dense => (0..source.units).map(|i| source.get(from, b, i) * weights[i * shape.units + j]).sum(),
            Projection::Current => source.get(from, b, j % source.units) * weights[j],
        };
        x.set(t, b, j, sum + bias[j]);
    }
    x
}

/// `dL/ds_t = χ_{t+L} W^T`, steps 0..T.
pub fn drive_backward(
    projection: Projection,
    inputs: usize,
    shape: Shape,
    lag: usize,
    weights: &[f64],
    chi: &Grid,
) -> Grid {
    let mut gradient = Grid::new(0..shape.steps as isize, shape.batch, inputs);
    for (t, b, i) in gradient.places(gradient.steps.clone()) {
        let sum = (0..shape.units)
            .map(|j| match projection {
                Projection::Dense => chi.get(t + lag as isize, b, j) * weights[i * shape.units + j],
                Projection::Current if j % inputs == i => chi.get(t + lag as isize, b, j) * weights[j],
                Projection::Current => 0.0,
            })
            .sum();
        gradient.set(t, b, i, sum);
    }
    gradient
}

/// `dW = Σ_{t,b} s_{t-L}^T χ_t`, t in 0..T.
pub fn weight_gradient(projection: Projection, shape: Shape, source: &Grid, lag: usize, chi: &Grid) -> Vec<f64> {
    let rows = if projection == Projection::Dense { source.units } else { 1 };
    let mut gradient = vec![0.0; rows * shape.units];
    for t in 0..shape.steps as isize {
        for b in 0..shape.batch {
            for i in 0..rows {
                for j in 0..shape.units {
                    let channel = if projection == Projection::Dense { i } else { j % source.units };
                    gradient[i * shape.units + j] += source.get(t - lag as isize, b, channel) * chi.get(t, b, j);
                }
            }
        }
    }
    gradient
}
