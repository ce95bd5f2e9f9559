//! Neurons that are no membranes: over all steps at once (`psn`, `sliding_psn`), and LSTM cells (`slstm`).

use spikegrad::audit::{Cell, Options, Outcome, audit, matrix};
use spikegrad::cpu::Cpu;
use spikegrad::engine::{Batch, Budget, Core, Gradient, Group, Optimiser, Parameters, Tensor};
use spikegrad::kernels::{Kernels, Penalty, Rule};
use spikegrad::network::{Dale, Dropout, DropoutPer, Network, NeuronKind, Reset, SurrogateKind};
use spikegrad::spikes::{Random, Trace};

const STEPS: usize = 21;
const BATCH: usize = 11;

fn text(kind: &str, keys: &str) -> String {
    format!(
        "preset = \"snntorch\"\ninputs = 4\n[[layer]]\nunits = 35\nbias = true\nneuron = {{ kind = \"{kind}\"{keys} }}\n\
         [[layer]]\nunits = 6\nneuron = {{ kind = \"{kind}\"{keys} }}\n[[layer]]\nunits = 3\n"
    )
}

fn network(kind: &str) -> Network {
    let keys = match kind {
        "psn" => format!(", steps = {STEPS}"),
        "sliding_psn" => ", order = 6".into(),
        _ => ", threshold = 0.1, reset = \"subtract_after\"".into(),
    };
    Network::from_toml(&text(kind, &keys)).unwrap()
}

fn batch(steps: usize) -> Batch {
    let random = &mut Random::new(5, 1);
    let values = (0..steps * BATCH * 4).map(|_| 1.0 + 2.0 * random.normal() as f32).collect();
    Batch::values(Trace::new(steps, BATCH, 4, values).unwrap()).with_labels((0..BATCH as u32).map(|b| b % 3).collect())
}

fn core<K: Kernels<Real = f32>>(network: Network, kernels: K) -> Core<K> {
    let mut core = Core::new(network, kernels, Budget::default()).unwrap();
    core.initialise(3).unwrap();
    let mut parameters = core.parameters().unwrap();
    for tensor in parameters.iter_mut().filter(|(name, _)| name.ends_with("weight")).map(|(_, tensor)| tensor) {
        tensor.values.iter_mut().for_each(|value| *value *= 3.0);
    }
    core.set_parameters(&parameters).unwrap();
    core
}

/// What training leaves after a few steps.
fn trained<K: Kernels<Real = f32>>(core: &mut Core<K>) -> Parameters {
    let rule = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.01 };
    for _ in 0..3 {
        core.train(&batch(STEPS), &Optimiser { rule, rate: 1e-2, max_norm: Some(1.0), penalty: Penalty::default() })
            .unwrap();
    }
    core.parameters().unwrap()
}

#[test]
fn constraints_dropout_and_groups_hold_for_them() {
    for kind in NeuronKind::WHOLE.map(NeuronKind::name) {
        let mut network = network(kind);
        network.layers[0].dale = Some(Dale { excitatory: 0.5 });
        network.layers[1].density = Some(0.25);
        network.layers[0].dropout = Some(Dropout { rate: 0.4, per: DropoutPer::Sequence });
        let gates = network.layers[0].neuron.kind.gates();
        let mut core = core(network, Cpu::new());
        let group =
            |pattern: &str| Group { pattern: pattern.into(), rate_scale: None, weight_decay: None, frozen: Some(true) };
        let frozen = if gates > 1 { "layer0.bias" } else { "layer0.time_bias" };
        core.set_groups(&[group(frozen)]).unwrap();
        let start = core.parameters().unwrap();
        let after = trained(&mut core);
        assert_eq!(after[frozen], start[frozen], "{kind}");
        assert_ne!(after["layer0.weight"], start["layer0.weight"]);
        let columns = gates * 35;
        for (at, &weight) in after["layer0.weight"].values.iter().enumerate() {
            assert!(if at / columns < 2 { weight >= 0.0 } else { weight <= 0.0 }, "{kind}: entry {at} is {weight}");
        }
        let exist = after["layer1.weight"].values.iter().filter(|weight| **weight != 0.0).count();
        assert_eq!(exist, (0.25 * (35 * gates * 6) as f64).round() as usize, "{kind}");
    }
}

