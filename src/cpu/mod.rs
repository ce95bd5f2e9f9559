//! The contract in plain Rust: the oracle of every test, and what runs where no GPU is. One file a kernel.
//!
//! Generic over the number type, so that the gradient audit runs this same code in f64; [`Cpu::smooth`] replaces the step
//! function by a primitive of the surrogate derivative and leaves everything else as it is. Instruction sets are chosen
//! when the program runs. Work is split over rayon's current thread pool; bits do not depend on the number of threads.

mod active;
mod backward;
mod bits;
mod collapse;
mod columns;
mod constrain;
mod count;
mod drive;
mod dropout;
mod encode_rate;
mod float;
mod forward;
mod half;
mod kicks;
mod linear;
mod loss;
mod lstm;
mod memory;
mod multi;
mod neuron;
mod neuron_gradient;
mod normalise;
mod packed;
mod profile;
mod regularise;
pub mod reset;
mod scale;
mod scratch;
mod snippet;
mod spread;
mod surrogate;
mod tally;
mod time;
mod update;
mod weight_gradient;
mod wide;

pub use active::Kicks;
pub use float::Float;
pub(crate) use linear::wide;
pub use memory::{Activity, Array};
pub use packed::Packed;
pub use surrogate::derivative as surrogate_derivative;

use crate::error::Result;
use crate::kernels::cost::{self, numbers, pass};
use crate::kernels::*;
use crate::spikes::{pad, words};
use memory::{Data, Ledger};
use profile::Profiler;
use std::ops::Range;
use std::sync::Arc;

/// The CPU backend.
#[derive(Debug)]
pub struct Cpu<F> {
    smooth: bool,
    held: Held<F>,
    room: scratch::Room<F>,
    loss: loss::Room<F>,
    ledger: Arc<Ledger>,
    /// Bytes of all arrays at most.
    memory: u64,
    profiler: Profiler,
    forms: Forms,
    number: std::marker::PhantomData<F>,
}

/// Forms that kernels take besides others. Strips and columns change no bit; single rows are summed in another order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forms {
    /// Feed-forward layers in strips of columns; planned: those whose weights do not fit a second-level cache.
    pub strips: When,
    /// Adjoints of compact surrogates by the rows of active neurons alone; planned: of samples where those are few.
    pub rows: When,
    /// Dense adjoints of recurrent layers by threads that share the columns of R and meet at every step, in place of samples;
    /// planned: where R is large and a thread has few samples.
    pub columns: When,
    /// Gradients of weights from kicks, see [`KickGradient`]; planned: where the surrogate is 0 but near the threshold.
    pub kicks: When,
}

/// Spikes that reset a membrane whose reset is detached, for the gradient audit: the derivative of a detached network is
/// that of one in which they stand still.
#[derive(Debug, Default)]
struct Held<F> {
    /// S_{t-1} of each step `[T][B][np]`, a row of layers in the order of the forward pass.
    layers: Vec<Vec<F>>,
    /// None: not used; else whether it is being recorded, and the next layer.
    at: Option<(bool, usize)>,
}

