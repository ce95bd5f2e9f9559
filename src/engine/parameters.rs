//! Parameters by name, in and out of a device's padded layouts.
//!
//! | name | shape |
//! |---|---|
//! | `layer0.weight` | `[in, out]`; of a current encoder `[units]` |
//! | `layer0.recurrent` | `[n, n]`, from row to column |
//! | `layer0.bias` | `[n]`, where the layer has one |
//! | the three of an `slstm` | `[in, 4n]`, `[n, 4n]`, `[4n]`; gates i, f, g, o |
//! | `layer0.norm_scale`, `layer0.norm_shift`, `layer0.norm_mean`, `layer0.norm_variance` | `[n]`, where the drive is normalised; the last two are the running statistics |
//! | `layer0.tau_mem`, `layer0.tau_syn`, `layer0.threshold` | `[1]` or `[n]`, as the network says |
//! | `layer0.time`, `layer0.time_bias` | of a `psn` `[T, T]` and `[T]`, of a `sliding_psn` `[order]` and `[1]` |
//! | `layer0.leak` | p of a `plif`, `1 − β = logistic(p)` |
//! | `layer0.adaptation`, … | a snippet's own parameters by name |

use super::core::{Core, LayerState, Own, Rows};
use crate::error::{Error, Result};
use crate::kernels::{Kernels, Model, Projection, Real, row};
use crate::network::{Connection, Network};
use crate::neuron::Leak;
use crate::spikes::pad;
use std::collections::BTreeMap;

/// A tensor on the host, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor<F = f32> {
    /// Shape.
    pub shape: Vec<usize>,
    /// Values, the last axis fastest.
    pub values: Vec<F>,
}

impl<F: Copy> Tensor<F> {
    /// A tensor; the values fit the shape.
    ///
    /// # Errors
    /// [`Error::Input`] where they do not.
    pub fn new(shape: Vec<usize>, values: Vec<F>) -> Result<Self> {
        if shape.iter().product::<usize>() != values.len() {
            return Err(Error::Input(format!("{} values do not fill a tensor of shape {shape:?}", values.len())));
        }
        Ok(Tensor { shape, values })
    }
}

/// Tensors by name, in the order of their names.
pub type Parameters<F = f32> = BTreeMap<String, Tensor<F>>;

/// State of an optimiser: the number of steps done, and its rows for each tensor in the device's layout.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OptimiserState<F = f32> {
    /// Steps done.
    pub step: u64,
    /// `layer0.weight`, `layer0.recurrent`, `layer0.neuron`, `layer0.norm`, `layer0.time`, …: `[rows, length]`.
    pub tensors: BTreeMap<String, Tensor<F>>,
}

/// The parameters that a network has: name and shape, in the order of the layers.
pub fn shapes(network: &Network) -> Vec<(String, Vec<usize>)> {
    let mut shapes = Vec::new();
    for (index, layer) in network.layers.iter().enumerate() {
        let mut add = |name: &str, shape: Vec<usize>| shapes.push((format!("layer{index}.{name}"), shape));
        let columns = layer.neuron.kind.gates() * layer.units;
        match layer.connection {
            Connection::Dense => add("weight", vec![network.fan_in(index), columns]),
            Connection::Current => add("weight", vec![layer.units]),
        }
        if layer.recurrent {
            add("recurrent", vec![layer.units, columns]);
        }
        if layer.bias {
            add("bias", vec![columns]);
        }
        match layer.neuron.time() {
            Some((1, order)) if layer.neuron.order.is_some() => {
                add("time", vec![order]);
                add("time_bias", vec![1]);
            }
            Some((steps, _)) => {
                add("time", vec![steps, steps]);
                add("time_bias", vec![steps]);
            }
            None => {}
        }
        if layer.normalise.is_some() {
            for name in ["norm_scale", "norm_shift", "norm_mean", "norm_variance"] {
                add(name, vec![layer.units]);
            }
        }
        match layer.neuron.kind.leak() {
            Leak::None => {}
            Leak::Logistic => add("leak", vec![layer.neuron.tau_mem.stored(layer.units)]),
            _ => add("tau_mem", vec![layer.neuron.tau_mem.stored(layer.units)]),
        }
        if let Some(tau) = &layer.neuron.tau_syn {
            add("tau_syn", vec![tau.stored(layer.units)]);
        }
        if let Some(theta) = &layer.neuron.threshold {
            add("threshold", vec![theta.stored(layer.units)]);
        }
        let own = layer.neuron.kind.snippet().map_or(&[][..], |snippet| snippet.parameters);
        for (index, spec) in own.iter().enumerate() {
            let parameter = layer.neuron.own(index).expect("a parameter of the snippet");
            add(spec.name, vec![parameter.stored(layer.units)]);
        }
    }
    shapes
}

