//! Streaming: a network fed step by step gives what it gives for the whole sequence, bit for bit.
//!
//! `cargo run --release --example stream`

use spikegrad::engine::{Batch, Budget, Device, Engine};
use spikegrad::network::Network;
use spikegrad::spikes::{Random, Raster};

const STEPS: usize = 200;
const INPUTS: usize = 50;

fn main() -> spikegrad::Result<()> {
    let network = Network::builder(INPUTS).recurrent(80, |_| {}).hidden(40, |_| {}).readout(3).build()?;
    let readout = network.layers.len() - 1;
    let mut engine = Engine::new(network, Device::Auto, Budget::default())?;
    println!("{}", engine.device());
    engine.initialise(3)?;

    let mut random = Random::new(5, 0);
    let mut whole = Raster::new(STEPS, 1, INPUTS);
    for t in 0..STEPS {
        for n in 0..INPUTS {
            if random.uniform() < 0.2 {
                whole.set(t, 0, n);
            }
        }
    }
    let trace = engine.forward(&Batch::spikes(whole.clone()))?.potential(readout)?;

    // The same sequence, one step at a time, as an endless source would bring it.
    engine.reset_state();
    let mut differences = 0;
    for t in 0..STEPS {
        let mut step = Raster::new(1, 1, INPUTS);
        for n in 0..INPUTS {
            if whole.get(t, 0, n) {
                step.set(0, 0, n);
            }
        }
        let now = engine.stream(&Batch::spikes(step))?.potential(readout)?;
        differences += (0..3).filter(|&k| now.get(0, 0, k).to_bits() != trace.get(t, 0, k).to_bits()).count();
    }
    // The state can be taken out, kept, and put back.
    let state = engine.state()?;
    engine.set_state(state)?;
    println!(
        "{STEPS} steps one by one: {differences} of {} readout potentials differ from the whole sequence",
        3 * STEPS
    );
    assert_eq!(differences, 0);
    Ok(())
}
