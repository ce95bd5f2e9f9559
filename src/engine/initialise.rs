//! Draws the start of a network: a function of the network and the seed, the same on every device.

use super::parameters::{Parameters, Tensor, shapes};
use crate::network::{Connection, Init, Layer, Network, Neuron, Parameter};
use crate::neuron::Leak;
use crate::spikes::Random;

/// Start values of all parameters.
pub fn initialise(network: &Network, seed: u64) -> Parameters<f64> {
    let mut parameters = Parameters::new();
    for (stream, (name, shape)) in shapes(network).into_iter().enumerate() {
        let (layer, part) = name.split_once('.').expect("made by `shapes`");
        let index: usize = layer["layer".len()..].parse().expect("made by `shapes`");
        let layer = &network.layers[index];
        let len: usize = shape.iter().product();
        let mut random = Random::new(seed, stream as u64);
        let values = match part {
            // Of an LSTM cell, every fan-in is that of the cell, as in torch: U(−1/√n, 1/√n).
            "weight" if layer.neuron.kind.gates() > 1 => {
                draw(&layer.init, network.dt, layer, layer.units, len, &mut random)
            }
            "weight" if shape.len() == 1 => draw(&layer.init, network.dt, layer, 1, len, &mut random),
            "weight" => {
                let fan_in = existing(shape[0], layer.density);
                draw(&layer.init, network.dt, layer, fan_in, len, &mut random)
            }
            "recurrent" => {
                let fan_in = existing(shape[0], layer.recurrent_density);
                draw(&layer.recurrent_init, network.dt, layer, fan_in, len, &mut random)
            }
            "bias" if layer.neuron.kind.gates() > 1 => {
                draw(&layer.bias_init, network.dt, layer, layer.units, len, &mut random)
            }
            "bias" => draw(&layer.bias_init, network.dt, layer, network.fan_in(index), len, &mut random),
            "time" => time(&layer.neuron, &mut random),
            "time_bias" => vec![0.0; len],
            "tau_mem" => spread(Some(&layer.neuron.tau_mem), shortest(layer, network.dt), len, &mut random),
            "tau_syn" => spread(layer.neuron.tau_syn.as_ref(), 0.0, len, &mut random),
            "threshold" => spread(layer.neuron.threshold.as_ref(), 0.0, len, &mut random),
            "norm_scale" | "norm_variance" => vec![1.0; len],
            "norm_shift" | "norm_mean" => vec![0.0; len],
            "leak" => {
                let tau = spread(Some(&layer.neuron.tau_mem), shortest(layer, network.dt), len, &mut random);
                tau.into_iter().map(|tau| -(tau / network.dt - 1.0).ln()).collect()
            }
            own => {
                let snippet = layer.neuron.kind.snippet().expect("made by `shapes`");
                let (index, _) = snippet.parameter(own).expect("made by `shapes`");
                spread(layer.neuron.own(index).as_ref(), f64::NEG_INFINITY, len, &mut random)
            }
        };
        let values = if shape.len() == 1 && part != "weight" {
            values
        } else {
            signed(values, layer, part, if part == "weight" { network.fan_in(index) } else { layer.units })
        };
        parameters.insert(name, Tensor { shape, values });
    }
    parameters
}

/// As SpikingJelly: U(−1/√T, 1/√T), or taps that double from each to the next, the current step's 1. (The bias is 0, its −1
/// with a threshold of 0.)
fn time(neuron: &Neuron, random: &mut Random) -> Vec<f64> {
    match neuron.time() {
        Some((_, order)) if neuron.order.is_some() => {
            (0..order).map(|tap| 0.5f64.powi((order - 1 - tap) as i32)).collect()
        }
        Some((steps, _)) => {
            let bound = 1.0 / (steps as f64).sqrt();
            (0..steps * steps).map(|_| (2.0 * random.uniform() - 1.0) * bound).collect()
        }
        None => Vec::new(),
    }
}

/// Sources of a unit that exist on average, at least 1.
fn existing(sources: usize, density: Option<f64>) -> usize {
    density.map_or(sources, |density| ((density * sources as f64).round() as usize).max(1))
}

