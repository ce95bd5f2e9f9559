//! The plan: for one size of sequence, how it is cut, the buffers of each layer and the form of each kernel.
//!
//! Time is cut into segments and the batch into micro-batches. What the forward pass must leave to the backward pass is kept
//! for every segment of the micro-batch: the spikes, the state before each segment, and, where the tape is not replayed, V.
//! Everything else is worked out segment by segment in arrays that all layers share.

use super::between::NormalTape;
use super::core::{LayerState, Walk};
use super::readout::{Objectives, ReadoutPlan};
use crate::error::Result;
use crate::kernels::*;
use crate::network::Network;
use crate::spikes::pad;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;

/// The size of a batch, and what its input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Steps T.
    pub steps: usize,
    /// Samples B.
    pub batch: usize,
    /// Spikes or values.
    pub input: ActivityKind,
}

/// What is kept of the potentials between the forward and the backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TapeKind {
    /// All, as they are.
    Whole,
    /// All, as 16-bit floats: half the memory, and gradients that differ in the fourth digit.
    Half,
    /// None: they are computed again from the spikes and the state before each segment, to the same bits.
    Replay,
}

impl TapeKind {
    /// All kinds.
    pub const ALL: [TapeKind; 3] = [TapeKind::Whole, TapeKind::Half, TapeKind::Replay];
}

/// How a sequence is cut to fit into memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Steps of a segment.
    pub steps: usize,
    /// Samples of a micro-batch.
    pub samples: usize,
    /// Tape.
    pub tape: TapeKind,
    /// Whether the input of all steps stays on the device; else it is read again for each segment.
    pub keeps_input: bool,
}

impl Cut {
    /// One piece.
    pub fn whole(sequence: Sequence) -> Self {
        Cut { steps: sequence.steps, samples: sequence.batch, tape: TapeKind::Whole, keeps_input: true }
    }
}

/// Pieces of `len` of `0..total`; the last may be shorter.
pub(super) fn pieces(
    total: usize,
    len: usize,
) -> impl DoubleEndedIterator<Item = Range<usize>> + ExactSizeIterator + Clone {
    (0..total.div_ceil(len)).map(move |index| index * len..((index + 1) * len).min(total))
}

/// The buffers of one layer.
pub(super) struct LayerPlan<M: Memory> {
    /// The whole sequence's.
    pub shape: Shape,
    pub forward: Form,
    pub backward: Form,
    pub planes: M::Values,
    /// One for each segment; none of a readout.
    pub spikes: Vec<M::Activity>,
    /// Over time: X, kept for the backward pass (`[T][B][np]`); without one, V. Of LSTM cells: the gates, `[T][B][4 np]`.
    pub own: Option<M::Values>,
    pub training: Option<Training<M>>,
}

/// V (and what else a tape holds) of one segment.
pub(super) enum Tape<M: Memory> {
    Whole(M::Values),
    Half(M::Words),
}

/// What only training needs.
pub(super) struct Training<M: Memory> {
    /// One for each segment; none where they are replayed.
    pub tapes: Vec<Tape<M>>,
    /// The state before each segment and after the last, `[segments + 1][states][B][np]`; None where there is one segment
    /// whose V is kept.
    pub states: Option<M::Values>,
    /// χ of the first steps of the segment after, `[FUTURE][B][np]`; likewise.
    pub future: Option<M::Values>,
    /// I of the first step of the segment after, `[B][np]`, where the adjoint of a reset reads it; likewise.
    pub after: Option<M::Values>,
    /// h of LSTM cells, as the source of their recurrent weights.
    pub hidden: Option<M::Activity>,
    /// The spikes that dropout keeps, of one segment.
    pub dropped: Option<M::Activity>,
    pub normal: Option<NormalTape<M>>,
    /// Sums over chunks of the batch: of the weights' gradient, and of the recurrent weights'.
    pub sums: Vec<M::Values>,
    pub recurrent_sums: Vec<M::Values>,
}

