//! `spikegrad bench`: training steps of the named workloads against the limits of the machine.

use super::kernels::{Judged, judge, lines};
use super::limits::{self, Limits};
use super::peers::{Compared, Pair, Peers, compare, print};
use super::process::{self, plain};
use super::step::{Measured, Task, Times, measure};
use super::workload::{Surrogates, Workload};
use crate::cli::arguments::{BenchSteps, Variants};
use crate::cli::say;
use serde::{Deserialize, Serialize};
use spikegrad::engine::{Device, Engine, human_bytes};
use spikegrad::io::{check_writable, write_whole};
use spikegrad::{Error, Result};
use std::path::Path;

/// What a process of its own does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum One {
    Step(Task),
    Limits { device: String, quick: bool },
}

/// A file of results.
#[derive(Serialize)]
struct Report<'a> {
    version: &'static str,
    device: &'a str,
    threads: usize,
    /// None: could not be measured.
    limits: Option<&'a Limits>,
    results: &'a [Row],
    /// With `--vs`: every measurement, and what they say together.
    pairs: Vec<Pair>,
    compared: Vec<Compared>,
}

/// A workload with a surrogate.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    #[serde(flatten)]
    measured: Measured,
    /// In place of those of `measured`.
    judged: Vec<Judged>,
}

/// Runs the command.
///
/// # Errors
/// [`Error::Input`] where something that was asked for is not there, and those of the engine.
pub fn run(arguments: &BenchSteps) -> Result<()> {
    if let Some(task) = &arguments.one {
        say(&match process::task(task)? {
            One::Step(task) => plain(&measure(&task)?),
            One::Limits { device, quick } => plain(&measured_limits(&device, quick)?),
        });
        return Ok(());
    }
    check(arguments)?;
    let peers = match arguments.vs.is_empty() {
        true => None,
        false => Some(Peers::find(&arguments.vs, &arguments.peers)?),
    };
    let BenchSteps { device, quick, threads, .. } = arguments;
    let limits = match one::<Limits>(&One::Limits { device: device.clone(), quick: *quick }, "limits", *threads) {
        Ok(limits) => {
            say("limits of this machine, measured now");
            limits.lines().iter().for_each(|line| say(&format!("  {line}")));
            Some(limits)
        }
        Err(error) => {
            say(&format!("limits cannot be measured: {error}"));
            None
        }
    };
    let (mut rows, mut pairs, mut compared) = (Vec::new(), Vec::new(), Vec::new());
    for name in &arguments.workload {
        for surrogate in variants(arguments.surrogate) {
            let task = task(arguments, name, surrogate, false);
            let measured: Measured = one(&One::Step(task), name, *threads)?;
            if rows.is_empty() {
                say("");
                say(&format!("{}: training steps (forward, loss, backward, Adam)", measured.device));
            }
            let row = Row::new(measured, limits.as_ref());
            row.lines().iter().for_each(|line| say(line));
            rows.push(row);
        }
        if let Some(peers) = &peers {
            let own = versus(arguments, name, peers)?;
            let all = compare(name, &own);
            say("  their time over that of the engine, each measured just after the other:");
            print(&all, &own);
            pairs.extend(own);
            compared.extend(all);
        }
    }
    if let Some(path) = &arguments.out {
        let (device, threads) =
            rows.first().map_or(("", 0), |row: &Row| (row.measured.device.as_str(), row.measured.threads));
        let version = env!("CARGO_PKG_VERSION");
        let limits = limits.as_ref();
        write_json(path, &Report { version, device, threads, limits, results: &rows, pairs, compared })?;
    }
    Ok(())
}

/// The engine and each library in turn, several times round.
fn versus(arguments: &BenchSteps, name: &str, peers: &Peers) -> Result<Vec<Pair>> {
    let mut pairs: Vec<Pair> = Vec::new();
    for round in 0..if arguments.quick { 1 } else { 3 } {
        for peer in &peers.all {
            // What failed once fails again.
            if pairs.iter().any(|pair| pair.peer == peer.name && pair.error.is_some()) {
                continue;
            }
            let mut ours = Vec::new();
            for surrogate in variants(arguments.surrogate) {
                let task = task(arguments, name, surrogate, true);
                ours.push(one::<Measured>(&One::Step(task), name, arguments.threads)?);
            }
            let theirs = peers.measure(peer, name, &ours[0], arguments.quick);
            pairs.push(Pair {
                workload: name.into(),
                peer: peer.name.clone(),
                round,
                ours: ours.iter().map(|own| (own.surrogate, own.step_ms.median)).collect(),
                other_load: ours[0].other_load,
                error: theirs.as_ref().err().cloned(),
                raw: theirs.ok(),
            });
        }
    }
    Ok(pairs)
}

/// Everything that can be wrong with what was asked for, before anything is measured.
fn check(arguments: &BenchSteps) -> Result<()> {
    for name in &arguments.workload {
        Workload::named(name)?;
    }
    arguments.device.parse::<Device>()?.check()?;
    threads_fit(arguments.threads)?;
    arguments.out.as_ref().map_or(Ok(()), check_writable)?;
    at_least_1("repetitions", arguments.repetitions)
}

