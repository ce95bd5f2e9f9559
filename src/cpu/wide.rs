//! A feed-forward layer whose weights do not fit the second-level cache, in strips of columns: a neuron without recurrence
//! only sees its own column of W, so a strip walks all samples and many steps while its weights stay in the cache. The order
//! of the sums is that of [`super::forward`], and so are the bits.

use super::active::{Finder, Log};
use super::bits::push_bits;
use super::drive::Source;
use super::float::Float;
use super::forward::{Call, Input, Kept};
use super::linear::{Work, add_rows, dispatch};
use super::memory::{Activity, Data, List, Shared, prefetch, unpack};
use super::neuron::{repeat, step_row};
use super::scratch::{Room, Scratch};
use crate::kernels::{Firing, HISTORY, Projection, constant, plane};
use crate::spikes::words;
use pulp::Simd;
use rayon::prelude::*;
use std::ops::Range;

/// Bytes of weights from which on a layer is cut.
const WIDE: usize = 512 << 10;
/// Columns of a strip: its weights are a quarter of a megabyte for a thousand inputs.
const COLUMNS: usize = 64;
/// Samples that a strip holds side by side.
const SAMPLES: usize = 8;
/// Rows whose events are listed before the strips walk them, and rows of a task that lists them.
const ROWS: usize = 4096;
const LISTED: usize = 128;
/// Fewest rows for which copying the weights of a strip pays.
const FEWEST: usize = 256;

/// The events of some rows, one after the other.
#[derive(Debug, Default)]
pub struct Lists {
    index: Vec<u32>,
    ends: Vec<u32>,
}

impl Lists {
    fn row<F>(&self, row: usize) -> List<'_, F> {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        List { index: &self.index[start as usize..self.ends[row] as usize], value: None }
    }
}

/// The source of a layer that is cut into strips, if it is one.
pub fn source<'a, F: Float>(call: &Call<'a, F>, spikes: Option<&Activity<F>>) -> Option<Source<'a, F>> {
    let (Input::Source(source), Some(spikes)) = (call.input, spikes) else { return None };
    let model = &call.model;
    let plain = call.recurrent.is_none()
        && call.reduce.is_none()
        && call.held.is_none()
        && model.snippet.is_none()
        && model.spiking
        && !model.keeps_current()
        && !matches!(model.firing, Firing::Multi { .. });
    let bits = matches!((&source.activity.data, &spikes.data), (Data::Raster(_), Data::Raster(_)));
    let width = call.shape.row();
    let wide = source.inputs * width * size_of::<F>() > WIDE && width > COLUMNS;
    let many = call.range.len() * call.shape.batch >= FEWEST;
    (plain && bits && source.projection == Projection::Dense && call.strips.or(|| wide && many)).then_some(source)
}

/// Runs such a layer over all samples. `planes` are those of the samples.
pub fn forward<F: Float>(
    call: &Call<F>,
    source: Source<F>,
    spikes: &mut Activity<F>,
    kept: Kept<F>,
    planes: &mut [F],
    room: &mut Room<F>,
) {
    let (batch, width) = (call.shape.batch, call.shape.row());
    let Data::Raster(raster) = &mut spikes.data else { return };
    let Kept { tape, logs } = kept;
    let Room { lists, active, .. } = room;
    let strips = if logs.is_empty() { 0 } else { width.div_ceil(COLUMNS) };
    if active.len() < strips {
        active.resize_with(strips, Log::default);
    }
    let (raster, tape, planes) = (Shared::new(raster.as_mut_slice()), tape.map(Shared::new), Shared::new(planes));
    let Data::Raster(bits) = &source.activity.data else { return };
    let row = words(source.inputs);
    let span = (ROWS / batch).max(1);
    for start in call.range.clone().step_by(span) {
        let steps = start..(start + span).min(call.range.end);
        let rows = steps.len() * batch;
        let wanted = rows.div_ceil(LISTED);
        if lists.len() < wanted {
            lists.resize_with(wanted, Lists::default);
        }
        let from = (HISTORY + start - source.lag) * batch;
        lists[..wanted].par_iter_mut().enumerate().for_each(|(index, lists)| {
            let first = index * LISTED;
            let count = LISTED.min(rows - first);
            dispatch(Listing { words: &bits[(from + first) * row..][..count * row], row, lists });
        });
        let lists = &lists[..wanted];
        let own = Shared::new(&mut active[..strips]);
        (0..width.div_ceil(COLUMNS)).into_par_iter().for_each(|strip| {
            let from = strip * COLUMNS;
            let columns = from..(from + COLUMNS).min(width);
            let (raster, tape, planes, steps) = (&raster, tape.as_ref(), &planes, steps.clone());
            // SAFETY: each strip has its own.
            let log = unsafe { own.slice(if strips > 0 { strip } else { 0 }, strips.min(1)) }.first_mut();
            F::with_scratch(|scratch| {
                dispatch(Strip { call, source, lists, raster, tape, planes, steps, columns, log, scratch });
            });
        });
        join(&active[..strips], logs, steps.len());
    }
}

