//! Time stamps around the calls while a profile is asked for, and what the calls meet.
//!
//! A stamp is written between compute passes, when everything before it is done, so a span is the time of one call on the
//! device. Without a profile nothing of this is made.

use super::recorder::Recorder;
use super::{Activity, Gpu, Values, memory};
use crate::error::{Error, Result};
use crate::kernels::cost::{self, Source, compact, recurrence, rows};
use crate::kernels::{
    ActivityKind, Backward, Cost, Drive, Forward, Profile, Recording, Scores, Shape, Span, WeightGradient, constant,
};
use crate::surrogate::derivative;
use std::ops::Range;

/// Stamps of a query set.
const STAMPS: u32 = 4096;
/// What an adapter must have.
pub(super) const FEATURES: wgpu::Features =
    wgpu::Features::TIMESTAMP_QUERY.union(wgpu::Features::TIMESTAMP_QUERY_INSIDE_ENCODERS);

/// Records calls while it is on.
#[derive(Default)]
pub(super) struct Profiler {
    on: bool,
    layer: Option<usize>,
    sets: Vec<wgpu::QuerySet>,
    spans: Vec<Span>,
    /// Whether a span is open: calls inside a call are part of it.
    open: bool,
}

impl Gpu {
    /// Begins the span of a call of `kernel`, whose cost `count` tells before; whether there is one.
    pub(super) fn begin(&mut self, kernel: &'static str, count: impl FnOnce(&mut Gpu) -> Cost) -> bool {
        if !self.profiler.on || self.profiler.open {
            return false;
        }
        let cost = count(self);
        let layer = self.profiler.layer;
        self.profiler.spans.push(Span { kernel, layer, start: 0.0, duration: 0.0, cost });
        self.profiler.open = true;
        self.stamp(0);
        true
    }

    /// Ends the span that [`Gpu::begin`] began.
    pub(super) fn end(&mut self, begun: bool) {
        if begun {
            self.stamp(1);
            self.profiler.open = false;
        }
    }

    /// Adds to the cost of the last span, and names its form.
    pub(super) fn also(&mut self, begun: bool, form: &'static str, count: impl FnOnce(&mut Gpu) -> Option<Cost>) {
        if !begun {
            return;
        }
        let more = count(self);
        if let Some(span) = self.profiler.spans.last_mut() {
            span.cost.form = form;
            if let Some(more) = more {
                span.cost.bytes += more.bytes;
                span.cost.operations += more.operations;
                span.cost.gathers.extend(more.gathers);
            }
        }
    }

    /// Adds what recurrence costs to the span of a forward call whose spikes are there.
    pub(super) fn recurrence(&mut self, begun: bool, call: &Forward<Gpu>) {
        let (Some(_), Some(spikes)) = (&call.recurrent, &call.spikes) else { return };
        self.also(begun, call.form.name(), |gpu| {
            let source = source(gpu, spikes, rows(&call.range, call.model.recurrent_lag), 0..call.shape.batch);
            Some(recurrence::<Gpu>(call.shape, call.range.len(), source))
        });
    }

    fn stamp(&mut self, which: u32) {
        let last = self.profiler.spans.len() as u32 - 1;
        let (set, index) = (2 * last / STAMPS, 2 * last % STAMPS + which);
        if self.profiler.sets.len() as u32 <= set {
            let descriptor =
                wgpu::QuerySetDescriptor { label: Some("profile"), ty: wgpu::QueryType::Timestamp, count: STAMPS };
            self.profiler.sets.push(self.recorder.device.device.create_query_set(&descriptor));
        }
        self.recorder.stamp(&self.profiler.sets[set as usize], index);
    }
}

/// See [`crate::kernels::Kernels::profile`].
pub(super) fn set(gpu: &mut Gpu, on: bool) -> Result<()> {
    if on && !gpu.recorder.device.device.features().contains(FEATURES) {
        let name = &gpu.recorder.device.info.name;
        return Err(Error::Device(format!("{name} cannot measure the time of its kernels: profile on the device cpu")));
    }
    gpu.profiler = Profiler { on, layer: gpu.profiler.layer, ..Profiler::default() };
    Ok(())
}

pub(super) fn at_layer(gpu: &mut Gpu, layer: Option<usize>) {
    gpu.profiler.layer = layer;
}