impl<F: Float> Cpu<F> {
    /// A backend on rayon's current thread pool.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Cpu {
            smooth: false,
            held: Held::default(),
            room: scratch::Room::default(),
            loss: loss::Room::default(),
            ledger: Arc::default(),
            memory: memory::installed(),
            profiler: Profiler::default(),
            forms: Forms::default(),
            number: std::marker::PhantomData,
        }
    }

    /// The same on a machine with so many bytes of memory: what does not fit is refused.
    pub fn with_memory(bytes: u64) -> Self {
        Cpu { memory: bytes, ..Cpu::new() }
    }

    /// The same with forms that are forced.
    pub fn with_forms(forms: Forms) -> Self {
        Cpu { forms, ..Cpu::new() }
    }

    /// For the gradient audit: S_t is `1/2 + (c/k) F(k(V_t − θ))` with `F' = f`, a real number whose derivative is the
    /// surrogate's, so that the adjoint is the true gradient of this forward pass. Spiking layers hold values, not bits.
    pub fn smooth() -> Self {
        Cpu { smooth: true, ..Cpu::new() }
    }

    /// From here on the spikes that reset detached membranes are kept, for [`Cpu::hold_resets`]. Smooth backends only.
    pub fn record_resets(&mut self) {
        self.held = Held { layers: Vec::new(), at: Some((true, 0)) };
    }

    /// From here on every forward pass resets its detached membranes by the spikes that were recorded: what `sg S` means
    /// to a difference quotient.
    pub fn hold_resets(&mut self) {
        self.held.at = Some((false, 0));
    }

    fn source<'a>(call: &Drive<'a, Self>) -> drive::Source<'a, F> {
        drive::Source {
            projection: call.projection,
            inputs: call.inputs,
            activity: call.source,
            lag: call.lag,
            weights: call.weights,
            constants: call.constants,
        }
    }

    fn run_forward(&mut self, input: forward::Input<F>, call: Forward<Self>, timed: Option<profile::Timed>) {
        let (model, shape, range) = (call.model, call.shape, call.range.clone());
        let recurrent = call.recurrent.is_some();
        let mut room = std::mem::take(&mut self.room);
        let parts = forward::Call {
            model,
            shape,
            window: call.window,
            range: call.range,
            input,
            constants: call.constants,
            recurrent: call.recurrent.map(|(weights, _)| weights.as_slice()),
            reduce: call.reduce,
            held: self.held(&model),
            strips: self.forms.strips,
        };
        let mut spikes = call.spikes;
        let (tape, planes) = (call.tape.map(Array::as_mut_slice), call.planes);
        let mut active = call.active;
        if let (Some(active), 0) = (&mut active, call.window.step + range.start) {
            active.begin(shape, call.window.steps);
        }
        let kept =
            forward::Kept { tape, logs: active.as_deref_mut().map_or(&mut [][..], |active| active.of(shape.batch)) };
        forward::forward(parts, spikes.as_deref_mut(), kept, planes, self.smooth, &mut room);
        if let Some(active) = active {
            active.enter();
        }
        self.room = room;
        if let (Some(timed), Some(spikes), true) = (timed, spikes.as_deref(), recurrent) {
            let rows = cost::rows(&range, model.recurrent_lag);
            let source = || profile::source(spikes, rows, 0..shape.batch);
            timed.end_with(|| cost::recurrence::<Self>(shape, range.len(), source()));
        }
        self.hold(&model, shape, spikes.as_deref());
    }

    /// Whether the spikes that reset such a layer are recorded or held, and which layer it is.
    fn held_at(&self, model: &Model) -> Option<(bool, usize)> {
        let detached = self.smooth && model.spiking && model.detach && model.reset != crate::network::Reset::None;
        self.held.at.filter(|_| detached)
    }

    /// The spikes that reset the next layer where they are held.
    fn held(&self, model: &Model) -> Option<&[F]> {
        match self.held_at(model) {
            Some((false, next)) => Some(self.held.layers[next].as_slice()),
            _ => None,
        }
    }

    /// After a layer has run: records its spikes where that is asked for.
    fn hold(&mut self, model: &Model, shape: Shape, spikes: Option<&Activity<F>>) {
        match (self.held_at(model), spikes) {
            (Some((true, next)), Some(Activity { data: Data::Values(values), .. })) => {
                let from = shape.len(HISTORY - 1);
                self.held.layers.push(values[from..from + shape.len(shape.steps)].to_vec());
                self.held.at = Some((true, next + 1));
            }
            (Some((false, next)), _) => self.held.at = Some((false, (next + 1) % self.held.layers.len())),
            _ => {}
        }
    }
}

impl<F: Float> Memory for Cpu<F> {
    type Real = F;
    type Values = Array<F>;
    type Words = Array<u32>;
    type Activity = Activity<F>;