/// Arrays of one segment, one layer after the other.
pub(super) struct Work<M: Memory> {
    /// X.
    pub drive: M::Values,
    /// The tape where none is kept; made when it is needed, and longer where a layer that keeps none at all is asked for V.
    pub tape: Option<M::Values>,
    pub tape_len: usize,
    /// χ of this layer and of the one above, in turn; made longer where the first layer's is wanted after all.
    pub chi: Vec<M::Values>,
    pub chi_len: Vec<usize>,
    /// Gradient of the spikes; made longer when somebody gives one.
    pub gradient: M::Values,
    pub gradient_len: usize,
    /// Gradient of the potential, likewise.
    pub potential: Option<M::Values>,
    pub potential_len: usize,
    /// With dropout: the gradient of all spikes that somebody gives, made when it is.
    pub given: Option<M::Values>,
    /// The sum over a chunk of the batch: of any weights that fit into one array, and of longer ones by their row.
    pub partial: Vec<(Option<usize>, M::Values)>,
}

/// See the module.
pub(super) struct Plan<M: Memory> {
    pub sequence: Sequence,
    pub cut: Cut,
    /// Whether it has the buffers of training.
    pub training: bool,
    /// One for each segment, or one for all in turn.
    pub input: Vec<M::Activity>,
    /// Samples of the micro-batch that the arrays have the shape of.
    pub shaped: usize,
    /// The segment and micro-batch that stand in `input` where it is one for all.
    pub loaded: Option<(usize, usize)>,
    pub readout: ReadoutPlan<M>,
    /// Probabilities of rate-coded input, made when somebody gives some.
    pub chances: Option<M::Words>,
    pub work: Work<M>,
    pub layers: Vec<LayerPlan<M>>,
    /// Whether the history of the rasters is not 0 (a stream went through).
    pub streamed: bool,
    /// When it was used last.
    pub used: u64,
}

impl<M: Memory> Plan<M> {
    /// The segments.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = Range<usize>> + ExactSizeIterator + Clone + use<M> {
        pieces(self.sequence.steps, self.cut.steps)
    }

    /// The micro-batches.
    pub fn batches(&self) -> impl DoubleEndedIterator<Item = Range<usize>> + ExactSizeIterator + Clone + use<M> {
        pieces(self.sequence.batch, self.cut.samples)
    }

    /// Whether all of it is one piece.
    pub fn is_whole(&self) -> bool {
        self.segments().len() == 1 && self.batches().len() == 1
    }

    /// The window of a segment and a micro-batch.
    pub fn window(&self, steps: &Range<usize>, samples: &Range<usize>) -> Window {
        let Sequence { steps: all, batch, .. } = self.sequence;
        Window { step: steps.start, steps: all, sample: samples.start, samples: batch }
    }

    /// The input of a segment.
    pub fn input_of(&self, segment: usize) -> &M::Activity {
        &self.input[segment.min(self.input.len() - 1)]
    }
}

/// Counts the bytes of arrays instead of making them.
pub(super) struct Counter<R> {
    pub bytes: u64,
    /// Bytes of the largest one.
    pub largest: u64,
    number: std::marker::PhantomData<R>,
}

impl<R> Counter<R> {
    pub fn new() -> Self {
        Counter { bytes: 0, largest: 0, number: std::marker::PhantomData }
    }

    fn count(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.largest = self.largest.max(bytes as u64);
    }
}

impl<R: Real> Memory for Counter<R> {
    type Real = R;
    type Values = ();
    type Words = ();
    type Activity = ();

    fn values(&mut self, _role: &str, len: usize) -> Result<()> {
        self.count(len * size_of::<R>());
        Ok(())
    }

    fn weights(&mut self, _role: &str, planes: usize, rows: usize, row: usize) -> Result<()> {
        // However long it is, it can be made.
        self.bytes += (planes * rows * row * size_of::<R>()) as u64;
        Ok(())
    }

    fn words(&mut self, _role: &str, len: usize) -> Result<()> {
        self.count(len * 4);
        Ok(())
    }

    fn activity(&mut self, _role: &str, kind: ActivityKind, shape: Shape) -> Result<()> {
        let row = match kind {
            ActivityKind::Raster => crate::spikes::words(shape.units) * 4,
            ActivityKind::Values => shape.row() * size_of::<R>(),
            ActivityKind::Bytes => shape.row(),
        };
        self.count((HISTORY + shape.steps) * shape.batch * row);
        Ok(())
    }
}

