//! Where the input and the answers of a batch go on the device.

use super::batch::{Batch, Input};
use super::core::{Core, zeros};
use super::forward::At;
use super::readout::Supplied;
use crate::error::Result;
use crate::kernels::*;
use crate::spikes::{pad, words};

impl<K: Kernels> Core<K> {
    /// Uploads what the readout needs of a batch, and the chances of rate-coded input.
    pub(super) fn upload(
        &mut self,
        index: usize,
        batch: &Batch<K::Real>,
        supplied: Supplied,
        online: bool,
    ) -> Result<()> {
        let plan = &mut self.plans[index];
        plan.loaded = None;
        if let Input::Rates(rates) = &batch.input {
            let width = pad(rates.units);
            let padded = &mut self.staged;
            padded.clear();
            padded.resize(rates.batch * width, 0);
            for (row, chances) in padded.chunks_exact_mut(width).zip(rates.chances.chunks_exact(rates.units)) {
                row[..rates.units].copy_from_slice(chances);
            }
            if plan.chances.is_none() {
                plan.chances = Some(self.kernels.words("spike probabilities", padded.len())?);
            }
            let chances = plan.chances.as_mut().expect("made above");
            self.kernels.write_words(chances, padded);
        }
        if !online {
            let shape = plan.layers[self.layers.len() - 1].shape;
            plan.readout.allocate(&mut self.kernels, &self.objectives, shape)?;
        }
        let staging = (&mut self.staging, &mut self.staged);
        plan.readout.upload(&mut self.kernels, &self.objectives, plan.sequence, batch, supplied, staging)
    }

    /// Puts the input of a segment of a micro-batch on the device. Where the plan keeps the input, its history is that of
    /// the segment before, which was loaded before it.
    pub(super) fn load_input(&mut self, at: &At, input: &Input<K::Real>) -> Result<()> {
        let plan = &mut self.plans[at.index];
        let window = plan.window(&at.steps, &at.samples);
        let keeps = plan.cut.keeps_input;
        if !keeps {
            plan.loaded = Some((at.micro, at.segment));
        }
        let place = if keeps { at.segment } else { 0 };
        let (before, from) = plan.input.split_at_mut(place);
        let into = &mut from[0];
        // Rows of the array, and the steps that they are: without the steps before, where those are carried on.
        let mut first = HISTORY;
        if let (Some(before), true) = (before.last(), keeps) {
            self.kernels.carry(before, into);
        } else if at.segment > 0 {
            first = HISTORY.saturating_sub(at.steps.start);
        }
        let steps = at.steps.start + first - HISTORY..at.steps.end;
        let (samples, units) = (at.samples.clone(), self.network.inputs);
        if first > 0 && !keeps {
            let nothing = zeros(&mut self.staging, HISTORY * samples.len() * pad(units));
            self.kernels.write_history(into, nothing);
        }
        match input {
            Input::Spikes(raster) => {
                let row = words(units);
                if samples.len() == raster.batch() {
                    let of_step = raster.batch() * row;
                    let data = &raster.words()[steps.start * of_step..steps.end * of_step];
                    self.kernels.write_activity(into, first, ActivityData::Raster(data));
                } else {
                    self.staged.clear();
                    for t in steps {
                        let from = (t * raster.batch() + samples.start) * row;
                        self.staged.extend_from_slice(&raster.words()[from..from + samples.len() * row]);
                    }
                    self.kernels.write_activity(into, first, ActivityData::Raster(&self.staged));
                }
            }
            Input::Source(source) => {
                source.read(steps, samples, &mut self.staged)?;
                self.kernels.write_activity(into, first, ActivityData::Raster(&self.staged));
            }
            Input::Values(trace) => {
                let width = pad(trace.units);
                if width == trace.units && samples.len() == trace.batch {
                    let of_step = trace.batch * width;
                    let data = &trace.values[steps.start * of_step..steps.end * of_step];
                    self.kernels.write_activity(into, first, ActivityData::Values(data));
                } else {
                    let staging = &mut self.staging;
                    staging.clear();
                    staging.resize(steps.len() * samples.len() * width, K::Real::from_f64(0.0));
                    let rows = steps.flat_map(|t| samples.clone().map(move |b| t * trace.batch + b));
                    for (row, from) in staging.chunks_exact_mut(width).zip(rows) {
                        row[..units].copy_from_slice(&trace.values[from * units..][..units]);
                    }
                    self.kernels.write_activity(into, first, ActivityData::Values(staging));
                }
            }
            Input::Rates(rates) => {
                let shape = at.shape(units);
                let (first, key) = (rates.first, rates.key);
                let chances = plan.chances.as_ref().expect("made by the upload");
                self.kernels.encode_rate(EncodeRate { shape, window, first, key, chances, out: into });
            }
        }
        Ok(())
    }

    /// The same from the input that is held, where another one stands on the device.
    pub(super) fn reload_input(&mut self, at: &At) -> Result<()> {
        let plan = &self.plans[at.index];
        if plan.loaded == Some((at.micro, at.segment)) {
            return Ok(());
        }
        let Some(input) = self.input.take() else { return Ok(()) };
        let done = self.load_input(at, &input);
        self.input = Some(input);
        done
    }
}
