//! Numbers of each step, kept on the device and read in batches.

use super::core::{Core, LayerState};
use crate::error::Result;
use crate::kernels::{Kernels, Mode, Real};
use std::collections::VecDeque;

/// Steps that the device keeps before they are read.
const ROWS: usize = 64;

/// What one forward pass (and the backward pass after it) counted.
#[derive(Clone, Debug, PartialEq)]
pub struct StepMetrics {
    /// Samples.
    pub samples: usize,
    /// Loss, mean over the batch, without the regularisers; 0 without labels.
    pub loss: f64,
    /// Right answers.
    pub correct: u64,
    /// Labels that were asked for: of the samples, or of the steps; 0 without labels.
    pub answers: u64,
    /// Sum of the regularisers.
    pub regulariser: f64,
    /// Spikes of each spiking layer, all samples together.
    pub spikes: Vec<f64>,
    /// Global norm of the gradient before clipping; 0 without a backward pass.
    pub gradient_norm: f64,
    /// Whether loss and gradient are numbers.
    pub finite: bool,
}

/// Slots of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slots {
    pub loss: usize,
    pub regulariser: usize,
    pub spikes: usize,
    pub squares: usize,
    pub squares_end: usize,
    pub len: usize,
}

/// A ring of rows on the device.
pub(super) struct Ring<K: Kernels> {
    pub values: K::Values,
    pub slots: Slots,
    /// Samples and labels of each row that is filled and not read.
    filled: Vec<(usize, u64)>,
    /// Row of the last forward pass, read or not.
    current: usize,
    done: VecDeque<StepMetrics>,
    spiking: usize,
}

/// Gradient tensors of a layer: weights, recurrent weights, neuron parameters.
pub(super) fn tensors<K: Kernels>(layer: &LayerState<K>) -> usize {
    let learned = layer.modes.iter().any(|(mode, _)| *mode != Mode::Frozen);
    1 + usize::from(layer.recurrent.is_some()) + usize::from(learned) + usize::from(layer.normal.is_some())
}

impl<K: Kernels> Ring<K> {
    pub fn new(kernels: &mut K, layers: &[LayerState<K>]) -> Result<Self> {
        let spiking = layers.iter().filter(|layer| layer.model.spiking).count();
        let squares = 3 + spiking;
        let end = squares + layers.iter().map(tensors).sum::<usize>();
        let slots = Slots { loss: 0, regulariser: 2, spikes: 3, squares, squares_end: end, len: end };
        let values = kernels.values("metrics", ROWS * slots.len)?;
        Ok(Ring { values, slots, filled: Vec::new(), current: 0, done: VecDeque::new(), spiking })
    }

    /// First slot of the current row.
    pub fn base(&self) -> usize {
        self.current * self.slots.len
    }

    /// Starts a row; reads the ring where it is full.
    pub fn start(&mut self, kernels: &mut K, samples: usize, answers: u64) -> Result<()> {
        if self.filled.len() == ROWS {
            self.drain(kernels)?;
        }
        self.current = self.filled.len();
        self.filled.push((samples, answers));
        let base = self.base();
        kernels.fill(&mut self.values, base..base + self.slots.len, 0.0);
        Ok(())
    }

    fn drain(&mut self, kernels: &mut K) -> Result<()> {
        let slots = self.slots;
        let rows = kernels.read(&self.values, 0..self.filled.len() * slots.len)?;
        for (row, &(samples, answers)) in rows.chunks_exact(slots.len).zip(&self.filled) {
            let number = |slot: usize| row[slot].to_f64();
            let squares: f64 = row[slots.squares..slots.squares_end].iter().map(|value| value.to_f64()).sum();
            let loss = number(slots.loss) / samples as f64;
            self.done.push_back(StepMetrics {
                samples,
                loss,
                correct: number(slots.loss + 1) as u64,
                answers,
                regulariser: number(slots.regulariser),
                spikes: (0..self.spiking).map(|layer| number(slots.spikes + layer)).collect(),
                gradient_norm: squares.sqrt(),
                finite: loss.is_finite() && squares.is_finite() && number(slots.regulariser).is_finite(),
            });
        }
        self.filled.clear();
        Ok(())
    }

    /// The numbers of the current row: loss (mean) and correct samples.
    pub fn current(&self, kernels: &mut K, slot: usize) -> Result<f64> {
        let at = self.base() + slot;
        Ok(kernels.read(&self.values, at..at + 1)?[0].to_f64())
    }
}

impl<K: Kernels> Core<K> {
    /// The numbers of every forward pass since the last call, oldest first. Waits for the device.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device was lost.
    pub fn metrics(&mut self) -> Result<Vec<StepMetrics>> {
        self.ring.drain(&mut self.kernels)?;
        Ok(self.ring.done.drain(..).collect())
    }
}
