//! The readout on the device: the losses of a network, forward and backward.

use super::batch::Batch;
use super::core::{Core, zeros};
use super::forward::At;
use super::plan::{LayerPlan, Sequence, Tape, Work};
use crate::error::{Error, Result};
use crate::kernels::*;
use crate::network::{Average, Inverse, Loss as Described, Network, Of, Reduction, Term};
use crate::spikes::pad;

/// One loss, or (without a term) what the answers are counted by.
#[derive(Clone, Debug)]
pub(super) struct Objective {
    term: Option<Term>,
    reduce: Reduction,
    spike: u32,
    of: Of,
}

/// The losses of a network, planned.
#[derive(Clone, Debug)]
pub(super) struct Objectives {
    terms: Vec<Objective>,
    /// What the answers are counted by where the first loss does not show it.
    answers: Option<Objective>,
    /// Units and classes of the last layer.
    units: usize,
    classes: usize,
    /// Whether the only loss can be reduced while the layer runs.
    online: bool,
}

impl Objective {
    fn pooling(&self) -> Option<Pooling> {
        match self.reduce {
            Reduction::Max => Some(Pooling::Max),
            Reduction::Sum | Reduction::Count => Some(Pooling::Sum),
            Reduction::Mean => Some(Pooling::Mean),
            Reduction::Last => Some(Pooling::Last),
            Reduction::FirstSpike => Some(Pooling::Spike(self.spike)),
            Reduction::EveryStep => None,
        }
    }

    fn answer(&self) -> Answer {
        let inverted = matches!(self.term.as_ref().map(|term| &term.loss), Some(Described::CrossEntropy { .. }));
        if self.reduce == Reduction::FirstSpike && !inverted { Answer::Smallest } else { Answer::Largest }
    }

    fn score(&self) -> Score {
        match self.term.as_ref().map(|term| &term.loss) {
            Some(Described::CrossEntropy { inverse, .. }) if self.reduce == Reduction::FirstSpike => match inverse {
                Inverse::Negate => Score::Negated,
                Inverse::Reciprocal => Score::Reciprocal,
            },
            _ => Score::Plain,
        }
    }

    fn criterion(&self, supplied: &Supplied) -> Criterion {
        match self.term.as_ref().map(|term| &term.loss) {
            None => Criterion::None,
            Some(Described::CrossEntropy { label_smoothing, .. }) => {
                Criterion::CrossEntropy { smoothing: *label_smoothing }
            }
            Some(Described::Nll { .. }) => Criterion::NegativeLogLikelihood,
            Some(loss @ Described::Mse { tolerance, .. }) => {
                let tolerance = *tolerance;
                if loss.is_given() {
                    Criterion::SquaredErrorToTargets { tolerance, stepwise: supplied.step_targets }
                } else {
                    Criterion::SquaredError { tolerance }
                }
            }
        }
    }

    fn is_given(&self) -> bool {
        self.term.as_ref().is_some_and(|term| term.loss.is_given())
    }
}

impl Objectives {
    pub fn new(network: &Network) -> Self {
        let units = network.outputs();
        let spiking = network.layers.last().is_some_and(|layer| layer.neuron.spiking());
        let of_term = |term: &Term| Objective {
            term: Some(term.clone()),
            reduce: term.reduce,
            spike: term.spike,
            of: network.reads(term),
        };
        let terms: Vec<Objective> = network.readout.losses.iter().map(of_term).collect();
        let first = &terms[0];
        let by = match (network.readout.accuracy_by, first.reduce, first.of) {
            (Some(reduce), ..) => Some((reduce, reduce.default_of(spiking))),
            (None, Reduction::EveryStep, of) => Some((Reduction::Sum, of)),
            (None, ..) => None,
        };
        let answers = by
            .filter(|&(reduce, of)| (reduce, of) != (first.reduce, first.of) || first.spike != 1)
            .map(|(reduce, of)| Objective { term: None, reduce, spike: 1, of });
        let online = !spiking && terms.len() == 1 && answers.is_none() && first.reduce.online().is_some();
        Objectives { terms, answers, units, classes: network.classes(), online }
    }

    /// Whether any loss stands on the spikes of the last layer.
    pub fn reads_spikes(&self) -> bool {
        self.terms.iter().any(|objective| objective.of == Of::Spikes)
    }

