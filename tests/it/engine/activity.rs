//! What a network's activity comes to: spikes, dead and saturated units, operations.

use super::{adam, cpu, labels, noise};
use spikegrad::engine::{Batch, Gradient, Optimiser};
use spikegrad::kernels::{Penalty, Rule};
use spikegrad::network::{Connection, Init, Network, Regulariser, Reset};
use spikegrad::spikes::Trace;

fn network() -> Network {
    let wide = Init::Uniform { gain: 6.0 };
    let builder = Network::builder(20).recurrent(40, |layer| layer.init = wide);
    builder.hidden(30, |layer| layer.init = wide).readout(4).build().unwrap()
}

#[test]
fn operations_are_spikes_times_the_weights_they_go_through() {
    let mut core = cpu(network());
    let input = noise(25, 6, 20, 0.3, 1);
    let plain = Batch::spikes(input.clone()).with_labels(labels(6, 4));
    let lengths = vec![25, 3, 10, 25, 1, 17];
    for (batch, lengths) in [(plain.clone(), vec![25; 6]), (plain.with_lengths(lengths.clone()), lengths)] {
        let mut outputs = core.forward(&batch).unwrap();
        let (first, second) = (outputs.spikes(0).unwrap(), outputs.spikes(1).unwrap());
        let count = |raster: &spikegrad::spikes::Raster, units: usize| -> f64 {
            let seen = (0..6).flat_map(|b| (0..lengths[b] as usize).map(move |t| (t, b)));
            seen.map(|(t, b)| (0..units).filter(|&n| raster.get(t, b, n)).count()).sum::<usize>() as f64
        };
        let metrics = core.metrics().unwrap().remove(0);
        assert_eq!(metrics.spikes, [count(&first, 40), count(&second, 30)]);
        let expected = count(&input, 20) * 40.0 + count(&first, 40) * (40.0 + 30.0) + count(&second, 30) * 4.0;
        assert_eq!((metrics.synaptic_operations, metrics.multiply_adds), (expected, 0.0));
        assert_eq!(metrics.steps, f64::from(lengths.iter().sum::<u32>()));
    }
}

#[test]
fn analogue_input_is_multiplied() {
    for (connection, of_step) in [(Connection::Dense, 3.0 * 6.0), (Connection::Current, 6.0)] {
        let network = Network::builder(3).hidden(6, |layer| layer.connection = connection).readout(2).build().unwrap();
        let mut core = cpu(network);
        core.forward(&Batch::values(Trace::new(5, 2, 3, vec![0.5; 30]).unwrap())).unwrap();
        let metrics = core.metrics().unwrap().remove(0);
        assert_eq!(metrics.multiply_adds, 5.0 * 2.0 * of_step, "{connection:?}");
        assert_eq!(metrics.synaptic_operations, metrics.spikes[0] * 2.0);
    }
}

#[test]
fn dead_and_saturated_units_are_counted_over_many_batches() {
    let mut network = network();
    // Units 0 to 9 never reach their threshold; 10 to 14 always are far above it, whatever comes in.
    network.layers[0].bias = true;
    network.layers[0].recurrent = false;
    network.layers[0].neuron.reset = Reset::SubtractBefore;
    let mut core = cpu(network);
    let mut parameters = core.parameters().unwrap();
    let bias = &mut parameters.get_mut("layer0.bias").unwrap().values;
    bias[..10].fill(-100.0);
    bias[10..15].fill(100.0);
    core.set_parameters(&parameters).unwrap();
    let (mut spikes, mut steps) = (0.0, 0.0);
    for seed in 0..3 {
        core.infer(&Batch::spikes(noise(25, 4, 20, 0.3, seed))).unwrap();
        let metrics = core.metrics().unwrap().remove(0);
        assert!(metrics.silent[0] >= 10 && metrics.saturated[0] >= 5, "{metrics:?}");
        spikes += metrics.spikes[0];
        steps += metrics.steps;
    }
    let layers = core.activity().unwrap();
    assert_eq!((layers.len(), layers[0].layer, layers[1].layer), (2, 0, 1));
    let layer = &layers[0];
    assert_eq!((layer.spikes.iter().sum::<f64>(), layer.steps, steps), (spikes, 300.0, 300.0));
    assert!(layer.spikes[..10].iter().all(|&spikes| spikes == 0.0) && layer.silent() >= 0.25);
    assert!(layer.spikes[10..15].iter().all(|&spikes| spikes >= 0.9 * 300.0), "{:?}", layer.spikes);
    assert!(layer.above(0.5) >= 5.0 / 40.0);
    let again = core.activity().unwrap();
    assert!(again[0].spikes.iter().all(|&spikes| spikes == 0.0) && again[0].steps == 0.0, "read once");
}

#[test]
fn a_target_count_is_reached_by_every_unit() {
    let busy = |regularise: Vec<Regulariser>| {
        let mut network = network();
        network.layers[0].regularise = regularise;
        let mut core = cpu(network);
        core.initialise(2).unwrap();
        let batch = Batch::spikes(noise(30, 8, 20, 0.3, 3));
        for _ in 0..300 {
            core.forward(&batch).unwrap();
            core.backward(&Gradient::none()).unwrap();
            core.step(&adam(0.01)).unwrap();
        }
        core.activity().unwrap();
        core.infer(&batch).unwrap();
        core.activity().unwrap()[0].spikes.iter().map(|spikes| spikes / 8.0).collect::<Vec<f64>>()
    };
    let free = busy(vec![]);
    let distance = |counts: &[f64]| counts.iter().map(|count| (count - 4.0).abs()).sum::<f64>() / 40.0;
    let drawn = busy(vec![Regulariser::L2Target { strength: 1.0, target: 4.0 }]);
    assert!(distance(&drawn) < 0.5 * distance(&free), "{drawn:?} against {free:?}");
    let above = |counts: &[f64]| counts.iter().map(|count| (count - 3.0).max(0.0)).sum::<f64>() / 40.0;
    let bounded = busy(vec![Regulariser::UpperNeuron { strength: 1.0, target: 3.0, exponent: 2 }]);
    assert!(above(&bounded) < 0.3 * above(&free), "{bounded:?} against {free:?}");
}

#[test]
fn weight_decay_shrinks_weights_and_leaves_the_neurons_alone() {
    let mut network = network();
    network.layers[0].bias = true;
    network.layers[0].neuron.tau_mem.learned = true;
    let mut core = cpu(network);
    core.initialise(2).unwrap();
    let before = core.parameters().unwrap();
    core.forward(&Batch::spikes(spikegrad::spikes::Raster::new(5, 2, 20))).unwrap();
    // Nothing spikes, so that the penalty is all there is.
    core.backward(&Gradient::none()).unwrap();
    let rule = Rule::Sgd { momentum: 0.0 };
    core.step(&Optimiser { rule, rate: 0.1, max_norm: None, penalty: Penalty { l2: 0.5, l1: 0.01 } }).unwrap();
    for (name, tensor) in core.parameters().unwrap() {
        for (after, before) in tensor.values.iter().zip(&before[&name].values) {
            let decays = name.ends_with("weight") || name.ends_with("recurrent");
            let expected = if decays { before - 0.1 * (0.5 * before + 0.01 * before.signum()) } else { *before };
            assert!((after - expected).abs() <= 1e-6, "{name}: {after}, not {expected}");
        }
    }
}
