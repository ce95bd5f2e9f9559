//! The neuron over a range of steps, with its recurrence, and fused with its drive. See [`crate::kernels::Forward`].
//!
//! A sample never sees another, so blocks of a few samples run side by side, as many as make rows of a useful length; a
//! block walks its steps with its state in the cache: drive (weight rows of the active inputs, then of each sample's own
//! earlier spikes), update, threshold.

use super::active::{Finder, Log};
use super::drive::Source;
use super::float::Float;
use super::linear::{Work, add_rows, dispatch};
use super::memory::{Activity, Aligned, Data, Events, Shared, prefetch, unpack};
use super::multi;
use super::neuron::{Block, step_row};
use super::scratch::Room;
use super::snippet::{Own, Place};
use super::surrogate::primitive;
use super::wide;
use crate::kernels::{Firing, HISTORY, Model, NEVER, Shape, When, Window, plane};
use crate::network::Reduce;
use crate::spikes::words;
use pulp::Simd;
use rayon::prelude::*;
use std::ops::Range;

/// Where X comes from.
#[derive(Clone, Copy)]
pub enum Input<'a, F> {
    /// Computed beforehand, `[T][B][np]`.
    Drive(&'a [F]),
    /// Computed row by row.
    Source(Source<'a, F>),
}

/// Everything that the samples share.
pub struct Call<'a, F: Float> {
    /// Switches.
    pub model: Model,
    /// Shape.
    pub shape: Shape,
    /// Where the arrays over time lie in the batch.
    pub window: Window,
    /// Steps.
    pub range: Range<usize>,
    /// X.
    pub input: Input<'a, F>,
    /// Constants `[5][np]`.
    pub constants: &'a [F],
    /// Recurrent weights `[n][np]`.
    pub recurrent: Option<&'a [F]>,
    /// Readout reduction.
    pub reduce: Option<Reduce>,
    /// S_{t-1} of each step where it resets, `[T][B][np]` of the whole batch, if that is not the network's own (the audit of a detached reset).
    pub held: Option<&'a [F]>,
    /// Whether a layer without recurrence runs in strips.
    pub strips: When,
}

/// What is kept for the adjoint.
pub struct Kept<'a, F> {
    /// V, and what else a tape holds.
    pub tape: Option<&'a mut [F]>,
    /// The active neurons of each sample; empty where they are not listed.
    pub logs: &'a mut [Log<F>],
}

/// What is written, each sample its own rows.
struct Written<'a, F> {
    raster: Option<Shared<'a, u32>>,
    values: Option<Shared<'a, F>>,
    bytes: Option<Shared<'a, u8>>,
    tape: Option<Shared<'a, F>>,
    /// The snippet's planes.
    tail: Shared<'a, F>,
    /// Length of a sample's row of values.
    width: usize,
}

/// Rows of a block that a thread works in.
#[derive(Default)]
pub struct Scratch<F> {
    x: Aligned<F>,
    v: Aligned<F>,
    i: Aligned<F>,
    /// S of the step before, as numbers.
    s: Aligned<F>,
    /// Where the tape goes that nobody keeps.
    nowhere: Aligned<F>,
    /// States and thresholds of a snippet.
    z: Aligned<F>,
    theta: Aligned<F>,
    /// The reduction of the readout: activation and step.
    reduced: [Aligned<F>; 2],
    /// Events of a row of the source.
    pub events: Events<F>,
    /// Events of each sample's own spikes of the last three steps.
    own: [Vec<Events<F>>; 3],
}

impl<F: Float> Scratch<F> {
    /// X, V, I, S and tape of a block of `len` numbers.
    pub fn rows(&mut self, len: usize) -> [&mut [F]; 5] {
        let Scratch { x, v, i, s, nowhere, .. } = self;
        [x, v, i, s, nowhere].map(|row| row.grow(F::ZERO, len))
    }

