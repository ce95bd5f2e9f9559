//! What training must be able to do, and what must not go wrong in it.

use super::{adam, cpu, labels, noise, small, small_batch};
use spikegrad::engine::{Batch, Gradient, Optimiser, Parameters, Tensor};
use spikegrad::kernels::{Penalty, Rule};
use spikegrad::network::{Init, Network, Parameter, Reduce, Regulariser};
use spikegrad::spikes::Raster;

#[test]
fn every_optimiser_lowers_the_loss() {
    let rules = [
        (Rule::Sgd { momentum: 0.9 }, 0.05),
        (Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0 }, 5e-3),
        (Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.01 }, 5e-3),
        (Rule::Adamax { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }, 5e-3),
        (Rule::Smorms3 { epsilon: 1e-16 }, 5e-3),
    ];
    for (rule, rate) in rules {
        let mut core = cpu(small());
        core.initialise(3).unwrap();
        for _ in 0..60 {
            core.train(&small_batch(1), &Optimiser { rule, rate, max_norm: Some(5.0), penalty: Penalty::default() })
                .unwrap();
        }
        let metrics = core.metrics().unwrap();
        let (first, last) = (metrics[0].loss, metrics[59].loss);
        assert!(last < 0.6 * first, "{rule:?}: {first} to {last}");
    }
}

#[test]
fn a_class_whose_readout_is_silent_still_gets_gradient() {
    // Every weight of class 2 is negative, so its trace never rises above 0. The input is over early, as a spoken word is.
    let network = Network::builder(20).hidden(30, |_| {}).readout(3).build().unwrap();
    let mut core = cpu(network);
    let mut parameters = core.parameters().unwrap();
    let weights = parameters.get_mut("layer1.weight").unwrap();
    for row in weights.values.chunks_exact_mut(3) {
        row[2] = -row[2].abs() - 0.05;
    }
    let hidden = parameters.get_mut("layer0.weight").unwrap();
    hidden.values.iter_mut().for_each(|weight| *weight = weight.abs() * 3.0);
    core.set_parameters(&parameters).unwrap();
    let early = noise(10, 6, 20, 0.4, 2);
    let mut words = early.words().to_vec();
    words.resize(words.len() * 20, 0);
    let batch = Batch::spikes(Raster::from_words(200, 6, 20, words).unwrap()).with_labels(vec![2; 6]);
    let spikes = core.forward(&batch).unwrap().spikes(0).unwrap().count();
    assert!(spikes > 0, "the hidden layer must spike for this to mean anything");
    core.backward(&Gradient::loss()).unwrap();
    let gradient = &core.gradients().unwrap()["layer1.weight"].values;
    let of_class: f32 = gradient.chunks_exact(3).map(|row| row[2].abs()).sum();
    assert!(of_class > 0.0, "the silent class gets no gradient");

    // With the start at 0 the maximum stands at the first steps, before any spike can matter.
    let mut dead = core.network().clone();
    dead.layers[1].neuron.initial_potential = 0.0;
    let mut core = cpu(dead);
    core.set_parameters(&parameters).unwrap();
    core.forward(&batch).unwrap();
    core.backward(&Gradient::loss()).unwrap();
    let gradient = &core.gradients().unwrap()["layer1.weight"].values;
    let of_class: f32 = gradient.chunks_exact(3).map(|row| row[2].abs()).sum();
    assert_eq!(of_class, 0.0, "a start at 0 kills the class: that is why the default is not 0");
}

#[test]
fn a_silent_layer_comes_back_to_life_with_the_lower_bound() {
    let network = |regularise: Vec<Regulariser>| {
        Network::builder(20)
            .hidden(30, |layer| {
                layer.init = Init::Constant { value: 0.01 };
                layer.regularise = regularise;
            })
            .readout(2)
            .build()
            .unwrap()
    };
    let spikes_after = |network: Network| {
        let mut core = cpu(network);
        core.initialise(1).unwrap();
        let batch = Batch::spikes(noise(50, 4, 20, 0.1, 3)).with_labels(labels(4, 2));
        let before = core.forward(&batch).unwrap().spikes(0).unwrap().count();
        assert_eq!(before, 0, "the layer must be silent at first");
        for _ in 0..200 {
            // No loss: the regulariser alone must do it.
            core.forward(&batch).unwrap();
            core.backward(&Gradient::none()).unwrap();
            core.step(&adam(0.01)).unwrap();
        }
        core.forward(&batch).unwrap().spikes(0).unwrap().count()
    };
    assert_eq!(spikes_after(network(vec![])), 0, "without it nothing wakes the layer");
    assert!(spikes_after(network(vec![Regulariser::Lower { strength: 100.0, target: 1.0 }])) > 100);
}

#[test]
fn the_upper_bound_quiets_a_layer() {
    let busy = |regularise: Vec<Regulariser>| {
        let mut core = cpu(Network::builder(20)
            .hidden(30, |layer| {
                layer.init = Init::Normal { gain: 1.0, mean: 0.6 };
                layer.regularise = regularise;
            })
            .readout(2)
            .build()
            .unwrap());
        let batch = Batch::spikes(noise(50, 4, 20, 0.3, 3)).with_labels(labels(4, 2));
        for _ in 0..100 {
            core.train(&batch, &adam(0.01)).unwrap();
        }
        core.forward(&batch).unwrap().spikes(0).unwrap().count()
    };
    let free = busy(vec![]);
    let bounded = busy(vec![Regulariser::Upper { strength: 1.0, target: 2.0, exponent: 2 }]);
    assert!(bounded * 2 < free, "{bounded} against {free}");
}

