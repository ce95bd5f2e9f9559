//! A neuron of your own: resonate-and-fire (Izhikevich 2001). Its two states turn around each other, so that it answers to
//! a frequency. All that is needed stands here: one step and its adjoint in Rust and in WGSL, and the names of its parts.
//!
//! The network tells two tones apart. Its gradient is audited first, because a wrong adjoint also learns something.

use spikegrad::audit::{self, ALLOWED};
use spikegrad::engine::{Batch, Budget, Device, Engine, Optimiser};
use spikegrad::kernels::Rule;
use spikegrad::network::{Gain, Network, Reset};
use spikegrad::neuron::{
    Adjoint, BASE, Float, KeepsDrive, Leak, NeuronModel, ParameterSpec, Snippet, register, rows, unchecked,
};
use spikegrad::spikes::{Random, Trace};

/// `x_t = β(cos ω x − sin ω y) + γJ`, `y_t = β(sin ω x + cos ω y)`; x is the potential.
struct Resonator;

impl NeuronModel<2, 5> for Resonator {
    #[inline(always)]
    fn step<F: Float>(c: [F; 5], _spike: F, _reset: F, drive: F, [x, y]: [F; 2]) -> [F; 2] {
        let [beta, gamma, _theta, _v_reset, omega] = c;
        let (sin, cos) = (omega.sin(), omega.cos());
        [beta * (cos * x - sin * y) + gamma * drive, beta * (sin * x + cos * y)]
    }

    #[inline(always)]
    fn adjoint<F: Float>(
        c: [F; 5],
        _spike: F,
        _reset: F,
        drive: F,
        [x, y]: [F; 2],
        _after: [F; 2],
        [gx, gy]: [F; 2],
    ) -> Adjoint<F, 2, 5> {
        let [beta, gamma, _theta, _v_reset, omega] = c;
        let (sin, cos) = (omega.sin(), omega.cos());
        let by_beta = (cos * x - sin * y) * gx + (sin * x + cos * y) * gy;
        let by_omega = beta * ((cos * x - sin * y) * gy - (sin * x + cos * y) * gx);
        Adjoint {
            before: [beta * (cos * gx + sin * gy), beta * (cos * gy - sin * gx)],
            spike: F::ZERO,
            reset: F::ZERO,
            drive: gamma * gx,
            constants: [by_beta, drive * gx, F::ZERO, F::ZERO, by_omega],
        }
    }
}

const WGSL: &str = "
fn neuron_step(c: Constants, spike: f32, reset: f32, drive: f32, before: Neuron) -> Neuron {
    var now: Neuron;
    let x = before.potential;
    let y = before.quadrature;
    now.potential = c.beta * (cos(c.omega) * x - sin(c.omega) * y) + c.gamma * drive;
    now.quadrature = c.beta * (sin(c.omega) * x + cos(c.omega) * y);
    return now;
}

fn neuron_adjoint(
    c: Constants, spike: f32, reset: f32, drive: f32, before: Neuron, after: Neuron, g: Neuron,
) -> NeuronAdjoint {
    var out: NeuronAdjoint;
    let turned_x = cos(c.omega) * before.potential - sin(c.omega) * before.quadrature;
    let turned_y = sin(c.omega) * before.potential + cos(c.omega) * before.quadrature;
    out.before.potential = c.beta * (cos(c.omega) * g.potential + sin(c.omega) * g.quadrature);
    out.before.quadrature = c.beta * (cos(c.omega) * g.quadrature - sin(c.omega) * g.potential);
    out.drive = c.gamma * g.potential;
    out.constants.beta = turned_x * g.potential + turned_y * g.quadrature;
    out.constants.gamma = drive * g.potential;
    out.constants.omega = c.beta * (turned_x * g.quadrature - turned_y * g.potential);
    return out;
}
";

static RESONATOR: Snippet = Snippet {
    name: "resonator",
    about: "x + iy turns by ω and decays by β each step; fires where x is above θ (Izhikevich 2001)",
    states: &["potential", "quadrature"],
    parameters: &[ParameterSpec::real("omega", 0.3)],
    leak: Leak::Exponential,
    resets: &[Reset::None],
    gain: Some(Gain::One),
    keeps_drive: KeepsDrive::Never,
    check: unchecked,
    wgsl: WGSL,
    rust: |_| rows::<Resonator, 2, { BASE + 1 }>(),
};

fn main() -> spikegrad::Result<()> {
    register(&RESONATOR)?;
    let network = Network::from_toml(
        r#"
        inputs = 1
        [[layer]]
        units = 24
        neuron = { kind = "resonator", tau_mem = 20.0, omega = { value = 0.3, learned = true, per = "neuron" } }
        surrogate = { slope = 5.0 }
        [[layer]]
        units = 2
        "#,
    )?;

    println!("{:<18} {:>9}", "parameter", "error");
    for line in audit::audit(&network, audit::Options::default())? {
        println!("{:<18} {:>9.1e}", line.name, line.error);
        assert!(line.error <= ALLOWED, "the adjoint of {} is not the gradient", line.name);
    }

    let mut engine = Engine::new(network, Device::Auto, Budget::default())?;
    engine.initialise(1)?;
    let mut random = Random::new(7, 0);
    let rule = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0 };
    for step in 0..150 {
        engine.train(&tones(32, &mut random)?, &Optimiser::new(rule, 5e-3))?;
        if step % 50 == 0 {
            let metrics = engine.metrics()?;
            println!("step {step:3}: loss {:.3}", metrics.last().map_or(0.0, |last| last.loss));
        }
    }
    let batch = tones(500, &mut random)?;
    let correct = engine.infer(&batch)?.correct()?;
    println!("{} of 500 tones right on {}", correct, engine.device());
    assert!(correct > 450);
    Ok(())
}

/// Tones of two frequencies with any phase, in noise.
fn tones(samples: usize, random: &mut Random) -> spikegrad::Result<Batch> {
    const STEPS: usize = 60;
    let mut values = vec![0.0; STEPS * samples];
    let mut labels = Vec::new();
    for b in 0..samples {
        let label = random.below(2);
        let (omega, phase) = ([0.25, 0.4][label], std::f64::consts::TAU * random.uniform());
        for t in 0..STEPS {
            values[t * samples + b] = ((omega * t as f64 + phase).sin() + 0.3 * random.normal()) as f32;
        }
        labels.push(label as u32);
    }
    Ok(Batch::values(Trace::new(STEPS, samples, 1, values)?).with_labels(labels))
}
