//! A whole training step of the named workloads on the CPU backend, and its parts.
//!
//! `cargo bench --bench step` ; threads: `RAYON_NUM_THREADS`.

use criterion::{Criterion, criterion_group, criterion_main};
use spikegrad::cpu::Cpu;
use spikegrad::engine::{Batch, Budget, Core, Gradient, Optimiser, Parameters, Tensor};
use spikegrad::kernels::{Penalty, Rule};
use spikegrad::network::{Layer, Network, NeuronKind, Preset, Surrogate, SurrogateKind};
use spikegrad::spikes::{Random, Raster};
use std::time::Duration;

const ADAM: Rule = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0 };

/// W1: 700 → 256 recurrent current-based LIF → 20 leaky readout, T = 100, B = 256, 1.5 % input, about 5 % hidden activity.
fn shd_recurrent(surrogate: Surrogate) -> (Core<Cpu<f32>>, Batch) {
    let (steps, batch, inputs, hidden, classes) = (100, 256, 700, 256, 20);
    let mut layer = Layer::new(Preset::Snntorch, NeuronKind::CubaLif, hidden, true);
    layer.neuron.tau_mem = (-1.0 / 0.9f64.ln()).into();
    layer.neuron.tau_syn = Some((-1.0 / 0.82f64.ln()).into());
    layer.surrogate = Some(surrogate);
    let mut readout = Layer::new(Preset::Snntorch, NeuronKind::Li, classes, false);
    readout.neuron.tau_mem = (-1.0 / 0.9f64.ln()).into();
    let network = Network::builder(inputs).layer(layer).layer(readout).build().expect("a valid network");
    let mut core = Core::new(network, Cpu::new(), Budget::default()).expect("it fits");
    // The peers' own start: normal weights whose summed drive has the same deviation.
    let mut random = Random::new(1, 0);
    let mut normal = |rows: usize, columns: usize, deviation: f64| Tensor {
        shape: vec![rows, columns],
        values: (0..rows * columns).map(|_| (random.normal() * deviation) as f32).collect::<Vec<f32>>(),
    };
    let mut parameters = Parameters::new();
    parameters.insert("layer0.weight".into(), normal(inputs, hidden, 0.105 / (700.0f64 * 0.015).sqrt()));
    parameters.insert("layer0.recurrent".into(), normal(hidden, hidden, 0.055 / (256.0f64 * 0.05).sqrt()));
    parameters.insert("layer1.weight".into(), normal(hidden, classes, 0.3 / (256.0f64 * 0.05).sqrt()));
    core.set_parameters(&parameters).expect("the shapes fit");
    let mut random = Random::new(2, 0);
    let mut input = Raster::new(steps, batch, inputs);
    for t in 0..steps {
        for b in 0..batch {
            for n in 0..inputs {
                if random.uniform() < 0.015 {
                    input.set(t, b, n);
                }
            }
        }
    }
    let labels = (0..batch).map(|_| random.below(classes) as u32).collect();
    (core, Batch::spikes(input).with_labels(labels))
}

fn step(c: &mut Criterion) {
    let surrogates = [
        ("fast_sigmoid", Surrogate::new(SurrogateKind::FastSigmoid, 25.0)),
        ("triangle", Surrogate::new(SurrogateKind::Triangle, 25.0)),
    ];
    for (name, surrogate) in surrogates {
        let (mut core, batch) = shd_recurrent(surrogate);
        let optimiser = Optimiser { rule: ADAM, rate: 1e-9, max_norm: None, penalty: Penalty::default() };
        core.train(&batch, &optimiser).expect("a step");
        let metrics = core.metrics().expect("numbers");
        let density = metrics[0].spikes[0] / (100.0 * 256.0 * 256.0);
        println!("W1 {name}: hidden activity {:.1} %, loss {:.3}", 100.0 * density, metrics[0].loss);
        let mut group = c.benchmark_group(format!("W1 shd-rec, {name}"));
        group.sample_size(20).measurement_time(Duration::from_secs(5));
        group.bench_function("forward", |b| b.iter(|| core.forward(&batch).map(|_| ())));
        group.bench_function("backward", |b| b.iter(|| core.backward(&Gradient::loss())));
        group.bench_function("update", |b| b.iter(|| core.step(&optimiser)));
        group.bench_function("step", |b| b.iter(|| core.train(&batch, &optimiser)));
        group.finish();
    }
}

criterion_group!(benches, step);
criterion_main!(benches);
