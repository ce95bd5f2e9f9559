//! The gradients of the weights: which of them come from kicks, and their sums over segments, chunks of the batch and
//! micro-batches.

use super::core::Core;
use super::forward::At;
use super::gradient::Gradient;
use super::plan::partial_row;
use crate::error::Result;
use crate::kernels::*;
use crate::spikes::pad;
use std::ops::Range;

impl<K: Kernels> Core<K> {
    /// Of which layers the gradient of the weights comes from kicks: not where V has a gradient of its own. The choice depends
    /// on no cut.
    pub(super) fn choose_kicks(&mut self, gradient: &Gradient<K::Real>) {
        let top = self.layers.len() - 1;
        let (activation, online) = (gradient.activation.is_some(), self.online(self.ragged));
        let (by_losses, _) = self.reached(gradient.loss, activation, online);
        let read = by_losses || (online && (gradient.loss || activation));
        for (l, state) in self.layers.iter_mut().enumerate() {
            let given = gradient.potential.iter().any(|(layer, _)| *layer == l) || (l == top && read);
            state.kicked = !given && state.lists;
        }
    }

    /// After the adjoints of a micro-batch: the gradients of the weights that come from kicks, from the first segment to the
    /// last.
    pub(super) fn kick_gradients(
        &mut self,
        at: impl Fn((usize, Range<usize>)) -> At,
        segments: impl Iterator<Item = (usize, Range<usize>)> + Clone,
        newest: bool,
    ) -> Result<()> {
        for l in (0..self.layers.len()).rev().filter(|&l| self.layers[l].kicked).collect::<Vec<_>>() {
            self.kernels.at_layer(Some(l));
            for piece in segments.clone() {
                let at = at(piece);
                if l == 0 {
                    self.reload_input(&at)?;
                }
                self.weight_gradients(&at, l, newest);
            }
        }
        self.kernels.at_layer(None);
        Ok(())
    }

    /// Adds a segment to the sums of layer `l`'s weight gradients: those of each chunk of the batch. `newest`: in the last
    /// micro-batch, which comes first.
    pub(super) fn weight_gradients(&mut self, at: &At, l: usize, newest: bool) {
        let plan = &mut self.plans[at.index];
        let window = plan.window(&at.steps, &at.samples);
        let segments = plan.segments().len();
        let begins = if self.layers[l].kicked { 0 } else { segments - 1 };
        let (one, first) = (segments == 1, at.segment == begins);
        let alone = plan.batches().len() == 1;
        let input = &plan.input[at.segment.min(plan.input.len() - 1)];
        let (below, rest) = plan.layers.split_at_mut(l);
        let state = &mut self.layers[l];
        let scaled = state.scaled.as_ref().filter(|_| self.trained);
        let source = match below.last() {
            None => input,
            Some(below) if scaled.is_some() => {
                let training = below.training.as_ref().expect("a forward pass with a tape made it");
                training.dropped.as_ref().expect("made with it")
            }
            Some(below) => &below.spikes[at.segment],
        };
        let mut own_kicks = state.kicks.take();
        let mut kicks = own_kicks.as_mut().filter(|_| state.kicked);
        let (model, constants) = (state.model, &state.constants);
        let shape = state.drive_shape(at.shape(state.units));
        let training = rest[0].training.as_mut().expect("a forward pass with a tape made it");
        let chi = &plan.work.chi[l % plan.work.chi.len()];
        let own_chi = training.normal.as_ref().map_or(chi, |normal| &normal.chi);
        let recurrent_source = match &training.hidden {
            Some(hidden) => Some(hidden),
            None => rest[0].spikes.get(at.segment),
        };
        let forward: Summed<K> = Summed {
            recurrent: false,
            projection: state.projection,
            inputs: state.inputs,
            source,
            lag: state.lag,
            chi: own_chi,
            len: state.weights_len,
            sums: &mut training.sums,
            out: &mut state.weight_gradient,
        };
        let recurrent = state.recurrent.as_mut().zip(recurrent_source).map(|(recurrent, source)| Summed {
            recurrent: true,
            projection: Projection::Dense,
            inputs: state.units,
            source,
            lag: state.model.recurrent_lag,
            chi,
            len: state.units * pad(state.columns),
            sums: &mut training.recurrent_sums,
            out: &mut recurrent.gradient,
        });
        let size = chunk(window.samples);
        let (low, high) = (at.samples.start / size, at.samples.end.div_ceil(size));
        let (row, largest) = (pad(state.columns), self.kernels.largest_array());
        for Summed { recurrent, projection, inputs, source, lag, chi, len, sums, out } in
            [Some(forward), recurrent].into_iter().flatten()
        {
            let key = partial_row::<K>(largest, len, row);
            let mut partial = plan.work.partial.iter_mut().find(|(own, _)| *own == key).map(|(_, values)| values);
            for c in (low..high).rev() {
                let begin = (c * size).max(at.samples.start) - at.samples.start;
                let end = ((c + 1) * size).min(at.samples.end) - at.samples.start;
                // The first of all is summed where the gradient goes.
                let foremost = newest && c + 1 == high;
                let (into, accumulate) = match (one, foremost && (one || alone)) {
                    (_, true) => (&mut *out, !first),
                    (true, false) => (partial.as_deref_mut().expect("made for several chunks"), false),
                    (false, false) => (&mut sums[c - low], !first),
                };
                let samples = begin..end;
                match &mut kicks {
                    Some(kicks) => self.kernels.kick_gradient(KickGradient {
                        model,
                        inputs,
                        shape,
                        window,
                        source,
                        lag,
                        recurrent,
                        constants,
                        kicks,
                        samples,
                        accumulate,
                        out: into,
                    }),
                    None => self.kernels.weight_gradient(WeightGradient {
                        projection,
                        inputs,
                        shape,
                        window,
                        source,
                        lag,
                        chi,
                        samples,
                        accumulate,
                        out: into,
                    }),
                }
                if let (true, false, Some(partial)) = (one, foremost, &partial) {
                    self.kernels.add(partial, len, out);
                }
            }
        }
        state.kicks = own_kicks;
    }

    /// After the segments of a micro-batch: the sums over its chunks, the last one first.
    pub(super) fn fold_sums(&mut self, index: usize, newest: bool) {
        for (state, layer) in self.layers.iter_mut().zip(&self.plans[index].layers) {
            let training = layer.training.as_ref().expect("a forward pass with a tape made it");
            let mut fold = |sums: &[K::Values], len: usize, out: &mut K::Values| {
                // Of one micro-batch the last chunk stands there already.
                let several = self.plans[index].batches().len() > 1;
                for (c, sum) in sums.iter().enumerate().rev() {
                    match several && newest && c + 1 == sums.len() {
                        true => self.kernels.scale(Some(sum), 1.0, len, out),
                        false => self.kernels.add(sum, len, out),
                    }
                }
            };
            fold(&training.sums, state.weights_len, &mut state.weight_gradient);
            let len = state.units * pad(state.columns);
            if let Some(recurrent) = &mut state.recurrent {
                fold(&training.recurrent_sums, len, &mut recurrent.gradient);
            }
        }
    }
}

/// A weight tensor whose gradient is summed.
struct Summed<'a, K: Kernels> {
    recurrent: bool,
    projection: Projection,
    inputs: usize,
    source: &'a K::Activity,
    lag: usize,
    chi: &'a K::Values,
    len: usize,
    sums: &'a mut Vec<K::Values>,
    out: &'a mut K::Values,
}
