//! Which cut a batch gets: the fastest that fits into the memory, by a count of the work.

use super::core::{Core, LayerState};
use super::device::Budget;
use super::metrics::LayerActivity;
use super::plan::{Counter, Cut, Draft, Plan, Sequence, TapeKind, pieces};
use crate::error::{Error, Result};
use crate::kernels::*;
use crate::spikes::pad;

/// Plans that are kept at once: the batches of training, and the smaller last one.
const KEPT: usize = 3;
/// Share of neurons that are active in a step, for the count of work.
const ACTIVE: f64 = 0.05;
/// Work of a segment besides that of its steps, in multiply-adds: what starting its kernels costs.
const SEGMENT: f64 = 4e5;

/// Samples with which a dense product runs at half its speed: with few of them its weights are read for little work.
const FEW: f64 = 8.0;
/// Samples from which on it runs at full speed.
const MANY: f64 = 128.0;

/// Multiply-adds of a step of a sample.
struct Work {
    forward: f64,
    /// Those of layers whose V is kept, or made again.
    replayed: f64,
    backward: f64,
    /// Those of the backward pass that are dense products.
    dense: f64,
    /// Numbers of all weight gradients, which every segment reads and writes.
    weights: f64,
}

/// What is asked of all plans, besides a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Wish {
    /// The tape; None: whole where it fits, else replayed. A 16-bit one is only taken where it is asked for, because it
    /// changes the gradients.
    pub tape: Option<TapeKind>,
    /// Steps of a segment.
    pub steps: Option<usize>,
    /// Samples of a micro-batch; fewer where the sums over the batch cannot be cut there.
    pub samples: Option<usize>,
}

/// Steps of a segment that are tried, the longest first.
fn lengths(steps: usize, multiple: usize) -> Vec<usize> {
    let mut all = vec![steps];
    let mut length = steps as f64 / 1.25;
    while length >= multiple as f64 {
        let rounded = length as usize / multiple * multiple;
        if rounded < all[all.len() - 1] {
            all.push(rounded);
        }
        length /= 1.25;
    }
    let mut short = multiple / 2;
    while short >= 1 {
        if short < all[all.len() - 1] {
            all.push(short);
        }
        short /= 2;
    }
    all
}

/// Samples of a micro-batch that are tried: whole chunks of the sums, and parts of one.
fn sizes(batch: usize) -> Vec<usize> {
    let size = chunk(batch);
    let mut all = vec![batch];
    all.extend((1..batch.div_ceil(size)).rev().map(|chunks| chunks * size));
    let mut part = size.next_power_of_two() / 2;
    while part >= 1 {
        if part < batch && size.is_multiple_of(part) {
            all.push(part);
        }
        part /= 2;
    }
    all
}

impl<K: Kernels> Core<K> {
    /// Bytes that a plan takes on the device besides the parameters.
    pub fn plan_bytes(&self, sequence: Sequence, cut: Cut, training: bool) -> u64 {
        self.measured(sequence, cut, training).0
    }

