//! Embeds the engine in a program of one's own, with a loss of one's own: each output neuron is to follow a target trace.
//!
//! `cargo run --release --example embed`

use spikegrad::engine::{Batch, Budget, Device, Engine, Gradient, Optimiser};
use spikegrad::kernels::{Penalty, Rule};
use spikegrad::network::{Network, Surrogate, SurrogateKind};
use spikegrad::spikes::{Random, Raster};

const STEPS: usize = 80;
const SAMPLES: usize = 4;
const INPUTS: usize = 60;
const OUTPUTS: usize = 2;

fn main() -> spikegrad::Result<()> {
    let network = Network::builder(INPUTS)
        .recurrent(100, |layer| layer.surrogate = Some(Surrogate::new(SurrogateKind::FastSigmoid, 10.0)))
        .readout(OUTPUTS)
        .build()?;
    let readout = network.layers.len() - 1;
    let mut engine = Engine::new(network, Device::Auto, Budget::default())?;
    println!("{}", engine.device());
    engine.initialise(1)?;

    // Frozen noise in, sines of a frequency of its own for each sample out.
    let mut random = Random::new(7, 0);
    let mut input = Raster::new(STEPS, SAMPLES, INPUTS);
    for t in 0..STEPS {
        for b in 0..SAMPLES {
            for n in 0..INPUTS {
                if random.uniform() < 0.05 {
                    input.set(t, b, n);
                }
            }
        }
    }
    let target = |t: usize, b: usize, k: usize| {
        let phase = (b + 1) as f32 * t as f32 / STEPS as f32 + 0.25 * k as f32;
        0.2 * (std::f32::consts::TAU * phase).sin()
    };
    let batch = Batch::spikes(input);
    let rule = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0 };
    let optimiser = Optimiser { rule, rate: 5e-3, max_norm: Some(1.0), penalty: Penalty::default() };

    let (mut first, mut last) = (0.0, 0.0);
    for iteration in 0..=300 {
        // Forward: the trace of the readout, [T, B, outputs].
        let trace = engine.forward(&batch)?.potential(readout)?;
        // One's own loss, mean squared error, and its gradient towards the trace.
        let mut loss = 0.0;
        let mut gradient = vec![0.0; trace.values.len()];
        let scale = 1.0 / trace.values.len() as f32;
        for t in 0..STEPS {
            for b in 0..SAMPLES {
                for k in 0..OUTPUTS {
                    let at = (t * SAMPLES + b) * OUTPUTS + k;
                    let error = trace.values[at] - target(t, b, k);
                    loss += scale * error * error;
                    gradient[at] = 2.0 * scale * error;
                }
            }
        }
        engine.backward(&Gradient::none().with_potential(readout, gradient))?;
        engine.step(&optimiser)?;
        if iteration == 0 {
            first = loss;
        }
        last = loss;
        if iteration % 50 == 0 {
            println!("iteration {iteration:3}: mean squared error {loss:.5}");
        }
    }
    println!("{:.1} times smaller than at the start", first / last);
    Ok(())
}