    /// Whether the trace of the potential is read after the layer has run.
    pub fn reads_potential(&self, online: bool) -> bool {
        !online && self.all().any(|objective| objective.of == Of::Potential)
    }

    fn all(&self) -> impl Iterator<Item = &Objective> {
        self.terms.iter().chain(&self.answers)
    }
}

/// What a batch says about its answers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Supplied {
    /// One label a sample.
    pub labels: bool,
    /// One label a step, or a mask.
    pub step_labels: bool,
    /// Whether the words of the steps hold labels (not the mask alone).
    pub labelled_steps: bool,
    pub targets: bool,
    pub step_targets: bool,
}

impl Supplied {
    /// Whether the built-in loss is there.
    pub fn any(self) -> bool {
        self.labels || self.labelled_steps || self.targets
    }
}

/// The readout's arrays for one size of batch.
pub(super) struct ReadoutPlan<K: Memory> {
    /// Lengths `[B]`.
    pub lengths: K::Words,
    /// What stands in `lengths`.
    sent: Vec<u32>,
    /// Coefficients of a batch before they are compared with those that stand there.
    numbers: Vec<f64>,
    labels: K::Words,
    step_labels: Option<K::Words>,
    targets: Option<K::Values>,
    /// One for each loss, and one for the answers.
    parts: Vec<Part<K>>,
}

/// The arrays of one objective.
struct Part<K: Memory> {
    /// Activation, step, gradient, `[B][3][np]`.
    own: Option<K::Values>,
    coefficients: K::Values,
    sent: Vec<f64>,
    /// Class weights.
    table: K::Values,
}

impl<M: Memory> ReadoutPlan<M> {
    /// The arrays; [`ReadoutPlan::begin`] fills them.
    pub fn new(memory: &mut M, objectives: &Objectives, sequence: Sequence) -> Result<Self> {
        let Sequence { steps, batch, .. } = sequence;
        let mut parts = Vec::new();
        for objective in objectives.all() {
            let row = pad(objectives.units);
            let own = match objective.pooling() {
                Some(_) if !objectives.online => Some(memory.values("activations", Place::OWN.planes * batch * row)?),
                _ => None,
            };
            let table = memory.values("class weights", objectives.classes)?;
            let coefficients = memory.values("coefficients of the loss", batch * coefficient::COUNT)?;
            parts.push(Part { own, coefficients, sent: Vec::new(), table });
        }
        let stepwise = objectives.terms.iter().any(|objective| objective.reduce == Reduction::EveryStep);
        Ok(ReadoutPlan {
            lengths: memory.words("lengths", batch)?,
            sent: Vec::new(),
            numbers: Vec::new(),
            labels: memory.words("labels", batch)?,
            step_labels: if stepwise { Some(memory.words("labels of the steps", steps * batch)?) } else { None },
            targets: None,
            parts,
        })
    }
}

impl<K: Kernels> ReadoutPlan<K> {
    /// Writes what no batch changes.
    pub fn begin(&mut self, kernels: &mut K, objectives: &Objectives) {
        for (part, objective) in self.parts.iter_mut().zip(objectives.all()) {
            let weights = objective.term.as_ref().map_or(&[][..], |term| term.loss.class_weights());
            let one = vec![K::Real::from_f64(1.0); objectives.classes];
            let weights: Vec<K::Real> = weights.iter().map(|&weight| K::Real::from_f64(weight)).collect();
            kernels.write(&mut part.table, 0, if weights.is_empty() { &one } else { &weights });
        }
    }

    /// Makes room for the activations of losses that are reduced after the layer has run.
    pub fn allocate(&mut self, kernels: &mut K, objectives: &Objectives, shape: Shape) -> Result<()> {
        for (part, objective) in self.parts.iter_mut().zip(objectives.all()) {
            if part.own.is_none() && objective.pooling().is_some() {
                part.own = Some(kernels.values("activations", Place::OWN.planes * shape.len(1))?);
            }
        }
        Ok(())
    }

