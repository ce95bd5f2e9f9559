//! Memory of training steps: how much the budget can be lowered, and what that costs in time. Each measurement is a process of
//! its own, so that nothing of another one stands in its memory.

use super::machine::resident;
use super::process::{self, plain};
use super::workload::{W1, W2, W4, Workload};
use crate::cli::arguments::BenchMemory;
use crate::cli::say;
use serde::{Deserialize, Serialize};
use spikegrad::engine::{Budget, Device, Engine, Gradient, Optimiser, TapeKind, Wish, human_bytes};
use spikegrad::io::write_whole;
use spikegrad::kernels::Rule;
use spikegrad::{Error, Result};
use std::time::Instant;

/// What public libraries take for the same step: the growth of their process over model and data, MiB, the least and the
/// most of those measured (`docs/performance.md` says how).
const PUBLIC: [(&str, &str); 3] = [
    ("W1", "snnTorch 251, SpikingJelly 466, Spyx 431, PyTorch by hand 169–298"),
    ("W2", "snnTorch 1056, SpikingJelly 1712, Spyx 776, PyTorch by hand 424–882"),
    ("W4", "snnTorch 1546, Norse 2307, Spyx 954, PyTorch by hand 543–2597"),
];

/// What is measured, for a process of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Task {
    workload: String,
    steps: usize,
    /// Bytes over weights and input; None: no bound; 0: as few as the plan can do without micro-batches.
    growth: Option<u64>,
    tape: Option<TapeKind>,
    device: String,
    repetitions: usize,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Measured {
    workload: String,
    steps: usize,
    device: String,
    /// Steps of a segment, samples of a micro-batch, tape.
    segment: usize,
    samples: usize,
    tape: TapeKind,
    /// Median of whole steps, ms.
    step_ms: f64,
    /// Bytes of all arrays at their most, less the weights and the input.
    growth: u64,
    /// The same by the plan.
    predicted: u64,
    /// Growth of the process over what it was with weights and input in it; 0 where the system does not tell.
    resident: u64,
    /// The whole process at its most.
    process: u64,
    /// Bytes for each neuron and step between the forward and the backward pass.
    kept: f64,
    /// Fraction of the hidden neurons that spike in a step.
    activity: f64,
}

pub fn run(arguments: &BenchMemory) -> Result<()> {
    if let Some(task) = &arguments.one {
        say(&plain(&measure(&process::task(task)?)?));
        return Ok(());
    }
    arguments.device.parse::<Device>()?.check()?;
    let mib = |count: u64| Some(count << 20);
    let mut all = Vec::new();
    say("A training step (forward, loss, backward, Adam). Growth: arrays at their most over weights and input;");
    say("in brackets the growth of the process. Kept: bytes for each neuron and step between the passes.");
    say("");
    say(&header());
    let mut line = |task: Task| -> Result<Measured> {
        let measured = child(&task)?;
        say(&row(&measured));
        all.push(measured.clone());
        Ok(measured)
    };
    let task = |workload: Workload, growth, tape| Task {
        workload: workload.name.into(),
        steps: workload.steps,
        growth,
        tape,
        device: arguments.device.clone(),
        repetitions: if arguments.quick { 1 } else { 5 },
    };
    for (workload, budgets) in [(W1, [mib(40), mib(20)]), (W2, [mib(60), mib(45)]), (W4, [mib(25), mib(15)])] {
        let whole = line(task(workload, None, Some(TapeKind::Whole)))?;
        let half = line(task(workload, None, Some(TapeKind::Half)))?;
        let ratio = |measured: &Measured| measured.step_ms / whole.step_ms;
        let mut ratios = vec![("16 bits".to_string(), ratio(&half))];
        for budget in budgets {
            let name = human_bytes(budget.unwrap_or(0));
            ratios.push((name, ratio(&line(task(workload, budget, None))?)));
        }
        let ratios: Vec<String> = ratios.into_iter().map(|(name, ratio)| format!("{name} {ratio:.2}")).collect();
        let public = PUBLIC.iter().find(|(name, _)| *name == workload.name).map_or("", |(_, text)| text);
        say(&format!("    time over the whole tape: {}; public libraries, MiB: {public}", ratios.join(", ")));
    }
    say("");
    say("128 → 512 recurrent → 20, 32 samples: growth with T, with 25 MiB, and the least that the plan can do");
    say(&header());
    let sweep: &[usize] =
        if arguments.quick { &[250, 1000, 4000] } else { &[250, 500, 1000, 2000, 4000, 8000, 16_000, 100_000] };
    for &steps in sweep {
        let long = steps > 16_000;
        // What 25 MiB must hold besides grows with the spikes.
        let spikes = (steps * 32 * 512 / 8) as u64;
        let growth = Some((25 << 20) + spikes);
        let repetitions = if long { 1 } else { 3 };
        line(Task { steps, repetitions, ..task(W4, growth, Some(TapeKind::Replay)) })?;
        if !long {
            line(Task { steps, repetitions, ..task(W4, Some(0), Some(TapeKind::Replay)) })?;
        }
    }
    if let Some(path) = &arguments.out {
        let text = serde_json::to_string_pretty(&all).expect("plain data");
        write_whole(path, text.as_bytes())?;
        say(&format!("written to {}", path.display()));
    }
    Ok(())
}

