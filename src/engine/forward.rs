//! The forward pass over the layers, and what can be read after it.

use super::core::{Core, LayerState, Walk};
use super::metrics::{Pass, TALLIES};
use super::parameters::narrow;
use super::plan::Sequence;
use super::readout::Supplied;
use crate::error::{Error, Result};
use crate::kernels::*;
use crate::network::Connection;
use crate::spikes::encode::{Rates, WHOLE};
use crate::spikes::{Raster, Trace, pad};
use rayon::prelude::*;

/// Input of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum Input<F = f32> {
    /// Spikes `[T, B, inputs]`.
    Spikes(Raster),
    /// Analogue values `[T, B, inputs]`.
    Values(Trace<F>),
    /// Rate-coded spikes `[T, B, inputs]` that the device draws.
    Rates(Rates),
}

/// Input and, for the built-in loss, what the answers should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch<F = f32> {
    /// Input.
    pub input: Input<F>,
    /// Class of each sample, `[B]`.
    pub labels: Option<Vec<u32>>,
    /// Class of each step, `[T, B]`, for losses on every step.
    pub step_labels: Option<Vec<u32>>,
    /// Which steps count, `[T, B]`, for labels or targets of steps.
    pub mask: Option<Vec<bool>>,
    /// Targets of a squared error: `[B, classes]`, or `[T, B, classes]` for losses on every step.
    pub targets: Option<Vec<F>>,
    /// Steps of each sample, `[B]`, 1 to T. The network runs on to T, but no reduction, loss, regulariser or count sees a
    /// step at or past a sample's length, and so no gradient does.
    pub lengths: Option<Vec<u32>>,
}

impl<F: Real> Batch<F> {
    /// Input without labels.
    pub fn new(input: Input<F>) -> Self {
        Batch { input, labels: None, step_labels: None, mask: None, targets: None, lengths: None }
    }

    /// Spikes without labels.
    pub fn spikes(raster: Raster) -> Self {
        Batch::new(Input::Spikes(raster))
    }

    /// Analogue input without labels.
    pub fn values(trace: Trace<F>) -> Self {
        Batch::new(Input::Values(trace))
    }

    /// The same with a label for each sample.
    pub fn with_labels(mut self, labels: Vec<u32>) -> Self {
        self.labels = Some(labels);
        self
    }

    /// The same with a label for each step, `[T, B]`.
    pub fn with_step_labels(mut self, labels: Vec<u32>) -> Self {
        self.step_labels = Some(labels);
        self
    }

    /// The same where only some steps count, `[T, B]`.
    pub fn with_mask(mut self, mask: Vec<bool>) -> Self {
        self.mask = Some(mask);
        self
    }

    /// The same with targets, `[B, classes]` or `[T, B, classes]`.
    pub fn with_targets(mut self, targets: Vec<F>) -> Self {
        self.targets = Some(targets);
        self
    }

    /// The same with the steps of each sample, `[B]`.
    pub fn with_lengths(mut self, lengths: Vec<u32>) -> Self {
        self.lengths = Some(lengths);
        self
    }

    /// Steps of all samples up to their lengths, and what comes in at them: spikes (of rates: as many as are expected), or
    /// values (whatever they are).
    fn seen(&self) -> (f64, f64) {
        let (Sequence { steps, batch, .. }, channels) = self.sequence();
        let length = |b: usize| self.lengths.as_ref().map_or(steps, |lengths| lengths[b] as usize);
        let all: usize = (0..batch).map(length).sum();
        let input = match &self.input {
            Input::Values(_) => all * channels,
            Input::Spikes(raster) => {
                let width = crate::spikes::words(channels);
                let ones = |words: &[u32]| words.iter().map(|word| word.count_ones() as usize).sum::<usize>();
                let step = |(t, rows): (usize, &[u32])| -> usize {
                    if self.lengths.is_none() {
                        return ones(rows);
                    }
                    rows.chunks_exact(width).enumerate().filter(|(b, _)| t < length(*b)).map(|(_, row)| ones(row)).sum()
                };
                raster.words().par_chunks_exact(batch * width).enumerate().map(step).sum()
            }
            Input::Rates(rates) => {
                // Drawn on the device: what is expected.
                let samples = rates.chances.chunks_exact(channels.max(1)).enumerate();
                let expected = samples.map(|(b, row)| {
                    length(b) as f64 * row.iter().map(|&chance| f64::from(chance)).sum::<f64>() / f64::from(WHOLE)
                });
                return (all as f64, expected.sum());
            }
        };
        (all as f64, input as f64)
    }

