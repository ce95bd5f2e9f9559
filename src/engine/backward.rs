//! The backward pass: micro-batch after micro-batch, segment after segment, layer after layer, each from the last to the
//! first.

use super::core::{Core, LayerState, Walk};
use super::forward::{At, Samples};
use super::gradient::Gradient;
use super::plan::{LayerPlan, Tape, TapeKind, Training};
use crate::error::{Error, Result};
use crate::kernels::*;
use crate::network::Reset;
use crate::spikes::Trace;

impl<K: Kernels> Core<K> {
    /// Gradients of all parameters of the last forward pass; the regularisers of the network count in any case.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no forward pass with a tape or a parameter has changed since, where the built-in loss has
    /// no labels, or where a gradient has the wrong size or is not finite; [`Error::File`] where input that is read again is
    /// gone.
    pub fn backward(&mut self, gradient: &Gradient<K::Real>) -> Result<()> {
        let index = self.last_plan()?;
        if !self.taped {
            return Err(Error::Input("infer keeps nothing for a backward pass: use forward".into()));
        }
        self.check_unmoved()?;
        self.check_normalised()?;
        self.check_gradient(index, gradient)?;
        self.upload_activation_gradient(index, gradient)?;
        self.begin_backward(index);
        self.choose_kicks(gradient);
        let batches = self.plans[index].batches();
        let several = batches.len() > 1;
        let newest = batches.len() - 1;
        for (micro, samples) in batches.enumerate().rev() {
            let segments = self.plans[index].segments().enumerate();
            let at = |(segment, steps)| At { index, micro, segment, steps, samples: samples.clone() };
            if several && self.held != Some(micro) {
                // Another one stands in the arrays.
                self.reshape(index, samples.len());
                self.restart(index);
                for piece in segments.clone() {
                    let at = at(piece);
                    self.reload_input(&at)?;
                    self.run_segment(&at, None)?;
                    self.kernels.submit();
                }
                self.held = Some(micro);
            }
            for piece in segments.clone().rev() {
                let at = at(piece);
                self.backward_segment(&at, gradient, micro == newest)?;
                self.kernels.submit();
            }
            self.kick_gradients(at, segments, micro == newest)?;
            self.fold_sums(index, micro == newest);
        }
        if self.plans[index].cut.tape == TapeKind::Replay {
            self.finish_recall(index);
        }
        self.finish_backward(index);
        self.adjoint = true;
        self.measure();
        self.kernels.submit();
        Ok(())
    }

    /// Sums and carries start at 0, and the regularisers, which may couple the samples of the batch, set dL/dζ.
    fn begin_backward(&mut self, index: usize) {
        let base = self.ring.base();
        let slots = self.ring.slots;
        for (l, state) in self.layers.iter().enumerate() {
            let kernels = &mut self.kernels;
            kernels.at_layer(Some(l));
            let LayerPlan { shape, planes, .. } = &mut self.plans[index].layers[l];
            let (shape, regularisers) = (*shape, &self.network.layers[l].regularise);
            let learned = state.model.learned;
            let zeros = [
                (true, plane::LAMBDA),
                (true, plane::MU),
                (learned.tau_syn, plane::ALPHA_GRADIENT),
                (learned.tau_mem, plane::BETA_GRADIENT),
                (learned.threshold, plane::THETA_GRADIENT),
                (learned.bias, plane::BIAS_GRADIENT),
                (!regularisers.is_empty(), plane::COUNT_GRADIENT),
            ];
            for (_, plane) in zeros.into_iter().filter(|(used, _)| *used) {
                kernels.fill_plane(shape, planes, plane, 0.0);
            }
            if let Some(tail) = state.model.tail() {
                let (from, to) = (tail.cleared().start, tail.cleared().end);
                let range = Model::tail_range(shape, from).start..Model::tail_range(shape, to).start;
                kernels.fill(planes, range, 0.0);
            }
            for regulariser in regularisers {
                kernels.regularise(Regularise {
                    regulariser: *regulariser,
                    shape,
                    planes,
                    metrics: &mut self.ring.values,
                    slot: base + slots.regulariser,
                });
            }
        }
        self.kernels.at_layer(None);
    }

    fn backward_segment(&mut self, at: &At, gradient: &Gradient<K::Real>, newest: bool) -> Result<()> {
        self.reload_input(at)?;
        if self.trained && self.plans[at.index].segments().len() > 1 {
            for l in 0..self.layers.len() {
                if let Some(mask) = self.masks.get(l).copied().flatten() {
                    self.drop_spikes(at, l, mask);
                }
            }
        }
        for l in (0..self.layers.len()).rev() {
            self.kernels.at_layer(Some(l));
            self.backward_layer(at, l, gradient)?;
            if !self.layers[l].kicked {
                self.weight_gradients(at, l, newest);
            }
        }
        self.kernels.at_layer(None);
        Ok(())
    }

