//! The contract on wgpu: WGSL kernels in `shaders/`, one file a kernel, named as the method of [`Kernels`].
//!
//! The only folder that says `wgpu::`. A method plans its dispatches and records them; nothing waits until something is
//! read. Every kernel works within WebGPU's floor: 8 storage buffers, 16 KiB of workgroup memory, 256 invocations a
//! workgroup, 65535 groups a dimension. A failure on the way is kept and returned by the next read.

mod advance;
mod arriving;
mod backward;
mod buffers;
mod calibrate;
mod clamp;
mod collapse;
mod column_sum;
mod constants;
mod constrain;
mod control;
mod cooperative;
mod copy;
mod count;
mod device;
mod drive;
mod drive_backward;
mod dropout;
mod encode_rate;
mod finish;
mod form;
mod forward;
mod halve;
mod kept;
mod loss;
mod lstm;
mod memory;
mod neuron_gradient;
mod normalise;
mod planes;
mod prepare;
mod product;
mod profile;
mod recorder;
mod regularise;
mod rounded;
mod scale;
mod shader;
mod silent;
mod snippet;
mod spread;
mod square_sum;
mod subgroup;
mod table;
mod tally;
mod time;
mod update;
mod weight_gradient;
mod window;

pub use crate::kernels::When;
pub use buffers::{Activity, Prepared, Values, Words};
pub use device::{AdapterInfo, AdapterKind, Choice, Options, adapters, find_adapter};
pub use form::Costs;
pub use recorder::Created;
pub use shader::{Permutation, Shader, check_expression, find};
pub(crate) use snippet::check as check_snippet;
pub use table::permutations;

use crate::error::Result;
use crate::kernels::cost::{self, numbers, pass};
use crate::kernels::*;
use recorder::{Binding, Dispatch, Recorder};
use std::ops::Range;

/// Invocations of a workgroup in kernels that take one entry for each invocation.
const FLAT: usize = 128;
/// Invocations of a workgroup in kernels that sum in a tree.
const TREE: usize = 256;

/// Bytes that a run takes where nobody says how many: a GPU cannot be asked how many it has.
const FAIR_SHARE: u64 = 2 << 30;

/// A GPU as a backend.
pub struct Gpu {
    recorder: Recorder,
    options: Options,
    costs: form::Costs,
    profiler: profile::Profiler,
}

impl Gpu {
    /// Opens an adapter: `None` takes the best GPU that is not a software rasteriser, `Some(n)` that adapter whatever it
    /// is; a [`Choice`] says more.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where there is none, or where it refuses, with what to do about it.
    pub fn new(choice: impl Into<Choice>) -> Result<Gpu> {
        let choice = choice.into();
        let mut gpu = Gpu::estimated(&choice)?;
        if choice.options.calibrated {
            let kept = kept::directory().and_then(|directory| kept::load(&directory, gpu.adapter()));
            gpu.costs = match kept {
                Some(costs) => costs,
                None => calibrate(choice.adapter)?.costs,
            };
        }
        Ok(gpu)
    }

    /// With estimates for its speed.
    fn estimated(choice: &Choice) -> Result<Gpu> {
        let recorder = Recorder::new(device::Device::open(choice)?, choice.options.memory);
        Ok(Gpu {
            recorder,
            options: choice.options.clone(),
            costs: Costs::default(),
            profiler: profile::Profiler::default(),
        })
    }

    /// Whether forms are chosen by what was measured.
    pub fn is_calibrated(&self) -> bool {
        self.options.calibrated
    }

    /// Any adapter, a software rasteriser where there is nothing else, with shader checks and with the drive fused
    /// whatever the size; None where there is nothing at all.
    pub fn for_tests() -> Option<Gpu> {
        let options = Options { checked: true, fuse: 0, ..Options::default() };
        let open = |adapter| Gpu::new(Choice { adapter, options: options.clone() });
        open(None).or_else(|_| open(Some(0))).ok()
    }

    /// The adapter that was opened.
    pub fn adapter(&self) -> &AdapterInfo {
        &self.recorder.device.info
    }

    /// How many pipelines, bind groups and buffers were created so far: in a steady loop none.
    pub fn created(&self) -> Created {
        self.recorder.created
    }

    /// Whether the drive of a source is the product that unpacks its spikes ([`Options::unpack`]).
    pub fn unpacks(&self, source: &Activity) -> bool {
        drive::unpacks(self, source)
    }

    /// Whether drives may be products of cooperative matrices here ([`Options::cooperative`]).
    pub fn has_cooperative_matrices(&self) -> bool {
        self.recorder.device.limits.cooperative.is_some()
    }

