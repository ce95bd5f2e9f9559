//! `spikegrad devices`.

use super::say;
use spikegrad::Result;
use spikegrad::engine::{Budget, Device, Engine};
use spikegrad::network::Network;

pub fn run() -> Result<()> {
    let probe = |device| -> Result<String> {
        let network = Network::builder(1).readout(1).build()?;
        Ok(Engine::new(network, device, Budget::default())?.device().to_string())
    };
    say(&probe(Device::Cpu)?);
    for line in adapters() {
        say(&line);
    }
    say(&format!("used by --device auto: {}", probe(Device::Auto)?));
    Ok(())
}

/// A line or more for each adapter that this build can see.
fn adapters() -> Vec<String> {
    Vec::new()
}
