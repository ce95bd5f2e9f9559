//! Numbers of each step, kept on the device and read in batches.

use super::core::{Core, LayerState};
use crate::error::Result;
use crate::kernels::{Kernels, Mode, Real};
use crate::network::{Connection, Network};
use std::collections::VecDeque;

/// Steps that the device keeps before they are read.
const ROWS: usize = 64;
/// Slots of a spiking layer: what `Kernels::tally` writes.
pub(super) const TALLIES: usize = 3;

/// What one forward pass (and the backward pass after it) counted. Only the steps of a sample up to its length count.
#[derive(Clone, Debug, PartialEq)]
pub struct StepMetrics {
    /// Samples.
    pub samples: usize,
    /// Steps of all samples.
    pub steps: f64,
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
    /// Units of each spiking layer without a spike in any sample.
    pub silent: Vec<u64>,
    /// Units of each spiking layer that spike at more than half of the steps, all samples together.
    pub saturated: Vec<u64>,
    /// Synaptic operations: each spike once for each weight that it goes through, all samples together.
    pub synaptic_operations: f64,
    /// Multiply-adds of analogue input, all samples together.
    pub multiply_adds: f64,
    /// Global norm of the gradient before clipping; 0 without a backward pass.
    pub gradient_norm: f64,
    /// Whether loss and gradient are numbers.
    pub finite: bool,
}

/// What the units of a spiking layer did in all forward passes since the last reading.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerActivity {
    /// The layer.
    pub layer: usize,
    /// Spikes of each unit.
    pub spikes: Vec<f64>,
    /// Steps of all samples.
    pub steps: f64,
}

impl LayerActivity {
    /// Fraction of the units that never spiked.
    pub fn silent(&self) -> f64 {
        self.fraction(|spikes| spikes == 0.0)
    }

    /// Fraction of the units that spiked at more than `share` of the steps (0.5 counts as saturated).
    pub fn above(&self, share: f64) -> f64 {
        self.fraction(|spikes| spikes > share * self.steps)
    }

    /// Share of all neuron-steps with a spike (at most 1, where there are several in a step).
    pub fn share(&self) -> f64 {
        (self.spikes.iter().sum::<f64>() / (self.spikes.len() as f64 * self.steps).max(1.0)).min(1.0)
    }

    fn fraction(&self, counts: impl Fn(f64) -> bool) -> f64 {
        self.spikes.iter().filter(|&&spikes| counts(spikes)).count() as f64 / self.spikes.len() as f64
    }
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

/// What the host knows of a forward pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass {
    pub samples: usize,
    pub steps: f64,
    pub answers: u64,
    /// Spikes, or values, of the input.
    pub input: f64,
    /// Whether they are values.
    pub analogue: bool,
}

/// Weights that a spike goes through.
struct FanOut {
    /// One of the input.
    input: f64,
    /// One of each spiking layer.
    layers: Vec<f64>,
}

impl FanOut {
    fn new(network: &Network) -> Self {
        let first = &network.layers[0];
        let width = |layer: &crate::network::Layer| layer.neuron.kind.gates() * layer.units;
        let layers = network.layers.iter().enumerate().filter(|(_, layer)| layer.neuron.spiking());
        let of_layer = |(l, layer): (usize, &crate::network::Layer)| {
            // An LSTM cell sends h back, not its spikes.
            let own = if layer.recurrent && layer.neuron.kind.gates() == 1 { layer.units } else { 0 };
            (own + network.layers.get(l + 1).map_or(0, width)) as f64
        };
        FanOut {
            input: match first.connection {
                Connection::Dense => width(first) as f64,
                Connection::Current => (first.units / network.inputs) as f64,
            },
            layers: layers.map(of_layer).collect(),
        }
    }
}

/// A ring of rows on the device.
pub(super) struct Ring<K: Kernels> {
    pub values: K::Values,
    pub slots: Slots,
    /// Of each row that is filled and not read.
    filled: Vec<Pass>,
    /// Row of the last forward pass, read or not.
    current: usize,
    done: VecDeque<StepMetrics>,
    fan_out: FanOut,
    /// Steps since the spikes of the units were read.
    steps: f64,
}