    /// Records a dispatch of `groups` workgroups; its parameters stay the same from step to step.
    fn dispatch<P: bytemuck::Pod>(
        &mut self,
        permutation: Permutation,
        params: &P,
        bindings: &[Binding],
        groups: usize,
        work: u64,
    ) {
        let params = bytemuck::bytes_of(params);
        let groups = groups as u64;
        self.recorder.dispatch(Dispatch { permutation, params, changing: false, bindings, groups, work });
    }

    /// The permutation of a kernel that sums over its workgroup.
    fn tree(&self, name: &'static str) -> Permutation {
        tree(name).define("SUBGROUPS", self.sums_by_subgroups())
    }

    /// The same with one invocation for each of `entries`, [`FLAT`] in a workgroup.
    fn flat<P: bytemuck::Pod>(
        &mut self,
        permutation: Permutation,
        params: &P,
        bindings: &[Binding],
        entries: usize,
        work: u64,
    ) {
        let permutation = permutation.constant("SIZE", FLAT);
        self.dispatch(permutation, params, bindings, entries.div_ceil(FLAT), work);
    }
}

/// What a calibration found.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// The adapter.
    pub adapter: AdapterInfo,
    /// What was measured.
    pub costs: Costs,
    /// Where it is kept; None where there is no directory for it.
    pub path: Option<std::path::PathBuf>,
}

/// Measures an adapter (see [`Gpu::new`] for which one) and keeps the result in the user's cache directory, where
/// [`Options::calibrated`] finds it: `$XDG_CACHE_HOME/spikegrad/devices`, or in `~/.cache`.
///
/// # Errors
/// [`crate::Error::Device`] where there is no such adapter or it fails, [`crate::Error::File`] where the result cannot be kept.
pub fn calibrate(adapter: Option<usize>) -> Result<Calibration> {
    // As a run has it in release: checks would be measured as well.
    let options = Options { checked: false, fuse: usize::MAX, calibrated: false, ..Options::default() };
    let mut gpu = Gpu::estimated(&Choice { adapter, options })?;
    let costs = calibrate::measure(&mut gpu)?;
    let adapter = gpu.adapter().clone();
    let path = kept::directory().map(|directory| kept::store(&directory, &adapter, &costs)).transpose()?;
    Ok(Calibration { adapter, costs, path })
}

/// The permutation of a kernel that takes one entry for each invocation, as [`Gpu::flat`] asks for it.
fn flat(name: &'static str) -> Permutation {
    Permutation::new(name).constant("SIZE", FLAT)
}

/// Every permutation of a kernel that sums over its workgroup.
fn trees(name: &'static str) -> [Permutation; 2] {
    [tree(name), tree(name).define("SUBGROUPS", true)]
}

/// The permutation of a kernel that sums over its workgroup, in a tree.
fn tree(name: &'static str) -> Permutation {
    Permutation::new(name).constant("SIZE", TREE)
}

impl Memory for Gpu {
    type Real = f32;
    type Values = Values;
    type Words = Words;
    type Activity = Activity;

    fn values(&mut self, role: &str, len: usize) -> Result<Values> {
        Ok(Values::whole(self.recorder.array(role, len)?, len))
    }

    fn weights(&mut self, role: &str, planes: usize, rows: usize, row: usize) -> Result<Values> {
        memory::weights(self, role, planes, rows, row)
    }

    fn words(&mut self, role: &str, len: usize) -> Result<Words> {
        Ok(Words { array: self.recorder.array(role, len)?, len })
    }

    fn activity(&mut self, role: &str, kind: ActivityKind, shape: Shape) -> Result<Activity> {
        memory::activity(self, role, kind, shape)
    }
}

impl Kernels for Gpu {
    type Prepared = Prepared;
    type Kicks = std::convert::Infallible;

    fn prepared(&mut self, role: &str, rows: usize, columns: usize) -> Result<Prepared> {
        let half = self.options.half_weights;
        let row = crate::spikes::pad(rows) / if half { 2 } else { 1 };
        let values = memory::weights(self, role, 1, crate::spikes::pad(columns), row)?;
        Ok(Prepared { values, half, rows, columns })
    }

    fn forward_weights(&mut self, role: &str, rows: usize, row: usize) -> Result<Values> {
        rounded::weights(self, role, rows, row)
    }

    fn write(&mut self, values: &mut Values, offset: usize, data: &[f32]) {
        let begun = self.begin("write", |_| pass(2.0 * numbers::<Self>(data.len())));
        memory::write(self, values, offset, data);
        self.end(begun);
    }

