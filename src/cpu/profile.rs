//! The clock around the calls, and what they meet: nothing but a test of an option while no profile is asked for.

use super::Cpu;
use super::backward::SPARSE;
use super::float::Float;
use super::memory::{Activity, Data};
use super::surrogate::derivative;
use crate::kernels::cost::{self, Source, compact, rows};
use crate::kernels::{
    ActivityKind, Backward, Cost, Drive, KickGradient, Profile, Recording, Scores, Shape, Span, WeightGradient, When,
    constant,
};
use crate::spikes::{pad, words};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Records calls while it is on.
#[derive(Debug, Default)]
pub struct Profiler {
    record: Option<Arc<Mutex<Record>>>,
    layer: Option<usize>,
}

#[derive(Debug)]
struct Record {
    origin: Instant,
    /// Time that counting took: it is no part of what is measured.
    counting: Duration,
    spans: Vec<Span>,
}

impl Record {
    fn new() -> Self {
        Record { origin: Instant::now(), counting: Duration::ZERO, spans: Vec::new() }
    }

    /// Seconds on a clock that stands still while something is counted.
    fn now(&self) -> f64 {
        (self.origin.elapsed() - self.counting).as_secs_f64()
    }

    fn counted(&mut self, count: impl FnOnce() -> Cost) -> Cost {
        let begun = Instant::now();
        let cost = count();
        self.counting += begun.elapsed();
        cost
    }
}

fn lock(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A call that runs; its span ends where this is dropped.
pub struct Timed {
    record: Arc<Mutex<Record>>,
    span: Option<Span>,
}

impl Profiler {
    /// Begins a profile, or ends it.
    pub fn set(&mut self, on: bool) {
        self.record = on.then(|| Arc::new(Mutex::new(Record::new())));
    }

    /// The layer of the calls that follow.
    pub fn at_layer(&mut self, layer: Option<usize>) {
        self.layer = layer;
    }

    /// What was recorded; begins anew.
    pub fn take(&mut self) -> Profile {
        let Some(record) = &self.record else { return Profile::default() };
        let record = std::mem::replace(&mut *lock(record), Record::new());
        Profile { elapsed: Some(record.now()), spans: record.spans }
    }

    /// Begins the span of a call of `kernel`, whose cost `count` tells before the clock starts.
    pub fn time(&self, kernel: &'static str, count: impl FnOnce() -> Cost) -> Option<Timed> {
        let record = self.record.clone()?;
        let span = {
            let mut record = lock(&record);
            let cost = record.counted(count);
            Span { kernel, layer: self.layer, start: record.now(), duration: 0.0, cost }
        };
        Some(Timed { record, span: Some(span) })
    }
}

impl Timed {
    /// Ends the span; what its cost was besides is counted after that.
    pub fn end_with(mut self, count: impl FnOnce() -> Cost) {
        let Some(mut span) = self.span.take() else { return };
        let mut record = lock(&self.record);
        span.duration = record.now() - span.start;
        let more = record.counted(count);
        span.cost.form = more.form;
        span.cost.bytes += more.bytes;
        span.cost.operations += more.operations;
        span.cost.gathers.extend(more.gathers);
        record.spans.push(span);
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        if let Some(mut span) = self.span.take() {
            let mut record = lock(&self.record);
            span.duration = record.now() - span.start;
            record.spans.push(span);
        }
    }
}

/// What `rows` of an activity (counted with the history) hold of some samples.
pub fn source<F: Float>(activity: &Activity<F>, rows: Range<usize>, samples: Range<usize>) -> Source {
    let Shape { batch, units, .. } = activity.shape;
    fn sum<T>(data: &[T], row: usize, cells: impl Iterator<Item = usize>, count: impl Fn(&[T]) -> usize) -> f64 {
        cells.map(|cell| count(&data[cell * row..(cell + 1) * row])).sum::<usize>() as f64
    }
    let cells = rows.flat_map(|row| samples.clone().map(move |b| row * batch + b));
    let active = match &activity.data {
        Data::Raster(data) => {
            sum(data, words(units), cells, |row| row.iter().map(|word| word.count_ones() as usize).sum())
        }
        Data::Bytes(data) => sum(data, pad(units), cells, |row| row.iter().filter(|&&byte| byte != 0).count()),
        Data::Values(_) => 0.0,
    };
    Source { kind: activity.kind(), active }
}

/// The neuron-steps of an adjoint whose surrogate derivative is not 0.
pub fn sensitive<F: Float>(call: &Backward<Cpu<F>>, rows: When) -> cost::Sensitive {
    let Shape { batch, units, .. } = call.shape;
    let all = (call.range.len() * batch * units) as f64;
    if !compact(&call.model) {
        return cost::Sensitive { steps: all, by_rows: false };
    }
    let width = call.shape.row();
    let thresholds = &call.constants[constant::THETA * width..(constant::THETA + 1) * width];
    let range = call.shape.len(call.range.start)..call.shape.len(call.range.end);
    let at = call.window.step + call.range.start..call.window.step + call.range.end;
    let steps = match (&call.kicks, call.tape) {
        (Some(listing), _) => listing.kicks.count(0..batch, at) as f64,
        (None, Some(tape)) => cost::sensitive(&tape[range], thresholds, |x| derivative(call.model.surrogate, x)),
        (None, None) => all,
    };
    // Each sample chooses by its own number; this is the choice of one with the mean.
    cost::Sensitive { steps, by_rows: rows.or(|| steps * SPARSE as f64 <= all) }
}

/// What the drive of a layer reads.
pub fn read_by<F: Float>(call: &Drive<Cpu<F>>) -> Source {
    source(call.source, rows(&call.range, call.lag), 0..call.shape.batch)
}

/// What the gradient of its weights is summed from.
pub fn summed_by<F: Float>(call: &WeightGradient<Cpu<F>>) -> Source {
    source(call.source, rows(&(0..call.shape.steps), call.lag), call.samples.clone())
}

/// What is filtered for it.
pub fn filtered<F: Float>(call: &KickGradient<Cpu<F>>) -> Source {
    source(call.source, rows(&(0..call.shape.steps), call.lag), call.samples.clone())
}

/// The kind of a recording of spikes.
pub fn recorded<F: Float>(recording: &Recording<Cpu<F>>) -> ActivityKind {
    match recording {
        Recording::Potential(_) => ActivityKind::Values,
        Recording::Spikes(activity, _) => activity.kind(),
    }
}

/// The same of what a loss stands on.
pub fn scored<F: Float>(scores: &Scores<Cpu<F>>) -> ActivityKind {
    match scores {
        Scores::Samples(..) => ActivityKind::Values,
        Scores::Steps(recording, _) => recorded(recording),
    }
}