    /// Uploads lengths, labels and targets of a batch, by way of what is staged.
    pub fn upload(
        &mut self,
        kernels: &mut K,
        objectives: &Objectives,
        sequence: Sequence,
        batch: &Batch<K::Real>,
        supplied: Supplied,
        (staging, staged): (&mut Vec<K::Real>, &mut Vec<u32>),
    ) -> Result<()> {
        let Sequence { steps, batch: samples, .. } = sequence;
        let length = |b: usize| batch.lengths.as_ref().map_or(steps as u32, |lengths| lengths[b]);
        if !self.sent.iter().copied().eq((0..samples).map(length)) {
            self.sent.clear();
            self.sent.extend((0..samples).map(length));
            kernels.write_words(&mut self.lengths, &self.sent);
        }
        if let Some(labels) = &batch.labels {
            kernels.write_words(&mut self.labels, labels);
        }
        if supplied.step_labels {
            let words = match &mut self.step_labels {
                Some(words) => words,
                none => none.insert(kernels.words("labels of the steps", steps * samples)?),
            };
            let counts = counted(batch, samples);
            let label = |cell: usize| batch.step_labels.as_ref().map_or(0, |labels| labels[cell]);
            staged.clear();
            staged.extend((0..steps * samples).map(|cell| if counts(cell) { label(cell) } else { MASKED }));
            kernels.write_words(words, staged);
        }
        if let Some(targets) = &batch.targets {
            // Of either kind.
            let room = steps * samples * objectives.classes;
            let values = match &mut self.targets {
                Some(values) => values,
                none => none.insert(kernels.values("targets", room)?),
            };
            kernels.write(values, 0, targets);
        }
        if supplied.any() {
            for (part, objective) in self.parts.iter_mut().zip(objectives.all()) {
                coefficients(objective, objectives, batch, &self.sent, steps, supplied, &mut self.numbers);
                if part.sent != self.numbers {
                    staging.clear();
                    staging.extend(self.numbers.iter().map(|&value| K::Real::from_f64(value)));
                    kernels.write(&mut part.coefficients, 0, staging);
                    part.sent.clone_from(&self.numbers);
                }
            }
        }
        Ok(())
    }
}

/// Which steps `[T, B]` of so many samples count.
fn counted<F>(batch: &Batch<F>, samples: usize) -> impl Fn(usize) -> bool {
    let (lengths, mask) = (batch.lengths.as_deref(), batch.mask.as_deref());
    move |cell| {
        lengths.is_none_or(|lengths| cell / samples < lengths[cell % samples] as usize)
            && mask.is_none_or(|mask| mask[cell])
    }
}

/// κ, v, on and off of each sample (`coefficient`), into `out`.
fn coefficients<F>(
    objective: &Objective,
    objectives: &Objectives,
    batch: &Batch<F>,
    lengths: &[u32],
    steps: usize,
    supplied: Supplied,
    out: &mut Vec<f64>,
) {
    let samples = lengths.len();
    out.clear();
    let Some(term) = &objective.term else { return out.resize(samples * coefficient::COUNT, 0.0) };
    let weights = term.loss.class_weights();
    // What each label counts for in the average.
    let average = term.loss.average();
    let weight = |label: u32| match average {
        Average::Weights => weights.get(label as usize).copied().unwrap_or(1.0),
        Average::Samples | Average::None => 1.0,
    };
    let every_step = objective.reduce == Reduction::EveryStep;
    let by_step = every_step && supplied.step_labels;
    let total: f64 = if by_step {
        let counts = counted(batch, samples);
        let label = |cell: usize| batch.step_labels.as_ref().map_or(0, |labels| labels[cell]);
        (0..steps * samples).filter(|&cell| counts(cell)).map(|cell| weight(label(cell))).sum()
    } else {
        match &batch.labels {
            Some(labels) if !objective.is_given() => labels.iter().map(|&label| weight(label)).sum(),
            _ => samples as f64,
        }
    };
    let share = match average {
        Average::None => samples as f64,
        _ if total > 0.0 => samples as f64 / total,
        _ => 0.0,
    };
    for &length in lengths {
        let length = f64::from(length);
        let mut value = term.weight * share;
        if every_step && !by_step {
            value /= length;
        }
        let (mut on, mut off) = (0.0, 0.0);
        if let Described::Mse { on_target, off_target, correct_rate, incorrect_rate, .. } = term.loss {
            if average != Average::None {
                value /= objectives.classes as f64;
            }
            if objective.reduce == Reduction::FirstSpike {
                value /= length * length;
            }
            if let (Some(right), Some(wrong)) = (on_target, off_target) {
                let step = |target: f64| if target < 0.0 { length + target } else { target };
                let times = objective.reduce == Reduction::FirstSpike;
                (on, off) = if times { (step(right), step(wrong)) } else { (right, wrong) };
            }
            if let (Some(right), Some(wrong)) = (correct_rate, incorrect_rate) {
                let group = (objectives.units / objectives.classes) as f64;
                value /= length;
                (on, off) = ((length * right * group).floor(), (length * wrong * group).floor());
            }
        }
        out.extend([value / samples as f64, value, on, off]);
    }
}

