//! The trainer: epochs of forward, backward and update, and what is kept of them.

use super::batches::EVALUATION;
use super::{Confusion, Prefetch, Recipe, Schedule};
use crate::data::{DataSet, Split, order};
use crate::engine::{
    Batch, Budget, Device, Engine, Gradient, LayerActivity, Optimiser, Outputs, Parameters, StepMetrics, Wish, shapes,
};
use crate::error::{Error, Result};
use crate::io::{ActivityMetrics, Best, Checkpoint, EpochMetrics, Progress};
use crate::network::Network;
use std::thread;
use std::time::Instant;

/// Steps between two readings of the numbers that the device keeps, and so of the guard against divergence: in between the
/// host runs ahead of the device. A step that is not finite changes no parameter, so it may be noticed later.
const READ: usize = 16;

/// Trains a network as a [`Recipe`] says.
pub struct Trainer {
    recipe: Recipe,
    split: Split,
    engine: Engine,
    progress: Progress,
    best: Option<Parameters>,
}

/// What an epoch has come to, for a progress bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// Batches done in this epoch.
    pub done: usize,
    /// Batches of an epoch.
    pub batches: usize,
    /// Mean loss of the epoch so far.
    pub loss: f64,
    /// Accuracy of the epoch so far.
    pub accuracy: f64,
    /// Spikes of a hidden neuron for a sample.
    pub spikes_per_neuron: f64,
    /// Neurons × steps × samples in a second.
    pub neuron_steps_per_s: f64,
}

/// How well a network does on a part of the data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Mean loss, without regularisers.
    pub loss: f64,
    /// Fraction that is right.
    pub accuracy: f64,
    /// Spikes of all hidden layers for a sample.
    pub spikes_per_sample: f64,
    /// How active the network was.
    pub activity: ActivityMetrics,
}

/// Sums over batches.
#[derive(Default)]
struct Sums {
    samples: usize,
    loss: f64,
    correct: u64,
    answers: u64,
    spikes: f64,
    synaptic_operations: f64,
    multiply_adds: f64,
}

impl Sums {
    fn add(&mut self, metrics: &StepMetrics) {
        self.samples += metrics.samples;
        self.loss += metrics.loss * metrics.samples as f64;
        self.correct += metrics.correct;
        self.answers += metrics.answers;
        self.synaptic_operations += metrics.synaptic_operations;
        self.multiply_adds += metrics.multiply_adds;
        self.spikes += metrics.spikes.iter().sum::<f64>();
    }

    /// `layers` is what their units did in the same batches.
    fn evaluation(&self, layers: &[LayerActivity]) -> Evaluation {
        let samples = self.samples.max(1) as f64;
        let of_neuron =
            |layer: &LayerActivity| layer.spikes.iter().sum::<f64>() / (samples * layer.spikes.len() as f64);
        Evaluation {
            loss: self.loss / samples,
            accuracy: self.correct as f64 / self.answers.max(1) as f64,
            spikes_per_sample: self.spikes / samples,
            activity: ActivityMetrics {
                spikes_per_neuron: layers.iter().map(of_neuron).collect(),
                dead_fraction: layers.iter().map(LayerActivity::silent).collect(),
                saturated_fraction: layers.iter().map(|layer| layer.above(0.5)).collect(),
                synaptic_operations: self.synaptic_operations / samples,
                multiply_adds: self.multiply_adds / samples,
            },
        }
    }
}

/// Number of parameters that training changes.
pub fn learned_parameters(network: &Network) -> usize {
    let learned = |name: &str| {
        let (layer, part) = name.strip_prefix("layer")?.split_once('.')?;
        let neuron = &network.layers.get(layer.parse::<usize>().ok()?)?.neuron;
        Some(match part {
            "norm_mean" | "norm_variance" => false,
            "tau_mem" | "leak" => neuron.tau_mem.learned,
            "tau_syn" => neuron.tau_syn.as_ref().is_some_and(|tau| tau.learned),
            "threshold" => neuron.threshold.as_ref().is_some_and(|theta| theta.learned),
            own => match neuron.kind.snippet().and_then(|snippet| snippet.parameter(own)) {
                Some((index, _)) => neuron.own(index).is_some_and(|parameter| parameter.learned),
                None => true,
            },
        })
    };
    let sizes = shapes(network).into_iter().filter(|(name, _)| learned(name) == Some(true));
    sizes.map(|(_, shape)| shape.iter().product::<usize>()).sum()
}

