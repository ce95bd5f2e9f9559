//! The exactness check as part of the product: is the adjoint the gradient of the forward pass?
//!
//! The step function is replaced by a primitive of the surrogate derivative ([`crate::cpu::Cpu::smooth`]); the network is
//! then differentiable, and what the production kernels give in f64 as the gradient must be what difference quotients of
//! the production forward pass give (`docs/dynamics.md`, section 2). Where a reset is detached, the quotients are taken
//! with the spikes that reset held still, which is what a stopped gradient means.

mod matrix;

pub use matrix::{Cell, Kind, Outcome, matrix, tapes_of};

use crate::cpu::Cpu;
use crate::engine::{Batch, Budget, Core, Gradient, Parameters, TapeKind, Tensor, Wish, shapes};
use crate::error::Result;
use crate::network::{Connection, Network, Parameter, Reduction};
use crate::spikes::{Random, Raster, Trace};

/// Largest error that passes: of the largest entry of a parameter's gradient.
pub const ALLOWED: f64 = 1e-6;

/// How a network is audited.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Steps T, where the network has no psn.
    pub steps: usize,
    /// Samples B.
    pub batch: usize,
    /// Seed of parameters, input and loss.
    pub seed: u64,
    /// Entries of a parameter that are moved; more are drawn from.
    pub entries: usize,
    /// Whether samples end before the last step.
    pub short: bool,
    /// Whether parameters are drawn (else they are what the network's initialisers give).
    pub drawn: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { steps: 12, batch: 2, seed: 1, entries: 40, short: false, drawn: false }
    }
}

impl Options {
    /// Steps that `network` is audited with: a psn says itself how many there are.
    pub fn steps_of(&self, network: &Network) -> usize {
        network.layers.iter().find_map(|layer| layer.neuron.steps).unwrap_or(self.steps)
    }
}

/// What came out for one parameter (or the input).
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// `layer0.weight`, …, `input`.
    pub name: String,
    /// Entries that were moved.
    pub entries: usize,
    /// Largest |entry| of the gradient.
    pub largest: f64,
    /// Largest difference between adjoint and quotient, over `largest`.
    pub error: f64,
    /// Entries where two step sizes gave two quotients: a potential crossed a jump of σ' or of a count, and nothing can be
    /// said there.
    pub crossed: usize,
}

/// Compares the gradient of every parameter of `network` and of its input with difference quotients. The loss is a random
/// linear function of all potentials and spikes, with the network's own loss and regularisers added.
///
/// # Errors
/// Those of [`Core::new`] and [`Core::forward`].
pub fn audit(network: &Network, options: Options) -> Result<Vec<Line>> {
    let mut network = network.clone();
    learn_everything(&mut network);
    let_through(&mut network);
    let mut random = Random::new(options.seed, 3);
    let mut core = Core::new(network.clone(), Cpu::<f64>::smooth(), Budget::default())?;
    core.initialise(options.seed)?;
    let mut parameters = core.parameters()?;
    if options.drawn {
        draw(&network, &mut parameters, &mut random);
        core.set_parameters(&parameters)?;
    }
    let steps = options.steps_of(&network);
    let samples = options.batch;
    let values = (0..steps * samples * network.inputs).map(|_| 0.3 + 0.7 * random.normal()).collect();
    let input = Trace::new(steps, samples, network.inputs, values)?;
    let labels = (0..samples).map(|_| random.below(network.classes()) as u32).collect();
    let mut batch = Batch::values(input).with_labels(labels);
    if let Some(term) = network.readout.losses.iter().find(|term| term.loss.is_given()) {
        let rows = if term.reduce == Reduction::EveryStep { steps * samples } else { samples };
        batch = batch.with_targets((0..rows * network.classes()).map(|_| random.normal()).collect());
    }
    if options.short {
        batch = batch.with_lengths((0..samples).map(|_| (steps - random.below(steps / 2)) as u32).collect());
    }
    let loss = Functional::draw(&network, steps * samples, &mut random);

    core.kernels().record_resets();
    core.forward(&batch)?;
    core.backward(&loss.gradient(&network))?;
    let gradients = core.gradients()?;
    let by_input = core.input_gradient()?;
    core.kernels().hold_resets();

    let slope = network.layers.iter().filter_map(|layer| layer.surrogate).map(|own| own.slope).fold(1.0, f64::max);
    let step = 1e-3 / slope;
    let mut lines = Vec::new();
    for (name, gradient) in &gradients {
        let start = parameters[name].clone();
        // Weights are moved by parts of 1, everything else by parts of itself, so that a time constant stays above 0.
        let weights = ["weight", "recurrent", "bias", "time", "time_bias", "leak"];
        let weighted = name.rsplit('.').next().is_some_and(|part| weights.contains(&part));
        let units: Vec<f64> = start
            .values
            .iter()
            .map(|value| match value.abs() {
                size if weighted => size.max(1.0),
                0.0 => 1.0,
                size => size,
            })
            .collect();
        let measured = compare(
            &gradient.values,
            options.entries,
            &mut random,
            |entry, shift| {
                let mut moved = Parameters::new();
                let mut tensor = start.clone();
                tensor.values[entry] += shift * units[entry];
                moved.insert(name.clone(), tensor);
                core.set_parameters(&moved)?;
                let value = loss.value(&mut core, &network, &batch);
                moved.insert(name.clone(), start.clone());
                core.set_parameters(&moved)?;
                Ok((value?, units[entry]))
            },
            step,
        )?;
        lines.push(measured.named(name));
    }
    let measured = compare(
        &by_input.values,
        options.entries,
        &mut random,
        |entry, shift| {
            let crate::engine::Input::Values(trace) = &mut batch.input else { unreachable!("made of values") };
            trace.values[entry] += shift;
            let value = loss.value(&mut core, &network, &batch);
            let crate::engine::Input::Values(trace) = &mut batch.input else { unreachable!("made of values") };
            trace.values[entry] -= shift;
            Ok((value?, 1.0))
        },
        step,
    )?;
    lines.push(measured.named("input"));
    Ok(lines)
}