    fn read(&mut self, values: &Values, range: Range<usize>) -> Result<Vec<f32>> {
        memory::read(self, values, range)
    }

    fn fill(&mut self, values: &mut Values, range: Range<usize>, value: f64) {
        let begun = self.begin("fill", |_| pass(numbers::<Self>(range.len())));
        memory::fill(self, values, range, value);
        self.end(begun);
    }

    fn write_words(&mut self, words: &mut Words, data: &[u32]) {
        let begun = self.begin("write_words", |_| pass(8.0 * data.len() as f64));
        memory::write_words(self, words, data);
        self.end(begun);
    }

    fn reshape(&mut self, activity: &mut Activity, shape: Shape) {
        activity.shape = shape;
    }

    fn write_activity(&mut self, activity: &mut Activity, first: usize, data: ActivityData<f32>) {
        let begun = self.begin("write_activity", |_| pass(2.0 * data.bytes()));
        memory::write_activity(self, activity, first, data);
        self.end(begun);
    }

    fn read_activity(&mut self, activity: &Activity, range: Range<usize>) -> Result<Vec<f32>> {
        memory::read_activity(self, activity, range)
    }

    fn write_history(&mut self, activity: &mut Activity, data: &[f32]) {
        let begun = self.begin("write_history", |_| pass(numbers::<Self>(data.len())));
        memory::write_history(self, activity, data);
        self.end(begun);
    }

    fn advance(&mut self, activity: &mut Activity) {
        let begun = self.begin("advance", |_| {
            pass(2.0 * cost::activity::<Self>(activity.kind, HISTORY * activity.shape.batch, activity.shape.units))
        });
        advance::advance(self, activity);
        self.end(begun);
    }

    fn carry(&mut self, from: &Activity, to: &mut Activity) {
        let begun = self.begin("carry", |_| {
            pass(2.0 * cost::activity::<Self>(from.kind, HISTORY * from.shape.batch, from.shape.units))
        });
        memory::carry(self, from, to);
        self.end(begun);
    }

    fn copy(&mut self, from: &Values, from_at: Stretch, to: &mut Values, to_at: Stretch, count: usize, len: usize) {
        let begun = self.begin("copy", |_| pass(2.0 * numbers::<Self>(count * len)));
        copy::copy(self, from, from_at, to, to_at, count, len);
        self.end(begun);
    }

    fn halve(&mut self, values: &Values, len: usize, out: &mut Words) {
        let begun = self.begin("halve", |_| pass(numbers::<Self>(len) + 2.0 * len as f64));
        halve::halve(self, values, len, out);
        self.end(begun);
    }

    fn unhalve(&mut self, words: &Words, len: usize, out: &mut Values) {
        let begun = self.begin("unhalve", |_| pass(numbers::<Self>(len) + 2.0 * len as f64));
        halve::unhalve(self, words, len, out);
        self.end(begun);
    }

    fn encode_rate(&mut self, call: EncodeRate<Self>) {
        let begun = self.begin("encode_rate", |_| cost::encode_rate(&call));
        encode_rate::encode_rate(self, call);
        self.end(begun);
    }

    fn copy_plane(&mut self, shape: Shape, planes: &mut Values, from: usize, to: usize) {
        let begun = self.begin("copy_plane", |_| pass(numbers::<Self>(2 * shape.len(1))));
        planes::copy(self, shape, planes, from, to);
        self.end(begun);
    }

    fn fill_plane(&mut self, shape: Shape, planes: &mut Values, plane: usize, value: f64) {
        let begun = self.begin("fill_plane", |_| pass(numbers::<Self>(shape.len(1))));
        planes::fill(self, shape, planes, plane, value);
        self.end(begun);
    }

    fn constants(&mut self, model: Model, units: usize, dt: f64, parameters: &Values, out: &mut Values) {
        let begun = self.begin("constants", |_| {
            pass(numbers::<Self>((model.parameter_rows() + model.constant_rows()) * crate::spikes::pad(units)))
        });
        constants::constants(self, model, units, dt, parameters, out);
        self.end(begun);
    }

    fn prepare(&mut self, weights: &Values, rows: usize, columns: usize, out: &mut Prepared) {
        let begun = self.begin("prepare", |_| pass(numbers::<Self>(2 * rows * crate::spikes::pad(columns))));
        prepare::prepare(self, weights, rows, columns, out);
        self.end(begun);
    }