impl Trainer {
    /// A run that begins: `split` is the data of `recipe`, the start is drawn from the recipe's seed.
    ///
    /// # Errors
    /// [`Error::Network`] where the network does not fit the data, and those of [`Engine::new`].
    pub fn new(recipe: Recipe, split: Split, device: Device) -> Result<Self> {
        recipe.fits(&split.train)?;
        let mut engine = Engine::new(recipe.network.clone(), device, Budget::default())?;
        engine.initialise(recipe.train.seed)?;
        let rate = recipe.train.optimiser.rate();
        let groups: Vec<_> = recipe.train.groups.iter().map(|group| group.engine(rate)).collect();
        engine.set_groups(&groups)?;
        let progress = Progress::start(recipe.to_toml(), recipe.train.seed);
        Ok(Trainer { recipe, split, engine, progress, best: None })
    }

    /// Bounds the memory of the run, makes the plan of its batches, and tells it.
    ///
    /// # Errors
    /// [`Error::Memory`] with the smallest budget that would do.
    pub fn plan(&mut self, budget: Budget, wish: Wish) -> Result<String> {
        self.engine.set_memory(budget, wish);
        let samples: Vec<usize> = (0..self.recipe.train.batch.min(self.split.train.len())).collect();
        let (sequence, _) = self.recipe.batch(&self.split.train, &samples, 0)?.sequence();
        self.engine.prepare(sequence, true)
    }

    /// Goes on where `checkpoint` was taken, to the same bits as if it had never stopped.
    ///
    /// # Errors
    /// [`Error::Input`] where it belongs to another network or optimiser.
    pub fn restore(&mut self, checkpoint: Checkpoint) -> Result<()> {
        let known = shapes(&self.recipe.network).len();
        if checkpoint.parameters.len() != known {
            let held = checkpoint.parameters.len();
            return Err(Error::Input(format!("the checkpoint holds {held} parameters, the network has {known}")));
        }
        if let Some(best) = &checkpoint.best
            && !best.keys().eq(checkpoint.parameters.keys())
        {
            return Err(Error::Input("the checkpoint holds only some of the best parameters".into()));
        }
        let (held, seed) = (checkpoint.progress.seed, self.recipe.train.seed);
        if held != seed {
            return Err(Error::Input(format!("the checkpoint belongs to seed {held}, config.toml says {seed}")));
        }
        self.engine.set_parameters(&checkpoint.parameters)?;
        self.engine.set_optimiser_state(self.recipe.train.optimiser.rule(), &checkpoint.optimiser)?;
        // The configuration may have been changed on the way, say to more epochs.
        self.progress = Progress { config: self.recipe.to_toml(), ..checkpoint.progress };
        self.best = checkpoint.best;
        Ok(())
    }

    /// The run as it stands between two epochs.
    ///
    /// # Errors
    /// [`Error::Device`] where the device was lost.
    pub fn checkpoint(&mut self) -> Result<Checkpoint> {
        Ok(Checkpoint {
            progress: self.progress.clone(),
            parameters: self.engine.parameters()?,
            best: self.best.clone(),
            optimiser: self.engine.optimiser_state()?,
        })
    }

    /// The engine.
    pub fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// The device in one line.
    pub fn device(&self) -> &str {
        self.engine.device()
    }

    /// What is trained, and how.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The data.
    pub fn split(&self) -> &Split {
        &self.split
    }

    /// Where the run stands.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Whether all epochs are done.
    pub fn finished(&self) -> bool {
        self.progress.epoch >= self.recipe.train.epochs
    }

    /// Hidden neurons, all layers together.
    pub fn hidden_neurons(&self) -> usize {
        self.recipe.network.layers.iter().filter(|layer| layer.neuron.spiking()).map(|layer| layer.units).sum()
    }

