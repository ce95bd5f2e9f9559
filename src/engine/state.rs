//! Streaming: the state between two pieces of a sequence.

use super::core::{Core, LayerState, zeros};
use super::forward::{At, Samples};
use super::parameters::widen;
use super::plan::Sequence;
use crate::error::{Error, Result};
use crate::kernels::*;

/// State of a layer after a step.
#[derive(Clone, Debug, PartialEq)]
pub struct NeuronState<F = f32> {
    /// V, `[B, units]`.
    pub potential: Vec<F>,
    /// I, `[B, units]`.
    pub current: Vec<F>,
    /// S of the last two steps, the older first, `[2, B, units]`; empty for a readout.
    pub spikes: Vec<F>,
    /// The other states of a snippet, `[K − 1, B, units]`.
    pub own: Vec<F>,
}

/// State of a network between two pieces of a sequence: step by step equals the whole.
#[derive(Clone, Debug, PartialEq)]
pub struct State<F = f32> {
    /// Samples B.
    pub batch: usize,
    /// The last two steps of the input, the older first, `[2, B, inputs]`.
    pub input: Vec<F>,
    /// Each layer.
    pub layers: Vec<NeuronState<F>>,
}

impl<K: Kernels> Core<K> {
    /// The state after the last forward pass or stream.
    ///
    /// # Errors
    /// [`Error::Input`] before the first one.
    pub fn state(&mut self) -> Result<State<K::Real>> {
        if let Some(state) = &self.carried {
            return Ok(state.clone());
        }
        let index = self.last_plan()?;
        let batch = self.plans[index].sequence.batch;
        let Some(at) = self.last_segment(index) else {
            return Err(Error::Input(
                "the batch was run in micro-batches, which leave no state: raise the memory, or give fewer samples"
                    .into(),
            ));
        };
        self.reload_input(&at)?;
        let rows = at.steps.len()..at.steps.len() + HISTORY;
        let input = self.kernels.read_activity(self.plans[index].input_of(at.segment), rows.clone())?;
        let input = super::parameters::narrow(&input, self.network.inputs);
        let mut layers = Vec::new();
        for l in 0..self.layers.len() {
            let units = self.layers[l].units;
            let spikes = match self.plans[index].layers[l].spikes.last() {
                Some(spikes) => super::parameters::narrow(&self.kernels.read_activity(spikes, rows.clone())?, units),
                None => Vec::new(),
            };
            let own = match self.own_states(l, self.plans[index].layers[l].shape) {
                Some(range) => {
                    super::parameters::narrow(&self.kernels.read(&self.plans[index].layers[l].planes, range)?, units)
                }
                None => Vec::new(),
            };
            layers.push(NeuronState {
                potential: self.read_plane(index, l, plane::POTENTIAL)?,
                current: self.read_plane(index, l, plane::CURRENT)?,
                spikes,
                own,
            });
        }
        Ok(State { batch, input, layers })
    }

    /// Sets the state that the next [`Core::stream`] starts from.
    ///
    /// # Errors
    /// [`Error::Input`] where it does not fit the network.
    pub fn set_state(&mut self, state: State<K::Real>) -> Result<()> {
        let fits = state.input.len() == HISTORY * state.batch * self.network.inputs
            && state.layers.len() == self.layers.len()
            && state.layers.iter().zip(&self.layers).all(|(state_of, layer)| {
                let len = state.batch * layer.units;
                state_of.potential.len() == len
                    && state_of.current.len() == len
                    && state_of.spikes.len() == if layer.model.spiking { HISTORY * len } else { 0 }
                    && state_of.own.len() == layer.model.tail().map_or(0, |tail| tail.states - 1) * len
            });
        if !fits {
            return Err(Error::Input("the state belongs to another network or another number of samples".into()));
        }
        self.carried = Some(state);
        Ok(())
    }

    /// The last segment of a plan of one micro-batch.
    fn last_segment(&self, index: usize) -> Option<At> {
        let plan = &self.plans[index];
        if plan.batches().len() > 1 {
            return None;
        }
        let (segment, steps) = plan.segments().enumerate().next_back()?;
        Some(At { index, micro: 0, segment, steps, samples: 0..plan.sequence.batch })
    }

    /// Entries of the planes with a snippet's states but V.
    fn own_states(&self, layer: usize, shape: Shape) -> Option<std::ops::Range<usize>> {
        let tail = self.layers[layer].model.tail().filter(|tail| tail.states > 1)?;
        let (first, last) = (tail.state(1), tail.state(tail.states - 1));
        Some(Model::tail_range(shape, first).start..Model::tail_range(shape, last).end)
    }

    /// The next [`Core::stream`] starts from the network's start values.
    pub fn reset_state(&mut self) {
        self.carried = None;
        self.last = None;
    }

    pub(super) fn last_plan(&self) -> Result<usize> {
        self.last
            .and_then(|sequence| self.plans.iter().position(|plan| plan.sequence == sequence))
            .ok_or_else(|| Error::Input("there is no forward pass to go on from".into()))
    }

