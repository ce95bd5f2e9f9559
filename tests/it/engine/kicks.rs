//! Gradients of weights from kicks are those from χ: the same sums in another order. A list of active neurons says what V says.

use super::{labels, noise};
use spikegrad::cpu::{Cpu, Forms};
use spikegrad::engine::{Batch, Budget, Core, Gradient, Parameters, TapeKind, Wish};
use spikegrad::kernels::When;
use spikegrad::network::Network;
use spikegrad::spikes::{Random, Trace};

const STEPS: usize = 90;
const SAMPLES: usize = 37;

/// Networks whose layers differ in what the adjoint of kicks depends on: reset, lags, synapse, recurrence, what is learned,
/// what adds to ρ, and how many neurons have a derivative.
const NETWORKS: [(&str, &str); 9] = [
    (
        "recurrent, with synapses",
        r#"
        inputs = 40
        [[layer]]
        units = 50
        recurrent = true
        init = { kind = "uniform", gain = 6.0 }
        neuron = { kind = "cuba_lif", reset = "subtract_before" }
        surrogate = { kind = "triangle", slope = 10.0 }
        [[layer]]
        units = 4
        "#,
    ),
    (
        "a differentiated reset, lag 1, everything learned",
        r#"
        inputs = 40
        [[layer]]
        units = 33
        recurrent = true
        bias = true
        init = { kind = "uniform", gain = 6.0 }
        neuron = { kind = "cuba_lif", lag = 1, reset = "subtract_after", detach_reset = false, tau_mem = { value = 10.0, learned = true }, tau_syn = { value = 5.0, learned = true }, threshold = { value = 0.9, learned = true } }
        surrogate = { kind = "boxcar", slope = 5.0 }
        regularise = [{ kind = "lower", strength = 0.1, target = 5.0 }]
        [[layer]]
        units = 4
        neuron = { kind = "li", tau_syn = 5.0 }
        "#,
    ),
    (
        "three layers without a reset, delays, regularised",
        r#"
        inputs = 40
        [[layer]]
        units = 70
        init = { kind = "uniform", gain = 9.0 }
        neuron = { kind = "lif", reset = "none", emit_lag = 1 }
        surrogate = { kind = "sparse_fast_sigmoid", slope = 4.0, bound = 0.5 }
        regularise = [{ kind = "upper", strength = 0.1, target = 1.0 }]
        [[layer]]
        units = 33
        init = { kind = "uniform", gain = 9.0 }
        neuron = { kind = "cuba_lif", input_delay = 1 }
        surrogate = { kind = "triangle", slope = 2.0 }
        [[layer]]
        units = 20
        recurrent = true
        init = { kind = "uniform", gain = 9.0 }
        neuron = { kind = "lif" }
        surrogate = { kind = "triangle", slope = 2.0 }
        [[layer]]
        units = 4
        "#,
    ),
    (
        "a wide surrogate, of which most neurons are active",
        r#"
        inputs = 40
        [[layer]]
        units = 40
        recurrent = true
        init = { kind = "uniform", gain = 9.0 }
        neuron = { kind = "lif" }
        surrogate = { kind = "triangle", slope = 0.5 }
        [[layer]]
        units = 4
        "#,
    ),
    (
        "constants that differ, and a reset to zero: never from kicks",
        r#"
        inputs = 40
        [[layer]]
        units = 40
        init = { kind = "uniform", gain = 9.0 }
        neuron = { kind = "lif", reset = "zero_before" }
        surrogate = { kind = "triangle", slope = 10.0 }
        [[layer]]
        units = 30
        init = { kind = "uniform", gain = 9.0 }
        neuron = { kind = "lif", tau_mem = { value = 10.0, per = "neuron", log_normal = 0.5 } }
        surrogate = { kind = "triangle", slope = 10.0 }
        [[layer]]
        units = 4
        "#,
    ),
    (
        "a spiking last layer whose spikes are counted",
        r#"
        inputs = 40
        [[layer]]
        units = 40
        init = { kind = "uniform", gain = 9.0 }
        neuron = { kind = "lif" }
        surrogate = { kind = "triangle", slope = 10.0 }
        [readout]
        reduce = "count"
        classes = 4
        "#,
    ),
    (
        "a spiking last layer whose potential is read",
        r#"
        inputs = 40
        [[layer]]
        units = 4
        init = { kind = "uniform", gain = 9.0 }
        neuron = { kind = "lif" }
        surrogate = { kind = "triangle", slope = 2.0 }
        [readout]
        reduce = "max"
        "#,
    ),
    (
        "an input that comes late, under two layers",
        r#"
        inputs = 40
        [[layer]]
        units = 31
        init = { kind = "uniform", gain = 30.0 }
        neuron = { kind = "lif", input_delay = 1 }
        surrogate = { kind = "triangle", slope = 0.5 }
        [[layer]]
        units = 65
        init = { kind = "uniform", gain = 30.0 }
        neuron = { kind = "lif" }
        surrogate = { kind = "triangle", slope = 0.5 }
        [[layer]]
        units = 33
        init = { kind = "uniform", gain = 30.0 }
        neuron = { kind = "lif" }
        surrogate = { kind = "triangle", slope = 0.5 }
        [[layer]]
        units = 4
        [readout]
        reduce = "mean"
        "#,
    ),
    (
        "dropout between",
        r#"
        inputs = 40
        [[layer]]
        units = 60
        init = { kind = "uniform", gain = 25.0 }
        neuron = { kind = "lif" }
        surrogate = { kind = "triangle", slope = 10.0 }
        dropout = { rate = 0.3 }
        [[layer]]
        units = 30
        recurrent = true
        init = { kind = "uniform", gain = 25.0 }
        neuron = { kind = "lif" }
        surrogate = { kind = "triangle", slope = 10.0 }
        [[layer]]
        units = 4
        "#,
    ),
];