    /// Makes room for a block of samples.
    fn fit(&mut self, samples: usize, width: usize, states: usize) {
        let Scratch { x, v, i, s, nowhere, z, theta, reduced: [activation, step], own, .. } = self;
        for row in [x, v, i, s, nowhere, theta, activation, step] {
            row.grow(F::ZERO, samples * width);
        }
        z.grow(F::ZERO, states * samples * width);
        for own in own {
            if own.len() < samples {
                own.resize_with(samples, Events::default);
            }
        }
    }
}

/// Runs the layer over all samples.
pub fn forward<F: Float>(
    call: Call<F>,
    mut spikes: Option<&mut Activity<F>>,
    kept: Kept<F>,
    planes: &mut [F],
    smooth: bool,
    room: &mut Room<F>,
) {
    let width = call.shape.row();
    let strips = wide::source(&call, spikes.as_deref()).filter(|_| !smooth);
    if let (Some(source), Some(spikes)) = (strips, spikes.as_deref_mut()) {
        let planes = &mut planes[plane::PLANES * width * call.window.sample..][..plane::PLANES * call.shape.len(1)];
        return wide::forward(&call, source, spikes, kept, planes, room);
    }
    let (mut raster, mut values, mut bytes) = (None, None, None);
    match spikes.map(|activity| &mut activity.data) {
        Some(Data::Raster(data)) => raster = Some(Shared::new(data.as_mut_slice())),
        Some(Data::Values(data)) => values = Some(Shared::new(&mut data[..])),
        Some(Data::Bytes(data)) => bytes = Some(Shared::new(data.as_mut_slice())),
        None => {}
    }
    let (planes, tail) = planes.split_at_mut(plane::PLANES * call.window.planes(call.shape).len(1));
    let planes = &mut planes[plane::PLANES * width * call.window.sample..][..plane::PLANES * call.shape.len(1)];
    let Kept { tape, logs } = kept;
    let (listed, logs) = (!logs.is_empty(), Shared::new(logs));
    let written = Written { raster, values, bytes, tape: tape.map(Shared::new), tail: Shared::new(tail), width };
    let Room { rows, own, .. } = room;
    let block = Block::new(call.constants, width, call.model.reset_potential, rows);
    let own =
        call.model.snippet.map(|snippet| Own::new(snippet, &call.model, call.constants, width, block.samples, own));
    let states = own.as_ref().map_or(0, Own::states);
    let own = own.as_ref();
    planes.par_chunks_mut(block.samples * plane::PLANES * width).enumerate().for_each(|(index, planes)| {
        let first = index * block.samples;
        let samples = planes.len() / (plane::PLANES * width);
        let (call, written, block) = (&call, &written, &block);
        // SAFETY: each sample is of one block.
        let logs = unsafe { logs.slice(if listed { first } else { 0 }, if listed { samples } else { 0 }) };
        F::with_scratch(|scratch| {
            let scratch = &mut scratch.forward;
            scratch.fit(block.samples, width, states);
            dispatch(Tile { call, written, block, own, first, samples, planes, logs, scratch, smooth });
        });
    });
}

struct Tile<'a, 'b, F: Float> {
    call: &'a Call<'a, F>,
    written: &'a Written<'a, F>,
    block: &'a Block<'a, F>,
    own: Option<&'a Own<'a, F>>,
    first: usize,
    samples: usize,
    planes: &'b mut [F],
    /// The active neurons of the samples, where they are listed.
    logs: &'b mut [Log<F>],
    scratch: &'b mut Scratch<F>,
    smooth: bool,
}

