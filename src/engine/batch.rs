//! A batch as it is given to the engine.

use super::plan::Sequence;
use crate::error::Result;
use crate::kernels::{ActivityKind, Real};
use crate::spikes::encode::{Rates, WHOLE};
use crate::spikes::{Raster, Source, Trace};
use rayon::prelude::*;
use std::sync::Arc;

/// Input of a batch.
#[derive(Debug)]
pub enum Input<F = f32> {
    /// Spikes `[T, B, inputs]`.
    Spikes(Raster),
    /// Analogue values `[T, B, inputs]`.
    Values(Trace<F>),
    /// Rate-coded spikes `[T, B, inputs]` that the device draws.
    Rates(Rates),
    /// Spikes `[T, B, inputs]` that are read from where they are, segment by segment, so that nobody holds all of them.
    Source(Arc<dyn Source>),
}

impl<F: Clone> Clone for Input<F> {
    fn clone(&self) -> Self {
        match self {
            Input::Spikes(raster) => Input::Spikes(raster.clone()),
            Input::Values(trace) => Input::Values(trace.clone()),
            Input::Rates(rates) => Input::Rates(rates.clone()),
            Input::Source(source) => Input::Source(source.clone()),
        }
    }

    /// Keeps the room that it has where both are of one kind.
    fn clone_from(&mut self, source: &Self) {
        match (self, source) {
            (Input::Spikes(own), Input::Spikes(raster)) => own.clone_from(raster),
            (Input::Values(own), Input::Values(Trace { steps, batch, units, values })) => {
                (own.steps, own.batch, own.units) = (*steps, *batch, *units);
                own.values.clone_from(values);
            }
            (Input::Rates(own), Input::Rates(Rates { steps, batch, units, first, chances, key })) => {
                (own.steps, own.batch, own.units) = (*steps, *batch, *units);
                (own.first, own.key) = (*first, *key);
                own.chances.clone_from(chances);
            }
            (own, other) => *own = other.clone(),
        }
    }
}

/// Input and, for the built-in loss, what the answers should be.
#[derive(Clone, Debug)]
pub struct Batch<F = f32> {
    /// Input.
    pub input: Input<F>,
    /// Class of each sample, `[B]`.
    pub labels: Option<Vec<u32>>,
    /// Class of each step, `[T, B]`, for losses on every step.
    pub step_labels: Option<Vec<u32>>,
    /// Which steps count, `[T, B]`, for labels or targets of steps.
    pub mask: Option<Vec<bool>>,
    /// Targets of a squared error: `[B, classes]`, or `[T, B, classes]` for losses on every step.
    pub targets: Option<Vec<F>>,
    /// Steps of each sample, `[B]`, 1 to T. The network runs on to T, but no reduction, loss, regulariser or count sees a
    /// step at or past a sample's length, and so no gradient does.
    pub lengths: Option<Vec<u32>>,
}

impl<F: Real> Batch<F> {
    /// Input without labels.
    pub fn new(input: Input<F>) -> Self {
        Batch { input, labels: None, step_labels: None, mask: None, targets: None, lengths: None }
    }

    /// Spikes without labels.
    pub fn spikes(raster: Raster) -> Self {
        Batch::new(Input::Spikes(raster))
    }

    /// Spikes that are read segment by segment, without labels.
    pub fn source(source: Arc<dyn Source>) -> Self {
        Batch::new(Input::Source(source))
    }

    /// Analogue input without labels.
    pub fn values(trace: Trace<F>) -> Self {
        Batch::new(Input::Values(trace))
    }

    /// The same with a label for each sample.
    pub fn with_labels(mut self, labels: Vec<u32>) -> Self {
        self.labels = Some(labels);
        self
    }

    /// The same with a label for each step, `[T, B]`.
    pub fn with_step_labels(mut self, labels: Vec<u32>) -> Self {
        self.step_labels = Some(labels);
        self
    }

    /// The same where only some steps count, `[T, B]`.
    pub fn with_mask(mut self, mask: Vec<bool>) -> Self {
        self.mask = Some(mask);
        self
    }

    /// The same with targets, `[B, classes]` or `[T, B, classes]`.
    pub fn with_targets(mut self, targets: Vec<F>) -> Self {
        self.targets = Some(targets);
        self
    }

    /// The same with the steps of each sample, `[B]`.
    pub fn with_lengths(mut self, lengths: Vec<u32>) -> Self {
        self.lengths = Some(lengths);
        self
    }

    /// Steps of all samples up to their lengths, and what comes in at them: spikes (of rates: as many as are expected), or
    /// values (whatever they are).
    pub(super) fn seen(&self) -> Result<(f64, f64)> {
        let (Sequence { steps, batch, .. }, channels) = self.sequence();
        let length = |b: usize| self.lengths.as_ref().map_or(steps, |lengths| lengths[b] as usize);
        let all: usize = (0..batch).map(length).sum();
        let input = match &self.input {
            Input::Values(_) => all * channels,
            Input::Spikes(raster) => {
                let width = crate::spikes::words(channels);
                let ones = |words: &[u32]| words.iter().map(|word| word.count_ones() as usize).sum::<usize>();
                let step = |(t, rows): (usize, &[u32])| -> usize {
                    if self.lengths.is_none() {
                        return ones(rows);
                    }
                    rows.chunks_exact(width).enumerate().filter(|(b, _)| t < length(*b)).map(|(_, row)| ones(row)).sum()
                };
                raster.words().par_chunks_exact(batch * width).enumerate().map(step).sum()
            }
            Input::Rates(rates) => {
                // Drawn on the device: what is expected.
                let samples = rates.chances.chunks_exact(channels.max(1)).enumerate();
                let expected = samples.map(|(b, row)| {
                    length(b) as f64 * row.iter().map(|&chance| f64::from(chance)).sum::<f64>() / f64::from(WHOLE)
                });
                return Ok((all as f64, expected.sum()));
            }
            Input::Source(source) => {
                let counts = (0..batch).map(|b| source.count(0..length(b), b));
                counts.sum::<Result<u64>>()? as usize
            }
        };
        Ok((all as f64, input as f64))
    }

    /// Steps, samples, channels and kind of the input.
    pub fn sequence(&self) -> (Sequence, usize) {
        match &self.input {
            Input::Spikes(raster) => {
                let (steps, batch) = (raster.steps(), raster.batch());
                (Sequence { steps, batch, input: ActivityKind::Raster }, raster.units())
            }
            Input::Values(trace) => {
                let (steps, batch) = (trace.steps, trace.batch);
                (Sequence { steps, batch, input: ActivityKind::Values }, trace.units)
            }
            Input::Rates(rates) => {
                let (steps, batch) = (rates.steps, rates.batch);
                (Sequence { steps, batch, input: ActivityKind::Raster }, rates.units)
            }
            Input::Source(source) => {
                let (steps, batch) = (source.steps(), source.batch());
                (Sequence { steps, batch, input: ActivityKind::Raster }, source.units())
            }
        }
    }
}