/// What the tapes that save memory do to the gradients of a network, in f32 on spikes: ‖Δ‖/‖g‖ of the parameter that
/// differs most from what the whole tape gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Tapes {
    /// Replayed in segments: 0 where every bit is the same.
    pub replay: f64,
    /// In 16 bits, and the parameter.
    pub half: (f64, String),
    /// Steps of a segment.
    pub segment: usize,
}

/// See [`Tapes`]. None where a neuron or a normalisation needs all steps at once, whose tape is always whole.
///
/// # Errors
/// Those of [`Core::new`] and [`Core::forward`].
pub fn tapes(network: &Network, options: Options) -> Result<Option<Tapes>> {
    let mut network = network.clone();
    learn_everything(&mut network);
    let mut random = Random::new(options.seed, 4);
    let mut core = Core::new(network.clone(), Cpu::<f32>::new(), Budget::Unbounded)?;
    core.initialise(options.seed)?;
    let mut parameters: Parameters<f64> = Parameters::new();
    for (name, tensor) in core.parameters()? {
        let values = tensor.values.iter().map(|&value| f64::from(value)).collect();
        parameters.insert(name, Tensor { shape: tensor.shape, values });
    }
    if options.drawn {
        draw(&network, &mut parameters, &mut random);
    }
    let single = parameters.into_iter().map(|(name, tensor)| {
        let values = tensor.values.iter().map(|&value| value as f32).collect();
        (name, Tensor { shape: tensor.shape, values })
    });
    core.set_parameters(&single.collect())?;
    let (steps, samples) = (options.steps_of(&network), options.batch);
    let spikes: Vec<u8> = (0..steps * samples * network.inputs).map(|_| u8::from(random.uniform() < 0.3)).collect();
    let batch = match network.layers[0].connection {
        Connection::Dense => Batch::spikes(Raster::from_bytes(steps, samples, network.inputs, &spikes)?),
        Connection::Current => {
            let values = spikes.iter().map(|&spike| f32::from(spike)).collect();
            Batch::values(Trace::new(steps, samples, network.inputs, values)?)
        }
    };
    let loss = Functional::draw(&network, steps * samples, &mut random).single();
    let mut gradients = |wish: Wish| -> Result<Option<Parameters>> {
        core.set_memory(Budget::Unbounded, wish);
        core.forward(&batch)?;
        let kept = core.cut().is_some_and(|cut| wish.tape.is_none_or(|tape| tape == cut.tape));
        core.backward(&loss)?;
        Ok(if kept { Some(core.gradients()?) } else { None })
    };
    let segment = steps.div_ceil(3);
    let (whole, replayed) = (gradients(Wish::default())?, Wish { steps: Some(segment), ..Wish::default() });
    let replay = gradients(Wish { tape: Some(TapeKind::Replay), ..replayed })?;
    let half = gradients(Wish { tape: Some(TapeKind::Half), ..replayed })?;
    let (Some(whole), Some(replay), Some(half)) = (whole, replay, half) else { return Ok(None) };
    let worst = |other: &Parameters| {
        let of = |(name, tensor): (&String, &Tensor)| {
            let pairs = tensor.values.iter().zip(&other[name].values).map(|(&a, &b)| (f64::from(a), f64::from(b)));
            let (d, n) = pairs.fold((0.0, 0.0), |(d, n), (a, b)| (d + (a - b) * (a - b), n + a * a));
            (if n == 0.0 { d } else { (d / n).sqrt() }, name.clone())
        };
        whole.iter().map(of).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or_default()
    };
    Ok(Some(Tapes { replay: worst(&replay).0, half: worst(&half), segment }))
}