impl<F: Float> Work for Tile<'_, '_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Tile { call, written, block, own: snippet, first, samples, planes, logs, scratch, smooth } = self;
        let (model, shape, window) = (&call.model, call.shape, call.window);
        let (width, batch) = (shape.row(), shape.batch);
        let len = samples * width;
        let k = block.constants().first(len);
        let finder = Finder::new(model.surrogate);
        let Scratch { x, v, i, s, nowhere, z, theta, reduced, events, own } = scratch;
        let (x, v, i, s) = (&mut x[..len], &mut v[..len], &mut i[..len], &mut s[..len]);
        let [activation, step] = reduced;
        let (activation, step) = (&mut activation[..len], &mut step[..len]);
        let rows = [
            (plane::POTENTIAL, &mut *v),
            (plane::CURRENT, &mut *i),
            (plane::ACTIVATION, &mut *activation),
            (plane::STEP, &mut *step),
        ];
        for (plane, row) in rows {
            for (row, planes) in row.chunks_exact_mut(width).zip(planes.chunks_exact(plane::PLANES * width)) {
                row.copy_from_slice(&planes[plane * width..][..width]);
            }
        }
        let place = Place { first: window.sample + first, len };
        if let Some(snippet) = snippet {
            snippet.load(&written.tail, window.planes(shape), place, v, z);
            if call.range.start == 0 {
                snippet.store(&written.tail, window.planes(shape), place, z, true);
            }
        }
        // Own spikes of the two steps before the range, the newer one last.
        for back in [2, 1] {
            let row = HISTORY + call.range.start - back;
            written.read(simd, row, first, batch, shape.units, s, &mut own[row % 3][..samples]);
        }
        for t in call.range.clone() {
            let row = HISTORY + t;
            let at = (t * batch + first) * width;
            let recurrent = call.recurrent.map(|recurrent| (recurrent, &own[(row - model.recurrent_lag) % 3]));
            for (m, x) in x.chunks_exact_mut(width).enumerate() {
                let own = recurrent.map(|(recurrent, own)| (recurrent, &own[m]));
                match call.input {
                    Input::Source(source) => source.row(simd, t, first + m, shape.units, events, x, own),
                    Input::Drive(drive) => {
                        let drive = &drive[at + m * width..][..width];
                        match own {
                            Some((rows, own)) => add_rows(simd, x, Some(drive), [(rows, width, own.list())]),
                            None => x.copy_from_slice(drive),
                        }
                    }
                }
            }
            let mut tape_v = &mut nowhere[..len];
            let mut tape_i = None;
            if let Some(tape) = &written.tape {
                // SAFETY: rows of this block's samples.
                tape_v = unsafe { tape.slice(at, len) };
                if t + 1 < call.range.end {
                    // SAFETY: as above; only asked for.
                    prefetch(unsafe { tape.slice(at + batch * width, len) });
                }
                if model.keeps_current() {
                    let states = snippet.map_or(1, Own::states);
                    // SAFETY: as above.
                    tape_i = Some(unsafe { tape.slice(at + states * shape.steps * batch * width, len) });
                }
            }
            let r = call.held.map_or(&s[..], |held| {
                &held[((window.step + t) * window.samples + window.sample + first) * width..][..len]
            });
            let theta = match snippet {
                None => {
                    step_row(model.reset, model.lag, k, x, r, i, v, tape_v);
                    k.theta
                }
                Some(snippet) => {
                    drive_row(model.lag, k.alpha, i, x);
                    snippet.step((s, r), x, z, &mut theta[..len]);
                    v.copy_from_slice(&z[..len]);
                    tape_v.copy_from_slice(v);
                    written.keep_states(model, shape, at, snippet, z, x);
                    &theta[..len]
                }
            };
            if let Some(tape_i) = tape_i {
                tape_i.copy_from_slice(i);
            }
            if model.spiking {
                let own = call.recurrent.is_some().then_some(&mut own[row % 3][..samples]);
                if smooth {
                    soften(model, v, theta, s);
                    written.keep_values(row, first, batch, s, own);
                } else if let Firing::Multi { most, .. } = model.firing {
                    multi::count_row(model.inclusive, most, v, theta, s);
                    written.keep_counts(row, first, batch, s, own);
                } else {
                    written.threshold(simd, model.inclusive, row, first, batch, (v, theta), s, own);
                }
            }
            for (log, (v, theta)) in logs.iter_mut().zip(v.chunks_exact(width).zip(theta.chunks_exact(width))) {
                log.find(simd, finder, 0, (v, theta));
            }
            if let Some(reduce) = call.reduce {
                reduce_row(reduce, window.step + t, window.steps, v, activation, step);
            }
        }
        if let Some(snippet) = snippet {
            snippet.store(&written.tail, window.planes(shape), place, z, false);
        }
        let rows =
            [(plane::POTENTIAL, &*v), (plane::CURRENT, &*i), (plane::ACTIVATION, &*activation), (plane::STEP, &*step)];
        let kept = if call.reduce.is_some() { rows.len() } else { 2 };
        for (plane, row) in &rows[..kept] {
            for (row, planes) in row.chunks_exact(width).zip(planes.chunks_exact_mut(plane::PLANES * width)) {
                planes[plane * width..][..width].copy_from_slice(row);
            }
        }
    }
}

