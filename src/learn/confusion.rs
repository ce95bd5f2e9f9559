//! Which classes are taken for which.

use super::batches::EVALUATION;
use super::{Recipe, evaluate_each};
use crate::data::DataSet;
use crate::engine::{Batch, Engine, Outputs};
use crate::error::{Error, Result};
use crate::network::{Network, Of};
use crate::spikes::Trace;

/// How often each class was taken for each: of samples, or where steps have labels of their own, of the steps that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// `[true class][class that it was taken for]`.
    counts: Vec<u64>,
}

impl Confusion {
    /// Nothing taken for anything, of so many classes.
    pub fn new(classes: usize) -> Self {
        Confusion { classes, counts: vec![0; classes * classes] }
    }

    /// Runs a network on all of a data set, in batches and through the encoder of `recipe`.
    ///
    /// # Errors
    /// As [`super::evaluate`]; [`Error::Input`] where steps have labels and the network has dropout or normalisation: answers
    /// of steps are read from the potentials that a pass of training keeps, which is another one there.
    pub fn of(engine: &mut Engine, recipe: &Recipe, data: &DataSet) -> Result<Confusion> {
        let mut confusion = Confusion::new(data.classes());
        if data.labels().len() == data.len() {
            evaluate_each(engine, recipe, data, |_, batch, outputs| confusion.add(batch, outputs, &recipe.network))?;
            return Ok(confusion);
        }
        if recipe.network.layers.iter().any(|layer| layer.dropout.is_some() || layer.normalise.is_some()) {
            return Err(Error::Input(
                "which steps are taken for which class is not known of a network with dropout or normalisation".into(),
            ));
        }
        let order: Vec<usize> = (0..data.len()).collect();
        for (samples, step) in order.chunks(recipe.train.batch).zip(EVALUATION..) {
            let batch = recipe.batch(data, samples, step)?;
            confusion.add(&batch, &mut engine.forward(&batch)?, &recipe.network)?;
        }
        Ok(confusion)
    }

    /// Adds what `network` took the labelled samples (or steps) of a batch for, whose forward pass left `outputs`.
    ///
    /// # Errors
    /// [`Error::Device`] where the device was lost; [`Error::Input`] where steps have labels and no potentials were kept.
    pub fn add(&mut self, batch: &Batch, outputs: &mut Outputs, network: &Network) -> Result<()> {
        let mut add = |label: u32, answer: u32| self.counts[label as usize * self.classes + answer as usize] += 1;
        match (&batch.labels, &batch.step_labels) {
            (_, Some(labels)) => {
                let answers = step_answers(outputs, network)?;
                let samples = batch.sequence().0.batch;
                for (cell, (&label, answer)) in labels.iter().zip(answers).enumerate() {
                    if counts(batch, samples, cell) {
                        add(label, answer);
                    }
                }
            }
            (Some(labels), None) => {
                labels.iter().zip(outputs.answers()?).for_each(|(&label, answer)| add(label, answer));
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How often `class` was taken for each class.
    ///
    /// # Panics
    /// Where there is no such class.
    pub fn row(&self, class: usize) -> &[u64] {
        &self.counts[class * self.classes..][..self.classes]
    }

    /// How often `class` was taken for `answer`.
    ///
    /// # Panics
    /// Where there is no such class.
    pub fn count(&self, class: usize, answer: usize) -> u64 {
        self.row(class)[answer]
    }

    /// How often `class` was there.
    ///
    /// # Panics
    /// Where there is no such class.
    pub fn samples(&self, class: usize) -> u64 {
        self.row(class).iter().sum()
    }

    /// The fraction of a class that was recognised; None where it was never there.
    ///
    /// # Panics
    /// Where there is no such class.
    pub fn recall(&self, class: usize) -> Option<f64> {
        share(self.count(class, class), self.samples(class))
    }

    /// The fraction that is right of what was taken for a class; None where nothing was.
    ///
    /// # Panics
    /// Where there is no such class.
    pub fn precision(&self, class: usize) -> Option<f64> {
        share(self.count(class, class), (0..self.classes).map(|other| self.count(other, class)).sum())
    }

    /// Answers, and right ones.
    pub fn totals(&self) -> (u64, u64) {
        (self.counts.iter().sum(), (0..self.classes).map(|class| self.row(class)[class]).sum())
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Whether step `cell = t · B + b` has a label that counts.
fn counts(batch: &Batch, samples: usize, cell: usize) -> bool {
    let long = batch.lengths.as_ref().is_none_or(|lengths| cell / samples < lengths[cell % samples] as usize);
    long && batch.mask.as_ref().is_none_or(|mask| mask[cell])
}

/// The class that each step is taken for, `[T, B]`: that with the largest sum over its units, the first of several.
fn step_answers(outputs: &mut Outputs, network: &Network) -> Result<Vec<u32>> {
    let (last, units) = (network.layers.len() - 1, network.outputs());
    let trace = match network.reads(&network.readout.losses[0]) {
        Of::Potential => outputs.potential(last)?,
        Of::Spikes => {
            let raster = outputs.spikes(last)?;
            let values = raster.to_bytes().into_iter().map(f32::from).collect();
            Trace { steps: raster.steps(), batch: raster.batch(), units, values }
        }
    };
    let group = units / network.classes();
    let answer = |cell: &[f32]| {
        let scores: Vec<f64> =
            cell.chunks_exact(group).map(|units| units.iter().map(|&value| f64::from(value)).sum()).collect();
        let best = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        scores.iter().position(|&score| score == best).unwrap_or(0) as u32
    };
    Ok(trace.values.chunks_exact(units).map(answer).collect())
}
