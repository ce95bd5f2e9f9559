//! The first tutorial of Neftci, Mostafa & Zenke 2019 (SpyTorch 1): 256 frozen Poisson rasters of 100 channels at 5 Hz with random
//! labels. With the true gradient of the step function, 0 almost everywhere, only the readout learns, and there is no
//! signal from the hidden layer to learn from; with a surrogate the hidden layer learns as well.
//!
//! `cargo run --release --example surrogate_gradient`

use spikegrad::engine::{Batch, Budget, Device, Engine, Optimiser};
use spikegrad::kernels::{Penalty, Rule};
use spikegrad::network::Network;
use spikegrad::spikes::{Random, Raster};

const STEPS: usize = 200;
const SAMPLES: usize = 256;
const INPUTS: usize = 100;
/// Spikes of a channel in a step of 1 ms.
const RATE: f64 = 5.0 * 1e-3;
const UPDATES: usize = 1000;

/// 100-4-2 as in the tutorial; `scale` is the surrogate's peak: 1, or 0 for the true gradient. The weights of both layers are
/// drawn with the deviation 7 (1 − β) / √fan-in, β = exp(−1 ms / 10 ms).
fn network(scale: f64) -> spikegrad::Result<Network> {
    let gain = 7.0 * (1.0 - (-0.1f64).exp());
    Network::from_toml(&format!(
        r#"
        preset = "spytorch"
        dt = 1.0
        inputs = {INPUTS}
        [[layer]]
        units = 4
        neuron = {{ kind = "cuba_lif", tau_mem = 10.0, tau_syn = 5.0 }}
        surrogate = {{ kind = "fast_sigmoid", slope = 100.0, scale = {scale:?} }}
        init = {{ kind = "normal", gain = {gain} }}
        [[layer]]
        units = 2
        neuron = {{ kind = "li", tau_mem = 10.0, tau_syn = 5.0 }}
        init = {{ kind = "normal", gain = {gain} }}
        [readout]
        reduce = "max"
        loss = "cross_entropy"
        "#
    ))
}

fn main() -> spikegrad::Result<()> {
    let mut random = Random::new(1, 0);
    let mut input = Raster::new(STEPS, SAMPLES, INPUTS);
    for t in 0..STEPS {
        for b in 0..SAMPLES {
            for n in 0..INPUTS {
                if random.uniform() < RATE {
                    input.set(t, b, n);
                }
            }
        }
    }
    let labels: Vec<u32> = (0..SAMPLES).map(|_| u32::from(random.uniform() < 0.5)).collect();
    let batch = Batch::spikes(input).with_labels(labels);
    let adam = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0 };
    let optimiser = Optimiser { rule: adam, rate: 2e-3, max_norm: None, penalty: Penalty::default() };
    for (name, scale) in [("true gradient", 0.0), ("surrogate gradient", 1.0)] {
        let mut engine = Engine::new(network(scale)?, Device::Auto, Budget::default())?;
        engine.initialise(1)?;
        for update in 1..=UPDATES {
            engine.train(&batch, &optimiser)?;
            if update % 250 == 0 {
                let metrics = engine.metrics()?;
                let Some(last) = metrics.last() else { continue };
                let right = 100.0 * last.correct as f64 / last.answers as f64;
                println!("{name:<18} after {update:>4} updates: loss {:.3}, {right:.1} % right", last.loss);
            }
        }
    }
    Ok(())
}
