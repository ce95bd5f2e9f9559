//! What can be read after a forward pass.

use super::core::{Core, zeros};
use super::forward::At;
use super::parameters::narrow;
use super::plan::Tape;
use crate::error::{Error, Result};
use crate::kernels::*;
use crate::spikes::{Raster, Trace};

impl<K: Kernels> Core<K> {
    /// What the last forward pass left.
    ///
    /// # Errors
    /// [`Error::Input`] before the first one.
    pub fn outputs(&mut self) -> Result<Outputs<'_, K>> {
        let index = self.last_plan()?;
        Ok(Outputs { core: self, index })
    }
}

/// What a forward pass left on the device. Reading waits for it.
pub struct Outputs<'a, K: Kernels> {
    core: &'a mut Core<K>,
    index: usize,
}

impl<'a, K: Kernels> Outputs<'a, K> {
    pub(super) fn new(core: &'a mut Core<K>, index: usize) -> Self {
        Outputs { core, index }
    }

    /// What is read at every step is there where the batch was run as one.
    fn has_steps(&self) -> Result<()> {
        if self.core.plans[self.index].batches().len() == 1 {
            return Ok(());
        }
        let samples = self.core.plans[self.index].cut.samples;
        Err(Error::Input(format!(
            "the batch was run in micro-batches of {samples} samples to fit into memory, which keep no step: raise the memory, or give {samples} samples"
        )))
    }
    fn plane(&mut self, layer: usize, plane: usize) -> Result<Vec<K::Real>> {
        self.core.read_plane(self.index, layer, plane)
    }

    /// Activations of the readout's first loss (its recording reduced over time), `[B, units]`.
    ///
    /// # Errors
    /// [`Error::Input`] where that loss stands on every step, [`Error::Device`] where the device was lost.
    pub fn activation(&mut self) -> Result<Vec<K::Real>> {
        self.core.read_activation(self.index, plane::ACTIVATION, Place::OWN.activation)
    }

    /// The class that each sample is taken for, `[B]`.
    ///
    /// # Errors
    /// [`Error::Device`] where the device was lost.
    pub fn answers(&mut self) -> Result<Vec<u32>> {
        self.core.answers(self.index)
    }

    /// Emitted spikes of each unit summed over the steps, `[B, units]`.
    ///
    /// # Errors
    /// [`Error::Input`] where the layer does not spike.
    pub fn counts(&mut self, layer: usize) -> Result<Vec<K::Real>> {
        self.core.spiking(layer)?;
        self.plane(layer, plane::COUNT)
    }

    /// Loss, mean over the batch.
    ///
    /// # Errors
    /// [`Error::Input`] where the batch had no labels.
    pub fn loss(&mut self) -> Result<f64> {
        self.core.needs_labels()?;
        let samples = self.core.plans[self.index].sequence.batch as f64;
        let slot = self.core.ring.slots.loss;
        Ok(self.core.ring.current(&mut self.core.kernels, slot)? / samples)
    }

    /// Right answers.
    ///
    /// # Errors
    /// [`Error::Input`] where the batch had no labels.
    pub fn correct(&mut self) -> Result<u64> {
        self.core.needs_labels()?;
        let slot = self.core.ring.slots.loss + 1;
        Ok(self.core.ring.current(&mut self.core.kernels, slot)? as u64)
    }

    /// Emitted spikes O of a layer as numbers, `[T, B, units]`.
    ///
    /// # Errors
    /// [`Error::Input`] where the layer does not spike.
    pub fn spike_values(&mut self, layer: usize) -> Result<Trace<K::Real>> {
        self.core.spiking(layer)?;
        self.has_steps()?;
        let plan = &self.core.plans[self.index];
        let (shape, from) = (plan.layers[layer].shape, HISTORY - self.core.layers[layer].model.emit_lag);
        let mut all = Vec::new();
        for (spikes, steps) in plan.layers[layer].spikes.iter().zip(plan.segments()) {
            let values = self.core.kernels.read_activity(spikes, from..from + steps.len())?;
            all.extend(narrow(&values, shape.units));
        }
        Trace::new(shape.steps, shape.batch, shape.units, all)
    }