/// The shortest τ_mem that the neuron's leak can have: one that steps by 1 − dt/τ needs it above dt.
fn shortest(layer: &Layer, dt: f64) -> f64 {
    if matches!(layer.neuron.kind.leak(), Leak::Euler | Leak::Logistic) { 1.001 * dt } else { 0.0 }
}

/// The values of a parameter, those of a log-normal one drawn and held within its bounds.
fn spread(parameter: Option<&Parameter>, low: f64, len: usize, random: &mut Random) -> Vec<f64> {
    let Some(parameter) = parameter else { return Vec::new() };
    let mut values = parameter.broadcast(len);
    if parameter.log_normal > 0.0 {
        let (low, high) = (parameter.min.unwrap_or(low), parameter.max.unwrap_or(f64::INFINITY));
        for value in &mut values {
            *value = (*value * (parameter.log_normal * random.normal()).exp()).max(low).min(high);
        }
    }
    values
}

/// Under Dale's law a weight keeps its size and takes the sign of its source.
fn signed(mut values: Vec<f64>, layer: &Layer, part: &str, sources: usize) -> Vec<f64> {
    let Some(dale) = layer.dale else { return values };
    let excitatory = dale.count(sources);
    let current = part == "weight" && layer.connection == Connection::Current;
    let columns = layer.neuron.kind.gates() * layer.units;
    for (at, value) in values.iter_mut().enumerate() {
        let source = if current { at % sources } else { at / columns };
        *value = if source < excitatory { value.abs() } else { -value.abs() };
    }
    values
}

fn draw(init: &Init, dt: f64, layer: &Layer, fan_in: usize, len: usize, random: &mut Random) -> Vec<f64> {
    let root = (fan_in as f64).sqrt();
    match *init {
        Init::Uniform { gain } => (0..len).map(|_| (2.0 * random.uniform() - 1.0) * gain / root).collect(),
        Init::Normal { gain, mean } => (0..len).map(|_| mean + random.normal() * gain / root).collect(),
        Init::Constant { value } => vec![value; len],
        Init::Fluctuation { sigma_u, mu_u, rate, share } => {
            let (mean, deviation) = fluctuation(dt, layer, fan_in as f64, sigma_u, mu_u, rate, share);
            (0..len).map(|_| mean + deviation * random.normal()).collect()
        }
    }
}

/// Mean and standard deviation of a weight (Rossbroich et al. 2022): with input spikes at `rate` Hz the potential has mean
/// μ_U and standard deviation σ_U (times √share). `ē = ∫ PSP`, `ê = ∫ PSP²` are summed on the grid of dt.
fn fluctuation(dt: f64, layer: &Layer, fan_in: f64, sigma_u: f64, mu_u: f64, rate: f64, share: f64) -> (f64, f64) {
    let mean_of = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    let neuron = &layer.neuron;
    let beta = match neuron.kind.leak() {
        Leak::None => 1.0,
        Leak::Exponential => (-dt / mean_of(neuron.tau_mem.values.clone())).exp(),
        Leak::Euler | Leak::Logistic => 1.0 - dt / mean_of(neuron.tau_mem.values.clone()),
    };
    let alpha = neuron.tau_syn.as_ref().map_or(0.0, |tau| (-dt / mean_of(tau.values.clone())).exp());
    let gain = if neuron.gain == crate::network::Gain::OneMinusBeta { 1.0 - beta } else { 1.0 };
    let (mut current, mut potential, mut sum, mut squares) = (1.0, 0.0, 0.0, 0.0);
    for _ in 0..100_000 {
        potential = beta * potential + gain * current;
        current *= alpha;
        sum += potential * dt;
        squares += potential * potential * dt;
        if potential < 1e-12 {
            break;
        }
    }
    // Rates are in Hz, times in ms.
    let events = fan_in * rate * 1e-3;
    let mean = mu_u / (events * sum);
    let variance = share * sigma_u * sigma_u / (events * squares) - mean * mean;
    (mean, variance.max(0.0).sqrt())
}