/// Spikes and tapes of the segments, and the tape of one where none is kept.
type Kept<'a, K> = (&'a [<K as Memory>::Activity], &'a [Tape<K>], Option<&'a <K as Memory>::Values>);

/// What the readout sees of a segment of the last layer: its spikes, or V of its tape or (where none is kept) of `scratch`.
fn recording<'a, K: Kernels>(
    (spikes, tapes, scratch): Kept<'a, K>,
    segment: usize,
    of: Of,
    emit_lag: usize,
) -> Recording<'a, K> {
    match (of, tapes.get(segment)) {
        (Of::Potential, Some(Tape::Whole(tape))) => Recording::Potential(tape),
        (Of::Potential, _) => Recording::Potential(scratch.expect("made where the readout reads it")),
        (Of::Spikes, _) => Recording::Spikes(&spikes[segment], emit_lag),
    }
}

impl<K: Kernels> Core<K> {
    /// What a batch says about its answers; every mistake in it.
    ///
    /// # Errors
    /// [`Error::Input`] where labels, mask, targets or lengths do not fit batch or network.
    pub(super) fn check_answers(&self, batch: &Batch<K::Real>, sequence: Sequence) -> Result<Supplied> {
        let Sequence { steps, batch: samples, .. } = sequence;
        let classes = self.objectives.classes;
        let refuse = |message: String| Err(Error::Input(message));
        if let Some(lengths) = &batch.lengths {
            if lengths.len() != samples {
                return refuse(format!("{} lengths for {samples} samples", lengths.len()));
            }
            if let Some(b) = lengths.iter().position(|&length| !(1..=steps).contains(&(length as usize))) {
                return refuse(format!("the length of sample {b} is {}, it must be 1 to {steps} steps", lengths[b]));
            }
        }
        let beyond = |what: String, label: u32| {
            Error::Input(format!("{what} is {label}, but the readout has {classes} classes (0 to {})", classes - 1))
        };
        if let Some(labels) = &batch.labels {
            if labels.len() != samples {
                return refuse(format!("{} labels for {samples} samples", labels.len()));
            }
            if let Some(b) = labels.iter().position(|&label| label as usize >= classes) {
                return Err(beyond(format!("the label of sample {b}"), labels[b]));
            }
        }
        let cells = steps * samples;
        if let Some(mask) = &batch.mask {
            if mask.len() != cells {
                return refuse(format!("the mask has {} entries, not {steps} steps × {samples} samples", mask.len()));
            }
            let stepwise = batch.targets.as_ref().is_some_and(|targets| targets.len() == cells * classes);
            if batch.step_labels.is_none() && !stepwise {
                return refuse("a mask needs labels or targets for each step".into());
            }
        }
        if batch.mask.is_some() || batch.step_labels.is_some() {
            let counts = counted(batch, samples);
            if let Some(labels) = &batch.step_labels {
                if labels.len() != cells {
                    let held = labels.len();
                    return refuse(format!("{held} labels of steps for {steps} steps × {samples} samples"));
                }
                if let Some(at) = (0..cells).find(|&at| counts(at) && labels[at] as usize >= classes) {
                    let (t, b) = (at / samples, at % samples);
                    return Err(beyond(format!("the label of step {t} of sample {b}"), labels[at]));
                }
            }
            if !(0..cells).any(counts) {
                return refuse("the mask leaves no step".into());
            }
        }
        if let Some(targets) = &batch.targets {
            if targets.len() != samples * classes && targets.len() != cells * classes {
                let held = targets.len();
                return refuse(format!(
                    "{held} targets for {samples} samples × {classes} classes, with or without {steps} steps"
                ));
            }
            if let Some(at) = targets.iter().position(|target| !target.to_f64().is_finite()) {
                return refuse(format!("target {at} is {}: it must be a finite number", targets[at].to_f64()));
            }
        }
        let supplied = Supplied {
            labels: batch.labels.is_some(),
            step_labels: batch.step_labels.is_some() || batch.mask.is_some(),
            labelled_steps: batch.step_labels.is_some(),
            targets: batch.targets.is_some(),
            step_targets: batch.targets.as_ref().is_some_and(|targets| targets.len() != samples * classes),
        };
        if supplied.any() {
            self.check_terms(supplied)?;
        }
        Ok(supplied)
    }