    /// Trains one epoch, then measures on the validation set and keeps the parameters where they are the best so far:
    /// the highest accuracy, and of equal ones the lowest loss. `watch` is called every few batches.
    ///
    /// # Errors
    /// [`Error::Diverged`] with epoch, step and layer where loss or gradient stop being numbers; [`Error::Device`],
    /// [`Error::Memory`].
    pub fn epoch(&mut self, mut watch: impl FnMut(Moment)) -> Result<EpochMetrics> {
        let begun = Instant::now();
        let train = &self.recipe.train;
        let (batch, epochs) = (train.batch, train.epochs);
        let epoch = self.progress.epoch;
        let order = order(self.split.train.len(), train.seed, epoch);
        let batches = order.len().div_ceil(batch);
        let total = (epochs * batches) as u64;
        let first = self.progress.step;
        let work = (self.recipe.network.neurons() * self.recipe.steps(&self.split.train)) as f64;
        let hidden = self.hidden_neurons().max(1) as f64;
        let mut optimiser = Optimiser {
            rule: train.optimiser.rule(),
            rate: train.optimiser.rate(),
            max_norm: train.clip,
            penalty: train.optimiser.penalty(),
        };
        let (base, schedule): (f64, Schedule) = (optimiser.rate, train.schedule);
        let mut sums = Sums::default();
        let mut read = 0u64;
        self.engine.activity()?;
        let Trainer { recipe, split, engine, .. } = self;
        let ended = thread::scope(|scope| -> Result<Option<u64>> {
            let prepared = order.chunks(batch).zip(first..);
            let prepared = prepared.map(|(samples, step)| recipe.varied(&split.train, samples, step, epoch));
            for (index, prepared) in Prefetch::new(scope, prepared)?.enumerate() {
                optimiser.rate = base * schedule.factor(first + index as u64, batches as u64, total);
                engine.train(&prepared?, &optimiser)?;
                let done = index + 1;
                if done % READ == 0 || done == batches {
                    for metrics in engine.metrics()? {
                        if !metrics.finite {
                            return Ok(Some(read));
                        }
                        sums.add(&metrics);
                        read += 1;
                    }
                    let so_far = sums.evaluation(&[]);
                    let seconds = begun.elapsed().as_secs_f64();
                    watch(Moment {
                        done,
                        batches,
                        loss: so_far.loss,
                        accuracy: so_far.accuracy,
                        spikes_per_neuron: so_far.spikes_per_sample / hidden,
                        neuron_steps_per_s: work * sums.samples as f64 / seconds,
                    });
                }
            }
            Ok(None)
        })?;
        if let Some(index) = ended {
            let samples = order.chunks(batch).nth(index as usize).unwrap_or_default();
            return Err(self.diverged(first + index, samples));
        }
        let activity = self.engine.activity()?;
        let result = sums.evaluation(&activity);
        self.engine.replan(&activity);
        let trained = begun.elapsed().as_secs_f64();
        self.progress.epoch += 1;
        self.progress.step += batches as u64;
        let valid = (!self.split.valid.is_empty()).then(|| evaluate(&mut self.engine, &self.recipe, &self.split.valid));
        let valid = valid.transpose()?;
        // The last update of an epoch shows only here: a checkpoint that is not finite must not replace a good one.
        self.engine.check_finite().map_err(|error| match error {
            Error::Diverged(what) => {
                let (epoch, step) = (self.progress.epoch, self.progress.step);
                Error::Diverged(format!("training diverged in epoch {epoch} after step {step}: {what}"))
            }
            other => other,
        })?;
        if let Some(valid) = &valid {
            self.keep_best(valid)?;
        }
        let seconds = begun.elapsed().as_secs_f64();
        self.progress.seconds += seconds;
        Ok(EpochMetrics {
            epoch: self.progress.epoch,
            train_loss: result.loss,
            train_accuracy: result.accuracy,
            valid_loss: valid.as_ref().map(|valid| valid.loss),
            valid_accuracy: valid.as_ref().map(|valid| valid.accuracy),
            spikes_per_sample: result.spikes_per_sample,
            activity: result.activity,
            learning_rate: optimiser.rate,
            neuron_steps_per_s: work * sums.samples as f64 / trained,
            seconds,
        })
    }

    fn keep_best(&mut self, valid: &Evaluation) -> Result<()> {
        let better = self.progress.best.is_none_or(|best| {
            valid.accuracy > best.accuracy || (valid.accuracy == best.accuracy && valid.loss < best.loss)
        });
        if better {
            self.best = Some(self.engine.parameters()?);
            self.progress.best = Some(Best { epoch: self.progress.epoch, accuracy: valid.accuracy, loss: valid.loss });
        }
        Ok(())
    }

