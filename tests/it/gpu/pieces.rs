//! Weights that are too long for one array of the device: a training step with them in several arrays is one with them in
//! one, on a device that takes arrays that long.

use crate::engine::{labels, noise};
use spikegrad::Error;
use spikegrad::engine::{Batch, Budget, Core, Gradient, Optimiser, OptimiserState, Parameters};
use spikegrad::gpu::{Choice, Gpu, Options, When, adapters};
use spikegrad::kernels::{Form, Kernels, Memory, Penalty, Rule};
use spikegrad::network::Network;
use spikegrad::spikes::{Random, Trace};

fn open(largest_array: Option<u64>) -> Option<Gpu> {
    open_with(largest_array, When::Never)
}

fn open_with(largest_array: Option<u64>, half_forward: When) -> Option<Gpu> {
    if adapters().is_empty() {
        eprintln!("no GPU adapter here: skipped");
        return None;
    }
    let options = Options { checked: true, fuse: 0, largest_array, half_forward, ..Options::default() };
    Some(Gpu::new(&Choice { adapter: Some(0), options }).unwrap())
}

/// Recurrent and feed-forward weights of 280 rows, a snippet, weights that are constrained, scaled for dropout, and prepared.
const LAYERS: &str = r#"
    inputs = 300
    [[layer]]
    units = 280
    recurrent = true
    bias = true
    CONSTRAINTS
    init = { kind = "uniform", gain = 4.0 }
    neuron = { kind = "cuba_lif", tau_mem = { value = 10.0, learned = true }, recurrent_lag = LAG }
    dropout = { rate = 0.2 }
    [[layer]]
    units = 270
    recurrent = true
    init = { kind = "uniform", gain = 40.0 }
    neuron = { kind = "alif", tau_adaptation = { value = 30.0, learned = true } }
    [[layer]]
    units = 260
    init = { kind = "uniform", gain = 40.0 }
    neuron = { kind = "multi_spike", max_spikes = 3 }
    [[layer]]
    units = 270
    init = { kind = "uniform", gain = 40.0 }
    neuron = { kind = "lif" }
    [[layer]]
    units = 4
"#;

fn layers(lag: usize) -> Network {
    let constraints = "density = 0.7\n    recurrent_density = 0.6\n    dale = { excitatory = 0.8 }";
    let text = LAYERS.replace("LAG", &lag.to_string()).replace("CONSTRAINTS", constraints);
    network(&text)
}