#[test]
fn inference_spikes_as_training_does() {
    fn check<K: Kernels<Real = f32>>(mut core: Core<K>, kind: &str) {
        for layer in [0, 1] {
            let kept = core.forward(&batch(STEPS)).unwrap().spikes(layer).unwrap();
            assert!(kept.to_bytes().contains(&1), "{kind}: layer {layer} is silent");
            assert_eq!(core.infer(&batch(STEPS)).unwrap().spikes(layer).unwrap(), kept, "{kind}");
        }
    }
    for kind in NeuronKind::WHOLE.map(NeuronKind::name) {
        check(core(network(kind), Cpu::new()), kind);
        #[cfg(feature = "gpu")]
        if let Some(gpu) = crate::kernels::gpu() {
            check(core(network(kind), gpu), kind);
        }
    }
}

#[test]
fn every_tensor_learns_and_the_bits_do_not_depend_on_the_threads() {
    for kind in NeuronKind::WHOLE.map(NeuronKind::name) {
        let in_pool = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| trained(&mut core(network(kind), Cpu::new())))
        };
        let (one, three) = (in_pool(1), in_pool(3));
        assert_eq!(one, three, "{kind}");
        let start = core(network(kind), Cpu::new()).parameters().unwrap();
        for (name, tensor) in &one {
            let learned = ["weight", "recurrent", "bias", "time", "time_bias"].iter().any(|part| name.ends_with(part));
            assert_eq!(tensor != &start[name], learned, "{kind}: {name}");
        }
    }
}

#[test]
fn an_optimiser_goes_on_from_its_stored_state() {
    for kind in NeuronKind::WHOLE.map(NeuronKind::name) {
        let rule = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0 };
        let optimiser = Optimiser { rule, rate: 1e-2, max_norm: None, penalty: Penalty::default() };
        let mut whole = core(network(kind), Cpu::<f32>::new());
        whole.train(&batch(STEPS), &optimiser).unwrap();
        let mut resumed = Core::new(network(kind), Cpu::<f32>::new(), Budget::default()).unwrap();
        resumed.set_parameters(&whole.parameters().unwrap()).unwrap();
        resumed.set_optimiser_state(rule, &whole.optimiser_state().unwrap()).unwrap();
        whole.train(&batch(STEPS), &optimiser).unwrap();
        resumed.train(&batch(STEPS), &optimiser).unwrap();
        assert_eq!(whole.parameters().unwrap(), resumed.parameters().unwrap(), "{kind}");
    }
}

#[test]
fn a_sliding_neuron_with_the_taps_of_a_whole_one_is_the_same() {
    let order = 6;
    let mut sliding = core(network("sliding_psn"), Cpu::<f32>::new());
    let mut whole = core(network("psn"), Cpu::<f32>::new());
    let mut parameters = sliding.parameters().unwrap();
    for layer in [0, 1] {
        let taps = parameters[&format!("layer{layer}.time")].values.clone();
        let mut values = vec![0.0; STEPS * STEPS];
        for t in 0..STEPS {
            for back in 0..order.min(t + 1) {
                values[t * STEPS + t - back] = taps[order - 1 - back];
            }
        }
        parameters.insert(format!("layer{layer}.time"), Tensor::new(vec![STEPS, STEPS], values).unwrap());
        parameters.insert(format!("layer{layer}.time_bias"), Tensor::new(vec![STEPS], vec![0.0; STEPS]).unwrap());
    }
    whole.set_parameters(&parameters).unwrap();
    let numbers = |core: &mut Core<Cpu<f32>>| {
        core.forward(&batch(STEPS)).unwrap();
        core.backward(&Gradient::loss()).unwrap();
        (core.outputs().unwrap().potential(2).unwrap(), core.gradients().unwrap())
    };
    let ((v, by_taps), (expected, by_matrix)) = (numbers(&mut sliding), numbers(&mut whole));
    assert_eq!(v, expected);
    assert_eq!(by_taps["layer0.weight"], by_matrix["layer0.weight"]);
    let matrix = &by_matrix["layer1.time"].values;
    for (tap, got) in by_taps["layer1.time"].values.iter().enumerate() {
        let back = order - 1 - tap;
        let sum: f32 = (back..STEPS).map(|t| matrix[t * STEPS + t - back]).sum();
        assert!((got - sum).abs() <= 1e-5 * sum.abs().max(1.0), "tap {tap}: {got} is not {sum}");
    }
}