    fn draft(&self, sequence: Sequence, training: bool) -> Draft<'_, K> {
        let wanted = (sequence, training);
        Draft::new(&self.kernels, &self.network, &self.layers, &self.objectives, wanted, self.forced)
    }

    /// Whether sequences can be cut: not where a neuron or a normalisation sees all steps at once, nor LSTM cells.
    pub(super) fn can_be_cut(&self) -> bool {
        self.layers.iter().all(LayerState::can_be_cut)
    }

    /// Bytes of all arrays of a plan and of what its kernels take for themselves, and those of its largest array.
    fn measured(&self, sequence: Sequence, cut: Cut, training: bool) -> (u64, u64) {
        let mut counter = Counter::<K::Real>::new();
        if self.draft(sequence, training).arrays(&mut counter, cut).is_err() {
            return (u64::MAX, u64::MAX);
        }
        let scratch = if training { self.scratch_bytes(sequence, cut) } else { 0 };
        (counter.bytes + scratch, counter.largest)
    }

    /// Bytes that the weight gradients take for themselves.
    fn scratch_bytes(&self, sequence: Sequence, cut: Cut) -> u64 {
        let Sequence { steps, batch, input } = sequence;
        let samples = cut.samples.min(batch).min(chunk(batch));
        let mut most = 0;
        for (l, layer) in self.layers.iter().enumerate() {
            let source = match l.checked_sub(1) {
                None => input,
                Some(below) => self.layers[below].model.activity(),
            };
            let shape = Shape { steps: cut.steps.min(steps), batch: cut.samples.min(batch), units: layer.columns };
            let mut of = |projection, source, inputs| {
                let bytes = self.kernels.weight_gradient_bytes(projection, source, inputs, shape, samples, batch);
                most = most.max(bytes);
            };
            of(layer.projection, source, layer.inputs);
            if layer.recurrent.is_some() {
                let own = match layer.walk {
                    super::core::Walk::Lstm => ActivityKind::Values,
                    _ => layer.model.activity(),
                };
                of(Projection::Dense, own, layer.units);
            }
        }
        // Lists of kicks stay with their layers; what they will take besides is counted here before it is there.
        let lists = self.layers.iter().map(|layer| {
            let shape = Shape { steps, batch: cut.samples.min(batch), units: layer.units };
            let rows = pad(layer.inputs) + layer.recurrent.as_ref().map_or(0, |_| shape.row());
            let filtered = if cut.steps < steps { 2 * shape.batch * rows } else { 0 };
            layer.kicks.as_ref().map_or(0, |kicks| self.kernels.more_for_kicks(kicks, shape, filtered))
        });
        most + lists.sum::<u64>()
    }

    fn work_of(&self, sequence: Sequence) -> Work {
        let (mut forward, mut replayed, mut backward) = (0.0, 0.0, 0.0);
        let (mut dense_work, mut weights) = (0.0, 0.0);
        for (l, layer) in self.layers.iter().enumerate() {
            let (units, columns) = (layer.units as f64, layer.columns as f64);
            let dense = l == 0 && sequence.input == ActivityKind::Values && layer.projection == Projection::Dense;
            let inputs = match layer.projection {
                Projection::Current => 1.0,
                Projection::Dense if dense => layer.inputs as f64,
                Projection::Dense => ACTIVE * layer.inputs as f64,
            };
            let recurrent = if layer.recurrent.is_some() { ACTIVE * units } else { 0.0 };
            let drive = (inputs + recurrent) * columns;
            forward += drive + 10.0 * units;
            replayed += if layer.keeps_potential() { drive + 10.0 * units } else { 0.0 };
            // The adjoint is dense where the surrogate is.
            let towards = if l > 0 { layer.inputs as f64 * columns } else { 0.0 };
            let own = if layer.recurrent.is_some() { units * columns } else { 0.0 };
            backward += towards + own + drive + 20.0 * units;
            dense_work += towards + own;
            weights += layer.weights_len as f64 + if layer.recurrent.is_some() { units * columns } else { 0.0 };
        }
        Work { forward, replayed, backward, dense: dense_work, weights }
    }

    /// The time that a cut takes, as a multiple of that of a plan in one piece.
    fn cost(&self, sequence: Sequence, cut: Cut, training: bool) -> f64 {
        let Work { forward, replayed, backward, dense, weights } = self.work_of(sequence);
        let cells = (sequence.steps * sequence.batch) as f64;
        let segments = pieces(sequence.steps, cut.steps).len() as f64;
        let batches = pieces(sequence.batch, cut.samples).len() as f64;
        let whole = cells * if training { forward + backward } else { forward };
        let mut more = 0.0;
        if training {
            if cut.tape == TapeKind::Replay {
                more += cells * replayed;
            }
            if batches > 1.0 {
                // All micro-batches but the one that stands in the arrays run again.
                more += cells * forward * (batches - 1.0) / batches;
                let slow = |samples: usize| 1.0 + FEW / (samples as f64).min(MANY);
                more += cells * dense * (slow(cut.samples) / slow(sequence.batch) - 1.0);
            }
            if cut.tape == TapeKind::Half {
                more += cells * self.layers.iter().map(|layer| 4.0 * layer.units as f64).sum::<f64>();
            }
            // What each segment does to the sums of the weight gradients.
            more += (segments * batches - 1.0) * 0.5 * weights;
        }
        more += (segments * batches - 1.0) * SEGMENT * self.layers.len() as f64;
        if !cut.keeps_input {
            more += cells * 0.1 * self.network.inputs as f64;
        }
        (whole + more) / whole
    }

    /// Bytes that the optimiser will take once it is made; Adam's where nothing is said yet.
    fn optimiser_bytes(&self) -> u64 {
        if self.rule.is_some() {
            return 0;
        }
        let numbers = self.layers.iter().map(|layer| {
            let recurrent = if layer.recurrent.is_some() { layer.units * pad(layer.columns) } else { 0 };
            let own: usize = layer.own.iter().filter(|own| own.learned()).map(|own| own.len).sum();
            let neuron = layer.modes.iter().any(|(mode, _)| *mode != Mode::Frozen);
            let neuron = if neuron { layer.modes.len() * pad(layer.units) } else { 0 };
            let norm = if layer.normal.is_some() { normal::LEARNED * pad(layer.units) } else { 0 };
            layer.weights_len + recurrent + own + neuron + norm
        });
        (2 * numbers.sum::<usize>() * size_of::<K::Real>()) as u64
    }

    /// Bytes that a plan may take: the budget less what is there besides plans.
    fn room(&self, training: bool) -> Option<u64> {
        self.bound().map(|bound| bound.saturating_sub(self.fixed(training)))
    }

    /// Bytes of what is there besides plans.
    fn fixed(&self, training: bool) -> u64 {
        let plans: u64 = self.plans.iter().map(|plan| self.plan_bytes(plan.sequence, plan.cut, plan.training)).sum();
        self.kernels.allocated().saturating_sub(plans) + if training { self.optimiser_bytes() } else { 0 }
    }

    /// Bytes that everything may take.
    fn bound(&self) -> Option<u64> {
        let budget = match self.budget {
            Budget::Bytes(bytes) => Some(bytes),
            Budget::Unbounded => None,
            Budget::Auto => Some(self.kernels.fair_share()),
        };
        [budget, self.ceiling].into_iter().flatten().min()
    }

    /// Every cut that may be tried.
    fn cuts(&self, sequence: Sequence, training: bool, streaming: bool) -> Vec<Cut> {
        let Sequence { steps, batch, .. } = sequence;
        let tapes = match (training, self.wish.tape) {
            (false, _) => vec![TapeKind::Whole],
            (true, Some(tape)) => vec![tape],
            (true, None) => vec![TapeKind::Whole, TapeKind::Replay],
        };
        if !self.can_be_cut() {
            return vec![Cut::whole(sequence)];
        }
        let mut all = Vec::new();
        let multiple = quantum(batch);
        let sizes = match self.wish.samples {
            // Rounded down to where the sums over the batch can be cut.
            Some(most) => sizes(batch).into_iter().filter(|&samples| samples <= most.max(1)).take(1).collect(),
            None => sizes(batch),
        };
        for samples in sizes {
            if samples < batch && streaming {
                // A stream goes on from the state of all its samples.
                continue;
            }
            let lengths = self.wish.steps.map_or(lengths(steps, multiple), |length| vec![length.clamp(1, steps)]);
            for length in lengths {
                for &tape in &tapes {
                    if tape == TapeKind::Half && self.wish.steps.is_none() && length > multiple.max(steps / 8) {
                        // One segment has its tape as it is: a long one would save nothing.
                        continue;
                    }
                    let cut = Cut { steps: length, samples, tape, keeps_input: true };
                    if samples == batch {
                        all.push(cut);
                    }
                    if !streaming && (samples < batch || length < steps) {
                        all.push(Cut { keeps_input: false, ..cut });
                    }
                }
            }
        }
        all
    }

    /// The fastest cut that fits.
    ///
    /// # Errors
    /// [`Error::Memory`] with the smallest budget that would do.
    fn choose(&self, sequence: Sequence, training: bool, streaming: bool) -> Result<Cut> {
        let whole = Cut::whole(sequence);
        let limit = self.kernels.largest_array();
        let room = self.room(training);
        let fits = |cut: Cut| {
            let (bytes, largest) = self.measured(sequence, cut, training);
            largest <= limit && room.is_none_or(|room| bytes <= room)
        };
        let free = self.wish == Wish::default();
        if free && fits(whole) {
            return Ok(whole);
        }
        let mut cuts = self.cuts(sequence, training, streaming);
        let cost = |cut: &Cut| self.cost(sequence, *cut, training);
        cuts.sort_by(|a, b| cost(a).total_cmp(&cost(b)));
        if let Some(cut) = cuts.iter().find(|cut| fits(**cut)) {
            return Ok(*cut);
        }
        if (self.budget, self.ceiling) == (Budget::Auto, None) {
            // A fair share is no bound: the smallest that the device can hold.
            let measured = cuts.iter().map(|cut| (self.measured(sequence, *cut, training), *cut));
            let smallest = measured.filter(|((_, largest), _)| *largest <= limit).min_by_key(|((bytes, _), _)| *bytes);
            if let Some((_, cut)) = smallest {
                return Ok(cut);
            }
        }
        let Sequence { steps, batch, .. } = sequence;
        let what = format!("{} {steps} steps × {batch} samples", if training { "training on" } else { "running" });
        let measured = cuts.iter().map(|cut| self.measured(sequence, *cut, training));
        let Some(least) = measured.filter(|(_, largest)| *largest <= limit).map(|(bytes, _)| bytes).min() else {
            let least = cuts.iter().map(|cut| self.measured(sequence, *cut, training).1).min().unwrap_or(u64::MAX);
            let remedy = format!(
                "the device takes {} in one array, however the batch is cut: use a smaller network or another device",
                human_bytes(limit)
            );
            return Err(Error::Memory { what, needed: least, remedy });
        };
        let needed = self.fixed(training).saturating_add(least);
        let remedy = match self.budget {
            Budget::Bytes(budget) if self.ceiling.is_none() => format!(
                "the budget is {}: the smallest that would do is {} ({needed} bytes), weights and optimiser included",
                human_bytes(budget),
                enough(needed)
            ),
            _ => "the device has no room for it: use fewer steps, a smaller batch or a smaller network".into(),
        };
        Err(Error::Memory { what, needed, remedy })
    }

    /// Index of the plan for `sequence`, with the buffers of training where asked for.
    ///
    /// # Errors
    /// [`Error::Memory`] with the smallest budget that would do.
    pub(super) fn plan(&mut self, sequence: Sequence, training: bool, streaming: bool) -> Result<usize> {
        if training {
            self.choose_lists();
        }
        let clock = self.plans.iter().map(|plan| plan.used).max().unwrap_or(0) + 1;
        let suits = |plan: &Plan<K>| {
            let streams = plan.batches().len() == 1 && plan.cut.keeps_input;
            plan.sequence == sequence && (plan.training || !training) && (streams || !streaming)
        };
        let index = match self.plans.iter().position(suits) {
            Some(index) => index,
            None => {
                self.plans.retain(|plan| plan.sequence != sequence);
                self.make_plan(sequence, training, streaming)?
            }
        };
        self.plans[index].used = clock;
        Ok(index)
    }

    /// Whether active neurons of layer `l` are to be listed in place of V: not where the readout reads V. Network and parameters
    /// alone decide.
    fn wants_list(&self, l: usize) -> bool {
        let read = l + 1 == self.layers.len() && self.objectives.reads_potential(false);
        !read && self.layers[l].lists_kicks(&self.kernels)
    }

    /// Whether that is another choice now than it was.
    pub(super) fn lists_differ(&self) -> bool {
        (0..self.layers.len()).any(|l| self.layers[l].lists != self.wants_list(l))
    }

    /// Chooses it anew; plans that were made for another choice go.
    fn choose_lists(&mut self) {
        for l in 0..self.layers.len() {
            let wanted = self.wants_list(l);
            if std::mem::replace(&mut self.layers[l].lists, wanted) != wanted {
                self.plans.clear();
                self.last = None;
            }
        }
    }

    /// Chooses the forms of the forward pass anew by what the units did, as [`Core::activity`] tells it; whether one is another
    /// now. No form changes a bit. Forms of the backward pass stay: skipping silent rows there changes the last digits, and a
    /// run that is resumed must have the bits of one that was not stopped.
    pub fn replan(&mut self, activity: &[LayerActivity]) -> bool {
        for measured in activity.iter().filter(|measured| measured.steps > 0.0) {
            if let Some(layer) = self.layers.get_mut(measured.layer) {
                layer.active = Some(measured.share());
            }
        }
        let Core { kernels, layers, plans, forced, .. } = self;
        let mut changed = false;
        for plan in plans {
            plan.expect(kernels, layers);
            for (plan, layer) in plan.layers.iter_mut().zip(layers.iter()) {
                if let (Some(active), true, None) = (layer.active, layer.recurrent.is_some(), *forced) {
                    let form = kernels.form_at(plan.shape, active);
                    changed |= form != plan.forward;
                    plan.forward = form;
                }
            }
        }
        changed
    }

    fn make_plan(&mut self, sequence: Sequence, training: bool, streaming: bool) -> Result<usize> {
        loop {
            let cut = self.choose(sequence, training, streaming)?;
            self.make_way(sequence, cut, training);
            let wanted = (sequence, training);
            let draft = Draft::new(&self.kernels, &self.network, &self.layers, &self.objectives, wanted, self.forced);
            match draft.arrays(&mut self.kernels, cut) {
                Ok(mut plan) => {
                    plan.expect(&mut self.kernels, &self.layers);
                    plan.readout.begin(&mut self.kernels, &self.objectives);
                    self.plans.push(plan);
                    return Ok(self.plans.len() - 1);
                }
                Err(Error::Memory { what, needed, remedy }) => {
                    if !self.plans.is_empty() {
                        // Plans of other batches can be made again.
                        self.plans.clear();
                        self.last = None;
                        continue;
                    }
                    self.shrink(sequence, cut, training).ok_or(Error::Memory { what, needed, remedy })?;
                }
                Err(other) => return Err(other),
            }
        }
    }

    /// After the device refused a plan: plans may take a fifth less from now on. None where that was the smallest.
    fn shrink(&mut self, sequence: Sequence, cut: Cut, training: bool) -> Option<()> {
        let bytes = self.plan_bytes(sequence, cut, training);
        let fixed = self.kernels.allocated() + if training { self.optimiser_bytes() } else { 0 };
        let ceiling = fixed + bytes / 5 * 4;
        self.ceiling = Some(self.ceiling.map_or(ceiling, |old| old.min(ceiling)));
        let smaller = self.choose(sequence, training, false).ok()?;
        let least = self.plan_bytes(sequence, smaller, training);
        self.notices.push(format!(
            "the device has no room for a plan of {}: going on with {}, to the same numbers",
            human_bytes(bytes),
            human_bytes(least)
        ));
        Some(())
    }

    /// After the device refused what is no plan: all plans go, and later ones may take less.
    pub(super) fn give_way(&mut self, needed: u64) -> bool {
        let plans: u64 = self.plans.iter().map(|plan| self.plan_bytes(plan.sequence, plan.cut, plan.training)).sum();
        if plans == 0 {
            return false;
        }
        let all = self.kernels.allocated();
        self.plans.clear();
        self.last = None;
        self.ceiling = Some(self.ceiling.unwrap_or(u64::MAX).min(all.max(needed)));
        let given = human_bytes(needed);
        self.notices
            .push(format!("the device has no room for {given} more: going on with smaller plans, to the same numbers"));
        true
    }

    /// Drops the oldest plans until a new one has its place.
    fn make_way(&mut self, sequence: Sequence, cut: Cut, training: bool) {
        let bytes = self.plan_bytes(sequence, cut, training);
        let room = self.room(training).unwrap_or(u64::MAX);
        loop {
            let others: u64 =
                self.plans.iter().map(|plan| self.plan_bytes(plan.sequence, plan.cut, plan.training)).sum();
            let crowded = self.plans.len() >= KEPT || others.saturating_add(bytes) > room;
            let Some(oldest) = (0..self.plans.len()).min_by_key(|&index| self.plans[index].used).filter(|_| crowded)
            else {
                return;
            };
            let gone = self.plans.swap_remove(oldest);
            if self.last == Some(gone.sequence) {
                self.last = None;
            }
        }
    }

    /// Makes the plan for batches of this size before the first one comes, and tells it.
    ///
    /// # Errors
    /// [`Error::Memory`] with the smallest budget that would do.
    pub fn prepare(&mut self, sequence: Sequence, training: bool) -> Result<String> {
        let index = self.plan(sequence, training, false)?;
        Ok(self.text_of(index))
    }

    /// What was done about memory on the way, since the last call: a device that had no room, and what was made smaller.
    pub fn notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// Bounds the memory of everything from the next batch on, and says what plans should be like.
    pub fn set_memory(&mut self, budget: Budget, wish: Wish) {
        (self.budget, self.wish, self.ceiling) = (budget, wish, None);
        self.plans.clear();
        self.last = None;
    }

    /// The cut of the last batch.
    pub fn cut(&self) -> Option<Cut> {
        let last = self.last?;
        self.plans.iter().find(|plan| plan.sequence == last).map(|plan| plan.cut)
    }

    /// Bytes of all arrays on the device now, and the most that there were at once.
    pub fn memory(&self) -> (u64, u64) {
        (self.kernels.allocated(), self.kernels.peak())
    }

    /// Bytes for each neuron and step of the last batch that are kept between its forward and its backward pass: spikes,
    /// states between segments, tapes, lists of active neurons. (Of one micro-batch at a time.)
    pub fn kept_bytes(&self) -> Option<f64> {
        let last = self.last?;
        let plan = self.plans.iter().find(|plan| plan.sequence == last)?;
        let real = size_of::<K::Real>();
        let samples = plan.cut.samples.min(last.batch);
        let (mut bytes, mut listed) = (0, 0);
        for (layer, state) in plan.layers.iter().zip(&self.layers) {
            let row = pad(state.units);
            let spikes = match state.model.activity() {
                ActivityKind::Raster => row / 8,
                _ => row,
            };
            let steps = last.steps + HISTORY * plan.segments().len();
            bytes += if state.model.spiking { steps * spikes } else { 0 };
            let Some(training) = &layer.training else { continue };
            let states = (plan.segments().len() + 1) * state.states() + FUTURE;
            bytes += if training.states.is_some() { states * row * real } else { 0 };
            if let (true, Some(kicks)) = (state.lists, &state.kicks) {
                listed += self.kernels.kept_by_kicks(kicks, samples);
            }
            if !state.keeps_potential() {
                continue;
            }
            bytes += last.steps
                * row
                * state.tapes()
                * match plan.cut.tape {
                    TapeKind::Whole => real,
                    TapeKind::Half => 2,
                    TapeKind::Replay => 0,
                };
        }
        let cells = last.steps * samples * self.layers.iter().map(|layer| layer.units).sum::<usize>();
        Some(((bytes * samples) as f64 + listed as f64) / cells as f64)
    }

    /// Bytes that all arrays take by the plan of the last batch: what is there besides plans, and the plan.
    pub fn predicted_memory(&self) -> Option<u64> {
        let last = self.last?;
        let plans: u64 = self.plans.iter().map(|plan| self.plan_bytes(plan.sequence, plan.cut, plan.training)).sum();
        let plan = self.plans.iter().find(|plan| plan.sequence == last)?;
        let fixed = self.kernels.allocated().saturating_sub(plans);
        Some(fixed + self.plan_bytes(plan.sequence, plan.cut, plan.training))
    }

    /// The plan of the last forward pass as text: how the batch is cut, and a line for each layer.
    pub fn plan_text(&self) -> String {
        let Some(sequence) = self.last else { return "no plan yet: it is made by the first batch\n".into() };
        let Some(index) = self.plans.iter().position(|plan| plan.sequence == sequence) else { return String::new() };
        self.text_of(index)
    }

    fn text_of(&self, index: usize) -> String {
        let plan = &self.plans[index];
        let sequence = plan.sequence;
        let Sequence { steps, batch, .. } = sequence;
        let Cut { samples, tape, keeps_input, .. } = plan.cut;
        let bytes = self.plan_bytes(sequence, plan.cut, plan.training);
        // What kernels take for themselves is counted in a plan before it is there.
        let arrays = |plan: &Plan<K>| {
            let scratch = if plan.training { self.scratch_bytes(plan.sequence, plan.cut) } else { 0 };
            self.plan_bytes(plan.sequence, plan.cut, plan.training).saturating_sub(scratch)
        };
        let fixed = self.kernels.allocated().saturating_sub(self.plans.iter().map(arrays).sum());
        let mut text = format!(
            "{steps} steps × {batch} samples: {} besides {} of weights, gradients and optimiser\n",
            human_bytes(bytes),
            human_bytes(fixed)
        );
        let (segments, batches) = (plan.segments().len(), plan.batches().len());
        let cut = match (segments, batches) {
            (1, 1) => "in one piece".to_string(),
            (_, 1) => format!("{segments} segments of {} steps", plan.cut.steps),
            (1, _) => format!("{batches} micro-batches of {samples} samples"),
            _ => {
                format!("{batches} micro-batches of {samples} samples, {segments} segments of {} steps", plan.cut.steps)
            }
        };
        let tape = match tape {
            _ if !plan.training => "no tape",
            _ if self.layers.iter().any(|layer| !layer.keeps_potential()) => match tape {
                TapeKind::Whole => "potentials kept where active neurons are not listed",
                TapeKind::Half => "potentials kept in 16 bits where active neurons are not listed",
                TapeKind::Replay => "potentials replayed where active neurons are not listed",
            },
            TapeKind::Whole => "potentials kept",
            TapeKind::Half => "potentials kept in 16 bits",
            TapeKind::Replay => "potentials replayed",
        };
        let input = if keeps_input { "" } else { ", input read twice" };
        let more = 100.0 * (self.cost(sequence, plan.cut, plan.training) - 1.0);
        let cost = if more < 0.5 { String::new() } else { format!("; about {more:.0} % more work than in one piece") };
        text += &format!("{cut}, {tape}{input}{cost}\n");
        for (index, (layer, state)) in plan.layers.iter().zip(&self.layers).enumerate() {
            text += &format!(
                "layer {index}: {} units, forward {}, backward {}{}\n",
                state.units,
                name(layer.forward),
                name(layer.backward),
                if plan.training && state.lists { ", active neurons listed" } else { "" }
            );
        }
        text
    }
}