    /// Whether every loss finds what it needs.
    fn check_terms(&self, supplied: Supplied) -> Result<()> {
        for (index, objective) in self.objectives.terms.iter().enumerate() {
            let every_step = objective.reduce == Reduction::EveryStep;
            let missing = |what: &str| {
                let (place, name) = (self.network.readout.place(index), objective.reduce.name());
                Err(Error::Input(format!("{place} (reduce = \"{name}\") needs {what}")))
            };
            if objective.is_given() {
                if !supplied.targets {
                    return missing("targets in the batch");
                }
                if supplied.step_targets && !every_step {
                    return missing("one target a class and sample, not one a step");
                }
            } else if !(supplied.labels || (every_step && supplied.labelled_steps)) {
                return missing(if every_step {
                    "labels in the batch, of samples or steps"
                } else {
                    "labels in the batch"
                });
            }
        }
        Ok(())
    }

    /// Whether the readout is reduced while the last layer runs.
    pub(super) fn online(&self, ragged: bool) -> bool {
        self.objectives.online && !ragged
    }

    /// Labels that answers are counted against.
    pub(super) fn questions(&self, batch: &Batch<K::Real>, sequence: Sequence, supplied: Supplied) -> u64 {
        if self.answers_by_step(supplied) {
            let counts = counted(batch, sequence.batch);
            (0..sequence.steps * sequence.batch).filter(|&cell| counts(cell)).count() as u64
        } else if supplied.labels {
            sequence.batch as u64
        } else {
            0
        }
    }

    /// Whether each step answers for itself.
    fn answers_by_step(&self, supplied: Supplied) -> bool {
        let every_step = self.objectives.terms[0].reduce == Reduction::EveryStep;
        every_step && supplied.labelled_steps && (self.network.readout.accuracy_by.is_none() || !supplied.labels)
    }

    /// Which objectives count the answers: they are counted once, by the objective for them or by the first loss.
    fn counting(&self, supplied: Supplied) -> impl Fn(usize) -> bool + use<K> {
        let by_step = self.answers_by_step(supplied);
        let by = match (by_step, &self.objectives.answers) {
            (true, _) | (false, None) => 0,
            (false, Some(_)) => self.objectives.terms.len(),
        };
        move |at| at == by && (by_step || supplied.labels)
    }

    /// Reduces what the last layer left of a segment, and measures the losses on its steps.
    pub(super) fn read_segment(&mut self, segment: &At, online: bool) {
        let supplied = self.supplied;
        let slot = self.ring.base() + self.ring.slots.loss;
        let top = self.layers.len() - 1;
        let emit_lag = self.layers[top].model.emit_lag;
        let shape = segment.shape(self.layers[top].units);
        let counts = self.counting(supplied);
        let plan = &mut self.plans[segment.index];
        let window = plan.window(&segment.steps, &segment.samples);
        let LayerPlan { spikes, training, .. } = &plan.layers[top];
        let tapes = training.as_ref().map_or(&[][..], |training| &training.tapes);
        let left = (&spikes[..], tapes, plan.work.tape.as_ref());
        for (at, objective) in self.objectives.all().enumerate() {
            let part = &mut plan.readout.parts[at];
            if let (Some(pooling), Some(own), false) = (objective.pooling(), &mut part.own, online) {
                self.kernels.collapse(Collapse {
                    shape,
                    window,
                    recording: recording(left, segment.segment, objective.of, emit_lag),
                    pooling,
                    lengths: &plan.readout.lengths,
                    place: Place::OWN,
                    out: own,
                });
            }
            if objective.reduce != Reduction::EveryStep || !supplied.any() {
                continue;
            }
            let labels = match &plan.readout.step_labels {
                Some(labels) if supplied.step_labels => labels,
                _ => &plan.readout.labels,
            };
            let table = match &plan.readout.targets {
                Some(targets) if objective.is_given() => targets,
                _ => &part.table,
            };
            self.kernels.loss(Loss {
                shape,
                window,
                classes: self.objectives.classes,
                criterion: objective.criterion(&supplied),
                score: objective.score(),
                scores: Scores::Steps(recording(left, segment.segment, objective.of, emit_lag), None),
                labels,
                stepwise: supplied.step_labels,
                lengths: &plan.readout.lengths,
                coefficients: &part.coefficients,
                table,
                metrics: Some((&mut self.ring.values, slot)),
                answers: counts(at).then(|| objective.answer()),
            });
        }
    }