    /// Steps, samples, channels and kind of the input.
    pub fn sequence(&self) -> (Sequence, usize) {
        match &self.input {
            Input::Spikes(raster) => {
                let (steps, batch) = (raster.steps(), raster.batch());
                (Sequence { steps, batch, input: ActivityKind::Raster }, raster.units())
            }
            Input::Values(trace) => {
                let (steps, batch) = (trace.steps, trace.batch);
                (Sequence { steps, batch, input: ActivityKind::Values }, trace.units)
            }
            Input::Rates(rates) => {
                let (steps, batch) = (rates.steps, rates.batch);
                (Sequence { steps, batch, input: ActivityKind::Raster }, rates.units)
            }
        }
    }
}

/// How a forward pass treats time and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Keeps the tape.
    Train,
    /// Keeps no tape.
    Infer,
    /// Goes on from the state of the last call; keeps the tape, so that potentials can be read.
    Stream,
}

impl<K: Kernels> Core<K> {
    /// Everything that can be wrong with a batch, before any of it is used.
    fn check(&self, batch: &Batch<K::Real>) -> Result<Sequence> {
        let (sequence, units) = batch.sequence();
        let Sequence { steps, batch: samples, .. } = sequence;
        if steps == 0 || samples == 0 {
            return Err(Error::Input(format!("a batch of {steps} steps and {samples} samples holds nothing")));
        }
        if units != self.network.inputs {
            let inputs = self.network.inputs;
            return Err(Error::Input(format!("the input has {units} channels, the network has inputs = {inputs}")));
        }
        for (index, layer) in self.network.layers.iter().enumerate() {
            if let Some(own) = layer.neuron.steps
                && own != steps
            {
                let message = format!("layer[{index}] is a psn of steps = {own}: the batch has {steps} steps");
                return Err(Error::Input(message));
            }
        }
        match &batch.input {
            Input::Spikes(_) | Input::Rates(_) => {
                if self.network.layers[0].connection == Connection::Current {
                    return Err(Error::Input(
                        "layer[0] takes a current (connection = \"current\"): give values, not spikes".into(),
                    ));
                }
                if let Input::Rates(rates) = &batch.input {
                    if rates.chances.len() != samples * units {
                        let (len, expected) = (rates.chances.len(), samples * units);
                        return Err(Error::Input(format!("{len} spike probabilities, not {expected}")));
                    }
                    if rates.chances.iter().any(|&chance| chance > WHOLE) {
                        return Err(Error::Input("a spike probability is above 1".into()));
                    }
                }
            }
            Input::Values(trace) => {
                if let Some(at) = trace.values.iter().position(|value| !value.to_f64().is_finite()) {
                    let (t, b, n) = (at / units / samples, at / units % samples, at % units);
                    let value = trace.values[at].to_f64();
                    return Err(Error::Input(format!(
                        "the input is {value} at step {t}, sample {b}, channel {n}: it must be a finite number"
                    )));
                }
            }
        }
        Ok(sequence)
    }

