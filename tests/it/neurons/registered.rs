//! A neuron that is registered by its user: the leaky integrate-and-fire neuron again, written as a snippet. It must be the
//! built-in one: on the CPU, spikes and potentials to the last bit.

use spikegrad::audit::{ALLOWED, Options, audit};
use spikegrad::cpu::Cpu;
use spikegrad::engine::{Batch, Budget, Core, Gradient};
use spikegrad::network::{Gain, Network, NeuronKind, Reset};
use spikegrad::neuron::{self, Adjoint, BASE, Float, KeepsDrive, Leak, NeuronModel, Snippet, rows, unchecked};
use spikegrad::spikes::{Random, Trace};

/// `V_t = βV_{t-1} − θS_{t-1} + γJ_t`.
struct Mine;

impl NeuronModel<1, BASE> for Mine {
    fn step<F: Float>(c: [F; BASE], _spike: F, reset: F, drive: F, [v]: [F; 1]) -> [F; 1] {
        let [beta, gamma, theta, _] = c;
        [(-theta).fma(reset, beta.fma(v, gamma * drive))]
    }

    fn adjoint<F: Float>(
        c: [F; BASE],
        _spike: F,
        reset: F,
        drive: F,
        [v]: [F; 1],
        _after: [F; 1],
        [g]: [F; 1],
    ) -> Adjoint<F, 1, BASE> {
        let [beta, gamma, theta, _] = c;
        Adjoint {
            before: [beta * g],
            spike: F::ZERO,
            reset: -(theta * g),
            drive: gamma * g,
            constants: [v * g, drive * g, -(reset * g), F::ZERO],
        }
    }
}

const WGSL: &str = "
fn neuron_step(c: Constants, spike: f32, reset: f32, drive: f32, before: Neuron) -> Neuron {
    return Neuron(fma(-c.theta, reset, fma(c.beta, before.potential, c.gamma * drive)));
}

fn neuron_adjoint(c: Constants, spike: f32, reset: f32, drive: f32, before: Neuron, after: Neuron, g: Neuron) -> NeuronAdjoint {
    var out: NeuronAdjoint;
    out.before.potential = c.beta * g.potential;
    out.reset = -c.theta * g.potential;
    out.drive = c.gamma * g.potential;
    out.constants.beta = before.potential * g.potential;
    out.constants.gamma = drive * g.potential;
    out.constants.theta = -reset * g.potential;
    return out;
}
";

static MINE: Snippet = Snippet {
    name: "my_lif",
    about: "the built-in lif again",
    states: &["potential"],
    parameters: &[],
    leak: Leak::Exponential,
    resets: &[Reset::SubtractAfter],
    gain: None,
    keeps_drive: KeepsDrive::Never,
    check: unchecked,
    wgsl: WGSL,
    rust: |_| rows::<Mine, 1, BASE>(),
};

fn registered() -> NeuronKind {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| neuron::register(&MINE).unwrap());
    NeuronKind::named("my_lif").unwrap()
}

/// Two hidden layers of `kind`, the second recurrent, everything learned.
pub fn network(kind: &str, gain: Gain, detach: bool) -> Network {
    let text = format!(
        "preset = \"snntorch\"\ninputs = 6\n\
         [[layer]]\nunits = 33\nbias = true\nneuron = {{ kind = {kind:?}, tau_mem = 8.0, gain = {gain}, detach_reset = {detach} }}\n\
         [[layer]]\nunits = 7\nrecurrent = true\nneuron = {{ kind = {kind:?}, threshold = 0.7, detach_reset = {detach} }}\n\
         [[layer]]\nunits = 3\n",
        gain = if gain == Gain::One { "\"one\"" } else { "\"one_minus_beta\"" }
    );
    let mut network = Network::from_toml(&text).unwrap();
    spikegrad::audit::learn_everything(&mut network);
    network
}