/// The row of the neuron parameters that `name` is.
pub(super) fn neuron_row(model: &Model, name: &str) -> Option<usize> {
    match name {
        "tau_syn" => Some(row::TAU_SYN),
        "tau_mem" | "leak" => Some(row::TAU_MEM),
        "threshold" => Some(row::THRESHOLD),
        "bias" => Some(row::BIAS),
        _ => model.snippet.and_then(|snippet| snippet.parameter(name)).map(|(index, _)| row::ROWS + index),
    }
}

/// The smallest and largest value that a parameter may have: `None` is any finite number.
fn range(model: &Model, name: &str) -> (f64, f64) {
    match neuron_row(model, name) {
        None if name == "norm_variance" => (f64::MIN_POSITIVE, f64::INFINITY),
        None | Some(row::BIAS) => (f64::NEG_INFINITY, f64::INFINITY),
        Some(row::TAU_MEM) if model.leak == Leak::Logistic => (f64::NEG_INFINITY, f64::INFINITY),
        Some(at) if at >= row::ROWS => model.snippet.expect("it has own rows").parameters[at - row::ROWS].range,
        Some(_) => (f64::MIN_POSITIVE, f64::INFINITY),
    }
}

/// `[rows][columns]` to `[rows][pad(columns)]`.
pub(super) fn widen<F: Real>(values: &[F], columns: usize) -> Vec<F> {
    let width = pad(columns);
    let mut out = vec![F::from_f64(0.0); values.len() / columns * width];
    for (out, values) in out.chunks_exact_mut(width).zip(values.chunks_exact(columns)) {
        out[..columns].copy_from_slice(values);
    }
    out
}

/// `[rows][pad(columns)]` to `[rows][columns]`.
pub(super) fn narrow<F: Real>(values: &[F], columns: usize) -> Vec<F> {
    values.chunks_exact(pad(columns)).flat_map(|row| &row[..columns]).copied().collect()
}

pub(super) fn split(name: &str) -> Option<(usize, &str)> {
    let (index, rest) = name.strip_prefix("layer")?.split_once('.')?;
    Some((index.parse().ok()?, rest))
}

impl<K: Kernels> Core<K> {
    /// All parameters. Waits for the device.
    ///
    /// # Errors
    /// [`Error::Device`] where the device was lost.
    pub fn parameters(&mut self) -> Result<Parameters<K::Real>> {
        let mut out = Parameters::new();
        for (name, shape) in shapes(&self.network) {
            let (index, part) = split(&name).expect("made by `shapes`");
            let layer = &mut self.layers[index];
            let values = layer.tensor(&mut self.kernels, part, false)?;
            out.insert(name, Tensor { values: values[..shape.iter().product()].to_vec(), shape });
        }
        Ok(out)
    }