impl<K: Kernels> Plan<K> {
    /// Tells the backend how active the arrays of spikes will be, where that was measured.
    pub fn expect(&mut self, kernels: &mut K, layers: &[LayerState<K>]) {
        for (plan, layer) in self.layers.iter_mut().zip(layers) {
            let Some(active) = layer.active else { continue };
            let dropped = plan.training.as_mut().and_then(|training| training.dropped.as_mut());
            for spikes in plan.spikes.iter_mut().chain(dropped) {
                kernels.expect(spikes, active);
            }
        }
    }
}

impl<K: Kernels> LayerState<K> {
    /// Rows of its state: V, I where it is one, and a snippet's others.
    pub fn states(&self) -> usize {
        1 + usize::from(self.carries_current()) + self.model.tail().map_or(0, |tail| tail.states - 1)
    }

    /// Whether I is a state of its own: without a synapse it is X, which only a lag carries to the next step.
    pub fn carries_current(&self) -> bool {
        self.model.synapse || self.model.lag == 1
    }

    /// Whether a forward pass for training keeps its V: not where the list of its active neurons says all.
    pub fn keeps_potential(&self) -> bool {
        let learned = self.model.learned;
        !self.lists || learned.tau_syn || learned.tau_mem || learned.threshold
    }

    /// Whether its active neurons can be listed and the gradient of its weights be summed from kicks, as far as its constants say.
    pub fn lists_kicks(&self, kernels: &K) -> bool {
        self.kicks.is_some() && kernels.kicks_suffice(self.model, self.units, &self.constants)
    }

    /// Whether its steps can be run in several pieces.
    pub fn can_be_cut(&self) -> bool {
        self.walk == Walk::Steps && self.normal.is_none()
    }
}

/// What arrays a batch needs of a network on a backend.
pub(super) struct Draft<'a, K: Kernels> {
    network: &'a Network,
    layers: &'a [LayerState<K>],
    objectives: &'a Objectives,
    sequence: Sequence,
    training: bool,
    /// Of each layer.
    forms: Vec<(Form, Form)>,
    /// The longest row of a drive that is not fused away.
    driven: usize,
    /// Whether the gradient of the spikes is fused away.
    fused: bool,
    /// Whether the active neurons of the first layer are listed, so that nobody reads its χ.
    listed: bool,
    /// Bytes of one array at most.
    largest_array: u64,
}

/// Which of the partial sums of a plan is that of weights of `len` entries in rows of `row`: None for any that fit into an
/// array of `largest` bytes.
pub(super) fn partial_row<K: Kernels>(largest: u64, len: usize, row: usize) -> Option<usize> {
    ((len * size_of::<K::Real>()) as u64 > largest).then_some(row)
}

impl<'a, K: Kernels> Draft<'a, K> {
    pub fn new(
        kernels: &K,
        network: &'a Network,
        layers: &'a [LayerState<K>],
        objectives: &'a Objectives,
        (sequence, training): (Sequence, bool),
        forced: Option<Form>,
    ) -> Self {
        let Sequence { steps, batch, input } = sequence;
        let form = |layer: &LayerState<K>| {
            let shape = Shape { steps, batch, units: layer.units };
            match (forced, layer.recurrent.is_some()) {
                (Some(form), true) => (form, form),
                (_, false) => kernels.form(shape, false),
                (_, true) => {
                    let (forward, backward) = kernels.form(shape, true);
                    (layer.active.map_or(forward, |active| kernels.form_at(shape, active)), backward)
                }
            }
        };
        let driven = layers.iter().enumerate().map(|(l, layer)| {
            let kind = match l.checked_sub(1) {
                None => input,
                Some(below) => layers[below].model.activity(),
            };
            let left = layer.can_be_cut() && kernels.leaves_drive(layer.projection, kind);
            if left || layer.walk == Walk::Lstm { 0 } else { pad(layer.units) }
        });
        Draft {
            network,
            layers,
            objectives,
            sequence,
            training,
            forms: layers.iter().map(form).collect(),
            driven: driven.max().unwrap_or(0),
            fused: kernels.leaves_gradient(),
            listed: layers[0].lists,
            largest_array: kernels.largest_array(),
        }
    }