    /// Runs the network on `batch` and keeps what [`Core::backward`] needs. Only records work on a GPU.
    ///
    /// # Errors
    /// [`Error::Input`] where the batch does not fit the network, [`Error::Memory`] where it does not fit the device.
    pub fn forward(&mut self, batch: &Batch<K::Real>) -> Result<Outputs<'_, K>> {
        self.run(batch, Mode::Train)
    }

    /// Runs the network without keeping a tape.
    ///
    /// # Errors
    /// As [`Core::forward`].
    pub fn infer(&mut self, batch: &Batch<K::Real>) -> Result<Outputs<'_, K>> {
        self.run(batch, Mode::Infer)
    }

    /// Runs the network from the state that the last call left (see [`Core::state`]), so that a sequence can be fed in
    /// pieces of any length. The built-in reduction restarts with each piece; read the readout's potential instead.
    ///
    /// # Errors
    /// As [`Core::forward`]; the number of samples must not change within a stream.
    pub fn stream(&mut self, batch: &Batch<K::Real>) -> Result<Outputs<'_, K>> {
        for (index, layer) in self.network.layers.iter().enumerate() {
            if layer.neuron.kind.over_time() {
                let name = layer.neuron.kind.name();
                let message = format!("layer[{index}] is a {name}: it sees all steps at once and cannot be streamed");
                return Err(Error::Input(message));
            }
        }
        self.run(batch, Mode::Stream)
    }

    fn run(&mut self, batch: &Batch<K::Real>, mode: Mode) -> Result<Outputs<'_, K>> {
        let sequence = self.check(batch)?;
        let supplied = self.check_answers(batch, sequence)?;
        let ragged = batch.lengths.as_ref().is_some_and(|all| all.iter().any(|&own| own as usize != sequence.steps));
        let online = self.online(ragged);
        let carried = if mode == Mode::Stream { self.take_state(sequence)? } else { None };
        let index = self.plan(sequence, mode != Mode::Infer)?;
        let top = self.layers.len() - 1;
        // The readout reads the trace: it is kept even where nothing else is.
        let traced = self.objectives.reads_potential(online);
        if traced && mode == Mode::Infer {
            self.allocate_training(index, top)?;
        }
        match carried {
            Some(state) => self.write_state(index, &state),
            None if mode != Mode::Stream || self.last != Some(sequence) => self.reset(index),
            None => self.advance(index),
        }
        self.upload(index, batch, supplied, online)?;
        let answers = self.questions(batch, sequence, supplied);
        let (steps, input) = batch.seen();
        self.ring.start(
            &mut self.kernels,
            Pass { samples: sequence.batch, steps, answers, input, analogue: sequence.input == ActivityKind::Values },
        )?;
        let base = self.ring.base();
        let slots = self.ring.slots;
        let trained = mode == Mode::Train;
        if trained {
            let masks = self.layers.iter().enumerate();
            let mask = |(l, layer): (usize, &LayerState<K>)| Some(layer.dropping?.mask(self.seed, l, self.pass));
            self.masks = masks.map(mask).collect();
            self.pass += 1;
        }
        let (kernels, plan) = (&mut self.kernels, &mut self.plans[index]);
        plan.streamed |= mode == Mode::Stream;
        let mut spiking = 0;
        for l in 0..=top {
            let (below, rest) = plan.layers.split_at_mut(l);
            let (state, layer) = (&mut self.layers[l], &mut rest[0]);
            let (source, weights) = match (below.last(), &state.scaled) {
                (None, _) => (&plan.input, &state.weights),
                (Some(below), Some(scaled)) if trained => {
                    let training = below.training.as_ref().expect("made for a pass of training");
                    (training.dropped.as_ref().expect("made with it"), &scaled.weights)
                }
                (Some(below), _) => {
                    (below.spikes.as_ref().expect("only the last layer does not spike"), &state.weights)
                }
            };
            let shape = layer.shape;
            kernels.copy_plane(shape, &mut layer.planes, plane::POTENTIAL, plane::START_POTENTIAL);
            kernels.copy_plane(shape, &mut layer.planes, plane::CURRENT, plane::START_CURRENT);
            let (mut tape, mut hidden, mut normal) = (None, None, None);
            if let Some(own) = &mut layer.training
                && (mode != Mode::Infer || (l == top && traced))
            {
                (tape, hidden, normal) = (Some(&mut own.tape), own.hidden.as_mut(), own.normal.as_mut());
            }
            // Gates take the place of their drive. Over time X is kept for the adjoint; without one V goes where X would.
            let (x, mut potential) = match (state.walk, &mut layer.own) {
                (Walk::Lstm, Some(own)) => (own, None),
                (Walk::Time { .. }, Some(own)) => match tape.take() {
                    Some(tape) => (own, Some(tape)),
                    None => (&mut plan.drive, Some(own)),
                },
                _ => (&mut plan.drive, None),
            };
            let drive = Drive {
                projection: state.projection,
                inputs: state.inputs,
                shape: Shape { units: state.columns, ..shape },
                range: 0..sequence.steps,
                source,
                lag: state.lag,
                weights,
                constants: if state.walk == Walk::Lstm { &state.own[0].values } else { &state.constants },
                out: &mut *x,
            };
            // A normalised drive has to be there for all steps first.
            let drive = match &mut state.normal {
                None => Some(drive),
                Some(own) => {
                    kernels.drive(drive);
                    kernels.normalise(Normalise {
                        shape,
                        epsilon: own.epsilon,
                        parameters: &own.parameters,
                        running: &mut own.running,
                        drive: &mut *x,
                        training: normal.take().filter(|_| trained).map(|tape| NormaliseTraining {
                            momentum: own.momentum,
                            normal: &mut tape.normal,
                            deviation: &mut tape.deviation,
                        }),
                    });
                    None
                }
            };
            let forward = Forward {
                model: state.model,
                shape,
                range: 0..sequence.steps,
                form: layer.forward,
                constants: &state.constants,
                recurrent: state.recurrent.as_ref().map(|recurrent| (&recurrent.weights, &recurrent.prepared)),
                spikes: layer.spikes.as_mut(),
                tape,
                planes: &mut layer.planes,
                reduce: if l == top && online { self.network.readout.losses[0].reduce.online() } else { None },
            };
            match (state.walk, drive) {
                (Walk::Steps, Some(drive)) => kernels.layer_forward(drive, forward),
                (Walk::Steps, None) => kernels.forward(x, forward),
                (walk, drive) => {
                    if let Some(drive) = drive {
                        kernels.drive(drive);
                    }
                    let Forward { model, constants, recurrent, spikes, tape, planes, .. } = forward;
                    let spikes = spikes.expect("such a layer spikes");
                    if walk == Walk::Lstm {
                        kernels.lstm_forward(LstmForward {
                            model,
                            shape,
                            constants,
                            recurrent: recurrent.expect("such a layer is recurrent").0,
                            gates: x,
                            spikes,
                            tape: tape.zip(hidden.take()),
                            planes,
                        });
                    } else {
                        let (weights, potential) = (state.over_time(), potential.take());
                        let potential = potential.expect("chosen above");
                        let drive = &*x;
                        let call = TimeForward { model, shape, constants, weights, drive, spikes, potential, planes };
                        kernels.time_forward(call);
                    }
                }
            }
            if let (true, Some(mask), Some(spikes)) = (trained, self.masks.get(l).copied().flatten(), &layer.spikes) {
                let training = layer.training.as_mut().expect("made for a pass of training");
                let out = training.dropped.as_mut().expect("made with it");
                kernels.dropout(Dropout { shape, mask, spikes, out });
            }
            if let Some(spikes) = &layer.spikes {
                kernels.count(shape, state.model.emit_lag, spikes, &plan.readout.lengths, &mut layer.planes);
                kernels.tally(Tally {
                    shape,
                    planes: &layer.planes,
                    lengths: &plan.readout.lengths,
                    totals: state.totals.as_mut().expect("a spiking layer"),
                    metrics: &mut self.ring.values,
                    slot: base + slots.spikes + TALLIES * spiking,
                });
                spiking += 1;
            }
        }
        self.read_out(index, supplied, online);
        self.kernels.submit();
        self.last = Some(sequence);
        (self.supplied, self.ragged) = (supplied, ragged);
        self.taped = mode != Mode::Infer;
        self.trained = trained;
        Ok(Outputs { core: self, index })
    }

    /// What the last forward pass left.
    ///
    /// # Errors
    /// [`Error::Input`] before the first one.
    pub fn outputs(&mut self) -> Result<Outputs<'_, K>> {
        let index = self.last_plan()?;
        Ok(Outputs { core: self, index })
    }

    fn upload(&mut self, index: usize, batch: &Batch<K::Real>, supplied: Supplied, online: bool) -> Result<()> {
        let plan = &mut self.plans[index];
        match &batch.input {
            Input::Spikes(raster) => {
                self.kernels.write_activity(&mut plan.input, ActivityData::Raster(raster.words()));
            }
            Input::Values(trace) => {
                let width = pad(trace.units);
                if width == trace.units {
                    self.kernels.write_activity(&mut plan.input, ActivityData::Values(&trace.values));
                } else {
                    let rows = trace.steps * trace.batch;
                    let staging = &mut self.staging;
                    staging.clear();
                    staging.resize(rows * width, K::Real::from_f64(0.0));
                    for (row, values) in staging.chunks_exact_mut(width).zip(trace.values.chunks_exact(trace.units)) {
                        row[..trace.units].copy_from_slice(values);
                    }
                    self.kernels.write_activity(&mut plan.input, ActivityData::Values(staging));
                }
            }
            Input::Rates(rates) => {
                let width = pad(rates.units);
                let mut padded = vec![0; rates.batch * width];
                for (row, chances) in padded.chunks_exact_mut(width).zip(rates.chances.chunks_exact(rates.units)) {
                    row[..rates.units].copy_from_slice(chances);
                }
                if plan.chances.is_none() {
                    plan.chances = Some(self.kernels.words("spike probabilities", padded.len())?);
                }
                let chances = plan.chances.as_mut().expect("made above");
                self.kernels.write_words(chances, &padded);
                let shape = Shape { steps: rates.steps, batch: rates.batch, units: rates.units };
                let (first, key) = (rates.first, rates.key);
                self.kernels.encode_rate(EncodeRate { shape, first, key, chances, out: &mut plan.input });
            }
        }
        if !online {
            let shape = plan.layers[self.layers.len() - 1].shape;
            plan.readout.allocate(&mut self.kernels, &self.objectives, shape)?;
        }
        plan.readout.upload(&mut self.kernels, &self.objectives, plan.sequence, batch, supplied)
    }
}