    /// Sets the parameters that are given and keeps the others. Weights that a constraint forbids become 0.
    ///
    /// # Errors
    /// [`Error::Input`] where a name is unknown, a shape does not fit, a value is not finite, or a time constant or a
    /// threshold is not above 0. Nothing is changed then.
    pub fn set_parameters(&mut self, parameters: &Parameters<K::Real>) -> Result<()> {
        let known: BTreeMap<String, Vec<usize>> = shapes(&self.network).into_iter().collect();
        for (name, tensor) in parameters {
            let Some(shape) = known.get(name) else {
                let names: Vec<&str> = known.keys().map(String::as_str).collect();
                return Err(Error::Input(format!("unknown parameter {name}; this network has {}", names.join(", "))));
            };
            if &tensor.shape != shape {
                return Err(Error::Input(format!("parameter {name} has shape {:?}, not {shape:?}", tensor.shape)));
            }
            let (index, part) = split(name).expect("a known name");
            let (low, high) = range(&self.layers[index].model, part);
            for (n, value) in tensor.values.iter().enumerate() {
                let value = value.to_f64();
                if !value.is_finite() || value < low || value > high {
                    let rule = match (low, high) {
                        (f64::MIN_POSITIVE, _) => "a finite number above 0".to_string(),
                        (f64::NEG_INFINITY, _) => "a finite number".to_string(),
                        _ => format!("a number from {low} to {high}"),
                    };
                    return Err(Error::Input(format!("parameter {name}: entry {n} is {value}, not {rule}")));
                }
            }
        }
        for (name, tensor) in parameters {
            let (index, part) = split(name).expect("checked above");
            let units = self.network.layers[index].units;
            let layer = &mut self.layers[index];
            if let Some(own) = layer.own.iter_mut().find(|own| own.name == part) {
                self.kernels.write(&mut own.values, own.first, &widen(&tensor.values, own.shape.1));
                continue;
            }
            match neuron_row(&layer.model, part) {
                None if part.starts_with("norm_") => {
                    let own = layer.normal.as_mut().and_then(|own| own.place(part));
                    let (into, row) = own.expect("made by `shapes`");
                    self.kernels.write(into, row * pad(units), &tensor.values);
                }
                None => {
                    let values = widen(&tensor.values, units);
                    let into = if part == "weight" { &mut layer.weights } else { layer.recurrent_weights() };
                    self.kernels.write(into, 0, &values);
                }
                Some(row) => {
                    // A single value serves all; padding keeps a time constant that no exponential minds.
                    let width = pad(units);
                    let last = *tensor.values.last().expect("a shape is not empty");
                    let mut values = tensor.values.clone();
                    values.resize(if values.len() == 1 { width } else { units }, last);
                    let fill = match row {
                        row::BIAS => K::Real::from_f64(0.0),
                        // Padding of a snippet goes through the same formulas: it has a neuron's values.
                        row if row >= row::ROWS => last,
                        _ => K::Real::from_f64(1.0),
                    };
                    values.truncate(units);
                    values.resize(width, fill);
                    self.kernels.write(&mut layer.parameters, row * width, &values);
                }
            }
        }
        self.hold_weights();
        self.refresh();
        Ok(())
    }

    /// Gradients of the last backward pass: of the weights, and of the neuron parameters that are learned.
    ///
    /// # Errors
    /// [`Error::Device`] where the device was lost.
    pub fn gradients(&mut self) -> Result<Parameters<K::Real>> {
        let mut out = Parameters::new();
        for (name, shape) in shapes(&self.network) {
            let (index, part) = split(&name).expect("made by `shapes`");
            let layer = &mut self.layers[index];
            let own = layer.own.iter().find(|own| own.name == part).is_some_and(Own::learned);
            let learned = own
                || neuron_row(&layer.model, part).is_none_or(|row| layer.modes[row].0 != crate::kernels::Mode::Frozen);
            if learned && !matches!(part, "norm_mean" | "norm_variance") {
                let values = layer.tensor(&mut self.kernels, part, true)?;
                out.insert(name, Tensor { values: values[..shape.iter().product()].to_vec(), shape });
            }
        }
        Ok(out)
    }

