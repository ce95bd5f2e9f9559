//! One training step of a workload, measured: its parts, its memory, its activity, and where its time goes.

use super::kernels::{Calls, collect};
use super::machine::{Ticks, resident};
use super::workload::{Sizes, Surrogates, Workload};
use serde::{Deserialize, Serialize};
use spikegrad::engine::{Batch, Budget, Engine, Gradient, Optimiser};
use spikegrad::kernels::{Profile, Rule};
use spikegrad::{Error, Result};
use std::time::Instant;

/// Steps that are profiled.
const PROFILED: usize = 3;

/// What is measured, for a process of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    pub workload: String,
    pub surrogate: Surrogates,
    pub device: String,
    pub repetitions: usize,
    /// Whether only the step is asked for, not where its time goes.
    pub brief: bool,
    /// In place of a named workload.
    pub sizes: Option<Sizes>,
}

/// Of some times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Times {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Times {
    /// Of at least one time.
    pub fn of(mut times: Vec<f64>) -> Times {
        times.sort_by(f64::total_cmp);
        let (min, max) = (times[0], times[times.len() - 1]);
        Times { median: (times[(times.len() - 1) / 2] + times[times.len() / 2]) / 2.0, min, max }
    }
}

/// What came out. Times in ms, memory in bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    pub workload: String,
    pub surrogate: Surrogates,
    pub device: String,
    pub threads: usize,
    pub steps: usize,
    pub batch: usize,
    pub neurons: usize,
    pub repetitions: usize,
    pub step_ms: Times,
    pub forward_ms: Times,
    pub backward_ms: Times,
    pub optimiser_ms: Times,
    pub neuron_steps_per_s: f64,
    /// Spikes, each once for each weight that it goes through, and multiply-adds of analogue input; forward alone.
    pub synaptic_operations: f64,
    pub synaptic_operations_per_s: f64,
    /// All arrays at their most; growth of the process over weights and input, and the process, at theirs.
    pub arrays: u64,
    pub growth: u64,
    pub process: u64,
    /// Of each hidden layer the fraction of neurons that spike in a step, and whose surrogate derivative is not 0.
    pub activity: Vec<f64>,
    pub sensitive: Vec<f64>,
    /// Share of the machine that other processes took meanwhile.
    pub other_load: Option<f64>,
    /// A step under the profile, all of it; and its calls.
    pub profiled_ms: f64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kernels: Vec<Calls>,
}

/// An engine and what a step of it needs.
pub struct Ready {
    pub engine: Engine,
    pub batch: Batch,
    gradient: Gradient,
    optimiser: Optimiser,
}

impl Ready {
    /// With Adam.
    pub fn new(engine: Engine, batch: Batch, gradient: Gradient) -> Ready {
        let rule = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0 };
        // So small that the activity stays.
        Ready { engine, batch, gradient, optimiser: Optimiser::new(rule, 1e-9) }
    }

    /// Puts `workload` on a device.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn with(workload: &Workload, device: &str) -> Result<Ready> {
        let mut engine = Engine::new(workload.network()?, device.parse()?, Budget::Unbounded)?;
        workload.start(&mut engine)?;
        Ok(Ready::new(engine, workload.batch()?, workload.gradient()))
    }

    /// A step; seconds of forward pass, backward pass, update, and all of it. `apart`: waits for the device after each.
    fn step(&mut self, apart: bool) -> Result<[f64; 4]> {
        let Ready { engine, batch, gradient, optimiser } = self;
        let begun = Instant::now();
        let done = |engine: &mut Engine| -> Result<f64> {
            if apart {
                engine.wait()?;
            }
            Ok(begun.elapsed().as_secs_f64())
        };
        engine.forward(batch)?;
        let forward = done(engine)?;
        engine.backward(gradient)?;
        let backward = done(engine)?;
        engine.step(optimiser)?;
        engine.wait()?;
        let step = begun.elapsed().as_secs_f64();
        Ok([forward, backward - forward, step - backward, step])
    }

    /// A step that is not measured; fails where it is not finite.
    ///
    /// # Errors
    /// [`Error::Diverged`].
    pub fn warm_up(&mut self) -> Result<()> {
        self.step(true)?;
        match self.engine.metrics()?.iter().all(|metrics| metrics.finite) {
            true => Ok(()),
            false => Err(Error::Diverged("loss or gradient are not finite".into())),
        }
    }

    /// The profile of `steps` steps, and the milliseconds of one of them.
    ///
    /// # Errors
    /// [`Error::Device`] where the device cannot measure time.
    pub fn profile(&mut self, steps: usize) -> Result<(Profile, f64)> {
        self.engine.profile(true)?;
        for _ in 0..steps {
            self.step(false)?;
        }
        let profile = self.engine.take_profile()?;
        self.engine.profile(false)?;
        let all = profile.elapsed.unwrap_or_else(|| profile.spans.iter().map(|span| span.duration).sum());
        Ok((profile, 1e3 * all / steps as f64))
    }

    /// Of each hidden layer the fraction of neuron-steps whose surrogate derivative is not 0.
    fn sensitive(&mut self, workload: &Workload) -> Result<Vec<f64>> {
        let surrogate = workload.surrogate();
        if workload.surrogate == Surrogates::Default {
            return Ok(vec![1.0; workload.hidden.len()]);
        }
        let mut outputs = self.engine.forward(&self.batch)?;
        let of_layer = |layer| -> Result<f64> {
            let potential = outputs.potential(layer)?.values;
            // θ = 1 in all of them.
            let not_0 = |v: &&f32| spikegrad::surrogate::derivative(surrogate, f64::from(**v) - 1.0) != 0.0;
            Ok(potential.iter().filter(not_0).count() as f64 / potential.len() as f64)
        };
        (0..workload.hidden.len()).map(of_layer).collect()
    }
}