#[test]
fn an_lstm_cell_streams_in_pieces_and_a_psn_does_not() {
    fn check<K: Kernels<Real = f32>>(mut core: Core<K>) {
        let whole = batch(STEPS);
        let potential = core.forward(&whole).unwrap().potential(2).unwrap().values;
        let spikes = core.outputs().unwrap().spikes(1).unwrap().to_bytes();
        core.reset_state();
        let spikegrad::engine::Input::Values(trace) = &whole.input else { panic!("made of values") };
        let (mut got, mut got_spikes) = (Vec::new(), Vec::new());
        let mut at = 0;
        for steps in [5, 5, 1, 10] {
            let piece = trace.values[at * BATCH * 4..(at + steps) * BATCH * 4].to_vec();
            let piece = Batch::values(Trace::new(steps, BATCH, 4, piece).unwrap());
            let mut outputs = core.stream(&piece).unwrap();
            got.extend(outputs.potential(2).unwrap().values);
            got_spikes.extend(outputs.spikes(1).unwrap().to_bytes());
            at += steps;
        }
        assert_eq!(got_spikes, spikes);
        let largest = potential.iter().fold(0.0f32, |largest, v| largest.max(v.abs()));
        assert!(got.iter().zip(&potential).all(|(a, b)| (a - b).abs() <= 1e-5 * largest));
    }
    check(core(network("slstm"), Cpu::new()));
    #[cfg(feature = "gpu")]
    if let Some(gpu) = crate::kernels::gpu() {
        check(core(network("slstm"), gpu));
    }
    for kind in ["psn", "sliding_psn"] {
        let error = core(network(kind), Cpu::new()).stream(&batch(STEPS)).err().unwrap().to_string();
        assert!(error.contains("layer[0]") && error.contains("cannot be streamed"), "{error}");
    }
}

#[test]
fn a_psn_takes_its_own_number_of_steps_only() {
    let error = core(network("psn"), Cpu::new()).forward(&batch(STEPS + 1)).err().unwrap().to_string();
    assert!(error.contains("layer[0] is a psn of steps = 21: the batch has 22 steps"), "{error}");
    let mut sliding = core(network("sliding_psn"), Cpu::new());
    for steps in [1, 3, STEPS + 1] {
        sliding
            .train(
                &batch(steps),
                &Optimiser {
                    rule: Rule::Sgd { momentum: 0.0 },
                    rate: 0.1,
                    max_norm: None,
                    penalty: Penalty::default(),
                },
            )
            .unwrap();
        assert!(sliding.metrics().unwrap()[0].finite);
    }
}

#[test]
fn an_lstm_cell_is_finite_for_any_drive() {
    fn check<K: Kernels<Real = f32>>(mut core: Core<K>) {
        for size in [1e3, 1e19, 1e38] {
            let values = (0..STEPS * BATCH * 4).map(|n| if n % 3 == 0 { size } else { -size }).collect();
            let batch = Batch::values(Trace::new(STEPS, BATCH, 4, values).unwrap()).with_labels(vec![0; BATCH]);
            let mut outputs = core.forward(&batch).unwrap();
            for layer in [0, 1] {
                let v = outputs.potential(layer).unwrap().values;
                assert!(v.iter().all(|v| v.is_finite() && v.abs() < 2.0), "potential of layer {layer} at {size:e}");
            }
            core.backward(&Gradient::loss()).unwrap();
            let gradients = core.gradients().unwrap();
            for name in ["layer0.recurrent", "layer0.bias", "layer1.weight"] {
                assert!(gradients[name].values.iter().all(|g| g.is_finite()), "{name} at {size:e}");
            }
        }
    }
    check(core(network("slstm"), Cpu::new()));
    #[cfg(feature = "gpu")]
    if let Some(gpu) = crate::kernels::gpu() {
        check(core(network("slstm"), gpu));
    }
}

#[test]
fn the_audit_measures_what_applies_and_says_why_the_rest_does_not() {
    let cells = matrix(&NeuronKind::WHOLE);
    for kind in NeuronKind::WHOLE {
        let of_kind = || cells.iter().filter(|cell| cell.neuron == kind);
        let measured = |cell: &&Cell| matches!(cell.outcome, Outcome::Measured { crossed: 0, .. });
        let resets: Vec<Reset> = Reset::ALL.into_iter().filter(|reset| kind.resets().contains(reset)).collect();
        for cell in of_kind() {
            let said = matches!(&cell.outcome, Outcome::Inapplicable(why) if why.contains(kind.name()));
            let applies = resets.contains(&cell.reset);
            assert!(cell.outcome.passes() && measured(&cell) == applies && said != applies, "{cell:?}");
        }
        assert_eq!(
            of_kind().filter(measured).count(),
            SurrogateKind::ALL.len() * (2 * resets.len() - 1),
            "{}",
            kind.name()
        );
    }
}

#[test]
fn a_network_with_a_psn_is_audited_at_its_own_number_of_steps() {
    let mut network = network("psn");
    network.layers.truncate(1);
    network.layers[0].units = 5;
    network.readout = spikegrad::network::Readout::of_spikes();
    let lines = audit(&network, Options { drawn: true, ..Options::default() }).unwrap();
    let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    assert_eq!(names, ["layer0.bias", "layer0.threshold", "layer0.time", "layer0.time_bias", "layer0.weight", "input"]);
    assert!(lines.iter().all(|line| line.error <= 1e-6 && line.largest > 0.0), "{lines:?}");
}