    /// The adjoint of one layer over one segment.
    fn backward_layer(&mut self, at: &At, l: usize, gradient: &Gradient<K::Real>) -> Result<()> {
        let top = self.layers.len() - 1;
        let on_top = l == top;
        let ragged = self.ragged;
        let activations = gradient.loss || gradient.activation.is_some();
        let online = self.online(ragged);
        if self.layers[l].keeps_potential() {
            self.recall(at, l)?;
        }
        let reached = match on_top {
            true => self.reached(gradient.loss, gradient.activation.is_some(), online),
            false => (false, false),
        };
        let (potential, mut given) = self.upload_gradient(at, l, gradient, reached)?;
        if on_top && !online && activations {
            self.spread_out(at, gradient.loss, gradient.activation.is_some());
        }
        let regularised = !self.network.layers[l].regularise.is_empty();
        let shape = at.shape(self.layers[l].units);
        if ragged && regularised && self.layers[l].model.spiking {
            let plan = &self.plans[at.index];
            let steps = plan.cut.steps.min(plan.sequence.steps);
            let room = plan.cut.samples.min(plan.sequence.batch) * shape.row() * steps;
            self.ensure_gradient(at.index, room)?;
        }
        // χ of the first layer has no reader but the gradient of the weights.
        let unread = l == 0 && self.layers[l].kicked;
        if !unread {
            self.ensure_chi(at.index, l, self.layers[l].drive_shape(shape))?;
        }
        // Their gradients are written while the rest of the layer is read.
        let mut own = std::mem::take(&mut self.layers[l].own);
        let mut kicks = self.layers[l].kicks.take();
        let state = &self.layers[l];
        let kernels = &mut self.kernels;
        let plan = &mut self.plans[at.index];
        let window = plan.window(&at.steps, &at.samples);
        let last = at.segment + 1 == plan.segments().len();
        let (rest, over) = plan.layers.split_at_mut(l + 1);
        let LayerPlan { backward, planes, spikes, own: kept, training, shape: whole, .. } = &mut rest[l];
        let training = training.as_mut().expect("a forward pass with a tape made it");
        let Training { tapes, states, future, after, .. } = training;
        let work = &mut plan.work;
        let spikes = spikes.get(at.segment);
        if let (true, true, Some(_)) = (ragged, regularised, spikes) {
            // dL/dζ is the same at every step of a sample, but 0 past its end.
            if !given {
                kernels.fill(&mut work.gradient, 0..shape.len(shape.steps), 0.0);
            }
            given = true;
            kernels.spread(Spread {
                shape,
                window,
                pooling: Pooling::Sum,
                lengths: &plan.readout.lengths,
                place: Place::COUNT,
                from: planes,
                emit_lag: state.model.emit_lag,
                out: &mut work.gradient,
            });
        }
        let (chi, above) = match &mut work.chi[..] {
            [only] => (only, None),
            [even, odd] if l.is_multiple_of(2) => (even, Some(odd)),
            [even, odd, ..] => (odd, Some(even)),
            [] => unreachable!("made for training"),
        };
        // χ of the steps after.
        let drives = state.drive_shape(shape);
        let (from, len) = (drives.len(shape.steps), drives.len(FUTURE));
        let one = |first| Stretch { first, stride: len };
        match future {
            _ if unread => {}
            Some(future) if !last => kernels.copy(future, one(0), chi, one(from), 1, len),
            _ => kernels.fill(chi, from..from + len, 0.0),
        }
        let samples = Samples { samples: at.samples.clone(), whole: *whole };
        let several = future.is_some();
        if let (Some(states), true) = (states, several && plan.cut.tape != TapeKind::Replay) {
            state.copy_states(kernels, planes, states, &samples, at.segment, false);
        }
        if let (Some(after), false) = (&mut *after, last) {
            let current = state.current_plane(&samples);
            kernels.copy(after, Stretch { first: 0, stride: shape.row() }, planes, current, shape.batch, shape.row());
        }
        let tape = match tapes.get(at.segment) {
            Some(Tape::Whole(tape)) => Some(tape),
            _ => work.tape.as_ref().filter(|_| state.keeps_potential()),
        };
        let call = Backward {
            model: state.model,
            shape,
            window,
            range: 0..shape.steps,
            form: *backward,
            constants: &state.constants,
            recurrent: state.recurrent.as_ref().map(|recurrent| (&recurrent.weights, &recurrent.prepared)),
            spikes,
            tape,
            gradient_spikes: None,
            gradient_potential: work.potential.as_ref().filter(|_| potential),
            counts: regularised && !ragged,
            kicks: kicks.as_mut().filter(|_| state.lists).map(|kicks| Listing { kicks, chi: !unread }),
            reduce: if on_top && online && activations { self.network.readout.losses[0].reduce.online() } else { None },
            planes,
            chi,
        };
        let spread = &mut work.gradient;
        let next = match self.layers.get(l + 1) {
            None => None,
            Some(next) => {
                let prepared = next.prepared.as_ref().expect("made for all but the first layer");
                let above = match over[0].training.as_ref().and_then(|training| training.normal.as_ref()) {
                    Some(normal) => &normal.chi,
                    None => &*above.expect("there are two layers"),
                };
                let over = Shape { units: next.columns, ..shape };
                if let (true, Some(scaled), Some(mask)) =
                    (self.trained, &next.scaled, self.masks.get(l).copied().flatten())
                {
                    kernels.drive_backward(DriveBackward {
                        projection: Projection::Dense,
                        inputs: shape.units,
                        shape: over,
                        lag: next.lag,
                        weights: (&scaled.weights, &scaled.prepared),
                        chi: above,
                        accumulate: false,
                        out: &mut *spread,
                    });
                    let from = work.given.as_ref().filter(|_| given);
                    kernels.dropout_backward(DropoutBackward { shape, window, mask, given: from, gradient: spread });
                    given = true;
                    None
                } else {
                    let weights = (&next.weights, prepared);
                    Some(Above {
                        shape: over,
                        lag: next.lag,
                        weights,
                        chi: above,
                        accumulate: given,
                        gradient: &mut *spread,
                    })
                }
            }
        };
        let fused = match (state.walk, next) {
            (Walk::Steps, Some(above)) => Some(above),
            (_, Some(above)) => {
                kernels.drive_backward(above.drive_backward(state.units));
                given = true;
                None
            }
            (_, None) => None,
        };
        if let Some(above) = fused {
            kernels.layer_backward(above, call);
        } else {
            let gradient_spikes = Some(&*spread).filter(|_| given);
            match state.walk {
                Walk::Steps => kernels.backward(Backward { gradient_spikes, ..call }),
                Walk::Lstm => kernels.lstm_backward(LstmBackward {
                    model: call.model,
                    shape,
                    constants: call.constants,
                    recurrent: call.recurrent.expect("such a layer is recurrent").1,
                    gates: kept.as_ref().expect("made with the plan"),
                    spikes: call.spikes.expect("such a layer spikes"),
                    tape: call.tape.expect("such a layer keeps V"),
                    gradient_spikes,
                    gradient_potential: call.gradient_potential,
                    counts: call.counts,
                    planes: call.planes,
                    chi: call.chi,
                    bias_gradient: own.iter_mut().find(|own| own.learned()).map(|own| &mut own.gradient),
                }),
                Walk::Time { order } => {
                    let [weights, bias] = &mut own[..] else { unreachable!("weights and bias over time") };
                    kernels.time_backward(TimeBackward {
                        model: call.model,
                        shape,
                        constants: call.constants,
                        weights: TimeWeights { order, weights: &weights.values, bias: &bias.values },
                        drive: kept.as_ref().expect("made with the plan"),
                        potential: call.tape.expect("such a layer keeps V"),
                        gradient_spikes,
                        gradient_potential: call.gradient_potential,
                        counts: call.counts,
                        planes: call.planes,
                        chi: call.chi,
                        weight_gradient: &mut weights.gradient,
                        bias_gradient: &mut bias.gradient,
                    });
                }
            }
        }
        // What the segment before needs of this one.
        let Training { tapes, future, after, normal, .. } =
            plan.layers[l].training.as_mut().expect("a forward pass with a tape made it");
        let chi = &plan.work.chi[l % plan.work.chi.len()];
        if let (Some(future), true) = (future, at.segment > 0 && !unread) {
            kernels.copy(chi, one(0), future, one(0), 1, len);
        }
        if let (Some(after), true) = (after, at.segment > 0) {
            let tape = match tapes.get(at.segment) {
                Some(Tape::Whole(tape)) => tape,
                _ => plan.work.tape.as_ref().expect("recalled"),
            };
            let (first, len) = (shape.len(shape.steps), shape.len(1));
            kernels.copy(tape, Stretch { first, stride: len }, after, Stretch { first: 0, stride: len }, 1, len);
        }
        let state = &mut self.layers[l];
        (state.own, state.kicks) = (own, kicks);
        if let (Some(own), Some(tape)) = (&mut state.normal, normal) {
            kernels.normalise_backward(NormaliseBackward {
                shape,
                parameters: &own.parameters,
                running: &own.running,
                normal: &tape.normal,
                deviation: &tape.deviation,
                chi,
                out: &mut tape.chi,
                gradient: &mut own.gradient,
            });
        }
        Ok(())
    }