    fn values(&mut self, role: &str, len: usize) -> Result<Array<F>> {
        Ok(Array::new(F::ZERO, len, self.enter(role, (len as u64).saturating_mul(size_of::<F>() as u64))?))
    }

    fn words(&mut self, role: &str, len: usize) -> Result<Array<u32>> {
        Ok(Array::new(0, len, self.enter(role, len as u64 * 4)?))
    }

    fn activity(&mut self, role: &str, kind: ActivityKind, shape: Shape) -> Result<Activity<F>> {
        let kind = if self.smooth { ActivityKind::Values } else { kind };
        let rows = ((HISTORY + shape.steps) * shape.batch) as u64;
        let row = match kind {
            ActivityKind::Raster => words(shape.units) * 4,
            ActivityKind::Values => pad(shape.units) * size_of::<F>(),
            ActivityKind::Bytes => pad(shape.units),
        };
        Ok(Activity::new(kind, shape, self.enter(role, rows * row as u64)?))
    }
}

impl<F: Float> Kernels for Cpu<F> {
    type Prepared = Packed<F>;
    type Kicks = Kicks<F>;

    fn prepared(&mut self, role: &str, rows: usize, columns: usize) -> Result<Packed<F>> {
        self.enter(role, (pad(rows) * columns * size_of::<F>()) as u64)?;
        Ok(Packed::new(rows, columns, &self.ledger))
    }

    fn write(&mut self, values: &mut Array<F>, offset: usize, data: &[F]) {
        let _timed = self.profiler.time("write", || pass(2.0 * numbers::<Self>(data.len())));
        values[offset..offset + data.len()].copy_from_slice(data);
    }

    fn read(&mut self, values: &Array<F>, range: Range<usize>) -> Result<Vec<F>> {
        let _timed = self.profiler.time("read", || pass(2.0 * numbers::<Self>(range.len())));
        Ok(values[range].to_vec())
    }

    fn fill(&mut self, values: &mut Array<F>, range: Range<usize>, value: f64) {
        let _timed = self.profiler.time("fill", || pass(numbers::<Self>(range.len())));
        values[range].fill(F::from_f64(value));
    }

    fn write_words(&mut self, words: &mut Array<u32>, data: &[u32]) {
        let _timed = self.profiler.time("write_words", || pass(8.0 * data.len() as f64));
        words[..data.len()].copy_from_slice(data);
    }

    fn reshape(&mut self, activity: &mut Activity<F>, shape: Shape) {
        activity.shape = shape;
    }

    fn write_activity(&mut self, activity: &mut Activity<F>, first: usize, data: ActivityData<F>) {
        let _timed = self.profiler.time("write_activity", || pass(2.0 * data.bytes()));
        let Shape { batch, units, .. } = activity.shape;
        match (&mut activity.data, data) {
            (Data::Raster(into), ActivityData::Raster(from)) => {
                into[first * batch * words(units)..][..from.len()].copy_from_slice(from);
            }
            (Data::Values(into), ActivityData::Values(from)) => {
                into[first * batch * pad(units)..][..from.len()].copy_from_slice(from);
            }
            (Data::Values(into), ActivityData::Raster(from)) => {
                let into = &mut into[first * batch * pad(units)..];
                for (word, lanes) in from.iter().zip(into.chunks_exact_mut(32)) {
                    for (bit, lane) in lanes.iter_mut().enumerate() {
                        *lane = F::from_f64(f64::from(word >> bit & 1));
                    }
                }
            }
            (Data::Raster(into), ActivityData::Values(from)) => {
                let into = &mut into[first * batch * words(units)..];
                for (word, lanes) in into.iter_mut().zip(from.chunks_exact(32)) {
                    *word = (0..32).map(|bit| u32::from(lanes[bit] != F::ZERO) << bit).sum();
                }
            }
            (Data::Bytes(into), ActivityData::Bytes(from)) => {
                into[first * batch * pad(units)..][..from.len()].copy_from_slice(from);
            }
            (Data::Values(into), ActivityData::Bytes(from)) => {
                let into = &mut into[first * batch * pad(units)..];
                for (into, &from) in into.iter_mut().zip(from) {
                    *into = F::from_bit(from.into());
                }
            }
            _ => panic!("an activity takes data of its own kind"),
        }
    }