fn network(text: &str) -> Network {
    Network::from_toml(text).unwrap()
}

fn core(network: &Network, kicks: When) -> Core<Cpu<f64>> {
    let kernels = Cpu::with_forms(Forms { kicks, ..Forms::default() });
    Core::new(network.clone(), kernels, Budget::Unbounded).unwrap()
}

/// The same tensors but for rounding, and not all 0 (but where a layer that feeds itself is silent).
fn same(a: &Parameters<f64>, b: &Parameters<f64>, what: &str) {
    for (name, tensor) in a {
        let largest = tensor.values.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
        assert!(largest > 0.0 || name.ends_with("recurrent"), "{what}: {name} has no gradient");
        for (x, y) in tensor.values.iter().zip(&b[name].values) {
            assert!((x - y).abs() <= 1e-10 * largest, "{what}: {name}: {x} and {y}");
        }
    }
}

fn spikes() -> Batch<f64> {
    Batch::spikes(noise(STEPS, SAMPLES, 40, 0.2, 5)).with_labels(labels(SAMPLES, 4))
}

fn values() -> Batch<f64> {
    let mut random = Random::new(3, 1);
    let values = (0..STEPS * SAMPLES * 40).map(|_| random.uniform() - 0.3).collect();
    Batch::values(Trace::new(STEPS, SAMPLES, 40, values).unwrap()).with_labels(labels(SAMPLES, 4))
}

#[test]
fn kicks_and_chi_give_the_same_gradient() {
    for (name, text) in NETWORKS {
        let network = network(text);
        for (kind, batch) in [("spikes", spikes()), ("values", values())] {
            let mut cores = [core(&network, When::Never), core(&network, When::Always)];
            for core in &mut cores {
                core.forward(&batch).unwrap();
                core.backward(&Gradient::loss()).unwrap();
            }
            let [by_chi, by_kicks] = &mut cores;
            same(&by_chi.gradients().unwrap(), &by_kicks.gradients().unwrap(), &format!("{name}, {kind}"));
            // That of the input wants χ of the first layer, which kicks do without.
            let (a, b) = (by_chi.input_gradient().unwrap(), by_kicks.input_gradient().unwrap());
            let largest = a.values.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
            assert!(largest > 0.0, "{name}, {kind}");
            for (a, b) in a.values.iter().zip(&b.values) {
                assert!((a - b).abs() <= 1e-10 * largest, "{name}, {kind}: {a} and {b} of the input");
            }
        }
    }
}

