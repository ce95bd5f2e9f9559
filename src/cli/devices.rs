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

/// Lines on each adapter that this build can see.
#[cfg(feature = "gpu")]
fn adapters() -> Vec<String> {
    use spikegrad::gpu::{AdapterKind, adapters};
    let found = adapters();
    if found.is_empty() {
        return vec!["no adapter with a Vulkan, Metal or DX12 driver".into()];
    }
    let mut lines = Vec::new();
    for adapter in found {
        let kind = match adapter.kind {
            AdapterKind::Discrete => "discrete",
            AdapterKind::Integrated => "integrated",
            AdapterKind::Other => "virtual or unknown",
            AdapterKind::Software => "software rasteriser, never chosen by itself",
        };
        lines.push(format!("gpu:{} {} ({}, {kind}), {}", adapter.index, adapter.name, adapter.backend, adapter.driver));
        let has = |name: &str, there: bool| if there { format!(", {name}") } else { String::new() };
        lines.push(format!(
            "      arrays to {} MiB, workgroup memory {} KiB, {} invocations{}{}{}",
            adapter.largest_array >> 20,
            adapter.workgroup_memory >> 10,
            adapter.invocations,
            has("f16", adapter.half),
            has("subgroups", adapter.subgroups),
            has("timestamps", adapter.timestamps)
        ));
    }
    lines
}

/// This build sees none.
#[cfg(not(feature = "gpu"))]
fn adapters() -> Vec<String> {
    vec!["built without the feature gpu".into()]
}