    fn read_activity(&mut self, activity: &Activity<F>, range: Range<usize>) -> Result<Vec<F>> {
        let _timed = self.profiler.time("read_activity", || {
            pass(cost::activity::<Self>(activity.kind(), range.len() * activity.shape.batch, activity.shape.units))
        });
        let (batch, width) = (activity.shape.batch, activity.shape.row());
        let mut out = vec![F::ZERO; range.len() * batch * width];
        for (at, out) in out.chunks_exact_mut(width).enumerate() {
            activity.expand(pulp::Scalar::new(), range.start + at / batch, at % batch, out);
        }
        Ok(out)
    }

    fn write_history(&mut self, activity: &mut Activity<F>, data: &[F]) {
        let _timed = self.profiler.time("write_history", || pass(numbers::<Self>(data.len())));
        match &mut activity.data {
            Data::Raster(into) => {
                for (word, lanes) in into.iter_mut().zip(data.chunks_exact(32)) {
                    *word = (0..32).map(|bit| u32::from(lanes[bit] != F::ZERO) << bit).sum();
                }
            }
            Data::Values(into) => into[..data.len()].copy_from_slice(data),
            Data::Bytes(into) => {
                for (into, value) in into.iter_mut().zip(data) {
                    *into = value.to_f64() as u8;
                }
            }
        }
    }

    fn advance(&mut self, activity: &mut Activity<F>) {
        let _timed = self.profiler.time("advance", || {
            pass(2.0 * cost::activity::<Self>(activity.kind(), HISTORY * activity.shape.batch, activity.shape.units))
        });
        let Shape { steps, batch, units } = activity.shape;
        match &mut activity.data {
            Data::Raster(data) => {
                let row = batch * words(units);
                data.copy_within(steps * row..(steps + HISTORY) * row, 0);
            }
            Data::Values(data) => {
                let row = batch * pad(units);
                data.copy_within(steps * row..(steps + HISTORY) * row, 0);
            }
            Data::Bytes(data) => {
                let row = batch * pad(units);
                data.copy_within(steps * row..(steps + HISTORY) * row, 0);
            }
        }
    }

    fn carry(&mut self, from: &Activity<F>, to: &mut Activity<F>) {
        let _timed = self.profiler.time("carry", || {
            pass(2.0 * cost::activity::<Self>(from.kind(), HISTORY * from.shape.batch, from.shape.units))
        });
        let Shape { steps, batch, units } = from.shape;
        let rows = |row: usize| steps * batch * row..(steps + HISTORY) * batch * row;
        match (&from.data, &mut to.data) {
            (Data::Raster(from), Data::Raster(to)) => {
                let from = &from[rows(words(units))];
                to[..from.len()].copy_from_slice(from);
            }
            (Data::Values(from), Data::Values(to)) => {
                let from = &from[rows(pad(units))];
                to[..from.len()].copy_from_slice(from);
            }
            (Data::Bytes(from), Data::Bytes(to)) => {
                let from = &from[rows(pad(units))];
                to[..from.len()].copy_from_slice(from);
            }
            _ => panic!("both are of one kind"),
        }
    }

    fn copy(&mut self, from: &Array<F>, at: Stretch, to: &mut Array<F>, to_at: Stretch, count: usize, len: usize) {
        let _timed = self.profiler.time("copy", || pass(2.0 * numbers::<Self>(count * len)));
        for i in 0..count {
            let from = &from[at.first + i * at.stride..][..len];
            to[to_at.first + i * to_at.stride..][..len].copy_from_slice(from);
        }
    }