#[test]
fn gradients_that_somebody_gives_come_through_kicks() {
    let network = network(NETWORKS[2].1);
    let trace = |units: usize, seed: u64| -> Vec<f64> {
        let mut random = Random::new(seed, 7);
        (0..STEPS * SAMPLES * units).map(|_| random.uniform() - 0.5).collect()
    };
    let with_spikes = Gradient::loss().with_spikes(0, trace(70, 1)).with_spikes(1, trace(33, 2));
    let with_potential = Gradient::loss().with_potential(1, trace(33, 3));
    let mut made = [When::Never, When::Always].map(|kicks| {
        let mut core = core(&network, kicks);
        core.forward(&spikes()).unwrap();
        [&with_spikes, &with_potential, &with_spikes].map(|gradient| {
            core.backward(gradient).unwrap();
            core.gradients().unwrap()
        })
    });
    let [by_chi, by_kicks] = &mut made;
    for (a, b) in by_chi.iter().zip(by_kicks.iter()) {
        same(a, b, "given");
    }
    assert!(by_kicks[0] == by_kicks[2], "what one backward pass lists is gone in the next");
}

#[test]
fn a_list_of_active_neurons_gives_the_bits_of_the_potential() {
    for (name, text) in NETWORKS {
        let network = network(text);
        // With a gradient of V of its own, no layer takes its weights' gradient from kicks.
        let mut gradient = Gradient::loss();
        for (l, layer) in network.layers.iter().enumerate() {
            let mut random = Random::new(9, l as u64);
            let of_potential = (0..STEPS * SAMPLES * layer.units).map(|_| random.uniform() - 0.5).collect();
            gradient = gradient.with_potential(l, of_potential);
        }
        for batch in [spikes(), values()] {
            let made = |kicks: When, strips: When| {
                let kernels = Cpu::with_forms(Forms { kicks, strips, ..Forms::default() });
                let mut core = Core::<Cpu<f64>>::new(network.clone(), kernels, Budget::Unbounded).unwrap();
                core.forward(&batch).unwrap();
                core.backward(&gradient).unwrap();
                core.gradients().unwrap()
            };
            let by_potential = made(When::Never, When::Never);
            assert!(by_potential == made(When::Always, When::Never), "{name}");
            assert!(by_potential == made(When::Always, When::Always), "{name}, in strips");
        }
    }
}

#[test]
fn potentials_are_read_where_none_are_kept() {
    for (name, text) in NETWORKS {
        let network = network(text);
        let made = |kicks: When, wish: Wish| {
            let mut core = core(&network, kicks);
            core.set_memory(Budget::Unbounded, wish);
            core.forward(&spikes()).unwrap();
            let mut outputs = core.outputs().unwrap();
            let read: Vec<_> = (0..network.layers.len()).map(|layer| outputs.potential(layer).unwrap()).collect();
            let state = core.state().unwrap();
            core.backward(&Gradient::loss()).unwrap();
            (read, state, core.gradients().unwrap())
        };
        let (read, state, gradient) = made(When::Never, Wish::default());
        for tape in [None, Some(TapeKind::Whole), Some(TapeKind::Replay)] {
            let wish = Wish { tape, steps: tape.map(|_| 20), samples: None };
            let (own, own_state, own_gradient) = made(When::Always, wish);
            assert!(own == read && own_state == state, "{name}, {tape:?}");
            same(&gradient, &own_gradient, name);
        }
    }
}

/// What runs again, and the adjoint, take the parameters of the forward pass.
#[test]
fn parameters_that_have_changed_ask_for_another_forward_pass() {
    let network = network(NETWORKS[0].1);
    for (kicks, kept) in [(When::Never, true), (When::Always, false)] {
        let mut core = core(&network, kicks);
        core.forward(&spikes()).unwrap();
        let parameters = core.parameters().unwrap();
        core.set_parameters(&parameters).unwrap();
        let refused = core.backward(&Gradient::loss()).unwrap_err().to_string();
        assert!(refused.contains("run forward again"), "{refused}");
        assert_eq!(core.outputs().unwrap().potential(0).is_ok(), kept);
        core.forward(&spikes()).unwrap().potential(0).unwrap();
        core.backward(&Gradient::loss()).unwrap();
    }
}

