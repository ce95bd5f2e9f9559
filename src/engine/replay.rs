//! Running a layer again where its V is wanted and was not kept.

use super::core::Core;
use super::forward::{At, Samples, Taped};
use super::plan::{LayerPlan, Tape, TapeKind};
use crate::error::{Error, Result};
use crate::kernels::*;

impl<K: Kernels> Core<K> {
    /// Makes the tape of layer `l` in a segment readable: that of the plan, or else the one of the segment.
    ///
    /// # Errors
    /// [`Error::Memory`], [`Error::File`] where input that is read again is gone, and [`Error::Input`] where the layer runs
    /// again and a parameter has changed.
    pub(super) fn recall(&mut self, at: &At, l: usize) -> Result<()> {
        match self.plans[at.index].cut.tape {
            _ if !self.layers[l].keeps_potential() => {}
            TapeKind::Whole => return Ok(()),
            TapeKind::Half => {
                let len = self.layers[l].tapes() * at.shape(self.layers[l].units).len(at.steps.len());
                self.ensure_tape(at.index, l)?;
                let plan = &mut self.plans[at.index];
                let training = plan.layers[l].training.as_ref().expect("a forward pass with a tape made it");
                if let (Some(Tape::Half(half)), Some(tape)) = (training.tapes.get(at.segment), &mut plan.work.tape) {
                    self.kernels.unhalve(half, len, tape);
                }
                return Ok(());
            }
            TapeKind::Replay => {}
        }
        self.check_unmoved()?;
        if l == 0 {
            self.reload_input(at)?;
        } else if let Some(mask) = self.masks.get(l - 1).copied().flatten().filter(|_| self.trained) {
            self.drop_spikes(at, l - 1, mask);
        }
        self.ensure_tape(at.index, l)?;
        self.restore(at, l, at.segment);
        self.run_layer(at, l, Taped { kept: true, traced: false, replayed: true }, None);
        Ok(())
    }

    /// Whether what a layer does now is what it did in the forward pass.
    pub(super) fn check_unmoved(&self) -> Result<()> {
        match self.moved {
            true => Err(Error::Input("the parameters have changed since the forward pass: run forward again".into())),
            false => Ok(()),
        }
    }

    /// Puts the state before segment `place` into the planes of layer `l`; one past the last: that after it.
    fn restore(&mut self, at: &At, l: usize, place: usize) {
        let LayerPlan { shape, planes, training, .. } = &mut self.plans[at.index].layers[l];
        let Some(states) = training.as_mut().and_then(|training| training.states.as_mut()) else { return };
        let samples = Samples { samples: at.samples.clone(), whole: *shape };
        self.layers[l].copy_states(&mut self.kernels, planes, states, &samples, place, false);
    }

    /// After replays: the planes hold the state after the last segment again.
    pub(super) fn finish_recall(&mut self, index: usize) {
        let plan = &self.plans[index];
        let segments = plan.segments().len();
        if plan.batches().len() > 1 {
            // Nobody goes on from there.
            return;
        }
        let (steps, samples) = (0..plan.sequence.steps, 0..plan.sequence.batch);
        let at = At { index, micro: 0, segment: 0, steps, samples };
        for l in 0..self.layers.len() {
            self.restore(&at, l, segments);
        }
    }
}