    fn halve(&mut self, values: &Array<F>, len: usize, out: &mut Array<u32>) {
        let _timed = self.profiler.time("halve", || pass(numbers::<Self>(len) + 2.0 * len as f64));
        half::halve(&values[..len], &mut out[..len / 2]);
    }

    fn unhalve(&mut self, words: &Array<u32>, len: usize, out: &mut Array<F>) {
        let _timed = self.profiler.time("unhalve", || pass(numbers::<Self>(len) + 2.0 * len as f64));
        half::unhalve(&words[..len / 2], &mut out[..len]);
    }

    fn encode_rate(&mut self, call: EncodeRate<Self>) {
        let _timed = self.profiler.time("encode_rate", || cost::encode_rate(&call));
        encode_rate::encode_rate(call);
    }

    fn copy_plane(&mut self, shape: Shape, planes: &mut Array<F>, from: usize, to: usize) {
        let _timed = self.profiler.time("copy_plane", || pass(numbers::<Self>(2 * shape.len(1))));
        let width = shape.row();
        for planes in planes.chunks_exact_mut(plane::PLANES * width).take(shape.batch) {
            planes.copy_within(from * width..(from + 1) * width, to * width);
        }
    }

    fn fill_plane(&mut self, shape: Shape, planes: &mut Array<F>, plane: usize, value: f64) {
        let _timed = self.profiler.time("fill_plane", || pass(numbers::<Self>(shape.len(1))));
        let width = shape.row();
        for planes in planes.chunks_exact_mut(plane::PLANES * width).take(shape.batch) {
            planes[plane * width..(plane + 1) * width].fill(F::from_f64(value));
        }
    }

    fn constants(&mut self, model: Model, units: usize, dt: f64, parameters: &Array<F>, out: &mut Array<F>) {
        let _timed = self
            .profiler
            .time("constants", || pass(numbers::<Self>((model.parameter_rows() + model.constant_rows()) * pad(units))));
        neuron_gradient::constants(model, units, dt, parameters, out);
    }

    fn prepare(&mut self, weights: &Array<F>, rows: usize, columns: usize, out: &mut Packed<F>) {
        let _timed = self.profiler.time("prepare", || pass(numbers::<Self>(2 * rows * pad(columns))));
        out.pack(weights, pad(columns));
    }

    fn drive(&mut self, call: Drive<Self>) {
        let _timed = self.profiler.time("drive", || cost::drive(&call, profile::read_by(&call)));
        drive::drive(Self::source(&call), call.shape.units, call.range, call.out);
    }

    fn forward(&mut self, drive: &Array<F>, call: Forward<Self>) {
        let timed = self.profiler.time("forward", || cost::forward(&call));
        self.run_forward(forward::Input::Drive(drive), call, timed);
    }

    fn layer_forward(&mut self, drive: Drive<Self>, forward: Forward<Self>) {
        let counted = || cost::layer_forward(&drive, &forward, profile::read_by(&drive));
        let timed = self.profiler.time("layer_forward", counted);
        let source = Self::source(&drive);
        if source.dense() && !self.smooth {
            drive::drive(source, drive.shape.units, drive.range, drive.out);
            self.run_forward(forward::Input::Drive(drive.out), forward, timed);
        } else {
            self.run_forward(forward::Input::Source(source), forward, timed);
        }
    }

    fn backward(&mut self, call: Backward<Self>) {
        let _timed =
            self.profiler.time("backward", || cost::backward(&call, profile::sensitive(&call, self.forms.rows)));
        run_backward(call, None, self.forms, &mut self.room);
    }