    /// Measures the losses on activations.
    pub(super) fn read_out(&mut self, index: usize, supplied: Supplied, online: bool) {
        if !supplied.any() {
            return;
        }
        let slot = self.ring.base() + self.ring.slots.loss;
        let top = self.layers.len() - 1;
        let last = self.objectives.terms.len();
        let counts = self.counting(supplied);
        let plan = &mut self.plans[index];
        let layer = &mut plan.layers[top];
        for (at, objective) in self.objectives.all().enumerate() {
            let answers = counts(at).then(|| objective.answer());
            if objective.reduce == Reduction::EveryStep || (at == last && answers.is_none()) {
                continue;
            }
            let part = &mut plan.readout.parts[at];
            let table = match &plan.readout.targets {
                Some(targets) if objective.is_given() => targets,
                _ => &part.table,
            };
            let scores = match &mut part.own {
                Some(own) if !online => Scores::Samples(Place::OWN, own),
                _ => Scores::Samples(Place::LAYER, &mut layer.planes),
            };
            self.kernels.loss(Loss {
                shape: layer.shape,
                window: Window::whole(layer.shape),
                classes: self.objectives.classes,
                criterion: objective.criterion(&supplied),
                score: objective.score(),
                scores,
                labels: &plan.readout.labels,
                stepwise: false,
                lengths: &plan.readout.lengths,
                coefficients: &part.coefficients,
                table,
                metrics: Some((&mut self.ring.values, slot)),
                answers,
            });
        }
    }

    /// Whether the losses reach the last layer through the gradient of its potential, and of its spikes, each step.
    pub(super) fn reached(&self, loss: bool, activation: bool, online: bool) -> (bool, bool) {
        let used = |of: Of| {
            let by = |(at, objective): (usize, &Objective)| objective.of == of && (loss || (at == 0 && activation));
            !online && self.objectives.terms.iter().enumerate().any(by)
        };
        (used(Of::Potential), used(Of::Spikes))
    }

    /// Adds the gradient of the losses (or, without `loss`, that of the first activation) to those of the last layer's
    /// potential and spikes in a segment.
    pub(super) fn spread_out(&mut self, segment: &At, loss: bool, activation: bool) {
        let supplied = self.supplied;
        let top = self.layers.len() - 1;
        let emit_lag = self.layers[top].model.emit_lag;
        let shape = segment.shape(self.layers[top].units);
        let plan = &mut self.plans[segment.index];
        let window = plan.window(&segment.steps, &segment.samples);
        let LayerPlan { spikes, training, .. } = &plan.layers[top];
        let tapes = training.as_ref().map_or(&[][..], |training| &training.tapes);
        let Work { tape, gradient, potential, .. } = &mut plan.work;
        let left = (&spikes[..], tapes, tape.as_ref());
        for (at, objective) in self.objectives.terms.iter().enumerate() {
            if !(loss || (at == 0 && activation)) {
                continue;
            }
            let part = &mut plan.readout.parts[at];
            let (out, lag) = match objective.of {
                Of::Potential => (potential.as_mut().expect("made before"), 0),
                Of::Spikes => (&mut *gradient, emit_lag),
            };
            if let (Some(pooling), Some(own)) = (objective.pooling(), &part.own) {
                self.kernels.spread(Spread {
                    shape,
                    window,
                    pooling,
                    lengths: &plan.readout.lengths,
                    place: Place::OWN,
                    from: own,
                    emit_lag: lag,
                    out,
                });
                continue;
            }
            let labels = match &plan.readout.step_labels {
                Some(labels) if supplied.step_labels => labels,
                _ => &plan.readout.labels,
            };
            let table = match &plan.readout.targets {
                Some(targets) if objective.is_given() => targets,
                _ => &part.table,
            };
            self.kernels.loss(Loss {
                shape,
                window,
                classes: self.objectives.classes,
                criterion: objective.criterion(&supplied),
                score: objective.score(),
                scores: Scores::Steps(recording(left, segment.segment, objective.of, emit_lag), Some(out)),
                labels,
                stepwise: supplied.step_labels,
                lengths: &plan.readout.lengths,
                coefficients: &part.coefficients,
                table,
                metrics: None,
                answers: None,
            });
        }
    }

