//! What the kept parameters of a run do on its data: measured as `spikegrad eval` does, and looked into.

use super::run::Run;
use crate::cli::train;
use spikegrad::data::{DataSet, order};
use spikegrad::engine::{Batch, Budget, Device, Engine, Gradient, Input, LayerActivity, Parameters, Wish};
use spikegrad::learn::{Confusion, Evaluation, Recipe, Trainer, evaluate_each};
use spikegrad::spikes::{Raster, Trace};
use spikegrad::{Error, Result};
use std::path::Path;

/// What was measured of a run.
#[derive(Debug, Default)]
pub struct Measured {
    /// Which parameters.
    pub parameters: String,
    /// Those parameters.
    pub kept: Option<Parameters>,
    /// The start, drawn again from the seed.
    pub start: Option<Parameters>,
    pub test: Option<Test>,
    /// Gradient of the loss and the regularisers on the first training batch.
    pub gradients: Option<Parameters>,
    /// What could not be measured, and why.
    pub missing: Vec<String>,
}

/// What came out on the test set.
#[derive(Debug)]
pub struct Test {
    pub evaluation: Evaluation,
    pub samples: usize,
    /// Spikes of each unit over all samples.
    pub activity: Vec<LayerActivity>,
    /// Of samples; of steps where each has its own class (None where their answers cannot be known).
    pub confusion: Option<Confusion>,
    /// A sample that was recognised and one that was not, where there are such.
    pub examples: Vec<Example>,
}

/// A sample to look into: its number, what it is and what it was taken for, and the batch of it alone.
type Found = (usize, Option<(usize, usize)>, Batch);

/// A test sample and what it did.
#[derive(Debug)]
pub struct Example {
    /// Its number in the test set.
    pub index: usize,
    /// What it is and what it was taken for; None where each step has its own class.
    pub answer: Option<(usize, usize)>,
    /// One sample wide.
    pub input: Input,
    /// Spikes of each spiking layer, with its number.
    pub hidden: Vec<(usize, Raster)>,
    /// Potential of the last layer.
    pub readout: Trace,
}

/// Where and within what is measured.
#[derive(Debug)]
pub struct Conditions<'a> {
    pub device: Device,
    pub budget: Budget,
    pub wish: Wish,
    /// Directory of the data sets.
    pub data: Option<&'a Path>,
}

/// Measures a run as far as its files and its data go.
///
/// # Errors
/// [`Error::Device`] where the device is not there.
pub fn measure(run: &Run, conditions: &Conditions) -> Result<Measured> {
    let mut measured = Measured::default();
    let Some(checkpoint) = &run.checkpoint else { return Ok(measured) };
    measured.kept = Some(checkpoint.best.clone().unwrap_or_else(|| checkpoint.parameters.clone()));
    measured.parameters = match checkpoint.progress.best {
        Some(best) => format!("best on validation (epoch {})", best.epoch),
        None => format!("last epoch ({})", checkpoint.progress.epoch),
    };
    let mut recipe = run.recipe.clone();
    if let Some(directory) = train::data_directory(conditions.data) {
        recipe.data.set_directory(directory);
    }
    let network = recipe.network.clone();
    let mut start = Engine::new(network, conditions.device, Budget::default())?;
    start.initialise(recipe.train.seed)?;
    measured.start = Some(start.parameters()?);
    drop(start);
    match look(run, recipe, conditions, &mut measured) {
        Ok(()) => Ok(measured),
        Err(error @ Error::Device(_)) => Err(error),
        Err(error) => {
            measured.missing.push(format!("Not everything could be measured: {error}."));
            Ok(measured)
        }
    }
}

fn look(run: &Run, recipe: Recipe, conditions: &Conditions, measured: &mut Measured) -> Result<()> {
    let split = match recipe.data.load(recipe.train.seed) {
        Ok(split) => split,
        Err(error) => {
            let gone = "no confusion matrix, firing rates, rasters or gradients";
            measured.missing.push(format!("The data set is not there, so there are {gone}: {error}."));
            return Ok(());
        }
    };
    let mut trainer = Trainer::new(recipe, split, conditions.device)?;
    if let Some(checkpoint) = &run.checkpoint {
        trainer.restore(checkpoint.clone())?;
    }
    trainer.engine().set_memory(conditions.budget, conditions.wish);
    trainer.use_best()?;
    let data = trainer.split().test.clone();
    if data.is_empty() {
        measured.missing.push("There is no test set.".into());
    } else {
        measured.test = Some(test(&mut trainer, &data)?);
    }
    // Last: a forward pass of training moves the running statistics of a normalisation.
    measured.gradients = Some(gradients(&mut trainer)?);
    Ok(())
}

