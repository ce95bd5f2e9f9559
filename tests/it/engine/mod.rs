//! Facts about whole networks in training.

mod activity;
mod devices;
mod kicks;
pub mod memory;
mod readout;
mod robust;
mod stream;
mod training;

use spikegrad::cpu::Cpu;
use spikegrad::engine::{Batch, Budget, Core, Optimiser};
use spikegrad::kernels::{Penalty, Rule};
use spikegrad::network::{Init, Network};
use spikegrad::spikes::{Random, Raster};

/// Spikes with probability `rate`.
pub fn noise(steps: usize, batch: usize, units: usize, rate: f64, seed: u64) -> Raster {
    let mut random = Random::new(seed, 99);
    let mut raster = Raster::new(steps, batch, units);
    for t in 0..steps {
        for b in 0..batch {
            for n in 0..units {
                if random.uniform() < rate {
                    raster.set(t, b, n);
                }
            }
        }
    }
    raster
}

/// Labels that go round the classes.
pub fn labels(batch: usize, classes: usize) -> Vec<u32> {
    (0..batch).map(|b| (b % classes) as u32).collect()
}

pub fn adam(rate: f64) -> Optimiser {
    let rule = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0 };
    Optimiser { rule, rate, max_norm: None, penalty: Penalty::default() }
}

pub fn cpu(network: Network) -> Core<Cpu<f32>> {
    Core::new(network, Cpu::new(), Budget::default()).unwrap()
}

/// A recurrent network that is quick to run.
pub fn small() -> Network {
    let wide = Init::Uniform { gain: 6.0 };
    Network::builder(20)
        .recurrent(40, |layer| {
            layer.bias = true;
            layer.init = wide;
        })
        .hidden(33, |layer| layer.init = wide)
        .readout(4)
        .build()
        .unwrap()
}

pub fn small_batch(seed: u64) -> Batch {
    Batch::spikes(noise(30, 7, 20, 0.3, seed)).with_labels(labels(7, 4))
}