    /// Room for χ of layer `l` in a segment.
    fn ensure_chi(&mut self, index: usize, l: usize, shape: Shape) -> Result<()> {
        let work = &mut self.plans[index].work;
        let (turn, needed) = (l % work.chi.len(), shape.len(shape.steps + FUTURE));
        if work.chi_len[turn] < needed {
            // The old one goes before the new one comes.
            work.chi[turn] = self.kernels.values("adjoint", 0)?;
            work.chi_len[turn] = 0;
            work.chi[turn] = self.kernels.values("adjoint", needed)?;
            work.chi_len[turn] = needed;
        }
        Ok(())
    }

    /// What is done once the sums are complete: dropout's factor, constraints, neuron parameters.
    fn finish_backward(&mut self, index: usize) {
        let kernels = &mut self.kernels;
        for (l, (state, layer)) in self.layers.iter_mut().zip(&self.plans[index].layers).enumerate() {
            kernels.at_layer(Some(l));
            if let Some(scaled) = state.scaled.as_ref().filter(|_| self.trained) {
                kernels.scale(None, scaled.factor, state.weights_len, &mut state.weight_gradient);
            }
            state.hold(kernels, true);
            if state.modes.iter().any(|(mode, _)| *mode != Mode::Frozen) {
                kernels.neuron_gradient(NeuronGradient {
                    model: state.model,
                    shape: layer.shape,
                    dt: self.network.dt,
                    modes: &state.learning,
                    parameters: &state.parameters,
                    constants: &state.constants,
                    planes: &layer.planes,
                    out: &mut state.parameter_gradient,
                });
            }
        }
        kernels.at_layer(None);
    }