    /// Makes the arrays of a plan; with [`Counter`] only their bytes.
    ///
    /// # Errors
    /// [`crate::Error::Memory`] where one does not fit.
    pub fn arrays<M: Memory<Real = K::Real>>(&self, memory: &mut M, cut: Cut) -> Result<Plan<M>> {
        let (sequence, training) = (self.sequence, self.training);
        let Sequence { steps, batch, input } = sequence;
        let segments: Vec<usize> = pieces(steps, cut.steps).map(|piece| piece.len()).collect();
        let (longest, samples) = (cut.steps.min(steps), cut.samples.min(batch));
        let smooth_input = Shape { steps: longest, batch: samples, units: self.network.inputs };
        let several = segments.len() > 1 || samples < batch || cut.tape == TapeKind::Replay;
        let chunks = samples.div_ceil(chunk(batch));
        let mut layers = Vec::new();
        for (layer, &(forward, backward)) in self.layers.iter().zip(&self.forms) {
            let shape = Shape { steps, batch, units: layer.units };
            let piece = |steps: usize| Shape { steps, batch: samples, units: layer.units };
            let mut spikes = Vec::new();
            if layer.model.spiking {
                for &steps in &segments {
                    spikes.push(memory.activity("spikes", layer.model.activity(), piece(steps))?);
                }
            }
            let own = match layer.walk {
                Walk::Steps => None,
                Walk::Time { .. } => Some(memory.values("drive over time", shape.len(steps))?),
                Walk::Lstm => Some(memory.values("gates", layer.drive_shape(shape).len(steps))?),
            };
            let training = if training {
                let mut tapes = Vec::new();
                for &steps in segments.iter().filter(|_| layer.keeps_potential()) {
                    let len = layer.tapes() * piece(steps).len(steps);
                    match cut.tape {
                        TapeKind::Whole => tapes.push(Tape::Whole(memory.values("tape", len)?)),
                        TapeKind::Half => tapes.push(Tape::Half(memory.words("tape", len / 2)?)),
                        TapeKind::Replay => {}
                    }
                }
                let one = piece(1);
                let states = layer.states() * one.len(1);
                // The first of all chunks is summed where the gradient goes.
                let sums = match (segments.len(), samples < batch) {
                    (1, _) => 0,
                    (_, true) => chunks,
                    (_, false) => chunks - 1,
                };
                let mut sums_of = |rows: usize| -> Result<Vec<M::Values>> {
                    let row = pad(layer.columns);
                    (0..sums).map(|_| memory.weights("sums of weight gradients", 1, rows, row)).collect()
                };
                let (own_sums, recurrent_sums) = (
                    sums_of(layer.weight_rows())?,
                    match &layer.recurrent {
                        Some(_) => sums_of(layer.units)?,
                        None => Vec::new(),
                    },
                );
                let kept = |memory: &mut M, wanted: bool, role: &str, len: usize| -> Result<Option<M::Values>> {
                    Ok(if wanted { Some(memory.values(role, len)?) } else { None })
                };
                // Who asks for V of a layer that keeps none has its steps run again.
                let again = several || !layer.keeps_potential();
                Some(Training {
                    tapes,
                    states: kept(memory, again, "states between segments", (segments.len() + 1) * states)?,
                    future: kept(memory, several, "adjoint of later segments", layer.drive_shape(one).len(FUTURE))?,
                    after: if several && layer.reads_current_after() {
                        Some(memory.values("current of later segments", one.len(1))?)
                    } else {
                        None
                    },
                    hidden: match layer.walk {
                        Walk::Lstm => Some(memory.activity("hidden state", ActivityKind::Values, shape)?),
                        _ => None,
                    },
                    dropped: if layer.dropping.is_some() {
                        Some(memory.activity("spikes that are kept", layer.model.activity(), piece(longest))?)
                    } else {
                        None
                    },
                    normal: if layer.normal.is_some() { Some(NormalTape::new(memory, shape)?) } else { None },
                    sums: own_sums,
                    recurrent_sums,
                })
            } else {
                None
            };
            let planes = memory.values("sample planes", layer.model.planes_len(shape))?;
            layers.push(LayerPlan { shape, forward, backward, planes, spikes, own, training });
        }
        let mut inputs = Vec::new();
        for &steps in if cut.keeps_input { &segments[..] } else { &segments[..1] } {
            inputs.push(memory.activity("input", input, Shape { steps, ..smooth_input })?);
        }
        Ok(Plan {
            sequence,
            cut,
            training,
            input: inputs,
            shaped: samples,
            loaded: None,
            readout: ReadoutPlan::new(memory, self.objectives, sequence)?,
            chances: None,
            work: self.work(memory, cut)?,
            layers,
            streamed: false,
            used: 0,
        })
    }

