//! A plan cuts time and batch to fit into memory, and changes no number.

use super::{adam, labels, noise};
use spikegrad::Error;
use spikegrad::cpu::Cpu;
use spikegrad::engine::{Batch, Budget, Core, Gradient, Parameters, State, TapeKind, Tensor, Truncation, Wish};
use spikegrad::kernels::{Kernels, Real, quantum};
use spikegrad::network::Network;
use spikegrad::spikes::{Events, Random, RasterFile, Source, Trace};
use std::sync::Arc;

/// Networks that between them have every state that a segment must hand over: synapses, lags, differentiated resets, own
/// states of neurons, learned constants, thresholds that adapt, several spikes a step, dropout, regularisers that couple the
/// batch, and every way of reading out.
const NETWORKS: [(&str, &str); 11] = [
    (
        "synapses, learned constants, max over time",
        r#"
        inputs = 20
        [[layer]]
        units = 40
        recurrent = true
        bias = true
        init = { kind = "uniform", gain = 6.0 }
        neuron = { kind = "cuba_lif", tau_mem = { value = 10.0, learned = true }, tau_syn = { value = 5.0, learned = true }, threshold = { value = 0.7, learned = true } }
        regularise = [{ kind = "l2", strength = 0.01 }, { kind = "upper", strength = 0.1, target = 1.0 }]
        [[layer]]
        units = 4
        neuron = { kind = "li", tau_mem = { value = 20.0, learned = true }, tau_syn = 5.0, initial_potential = -0.01 }
        "#,
    ),
    (
        "a differentiated reset to zero after the spike, lags of two steps",
        r#"
        inputs = 20
        [[layer]]
        units = 33
        recurrent = true
        init = { kind = "uniform", gain = 6.0 }
        neuron = { kind = "cuba_lif", reset = "zero_after", detach_reset = false, lag = 0, recurrent_lag = 2, emit_lag = 1, tau_mem = { value = 10.0, learned = true } }
        [[layer]]
        units = 40
        init = { kind = "uniform", gain = 6.0 }
        neuron = { kind = "lif", reset = "subtract_before", detach_reset = false, lag = 1, input_delay = 1 }
        [[layer]]
        units = 4
        [readout]
        reduce = "mean"
        "#,
    ),
    (
        "neurons with states of their own",
        r#"
        inputs = 20
        [[layer]]
        units = 33
        recurrent = true
        init = { kind = "uniform", gain = 6.0 }
        neuron = { kind = "alif", tau_adaptation = { value = 30.0, learned = true } }
        [[layer]]
        units = 20
        init = { kind = "uniform", gain = 6.0 }
        neuron = { kind = "adlif" }
        [[layer]]
        units = 4
        [readout]
        reduce = "last"
        "#,
    ),
    (
        "spike counts, dropout",
        r#"
        inputs = 20
        [[layer]]
        units = 40
        init = { kind = "uniform", gain = 6.0 }
        neuron = { kind = "lif" }
        dropout = { rate = 0.3, per = "step" }
        [[layer]]
        units = 33
        recurrent = true
        init = { kind = "uniform", gain = 6.0 }
        neuron = { kind = "plif" }
        dropout = { rate = 0.2 }
        [[layer]]
        units = 8
        init = { kind = "uniform", gain = 6.0 }
        neuron = { kind = "lif", emit_lag = 1 }
        [readout]
        reduce = "count"
        classes = 4
        "#,
    ),
    (
        "a loss on every step and one on the trace",
        r#"
        inputs = 20
        [[layer]]
        units = 40
        recurrent = true
        init = { kind = "uniform", gain = 6.0 }
        neuron = { kind = "cuba_lif", lag = 1 }
        regularise = [{ kind = "lower", strength = 0.1, target = 5.0 }]
        [[layer]]
        units = 4
        [readout]
        losses = [
            { reduce = "every_step" },
            { reduce = "sum", weight = 0.3, loss = { kind = "cross_entropy", label_smoothing = 0.1 } },
        ]
        "#,
    ),
    (
        "the second spike",
        r#"
        inputs = 20
        [[layer]]
        units = 40
        init = { kind = "uniform", gain = 6.0 }
        neuron = { kind = "lif" }
        [[layer]]
        units = 4
        init = { kind = "uniform", gain = 6.0 }
        neuron = { kind = "lif", emit_lag = 1 }
        [readout]
        reduce = "first_spike"
        spike = 2
        "#,
    ),
    (
        "kicks of a recurrent layer and of one above it",
        r#"
        inputs = 20
        [[layer]]
        units = 40
        recurrent = true
        bias = true
        init = { kind = "uniform", gain = 6.0 }
        neuron = { kind = "cuba_lif", reset = "subtract_after", detach_reset = false, tau_mem = { value = 10.0, learned = true }, tau_syn = { value = 5.0, learned = true } }
        surrogate = { kind = "triangle", slope = 40.0 }
        [[layer]]
        units = 33
        init = { kind = "uniform", gain = 6.0 }
        neuron = { kind = "lif", lag = 1, input_delay = 1 }
        surrogate = { kind = "boxcar", slope = 20.0 }
        regularise = [{ kind = "l2", strength = 0.01 }]
        [[layer]]
        units = 4
        "#,
    ),
    (
        "nothing but kicks",
        r#"
        inputs = 20
        [[layer]]
        units = 70
        init = { kind = "uniform", gain = 6.0 }
        neuron = { kind = "lif" }
        surrogate = { kind = "triangle", slope = 40.0 }
        regularise = [{ kind = "upper", strength = 0.1, target = 1.0 }]
        [[layer]]
        units = 4
        "#,
    ),
    (
        "several spikes a step",
        r#"
        inputs = 20
        [[layer]]
        units = 40
        recurrent = true
        init = { kind = "uniform", gain = 9.0 }
        neuron = { kind = "multi_spike", max_spikes = 3 }
        [[layer]]
        units = 4
        "#,
    ),
    (
        "a refractory neuron and every spike of the last layer",
        r#"
        inputs = 20
        [[layer]]
        units = 40
        recurrent = true
        init = { kind = "uniform", gain = 6.0 }
        neuron = { kind = "refractory", refractory = 3 }
        [[layer]]
        units = 4
        init = { kind = "uniform", gain = 6.0 }
        neuron = { kind = "lif" }
        [readout]
        reduce = "every_step"
        loss = { kind = "mse", on_target = 1.0, off_target = 0.0 }
        "#,
    ),
    (
        "one layer",
        r#"
        inputs = 20
        [[layer]]
        units = 4
        neuron = { kind = "li", tau_mem = 20.0, tau_syn = { value = 5.0, learned = true } }
        "#,
    ),
];