fn network(text: &str) -> Network {
    Network::from_toml(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What two steps make, and what stands on the device after them.
#[derive(Debug, PartialEq)]
struct Made {
    loss: f64,
    activation: Vec<f32>,
    counts: Vec<Vec<f32>>,
    gradients: Parameters,
    input_gradient: Trace,
    parameters: Parameters,
    optimiser: OptimiserState,
}

fn run(kernels: &mut Option<Gpu>, network: &Network, batch: &Batch, rule: Rule) -> Made {
    let mut core = Core::new(network.clone(), kernels.take().unwrap(), Budget::Unbounded).unwrap();
    core.force_form(Some(Form::Stepwise));
    core.initialise(3).unwrap();
    let penalty = Penalty { l2: 1e-3, l1: 1e-4 };
    let optimiser = Optimiser { rule, rate: 0.01, max_norm: Some(1e-3), penalty };
    core.train(batch, &optimiser).unwrap();
    // Out and in again.
    let (parameters, state) = (core.parameters().unwrap(), core.optimiser_state().unwrap());
    core.initialise(3).unwrap();
    core.set_parameters(&parameters).unwrap();
    core.set_optimiser_state(rule, &state).unwrap();
    assert!(core.parameters().unwrap() == parameters && core.optimiser_state().unwrap() == state);
    core.forward(batch).unwrap();
    let mut outputs = core.outputs().unwrap();
    let (loss, activation) = (outputs.loss().unwrap(), outputs.activation().unwrap());
    let counts = (0..network.layers.len()).filter_map(|layer| outputs.counts(layer).ok()).collect();
    core.backward(&Gradient::loss()).unwrap();
    let (gradients, input_gradient) = (core.gradients().unwrap(), core.input_gradient().unwrap());
    core.step(&optimiser).unwrap();
    let (parameters, state) = (core.parameters().unwrap(), core.optimiser_state().unwrap());
    *kernels = Some(core.into_kernels());
    Made { loss, activation, counts, gradients, input_gradient, parameters, optimiser: state }
}

/// What differs first, by how much of its norm.
fn same(name: &str, made: &Made, expected: &Made, tolerance: f64) {
    assert!(made.activation == expected.activation && made.counts == expected.counts, "{name}: the forward pass");
    assert!((made.loss - expected.loss).abs() <= tolerance * expected.loss.abs(), "{name}: the loss");
    for (what, ours, theirs) in [
        ("gradient", &made.gradients, &expected.gradients),
        ("value", &made.parameters, &expected.parameters),
        ("state", &made.optimiser.tensors, &expected.optimiser.tensors),
    ] {
        for (tensor, theirs) in theirs {
            near(&format!("{name}: {what} of {tensor}"), &ours[tensor].values, &theirs.values, tolerance);
        }
    }
    near(&format!("{name}: input"), &made.input_gradient.values, &expected.input_gradient.values, tolerance);
}

fn near(what: &str, ours: &[f32], theirs: &[f32], tolerance: f64) {
    let pairs = || ours.iter().zip(theirs).map(|(&x, &y)| (f64::from(x), f64::from(y)));
    let (difference, norm) = pairs().fold((0.0, 0.0), |(d, n), (x, y)| (d + (x - y) * (x - y), n + y * y));
    let error = (difference / f64::max(norm, 1e-30)).sqrt();
    assert!(ours.len() == theirs.len() && error <= tolerance, "{what}: {error:e}");
}

fn spikes(samples: usize, inputs: usize) -> Batch {
    Batch::spikes(noise(12, samples, inputs, 0.2, 5)).with_labels(labels(samples, 4))
}

const ADAM: Rule = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.01 };

#[test]
fn weights_in_several_arrays_train_to_the_same_bits() {
    // 256 rows of 288 in an array, and partial sums of 32 rows at a time.
    let (Some(free), Some(bounded)) = (open(None), open(Some(256 * 288 * 4))) else { return };
    let (mut free, mut bounded) = (Some(free), Some(bounded));
    let rules = [
        ADAM,
        Rule::Sgd { momentum: 0.9 },
        Rule::Adamax { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
        Rule::Smorms3 { epsilon: 1e-16 },
    ];
    for (index, rule) in rules.into_iter().enumerate() {
        let network = layers(1 + index % 2);
        let batch = spikes(4, 300);
        let expected = run(&mut free, &network, &batch, rule);
        let all: f32 = expected.counts.iter().take(4).map(|counts| counts.iter().sum::<f32>().min(1.0)).sum();
        assert_eq!(all, 4.0, "every layer spikes");
        assert!(
            expected.gradients.iter().all(|(name, g)| !name.contains("weight") || g.values.iter().any(|v| *v != 0.0))
        );
        same(&format!("{rule:?}"), &run(&mut bounded, &network, &batch, rule), &expected, 0.0);
    }
    // A dense product at the input.
    let mut random = Random::new(7, 0);
    let values = (0..5 * 4 * 300).map(|_| random.normal() as f32).collect();
    let batch = Batch::values(Trace::new(5, 4, 300, values).unwrap()).with_labels(labels(4, 4));
    let expected = run(&mut free, &layers(1), &batch, ADAM);
    same("values", &run(&mut bounded, &layers(1), &batch, ADAM), &expected, 0.0);
}

/// Copies of the weights as 16-bit floats are cut as the weights are.
#[test]
fn rounded_weights_in_several_arrays_train_to_the_same_bits() {
    let with = |largest| open_with(largest, When::Always);
    let (Some(free), Some(bounded)) = (with(None), with(Some(256 * 288 * 4))) else { return };
    let (network, batch) = (layers(1), spikes(4, 300));
    let expected = run(&mut Some(free), &network, &batch, ADAM);
    same("rounded", &run(&mut Some(bounded), &network, &batch, ADAM), &expected, 0.0);
    let exact = run(&mut open(None), &network, &batch, ADAM);
    assert!(exact.loss != expected.loss);
}

/// 288 rows of 128 in an array, and of the optimiser 128: its arrays end elsewhere than those of the weights.
#[test]
fn rows_of_an_optimiser_may_be_cut_elsewhere_than_the_weights() {
    let (Some(free), Some(bounded)) = (open(None), open(Some(288 * 128 * 4))) else { return };
    let text = r#"
        inputs = 300
        [[layer]]
        units = 120
        init = { kind = "uniform", gain = 4.0 }
        neuron = { kind = "lif" }
        [[layer]]
        units = 4
    "#;
    let (network, batch) = (network(text), spikes(4, 300));
    let expected = run(&mut Some(free), &network, &batch, ADAM);
    same("optimiser", &run(&mut Some(bounded), &network, &batch, ADAM), &expected, 0.0);
}

/// Several chunks of the batch, whose sums are put together; 384 rows of 544 in an array.
#[test]
fn sums_over_chunks_of_the_batch_are_in_several_arrays_too() {
    let (Some(free), Some(bounded)) = (open(None), open(Some(1_100_000 / 128 * 128))) else { return };
    let text = r#"
        inputs = 20
        [[layer]]
        units = 520
        recurrent = true
        init = { kind = "uniform", gain = 4.0 }
        neuron = { kind = "lif" }
        [[layer]]
        units = 4
    "#;
    let batch = Batch::spikes(noise(3, 33, 20, 0.3, 5)).with_labels(labels(33, 4));
    let expected = run(&mut Some(free), &network(text), &batch, ADAM);
    same("chunks", &run(&mut Some(bounded), &network(text), &batch, ADAM), &expected, 0.0);
}

/// Arrays so short that sums end at other places: many pieces, and other last bits.
#[test]
fn many_pieces_differ_in_the_last_digits_at_most() {
    let (Some(free), Some(bounded)) = (open(None), open(Some(88 << 10))) else { return };
    let (mut free, mut bounded) = (Some(free), Some(bounded));
    for (name, neuron) in [("lif", r#"neuron = { kind = "cuba_lif" }"#), ("slstm", r#"neuron = { kind = "slstm" }"#)] {
        let text = format!(
            r#"
            inputs = 210
            [[layer]]
            units = UNITS
            recurrent = true
            init = {{ kind = "uniform", gain = 4.0 }}
            {neuron}
            [[layer]]
            units = 4
            "#
        );
        // Gates are four rows of units.
        let network = network(&text.replace("UNITS", if name == "lif" { "200" } else { "110" }));
        let batch = Batch::spikes(noise(5, 4, 210, 0.2, 5)).with_labels(labels(4, 4));
        let rule = Rule::Sgd { momentum: 0.9 };
        let expected = run(&mut free, &network, &batch, rule);
        let made = run(&mut bounded, &network, &batch, rule);
        if name == "lif" {
            same(name, &made, &expected, 1e-6);
        } else {
            // The sums of its drive end at other places as well.
            for (tensor, theirs) in &expected.gradients {
                near(&format!("{name}: {tensor}"), &made.gradients[tensor].values, &theirs.values, 1e-5);
            }
        }
    }
}

#[test]
fn weights_in_pieces_are_read_and_written_anywhere() {
    let Some(mut gpu) = open(Some(20 << 10)) else { return };
    let (rows, row) = (100, 64);
    let mut weights = gpu.weights("weights", 2, rows, row).unwrap();
    assert_eq!(gpu.allocated(), (2 * rows * row * 4) as u64);
    let len = 2 * rows * row;
    let mut mirror: Vec<f32> = (0..len).map(|i| i as f32).collect();
    gpu.write(&mut weights, 0, &mirror);
    for (begin, end) in [(0, 1), (2000, 2100), (2040, 6410), (6399, 6401), (len - 1, len), (5, 5)] {
        assert_eq!(gpu.read(&weights, begin..end).unwrap(), mirror[begin..end]);
        let data: Vec<f32> = (begin..end).map(|i| -(i as f32)).collect();
        gpu.write(&mut weights, begin, &data);
        mirror[begin..end].copy_from_slice(&data);
        assert_eq!(gpu.read(&weights, 0..len).unwrap(), mirror);
        gpu.fill(&mut weights, begin..end, 0.5);
        mirror[begin..end].fill(0.5);
        assert_eq!(gpu.read(&weights, 0..len).unwrap(), mirror);
    }
}

#[test]
fn what_must_be_in_one_array_is_refused_above_its_limit() {
    let Some(mut gpu) = open(Some(4 << 10)) else { return };
    for made in [gpu.values("tape of layer 1", 2000).map(drop), gpu.weights("weights", 1, 100, 64).map(drop)] {
        let Err(error @ Error::Memory { .. }) = made else { panic!("{made:?}") };
        let text = error.to_string();
        assert!(text.contains("4096 bytes") && text.contains("use"), "{text}");
    }
}
