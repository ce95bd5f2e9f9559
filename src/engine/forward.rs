//! The forward pass: micro-batch after micro-batch, segment after segment, layer after layer.

use super::batch::{Batch, Input};
use super::core::{Core, LayerState, Walk, zeros};
use super::metrics::{Pass, TALLIES};
use super::outputs::Outputs;
use super::plan::{LayerPlan, Sequence, Tape, TapeKind, Work};
use crate::error::{Error, Result};
use crate::kernels::*;
use crate::network::{Connection, Reduce};
use crate::spikes::encode::WHOLE;
use std::ops::Range;

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
            Input::Spikes(_) | Input::Rates(_) | Input::Source(_) => {
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
        self.can_stream()?;
        self.run(batch, Mode::Stream)
    }

    fn can_stream(&self) -> Result<()> {
        for (index, layer) in self.network.layers.iter().enumerate() {
            if layer.neuron.kind.over_time() {
                let name = layer.neuron.kind.name();
                let message = format!("layer[{index}] is a {name}: it sees all steps at once and cannot be streamed");
                return Err(Error::Input(message));
            }
        }
        Ok(())
    }

    /// Moves the state of a stream on over `batch`: nothing is counted, read out or kept for a backward pass.
    pub(super) fn pass_over(&mut self, batch: &Batch<K::Real>) -> Result<()> {
        self.can_stream()?;
        let sequence = self.check(batch)?;
        let index = self.begin_stream(sequence)?;
        self.plans[index].loaded = None;
        self.plans[index].streamed = true;
        (self.taped, self.trained, self.input) = (false, false, None);
        let samples = 0..sequence.batch;
        for (segment, steps) in self.plans[index].segments().enumerate() {
            let at = At { index, micro: 0, segment, steps, samples: samples.clone() };
            self.load_input(&at, &batch.input)?;
            self.run_segment(&at, None)?;
            self.kernels.submit();
        }
        self.last = Some(sequence);
        Ok(())
    }

    /// The plan of a stream's next piece, in the state that the last one left.
    fn begin_stream(&mut self, sequence: Sequence) -> Result<usize> {
        if self.last == Some(sequence) && self.carried.is_none() {
            let plan = &self.plans[self.last_plan()?];
            let suits = plan.batches().len() == 1 && plan.cut.keeps_input && plan.training;
            if !suits || self.lists_differ() {
                // Another plan will go on from it.
                self.carried = Some(self.state()?);
            }
        }
        let carried = self.take_state(sequence)?;
        let index = self.plan(sequence, true, true)?;
        match carried {
            Some(state) => self.write_state(index, &state),
            None if self.last != Some(sequence) => self.reset(index),
            None => self.advance(index),
        }
        Ok(index)
    }

    fn run(&mut self, batch: &Batch<K::Real>, mode: Mode) -> Result<Outputs<'_, K>> {
        let sequence = self.check(batch)?;
        let supplied = self.check_answers(batch, sequence)?;
        let ragged = batch.lengths.as_ref().is_some_and(|all| all.iter().any(|&own| own as usize != sequence.steps));
        let online = self.online(ragged);
        let index = match mode {
            Mode::Stream => self.begin_stream(sequence)?,
            _ => {
                // An LSTM cell leaves a trace only beside what training keeps.
                let traces = self.objectives.reads_potential(online) && !self.can_be_cut();
                let index = self.plan(sequence, mode == Mode::Train || traces, false)?;
                self.reset(index);
                index
            }
        };
        // The readout reads the trace: it is kept even where nothing else is.
        let traced = self.objectives.reads_potential(online);
        self.upload(index, batch, supplied, online)?;
        let answers = self.questions(batch, sequence, supplied);
        let (steps, input) = batch.seen()?;
        self.ring.start(
            &mut self.kernels,
            Pass { samples: sequence.batch, steps, answers, input, analogue: sequence.input == ActivityKind::Values },
        )?;
        let trained = mode == Mode::Train;
        if trained {
            let (seed, pass) = (self.seed, self.pass);
            let mask = |(l, layer): (usize, &LayerState<K>)| Some(layer.dropping?.mask(seed, l, pass));
            self.masks.clear();
            self.masks.extend(self.layers.iter().enumerate().map(mask));
            self.pass += 1;
        }
        (self.supplied, self.ragged) = (supplied, ragged);
        self.taped = mode != Mode::Infer;
        (self.adjoint, self.moved) = (false, false);
        self.trained = trained;
        let plan = &mut self.plans[index];
        plan.streamed |= mode == Mode::Stream;
        let whole = plan.batches().len() == 1;
        // What has to be read again is held, where the one before was.
        match &mut self.input {
            held if !self.taped || (whole && plan.cut.keeps_input) => *held = None,
            Some(held) => held.clone_from(&batch.input),
            none => *none = Some(batch.input.clone()),
        }
        for (micro, samples) in self.plans[index].batches().enumerate() {
            self.reshape(index, samples.len());
            if micro > 0 {
                self.restart(index);
            }
            for (segment, steps) in self.plans[index].segments().enumerate() {
                let at = At { index, micro, segment, steps, samples: samples.clone() };
                self.load_input(&at, &batch.input)?;
                self.run_segment(&at, Some(Reading { online, traced }))?;
                // Not too much at once in a queue.
                self.kernels.submit();
            }
            self.keep_end(index, &samples);
            self.held = Some(micro);
        }
        let (base, slots) = (self.ring.base(), self.ring.slots);
        let (kernels, plan) = (&mut self.kernels, &mut self.plans[index]);
        for (spiking, (state, layer)) in
            self.layers.iter_mut().zip(&plan.layers).filter(|(state, _)| state.model.spiking).enumerate()
        {
            kernels.tally(Tally {
                shape: layer.shape,
                planes: &layer.planes,
                lengths: &plan.readout.lengths,
                totals: state.totals.as_mut().expect("a spiking layer"),
                metrics: &mut self.ring.values,
                slot: base + slots.spikes + TALLIES * spiking,
            });
        }
        self.kernels.at_layer(Some(self.layers.len() - 1));
        self.read_out(index, supplied, online);
        self.kernels.at_layer(None);
        self.kernels.submit();
        self.last = Some(sequence);
        Ok(Outputs::new(self, index))
    }

    /// Gives the arrays the shape of a micro-batch of so many samples: the last one may have fewer.
    pub(super) fn reshape(&mut self, index: usize, samples: usize) {
        let kernels = &mut self.kernels;
        let plan = &mut self.plans[index];
        if std::mem::replace(&mut plan.shaped, samples) == samples {
            return;
        }
        let segments = plan.segments();
        let staging = &mut self.staging;
        let mut change = |activity: &mut K::Activity, steps: usize, units: usize| {
            let shape = Shape { steps, batch: samples, units };
            kernels.reshape(activity, shape);
            kernels.write_history(activity, zeros(staging, shape.len(HISTORY)));
        };
        for (layer, state) in plan.layers.iter_mut().zip(&self.layers) {
            for (spikes, steps) in layer.spikes.iter_mut().zip(segments.clone()) {
                change(spikes, steps.len(), state.units);
            }
            if let Some(dropped) = layer.training.as_mut().and_then(|training| training.dropped.as_mut()) {
                change(dropped, plan.cut.steps.min(plan.sequence.steps), state.units);
            }
        }
        for (input, steps) in plan.input.iter_mut().zip(segments) {
            change(input, steps.len(), self.network.inputs);
        }
    }

    /// All layers over one segment. Without a reading it is a repetition: only spikes, tapes and states are made again.
    pub(super) fn run_segment(&mut self, at: &At, reading: Option<Reading>) -> Result<()> {
        let top = self.layers.len() - 1;
        let (kept, trained) = (self.taped, self.trained);
        for l in 0..=top {
            self.kernels.at_layer(Some(l));
            let traced = l == top && reading.is_some_and(|reading| reading.traced);
            let halved = kept && self.plans[at.index].cut.tape == TapeKind::Half && self.layers[l].keeps_potential();
            if (traced || halved) && !self.tapes_are_kept(at.index) {
                self.ensure_tape(at.index, l)?;
            }
            let reduce = match reading {
                Some(Reading { online: true, .. }) if l == top => self.network.readout.losses[0].reduce.online(),
                _ => None,
            };
            self.run_layer(at, l, Taped { kept, traced, replayed: false }, reduce);
            let mask = self.masks.get(l).copied().flatten().filter(|_| trained);
            if let Some(mask) = mask {
                self.drop_spikes(at, l, mask);
            }
            let (kernels, plan) = (&mut self.kernels, &mut self.plans[at.index]);
            let window = plan.window(&at.steps, &at.samples);
            let LayerPlan { spikes, planes, .. } = &mut plan.layers[l];
            if let (Some(_), Some(spikes)) = (reading, spikes.get(at.segment)) {
                kernels.count(Count {
                    shape: at.shape(self.layers[l].units),
                    window,
                    emit_lag: self.layers[l].model.emit_lag,
                    spikes,
                    lengths: &plan.readout.lengths,
                    planes,
                });
            }
        }
        if let Some(reading) = reading {
            self.read_segment(at, reading.online);
        }
        self.kernels.at_layer(None);
        Ok(())
    }

    /// Whether the plan has a tape of numbers for each segment.
    pub(super) fn tapes_are_kept(&self, index: usize) -> bool {
        self.plans[index].training && self.plans[index].cut.tape == TapeKind::Whole
    }

    /// Makes room for the tape of one segment of layer `l`.
    pub(super) fn ensure_tape(&mut self, index: usize, l: usize) -> Result<()> {
        let plan = &mut self.plans[index];
        let steps = plan.cut.steps.min(plan.sequence.steps);
        let shape = Shape { steps, batch: plan.cut.samples.min(plan.sequence.batch), units: self.layers[l].units };
        let len = self.layers[l].tapes() * shape.len(steps);
        if plan.work.tape.is_none() || plan.work.tape_len < len {
            plan.work.tape = None;
            plan.work.tape = Some(self.kernels.values("tape", len)?);
            plan.work.tape_len = len;
        }
        Ok(())
    }

    /// The spikes of a segment that dropout keeps.
    pub(super) fn drop_spikes(&mut self, at: &At, l: usize, mask: DropoutMask) {
        let plan = &mut self.plans[at.index];
        let window = plan.window(&at.steps, &at.samples);
        let LayerPlan { spikes, training, .. } = &mut plan.layers[l];
        let training = training.as_mut().expect("made for a pass of training");
        let out = training.dropped.as_mut().expect("made with it");
        let shape = at.shape(self.layers[l].units);
        self.kernels.dropout(Dropout { shape, window, mask, spikes: &spikes[at.segment], out });
    }

    /// One layer over one segment, from the state in its planes.
    pub(super) fn run_layer(&mut self, at: &At, l: usize, taped: Taped, reduce: Option<Reduce>) {
        let trained = self.trained;
        let kernels = &mut self.kernels;
        let plan = &mut self.plans[at.index];
        let window = plan.window(&at.steps, &at.samples);
        let input = &plan.input[at.segment.min(plan.input.len() - 1)];
        let (below, rest) = plan.layers.split_at_mut(l);
        let state = &mut self.layers[l];
        let (source, weights) = match (below.last(), &state.scaled) {
            (None, _) => (input, &state.weights),
            (Some(below), Some(scaled)) if trained => {
                let training = below.training.as_ref().expect("made for a pass of training");
                (training.dropped.as_ref().expect("made with it"), &scaled.weights)
            }
            (Some(below), _) => (&below.spikes[at.segment], &state.weights),
        };
        let (shape, whole) = (at.shape(state.units), rest[0].shape);
        let LayerPlan { forward, planes, spikes, own, training, .. } = &mut rest[0];
        let Work { drive, tape: scratch, .. } = &mut plan.work;
        // The last two spikes of the segment before are the history of this one.
        let segment = at.segment.min(spikes.len());
        let (before, from) = spikes.split_at_mut(segment);
        let mut spikes = from.first_mut();
        if let (Some(before), Some(spikes)) = (before.last(), &mut spikes) {
            kernels.carry(before, spikes);
        }
        kernels.copy_plane(whole, planes, plane::POTENTIAL, plane::START_POTENTIAL);
        kernels.copy_plane(whole, planes, plane::CURRENT, plane::START_CURRENT);
        let (mut tape, mut hidden, mut normal, mut states, mut half) = (None, None, None, None, None);
        // The readout reads the tape of the plan where there is one, in a pass that keeps none as well.
        if let Some(own) = training.as_mut().filter(|_| taped.kept || taped.traced) {
            states = own.states.as_mut().filter(|_| taped.kept);
            match own.tapes.get_mut(at.segment) {
                Some(Tape::Whole(own)) => tape = Some(own),
                Some(Tape::Half(own)) if taped.kept => half = Some(own),
                _ => {}
            }
            (hidden, normal) = (own.hidden.as_mut(), own.normal.as_mut());
        }
        if tape.is_none() && (taped.traced || taped.replayed || half.is_some()) {
            tape = scratch.as_mut();
        }
        if let (Some(states), false) = (states, taped.replayed) {
            state.copy_states(kernels, planes, states, &at.place(whole), at.segment, true);
        }
        // Gates take the place of their drive. Over time X is kept for the adjoint; without one V goes where X would.
        let (x, mut potential) = match (state.walk, own) {
            (Walk::Lstm, Some(own)) => (own, None),
            (Walk::Time { .. }, Some(own)) => match tape.take() {
                Some(tape) => (own, Some(tape)),
                None => (drive, Some(own)),
            },
            _ => (drive, None),
        };
        let drive = Drive {
            projection: state.projection,
            inputs: state.inputs,
            shape: Shape { units: state.columns, ..shape },
            range: 0..shape.steps,
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
        let taped_half = half.is_some();
        let mut kicks = state.kicks.take();
        let active = kicks.as_mut().filter(|_| state.lists && taped.kept && !taped.replayed);
        let forward = Forward {
            model: state.model,
            shape,
            window,
            range: 0..shape.steps,
            form: *forward,
            constants: &state.constants,
            recurrent: state.recurrent.as_ref().map(|recurrent| (&recurrent.weights, &recurrent.prepared)),
            spikes,
            tape,
            active,
            planes,
            reduce,
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
        state.kicks = kicks;
        if let (Some(half), true, Some(tape)) = (half, taped_half, scratch) {
            kernels.halve(tape, state.tapes() * shape.len(shape.steps), half);
        }
    }

    /// The state after the last segment of a micro-batch, where more than one is kept.
    fn keep_end(&mut self, index: usize, samples: &Range<usize>) {
        if !self.taped {
            return;
        }
        let segments = self.plans[index].segments().len();
        for (state, layer) in self.layers.iter().zip(&mut self.plans[index].layers) {
            if let Some(states) = layer.training.as_mut().and_then(|training| training.states.as_mut()) {
                let place = Samples { samples: samples.clone(), whole: layer.shape };
                state.copy_states(&mut self.kernels, &mut layer.planes, states, &place, segments, true);
            }
        }
    }
}

/// A segment of a micro-batch of a plan.
#[derive(Clone, Debug)]
pub(super) struct At {
    pub index: usize,
    pub micro: usize,
    pub segment: usize,
    pub steps: Range<usize>,
    pub samples: Range<usize>,
}

/// What the readout does while a segment runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// Whether the trace is reduced step by step.
    pub online: bool,
    /// Whether the trace is read after the segment.
    pub traced: bool,
}

/// Where V goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taped {
    /// To the tape of the plan.
    pub kept: bool,
    /// To where the readout reads it.
    pub traced: bool,
    /// To where the backward pass reads it.
    pub replayed: bool,
}

/// Samples of a layer's planes.
pub(super) struct Samples {
    pub samples: Range<usize>,
    pub whole: Shape,
}

impl At {
    /// The shape of the arrays of a layer of so many units.
    pub fn shape(&self, units: usize) -> Shape {
        Shape { steps: self.steps.len(), batch: self.samples.len(), units }
    }

    pub fn place(&self, whole: Shape) -> Samples {
        Samples { samples: self.samples.clone(), whole }
    }
}
