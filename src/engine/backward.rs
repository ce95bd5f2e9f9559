//! The backward pass over the layers, the bound on the gradient, and the update.

use super::core::{Core, Walk};
use super::forward::Batch;
use super::group::Step;
use super::parameters::Tensor;
use crate::error::{Error, Result};
use crate::kernels::*;
use crate::spikes::{Trace, pad};

/// Where the gradient of a backward pass comes from: the built-in loss, the user's own gradients, or both added up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gradient<F = f32> {
    /// Whether the built-in loss counts.
    pub loss: bool,
    /// dL/d activation of the readout's first loss, `[B, units]`.
    pub activation: Option<Vec<F>>,
    /// dL/dO of a layer's emitted spikes, `[T, B, units]`.
    pub spikes: Vec<(usize, Vec<F>)>,
    /// dL/dV of a layer's potential (of the readout: of its trace), `[T, B, units]`.
    pub potential: Vec<(usize, Vec<F>)>,
}

impl<F> Gradient<F> {
    /// Of the built-in loss and the regularisers of the network.
    pub fn loss() -> Self {
        Gradient { loss: true, activation: None, spikes: Vec::new(), potential: Vec::new() }
    }

    /// Of the user's own loss: dL/d activation `[B, units]`.
    pub fn activation(values: Vec<F>) -> Self {
        Gradient { loss: false, activation: Some(values), spikes: Vec::new(), potential: Vec::new() }
    }

    /// None yet; add with the methods below.
    pub fn none() -> Self {
        Gradient { loss: false, activation: None, spikes: Vec::new(), potential: Vec::new() }
    }

    /// Adds dL/dO of a layer's emitted spikes, `[T, B, units]`.
    pub fn with_spikes(mut self, layer: usize, values: Vec<F>) -> Self {
        self.spikes.push((layer, values));
        self
    }

    /// Adds dL/dV of a layer's potential, `[T, B, units]`.
    pub fn with_potential(mut self, layer: usize, values: Vec<F>) -> Self {
        self.potential.push((layer, values));
        self
    }
}

/// An optimiser with this step's learning rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Optimiser {
    /// Rule. Its weight decay acts on weights and recurrent weights only (see [`super::Group`]).
    pub rule: Rule,
    /// Learning rate.
    pub rate: f64,
    /// Bound on the global norm of the gradient.
    pub max_norm: Option<f64>,
    /// Pulls weights and recurrent weights to 0.
    pub penalty: Penalty,
}

impl Optimiser {
    /// A rule at a learning rate, without bound or penalty.
    pub fn new(rule: Rule, rate: f64) -> Self {
        Optimiser { rule, rate, max_norm: None, penalty: Penalty::default() }
    }
}

