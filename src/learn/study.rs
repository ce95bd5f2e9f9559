//! Studies: many trainings that differ in a few switches, several at once, each on a thread of its own. A network's numbers
//! do not depend on what runs beside it.

use super::{Recipe, Trainer};
use crate::engine::Device;
use crate::error::{Error, Result};
use rayon::ThreadPoolBuilder;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Instant;

/// A training of a study.
#[derive(Clone, Debug)]
pub struct Trial {
    /// In what it differs from the others: factor and level.
    pub factors: BTreeMap<String, String>,
    /// What is trained.
    pub recipe: Recipe,
}

/// What came out of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// See [`Trial::factors`].
    pub factors: BTreeMap<String, String>,
    /// Seed.
    pub seed: u64,
    /// Epochs.
    pub epochs: usize,
    /// Fraction of the test set that was right, with the parameters that did best on the validation set; None: it diverged.
    pub test: Option<f64>,
    /// Fraction of the validation set that was right with them.
    pub valid: Option<f64>,
    /// Spikes of all hidden layers for a test sample.
    pub spikes: Option<f64>,
    /// Synaptic operations for a test sample.
    pub synaptic_operations: Option<f64>,
    /// Where and why it stopped being a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diverged: Option<String>,
    /// Seconds, data included.
    pub seconds: f64,
    /// Hash of the whole recipe: an outcome only stands for a trial that is the same in every switch.
    pub recipe: String,
}

/// A hash of a recipe's whole text (FNV-1a, 64 bits): the same on every machine.
fn digest(recipe: &Recipe) -> String {
    let hash = recipe
        .to_toml()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

impl Trial {
    /// Whether `outcome` is of this trial.
    pub fn is(&self, outcome: &Outcome) -> bool {
        self.recipe.train.seed == outcome.seed && digest(&self.recipe) == outcome.recipe
    }

    /// Trains, then tests.
    fn run(self, device: Device) -> Result<Outcome> {
        let begun = Instant::now();
        let recipe = digest(&self.recipe);
        let (seed, epochs) = (self.recipe.train.seed, self.recipe.train.epochs);
        let split = self.recipe.data.load(seed)?;
        let mut trainer = Trainer::new(self.recipe, split, device)?;
        let trained = loop {
            if trainer.finished() {
                break None;
            }
            match trainer.epoch(|_| {}) {
                Ok(_) => {}
                Err(Error::Diverged(message)) => break Some(message),
                Err(error) => return Err(error),
            }
        };
        let mut outcome = Outcome {
            factors: self.factors,
            seed,
            epochs,
            test: None,
            valid: None,
            spikes: None,
            synaptic_operations: None,
            diverged: trained,
            seconds: 0.0,
            recipe,
        };
        if outcome.diverged.is_none() {
            trainer.use_best()?;
            let test = trainer.test()?;
            outcome.test = Some(test.accuracy);
            outcome.valid = trainer.progress().best.map(|best| best.accuracy);
            outcome.spikes = Some(test.spikes_per_sample);
            outcome.synaptic_operations = Some(test.activity.synaptic_operations);
        }
        outcome.seconds = begun.elapsed().as_secs_f64();
        Ok(outcome)
    }
}

/// Runs all trials, `jobs` at once, each on one thread of the CPU or as a guest of the device; `done` is told each outcome as
/// it comes, in any order.
///
/// # Errors
/// The first one of a trial or of `done`; the trials that run then are finished and told, no further one is begun. A trial
/// that diverges is an outcome, no error.
pub fn study(
    trials: Vec<Trial>,
    device: Device,
    jobs: usize,
    mut done: impl FnMut(Outcome) -> Result<()>,
) -> Result<()> {
    let (next, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (sender, receiver) = mpsc::channel();
    let mut first = Ok(());
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, trials.len().max(1)) {
            let (sender, trials, next, stopped) = (sender.clone(), &trials, &next, &stopped);
            scope.spawn(move || {
                let pool = match ThreadPoolBuilder::new().num_threads(1).build() {
                    Ok(pool) => pool,
                    Err(error) => return drop(sender.send(Err(Error::Device(format!("no thread: {error}"))))),
                };
                while !stopped.load(Ordering::Relaxed) {
                    let Some(trial) = trials.get(next.fetch_add(1, Ordering::Relaxed)).cloned() else { break };
                    if sender.send(pool.install(|| trial.run(device))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for outcome in receiver {
            if let Err(error) = outcome.and_then(&mut done) {
                stopped.store(true, Ordering::Relaxed);
                if first.is_ok() {
                    first = Err(error);
                }
            }
        }
    });
    first
}