/// Potentials, spikes and gradients of a network on drawn input.
fn run(network: Network) -> Vec<(String, Vec<f64>)> {
    let random = &mut Random::new(5, 1);
    let values = (0..40 * 3 * 6).map(|_| random.normal()).collect();
    let batch = Batch::values(Trace::new(40, 3, 6, values).unwrap()).with_labels(vec![0, 2, 1]);
    let mut core = Core::new(network, Cpu::<f64>::new(), Budget::default()).unwrap();
    core.initialise(3).unwrap();
    let mut parameters = core.parameters().unwrap();
    for (name, tensor) in &mut parameters {
        if name.ends_with("weight") || name.ends_with("recurrent") {
            tensor.values.iter_mut().for_each(|value| *value *= 3.0);
        }
    }
    core.set_parameters(&parameters).unwrap();
    let mut out = Vec::new();
    core.forward(&batch).unwrap();
    for layer in 0..3 {
        let mut outputs = core.outputs().unwrap();
        out.push((format!("potential {layer}"), outputs.potential(layer).unwrap().values));
        if layer < 2 {
            out.push((format!("spikes {layer}"), outputs.spike_values(layer).unwrap().values));
        }
    }
    core.backward(&Gradient::loss()).unwrap();
    out.extend(core.gradients().unwrap().into_iter().map(|(name, tensor)| (name, tensor.values)));
    out
}

#[test]
fn a_registered_neuron_is_the_built_in_one() {
    registered();
    for (gain, detach) in
        [(Gain::One, true), (Gain::One, false), (Gain::OneMinusBeta, true), (Gain::OneMinusBeta, false)]
    {
        let (own, built_in) = (run(network("my_lif", gain, detach)), run(network("lif", gain, detach)));
        for ((name, own), (_, built_in)) in own.iter().zip(&built_in) {
            let largest = built_in.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
            assert!(largest > 0.0, "{name} is all 0");
            // The terms of a gradient are added up in another order.
            let exact = name.contains("potential") || name.contains("spikes");
            let allowed = if exact { 0.0 } else { 1e-13 * largest };
            for (a, b) in own.iter().zip(built_in) {
                assert!((a - b).abs() <= allowed, "{name}: {a} is not {b} (gain {gain:?}, detach {detach})");
            }
        }
    }
}

#[cfg(feature = "gpu")]
#[test]
fn a_registered_neuron_is_the_built_in_one_on_the_gpu() {
    registered();
    for detach in [true, false] {
        super::devices::compare(&network("my_lif", Gain::OneMinusBeta, detach), "my_lif");
    }
}

#[test]
fn what_cannot_be_a_neuron_is_refused() {
    static TAKEN: Snippet = Snippet { name: "lif", ..MINE };
    static PARTS: Snippet = Snippet { name: "two_states", states: &["potential", "other"], ..MINE };
    static LETTERS: Snippet = Snippet { name: "My-Lif", ..MINE };
    static BROKEN: Snippet = Snippet { name: "broken", wgsl: "fn neuron_step() -> f32 { return 1.0; }", ..MINE };
    let message = |snippet| neuron::register(snippet).unwrap_err().to_string();
    assert!(message(&TAKEN).contains("one of that name already"), "{}", message(&TAKEN));
    assert!(message(&PARTS).contains("1 states and 4 constants, but it names 2"), "{}", message(&PARTS));
    assert!(message(&LETTERS).contains("is not a name"), "{}", message(&LETTERS));
    #[cfg(feature = "gpu")]
    assert!(message(&BROKEN).contains("its WGSL"), "{}", message(&BROKEN));
}

/// The same with an adjoint that forgets the decay.
struct Wrong;

impl NeuronModel<1, BASE> for Wrong {
    fn step<F: Float>(c: [F; BASE], spike: F, reset: F, drive: F, before: [F; 1]) -> [F; 1] {
        Mine::step(c, spike, reset, drive, before)
    }

    fn adjoint<F: Float>(
        c: [F; BASE],
        spike: F,
        reset: F,
        drive: F,
        before: [F; 1],
        after: [F; 1],
        g: [F; 1],
    ) -> Adjoint<F, 1, BASE> {
        Adjoint { before: g, ..Mine::adjoint(c, spike, reset, drive, before, after, g) }
    }
}

#[test]
fn the_audit_finds_a_wrong_adjoint() {
    static WRONG: Snippet = Snippet { name: "wrong_lif", rust: |_| rows::<Wrong, 1, BASE>(), ..MINE };
    neuron::register(&WRONG).unwrap();
    registered();
    for (kind, right) in [("my_lif", true), ("wrong_lif", false)] {
        let mut network = network(kind, Gain::One, false);
        for layer in &mut network.layers {
            if let Some(surrogate) = &mut layer.surrogate {
                surrogate.slope = 1.0;
            }
        }
        let options = Options { drawn: true, entries: 10, ..Options::default() };
        let lines = audit(&network, options).unwrap();
        let worst = lines.iter().map(|line| line.error).fold(0.0, f64::max);
        assert_eq!(worst <= ALLOWED, right, "{kind}: {worst:.1e}");
    }
}