/// Bytes for people: `1.5 MiB`.
pub fn human_bytes(bytes: u64) -> String {
    let kib = bytes as f64 / 1024.0;
    match kib {
        ..1000.0 => format!("{kib:.1} KiB"),
        ..100_000.0 => format!("{:.1} MiB", kib / 1024.0),
        _ => format!("{:.0} MiB", kib / 1024.0),
    }
}

/// The same, not less: what may be given as a budget.
fn enough(bytes: u64) -> String {
    let kib = bytes as f64 / 1024.0;
    match kib {
        ..1000.0 => format!("{:.1} KiB", (kib * 10.0).ceil() / 10.0),
        _ => format!("{:.1} MiB", (kib / 102.4).ceil() / 10.0),
    }
}

fn name(form: Form) -> String {
    match form {
        Form::Scan => "scan".into(),
        Form::Resident { tile, quantum: usize::MAX } => format!("resident (tile {tile})"),
        Form::Resident { tile, quantum } => format!("resident (tile {tile}, {quantum} steps a dispatch)"),
        Form::Stepwise => "stepwise".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_multiples_until_they_are_short() {
        assert_eq!(lengths(100, 32), [100, 64, 32, 16, 8, 4, 2, 1]);
        assert_eq!(lengths(10, 32), [10, 8, 4, 2, 1]);
        assert!(lengths(100_000, 32)[1..].iter().all(|length| length % 32 == 0 || *length < 32));
    }

    #[test]
    fn micro_batches_are_chunks_of_the_sums_or_parts_of_one() {
        assert_eq!(sizes(256), [256, 192, 128, 64, 32, 16, 8, 4, 2, 1]);
        assert_eq!(sizes(40), [40, 32, 16, 8, 4, 2, 1]);
        assert_eq!(sizes(3), [3, 2, 1]);
        for batch in 1..300 {
            let size = chunk(batch);
            assert!(
                sizes(batch)
                    .iter()
                    .all(|&part| part == batch || part.is_multiple_of(size) || size.is_multiple_of(part)),
                "{batch}"
            );
        }
    }
}