    fn drive(&mut self, call: Drive<Self>) {
        let begun = self.begin("drive", |gpu| cost::drive(&call, profile::read_by(gpu, &call)));
        drive::drive(self, call);
        self.end(begun);
    }

    fn forward(&mut self, drive: &Values, mut call: Forward<Self>) {
        let begun = self.begin("forward", |_| cost::forward(&call));
        let own = call.again();
        forward::forward(self, forward::Input::Drive(drive), own);
        self.end(begun);
        self.recurrence(begun, &call);
    }

    fn layer_forward(&mut self, drive: Drive<Self>, mut forward: Forward<Self>) {
        let counted = |gpu: &mut Gpu| cost::layer_forward(&drive, &forward, profile::read_by(gpu, &drive));
        let begun = self.begin("layer_forward", counted);
        let own = forward.again();
        forward::layer_forward(self, drive, own);
        self.end(begun);
        self.recurrence(begun, &forward);
    }

    fn backward(&mut self, call: Backward<Self>) {
        let form = call.recurrent.map(|_| call.form.name());
        let begun = self.begin("backward", |gpu| cost::backward(&call, profile::sensitive(gpu, &call)));
        backward::backward(self, call);
        self.end(begun);
        if let Some(form) = form {
            self.also(begun, form, |_| None);
        }
    }

    fn layer_backward(&mut self, above: Above<Self>, call: Backward<Self>) {
        let begun =
            self.begin("layer_backward", |gpu| cost::layer_backward(&above, &call, profile::sensitive(gpu, &call)));
        backward::layer_backward(self, above, call);
        self.end(begun);
    }

    fn drive_backward(&mut self, call: DriveBackward<Self>) {
        let begun = self.begin("drive_backward", |_| cost::drive_backward(&call));
        drive_backward::drive_backward(self, call);
        self.end(begun);
    }

    fn kick_gradient(&mut self, call: KickGradient<Self>) {
        match *call.kicks {}
    }

    fn kicked_chi(&mut self, call: KickedChi<Self>) {
        match *call.kicks {}
    }

    fn weight_gradient(&mut self, call: WeightGradient<Self>) {
        let begun = self.begin("weight_gradient", |gpu| cost::weight_gradient(&call, profile::summed_by(gpu, &call)));
        weight_gradient::weight_gradient(self, call);
        self.end(begun);
    }

    fn neuron_gradient(&mut self, call: NeuronGradient<Self>) {
        let begun = self.begin("neuron_gradient", |_| cost::neuron_gradient(&call));
        neuron_gradient::neuron_gradient(self, call);
        self.end(begun);
    }

    fn time_forward(&mut self, call: TimeForward<Self>) {
        let begun = self.begin("time_forward", |_| cost::time_forward(&call));
        time::time_forward(self, call);
        self.end(begun);
    }

    fn time_backward(&mut self, call: TimeBackward<Self>) {
        let begun = self.begin("time_backward", |_| cost::time_backward(&call));
        time::time_backward(self, call);
        self.end(begun);
    }

    fn lstm_forward(&mut self, call: LstmForward<Self>) {
        let begun = self.begin("lstm_forward", |_| cost::lstm_forward(&call));
        lstm::lstm_forward(self, call);
        self.end(begun);
    }

    fn lstm_backward(&mut self, call: LstmBackward<Self>) {
        let begun = self.begin("lstm_backward", |_| cost::lstm_backward(&call));
        lstm::lstm_backward(self, call);
        self.end(begun);
    }

    fn count(&mut self, call: Count<Self>) {
        let begun = self.begin("count", |_| cost::count(&call, call.spikes.kind));
        count::count(self, call);
        self.end(begun);
    }

    fn tally(&mut self, call: Tally<Self>) {
        let begun = self.begin("tally", |_| cost::tally(&call));
        tally::tally(self, call);
        self.end(begun);
    }

    fn collapse(&mut self, call: Collapse<Self>) {
        let begun = self.begin("collapse", |_| cost::collapse(&call, profile::recorded(&call.recording)));
        collapse::collapse(self, call);
        self.end(begun);
    }

    fn spread(&mut self, call: Spread<Self>) {
        let begun = self.begin("spread", |_| cost::spread(&call));
        spread::spread(self, call);
        self.end(begun);
    }

    fn loss(&mut self, call: Loss<Self>) {
        let begun = self.begin("loss", |_| cost::loss(&call, profile::scored(&call.scores)));
        loss::loss(self, call);
        self.end(begun);
    }

