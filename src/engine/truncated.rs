//! Truncated backpropagation through time: sequences without end, an update every few steps.

use super::batch::{Batch, Input};
use super::core::Core;
use super::gradient::Gradient;
use super::state::State;
use super::update::Optimiser;
use crate::error::{Error, Result};
use crate::kernels::*;
use crate::network::Reduction;
use crate::spikes::{Raster, Source, Trace, words};
use std::ops::Range;
use std::sync::Arc;

/// How far back a gradient goes, and how often (BPTT(h; h') of Williams & Peng 1990).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncation {
    /// Steps that the gradient of an update goes back, h.
    pub window: usize,
    /// Steps from one update to the next, h'; at most the window.
    pub stride: usize,
}

/// Some steps of a source.
#[derive(Debug)]
struct Piece {
    source: Arc<dyn Source>,
    steps: Range<usize>,
}

impl Source for Piece {
    fn steps(&self) -> usize {
        self.steps.len()
    }

    fn batch(&self) -> usize {
        self.source.batch()
    }

    fn units(&self) -> usize {
        self.source.units()
    }

    fn read(&self, steps: Range<usize>, samples: Range<usize>, out: &mut Vec<u32>) -> Result<()> {
        let from = self.steps.start;
        self.source.read(from + steps.start..from + steps.end, samples, out)
    }

    fn count(&self, steps: Range<usize>, sample: usize) -> Result<u64> {
        let from = self.steps.start;
        self.source.count(from + steps.start..from + steps.end, sample)
    }
}

impl<F: Real> Batch<F> {
    /// The same samples at some of the steps. Labels of samples stay; rates are drawn.
    ///
    /// # Errors
    /// [`Error::Input`] where the steps are not there, or where samples have lengths, which a piece could end before.
    pub fn steps(&self, steps: Range<usize>) -> Result<Batch<F>> {
        let (sequence, units) = self.sequence();
        if steps.is_empty() || steps.end > sequence.steps {
            return Err(Error::Input(format!("steps {steps:?} of a batch of {}", sequence.steps)));
        }
        if self.lengths.is_some() {
            return Err(Error::Input("samples with lengths of their own cannot be cut in time: give a mask".into()));
        }
        let samples = sequence.batch;
        let raster = |raster: &Raster| {
            let row = samples * words(units);
            Raster::from_words(steps.len(), samples, units, raster.words()[steps.start * row..steps.end * row].to_vec())
        };
        let input = match &self.input {
            Input::Spikes(all) => Input::Spikes(raster(all)?),
            Input::Rates(rates) => Input::Spikes(raster(&rates.draw())?),
            Input::Values(trace) => {
                let row = samples * units;
                let values = trace.values[steps.start * row..steps.end * row].to_vec();
                Input::Values(Trace::new(steps.len(), samples, units, values)?)
            }
            Input::Source(source) => Input::Source(Arc::new(Piece { source: source.clone(), steps: steps.clone() })),
        };
        let cells = steps.start * samples..steps.end * samples;
        let stepwise = |targets: &Vec<F>| {
            // Targets of samples, or of steps as well.
            let of_step = targets.len() / sequence.steps;
            let classes = of_step / samples.max(1);
            classes > 0 && targets.len() == sequence.steps * samples * classes && targets.len() > samples
        };
        Ok(Batch {
            input,
            labels: self.labels.clone(),
            step_labels: self.step_labels.as_ref().map(|labels| labels[cells.clone()].to_vec()),
            mask: self.mask.as_ref().map(|mask| mask[cells.clone()].to_vec()),
            targets: self.targets.as_ref().map(|targets| match stepwise(targets) {
                true => {
                    let of_step = targets.len() / sequence.steps;
                    targets[steps.start * of_step..steps.end * of_step].to_vec()
                }
                false => targets.clone(),
            }),
            lengths: None,
        })
    }
}

impl<K: Kernels> Core<K> {
    /// One training step for every `stride` steps of `batch`, each with a gradient that goes `window` steps back; the state
    /// goes on from the call before ([`Core::reset_state`] begins anew), so that memory does not grow with the stream. No window
    /// reaches back before the batch. Each window is a sequence of its own for the readout: `max` is that of the window. Losses on every step count the newest
    /// `stride` steps of a window alone.
    ///
    /// # Errors
    /// As [`Core::stream`] and [`Core::backward`]; [`Error::Input`] where the stride is 0 or longer than the window.
    pub fn train_truncated(
        &mut self,
        batch: &Batch<K::Real>,
        optimiser: &Optimiser,
        Truncation { window, stride }: Truncation,
    ) -> Result<()> {
        if stride == 0 || stride > window {
            return Err(Error::Input(format!(
                "an update every {stride} steps with a gradient over {window}: the stride must be 1 to the window"
            )));
        }
        let steps = batch.sequence().0.steps;
        let every_step = self.network.readout.losses.iter().all(|term| term.reduce == Reduction::EveryStep);
        // The window of the next update begins here, where the stream's state stands.
        let mut begin = 0;
        for end in (0..steps).step_by(stride).map(|start| (start + stride).min(steps)) {
            let mut piece = batch.steps(begin..end)?;
            // Steps that windows before have counted.
            let counted = end.saturating_sub(stride).saturating_sub(begin);
            if every_step && counted > 0 {
                let samples = piece.sequence().0.batch;
                let mask = piece.mask.get_or_insert_with(|| vec![true; (end - begin) * samples]);
                mask[..counted * samples].fill(false);
            }
            let next = if end < steps { (end + stride).min(steps).saturating_sub(window) } else { end };
            // The state where the next window begins, by the parameters of now.
            let mut resumed = None;
            if next < end {
                let start = self.has_state().then(|| self.state()).transpose()?;
                resumed = start.clone();
                if next > begin {
                    self.pass_over(&batch.steps(begin..next)?)?;
                    resumed = Some(self.state()?);
                }
                self.resume(start)?;
            }
            self.stream(&piece)?;
            self.backward(&Gradient::loss())?;
            self.step(optimiser)?;
            if next < end {
                self.resume(resumed)?;
            }
            begin = next;
        }
        Ok(())
    }

    fn has_state(&self) -> bool {
        self.carried.is_some() || self.last.is_some()
    }

    /// The stream goes on from there; from None: begins.
    fn resume(&mut self, state: Option<State<K::Real>>) -> Result<()> {
        self.reset_state();
        match state {
            Some(state) => self.set_state(state),
            None => Ok(()),
        }
    }
}