impl<K: Kernels> Core<K> {
    /// Gradients of all parameters of the last forward pass; the regularisers of the network count in any case.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no forward pass with a tape, where the built-in loss has no labels, or
    /// where a gradient has the wrong size or is not finite.
    pub fn backward(&mut self, gradient: &Gradient<K::Real>) -> Result<()> {
        let index = self.last_plan()?;
        if !self.taped {
            return Err(Error::Input("infer keeps nothing for a backward pass: use forward".into()));
        }
        self.check_normalised()?;
        self.check_gradient(index, gradient)?;
        self.upload_gradient(index, gradient)?;
        let base = self.ring.base();
        let slots = self.ring.slots;
        let top = self.layers.len() - 1;
        let activations = gradient.loss || gradient.activation.is_some();
        let online = self.online(self.ragged);
        let reached = self.reached(gradient.loss, gradient.activation.is_some(), online);
        if !online && activations {
            self.spread_out(index, gradient.loss, gradient.activation.is_some());
        }
        let ragged = self.ragged;
        for l in (0..=top).rev() {
            let on_top = l == top;
            let regularised = !self.network.layers[l].regularise.is_empty();
            let mut given = gradient.spikes.iter().any(|(layer, _)| *layer == l) || (on_top && reached.1);
            let shape = self.plans[index].layers[l].shape;
            let regularisers = self.network.layers[l].regularise.clone();
            // Their gradients are written while the rest of the layer is read.
            let mut own = std::mem::take(&mut self.layers[l].own);
            let state = &self.layers[l];
            let kernels = &mut self.kernels;
            let plan = &mut self.plans[index];
            let (below, rest) = plan.layers.split_at_mut(l);
            let (layer, above) = rest.split_first_mut().expect("layer l");
            for plane in [plane::LAMBDA, plane::MU] {
                kernels.fill_plane(shape, &mut layer.planes, plane, 0.0);
            }
            let learned = state.model.learned;
            let sums = [
                (learned.tau_syn, plane::ALPHA_GRADIENT),
                (learned.tau_mem, plane::BETA_GRADIENT),
                (learned.threshold, plane::THETA_GRADIENT),
                (learned.bias, plane::BIAS_GRADIENT),
                (!regularisers.is_empty(), plane::COUNT_GRADIENT),
            ];
            for (_, plane) in sums.into_iter().filter(|(used, _)| *used) {
                kernels.fill_plane(shape, &mut layer.planes, plane, 0.0);
            }
            if let Some(tail) = state.model.tail() {
                let (from, to) = (tail.cleared().start, tail.cleared().end);
                let range = Model::tail_range(shape, from).start..Model::tail_range(shape, to).start;
                kernels.fill(&mut layer.planes, range, 0.0);
            }
            for regulariser in &regularisers {
                kernels.regularise(Regularise {
                    regulariser: *regulariser,
                    shape,
                    planes: &mut layer.planes,
                    metrics: &mut self.ring.values,
                    slot: base + slots.regulariser,
                });
            }
            let training = layer.training.as_mut().expect("a forward pass with a tape made it");
            let potential = gradient.potential.iter().any(|(layer, _)| *layer == l) || (on_top && reached.0);
            if let (true, true, Some(out)) = (ragged, regularised, &mut training.gradient) {
                // dL/dζ is the same at every step of a sample, but 0 past its end.
                if !given {
                    kernels.fill(out, 0..shape.len(shape.steps), 0.0);
                }
                given = true;
                kernels.spread(Spread {
                    shape,
                    pooling: Pooling::Sum,
                    lengths: &plan.readout.lengths,
                    place: Place::COUNT,
                    from: &layer.planes,
                    emit_lag: state.model.emit_lag,
                    out,
                });
            }
            let call = Backward {
                model: state.model,
                shape,
                range: 0..shape.steps,
                form: layer.backward,
                constants: &state.constants,
                recurrent: state.recurrent.as_ref().map(|recurrent| (&recurrent.weights, &recurrent.prepared)),
                spikes: layer.spikes.as_ref(),
                tape: &training.tape,
                gradient_spikes: None,
                gradient_potential: training.potential.as_ref().filter(|_| potential),
                counts: regularised && !ragged,
                reduce: if on_top && online && activations {
                    self.network.readout.losses[0].reduce.online()
                } else {
                    None
                },
                planes: &mut layer.planes,
                chi: &mut training.chi,
            };
            let next = match above.first() {
                None => None,
                Some(above) => {
                    let next = &self.layers[l + 1];
                    let prepared = next.prepared.as_ref().expect("made for all but the first layer");
                    let chi = above.training.as_ref().expect("a forward pass with a tape made it").chi();
                    let gradient = training.gradient.as_mut().expect("a layer below another spikes");
                    let towards = next.drive_shape(above.shape);
                    if let (true, Some(scaled), Some(mask)) = (self.trained, &next.scaled, self.masks[l]) {
                        kernels.drive_backward(DriveBackward {
                            projection: Projection::Dense,
                            inputs: shape.units,
                            shape: towards,
                            lag: next.lag,
                            weights: (&scaled.weights, &scaled.prepared),
                            chi,
                            accumulate: false,
                            out: &mut *gradient,
                        });
                        let from = training.given.as_ref().filter(|_| given);
                        kernels.dropout_backward(DropoutBackward { shape, mask, given: from, gradient });
                        given = true;
                        None
                    } else {
                        let (lag, weights) = (next.lag, (&next.weights, prepared));
                        Some(Above { shape: towards, lag, weights, chi, accumulate: given, gradient })
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
                let gradient_spikes = training.gradient.as_ref().filter(|_| given);
                match state.walk {
                    Walk::Steps => kernels.backward(Backward { gradient_spikes, ..call }),
                    Walk::Lstm => kernels.lstm_backward(LstmBackward {
                        model: call.model,
                        shape,
                        constants: call.constants,
                        recurrent: call.recurrent.expect("such a layer is recurrent").1,
                        gates: layer.own.as_ref().expect("made with the plan"),
                        spikes: call.spikes.expect("such a layer spikes"),
                        tape: call.tape,
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
                            drive: layer.own.as_ref().expect("made with the plan"),
                            potential: call.tape,
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
            let state = &mut self.layers[l];
            state.own = own;
            let scaled = state.scaled.as_ref().filter(|_| self.trained);
            let source = match below.last() {
                None => &plan.input,
                Some(below) if scaled.is_some() => {
                    let training = below.training.as_ref().expect("a forward pass with a tape made it");
                    training.dropped.as_ref().expect("made with it")
                }
                Some(below) => below.spikes.as_ref().expect("a layer below spikes"),
            };
            if let (Some(own), Some(tape)) = (&mut state.normal, &mut training.normal) {
                kernels.normalise_backward(NormaliseBackward {
                    shape,
                    parameters: &own.parameters,
                    running: &own.running,
                    normal: &tape.normal,
                    deviation: &tape.deviation,
                    chi: &training.chi,
                    out: &mut tape.chi,
                    gradient: &mut own.gradient,
                });
            }
            let shape = state.drive_shape(shape);
            kernels.weight_gradient(WeightGradient {
                projection: state.projection,
                inputs: state.inputs,
                shape,
                source,
                lag: state.lag,
                chi: training.chi(),
                out: &mut state.weight_gradient,
            });
            if let Some(scaled) = scaled {
                kernels.scale(None, scaled.factor, state.weights_len, &mut state.weight_gradient);
            }
            if let Some(recurrent) = &mut state.recurrent {
                kernels.weight_gradient(WeightGradient {
                    projection: Projection::Dense,
                    inputs: state.units,
                    shape,
                    source: match &training.hidden {
                        Some(hidden) => hidden,
                        None => layer.spikes.as_ref().expect("a recurrent layer spikes"),
                    },
                    lag: state.model.recurrent_lag,
                    chi: &training.chi,
                    out: &mut recurrent.gradient,
                });
            }
            state.hold(kernels, true);
            if state.modes.iter().any(|(mode, _)| *mode != Mode::Frozen) {
                kernels.neuron_gradient(NeuronGradient {
                    model: state.model,
                    shape: layer.shape,
                    dt: self.network.dt,
                    modes: &state.settings.modes(&state.modes),
                    parameters: &state.parameters,
                    constants: &state.constants,
                    planes: &layer.planes,
                    out: &mut state.parameter_gradient,
                });
            }
        }
        self.measure();
        self.kernels.submit();
        Ok(())
    }

    /// Σ g² of every gradient tensor into the metrics.
    fn measure(&mut self) {
        let mut slot = self.ring.base() + self.ring.slots.squares;
        for layer in &self.layers {
            // What is frozen has no part in the norm: its slot stays 0.
            let mut square = |values: &K::Values, len: usize, frozen: bool| {
                if !frozen {
                    self.kernels.square_sum(values, len, &mut self.ring.values, slot);
                }
                slot += 1;
            };
            square(&layer.weight_gradient, layer.weights_len, layer.settings.weight.frozen);
            if let Some(recurrent) = &layer.recurrent {
                square(&recurrent.gradient, layer.units * pad(layer.columns), layer.settings.recurrent.frozen);
            }
            for own in layer.own.iter().filter(|own| own.learned()) {
                square(&own.gradient, own.len, layer.own_setting(own.name).frozen);
            }
            if layer.modes.iter().any(|(mode, _)| *mode != Mode::Frozen) {
                square(&layer.parameter_gradient, layer.modes.len() * pad(layer.units), false);
            }
            if let Some(own) = &layer.normal {
                let frozen = layer.settings.norm.iter().all(|setting| setting.frozen);
                square(&own.gradient, normal::LEARNED * pad(layer.units), frozen);
            }
        }
    }

    fn check_gradient(&self, index: usize, gradient: &Gradient<K::Real>) -> Result<()> {
        let plan = &self.plans[index];
        let size = |what: &str, values: &[K::Real], expected: usize| {
            if values.len() != expected {
                return Err(Error::Input(format!(
                    "the gradient of {what} has {} values, not {expected}",
                    values.len()
                )));
            }
            match values.iter().position(|value| !value.to_f64().is_finite()) {
                Some(at) => Err(Error::Input(format!("the gradient of {what} is not finite at entry {at}"))),
                None => Ok(()),
            }
        };
        let steps = plan.sequence.steps;
        let batch = plan.sequence.batch;
        if gradient.loss {
            self.needs_labels()?;
        }
        if let Some(values) = &gradient.activation {
            self.has_activation()?;
            size("the activation", values, batch * self.network.outputs())?;
        }
        for (layer, values) in &gradient.spikes {
            self.spiking(*layer)?;
            size(&format!("layer{layer}.spikes"), values, steps * batch * self.layers[*layer].units)?;
        }
        for (layer, values) in &gradient.potential {
            self.exists(*layer)?;
            size(&format!("layer{layer}.potential"), values, steps * batch * self.layers[*layer].units)?;
        }
        Ok(())
    }

    fn upload_gradient(&mut self, index: usize, gradient: &Gradient<K::Real>) -> Result<()> {
        let top = self.layers.len() - 1;
        if let Some(values) = &gradient.activation {
            let mut sum = values.clone();
            if gradient.loss {
                let own = self.read_activation(index, plane::ACTIVATION_GRADIENT, Place::OWN.gradient)?;
                for (sum, own) in sum.iter_mut().zip(own) {
                    *sum = K::Real::from_f64(sum.to_f64() + own.to_f64());
                }
            }
            self.write_activation_gradient(index, &sum);
        }
        let reached = self.reached(gradient.loss, gradient.activation.is_some(), self.online(self.ragged));
        let zero = K::Real::from_f64(0.0);
        for l in 0..=top {
            let (units, shape) = (self.layers[l].units, self.plans[index].layers[l].shape);
            let width = shape.row();
            let lag = self.layers[l].model.emit_lag;
            let widen = |given: &[(usize, Vec<K::Real>)], lag: usize| {
                let mut rows: Option<Vec<K::Real>> = None;
                for (_, values) in given.iter().filter(|(layer, _)| *layer == l) {
                    let rows = rows.get_or_insert_with(|| vec![zero; shape.len(shape.steps)]);
                    // O_t is S_{t-e}: the gradient of O_t belongs to row t − e; of O_0 with e = 1, to a constant.
                    let values = values.chunks_exact(units).skip(lag * shape.batch);
                    for (row, values) in rows.chunks_exact_mut(width).zip(values) {
                        for (row, value) in row.iter_mut().zip(values) {
                            *row = K::Real::from_f64(row.to_f64() + value.to_f64());
                        }
                    }
                }
                rows
            };
            let (spikes, potential) = (widen(&gradient.spikes, lag), widen(&gradient.potential, 0));
            let training = self.plans[index].layers[l].training.as_mut().expect("a forward pass with a tape made it");
            // What the losses of the readout add to starts at 0.
            let (by_potential, by_spikes) = if l == top { reached } else { (false, false) };
            let len = shape.len(shape.steps);
            // Dropout masks what comes from above, but not what is given.
            let masked = self.trained && self.layers[l].dropping.is_some();
            if masked && spikes.is_some() && training.given.is_none() {
                training.given = Some(self.kernels.values("given gradient of spikes", len)?);
            }
            match (spikes, if masked { &mut training.given } else { &mut training.gradient }) {
                (Some(values), Some(into)) => self.kernels.write(into, 0, &values),
                (None, Some(into)) if by_spikes => self.kernels.fill(into, 0..len, 0.0),
                _ => {}
            }
            if (potential.is_some() || by_potential) && training.potential.is_none() {
                training.potential = Some(self.kernels.values("gradient of potential", len)?);
            }
            match (potential, &mut training.potential) {
                (Some(values), Some(into)) => self.kernels.write(into, 0, &values),
                (None, Some(into)) if by_potential => self.kernels.fill(into, 0..len, 0.0),
                _ => {}
            }
        }
        Ok(())
    }

    /// One step of `optimiser` on all parameters that are learned, from the gradients of the last backward pass. A step
    /// whose loss or gradient is not finite changes nothing (see [`super::StepMetrics::finite`]).
    ///
    /// # Errors
    /// [`Error::Memory`] where the optimiser's state does not fit.
    pub fn step(&mut self, optimiser: &Optimiser) -> Result<()> {
        self.allocate_optimiser(optimiser.rule)?;
        self.step += 1;
        let (base, slots) = (self.ring.base(), self.ring.slots);
        let squares = base + slots.squares..base + slots.squares_end;
        let kernels = &mut self.kernels;
        kernels.control(&self.ring.values, squares, base + slots.loss, optimiser.max_norm, &mut self.control);
        for layer in &mut self.layers {
            let parts: Vec<&str> = layer.optimiser.iter().map(|(part, _, _)| *part).collect();
            let updates: Vec<_> = parts.iter().map(|part| layer.updates(part, optimiser)).collect();
            for ((part, state, len), updates) in layer.optimiser.iter_mut().zip(updates) {
                let (parameters, gradient): (&mut K::Values, &K::Values) = match *part {
                    "weight" => (&mut layer.weights, &layer.weight_gradient),
                    "recurrent" => {
                        let recurrent = layer.recurrent.as_mut().expect("a recurrent layer");
                        (&mut recurrent.weights, &recurrent.gradient)
                    }
                    "norm" => {
                        let own = layer.normal.as_mut().expect("a normalised layer");
                        (&mut own.parameters, &own.gradient)
                    }
                    "neuron" => (&mut layer.parameters, &layer.parameter_gradient),
                    name => {
                        let own = layer.own.iter_mut().find(|own| own.name == name).expect("an own tensor");
                        (&mut own.values, &own.gradient)
                    }
                };
                for Step { rule, penalty, scale, modes } in updates {
                    kernels.update(Update {
                        rule,
                        rate: optimiser.rate * scale,
                        penalty,
                        step: self.step,
                        row: *len / modes.len(),
                        modes: &modes,
                        parameters,
                        gradient,
                        state,
                        control: &self.control,
                    });
                }
            }
            let width = pad(layer.units);
            for &(row, low, high) in &layer.bounds {
                kernels.clamp(&mut layer.parameters, row * width..row * width + layer.units, low, high);
            }
            layer.hold(kernels, false);
        }
        self.refresh();
        self.kernels.submit();
        Ok(())
    }

    /// dL/d input of the last backward pass, `[T, B, inputs]`.
    ///
    /// # Errors
    /// [`Error::Input`] where there is none.
    pub fn input_gradient(&mut self) -> Result<Trace<K::Real>> {
        let index = self.last_plan()?;
        let state = &self.layers[0];
        let (steps, batch) = (self.plans[index].sequence.steps, self.plans[index].sequence.batch);
        let (inputs, columns) = (self.network.inputs, state.columns);
        let shape = Shape { steps, batch, units: inputs };
        let mut out = self.kernels.values("gradient of the input", shape.len(steps))?;
        let rows = state.weight_rows();
        let mut prepared = self.kernels.prepared("weights, transposed", rows, columns)?;
        self.kernels.prepare(&state.weights, rows, columns, &mut prepared);
        let training = self.plans[index].layers[0].training.as_ref();
        let Some(training) = training else {
            return Err(Error::Input("there is no backward pass".into()));
        };
        self.kernels.drive_backward(DriveBackward {
            projection: state.projection,
            inputs,
            shape: state.drive_shape(self.plans[index].layers[0].shape),
            lag: state.lag,
            weights: (&state.weights, &prepared),
            chi: training.chi(),
            accumulate: false,
            out: &mut out,
        });
        let values = self.kernels.read(&out, 0..shape.len(steps))?;
        Trace::new(steps, batch, inputs, super::parameters::narrow(&values, inputs))
    }

    /// Where numbers stopped being finite: the first parameter, potential or gradient that is not, from the input up.
    ///
    /// # Errors
    /// [`Error::Device`] where the device was lost.
    pub fn diagnose(&mut self) -> Result<String> {
        let bad = |tensor: &Tensor<K::Real>| tensor.values.iter().any(|value| !value.to_f64().is_finite());
        if let Some((name, _)) = self.parameters()?.iter().find(|(_, tensor)| bad(tensor)) {
            return Ok(format!("parameter {name} is not finite"));
        }
        if let Ok(index) = self.last_plan() {
            for l in 0..self.layers.len() {
                let values = self.read_plane(index, l, plane::POTENTIAL)?;
                if values.iter().any(|value| !value.to_f64().is_finite()) {
                    return Ok(format!("the potential of layer {l} is not finite"));
                }
            }
        }
        let gradients = self.gradients()?;
        let found = gradients.iter().rev().find(|(_, tensor)| bad(tensor));
        Ok(match found {
            Some((name, _)) => format!("the gradient of {name} is not finite"),
            None => "the loss is not finite, but every parameter, potential and gradient is".into(),
        })
    }

    /// Whether all parameters are numbers.
    ///
    /// # Errors
    /// [`Error::Diverged`] with the name of the first that is not.
    pub fn check_finite(&mut self) -> Result<()> {
        for (name, tensor) in self.parameters()? {
            if tensor.values.iter().any(|value| !value.to_f64().is_finite()) {
                return Err(Error::Diverged(format!("parameter {name} is not finite")));
            }
        }
        Ok(())
    }

    /// Forward and backward of the built-in loss and one step: the body of a training loop.
    ///
    /// # Errors
    /// As [`Core::forward`] and [`Core::backward`].
    pub fn train(&mut self, batch: &Batch<K::Real>, optimiser: &Optimiser) -> Result<()> {
        self.forward(batch)?;
        self.backward(&Gradient::loss())?;
        self.step(optimiser)
    }
}