    fn layer_backward(&mut self, above: Above<Self>, call: Backward<Self>) {
        let _timed = self
            .profiler
            .time("layer_backward", || cost::layer_backward(&above, &call, profile::sensitive(&call, self.forms.rows)));
        let gradient = above.accumulate.then_some(above.gradient.as_slice());
        let (weights, packed) = (above.weights.0.as_slice(), above.weights.1);
        let from = backward::From { chi: above.chi, weights, packed, lag: above.lag, width: above.shape.row() };
        run_backward(Backward { gradient_spikes: None, ..call }, Some((from, gradient)), self.forms, &mut self.room);
    }

    fn drive_backward(&mut self, call: DriveBackward<Self>) {
        let _timed = self.profiler.time("drive_backward", || cost::drive_backward(&call));
        drive::drive_backward(call);
    }

    fn weight_gradient(&mut self, call: WeightGradient<Self>) {
        let _timed = self.profiler.time("weight_gradient", || cost::weight_gradient(&call, profile::summed_by(&call)));
        let (kind, samples) = (call.source.kind(), call.samples.len());
        let batch = call.window.samples;
        let bytes = self.weight_gradient_bytes(call.projection, kind, call.inputs, call.shape, samples, batch);
        let _scratch = self.ledger.enter(bytes);
        weight_gradient::weight_gradient(call, &mut self.room);
    }

    fn kicks(&mut self, model: Model) -> Option<Kicks<F>> {
        (kicks::possible(&model) && self.forms.kicks != When::Never).then(|| Kicks::new(&self.ledger))
    }

    fn kicks_suffice(&self, model: Model, units: usize, constants: &Array<F>) -> bool {
        let planned = || kicks::narrow(&model, constants, units);
        kicks::possible(&model) && kicks::uniform(constants, units) && self.forms.kicks.or(planned)
    }

    fn more_for_kicks(&self, kicks: &Kicks<F>, shape: Shape, filtered: usize) -> u64 {
        kicks.more(shape, filtered)
    }

    fn kept_by_kicks(&self, kicks: &Kicks<F>, samples: usize) -> u64 {
        kicks.kept(samples)
    }

    fn kick_gradient(&mut self, call: KickGradient<Self>) {
        let _timed = self.profiler.time("kick_gradient", || {
            let steps = call.window.step..call.window.step + call.shape.steps;
            cost::kick_gradient(&call, call.kicks.count(call.samples.clone(), steps), profile::filtered(&call))
        });
        kicks::kick_gradient(call, &mut self.room.kicks);
        drop(self.ledger.enter(kicks::bytes(&self.room.kicks)));
    }

    fn kicked_chi(&mut self, call: KickedChi<Self>) {
        let _timed = self.profiler.time("kicked_chi", || pass(numbers::<Self>(call.shape.len(call.shape.steps))));
        kicks::kicked_chi(call);
    }

    fn neuron_gradient(&mut self, call: NeuronGradient<Self>) {
        let _timed = self.profiler.time("neuron_gradient", || cost::neuron_gradient(&call));
        neuron_gradient::neuron_gradient(call);
    }

    fn time_forward(&mut self, call: TimeForward<Self>) {
        let _timed = self.profiler.time("time_forward", || cost::time_forward(&call));
        time::time_forward(call, self.smooth);
    }

    fn time_backward(&mut self, call: TimeBackward<Self>) {
        let _timed = self.profiler.time("time_backward", || cost::time_backward(&call));
        time::time_backward(call);
    }

    fn lstm_forward(&mut self, call: LstmForward<Self>) {
        let _timed = self.profiler.time("lstm_forward", || cost::lstm_forward(&call));
        let (model, shape) = (call.model, call.shape);
        let LstmForward { constants, recurrent, gates, spikes, tape, planes, .. } = call;
        let again = LstmForward { model, shape, constants, recurrent, gates, spikes: &mut *spikes, tape, planes };
        lstm::lstm_forward(again, self.held(&model), self.smooth);
        self.hold(&model, shape, Some(spikes));
    }

    fn lstm_backward(&mut self, call: LstmBackward<Self>) {
        let _timed = self.profiler.time("lstm_backward", || cost::lstm_backward(&call));
        lstm::lstm_backward(call);
    }