/// Refuses 0.
///
/// # Errors
/// [`Error::Input`] with the argument's name.
pub fn at_least_1(what: &str, number: Option<usize>) -> Result<()> {
    match number {
        Some(0) => Err(Error::Input(format!("--{what} must be at least 1"))),
        _ => Ok(()),
    }
}

/// Threads for each processor at most: more would only wait for each other, and thousands of them for minutes.
const CROWD: usize = 4;

/// Checks a number of threads against the processors of the machine.
pub fn threads_fit(threads: Option<usize>) -> Result<()> {
    at_least_1("threads", threads)?;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    match threads {
        Some(threads) if threads > CROWD * processors => Err(Error::Input(format!(
            "--threads must be at most {}, {CROWD} for each processor of this machine, is {threads}",
            CROWD * processors
        ))),
        _ => Ok(()),
    }
}

fn variants(variants: Variants) -> Vec<Surrogates> {
    match variants {
        Variants::Default => vec![Surrogates::Default],
        Variants::Compact => vec![Surrogates::Compact],
        Variants::Both => vec![Surrogates::Default, Surrogates::Compact],
    }
}

fn task(arguments: &BenchSteps, name: &str, surrogate: Surrogates, brief: bool) -> Task {
    let repetitions = arguments.repetitions.unwrap_or(if arguments.quick { 3 } else { 10 });
    let (workload, device) = (name.to_string(), arguments.device.clone());
    Task { workload, surrogate, device, repetitions, brief, sizes: None }
}

/// Measures in a process of its own.
///
/// # Errors
/// What the process said.
pub fn one<T: serde::de::DeserializeOwned>(task: &One, what: &str, threads: Option<usize>) -> Result<T> {
    process::measure(&["bench"], task, what, threads)
}

/// The limits of a device, measured here.
///
/// # Errors
/// [`Error::Device`] where they cannot be.
pub fn measured_limits(device: &str, quick: bool) -> Result<Limits> {
    let on_gpu = |device: Device| -> Result<bool> {
        let network = spikegrad::network::Network::builder(1).readout(1).build()?;
        Ok(Engine::new(network, device, Default::default())?.on_gpu())
    };
    match device.parse()? {
        Device::Cpu => Ok(limits::of_cpu(quick)),
        Device::Gpu(adapter) => limits::of_gpu(adapter, quick),
        Device::Auto if on_gpu(Device::Auto)? => limits::of_gpu(None, quick),
        Device::Auto => Ok(limits::of_cpu(quick)),
    }
}

impl Row {
    fn new(mut measured: Measured, limits: Option<&Limits>) -> Row {
        let kernels = std::mem::take(&mut measured.kernels);
        let judged = judge(&kernels, measured.profiled_ms, limits);
        Row { measured, judged }
    }

    fn lines(&self) -> Vec<String> {
        let own = &self.measured;
        let surrogate = own.surrogate.name();
        let percent = |parts: &[f64]| {
            let parts: Vec<String> = parts.iter().map(|part| format!("{:.1}", 100.0 * part)).collect();
            parts.join("/")
        };
        let ms = |times: &Times| format!("{:.1} ms", times.median);
        let load = own.other_load.map_or(String::new(), |load| format!(", other load {load:.2}"));
        let mut all = vec![
            String::new(),
            format!(
                "{}, {surrogate} surrogate: T = {}, B = {}, {} neurons",
                own.workload, own.steps, own.batch, own.neurons
            ),
            format!(
                "  step {} ({:.1} to {:.1}, {} repetitions{load}): forward {}, backward {}, optimiser {}",
                ms(&own.step_ms),
                own.step_ms.min,
                own.step_ms.max,
                own.repetitions,
                ms(&own.forward_ms),
                ms(&own.backward_ms),
                ms(&own.optimiser_ms)
            ),
            format!(
                "  {:.1} M neuron-steps/s, {:.0} M synaptic operations/s; memory {} of arrays, the process {} ({} over weights and input)",
                own.neuron_steps_per_s / 1e6,
                own.synaptic_operations_per_s / 1e6,
                human_bytes(own.arrays),
                human_bytes(own.process),
                human_bytes(own.growth)
            ),
            format!(
                "  hidden activity {} %, surrogate derivative not 0 at {} % of the neuron-steps",
                percent(&own.activity),
                percent(&own.sensitive)
            ),
        ];
        match self.judged.is_empty() {
            true => all.push("  no profile: this device cannot measure the time of its kernels".into()),
            false => {
                all.push(format!("  a step under the profile, {:.1} ms:", own.profiled_ms));
                all.extend(lines(&self.judged, own.profiled_ms, 0.01).iter().map(|line| format!("    {line}")));
            }
        }
        all
    }
}

/// Writes a file of plain data.
///
/// # Errors
/// [`Error::File`] where it cannot be written.
pub fn write_json(path: &Path, data: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(data).expect("plain data");
    write_whole(path, text.as_bytes())?;
    say(&format!("written to {}", path.display()));
    Ok(())
}
