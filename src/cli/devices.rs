//! `spikegrad devices`.

use super::arguments::Devices;
use super::say;
use spikegrad::Result;
use spikegrad::engine::{Budget, Device, Engine};
use spikegrad::network::Network;

pub fn run(arguments: &Devices) -> Result<()> {
    if arguments.calibrate {
        return calibrate(arguments.device.parse()?);
    }
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

/// Measures a GPU and keeps the result.
#[cfg(feature = "gpu")]
fn calibrate(device: Device) -> Result<()> {
    let Device::Gpu(index) = device else {
        return Err(spikegrad::Error::Input("only a GPU can be calibrated: use --device gpu or gpu:N".into()));
    };
    let found = spikegrad::gpu::calibrate(index)?;
    let costs = found.costs;
    say(&format!(
        "gpu:{} {} ({}), {}",
        found.adapter.index, found.adapter.name, found.adapter.backend, found.adapter.driver
    ));
    let (micro, giga) = (1e6, 1e-9);
    for (what, value, unit) in [
        ("workgroups side by side", costs.cores, ""),
        ("one workgroup loads", costs.core_bandwidth * giga, "GB/s"),
        ("the whole device loads", costs.bandwidth * giga, "GB/s"),
        ("a step in a workgroup takes at least", costs.resident_step * micro, "µs"),
        ("a dispatch that waits for another takes", costs.dispatch_gap * micro, "µs"),
        ("a tile walks 16 inner entries in", costs.slab * micro, "µs"),
        ("product", costs.product * 2.0 * giga, "GFLOP/s"),
    ] {
        say(format!("      {what} {value:.3} {unit}").trim_end());
    }
    match found.path {
        Some(path) => say(&format!("kept in {}; used where SPIKEGRAD_CALIBRATED is set", path.display())),
        None => say("not kept: there is no cache directory (set XDG_CACHE_HOME)"),
    }
    Ok(())
}

/// There is none in this build.
#[cfg(not(feature = "gpu"))]
fn calibrate(_: Device) -> Result<()> {
    Err(spikegrad::Error::Device("this build has no GPU backend: build it with the feature gpu".into()))
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