    fn regularise(&mut self, call: Regularise<Self>) {
        let begun = self.begin("regularise", |_| cost::regularise(&call));
        regularise::regularise(self, call);
        self.end(begun);
    }

    fn square_sum(&mut self, values: &Values, len: usize, metrics: &mut Values, slot: usize) {
        let begun = self.begin("square_sum", |_| pass(numbers::<Self>(len)));
        square_sum::square_sum(self, values, len, metrics, slot);
        self.end(begun);
    }

    fn control(
        &mut self,
        metrics: &Values,
        squares: Range<usize>,
        loss: usize,
        max_norm: Option<f64>,
        control: &mut Values,
    ) {
        let begun = self.begin("control", |_| pass(numbers::<Self>(squares.len() + 3)));
        control::control(self, metrics, squares, loss, max_norm, control);
        self.end(begun);
    }

    fn scale(&mut self, from: Option<&Values>, factor: f64, len: usize, values: &mut Values) {
        let begun = self.begin("scale", |_| pass(numbers::<Self>(2 * len)));
        scale::scale(self, from, factor, len, values);
        self.end(begun);
    }

    fn add(&mut self, from: &Values, len: usize, values: &mut Values) {
        let begun = self.begin("add", |_| pass(numbers::<Self>(3 * len)));
        scale::add(self, from, len, values);
        self.end(begun);
    }

    fn dropout(&mut self, call: Dropout<Self>) {
        let begun = self.begin("dropout", |_| cost::dropout(&call, call.spikes.kind));
        dropout::dropout(self, call);
        self.end(begun);
    }

    fn dropout_backward(&mut self, call: DropoutBackward<Self>) {
        let begun = self.begin("dropout_backward", |_| cost::dropout_backward(&call));
        dropout::dropout_backward(self, call);
        self.end(begun);
    }

    fn normalise(&mut self, call: Normalise<Self>) {
        let begun = self.begin("normalise", |_| cost::normalise(&call));
        normalise::normalise(self, call);
        self.end(begun);
    }

    fn normalise_backward(&mut self, call: NormaliseBackward<Self>) {
        let begun = self.begin("normalise_backward", |_| cost::normalise_backward(&call));
        normalise::normalise_backward(self, call);
        self.end(begun);
    }

    fn constrain(&mut self, call: Constrain<Self>) {
        let begun = self.begin("constrain", |_| cost::constrain(&call));
        constrain::constrain(self, call);
        self.end(begun);
    }

    fn update(&mut self, call: Update<Self>) {
        let begun = self.begin("update", |_| cost::update(&call));
        update::update(self, call);
        self.end(begun);
    }

    fn clamp(&mut self, values: &mut Values, range: Range<usize>, low: f64, high: f64) {
        let begun = self.begin("clamp", |_| pass(2.0 * numbers::<Self>(range.len())));
        clamp::clamp(self, values, range, low, high);
        self.end(begun);
    }

    fn form(&self, shape: Shape, recurrent: bool) -> (Form, Form) {
        form::form(&self.costs, &self.recorder.device.limits, shape, recurrent)
    }

    fn form_at(&self, shape: Shape, active: f64) -> Form {
        form::forward(&self.costs, &self.recorder.device.limits, shape, active)
    }

    fn expect(&mut self, activity: &mut Activity, active: f64) {
        activity.share = Some(active);
    }

    fn submit(&mut self) {
        self.recorder.submit();
    }

    fn profile(&mut self, on: bool) -> Result<()> {
        profile::set(self, on)
    }

    fn at_layer(&mut self, layer: Option<usize>) {
        profile::at_layer(self, layer);
    }

    fn take_profile(&mut self) -> Result<Profile> {
        profile::take(self)
    }

    fn allocated(&self) -> u64 {
        self.recorder.allocated()
    }

    fn peak(&self) -> u64 {
        self.recorder.peak()
    }

    fn largest_array(&self) -> u64 {
        self.recorder.device.limits.largest_array
    }

    fn fair_share(&self) -> u64 {
        FAIR_SHARE
    }

    fn leaves_drive(&self, _: Projection, _: ActivityKind) -> bool {
        // Small layers are not fused.
        false
    }

    fn leaves_gradient(&self) -> bool {
        false
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
        let limit = self.recorder.device.limits.largest_array;
        weight_gradient::bytes(projection, source, inputs, Shape { batch: samples, ..shape }, batch, limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_can_be_handed_to_another_thread() {
        fn sendable<T: Send>(_: Option<T>) {}
        // Whether there is a GPU does not matter here.
        sendable(Gpu::new(None).ok());
    }
}