#[test]
fn a_gradient_of_ones_own_loss_equals_the_built_in_one() {
    for reduce in [Reduce::Max, Reduce::Sum, Reduce::Mean, Reduce::Last] {
        let mut network = small();
        network.readout.losses[0].reduce = reduce.into();
        let mut core = cpu(network);
        core.initialise(5).unwrap();
        let batch = small_batch(4);
        core.forward(&batch).unwrap();
        core.backward(&Gradient::loss()).unwrap();
        let built_in = core.gradients().unwrap();

        // Softmax cross-entropy written out on the activations.
        let activation = core.forward(&batch).unwrap().activation().unwrap();
        let mut gradient = Vec::new();
        for (row, label) in activation.chunks_exact(4).zip(labels(7, 4)) {
            let sum: f64 = row.iter().map(|&a| f64::from(a).exp()).sum();
            for (class, &a) in row.iter().enumerate() {
                let target = f64::from(u8::from(class == label as usize));
                gradient.push(((f64::from(a).exp() / sum - target) / 7.0) as f32);
            }
        }
        core.backward(&Gradient::activation(gradient)).unwrap();
        for (name, own) in core.gradients().unwrap() {
            let largest = built_in[&name].values.iter().fold(0.0f32, |a, b| a.max(b.abs()));
            for (a, b) in own.values.iter().zip(&built_in[&name].values) {
                assert!((a - b).abs() <= 1e-5 * largest, "{reduce:?} {name}: {a} {b}");
            }
        }
    }
}

#[test]
fn a_time_constant_never_leaves_its_range() {
    let network = Network::builder(10)
        .recurrent(20, |layer| {
            layer.neuron.tau_mem = Parameter::from(2.0).learned().per_neuron();
            layer.neuron.tau_syn = Some(Parameter::from(1.0).learned());
            layer.neuron.threshold = Some(Parameter::from(0.5).learned().per_neuron());
        })
        .readout(2)
        .build()
        .unwrap();
    let mut core = cpu(network);
    core.initialise(2).unwrap();
    let before = core.parameters().unwrap();
    let batch = Batch::spikes(noise(20, 4, 10, 0.4, 1)).with_labels(labels(4, 2));
    for _ in 0..50 {
        core.train(&batch, &adam(0.5)).unwrap();
    }
    let after = core.parameters().unwrap();
    for name in ["layer0.tau_mem", "layer0.tau_syn"] {
        assert_ne!(before[name], after[name], "{name} is learned");
        assert!(after[name].values.iter().all(|&tau| tau > 0.0 && tau.is_finite()), "{name}: {:?}", after[name].values);
    }
    assert_eq!(before["layer1.tau_mem"], after["layer1.tau_mem"], "what is not learned stays");
}

#[test]
fn a_step_that_is_not_finite_changes_nothing_and_is_named() {
    let mut core = cpu(small());
    core.initialise(1).unwrap();
    let mut parameters = core.parameters().unwrap();
    // Weights that overflow the readout: the loss is not a number.
    parameters.get_mut("layer2.weight").unwrap().values.fill(3e38);
    core.set_parameters(&parameters).unwrap();
    core.train(&small_batch(1), &adam(0.1)).unwrap();
    let metrics = core.metrics().unwrap();
    assert!(!metrics[0].finite);
    assert_eq!(core.parameters().unwrap(), parameters);
    let reason = core.diagnose().unwrap();
    assert!(reason.contains("layer 2"), "{reason}");
}

#[test]
fn the_same_seed_gives_the_same_bits_at_any_thread_count() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut core = cpu(small());
            core.initialise(11).unwrap();
            for step in 0..10 {
                core.train(&small_batch(step), &adam(0.01)).unwrap();
            }
            core.parameters().unwrap()
        })
    };
    let one = run(1);
    assert_eq!(one, run(1));
    assert_eq!(one, run(2));
    assert_eq!(one, run(5));
}

#[test]
fn bad_batches_are_refused_in_words() {
    let mut core = cpu(small());
    let refuse = |core: &mut super::Core<super::Cpu<f32>>, batch: Batch, word: &str| {
        let error = core.forward(&batch).err().expect("an error").to_string();
        assert!(error.contains(word), "{error}");
        assert_eq!(error.lines().count(), 1);
    };
    refuse(&mut core, Batch::spikes(Raster::new(5, 2, 21)), "21 channels");
    refuse(&mut core, Batch::spikes(Raster::new(0, 2, 20)), "holds nothing");
    refuse(&mut core, Batch::spikes(Raster::new(5, 2, 20)).with_labels(vec![0]), "1 labels for 2 samples");
    refuse(&mut core, Batch::spikes(Raster::new(5, 2, 20)).with_labels(vec![0, 4]), "label of sample 1 is 4");
    let mut values = vec![0.0; 5 * 2 * 20];
    values[3] = f32::NAN;
    let trace = spikegrad::spikes::Trace::new(5, 2, 20, values).unwrap();
    refuse(&mut core, Batch::values(trace), "NaN at step 0, sample 0, channel 3");

    let wrong = |name: &str, shape: Vec<usize>, value: f32| {
        let len = shape.iter().product();
        Parameters::from([(name.to_string(), Tensor::new(shape, vec![value; len]).unwrap())])
    };
    for (parameters, word) in [
        (wrong("layer9.weight", vec![1], 0.0), "unknown parameter"),
        (wrong("layer0.weight", vec![40, 20], 0.0), "shape"),
        (wrong("layer0.weight", vec![20, 40], f32::NAN), "finite"),
        (wrong("layer0.tau_mem", vec![1], -1.0), "above 0"),
    ] {
        let error = core.set_parameters(&parameters).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}
