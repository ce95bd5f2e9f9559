//! The contract in plain Rust: the oracle of every test, and what runs where no GPU is. One file a kernel.
//!
//! Generic over the number type, so that the gradient audit runs this same code in f64; [`Cpu::smooth`] replaces the step
//! function by a primitive of the surrogate derivative and leaves everything else as it is. Instruction sets are chosen
//! when the program runs. Work is split over rayon's current thread pool; bits do not depend on the number of threads.

mod backward;
mod collapse;
mod constrain;
mod count;
mod drive;
mod dropout;
mod encode_rate;
mod float;
mod forward;
mod half;
mod linear;
mod loss;
mod lstm;
mod memory;
mod multi;
mod neuron;
mod neuron_gradient;
mod normalise;
mod regularise;
pub mod reset;
mod scale;
mod snippet;
mod spread;
mod surrogate;
mod tally;
mod time;
mod update;
mod weight_gradient;

pub use float::Float;
pub use linear::Packed;
pub(crate) use linear::wide;
pub use memory::{Activity, Array};
pub use surrogate::derivative as surrogate_derivative;

use crate::error::Result;
use crate::kernels::*;
use crate::spikes::{pad, words};
use memory::{Data, Ledger};
use std::ops::Range;
use std::sync::Arc;

/// The CPU backend.
#[derive(Debug)]
pub struct Cpu<F> {
    smooth: bool,
    held: Held<F>,
    loss: loss::Room<F>,
    ledger: Arc<Ledger>,
    /// Bytes of all arrays at most.
    memory: u64,
    number: std::marker::PhantomData<F>,
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
            loss: loss::Room::default(),
            ledger: Arc::default(),
            memory: memory::installed(),
            number: std::marker::PhantomData,
        }
    }

    /// The same on a machine with so many bytes of memory: what does not fit is refused.
    pub fn with_memory(bytes: u64) -> Self {
        Cpu { memory: bytes, ..Cpu::new() }
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

    fn run_forward(&mut self, input: forward::Input<F>, call: Forward<Self>) {
        let (model, shape) = (call.model, call.shape);
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
        };
        let mut spikes = call.spikes;
        forward::forward(parts, spikes.as_deref_mut(), call.tape.map(Array::as_mut_slice), call.planes, self.smooth);
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

    fn prepared(&mut self, role: &str, rows: usize, columns: usize) -> Result<Packed<F>> {
        self.enter(role, (pad(rows) * columns * size_of::<F>()) as u64)?;
        Ok(Packed::new(rows, columns, &self.ledger))
    }

    fn write(&mut self, values: &mut Array<F>, offset: usize, data: &[F]) {
        values[offset..offset + data.len()].copy_from_slice(data);
    }

    fn read(&mut self, values: &Array<F>, range: Range<usize>) -> Result<Vec<F>> {
        Ok(values[range].to_vec())
    }

    fn fill(&mut self, values: &mut Array<F>, range: Range<usize>, value: f64) {
        values[range].fill(F::from_f64(value));
    }

    fn write_words(&mut self, words: &mut Array<u32>, data: &[u32]) {
        words[..data.len()].copy_from_slice(data);
    }

    fn reshape(&mut self, activity: &mut Activity<F>, shape: Shape) {
        activity.shape = shape;
    }

    fn write_activity(&mut self, activity: &mut Activity<F>, first: usize, data: ActivityData<F>) {
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
        let (batch, width) = (activity.shape.batch, activity.shape.row());
        let mut out = vec![F::ZERO; range.len() * batch * width];
        for (at, out) in out.chunks_exact_mut(width).enumerate() {
            activity.expand(range.start + at / batch, at % batch, out);
        }
        Ok(out)
    }

    fn write_history(&mut self, activity: &mut Activity<F>, data: &[F]) {
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
        for i in 0..count {
            let from = &from[at.first + i * at.stride..][..len];
            to[to_at.first + i * to_at.stride..][..len].copy_from_slice(from);
        }
    }

    fn halve(&mut self, values: &Array<F>, len: usize, out: &mut Array<u32>) {
        half::halve(&values[..len], &mut out[..len / 2]);
    }

    fn unhalve(&mut self, words: &Array<u32>, len: usize, out: &mut Array<F>) {
        half::unhalve(&words[..len / 2], &mut out[..len]);
    }

    fn encode_rate(&mut self, call: EncodeRate<Self>) {
        encode_rate::encode_rate(call);
    }

    fn copy_plane(&mut self, shape: Shape, planes: &mut Array<F>, from: usize, to: usize) {
        let width = shape.row();
        for planes in planes.chunks_exact_mut(plane::PLANES * width).take(shape.batch) {
            planes.copy_within(from * width..(from + 1) * width, to * width);
        }
    }

    fn fill_plane(&mut self, shape: Shape, planes: &mut Array<F>, plane: usize, value: f64) {
        let width = shape.row();
        for planes in planes.chunks_exact_mut(plane::PLANES * width).take(shape.batch) {
            planes[plane * width..(plane + 1) * width].fill(F::from_f64(value));
        }
    }

    fn constants(&mut self, model: Model, units: usize, dt: f64, parameters: &Array<F>, out: &mut Array<F>) {
        neuron_gradient::constants(model, units, dt, parameters, out);
    }

    fn prepare(&mut self, weights: &Array<F>, _rows: usize, columns: usize, out: &mut Packed<F>) {
        out.pack(weights, pad(columns));
    }

    fn drive(&mut self, call: Drive<Self>) {
        drive::drive(Self::source(&call), call.shape.units, call.range, call.out);
    }

    fn forward(&mut self, drive: &Array<F>, call: Forward<Self>) {
        self.run_forward(forward::Input::Drive(drive), call);
    }

    fn layer_forward(&mut self, drive: Drive<Self>, forward: Forward<Self>) {
        let source = Self::source(&drive);
        if source.dense() && !self.smooth {
            drive::drive(source, drive.shape.units, drive.range, drive.out);
            self.run_forward(forward::Input::Drive(drive.out), forward);
        } else {
            self.run_forward(forward::Input::Source(source), forward);
        }
    }

    fn backward(&mut self, call: Backward<Self>) {
        run_backward(call, None);
    }

    fn layer_backward(&mut self, above: Above<Self>, call: Backward<Self>) {
        let gradient = above.accumulate.then_some(above.gradient.as_slice());
        let from = backward::From { chi: above.chi, packed: above.weights.1, lag: above.lag, width: above.shape.row() };
        run_backward(Backward { gradient_spikes: None, ..call }, Some((from, gradient)));
    }

    fn drive_backward(&mut self, call: DriveBackward<Self>) {
        drive::drive_backward(call);
    }

    fn weight_gradient(&mut self, call: WeightGradient<Self>) {
        let (kind, samples) = (call.source.kind(), call.samples.len());
        let batch = call.window.samples;
        let bytes = self.weight_gradient_bytes(call.projection, kind, call.inputs, call.shape, samples, batch);
        let _scratch = self.ledger.enter(bytes);
        weight_gradient::weight_gradient(call);
    }

    fn neuron_gradient(&mut self, call: NeuronGradient<Self>) {
        neuron_gradient::neuron_gradient(call);
    }

    fn time_forward(&mut self, call: TimeForward<Self>) {
        time::time_forward(call, self.smooth);
    }

    fn time_backward(&mut self, call: TimeBackward<Self>) {
        time::time_backward(call);
    }

    fn lstm_forward(&mut self, call: LstmForward<Self>) {
        let (model, shape) = (call.model, call.shape);
        let LstmForward { constants, recurrent, gates, spikes, tape, planes, .. } = call;
        let again = LstmForward { model, shape, constants, recurrent, gates, spikes: &mut *spikes, tape, planes };
        lstm::lstm_forward(again, self.held(&model), self.smooth);
        self.hold(&model, shape, Some(spikes));
    }

    fn lstm_backward(&mut self, call: LstmBackward<Self>) {
        lstm::lstm_backward(call);
    }

    fn count(&mut self, call: Count<Self>) {
        count::count(call);
    }

    fn tally(&mut self, call: Tally<Self>) {
        tally::tally(call);
    }

    fn collapse(&mut self, call: Collapse<Self>) {
        collapse::collapse(call);
    }

    fn spread(&mut self, call: Spread<Self>) {
        spread::spread(call);
    }

    fn loss(&mut self, call: Loss<Self>) {
        loss::loss(call, &mut self.loss);
    }

    fn regularise(&mut self, call: Regularise<Self>) {
        regularise::regularise(call);
    }

    fn square_sum(&mut self, values: &Array<F>, len: usize, metrics: &mut Array<F>, slot: usize) {
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
        update::control(metrics, squares, loss, max_norm, control);
    }

    fn scale(&mut self, from: Option<&Array<F>>, factor: f64, len: usize, values: &mut Array<F>) {
        scale::scale(from.map(|from| &from[..len]), factor, &mut values[..len]);
    }

    fn add(&mut self, from: &Array<F>, len: usize, values: &mut Array<F>) {
        scale::add(&from[..len], &mut values[..len]);
    }

    fn dropout(&mut self, call: Dropout<Self>) {
        dropout::dropout(call);
    }

    fn dropout_backward(&mut self, call: DropoutBackward<Self>) {
        dropout::dropout_backward(call);
    }

    fn normalise(&mut self, call: Normalise<Self>) {
        normalise::normalise(call);
    }

    fn normalise_backward(&mut self, call: NormaliseBackward<Self>) {
        normalise::normalise_backward(call);
    }

    fn constrain(&mut self, call: Constrain<Self>) {
        constrain::constrain(call);
    }

    fn update(&mut self, call: Update<Self>) {
        update::update(call);
    }

    fn form(&self, _shape: Shape, recurrent: bool) -> (Form, Form) {
        // One form: a sample walks its steps with its state in the cache.
        let form = if recurrent { Form::Resident { tile: 1, quantum: usize::MAX } } else { Form::Scan };
        (form, form)
    }

    fn clamp(&mut self, values: &mut Array<F>, range: Range<usize>, low: f64, high: f64) {
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
fn run_backward<F: Float>(call: Backward<Cpu<F>>, above: Option<(backward::From<F>, Option<&[F]>)>) {
    let (from, added) = above.map_or((None, None), |(from, added)| (Some(from), added));
    let parts = backward::Call {
        model: call.model,
        shape: call.shape,
        window: call.window,
        range: call.range,
        constants: call.constants,
        recurrent: call.recurrent.map(|(_, packed)| packed),
        above: from,
        spikes: call.spikes,
        tape: call.tape,
        gradient_spikes: added.or(call.gradient_spikes.map(Array::as_slice)),
        gradient_potential: call.gradient_potential.map(Array::as_slice),
        counts: call.counts,
        reduce: call.reduce,
    };
    backward::backward(parts, call.planes, call.chi);
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
