//! `spikegrad profile`: where the time of a training step goes, as a table and as a trace.

use super::arguments::Profile as Arguments;
use super::bench::kernels::{collect, judge, lines};
use super::bench::step::Ready;
use super::bench::steps::{at_least_1, measured_limits, threads_fit};
use super::bench::workload::{NAMES, Surrogates, Workload};
use super::{say, train};
use serde_json::{Value, json};
use spikegrad::engine::{Budget, Device, Engine, Gradient};
use spikegrad::io::{check_writable, write_whole};
use spikegrad::kernels::{Profile, Span};
use spikegrad::{Error, Result};

/// Runs the command.
///
/// # Errors
/// [`Error::Input`] where there is no such thing, [`Error::Device`] where the device cannot measure time.
pub fn run(arguments: &Arguments) -> Result<()> {
    let device: Device = arguments.device.parse()?;
    threads_fit(arguments.threads)?;
    at_least_1("repetitions", Some(arguments.repetitions))?;
    arguments.trace.as_ref().map_or(Ok(()), check_writable)?;
    if let Some(threads) = arguments.threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        pool.map_err(|error| Error::Input(format!("{threads} threads cannot be started: {error}")))?;
    }
    device.check()?;
    let mut ready = prepare(arguments, device)?;
    ready.warm_up()?;
    let (profile, step_ms) = ready.profile(arguments.repetitions)?;
    let limits = measured_limits(&arguments.device, true)?;
    let steps = arguments.repetitions;
    say(ready.engine.device());
    say(&format!("{}: a training step takes {step_ms:.2} ms under the profile (mean of {steps})", arguments.what));
    say("");
    let judged = judge(&collect(&profile, steps), step_ms, Some(&limits));
    lines(&judged, step_ms, 0.002).iter().for_each(|line| say(line));
    say("");
    say("limits of this machine, measured now");
    limits.lines().iter().for_each(|line| say(&format!("  {line}")));
    if let Some(path) = &arguments.trace {
        write_whole(path, trace(&profile).to_string().as_bytes())?;
        say(&format!("trace of {} calls written to {}", profile.spans.len(), path.display()));
    }
    Ok(())
}

/// A workload, or a recipe with its first batch.
fn prepare(arguments: &Arguments, device: Device) -> Result<Ready> {
    let what = arguments.what.as_str();
    if NAMES.contains(&what) || what == "W5" {
        let surrogate = if arguments.compact { Surrogates::Compact } else { Surrogates::Default };
        let workload = Workload { surrogate, ..Workload::named(what)? };
        return Ready::with(&workload, &arguments.device);
    }
    if arguments.compact {
        return Err(Error::Input("--compact is for workloads: a file says its surrogate itself".into()));
    }
    let mut recipe = train::read(what).map_err(|error| match error {
        Error::Input(message) => Error::Input(format!("{message}; the workloads are {}", NAMES.join(", "))),
        other => other,
    })?;
    if let Some(directory) = train::data_directory(arguments.data.as_deref()) {
        recipe.data.set_directory(directory);
    }
    recipe.validate()?;
    let split = recipe.data.load(recipe.train.seed)?;
    recipe.fits(&split.train)?;
    let mut engine = Engine::new(recipe.network.clone(), device, Budget::default())?;
    engine.initialise(recipe.train.seed)?;
    let samples: Vec<usize> = (0..recipe.train.batch.min(split.train.len())).collect();
    let batch = recipe.batch(&split.train, &samples, 0)?;
    Ok(Ready::new(engine, batch, Gradient::loss()))
}

/// In the form that Chrome and Perfetto read: complete events, microseconds.
fn trace(profile: &Profile) -> Value {
    let event = |span: &Span| {
        let Span { kernel, layer, start, duration, cost } = span;
        let name = match layer {
            Some(layer) => format!("{kernel} {layer}"),
            None => kernel.to_string(),
        };
        let gathered: f64 = cost.gathers.iter().map(|gather| gather.bytes).sum();
        let args = json!({
            "layer": layer, "form": cost.form, "bytes": cost.bytes, "operations": cost.operations, "gathered": gathered,
        });
        json!({
            "name": name, "cat": kernel, "ph": "X", "ts": 1e6 * start, "dur": 1e6 * duration, "pid": 0, "tid": 0,
            "args": args,
        })
    };
    json!({ "displayTimeUnit": "ms", "traceEvents": profile.spans.iter().map(event).collect::<Vec<_>>() })
}