    fn count(&mut self, call: Count<Self>) {
        let _timed = self.profiler.time("count", || cost::count(&call, call.spikes.kind()));
        count::count(call);
    }

    fn tally(&mut self, call: Tally<Self>) {
        let _timed = self.profiler.time("tally", || cost::tally(&call));
        tally::tally(call);
    }

    fn collapse(&mut self, call: Collapse<Self>) {
        let _timed = self.profiler.time("collapse", || cost::collapse(&call, profile::recorded(&call.recording)));
        collapse::collapse(call);
    }

    fn spread(&mut self, call: Spread<Self>) {
        let _timed = self.profiler.time("spread", || cost::spread(&call));
        spread::spread(call);
    }

    fn loss(&mut self, call: Loss<Self>) {
        let _timed = self.profiler.time("loss", || cost::loss(&call, profile::scored(&call.scores)));
        loss::loss(call, &mut self.loss);
    }

    fn regularise(&mut self, call: Regularise<Self>) {
        let _timed = self.profiler.time("regularise", || cost::regularise(&call));
        regularise::regularise(call);
    }

    fn square_sum(&mut self, values: &Array<F>, len: usize, metrics: &mut Array<F>, slot: usize) {
        let _timed = self.profiler.time("square_sum", || pass(numbers::<Self>(len)));
        metrics[slot] = update::square_sum(&values[..len]);
    }

    fn control(
        &mut self,
        metrics: &Array<F>,
        squares: Range<usize>,
        loss: usize,
        max_norm: Option<f64>,
        control: &mut Array<F>,
    ) {
        let _timed = self.profiler.time("control", || pass(numbers::<Self>(squares.len() + 3)));
        update::control(metrics, squares, loss, max_norm, control);
    }

    fn scale(&mut self, from: Option<&Array<F>>, factor: f64, len: usize, values: &mut Array<F>) {
        let _timed = self.profiler.time("scale", || pass(numbers::<Self>(2 * len)));
        scale::scale(from.map(|from| &from[..len]), factor, &mut values[..len]);
    }

    fn add(&mut self, from: &Array<F>, len: usize, values: &mut Array<F>) {
        let _timed = self.profiler.time("add", || pass(numbers::<Self>(3 * len)));
        scale::add(&from[..len], &mut values[..len]);
    }

    fn dropout(&mut self, call: Dropout<Self>) {
        let _timed = self.profiler.time("dropout", || cost::dropout(&call, call.spikes.kind()));
        dropout::dropout(call);
    }

    fn dropout_backward(&mut self, call: DropoutBackward<Self>) {
        let _timed = self.profiler.time("dropout_backward", || cost::dropout_backward(&call));
        dropout::dropout_backward(call);
    }

    fn normalise(&mut self, call: Normalise<Self>) {
        let _timed = self.profiler.time("normalise", || cost::normalise(&call));
        normalise::normalise(call);
    }

    fn normalise_backward(&mut self, call: NormaliseBackward<Self>) {
        let _timed = self.profiler.time("normalise_backward", || cost::normalise_backward(&call));
        normalise::normalise_backward(call);
    }

    fn constrain(&mut self, call: Constrain<Self>) {
        let _timed = self.profiler.time("constrain", || cost::constrain(&call));
        constrain::constrain(call);
    }

    fn update(&mut self, call: Update<Self>) {
        let _timed = self.profiler.time("update", || cost::update(&call));
        update::update(call);
    }

    fn form(&self, _shape: Shape, recurrent: bool) -> (Form, Form) {
        // One form: a sample walks its steps with its state in the cache.
        let form = if recurrent { Form::Resident { tile: 1, quantum: usize::MAX } } else { Form::Scan };
        (form, form)
    }

    fn form_at(&self, shape: Shape, _active: f64) -> Form {
        self.form(shape, true).0
    }