    fn work<M: Memory>(&self, memory: &mut M, cut: Cut) -> Result<Work<M>> {
        let (sequence, training) = (self.sequence, self.training);
        let (steps, samples) = (cut.steps.min(sequence.steps), cut.samples.min(sequence.batch));
        let rows = |steps: usize, width: usize| steps * samples * width;
        let widest = |wanted: &dyn Fn(usize, &LayerState<K>) -> usize| {
            self.layers.iter().enumerate().map(|(l, layer)| wanted(l, layer)).max().unwrap_or(0)
        };
        let top = self.layers.len() - 1;
        let graded = widest(&|l, layer| {
            let fused = self.fused && layer.walk == Walk::Steps && layer.dropping.is_none();
            let needed = match (l == top, self.objectives.reads_spikes()) {
                (true, reads) => reads,
                (false, _) => !fused || !self.network.layers[l].regularise.is_empty(),
            };
            if needed && layer.model.spiking { pad(layer.units) } else { 0 }
        });
        let graded = if training { rows(steps, graded) } else { 0 };
        let tapes = widest(&|_, layer| if layer.keeps_potential() { layer.tapes() * pad(layer.units) } else { 0 });
        let reads = self.objectives.reads_potential(false);
        let tape = match (training, cut.tape) {
            (true, TapeKind::Half | TapeKind::Replay) => Some(tapes).filter(|width| *width > 0),
            (false, _) if reads => Some(self.layers[top].tapes() * pad(self.layers[top].units)),
            _ => None,
        };
        let traced = if training && reads { rows(steps, pad(self.layers[top].units)) } else { 0 };
        let (mut chi, mut chi_len) = (Vec::new(), Vec::new());
        if training {
            // Of every other layer.
            for turn in 0..self.layers.len().min(2) {
                let read = |l: usize| l % 2 == turn && !(l == 0 && self.listed);
                let columns = widest(&|l, layer| if read(l) { pad(layer.columns) } else { 0 });
                chi_len.push(rows(steps + FUTURE, columns));
                chi.push(memory.values("adjoint", chi_len[turn])?);
            }
        }
        let one_segment = pieces(sequence.steps, cut.steps).len() == 1;
        let several = sequence.batch > chunk(sequence.batch) || samples < sequence.batch;
        let chunked = training && one_segment && several;
        let mut partial = Vec::new();
        if chunked {
            // Of weights with such a row, the most rows; of all that fit into one array, the most entries.
            let mut longest = BTreeMap::new();
            for layer in self.layers {
                let row = pad(layer.columns);
                for rows in [layer.weight_rows(), if layer.recurrent.is_some() { layer.units } else { 0 }] {
                    let key = partial_row::<K>(self.largest_array, rows * row, row);
                    let most: &mut usize = longest.entry(key).or_insert(0);
                    *most = (*most).max(if key.is_some() { rows } else { rows * row });
                }
            }
            for (key, most) in longest {
                let values = memory.weights("partial weight gradients", 1, most, key.unwrap_or(1))?;
                partial.push((key, values));
            }
        }
        Ok(Work {
            drive: memory.values("drive", rows(steps, self.driven))?,
            tape: match tape {
                Some(width) => Some(memory.values("tape", rows(steps, width))?),
                None => None,
            },
            tape_len: rows(steps, tape.unwrap_or(0)),
            chi,
            chi_len,
            gradient: memory.values("gradient of spikes", graded)?,
            gradient_len: graded,
            potential: if traced > 0 { Some(memory.values("gradient of potential", traced)?) } else { None },
            potential_len: traced,
            given: None,
            partial,
        })
    }
}