    /// The state that a stream of this size must be written into its plan; None where the plan holds it already.
    pub(super) fn take_state(&mut self, sequence: Sequence) -> Result<Option<State<K::Real>>> {
        let state = match (self.carried.take(), self.last) {
            (Some(state), _) => state,
            (None, None) => return Ok(None),
            (None, Some(last)) if last == sequence => return Ok(None),
            (None, Some(_)) => self.state()?,
        };
        if state.batch != sequence.batch {
            let (old, new) = (state.batch, sequence.batch);
            return Err(Error::Input(format!(
                "the stream has {old} samples, this piece {new}: call reset_state to start a new stream"
            )));
        }
        Ok(Some(state))
    }

    /// Start values of the network.
    pub(super) fn reset(&mut self, index: usize) {
        self.restart(index);
        let plan = &mut self.plans[index];
        if plan.streamed {
            for layer in &mut plan.layers {
                if let Some(spikes) = layer.spikes.first_mut() {
                    self.kernels.write_history(spikes, zeros(&mut self.staging, layer.shape.len(HISTORY)));
                }
            }
            let Sequence { steps, batch, .. } = plan.sequence;
            let shape = Shape { steps, batch, units: self.network.inputs };
            self.kernels.write_history(&mut plan.input[0], zeros(&mut self.staging, shape.len(HISTORY)));
        }
        plan.streamed = false;
    }

    /// Start values of the states, of all samples.
    pub(super) fn restart(&mut self, index: usize) {
        for l in 0..self.layers.len() {
            if let Some(range) = self.own_states(l, self.plans[index].layers[l].shape) {
                self.kernels.fill(&mut self.plans[index].layers[l].planes, range, 0.0);
            }
        }
        let plan = &mut self.plans[index];
        for (layer, own) in plan.layers.iter_mut().zip(&self.network.layers) {
            let shape = layer.shape;
            let neuron = &own.neuron;
            self.kernels.fill_plane(shape, &mut layer.planes, plane::POTENTIAL, neuron.initial_potential);
            self.kernels.fill_plane(shape, &mut layer.planes, plane::CURRENT, neuron.initial_current);
        }
    }

    /// The last two steps become the history.
    pub(super) fn advance(&mut self, index: usize) {
        let plan = &mut self.plans[index];
        let all = plan.layers.iter_mut().map(|layer| &mut layer.spikes[..]);
        for segments in all.chain([&mut plan.input[..]]) {
            match segments {
                [] => {}
                [only] => self.kernels.advance(only),
                [first, .., last] => self.kernels.carry(last, first),
            }
        }
    }

    pub(super) fn write_state(&mut self, index: usize, state: &State<K::Real>) {
        for (l, state) in state.layers.iter().enumerate() {
            self.write_plane(index, l, plane::POTENTIAL, &state.potential);
            self.write_plane(index, l, plane::CURRENT, &state.current);
            if let Some(range) = self.own_states(l, self.plans[index].layers[l].shape) {
                let rows = widen(&state.own, self.layers[l].units);
                self.kernels.write(&mut self.plans[index].layers[l].planes, range.start, &rows);
            }
            let units = self.layers[l].units;
            if let Some(spikes) = self.plans[index].layers[l].spikes.first_mut() {
                self.kernels.write_history(spikes, &widen(&state.spikes, units));
            }
        }
        let rows = widen(&state.input, self.network.inputs);
        self.kernels.write_history(&mut self.plans[index].input[0], &rows);
    }
}

impl<K: Kernels> LayerState<K> {
    /// The state of some samples in the planes, into (`keep`) or from place `index` of `states`; from there also as the state
    /// before a segment.
    pub(super) fn copy_states(
        &self,
        kernels: &mut K,
        planes: &mut K::Values,
        states: &mut K::Values,
        at: &Samples,
        index: usize,
        keep: bool,
    ) {
        let Samples { samples, whole } = at;
        let row = whole.row();
        let common = |plane: usize| {
            let first = (samples.start * plane::PLANES + plane) * row;
            Stretch { first, stride: plane::PLANES * row }
        };
        let of_tail =
            |plane: usize| Stretch { first: Model::tail_range(*whole, plane).start + samples.start * row, stride: row };
        let potential = (common(plane::POTENTIAL), common(plane::START_POTENTIAL));
        let current = self.carries_current().then(|| (common(plane::CURRENT), common(plane::START_CURRENT)));
        let own = self.model.tail().into_iter().flat_map(|tail| {
            (1..tail.states).map(move |state| (of_tail(tail.state(state)), of_tail(tail.start(state))))
        });
        let places = std::iter::once(potential).chain(current).chain(own);
        let len = samples.len() * row;
        for (state, (now, start)) in places.enumerate() {
            let kept = Stretch { first: (index * self.states() + state) * len, stride: row };
            if keep {
                kernels.copy(planes, now, states, kept, samples.len(), row);
            } else {
                kernels.copy(states, kept, planes, now, samples.len(), row);
                kernels.copy(states, kept, planes, start, samples.len(), row);
            }
        }
    }
}