    /// Each row chooses by itself.
    fn expect(&mut self, _activity: &mut Activity<F>, _active: f64) {}

    fn clamp(&mut self, values: &mut Array<F>, range: Range<usize>, low: f64, high: f64) {
        let _timed = self.profiler.time("clamp", || pass(2.0 * numbers::<Self>(range.len())));
        let (low, high) = (F::from_f64(low), F::from_f64(high));
        for value in &mut values[range] {
            // Not `clamp`: a number that is not one must stay so.
            if *value < low {
                *value = low;
            } else if *value > high {
                *value = high;
            }
        }
    }

    fn submit(&mut self) {}

    fn profile(&mut self, on: bool) -> Result<()> {
        self.profiler.set(on);
        Ok(())
    }

    fn at_layer(&mut self, layer: Option<usize>) {
        self.profiler.at_layer(layer);
    }

    fn take_profile(&mut self) -> Result<Profile> {
        Ok(self.profiler.take())
    }

    fn allocated(&self) -> u64 {
        self.ledger.now()
    }

    fn peak(&self) -> u64 {
        self.ledger.most()
    }

    fn largest_array(&self) -> u64 {
        self.memory
    }

    fn fair_share(&self) -> u64 {
        self.memory / 2
    }

    fn leaves_drive(&self, projection: Projection, source: ActivityKind) -> bool {
        self.smooth || projection == Projection::Current || source != ActivityKind::Values
    }

    fn leaves_gradient(&self) -> bool {
        true
    }

    fn weight_gradient_bytes(
        &self,
        projection: Projection,
        source: ActivityKind,
        inputs: usize,
        shape: Shape,
        samples: usize,
        batch: usize,
    ) -> u64 {
        match (projection, source) {
            (Projection::Dense, ActivityKind::Values) if samples < shape.batch => {
                (weight_gradient::side_by_side(inputs, samples, batch, shape.row()) * size_of::<F>()) as u64
            }
            _ => 0,
        }
    }
}

/// Runs the adjoint, with the gradient from above computed on the way where `above` is given.
fn run_backward<F: Float>(
    call: Backward<Cpu<F>>,
    above: Option<(backward::From<F>, Option<&[F]>)>,
    forms: Forms,
    room: &mut scratch::Room<F>,
) {
    let (from, added) = above.map_or((None, None), |(from, added)| (Some(from), added));
    let (listing, chi) = call.kicks.map_or((None, true), |listing| (Some(listing.kicks), listing.chi));
    let parts = backward::Call {
        model: call.model,
        shape: call.shape,
        window: call.window,
        range: call.range,
        constants: call.constants,
        recurrent: call.recurrent.map(|(weights, packed)| (weights.as_slice(), packed)),
        above: from,
        spikes: call.spikes,
        tape: call.tape.map_or(&[][..], Array::as_slice),
        gradient_spikes: added.or(call.gradient_spikes.map(Array::as_slice)),
        gradient_potential: call.gradient_potential.map(Array::as_slice),
        counts: call.counts,
        reduce: call.reduce,
        rows: forms.rows,
        columns: forms.columns,
        listed: listing.is_some(),
        chi,
    };
    let logs = match listing {
        None => &mut [][..],
        Some(kicks) => {
            if call.window.step + parts.range.end == call.window.steps {
                kicks.ready(call.shape.batch);
            }
            kicks.of(call.shape.batch)
        }
    };
    backward::backward(parts, call.planes, call.chi, logs, room);
}

impl<F: Float> Cpu<F> {
    fn enter(&mut self, role: &str, bytes: u64) -> Result<memory::Entry> {
        if bytes.saturating_add(self.ledger.now()) > self.memory {
            let remedy = "use fewer steps, a smaller batch or a smaller network".to_string();
            return Err(crate::Error::Memory { what: role.to_string(), needed: bytes, remedy });
        }
        Ok(self.ledger.enter(bytes))
    }
}