/// Measures in a process of its own.
fn child(task: &Task) -> Result<Measured> {
    let what = format!("{} with {} steps", task.workload, task.steps);
    process::measure(&["bench", "memory", "--device", &task.device], task, &what, None)
}

fn measure(task: &Task) -> Result<Measured> {
    let workload = Workload { steps: task.steps, ..Workload::named(&task.workload)? };
    let batch = workload.batch()?;
    let network = workload.network()?;
    let mut engine = Engine::new(network, task.device.parse()?, Budget::Unbounded)?;
    workload.start(&mut engine)?;
    let weights: u64 = engine.parameters()?.values().map(|tensor| 4 * tensor.values.len() as u64).sum();
    let apart = weights + workload.input_bytes();
    let before = resident("VmRSS:");
    let rule = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0 };
    // So small that the activity stays.
    let optimiser = Optimiser::new(rule, 1e-9);
    let mut wish = Wish { tape: task.tape, ..Wish::default() };
    let budget = match task.growth {
        None => Budget::Unbounded,
        // What no plan can do tells the least that one can.
        Some(0) => {
            wish.samples = Some(workload.batch);
            engine.set_memory(Budget::Bytes(1), wish);
            match engine.forward(&batch).map(|_| ()) {
                Err(Error::Memory { needed, .. }) => Budget::Bytes(needed),
                _ => Budget::Bytes(1),
            }
        }
        Some(growth) => Budget::Bytes(apart + growth),
    };
    engine.set_memory(budget, wish);
    let mut times = Vec::new();
    for repetition in 0..=task.repetitions {
        let begun = Instant::now();
        engine.forward(&batch)?;
        engine.backward(&Gradient::loss())?;
        engine.step(&optimiser)?;
        // Waits for the device.
        let finite = engine.metrics()?.iter().all(|metrics| metrics.finite);
        if !finite {
            return Err(Error::Diverged("the workload is not finite".into()));
        }
        if repetition > 0 || task.repetitions == 1 {
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        if task.repetitions == 1 {
            break;
        }
    }
    times.sort_by(f64::total_cmp);
    let activity = engine.activity()?;
    let hidden: f64 =
        activity.iter().map(|layer| layer.spikes.iter().sum::<f64>() / (layer.steps * layer.spikes.len() as f64)).sum();
    let cut = engine.cut().ok_or_else(|| Error::Input("no plan was made".into()))?;
    let (_, peak) = engine.memory();
    let at_most = resident("VmHWM:");
    Ok(Measured {
        workload: task.workload.clone(),
        steps: task.steps,
        device: engine.device().to_string(),
        segment: cut.steps,
        samples: cut.samples,
        tape: cut.tape,
        step_ms: times[times.len() / 2],
        growth: peak.saturating_sub(apart),
        predicted: engine.predicted_memory().unwrap_or(0).saturating_sub(apart),
        resident: at_most.saturating_sub(before),
        process: at_most,
        kept: engine.kept_bytes().unwrap_or(0.0),
        activity: hidden / workload.hidden.len() as f64,
    })
}

fn header() -> String {
    format!(
        "{:<8} {:>7}  {:>7} {:>7} {:<7}  {:>10} {:>12} {:>10}  {:>6}  {:>9}  {:>8}",
        "workload", "T", "segment", "samples", "tape", "growth", "(process)", "by plan", "kept", "step", "activity"
    )
}

fn row(measured: &Measured) -> String {
    let tape = format!("{:?}", measured.tape).to_lowercase();
    format!(
        "{:<8} {:>7}  {:>7} {:>7} {:<7}  {:>10} {:>12} {:>10}  {:>6.3}  {:>6.0} ms  {:>6.1} %",
        measured.workload,
        measured.steps,
        measured.segment,
        measured.samples,
        tape,
        human_bytes(measured.growth),
        format!("({})", human_bytes(measured.resident)),
        human_bytes(measured.predicted),
        measured.kept,
        measured.step_ms,
        100.0 * measured.activity
    )
}