/// What a forward pass left on the device. Reading waits for it.
pub struct Outputs<'a, K: Kernels> {
    core: &'a mut Core<K>,
    index: usize,
}

impl<K: Kernels> Outputs<'_, K> {
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
        let plan = &self.core.plans[self.index];
        let (shape, from) = (plan.layers[layer].shape, HISTORY - self.core.layers[layer].model.emit_lag);
        let activity = plan.layers[layer].spikes.as_ref().expect("a spiking layer");
        let values = self.core.kernels.read_activity(activity, from..from + shape.steps)?;
        Trace::new(shape.steps, shape.batch, shape.units, narrow(&values, shape.units))
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

    /// Membrane potential V of a layer before reset, `[T, B, units]`; of the last layer: the readout's trace.
    ///
    /// # Errors
    /// [`Error::Input`] after [`Core::infer`], which keeps none.
    pub fn potential(&mut self, layer: usize) -> Result<Trace<K::Real>> {
        self.core.exists(layer)?;
        let plan = &self.core.plans[self.index];
        let shape = plan.layers[layer].shape;
        let tape = plan.layers[layer].training.as_ref().filter(|_| self.core.taped);
        let Some(training) = tape else {
            return Err(Error::Input("infer keeps no potentials: use forward".into()));
        };
        let values = self.core.kernels.read(&training.tape, 0..shape.len(shape.steps))?;
        Trace::new(shape.steps, shape.batch, shape.units, narrow(&values, shape.units))
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
        let mut row = vec![K::Real::from_f64(0.0); width];
        for (b, values) in values.chunks_exact(units).enumerate() {
            row[..units].copy_from_slice(values);
            self.kernels.write(&mut layer.planes, (b * plane::PLANES + plane) * width, &row);
        }
    }
}