    /// The error of a loss that is not a number, with the layer where it began. The update of that step was left out, so
    /// its batch is run again to look inside.
    fn diverged(&mut self, step: u64, samples: &[usize]) -> Error {
        let batch = self.recipe.varied(&self.split.train, samples, step, self.progress.epoch);
        let again = batch
            .and_then(|batch| self.engine.forward(&batch).map(|_| ()))
            .and_then(|()| self.engine.backward(&Gradient::loss()));
        let place = match again.and_then(|()| self.engine.diagnose()) {
            Ok(place) => place,
            Err(error) => error.to_string(),
        };
        let epoch = self.progress.epoch + 1;
        Error::Diverged(format!("training stopped being a number at step {} (epoch {epoch}): {place}", step + 1))
    }

    /// Measures on a part of the data with the parameters as they are.
    ///
    /// # Errors
    /// [`Error::Input`] where the data do not fit the network, [`Error::Device`], [`Error::Memory`].
    pub fn evaluate(&mut self, data: &DataSet) -> Result<Evaluation> {
        evaluate(&mut self.engine, &self.recipe, data)
    }

    /// Which classes of a part of the data are taken for which, with the parameters as they are.
    ///
    /// # Errors
    /// As [`Trainer::evaluate`].
    pub fn confusion(&mut self, data: &DataSet) -> Result<Confusion> {
        Confusion::of(&mut self.engine, &self.recipe, data)
    }

    /// Puts the parameters of the best epoch on the device (without a validation set: keeps the last ones) and says which
    /// they are.
    ///
    /// # Errors
    /// [`Error::Device`] where the device was lost.
    pub fn use_best(&mut self) -> Result<String> {
        match (&self.best, self.progress.best) {
            (Some(parameters), Some(best)) => {
                self.engine.set_parameters(parameters)?;
                Ok(format!("best on validation (epoch {})", best.epoch))
            }
            _ => Ok(format!("last epoch ({}), no validation set", self.progress.epoch)),
        }
    }

    /// Measures on the test set with the parameters as they are.
    ///
    /// # Errors
    /// As [`Trainer::evaluate`].
    pub fn test(&mut self) -> Result<Evaluation> {
        evaluate(&mut self.engine, &self.recipe, &self.split.test)
    }
}

/// Runs a network on all of a data set, in batches and through the encoder of `recipe`.
///
/// # Errors
/// [`Error::Input`] where the data do not fit the network, [`Error::Device`], [`Error::Memory`].
pub fn evaluate(engine: &mut Engine, recipe: &Recipe, data: &DataSet) -> Result<Evaluation> {
    evaluate_each(engine, recipe, data, |_, _, _| Ok(())).map(|(evaluation, _)| evaluation)
}

/// As [`evaluate`], and gives what the units of each spiking layer did. `look` sees each batch after its forward pass: which
/// samples they are, the batch, and what it left.
///
/// # Errors
/// As [`evaluate`], and what `look` returns.
pub fn evaluate_each(
    engine: &mut Engine,
    recipe: &Recipe,
    data: &DataSet,
    mut look: impl FnMut(&[usize], &Batch, &mut Outputs<'_>) -> Result<()>,
) -> Result<(Evaluation, Vec<LayerActivity>)> {
    engine.metrics()?;
    engine.activity()?;
    let mut sums = Sums::default();
    let order: Vec<usize> = (0..data.len()).collect();
    thread::scope(|scope| -> Result<()> {
        let prepared = order.chunks(recipe.train.batch).zip(EVALUATION..);
        let prepared = prepared.map(|(samples, step)| recipe.batch(data, samples, step));
        for (batch, samples) in Prefetch::new(scope, prepared)?.zip(order.chunks(recipe.train.batch)) {
            let batch = batch?;
            look(samples, &batch, &mut engine.infer(&batch)?)?;
        }
        Ok(())
    })?;
    for metrics in engine.metrics()? {
        sums.add(&metrics);
    }
    let layers = engine.activity()?;
    Ok((sums.evaluation(&layers), layers))
}