/// Carries the synapse on by one step; `x` becomes J_t from X_t.
#[inline(always)]
fn drive_row<F: Float>(lag: usize, alpha: &[F], i: &mut [F], x: &mut [F]) {
    for j in 0..x.len() {
        let before = i[j];
        i[j] = alpha[j].fma(before, x[j]);
        x[j] = if lag == 1 { before } else { i[j] };
    }
}

/// `s` becomes the smooth stand-in for the step function; 0 for padding.
#[inline(always)]
pub fn soften<F: Float>(model: &Model, v: &[F], theta: &[F], s: &mut [F]) {
    let never = F::from_f64(NEVER);
    let periodic = matches!(model.firing, Firing::Multi { periodic: true, .. });
    for ((s, &v), &theta) in s.iter_mut().zip(v).zip(theta) {
        *s = match theta < never {
            true if periodic => multi::primitive(model.surrogate, v, theta),
            true => primitive(model.surrogate, v - theta),
            false => F::ZERO,
        };
    }
}

impl<F: Float> Written<'_, F> {
    /// Thresholds a row of a block, writes it as bits (or values), and lists each sample's events.
    #[inline(always)]
    fn threshold<S: Simd>(
        &self,
        simd: S,
        inclusive: bool,
        row: usize,
        first: usize,
        batch: usize,
        (v, theta): (&[F], &[F]),
        s: &mut [F],
        own: Option<&mut [Events<F>]>,
    ) {
        let Some(raster) = &self.raster else {
            for at in (0..s.len()).step_by(32) {
                F::fire_word(simd, inclusive, &v[at..], &theta[at..], &mut s[at..]);
            }
            return self.keep_values(row, first, batch, s, own);
        };
        let width = self.width / 32;
        // SAFETY: rows of this block's samples.
        let out = unsafe { raster.slice((row * batch + first) * width, s.len() / 32) };
        for (at, out) in out.iter_mut().enumerate() {
            *out = F::fire_word(simd, inclusive, &v[at * 32..], &theta[at * 32..], &mut s[at * 32..]);
        }
        if let Some(own) = own {
            for (own, words) in own.iter_mut().zip(out.chunks_exact(width)) {
                own.decode(simd, words);
            }
        }
    }

    /// Writes a row of counted spikes and lists each sample's events.
    #[inline(always)]
    fn keep_counts(&self, row: usize, first: usize, batch: usize, s: &[F], own: Option<&mut [Events<F>]>) {
        let Some(bytes) = &self.bytes else { return self.keep_values(row, first, batch, s, own) };
        // SAFETY: rows of this block's samples.
        let out = unsafe { bytes.slice((row * batch + first) * self.width, s.len()) };
        for (out, s) in out.iter_mut().zip(s) {
            *out = s.to_f64() as u8;
        }
        if let Some(own) = own {
            for (own, out) in own.iter_mut().zip(out.chunks_exact(self.width)) {
                own.tally(out);
            }
        }
    }

    /// Writes a row of graded spikes and lists each sample's events.
    #[inline(always)]
    fn keep_values(&self, row: usize, first: usize, batch: usize, s: &[F], own: Option<&mut [Events<F>]>) {
        if let Some(values) = &self.values {
            // SAFETY: rows of this block's samples.
            unsafe { values.slice((row * batch + first) * self.width, s.len()) }.copy_from_slice(s);
        }
        if let Some(own) = own {
            for (own, s) in own.iter_mut().zip(s.chunks_exact(self.width)) {
                own.grade(s);
            }
        }
    }

    /// Keeps a snippet's states but V, and J where the adjoint reads it; `at` is the place of the row on a tape of V.
    #[inline(always)]
    fn keep_states(&self, model: &Model, shape: Shape, at: usize, own: &Own<F>, z: &[F], drive: &[F]) {
        let Some(tape) = &self.tape else { return };
        let (len, whole) = (drive.len(), shape.len(shape.steps));
        for state in 1..own.states() {
            // SAFETY: rows of this block's samples.
            let row = unsafe { tape.slice(state * whole + at, len) };
            row.copy_from_slice(&z[state * own.stride()..][..len]);
        }
        if model.keeps_drive() {
            // SAFETY: as above.
            let row = unsafe { tape.slice((model.tapes() - 1) * whole + at, len) };
            row.copy_from_slice(drive);
        }
    }

    /// Reads a row of spikes as numbers and as events; 0 where the layer has none.
    #[inline(always)]
    fn read<S: Simd>(
        &self,
        simd: S,
        row: usize,
        first: usize,
        batch: usize,
        units: usize,
        s: &mut [F],
        own: &mut [Events<F>],
    ) {
        for (m, (s, own)) in s.chunks_exact_mut(self.width).zip(own).enumerate() {
            let at = row * batch + first + m;
            if let Some(raster) = &self.raster {
                let width = words(units);
                // SAFETY: a row of this block's samples.
                let words = unsafe { raster.slice(at * width, width) };
                own.decode(simd, words);
                unpack(simd, words, s);
            } else if let Some(values) = &self.values {
                // SAFETY: a row of this block's samples.
                s.copy_from_slice(unsafe { values.slice(at * self.width, self.width) });
                own.grade(&s[..units]);
            } else if let Some(bytes) = &self.bytes {
                // SAFETY: a row of this block's samples.
                let bytes = unsafe { bytes.slice(at * self.width, self.width) };
                for (s, &byte) in s.iter_mut().zip(bytes.iter()) {
                    *s = F::from_bit(byte.into());
                }
                own.tally(bytes);
            } else {
                s.fill(F::ZERO);
            }
        }
    }
}

