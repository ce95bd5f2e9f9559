//! Naive versions of the kernels: f64, unpadded, slow and short, written from `docs/dynamics.md` alone.
//! They share no code with the backends, so that both can be wrong only by the same misreading.

mod loss;
mod neuron;
mod optimiser;
mod projection;
mod readout;

pub use loss::*;
pub use neuron::*;
pub use optimiser::*;
pub use projection::*;
pub use readout::*;

use std::ops::Range;

/// Values `[steps][B][n]` of a range of steps, which may start before 0. Every other step reads as 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    pub steps: Range<isize>,
    pub batch: usize,
    pub units: usize,
    pub values: Vec<f64>,
}

impl Grid {
    pub fn new(steps: Range<isize>, batch: usize, units: usize) -> Grid {
        let len = steps.len() * batch * units;
        Grid { steps, batch, units, values: vec![0.0; len] }
    }

    /// Entries drawn one after the other.
    pub fn drawn(steps: Range<isize>, batch: usize, units: usize, mut draw: impl FnMut() -> f64) -> Grid {
        let mut grid = Grid::new(steps, batch, units);
        grid.values.iter_mut().for_each(|value| *value = draw());
        grid
    }

    /// The place of an entry in `values`.
    pub fn at(&self, t: isize, b: usize, j: usize) -> usize {
        assert!(self.steps.contains(&t) && b < self.batch && j < self.units, "({t}, {b}, {j}) is outside the grid");
        ((t - self.steps.start) as usize * self.batch + b) * self.units + j
    }

    pub fn get(&self, t: isize, b: usize, j: usize) -> f64 {
        if self.steps.contains(&t) { self.values[self.at(t, b, j)] } else { 0.0 }
    }

    pub fn set(&mut self, t: isize, b: usize, j: usize, value: f64) {
        let at = self.at(t, b, j);
        self.values[at] = value;
    }

    /// The steps `range`, moved so that they start at `first`.
    pub fn part(&self, range: Range<isize>, first: isize) -> Grid {
        let mut part = Grid::new(first..first + range.len() as isize, self.batch, self.units);
        for t in range.clone() {
            for b in 0..self.batch {
                for j in 0..self.units {
                    part.set(t - range.start + first, b, j, self.get(t, b, j));
                }
            }
        }
        part
    }

    /// One step, `[B][n]`.
    pub fn step(&self, t: isize) -> Vec<f64> {
        self.part(t..t + 1, 0).values
    }

    /// Puts `[B][n]` at step `t`.
    pub fn set_step(&mut self, t: isize, values: &[f64]) {
        let at = self.at(t, 0, 0);
        self.values[at..at + self.batch * self.units].copy_from_slice(values);
    }

    /// Every (t, b, j) of the steps `range`.
    pub fn places(&self, range: Range<isize>) -> impl Iterator<Item = (isize, usize, usize)> + use<> {
        let (batch, units) = (self.batch, self.units);
        range.flat_map(move |t| (0..batch).flat_map(move |b| (0..units).map(move |j| (t, b, j))))
    }
}
