//! A whole training step on a GPU against the CPU.
#![cfg(feature = "gpu")]

use super::{adam, cpu, labels, noise, small, small_batch};
use spikegrad::engine::{Batch, Budget, Core, Gradient};
use spikegrad::gpu::Gpu;
use spikegrad::kernels::Form;
use spikegrad::network::{Network, Parameter, Regulariser};

/// The network of the test with everything learned and regularised.
fn rich() -> Network {
    Network::builder(20)
        .recurrent(40, |layer| {
            layer.bias = true;
            layer.neuron.tau_mem = Parameter::from(10.0).learned().per_neuron();
            layer.neuron.tau_syn = Some(Parameter::from(5.0).learned());
            layer.neuron.threshold = Some(Parameter::from(1.0).learned().per_neuron());
            layer.init = spikegrad::network::Init::Uniform { gain: 6.0 };
            layer.regularise = vec![
                Regulariser::Lower { strength: 1.0, target: 1.0 },
                Regulariser::Upper { strength: 0.1, target: 1.0, exponent: 2 },
                Regulariser::L1 { strength: 1e-3 },
                Regulariser::L2 { strength: 1e-4 },
            ];
        })
        .hidden(33, |layer| layer.init = spikegrad::network::Init::Uniform { gain: 6.0 })
        .readout(4)
        .build()
        .unwrap()
}

#[test]
fn a_whole_step_equals_the_cpu() {
    let Some(gpu) = Gpu::for_tests() else {
        println!("skipped: no adapter, not even a software one");
        return;
    };
    let batch = Batch::spikes(noise(25, 5, 20, 0.3, 6)).with_labels(labels(5, 4));
    let mut host = cpu(rich());
    let mut device = Core::new(rich(), gpu, Budget::default()).unwrap();
    for form in [None, Some(Form::Resident { tile: 2, quantum: 7 }), Some(Form::Stepwise)] {
        device.force_form(form);
        host.initialise(21).unwrap();
        device.initialise(21).unwrap();
        let theirs = host.forward(&batch).unwrap().spikes(0).unwrap();
        let ours = device.forward(&batch).unwrap().spikes(0).unwrap();
        assert!(theirs.count() > 50, "{} spikes", theirs.count());
        assert_eq!(ours, theirs, "spikes differ: redraw, one potential stands at its threshold");
        host.backward(&Gradient::loss()).unwrap();
        device.backward(&Gradient::loss()).unwrap();
        let expected = host.gradients().unwrap();
        for (name, tensor) in device.gradients().unwrap() {
            let largest = expected[&name].values.iter().fold(1e-12f32, |a, b| a.max(b.abs()));
            for (a, b) in tensor.values.iter().zip(&expected[&name].values) {
                assert!((a - b).abs() <= 1e-4 * largest, "{form:?} {name}: {a} {b}");
            }
        }
        host.step(&adam(0.01)).unwrap();
        device.step(&adam(0.01)).unwrap();
        let expected = host.parameters().unwrap();
        for (name, tensor) in device.parameters().unwrap() {
            for (a, b) in tensor.values.iter().zip(&expected[&name].values) {
                // Adam's first step is lr · sign(g): where g is nearly 0 its sign is noise.
                assert!((a - b).abs() <= 0.021 * b.abs().max(1.0), "{form:?} {name}: {a} {b}");
            }
        }
        let (a, b) = (device.metrics().unwrap()[0].clone(), host.metrics().unwrap()[0].clone());
        assert!((a.loss - b.loss).abs() < 1e-5 * b.loss, "{} {}", a.loss, b.loss);
        assert!((a.regulariser - b.regulariser).abs() < 1e-4 * b.regulariser);
        assert_eq!((a.correct, a.spikes), (b.correct, b.spikes));
    }
}

#[test]
fn training_on_the_device_is_repeatable_and_learns() {
    let Some(mut gpu) = Gpu::for_tests() else {
        println!("skipped: no adapter, not even a software one");
        return;
    };
    let mut runs = Vec::new();
    for _ in 0..2 {
        let mut core = Core::new(small(), gpu, Budget::default()).unwrap();
        core.initialise(3).unwrap();
        for _ in 0..20 {
            core.train(&small_batch(1), &adam(0.01)).unwrap();
        }
        let metrics = core.metrics().unwrap();
        assert!(metrics[19].loss < 0.9 * metrics[0].loss, "{} to {}", metrics[0].loss, metrics[19].loss);
        runs.push(core.parameters().unwrap());
        gpu = core.into_kernels();
    }
    assert_eq!(runs[0], runs[1], "the same seed on the same device gives the same bits");
}

#[test]
fn a_stream_on_the_device_equals_the_whole() {
    let Some(gpu) = Gpu::for_tests() else {
        println!("skipped: no adapter, not even a software one");
        return;
    };
    let mut core = Core::new(small(), gpu, Budget::default()).unwrap();
    core.initialise(3).unwrap();
    let whole = noise(6, 2, 20, 0.5, 1);
    let trace = core.forward(&Batch::spikes(whole.clone())).unwrap().potential(2).unwrap();
    core.reset_state();
    let row = whole.words().len() / 6;
    for t in 0..6 {
        let words = whole.words()[t * row..(t + 1) * row].to_vec();
        let step = spikegrad::spikes::Raster::from_words(1, 2, 20, words).unwrap();
        let now = core.stream(&Batch::spikes(step)).unwrap().potential(2).unwrap();
        for b in 0..2 {
            for k in 0..4 {
                let (a, b) = (now.get(0, b, k), trace.get(t, b, k));
                assert!((a - b).abs() <= 1e-6 * b.abs().max(1e-3), "step {t}: {a} {b}");
            }
        }
    }
}
