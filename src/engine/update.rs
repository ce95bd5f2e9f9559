//! The bound on the gradient, the update, and what is wrong where numbers stop being finite.

use super::batch::Batch;
use super::core::{Core, Rows};
use super::gradient::Gradient;
use super::group::Step;
use super::parameters::Tensor;
use crate::error::{Error, Result};
use crate::kernels::*;
use crate::spikes::pad;

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
    /// Σ g² of every gradient tensor into the metrics.
    pub(super) fn measure(&mut self) {
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

    /// One step of `optimiser` on all parameters that are learned, from the gradients of the last backward pass. A step
    /// whose loss or gradient is not finite changes nothing (see [`super::StepMetrics::finite`]).
    ///
    /// # Errors
    /// [`Error::Memory`] where the optimiser's state does not fit.
    pub fn step(&mut self, optimiser: &Optimiser) -> Result<()> {
        if let Err(error) = self.allocate_optimiser(optimiser.rule) {
            // The gradients are there: the plan can go.
            let Error::Memory { needed, .. } = error else { return Err(error) };
            if !self.give_way(needed) {
                return Err(error);
            }
            self.rule = None;
            self.allocate_optimiser(optimiser.rule)?;
        }
        self.plan_updates(optimiser);
        self.step += 1;
        let (base, slots) = (self.ring.base(), self.ring.slots);
        let squares = base + slots.squares..base + slots.squares_end;
        let kernels = &mut self.kernels;
        kernels.control(&self.ring.values, squares, base + slots.loss, optimiser.max_norm, &mut self.control);
        for (l, layer) in self.layers.iter_mut().enumerate() {
            kernels.at_layer(Some(l));
            for Rows { name, values: state, len, updates } in &mut layer.optimiser {
                let (parameters, gradient): (&mut K::Values, &K::Values) = match *name {
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
                        rule: *rule,
                        rate: optimiser.rate * *scale,
                        penalty: *penalty,
                        step: self.step,
                        row: *len / modes.len(),
                        modes,
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
        if let Some((name, _)) = gradients.iter().rev().find(|(_, tensor)| bad(tensor)) {
            return Ok(format!("the gradient of {name} is not finite"));
        }
        // The square of a large number is none any more.
        let largest =
            |tensor: &Tensor<K::Real>| tensor.values.iter().fold(0.0f64, |most, value| most.max(value.to_f64().abs()));
        let all = gradients.iter().map(|(name, tensor)| (largest(tensor), name));
        Ok(match all.max_by(|one, other| one.0.total_cmp(&other.0)) {
            Some((size, name)) if size > 1e15 => {
                format!("the gradient of {name} has grown to {size:.0e}, too large for its norm")
            }
            _ => "the loss is not finite, but every parameter, potential and gradient is".into(),
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