#[test]
fn a_stream_goes_on_where_potentials_are_not_kept() {
    let network = network(NETWORKS[0].1);
    let [whole, pieces] = [When::Never, When::Always].map(|kicks| {
        let mut core = core(&network, kicks);
        let mut read = Vec::new();
        for piece in 0..3 {
            let batch = Batch::spikes(noise(STEPS, 3, 40, 0.2, piece));
            read.push(core.stream(&batch).unwrap().potential(0).unwrap().values);
        }
        read
    });
    assert!(whole == pieces && whole[0] != whole[1]);
}

#[test]
fn a_stream_goes_on_where_a_threshold_moves_out_of_reach() {
    let network = network(NETWORKS[1].1);
    let [by_potential, by_choice] = [When::Never, When::Planned].map(|kicks| {
        let mut core = core(&network, kicks);
        let mut read = Vec::new();
        for (piece, threshold) in [(0, 0.9), (1, 0.9), (2, 0.7), (3, 0.7)] {
            let mut moved = core.parameters().unwrap();
            moved.get_mut("layer0.threshold").unwrap().values.fill(threshold);
            core.set_parameters(&moved).unwrap();
            read.push(
                core.stream(&Batch::spikes(noise(STEPS, 3, 40, 0.2, piece))).unwrap().potential(0).unwrap().values,
            );
            // A boxcar of slope 5 reaches 0.1.
            let listed = core.plan_text().contains("active neurons listed");
            assert_eq!(listed, kicks != When::Never && threshold == 0.9, "{threshold}");
        }
        read
    });
    assert!(by_potential == by_choice && by_potential[0] != by_potential[1]);
}

#[test]
fn bits_of_kicks_do_not_depend_on_threads() {
    let network = network(NETWORKS[2].1);
    let of = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut core = Core::new(network.clone(), Cpu::<f32>::new(), Budget::Unbounded).unwrap();
            let batch = Batch::spikes(noise(STEPS, 150, 40, 0.1, 5)).with_labels(labels(150, 4));
            core.forward(&batch).unwrap();
            core.backward(&Gradient::loss()).unwrap();
            core.gradients().unwrap()
        })
    };
    assert!([2, 3, 7].into_iter().all(|threads| of(threads) == of(1)));
}

#[test]
fn the_gradient_of_the_input_wants_a_backward_pass_of_the_same_batch() {
    let mut core = core(&network(NETWORKS[0].1), When::Always);
    let short = Batch::spikes(noise(10, 3, 40, 0.2, 5)).with_labels(labels(3, 4));
    core.forward(&short).unwrap();
    assert!(core.input_gradient().is_err());
    core.backward(&Gradient::loss()).unwrap();
    assert!(core.input_gradient().is_ok());
    core.forward(&spikes()).unwrap();
    assert!(core.input_gradient().is_err(), "kicks of a shorter sequence");
}

#[test]
fn the_first_layer_does_without_potentials_and_chi() {
    let network = network(NETWORKS[0].1);
    let peak = |kicks: When| {
        let mut core = core(&network, kicks);
        core.forward(&spikes()).unwrap();
        core.backward(&Gradient::loss()).unwrap();
        core.memory().1
    };
    // Of 50 units, in rows of 64: each is 64 numbers for each step and sample.
    let (both, saved) = (2 * STEPS * SAMPLES * 64 * 8, peak(When::Never).saturating_sub(peak(When::Always)));
    assert!(saved as f64 > 0.75 * both as f64, "{saved} of {both} bytes");
}

#[test]
fn lists_of_kicks_are_counted_and_kept() {
    let network = network(NETWORKS[0].1);
    let mut core = core(&network, When::Planned);
    core.set_memory(Budget::Unbounded, Wish::default());
    let batch = spikes();
    let mut bytes = Vec::new();
    for _ in 0..3 {
        core.forward(&batch).unwrap();
        core.backward(&Gradient::loss()).unwrap();
        bytes.push(core.memory().0);
    }
    assert!(bytes[0] == bytes[1] && bytes[1] == bytes[2], "{bytes:?}");
}