/// Switches off what stops a gradient elsewhere than at a reset (`detach_adaptation`, `detach_threshold`): no quotient of
/// the forward pass gives such a gradient. Tells the places.
pub fn let_through(network: &mut Network) -> Vec<String> {
    let mut places = Vec::new();
    for (index, layer) in network.layers.iter_mut().enumerate() {
        let own = layer.neuron.parameters.iter_mut();
        for (name, parameter) in own.filter(|(name, _)| name.starts_with("detach_")) {
            if parameter.values.iter().any(|&value| value != 0.0) {
                *parameter = 0.0.into();
                places.push(format!("layer[{index}].neuron.{name}"));
            }
        }
    }
    places
}

/// Whether the network's own loss has a gradient: that of a spike time is a convention, and no quotient gives it.
pub fn has_gradient(network: &Network) -> bool {
    network.readout.losses.iter().all(|term| term.reduce != Reduction::FirstSpike)
}

/// Makes every parameter of `network` learned, so that its gradient is computed.
pub fn learn_everything(network: &mut Network) {
    for layer in &mut network.layers {
        let neuron = &mut layer.neuron;
        neuron.tau_mem.learned = !neuron.tau_mem.is_absent();
        for parameter in [&mut neuron.tau_syn, &mut neuron.threshold].into_iter().flatten() {
            parameter.learned = true;
        }
        let Some(snippet) = neuron.kind.snippet() else { continue };
        for (index, spec) in snippet.parameters.iter().enumerate().filter(|(_, spec)| spec.learnable()) {
            let mut own = neuron.own(index).unwrap_or_else(|| Parameter::from(spec.default));
            own.learned = true;
            neuron.parameters.insert(spec.name.into(), own);
        }
    }
}

/// Values that make the membranes busy: every weight, and the other parameters around where they are.
fn draw(network: &Network, parameters: &mut Parameters<f64>, random: &mut Random) {
    for (name, shape) in shapes(network) {
        let (layer, part) = name.split_once('.').expect("made by `shapes`");
        let index: usize = layer["layer".len()..].parse().expect("made by `shapes`");
        let fan_in = if part == "recurrent" { network.layers[index].units } else { network.fan_in(index) } as f64;
        let gain = match network.layers[index].neuron.gain {
            crate::network::Gain::One => 1.0,
            crate::network::Gain::OneMinusBeta => 6.0,
        };
        let switch = network.layers[index].neuron.kind.snippet().and_then(|snippet| snippet.parameter(part));
        let fixed = switch.is_some_and(|(_, spec)| !spec.learnable());
        let tensor = parameters.get_mut(&name).expect("a parameter of the network");
        debug_assert_eq!(tensor.shape, shape);
        for value in &mut tensor.values {
            *value = match part {
                "weight" | "recurrent" => gain * random.normal() / fan_in.sqrt(),
                "bias" => 0.2 * gain * random.normal(),
                "leak" => *value + 0.3 * random.normal(),
                _ if fixed => *value,
                _ => *value * (1.0 + 0.3 * (random.uniform() - 0.5)) + if *value == 0.0 { 0.2 } else { 0.0 },
            };
        }
    }
}

/// A linear function of potentials and spikes.
struct Functional {
    /// `[T, B, n]` of each layer's V, and of its O where it spikes.
    potentials: Vec<Vec<f64>>,
    spikes: Vec<Option<Vec<f64>>>,
}