    /// Emitted spikes O of a layer, `[T, B, units]`.
    ///
    /// # Errors
    /// [`Error::Input`] where the layer does not spike.
    pub fn spikes(&mut self, layer: usize) -> Result<Raster> {
        let trace = self.spike_values(layer)?;
        let bytes: Vec<u8> = trace.values.iter().map(|value| u8::from(value.to_f64() != 0.0)).collect();
        Raster::from_bytes(trace.steps, trace.batch, trace.units, &bytes)
    }

    /// Membrane potential V of a layer before reset, `[T, B, units]`; of the last layer: the readout's trace. A layer that kept its
    /// active neurons in place of V runs its steps again for it.
    ///
    /// # Errors
    /// [`Error::Input`] after [`Core::infer`], which keeps none, and where the layer would have to run again but a parameter has
    /// changed since.
    pub fn potential(&mut self, layer: usize) -> Result<Trace<K::Real>> {
        self.core.exists(layer)?;
        if !self.core.taped {
            return Err(Error::Input("infer keeps no potentials: use forward".into()));
        }
        self.has_steps()?;
        let index = self.index;
        let shape = self.core.plans[index].layers[layer].shape;
        let mut all = Vec::new();
        for (segment, steps) in self.core.plans[index].segments().enumerate() {
            let len = shape.len(steps.len());
            let at = At { index, micro: 0, segment, steps, samples: 0..shape.batch };
            self.core.recall(&at, layer)?;
            let plan = &self.core.plans[index];
            let kept = plan.layers[layer].training.as_ref().and_then(|training| training.tapes.get(segment));
            let tape = match kept {
                Some(Tape::Whole(tape)) => tape,
                _ => plan.work.tape.as_ref().expect("recalled"),
            };
            all.extend(narrow(&self.core.kernels.read(tape, 0..len)?, shape.units));
        }
        self.core.finish_recall(index);
        Trace::new(shape.steps, shape.batch, shape.units, all)
    }
}

impl<K: Kernels> Core<K> {
    pub(super) fn exists(&self, layer: usize) -> Result<()> {
        if layer < self.layers.len() {
            Ok(())
        } else {
            Err(Error::Input(format!("there is no layer {layer}: the network has {}", self.layers.len())))
        }
    }

    pub(super) fn spiking(&self, layer: usize) -> Result<()> {
        self.exists(layer)?;
        if self.layers[layer].model.spiking {
            Ok(())
        } else {
            Err(Error::Input(format!("layer {layer} does not spike")))
        }
    }

    pub(super) fn needs_labels(&self) -> Result<()> {
        if self.supplied.any() {
            Ok(())
        } else {
            Err(Error::Input("the built-in loss needs labels (or targets) in the batch".into()))
        }
    }

    /// A plane of a layer without padding, `[B, units]`.
    pub(super) fn read_plane(&mut self, index: usize, layer: usize, plane: usize) -> Result<Vec<K::Real>> {
        let layer = &self.plans[index].layers[layer];
        let (batch, width, units) = (layer.shape.batch, layer.shape.row(), layer.shape.units);
        let all = self.kernels.read(&layer.planes, 0..batch * plane::PLANES * width)?;
        let rows = all.chunks_exact(plane::PLANES * width);
        Ok(rows.flat_map(|planes| &planes[plane * width..][..units]).copied().collect())
    }

    /// Writes a plane of a layer from `[B, units]`.
    pub(super) fn write_plane(&mut self, index: usize, layer: usize, plane: usize, values: &[K::Real]) {
        let layer = &mut self.plans[index].layers[layer];
        let (width, units) = (layer.shape.row(), layer.shape.units);
        zeros(&mut self.staging, width);
        for (b, values) in values.chunks_exact(units).enumerate() {
            self.staging[..units].copy_from_slice(values);
            self.kernels.write(&mut layer.planes, (b * plane::PLANES + plane) * width, &self.staging);
        }
    }
}