#[test]
fn the_adjoint_of_an_lstm_cell_reaches_its_start_and_every_reset() {
    for (n, reset) in NeuronKind::Slstm.resets().iter().enumerate() {
        let mut network = network("slstm");
        network.layers.truncate(1);
        network.layers[0].units = 5;
        let neuron = &mut network.layers[0].neuron;
        (neuron.reset, neuron.detach_reset, neuron.emit_lag) = (*reset, false, n as u32 % 2);
        (neuron.initial_potential, neuron.initial_current) = (0.3, -0.8);
        network.readout = spikegrad::network::Readout::of_spikes();
        let lines = audit(&network, Options { drawn: true, seed: n as u64, ..Options::default() }).unwrap();
        assert_eq!(lines.len(), 5);
        assert!(lines.iter().all(|line| line.error <= 1e-6 && line.largest > 0.0), "{reset:?}: {lines:?}");
    }
}

#[test]
fn a_network_is_the_same_after_its_own_file() {
    for kind in NeuronKind::WHOLE.map(NeuronKind::name) {
        let network = network(kind);
        assert_eq!(Network::from_toml(&network.to_toml()).unwrap(), network);
        assert_eq!(network.layers[0].recurrent, kind == "slstm");
    }
}

#[test]
fn keys_that_do_not_fit_are_named() {
    let cases = [
        ("psn", "", "layer[0].neuron.steps", "needs it"),
        ("psn", ", steps = 0", "layer[0].neuron.steps", "must be 1 to"),
        ("psn", ", steps = 9, order = 2", "layer[0].neuron.order", "only a sliding_psn has it"),
        ("psn", ", steps = 9, tau_mem = 10.0", "layer[0].neuron.tau_mem", "has none"),
        ("psn", ", steps = 9, tau_syn = 5.0", "layer[0].neuron.tau_syn", "no synapse"),
        ("psn", ", steps = 9, reset = \"zero_before\"", "layer[0].neuron.reset", "has no reset"),
        ("psn", ", steps = 9, lag = 1", "layer[0].neuron.lag", "has none"),
        ("psn", ", steps = 9, initial_potential = 0.5", "layer[0].neuron.initial_potential", "has none"),
        ("sliding_psn", ", order = 0", "layer[0].neuron.order", "must be 1 to"),
        ("sliding_psn", ", steps = 9", "layer[0].neuron.steps", "only a psn has it"),
        ("slstm", ", reset = \"zero_before\"", "layer[0].neuron.reset", "none, subtract_after, zero_after"),
        ("slstm", ", recurrent_lag = 2", "layer[0].neuron.recurrent_lag", "has none"),
        ("slstm", ", tau_syn = 5.0", "layer[0].neuron.tau_syn", "no synapse"),
        ("lif", ", steps = 9", "layer[0].neuron.steps", "only a psn has it"),
    ];
    for (kind, keys, place, message) in cases {
        let error = Network::from_toml(&text(kind, keys)).unwrap_err().to_string();
        assert!(error.contains(place) && error.contains(message), "{kind}{keys}: {error}");
    }
    let recurrent = |text: String, value: bool| text.replacen("bias = true", &format!("recurrent = {value}"), 1);
    let error = Network::from_toml(&recurrent(text("psn", ", steps = 9"), true)).unwrap_err().to_string();
    assert!(error.contains("layer[0].recurrent") && error.contains("cannot be recurrent"), "{error}");
    let error = Network::from_toml(&recurrent(text("slstm", ""), false)).unwrap_err().to_string();
    assert!(error.contains("layer[0].recurrent") && error.contains("always recurrent"), "{error}");
    let two = text("psn", ", steps = 9");
    let at = two.rfind("steps = 9").unwrap();
    let error = Network::from_toml(&(two[..at].to_string() + "steps = 8" + &two[at + 9..])).unwrap_err().to_string();
    assert!(error.contains("layer[1].neuron.steps") && error.contains("is 8, but 9"), "{error}");
    let normalised = text("slstm", "").replacen("bias = true", "normalise = {}", 1);
    let error = Network::from_toml(&normalised).unwrap_err().to_string();
    assert!(error.contains("layer[0].normalise") && error.contains("gates"), "{error}");
    let current = text("slstm", "").replacen("bias = true", "connection = \"current\"", 1);
    let error = Network::from_toml(&current).unwrap_err().to_string();
    assert!(error.contains("layer[0].connection"), "{error}");
}