    /// dL/d input of the last backward pass, `[T, B, inputs]`.
    ///
    /// # Errors
    /// [`Error::Input`] where there is none.
    pub fn input_gradient(&mut self) -> Result<Trace<K::Real>> {
        let index = self.last_plan()?;
        if !self.adjoint {
            return Err(Error::Input("there is no backward pass of the last forward pass: call backward first".into()));
        }
        let state = &self.layers[0];
        let (steps, batch) = (self.plans[index].sequence.steps, self.plans[index].sequence.batch);
        let (inputs, columns) = (self.network.inputs, state.columns);
        let shape = Shape { steps, batch, units: inputs };
        let mut out = self.kernels.values("gradient of the input", shape.len(steps))?;
        let rows = state.weight_rows();
        let mut prepared = self.kernels.prepared("weights, transposed", rows, columns)?;
        self.kernels.prepare(&state.weights, rows, columns, &mut prepared);
        let plan = &self.plans[index];
        if !plan.is_whole() {
            return Err(Error::Input(format!(
                "the gradient of the input needs the adjoint of all steps and samples at once, but the plan cuts them to fit into memory: raise the memory\n{}",
                self.plan_text()
            )));
        }
        if state.kicked {
            // Nobody wrote χ so far.
            let shape = self.plans[index].layers[0].shape;
            self.ensure_chi(index, 0, shape)?;
            let LayerState { model, constants, kicks, .. } = &self.layers[0];
            let kicks = kicks.as_ref().expect("they were chosen");
            let chi = &mut self.plans[index].work.chi[0];
            self.kernels.kicked_chi(KickedChi { model: *model, shape, constants, kicks, chi });
            // Where it lies, χ of another layer was.
            self.kernels.fill(chi, shape.len(steps)..shape.len(steps + FUTURE), 0.0);
        }
        let (plan, state) = (&self.plans[index], &self.layers[0]);
        let training = plan.layers[0].training.as_ref().expect("a backward pass made it");
        self.kernels.drive_backward(DriveBackward {
            projection: state.projection,
            inputs,
            shape: state.drive_shape(self.plans[index].layers[0].shape),
            lag: state.lag,
            weights: (&state.weights, &prepared),
            chi: training.normal.as_ref().map_or(&plan.work.chi[0], |normal| &normal.chi),
            accumulate: false,
            out: &mut out,
        });
        let values = self.kernels.read(&out, 0..shape.len(steps))?;
        Trace::new(steps, batch, inputs, super::parameters::narrow(&values, inputs))
    }
}

impl<K: Kernels> LayerState<K> {
    /// Whether the adjoint of the last step of a segment reads I of the step after.
    pub(super) fn reads_current_after(&self) -> bool {
        let Model { reset, detach, lag, snippet, .. } = self.model;
        reset == Reset::ZeroAfter && !detach && lag == 0 && snippet.is_none()
    }

    /// I in the planes of some samples.
    fn current_plane(&self, at: &Samples) -> Stretch {
        let row = at.whole.row();
        Stretch { first: (at.samples.start * plane::PLANES + plane::CURRENT) * row, stride: plane::PLANES * row }
    }
}