    /// A plane of the first loss's activations, `[B, units]`.
    ///
    /// # Errors
    /// [`Error::Input`] where the first loss stands on every step.
    pub(super) fn read_activation(
        &mut self,
        index: usize,
        layer_plane: usize,
        own_plane: usize,
    ) -> Result<Vec<K::Real>> {
        self.has_activation()?;
        if self.online(self.ragged) {
            return self.read_plane(index, self.layers.len() - 1, layer_plane);
        }
        self.read_own(index, 0, own_plane)
    }

    /// Whether there is one activation for each unit of the last layer.
    pub(super) fn has_activation(&self) -> Result<()> {
        if self.objectives.terms[0].pooling().is_some() {
            return Ok(());
        }
        Err(Error::Input("the readout stands on every step: it has no activation, only spikes and potential".into()))
    }

    fn read_own(&mut self, index: usize, part: usize, plane: usize) -> Result<Vec<K::Real>> {
        let shape = self.plans[index].layers[self.layers.len() - 1].shape;
        let (row, planes) = (shape.row(), Place::OWN.planes);
        let own = self.plans[index].readout.parts[part].own.as_ref().expect("a forward pass made it");
        let all = self.kernels.read(own, 0..planes * shape.len(1))?;
        Ok(all.chunks_exact(planes * row).flat_map(|sample| &sample[plane * row..][..shape.units]).copied().collect())
    }

    /// Overwrites dL/d activation of the first loss with `[B, units]`.
    pub(super) fn write_activation_gradient(&mut self, index: usize, values: &[K::Real]) {
        let top = self.layers.len() - 1;
        if self.online(self.ragged) {
            return self.write_plane(index, top, plane::ACTIVATION_GRADIENT, values);
        }
        let shape = self.plans[index].layers[top].shape;
        zeros(&mut self.staging, shape.row());
        let own = self.plans[index].readout.parts[0].own.as_mut().expect("a forward pass made it");
        for (b, values) in values.chunks_exact(shape.units).enumerate() {
            self.staging[..shape.units].copy_from_slice(values);
            let at = (b * Place::OWN.planes + Place::OWN.gradient) * shape.row();
            self.kernels.write(own, at, &self.staging);
        }
    }

    /// The class that each sample is taken for.
    pub(super) fn answers(&mut self, index: usize) -> Result<Vec<u32>> {
        let values = match self.objectives.answers {
            Some(_) => self.read_own(index, self.objectives.terms.len(), Place::OWN.activation)?,
            None => self.read_activation(index, plane::ACTIVATION, Place::OWN.activation)?,
        };
        let objective = self.objectives.answers.as_ref().unwrap_or(&self.objectives.terms[0]);
        let sign = if objective.reduce == Reduction::FirstSpike { -1.0 } else { 1.0 };
        let group = self.objectives.units / self.objectives.classes;
        let answer = |sample: &[K::Real]| {
            let score = |units: &[K::Real]| sign * units.iter().map(|value| value.to_f64()).sum::<f64>();
            let scores: Vec<f64> = sample.chunks_exact(group).map(score).collect();
            let best = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            scores.iter().position(|&score| score == best).unwrap_or(0) as u32
        };
        Ok(values.chunks_exact(self.objectives.units).map(answer).collect())
    }
}