/// Carries the reduction of the readout on by one step.
#[inline(always)]
fn reduce_row<F: Float>(reduce: Reduce, t: usize, steps: usize, v: &[F], activation: &mut [F], step: &mut [F]) {
    let n = v.len();
    let (activation, step) = (&mut activation[..n], &mut step[..n]);
    match reduce {
        Reduce::Max => {
            if t == 0 {
                activation.copy_from_slice(v);
                step.fill(F::ZERO);
                return;
            }
            let now = F::from_f64(t as f64);
            for j in 0..n {
                // Written whether they change or not: a conditional store is a masked one, which is slow. `v − v` is 0
                // for a number and lets one that is not come through.
                #[allow(clippy::eq_op)]
                let anomaly = v[j] - v[j];
                let before = activation[j];
                let better = if v[j] > before { F::ONE } else { F::ZERO };
                activation[j] = before.max(v[j]) + anomaly;
                step[j] = better.fma(now - step[j], step[j]);
            }
        }
        Reduce::Sum | Reduce::Mean => {
            let share = if reduce == Reduce::Mean { F::from_f64(1.0 / steps as f64) } else { F::ONE };
            for j in 0..n {
                let before = if t == 0 { F::ZERO } else { activation[j] };
                activation[j] = share.fma(v[j], before);
            }
        }
        Reduce::Last => activation.copy_from_slice(v),
    }
}
