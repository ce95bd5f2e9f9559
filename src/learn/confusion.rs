//! Which classes are taken for which.

use super::Recipe;
use super::batches::EVALUATION;
use crate::data::DataSet;
use crate::engine::{Batch, Engine, Outputs};
use crate::error::Result;
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
    /// Runs a network on all of a data set, in batches and through the encoder of `recipe`.
    ///
    /// # Errors
    /// As [`super::evaluate`].
    pub fn of(engine: &mut Engine, recipe: &Recipe, data: &DataSet) -> Result<Confusion> {
        let classes = data.classes();
        let mut confusion = Confusion { classes, counts: vec![0; classes * classes] };
        let order: Vec<usize> = (0..data.len()).collect();
        for (samples, step) in order.chunks(recipe.train.batch).zip(EVALUATION..) {
            let batch = recipe.batch(data, samples, step)?;
            let mut outputs = engine.forward(&batch)?;
            match (&batch.labels, &batch.step_labels) {
                (_, Some(labels)) => {
                    let answers = step_answers(&mut outputs, &recipe.network)?;
                    for (cell, (&label, answer)) in labels.iter().zip(answers).enumerate() {
                        if counts(&batch, samples.len(), cell) {
                            confusion.add(label, answer);
                        }
                    }
                }
                (Some(labels), None) => {
                    labels.iter().zip(outputs.answers()?).for_each(|(&label, answer)| confusion.add(label, answer));
                }
                (None, None) => {}
            }
        }
        Ok(confusion)
    }

    fn add(&mut self, label: u32, answer: u32) {
        self.counts[label as usize * self.classes + answer as usize] += 1;
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

    /// Answers, and right ones.
    pub fn totals(&self) -> (u64, u64) {
        (self.counts.iter().sum(), (0..self.classes).map(|class| self.row(class)[class]).sum())
    }
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