    /// State of the optimiser.
    ///
    /// # Errors
    /// [`Error::Device`] where the device was lost.
    pub fn optimiser_state(&mut self) -> Result<OptimiserState<K::Real>> {
        let mut state = OptimiserState { step: self.step, tensors: BTreeMap::new() };
        let Some(rule) = self.rule else { return Ok(state) };
        for (index, layer) in self.layers.iter().enumerate() {
            for Rows { name, values, len, .. } in &layer.optimiser {
                let values = self.kernels.read(values, 0..rule.rows() * len)?;
                let shape = vec![rule.rows(), *len];
                state.tensors.insert(format!("layer{index}.{name}"), Tensor { shape, values });
            }
        }
        Ok(state)
    }

    /// Sets the state of the optimiser with the rule that made it.
    ///
    /// # Errors
    /// [`Error::Input`] where the tensors do not fit the network and the rule.
    pub fn set_optimiser_state(&mut self, rule: crate::kernels::Rule, state: &OptimiserState<K::Real>) -> Result<()> {
        if state.tensors.is_empty() {
            if state.step > 0 {
                let step = state.step;
                return Err(Error::Input(format!("the optimiser state is missing, though {step} steps are done")));
            }
            self.step = 0;
            return Ok(());
        }
        (self.step, self.pass) = (state.step, state.step);
        self.allocate_optimiser(rule)?;
        let mut used = 0;
        for (index, layer) in self.layers.iter_mut().enumerate() {
            for Rows { name, values, len, .. } in &mut layer.optimiser {
                let name = format!("layer{index}.{name}");
                let tensor = state.tensors.get(&name).filter(|tensor| tensor.shape == [rule.rows(), *len]);
                let Some(tensor) = tensor else {
                    return Err(Error::Input(format!("the optimiser state of {name} is missing or has another shape")));
                };
                self.kernels.write(values, 0, &tensor.values);
                used += 1;
            }
        }
        if used != state.tensors.len() {
            return Err(Error::Input("the optimiser state belongs to another network".into()));
        }
        Ok(())
    }
}

impl<K: Kernels> LayerState<K> {
    /// A parameter or its gradient without padding; a neuron parameter with all its neurons.
    fn tensor(&mut self, kernels: &mut K, part: &str, gradient: bool) -> Result<Vec<K::Real>> {
        let width = pad(self.units);
        if let Some(own) = self.own.iter().find(|own| own.name == part) {
            let values = kernels.read(if gradient { &own.gradient } else { &own.values }, own.first..own.len)?;
            return Ok(narrow(&values, own.shape.1));
        }
        if let Some(own) = self.normal.as_mut() {
            let gradients = |row: usize| row * width..row * width + self.units;
            match (part, gradient) {
                ("norm_scale", true) => return kernels.read(&own.gradient, gradients(0)),
                ("norm_shift", true) => return kernels.read(&own.gradient, gradients(1)),
                _ => {}
            }
            if let Some((values, row)) = own.place(part) {
                return kernels.read(values, row * width..row * width + self.units);
            }
        }
        match neuron_row(&self.model, part) {
            Some(row) => {
                let from = if gradient { &self.parameter_gradient } else { &self.parameters };
                Ok(kernels.read(from, row * width..row * width + self.units)?)
            }
            None => {
                // The gates of an LSTM cell have rows of their own.
                let gates = self.columns.div_ceil(width);
                let (values, rows) = match (part, gradient) {
                    ("weight", false) => (&self.weights, self.weight_rows()),
                    ("weight", true) => (&self.weight_gradient, self.weight_rows()),
                    (_, gradient) => {
                        let recurrent = self.recurrent.as_ref().expect("a recurrent layer");
                        (if gradient { &recurrent.gradient } else { &recurrent.weights }, self.units)
                    }
                };
                Ok(narrow(&kernels.read(values, 0..rows * gates * width)?, self.units))
            }
        }
    }

    /// Rows of the feed-forward weights.
    pub(super) fn weight_rows(&self) -> usize {
        match self.projection {
            Projection::Dense => self.inputs,
            Projection::Current => 1,
        }
    }

    fn recurrent_weights(&mut self) -> &mut K::Values {
        &mut self.recurrent.as_mut().expect("a recurrent layer").weights
    }
}