const STEPS: usize = 75;

fn network(text: &str) -> Network {
    Network::from_toml(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Everything that a training step makes, and what can be read before it.
#[derive(Clone, Debug)]
pub struct Made<F> {
    pub loss: f64,
    pub activation: Option<Vec<F>>,
    pub counts: Vec<Vec<F>>,
    pub answers: Vec<u32>,
    pub gradients: Parameters<F>,
    pub after: Parameters<F>,
}

/// The same bits; but the loss of every step is summed segment by segment, in single precision.
impl<F: Real> PartialEq for Made<F> {
    fn eq(&self, other: &Self) -> bool {
        (self.loss - other.loss).abs() <= 1e-6 * self.loss.abs()
            && (&self.activation, &self.counts, &self.answers) == (&other.activation, &other.counts, &other.answers)
            && (&self.gradients, &self.after) == (&other.gradients, &other.after)
    }
}

fn train<K: Kernels>(core: &mut Core<K>, batch: &Batch<K::Real>) -> Made<K::Real> {
    core.initialise(3).unwrap();
    core.forward(batch).unwrap();
    let layers = core.network().layers.len();
    let mut outputs = core.outputs().unwrap();
    let loss = outputs.loss().unwrap();
    let activation = outputs.activation().ok();
    let answers = outputs.answers().unwrap();
    let counts = (0..layers).filter_map(|layer| outputs.counts(layer).ok()).collect();
    core.backward(&Gradient::loss()).unwrap();
    let gradients = core.gradients().unwrap();
    core.step(&adam(0.01)).unwrap();
    Made { loss, activation, counts, answers, gradients, after: core.parameters().unwrap() }
}

fn core<K: Kernels>(kernels: K, network: &Network) -> Core<K> {
    Core::new(network.clone(), kernels, Budget::Unbounded).unwrap()
}

fn wish(tape: TapeKind, steps: usize, samples: Option<usize>) -> Wish {
    Wish { tape: Some(tape), steps: Some(steps), samples }
}

/// Samples whose lengths differ, where `ragged`.
fn batch<F: Real>(samples: usize, ragged: bool) -> Batch<F> {
    let spikes = noise(STEPS, samples, 20, 0.3, 5);
    let mut batch = Batch::spikes(spikes).with_labels(labels(samples, 4));
    if ragged {
        batch.lengths = Some((0..samples).map(|b| (STEPS - (b * 7) % 40) as u32).collect());
    }
    batch
}

/// ‖a − b‖ / ‖a‖ of the tensor that differs most.
fn distance<F: Real>(a: &Parameters<F>, b: &Parameters<F>) -> f64 {
    let of_tensor = |(name, tensor): (&String, &Tensor<F>)| {
        let pairs = || tensor.values.iter().zip(&b[name].values).map(|(x, y)| (x.to_f64(), y.to_f64()));
        let (difference, norm) = pairs().fold((0.0, 0.0), |(d, n), (x, y)| (d + (x - y) * (x - y), n + x * x));
        (difference / f64::max(norm, 1e-30)).sqrt()
    };
    a.iter().map(of_tensor).fold(0.0, f64::max)
}

/// A training step by a plan of its own; the backend goes from step to step, with the shaders that it has compiled.
fn made<K: Kernels>(kernels: &mut Option<K>, network: &Network, wish: Wish, batch: &Batch<K::Real>) -> Made<K::Real> {
    let mut core = core(kernels.take().unwrap(), network);
    core.set_memory(Budget::Unbounded, wish);
    let made = train(&mut core, batch);
    let cut = core.cut().unwrap();
    assert_eq!((cut.tape, cut.samples), (wish.tape.unwrap_or(cut.tape), wish.samples.unwrap_or(cut.samples)));
    *kernels = Some(core.into_kernels());
    made
}

/// Every tape, segments of any length: the same bits.
pub fn cuts_change_no_bit<K: Kernels>(kernels: K, lengths: &[usize], samples: usize) {
    let mut kernels = Some(kernels);
    for (name, text) in NETWORKS {
        let network = network(text);
        for ragged in [false, true] {
            let batch = batch(samples, ragged);
            let whole = made(&mut kernels, &network, Wish::default(), &batch);
            assert!(
                whole.loss.is_finite() && whole.gradients.values().any(|g| g.values.iter().any(|v| v.to_f64() != 0.0))
            );
            for &steps in lengths {
                for tape in [TapeKind::Whole, TapeKind::Replay] {
                    let cut = made(&mut kernels, &network, wish(tape, steps, None), &batch);
                    assert!(
                        cut == whole,
                        "{name}: {tape:?} in segments of {steps} steps, ragged {ragged}: {}",
                        different(&cut, &whole)
                    );
                }
            }
        }
    }
}

/// What differs first.
fn different<F: Real>(a: &Made<F>, b: &Made<F>) -> String {
    if a.counts != b.counts || a.answers != b.answers || a.activation != b.activation {
        return "the forward pass".into();
    }
    if a.loss != b.loss {
        return format!("the loss: {} and {}", a.loss, b.loss);
    }
    let tensors = a.gradients.iter().find(|(name, tensor)| b.gradients[*name] != **tensor);
    tensors.map_or("the update".into(), |(name, _)| {
        format!("the gradient of {name}, by {:e}", distance(&a.gradients, &b.gradients))
    })
}

/// Micro-batches of whole chunks: the same gradients to the bit; others, and what is summed over the samples for the
/// metrics: to 1e-6.
pub fn micro_batches_change_nothing<K: Kernels>(kernels: K, few: bool) {
    let (samples, mut kernels) = (70, Some(kernels));
    for (name, text) in NETWORKS.into_iter().take(if few { 2 } else { NETWORKS.len() }) {
        let network = network(text);
        let batch = batch(samples, name.contains("every step"));
        let whole = made(&mut kernels, &network, Wish::default(), &batch);
        for (micro, steps, tape) in [
            (32, STEPS, TapeKind::Whole),
            (64, 32, TapeKind::Replay),
            (32, 32, TapeKind::Whole),
            (16, STEPS, TapeKind::Whole),
            (8, 32, TapeKind::Replay),
        ] {
            if few && micro < 32 {
                continue;
            }
            let cut = made(&mut kernels, &network, wish(tape, steps, Some(micro)), &batch);
            assert!((&cut.counts, &cut.activation) == (&whole.counts, &whole.activation), "{name}: {micro} samples");
            if micro >= 32 {
                assert!(cut.gradients == whole.gradients, "{name}: {micro} samples: {}", different(&cut, &whole));
            }
            let error = distance(&whole.gradients, &cut.gradients);
            assert!(error <= 1e-6, "{name}: {micro} samples: {error:e}");
        }
    }
}

#[test]
fn segments_and_replay_change_no_bit() {
    cuts_change_no_bit(Cpu::<f32>::new(), &[1, 3, 32, 50], 7);
    cuts_change_no_bit(Cpu::<f64>::new(), &[32], 40);
}

#[test]
fn micro_batches_of_whole_chunks_change_no_bit() {
    micro_batches_change_nothing(Cpu::<f32>::new(), false);
}

#[test]
fn micro_batches_of_a_small_batch_add_up() {
    for (name, text) in NETWORKS {
        let network = network(text);
        let batch = batch::<f32>(20, name.contains("every step"));
        let whole = train(&mut core(Cpu::new(), &network), &batch);
        for (samples, steps) in [(4, STEPS), (4, 32), (1, STEPS)] {
            let mut core = core(Cpu::new(), &network);
            core.set_memory(Budget::Unbounded, wish(TapeKind::Whole, steps, Some(samples)));
            let error = distance(&whole.gradients, &train(&mut core, &batch).gradients);
            assert!(error < 2e-6, "{name}: {samples} samples, {steps} steps: {error:e}");
        }
    }
}

#[test]
fn analogue_input_is_cut_at_multiples_of_the_sums() {
    let text = r#"
        inputs = 20
        [[layer]]
        units = 33
        recurrent = true
        neuron = { kind = "lif" }
        [[layer]]
        units = 4
    "#;
    let current = r#"
        inputs = 20
        [[layer]]
        units = 40
        connection = "current"
        recurrent = true
        neuron = { kind = "lif" }
        [[layer]]
        units = 4
    "#;
    let mut random = Random::new(8, 0);
    for (text, samples) in [(text, 33), (text, 3), (current, 33)] {
        let network = network(text);
        let steps = 3 * quantum(samples) + 7;
        let values = (0..steps * samples * 20).map(|_| random.normal() as f32).collect();
        let input = Trace::new(steps, samples, 20, values).unwrap();
        let batch = Batch::values(input).with_labels(labels(samples, 4));
        let whole = train(&mut core(Cpu::new(), &network), &batch);
        for steps in [quantum(samples), 2 * quantum(samples)] {
            for tape in [TapeKind::Whole, TapeKind::Replay] {
                let mut core = core(Cpu::new(), &network);
                core.set_memory(Budget::Unbounded, wish(tape, steps, None));
                let cut = train(&mut core, &batch);
                assert!(cut == whole, "{samples} samples, {tape:?}, {steps} steps: {}", different(&cut, &whole));
            }
        }
        // Elsewhere the sums of a dense product end at other places.
        let mut core = core(Cpu::new(), &network);
        core.set_memory(Budget::Unbounded, wish(TapeKind::Replay, 20, Some(samples.min(8))));
        let error = distance(&whole.gradients, &train(&mut core, &batch).gradients);
        assert!(error < 2e-6, "{error:e}");
    }
}

#[test]
fn a_tape_of_16_bits_changes_gradients_in_the_fourth_digit() {
    for (name, text) in NETWORKS {
        let network = network(text);
        let batch = batch(7, false);
        let whole = train(&mut core(Cpu::<f32>::new(), &network), &batch);
        let mut core = core(Cpu::new(), &network);
        core.set_memory(Budget::Unbounded, wish(TapeKind::Half, 32, None));
        let half = train(&mut core, &batch);
        assert_eq!((half.loss, &half.counts), (whole.loss, &whole.counts), "{name}: the forward pass has all bits");
        let error = distance(&whole.gradients, &half.gradients);
        assert!(error < 0.1, "{name}: {error:e}");
        // The readout alone has a linear adjoint: there is nothing to round.
        assert!(error > 0.0 || name == "one layer", "{name}: the tape was not rounded");
    }
}

#[test]
fn potentials_and_spikes_are_read_as_they_were() {
    let network = network(NETWORKS[1].1);
    let batch = batch::<f32>(7, false);
    let read = |core: &mut Core<Cpu<f32>>| {
        core.forward(&batch).unwrap();
        let mut outputs = core.outputs().unwrap();
        let read: Vec<_> = (0..3).map(|layer| outputs.potential(layer).unwrap()).collect();
        (read, outputs.spikes(0).unwrap(), outputs.spikes(1).unwrap(), core.state().unwrap())
    };
    let whole = read(&mut core(Cpu::new(), &network));
    for tape in [TapeKind::Whole, TapeKind::Replay] {
        let mut core = core(Cpu::new(), &network);
        core.set_memory(Budget::Unbounded, wish(tape, 20, None));
        assert!(read(&mut core) == whole, "{tape:?}");
    }
}

#[test]
fn given_gradients_reach_every_segment() {
    let network = network(NETWORKS[3].1);
    let batch = batch::<f32>(5, false);
    let mut random = Random::new(4, 0);
    let mut draw = |units: usize| (0..STEPS * 5 * units).map(|_| random.normal() as f32).collect::<Vec<f32>>();
    let gradient = Gradient::none().with_spikes(0, draw(40)).with_potential(1, draw(33)).with_spikes(2, draw(8));
    let made = |core: &mut Core<Cpu<f32>>| {
        core.forward(&batch).unwrap();
        core.backward(&gradient).unwrap();
        core.gradients().unwrap()
    };
    let whole = made(&mut core(Cpu::new(), &network));
    for (tape, steps, samples) in
        [(TapeKind::Whole, 20, None), (TapeKind::Replay, 20, None), (TapeKind::Replay, 20, Some(4))]
    {
        let mut core = core(Cpu::new(), &network);
        core.set_memory(Budget::Unbounded, wish(tape, steps, samples));
        let error = distance(&whole, &made(&mut core));
        assert!(if samples.is_none() { error == 0.0 } else { error < 1e-6 }, "{tape:?} {error:e}");
    }
}

#[test]
fn a_stream_goes_on_after_a_replayed_backward_pass() {
    let network = network(NETWORKS[0].1);
    let run = |wish: Wish| {
        let mut core = core(Cpu::<f32>::new(), &network);
        core.set_memory(Budget::Unbounded, wish);
        let mut all = Vec::new();
        for piece in 0..3 {
            let batch = Batch::spikes(noise(40, 6, 20, 0.3, piece)).with_labels(labels(6, 4));
            core.stream(&batch).unwrap();
            core.backward(&Gradient::loss()).unwrap();
            all.push((core.gradients().unwrap(), core.outputs().unwrap().spikes(0).unwrap()));
        }
        (all, core.state().unwrap())
    };
    let whole = run(Wish::default());
    for steps in [32, 16, 40] {
        assert!(run(wish(TapeKind::Replay, steps, None)) == whole, "segments of {steps} steps");
    }
}

/// What a plan says it takes, and what it takes, on a backend of its own each.
pub fn predictions_hold<K: Kernels>(make: impl Fn() -> K, few: bool) {
    for (name, text) in NETWORKS.into_iter().take(if few { 1 } else { NETWORKS.len() }) {
        let network = network(text);
        for wish in [
            Wish::default(),
            wish(TapeKind::Replay, 16, None),
            wish(TapeKind::Half, 32, None),
            wish(TapeKind::Replay, 32, Some(16)),
            wish(TapeKind::Whole, 40, None),
        ] {
            let mut core = core(make(), &network);
            core.set_memory(Budget::Unbounded, wish);
            let batch = batch(if few { 40 } else { 70 }, false);
            core.train(&batch, &adam(0.01)).unwrap();
            core.train(&batch, &adam(0.01)).unwrap();
            let predicted = core.predicted_memory().unwrap() as f64;
            let (_, peak) = core.memory();
            let error = (predicted - peak as f64).abs() / peak as f64;
            assert!(error < 0.05, "{name}, {wish:?}: predicted {predicted}, taken {peak}");
        }
    }
}

#[test]
fn the_plan_takes_what_it_says() {
    predictions_hold(Cpu::<f32>::new, false);
}

#[test]
fn a_budget_is_kept_and_the_smallest_one_is_named() {
    for (name, text) in NETWORKS {
        let network = network(text);
        let batch = batch::<f32>(70, false);
        let whole = train(&mut core(Cpu::new(), &network), &batch);
        let mut core = Core::new(network.clone(), Cpu::<f32>::new(), Budget::Bytes(1)).unwrap();
        let Err(Error::Memory { needed, remedy, .. }) = core.forward(&batch).map(|_| ()) else {
            panic!("{name}: a byte is enough")
        };
        assert!(remedy.contains("smallest"), "{remedy}");
        for budget in [needed, needed + needed / 10, 2 * needed] {
            core.set_memory(Budget::Bytes(budget), Wish::default());
            let cut = train(&mut core, &batch);
            let (_, peak) = core.memory();
            assert!(peak <= budget, "{name}: {peak} bytes of {budget}");
            assert!(distance(&whole.gradients, &cut.gradients) < 1e-6, "{name}");
        }
        core.set_memory(Budget::Bytes(needed - 1), Wish::default());
        assert!(matches!(core.forward(&batch).map(|_| ()), Err(Error::Memory { .. })), "{name}");
    }
}

/// A device with room for a part of what a step takes goes on with less, and says so. `make` opens one with so many bytes.
pub fn little_room_is_enough<K: Kernels>(make: impl Fn(Option<u64>) -> K) {
    let network = network(NETWORKS[0].1);
    let batch = batch(40, false);
    let mut free = core(make(None), &network);
    let whole = train(&mut free, &batch);
    let (_, all) = free.memory();
    for share in [3, 2] {
        let mut core = core(make(Some(all / 4 * share)), &network);
        let cut = train(&mut core, &batch);
        let error = distance(&whole.gradients, &cut.gradients);
        assert!(error < 1e-6, "{error:e}");
        let notices = core.notices();
        assert!(notices.iter().any(|notice| notice.contains("no room")), "{notices:?}");
    }
    let mut core = core(make(Some(all / 40)), &network);
    assert!(matches!(core.forward(&batch).map(|_| ()), Err(Error::Memory { .. })));
}

#[test]
fn a_million_steps_take_as_much_memory_as_a_thousand() {
    let text = r#"
        inputs = 3
        [[layer]]
        units = 5
        recurrent = true
        neuron = { kind = "cuba_lif" }
        [[layer]]
        units = 2
    "#;
    let network = network(text);
    let mut core = core(Cpu::<f32>::new(), &network);
    let truncation = Truncation { window: 200, stride: 100 };
    let mut first = None;
    for piece in 0..1000 {
        let batch = Batch::spikes(noise(1000, 1, 3, 0.1, piece % 7)).with_labels(vec![(piece % 2) as u32]);
        if piece % 2 == 0 {
            core.train_truncated(&batch, &adam(1e-4), truncation).unwrap();
        } else {
            core.stream(&batch).unwrap();
        }
        if piece == 3 {
            first = Some(core.memory());
        }
        core.metrics().unwrap();
    }
    assert_eq!(Some(core.memory()), first);
}

#[test]
fn truncated_updates_are_those_of_their_windows() {
    let network = network(NETWORKS[0].1);
    let all = batch::<f32>(6, false);
    let optimiser = adam(0.01);
    for (window, stride) in [(30, 30), (40, 20), (75, 25), (32, 10), (100, 75)] {
        let mut core = core(Cpu::new(), &network);
        core.train_truncated(&all, &optimiser, Truncation { window, stride }).unwrap();
        // By hand: the state before each window is that which the parameters of the update before made of it.
        let mut hand = super::memory::core(Cpu::new(), &network);
        let (mut begin, mut start) = (0, None);
        let resume = |hand: &mut Core<Cpu<f32>>, state: &Option<State>| {
            hand.reset_state();
            if let Some(state) = state {
                hand.set_state(state.clone()).unwrap();
            }
        };
        for end in (stride..STEPS + stride).step_by(stride).map(|end| end.min(STEPS)) {
            let next = (end + stride).min(STEPS).saturating_sub(window);
            let mut after = start.clone();
            if next > begin {
                resume(&mut hand, &start);
                hand.stream(&all.steps(begin..next).unwrap()).unwrap();
                after = Some(hand.state().unwrap());
            }
            resume(&mut hand, &start);
            hand.stream(&all.steps(begin..end).unwrap()).unwrap();
            hand.backward(&Gradient::loss()).unwrap();
            // Where windows do not overlap, the state goes on from the pass itself.
            if next == end {
                after = Some(hand.state().unwrap());
            }
            hand.step(&optimiser).unwrap();
            (begin, start) = (next, after);
        }
        assert!(core.parameters().unwrap() == hand.parameters().unwrap(), "window {window}, stride {stride}");
    }
    let mut core = core(Cpu::new(), &network);
    let whole = Truncation { window: STEPS, stride: STEPS };
    core.train_truncated(&all, &optimiser, whole).unwrap();
    let mut plain = super::memory::core(Cpu::new(), &network);
    plain.train(&all, &optimiser).unwrap();
    assert!(core.parameters().unwrap() == plain.parameters().unwrap());
    for (window, stride) in [(5, 0), (5, 6)] {
        assert!(core.train_truncated(&all, &optimiser, Truncation { window, stride }).is_err());
    }
}

#[test]
fn what_is_inferred_does_not_depend_on_what_was_trained_before() {
    for (name, text) in NETWORKS {
        let network = network(text);
        let other = Batch::spikes(noise(STEPS, 7, 20, 0.2, 9)).with_labels(labels(7, 4));
        for wish in [Wish::default(), wish(TapeKind::Replay, 32, None), wish(TapeKind::Half, 32, None)] {
            let infer = |core: &mut Core<Cpu<f32>>| core.infer(&other).unwrap().loss().unwrap();
            let mut fresh = core(Cpu::new(), &network);
            fresh.initialise(3).unwrap();
            let mut used = core(Cpu::new(), &network);
            used.set_memory(Budget::Unbounded, wish);
            used.initialise(3).unwrap();
            used.forward(&batch(7, false)).unwrap();
            let (fresh, used) = (infer(&mut fresh), infer(&mut used));
            assert!((fresh - used).abs() <= 1e-6 * fresh.abs(), "{name}, {wish:?}: {used}, not {fresh}");
        }
    }
}

#[test]
fn any_wish_is_granted_or_rounded() {
    let network = network(NETWORKS[0].1);
    let batch = batch::<f32>(70, false);
    let whole = train(&mut core(Cpu::new(), &network), &batch);
    for (steps, samples) in [(0, 0), (7, 20), (33, 33), (1000, 50), (usize::MAX, usize::MAX)] {
        let mut core = core(Cpu::new(), &network);
        core.set_memory(Budget::Unbounded, wish(TapeKind::Replay, steps, Some(samples)));
        let error = distance(&whole.gradients, &train(&mut core, &batch).gradients);
        assert!(error < 1e-6, "{steps} steps, {samples} samples: {error:e}");
        assert!(core.cut().unwrap().samples <= samples.max(1));
    }
}

#[test]
fn input_is_read_from_where_it_is() {
    let network = network(NETWORKS[0].1);
    let raster = noise(STEPS, 40, 20, 0.3, 5);
    let held = Batch::spikes(raster.clone()).with_labels(labels(40, 4));
    let events: Vec<Vec<(u32, u32)>> = (0..40)
        .map(|b| {
            let cells = (0..STEPS).flat_map(|t| (0..20).map(move |n| (t, n)));
            cells.filter(|&(t, n)| raster.get(t, b, n)).map(|(t, n)| (t as u32, n as u32)).collect()
        })
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("spikes.safetensors");
    RasterFile::write(&path, &raster, None).unwrap();
    let sources: [Arc<dyn Source>; 3] = [
        Arc::new(raster),
        Arc::new(Events::new(STEPS, 20, &events).unwrap()),
        Arc::new(RasterFile::open(&path).unwrap()),
    ];
    let whole = train(&mut core(Cpu::<f32>::new(), &network), &held);
    for source in sources {
        let batch = Batch::source(source).with_labels(labels(40, 4));
        for wish in [Wish::default(), wish(TapeKind::Replay, 32, None), wish(TapeKind::Whole, 32, Some(32))] {
            let mut core = core(Cpu::<f32>::new(), &network);
            core.set_memory(Budget::Unbounded, wish);
            let made = train(&mut core, &batch);
            assert!(made == whole, "{batch:?} {wish:?}: {}", different(&made, &whole));
        }
    }
}

#[test]
fn a_device_that_runs_out_of_memory_gets_a_smaller_plan_and_the_same_numbers() {
    little_room_is_enough(|memory| memory.map_or_else(Cpu::<f32>::new, Cpu::with_memory));
}

/// A device whose arrays may take so many bytes gets segments whose arrays do, of a longer sequence than the others, and
/// the same bits.
pub fn small_arrays_are_enough<K: Kernels>(free: K, bounded: K) {
    let network = network(NETWORKS[0].1);
    let spikes = noise(1000, 3, 20, 0.3, 5);
    let batch = Batch::spikes(spikes).with_labels(labels(3, 4));
    let whole = train(&mut core(free, &network), &batch);
    let limit = bounded.largest_array();
    let mut core = core(bounded, &network);
    let cut = train(&mut core, &batch);
    let steps = core.cut().unwrap().steps;
    assert!(steps < 1000 && (steps * 3 * 64 * 4) as u64 <= limit, "{:?}", core.cut());
    assert!(cut == whole, "{}", different(&cut, &whole));
}