/// See [`crate::kernels::Kernels::take_profile`].
pub(super) fn take(gpu: &mut Gpu) -> Result<Profile> {
    let (sets, mut spans) = (std::mem::take(&mut gpu.profiler.sets), std::mem::take(&mut gpu.profiler.spans));
    let mut stamps = Vec::new();
    for (at, set) in sets.iter().enumerate() {
        let count = (2 * spans.len() as u32 - at as u32 * STAMPS).min(STAMPS);
        stamps.extend(gpu.recorder.stamps(set, count)?);
    }
    let first = stamps.first().copied().unwrap_or(0);
    let second = |stamp: u64| stamp.saturating_sub(first) as f64 * gpu.recorder.stamp_seconds();
    for (span, pair) in spans.iter_mut().zip(stamps.chunks_exact(2)) {
        span.start = second(pair[0]);
        span.duration = (second(pair[1]) - span.start).max(0.0);
    }
    Ok(Profile { spans, elapsed: None })
}

impl Recorder {
    /// Keeps what went wrong while something was counted for the next read.
    fn or_nothing<T: Default>(&mut self, read: Result<T>) -> T {
        read.unwrap_or_else(|error| {
            self.refuse(error);
            T::default()
        })
    }
}

/// What `rows` of an activity (counted with the history) hold of some samples.
pub(super) fn source(gpu: &mut Gpu, activity: &Activity, rows: Range<usize>, samples: Range<usize>) -> Source {
    if !activity.is_spikes() {
        return Source { kind: activity.kind, active: 0.0 };
    }
    let (batch, row) = (activity.shape.batch, activity.row() * 4);
    let step = (batch * row) as u64;
    let bytes = gpu.recorder.read(&activity.array, rows.start as u64 * step, rows.len() as u64 * step);
    let bytes = gpu.recorder.or_nothing(bytes);
    let of = |byte: &u8| if activity.is_raster() { byte.count_ones() as usize } else { usize::from(*byte != 0) };
    let cells = bytes.chunks_exact(row.max(1)).enumerate().filter(|(cell, _)| samples.contains(&(cell % batch)));
    let active = cells.map(|(_, row)| row.iter().map(of).sum::<usize>()).sum::<usize>() as f64;
    Source { kind: activity.kind, active }
}

/// What the drive of a layer reads.
pub(super) fn read_by(gpu: &mut Gpu, call: &Drive<Gpu>) -> Source {
    source(gpu, call.source, rows(&call.range, call.lag), 0..call.shape.batch)
}

/// What the gradient of its weights is summed from.
pub(super) fn summed_by(gpu: &mut Gpu, call: &WeightGradient<Gpu>) -> Source {
    source(gpu, call.source, rows(&(0..call.shape.steps), call.lag), call.samples.clone())
}

/// The neuron-steps of an adjoint whose surrogate derivative is not 0.
pub(super) fn sensitive(gpu: &mut Gpu, call: &Backward<Gpu>) -> cost::Sensitive {
    // How fast rows are gathered is not known on a GPU.
    let all = |steps: f64| cost::Sensitive { steps, by_rows: false };
    let Shape { batch, units, .. } = call.shape;
    if !compact(&call.model) {
        return all((call.range.len() * batch * units) as f64);
    }
    let width = call.shape.row();
    let mut numbers = |values: &Values, range: Range<usize>| {
        let read = memory::read(gpu, values, range);
        gpu.recorder.or_nothing(read)
    };
    let thresholds = numbers(call.constants, constant::THETA * width..(constant::THETA + 1) * width);
    let Some(tape) = call.tape else { return all(0.0) };
    let potentials = numbers(tape, call.shape.len(call.range.start)..call.shape.len(call.range.end));
    if thresholds.is_empty() {
        return all(0.0);
    }
    all(cost::sensitive(&potentials, &thresholds, |x| derivative(call.model.surrogate, x)))
}

/// The kind of a recording of spikes.
pub(super) fn recorded(recording: &Recording<Gpu>) -> ActivityKind {
    match recording {
        Recording::Potential(_) => ActivityKind::Values,
        Recording::Spikes(activity, _) => activity.kind,
    }
}

/// The same of what a loss stands on.
pub(super) fn scored(scores: &Scores<Gpu>) -> ActivityKind {
    match scores {
        Scores::Samples(..) => ActivityKind::Values,
        Scores::Steps(recording, _) => recorded(recording),
    }
}