/// Gradient tensors of a layer: weights, recurrent weights, its own tensors, neuron parameters.
pub(super) fn tensors<K: Kernels>(layer: &LayerState<K>) -> usize {
    let learned = layer.modes.iter().any(|(mode, _)| *mode != Mode::Frozen);
    let own = layer.own.iter().filter(|own| own.learned()).count();
    1 + usize::from(layer.recurrent.is_some()) + own + usize::from(learned) + usize::from(layer.normal.is_some())
}

impl<K: Kernels> Ring<K> {
    pub fn new(kernels: &mut K, layers: &[LayerState<K>], network: &Network) -> Result<Self> {
        let spiking = layers.iter().filter(|layer| layer.model.spiking).count();
        let squares = 3 + TALLIES * spiking;
        let end = squares + layers.iter().map(tensors).sum::<usize>();
        let slots = Slots { loss: 0, regulariser: 2, spikes: 3, squares, squares_end: end, len: end };
        let values = kernels.values("metrics", ROWS * slots.len)?;
        let fan_out = FanOut::new(network);
        let filled = Vec::with_capacity(ROWS);
        Ok(Ring { values, slots, filled, current: 0, done: VecDeque::new(), fan_out, steps: 0.0 })
    }

    /// First slot of the current row.
    pub fn base(&self) -> usize {
        self.current * self.slots.len
    }

    /// Starts a row; reads the ring where it is full.
    pub fn start(&mut self, kernels: &mut K, pass: Pass) -> Result<()> {
        if self.filled.len() == ROWS {
            self.drain(kernels)?;
        }
        self.current = self.filled.len();
        self.filled.push(pass);
        self.steps += pass.steps;
        let base = self.base();
        kernels.fill(&mut self.values, base..base + self.slots.len, 0.0);
        Ok(())
    }

    fn drain(&mut self, kernels: &mut K) -> Result<()> {
        let slots = self.slots;
        let rows = kernels.read(&self.values, 0..self.filled.len() * slots.len)?;
        for (row, pass) in rows.chunks_exact(slots.len).zip(&self.filled) {
            let number = |slot: usize| row[slot].to_f64();
            let squares: f64 = row[slots.squares..slots.squares_end].iter().map(|value| value.to_f64()).sum();
            let loss = number(slots.loss) / pass.samples as f64;
            let tally = |which: usize| -> Vec<f64> {
                (0..self.fan_out.layers.len()).map(|layer| number(slots.spikes + TALLIES * layer + which)).collect()
            };
            let units = |which: usize| tally(which).into_iter().map(|units| units as u64).collect();
            let spikes = tally(0);
            let inside: f64 = spikes.iter().zip(&self.fan_out.layers).map(|(spikes, fan_out)| spikes * fan_out).sum();
            let outside = pass.input * self.fan_out.input;
            let (events, products) = if pass.analogue { (0.0, outside) } else { (outside, 0.0) };
            self.done.push_back(StepMetrics {
                samples: pass.samples,
                steps: pass.steps,
                loss,
                correct: number(slots.loss + 1) as u64,
                answers: pass.answers,
                regulariser: number(slots.regulariser),
                silent: units(1),
                saturated: units(2),
                spikes,
                synaptic_operations: events + inside,
                multiply_adds: products,
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

    /// What the units of each spiking layer did in all forward passes since the last call. Waits for the device.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device was lost.
    pub fn activity(&mut self) -> Result<Vec<LayerActivity>> {
        let steps = std::mem::take(&mut self.ring.steps);
        let mut all = Vec::new();
        for (index, layer) in self.layers.iter_mut().enumerate() {
            let Some(totals) = &mut layer.totals else { continue };
            let spikes = self.kernels.read(totals, 0..layer.units)?.into_iter().map(Real::to_f64).collect();
            self.kernels.fill(totals, 0..layer.units, 0.0);
            all.push(LayerActivity { layer: index, spikes, steps });
        }
        Ok(all)
    }
}