/// Measures a task in this process.
///
/// # Errors
/// Those of the engine.
pub fn measure(task: &Task) -> Result<Measured> {
    let named = match task.sizes {
        Some(sizes) => Workload::sized(sizes),
        None => Workload::named(&task.workload)?,
    };
    let workload = Workload { surrogate: task.surrogate, ..named };
    let mut ready = Ready::with(&workload, &task.device)?;
    let before = resident("VmRSS:");
    ready.warm_up()?;
    let ticks = Ticks::now();
    let (mut whole, mut parts) = (Vec::new(), Vec::new());
    for _ in 0..task.repetitions {
        // Waiting between the parts costs a GPU time that a step does not take.
        let step = ready.step(!ready.engine.on_gpu())?;
        whole.push(1e3 * step[3]);
        parts.push(if ready.engine.on_gpu() { ready.step(true)? } else { step });
    }
    let other_load = ticks.zip(Ticks::now()).map(|(before, now)| now.others_since(before));
    let process = resident("VmHWM:");
    let (_, arrays) = ready.engine.memory();
    let part = |which: usize| Times::of(parts.iter().map(|times| 1e3 * times[which]).collect());
    let metrics = ready.engine.metrics()?;
    let counted = metrics.last().ok_or_else(|| Error::Input("nothing was measured".into()))?;
    let (steps, batch) = (workload.steps, workload.batch);
    let activity = counted.spikes.iter().zip(workload.hidden);
    let activity = activity.map(|(spikes, &units)| spikes / (steps * batch * units) as f64).collect();
    let synaptic_operations = counted.synaptic_operations + counted.multiply_adds;
    let step_ms = Times::of(whole);
    let profiled = if task.repetitions == 1 { 1 } else { PROFILED };
    let nothing = (Vec::new(), 0.0);
    let (kernels, profiled_ms) = match if task.brief { None } else { Some(ready.profile(profiled)) } {
        None => nothing,
        Some(Ok((profile, ms))) => (collect(&profile, profiled), ms),
        // A device without a clock.
        Some(Err(Error::Device(_))) if ready.engine.on_gpu() => nothing,
        Some(Err(error)) => return Err(error),
    };
    let sensitive = if task.brief { Vec::new() } else { ready.sensitive(&workload)? };
    let neurons = workload.neurons();
    let per_second = |count: f64| 1e3 * count / step_ms.median;
    Ok(Measured {
        workload: task.workload.clone(),
        surrogate: task.surrogate,
        device: ready.engine.device().to_string(),
        threads: rayon::current_num_threads(),
        steps,
        batch,
        neurons,
        repetitions: task.repetitions,
        step_ms,
        forward_ms: part(0),
        backward_ms: part(1),
        optimiser_ms: part(2),
        neuron_steps_per_s: per_second((steps * batch * neurons) as f64),
        synaptic_operations,
        synaptic_operations_per_s: per_second(synaptic_operations),
        arrays,
        growth: process.saturating_sub(before),
        process,
        activity,
        sensitive,
        other_load,
        profiled_ms,
        kernels,
    })
}