impl Functional {
    fn draw(network: &Network, rows: usize, random: &mut Random) -> Self {
        let mut potentials = Vec::new();
        let mut spikes = Vec::new();
        for layer in &network.layers {
            let mut row = || (0..rows * layer.units).map(|_| random.normal()).collect::<Vec<f64>>();
            potentials.push(row());
            spikes.push(layer.neuron.spiking().then(row));
        }
        Functional { potentials, spikes }
    }

    fn gradient(&self, network: &Network) -> Gradient<f64> {
        let mut gradient = if has_gradient(network) { Gradient::loss() } else { Gradient::none() };
        for (layer, values) in self.potentials.iter().enumerate() {
            gradient = gradient.with_potential(layer, values.clone());
        }
        for (layer, values) in self.spikes.iter().enumerate() {
            if let Some(values) = values {
                gradient = gradient.with_spikes(layer, values.clone());
            }
        }
        gradient
    }

    /// As a gradient in f32.
    fn single(&self) -> Gradient {
        let single = |values: &[f64]| values.iter().map(|&value| value as f32).collect();
        let mut gradient = Gradient::none();
        for (layer, values) in self.potentials.iter().enumerate() {
            gradient = gradient.with_potential(layer, single(values));
        }
        for (layer, values) in self.spikes.iter().enumerate() {
            if let Some(values) = values {
                gradient = gradient.with_spikes(layer, single(values));
            }
        }
        gradient
    }

    fn value(&self, core: &mut Core<Cpu<f64>>, network: &Network, batch: &Batch<f64>) -> Result<f64> {
        let mut outputs = core.forward(batch)?;
        let mut sum = if has_gradient(network) { outputs.loss()? } else { 0.0 };
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        for layer in 0..network.layers.len() {
            sum += dot(&self.potentials[layer], &outputs.potential(layer)?.values);
            if let Some(values) = &self.spikes[layer] {
                sum += dot(values, &outputs.spike_values(layer)?.values);
            }
        }
        if network.layers.iter().any(|layer| !layer.regularise.is_empty()) {
            // The regularisers are summed on the way back.
            core.metrics()?;
            core.forward(batch)?;
            core.backward(&Gradient::none())?;
            sum += core.metrics()?.last().map_or(0.0, |metrics| metrics.regulariser);
        }
        Ok(sum)
    }
}

struct Measured {
    entries: usize,
    largest: f64,
    error: f64,
    crossed: usize,
}

impl Measured {
    fn named(self, name: &str) -> Line {
        let Measured { entries, largest, error, crossed } = self;
        Line { name: name.into(), entries, largest, error, crossed }
    }
}

/// `evaluate(entry, shift)` gives the loss with an entry moved by `shift` of its unit, and that unit.
fn compare(
    gradient: &[f64],
    most: usize,
    random: &mut Random,
    mut evaluate: impl FnMut(usize, f64) -> Result<(f64, f64)>,
    step: f64,
) -> Result<Measured> {
    let largest = gradient.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    let mut entries: Vec<usize> = (0..gradient.len()).collect();
    random.shuffle(&mut entries);
    entries.truncate(most);
    let (mut error, mut crossed) = (0.0f64, 0);
    for &entry in &entries {
        let mut quotient = |h: f64| -> Result<f64> {
            let ((a, unit), (b, _)) = (evaluate(entry, h)?, evaluate(entry, -h)?);
            let ((c, _), (d, _)) = (evaluate(entry, 2.0 * h)?, evaluate(entry, -2.0 * h)?);
            Ok((8.0 * (a - b) - (c - d)) / (12.0 * h * unit))
        };
        let (coarse, fine) = (quotient(step)?, quotient(step / 8.0)?);
        // An absolute floor: quotients of a loss of about 100 are not known better than this.
        let scale = largest.max(1e-4);
        let off = (coarse - gradient[entry]).abs().min((fine - gradient[entry]).abs()) / scale;
        if !(off.is_finite() && coarse.is_finite() && gradient[entry].is_finite()) {
            error = f64::INFINITY;
        } else if off > ALLOWED && (coarse - fine).abs() / scale > ALLOWED {
            crossed += 1;
        } else {
            error = error.max(off);
        }
    }
    Ok(Measured { entries: entries.len(), largest, error, crossed })
}