/// Measures on the test set, and looks at two samples.
fn test(trainer: &mut Trainer, data: &DataSet) -> Result<Test> {
    let recipe = trainer.recipe().clone();
    let by_step = data.labels().len() != data.len();
    let mut confusion = Confusion::new(data.classes());
    let mut found: Vec<Found> = Vec::new();
    let (evaluation, activity) = evaluate_each(trainer.engine(), &recipe, data, |samples, batch, outputs| {
        if by_step {
            if found.is_empty() {
                found.push((samples[0], None, alone(batch, 0)?));
            }
            return Ok(());
        }
        confusion.add(batch, outputs, &recipe.network)?;
        for (b, (&sample, answer)) in samples.iter().zip(outputs.answers()?).enumerate() {
            let (class, answer) = (data.labels()[sample] as usize, answer as usize);
            let known = found.iter().any(|(_, of, _)| of.is_some_and(|(a, b)| (a == b) == (class == answer)));
            if !known {
                found.push((sample, Some((class, answer)), alone(batch, b)?));
            }
        }
        Ok(())
    })?;
    let confusion = if by_step { trainer.confusion(data).ok() } else { Some(confusion) };
    found.sort_by_key(|(_, answer, _)| answer.is_some_and(|(class, answer)| class != answer));
    let examples = found.into_iter().map(|(index, answer, batch)| example(trainer, index, answer, batch));
    let examples = examples.collect::<Result<_>>()?;
    Ok(Test { evaluation, samples: data.len(), activity, confusion, examples })
}

/// Runs one sample again to read what happened at each step.
fn example(trainer: &mut Trainer, index: usize, answer: Option<(usize, usize)>, batch: Batch) -> Result<Example> {
    let network = trainer.recipe().network.clone();
    let engine = trainer.engine();
    // A stream keeps potentials as training does, but drops nothing and normalises with the running statistics.
    let streams = !network.layers.iter().any(|layer| layer.neuron.kind.over_time());
    engine.reset_state();
    let mut outputs = if streams { engine.stream(&batch)? } else { engine.forward(&batch)? };
    let mut hidden = Vec::new();
    for (layer, described) in network.layers.iter().enumerate() {
        if described.neuron.spiking() {
            hidden.push((layer, outputs.spikes(layer)?));
        }
    }
    let readout = outputs.potential(network.layers.len() - 1)?;
    engine.reset_state();
    Ok(Example { index, answer, input: batch.input, hidden, readout })
}

/// Sample `b` of a batch, as the batch has it: what an encoder drew stays as it is.
fn alone(batch: &Batch, b: usize) -> Result<Batch> {
    let column = |raster: &Raster| {
        let mut one = Raster::new(raster.steps(), 1, raster.units());
        for t in 0..raster.steps() {
            (0..raster.units()).filter(|&n| raster.get(t, b, n)).for_each(|n| one.set(t, 0, n));
        }
        Input::Spikes(one)
    };
    let input = match &batch.input {
        Input::Spikes(raster) => column(raster),
        Input::Rates(rates) => column(&rates.draw()),
        Input::Values(trace) => {
            let row = |t: usize| &trace.values[(t * trace.batch + b) * trace.units..][..trace.units];
            let values = (0..trace.steps).flat_map(row).copied().collect();
            Input::Values(Trace::new(trace.steps, 1, trace.units, values)?)
        }
        Input::Source(source) => {
            let mut words = Vec::new();
            source.read(0..source.steps(), b..b + 1, &mut words)?;
            Input::Spikes(Raster::from_words(source.steps(), 1, source.units(), words)?)
        }
    };
    let lengths = batch.lengths.as_ref().map(|lengths| vec![lengths[b]]);
    Ok(Batch { lengths, ..Batch::new(input) })
}

/// The gradient of the first batch of training, without an update.
fn gradients(trainer: &mut Trainer) -> Result<Parameters> {
    let recipe = trainer.recipe().clone();
    let data = &trainer.split().train;
    let samples: Vec<usize> = order(data.len(), recipe.train.seed, 0).into_iter().take(recipe.train.batch).collect();
    let batch = recipe.batch(data, &samples, 0)?;
    trainer.engine().forward(&batch)?;
    trainer.engine().backward(&Gradient::loss())?;
    trainer.engine().gradients()
}