/// Adds the active neurons of the strips to those of each sample. A strip has walked some samples over so many steps, then the
/// next ones.
fn join<F: Float>(strips: &[Log<F>], logs: &mut [Log<F>], steps: usize) {
    let batch = logs.len();
    logs.par_iter_mut().enumerate().for_each(|(b, log)| {
        let first = b / SAMPLES * SAMPLES;
        let samples = SAMPLES.min(batch - first);
        for t in 0..steps {
            let row = first * steps + t * samples + b - first;
            log.join(strips.iter().map(|strip| strip.derivatives(row)));
        }
    });
}

/// Lists the events of some rows.
struct Listing<'a> {
    words: &'a [u32],
    row: usize,
    lists: &'a mut Lists,
}

impl Work for Listing<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Lists { index, ends } = self.lists;
        index.clear();
        ends.clear();
        for words in self.words.chunks_exact(self.row) {
            for (w, &word) in words.iter().enumerate() {
                push_bits(simd, index, w as u32 * 32, word);
            }
            ends.push(index.len() as u32);
        }
    }
}

struct Strip<'a, F: Float> {
    call: &'a Call<'a, F>,
    source: Source<'a, F>,
    lists: &'a [Lists],
    raster: &'a Shared<'a, u32>,
    tape: Option<&'a Shared<'a, F>>,
    planes: &'a Shared<'a, F>,
    steps: Range<usize>,
    columns: Range<usize>,
    /// Where its active neurons go, if they are listed.
    log: Option<&'a mut Log<F>>,
    scratch: &'a mut Scratch<F>,
}

impl<F: Float> Work for Strip<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Strip { call, source, lists, raster, tape, planes, steps, columns, mut log, scratch } = self;
        if let Some(log) = &mut log {
            log.clear();
        }
        let (model, batch, width) = (&call.model, call.shape.batch, call.shape.row());
        let (first_column, count) = (columns.start, columns.len());
        let finder = Finder::new(model.surrogate);
        let Scratch { forward, strip, sums, .. } = scratch;
        let strip = strip.grow(F::ZERO, source.inputs * count);
        for (to, from) in strip.chunks_exact_mut(count).zip(source.weights.chunks_exact(width)) {
            to.copy_from_slice(&from[columns.clone()]);
        }
        let k = repeat(call.constants, width, columns.clone(), SAMPLES, model.reset_potential, sums);
        let (bias, row_words) = (&call.constants[constant::BIAS * width..][columns], width / 32);
        for first in (0..batch).step_by(SAMPLES) {
            let samples = SAMPLES.min(batch - first);
            let [x, v, i, s, kept] = forward.rows(samples * count);
            let k = k.first(samples * count);
            // SAFETY: below, columns of this strip, which nobody else touches.
            let state = |m: usize, plane: usize| unsafe {
                planes.slice(((first + m) * plane::PLANES + plane) * width + first_column, count)
            };
            let spikes = |row: usize, m: usize| unsafe {
                raster.slice((row * batch + first + m) * row_words + first_column / 32, count / 32)
            };
            let place = |t: usize, m: usize| (t * batch + first + m) * width + first_column;
            for m in 0..samples {
                let at = m * count..(m + 1) * count;
                v[at.clone()].copy_from_slice(state(m, plane::POTENTIAL));
                i[at.clone()].copy_from_slice(state(m, plane::CURRENT));
                unpack(simd, spikes(HISTORY + steps.start - 1, m), &mut s[at]);
            }
            for t in steps.clone() {
                for (m, x) in x.chunks_exact_mut(count).enumerate() {
                    let row = (t - steps.start) * batch + first + m;
                    let list = lists[row / LISTED].row(row % LISTED);
                    add_rows(simd, x, Some(bias), [(&*strip, count, list)]);
                    if let Some(tape) = tape {
                        // SAFETY: as above; only asked for.
                        prefetch(unsafe { tape.slice(place(t, m), count) });
                    }
                }
                step_row(model.reset, model.lag, k, x, s, i, v, kept);
                for m in 0..samples {
                    let at = m * count..(m + 1) * count;
                    if let Some(tape) = tape {
                        // SAFETY: as above.
                        unsafe { tape.slice(place(t, m), count) }.copy_from_slice(&kept[at.clone()]);
                    }
                    let (v, theta, s) = (&v[at.clone()], &k.theta[at.clone()], &mut s[at]);
                    for (w, word) in spikes(HISTORY + t, m).iter_mut().enumerate() {
                        let at = w * 32..w * 32 + 32;
                        *word = F::fire_word(simd, model.inclusive, &v[at.clone()], &theta[at.clone()], &mut s[at]);
                    }
                    if let Some(log) = &mut log {
                        log.find(simd, finder, first_column as u32, (v, theta));
                    }
                }
            }
            for m in 0..samples {
                let at = m * count..(m + 1) * count;
                state(m, plane::POTENTIAL).copy_from_slice(&v[at.clone()]);
                state(m, plane::CURRENT).copy_from_slice(&i[at]);
            }
        }
    }
}
