//! The neuron over a range of steps, with its recurrence, and fused with its drive. See [`crate::kernels::Forward`].
//!
//! A sample never sees another, so samples run side by side; a sample walks its steps with its state in the cache:
//! drive (weight rows of the active inputs, then of its own earlier spikes), update, threshold, all on one row.

use super::drive::Source;
use super::float::Float;
use super::linear::{Work, add_rows, dispatch};
use super::memory::{Activity, Data, Events, Shared};
use super::neuron::{Constants, step_row};
use super::surrogate::primitive;
use crate::kernels::{HISTORY, Model, NEVER, Shape, constant, plane};
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

/// Rows of the constants `[5][np]`.
pub fn constants<'a, F: Float>(model: &Model, constants: &'a [F], width: usize) -> Constants<'a, F> {
    let row = |row: usize| &constants[row * width..][..width];
    Constants {
        alpha: row(constant::ALPHA),
        beta: row(constant::BETA),
        gamma: row(constant::GAMMA),
        theta: row(constant::THETA),
        v_reset: F::from_f64(model.reset_potential),
    }
}

/// Everything that the samples share.
pub struct Call<'a, F: Float> {
    /// Switches.
    pub model: Model,
    /// Shape.
    pub shape: Shape,
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
}

/// What is written, each sample its own rows.
struct Written<'a, F> {
    raster: Option<Shared<'a, u32>>,
    values: Option<Shared<'a, F>>,
    tape: Option<Shared<'a, F>>,
    keeps_current: bool,
}

/// Rows that a thread works in.
struct Scratch<F> {
    x: Vec<F>,
    v: Vec<F>,
    i: Vec<F>,
    /// S of the last three steps, as numbers.
    s: [Vec<F>; 3],
    events: Events<F>,
    /// Events of the sample's own spikes of the last three steps.
    own: [Events<F>; 3],
}

impl<F: Float> Scratch<F> {
    fn new(width: usize) -> Self {
        let row = || vec![F::ZERO; width];
        Scratch {
            x: row(),
            v: row(),
            i: row(),
            s: [row(), row(), row()],
            events: Events::default(),
            own: [Events::default(), Events::default(), Events::default()],
        }
    }
}

/// Runs the layer over all samples.
pub fn forward<F: Float>(
    call: Call<F>,
    spikes: Option<&mut Activity<F>>,
    tape: Option<&mut [F]>,
    planes: &mut [F],
    smooth: bool,
) {
    let width = call.shape.row();
    let (mut raster, mut values) = (None, None);
    match spikes.map(|activity| &mut activity.data) {
        Some(Data::Raster(data)) => raster = Some(Shared::new(data.as_mut_slice())),
        Some(Data::Values(data)) => values = Some(Shared::new(data.as_mut_slice())),
        None => {}
    }
    let written = Written { raster, values, tape: tape.map(Shared::new), keeps_current: call.model.keeps_current() };
    planes.par_chunks_mut(plane::PLANES * width).enumerate().for_each_init(
        || Scratch::new(width),
        |scratch, (b, planes)| {
            dispatch(Sample { call: &call, written: &written, b, planes, scratch, smooth });
        },
    );
}

struct Sample<'a, 'b, F: Float> {
    call: &'a Call<'a, F>,
    written: &'a Written<'a, F>,
    b: usize,
    planes: &'b mut [F],
    scratch: &'b mut Scratch<F>,
    smooth: bool,
}

impl<F: Float> Work for Sample<'_, '_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Sample { call, written, b, planes, scratch, smooth } = self;
        let (model, shape) = (&call.model, call.shape);
        let (width, batch) = (shape.row(), shape.batch);
        let k = constants(model, call.constants, width);
        let inclusive = model.inclusive;
        scratch.v.copy_from_slice(&planes[plane::POTENTIAL * width..][..width]);
        scratch.i.copy_from_slice(&planes[plane::CURRENT * width..][..width]);
        // Own spikes of the two steps before the range.
        for back in 1..=2 {
            let row = HISTORY + call.range.start - back;
            let slot = row % 3;
            written.read(row, b, batch, shape.units, &mut scratch.s[slot], &mut scratch.own[slot]);
        }
        for t in call.range.clone() {
            let row = HISTORY + t;
            match call.input {
                Input::Drive(drive) => scratch.x.copy_from_slice(&drive[(t * batch + b) * width..][..width]),
                Input::Source(source) => {
                    source.row(simd, t, b, shape.units, &mut scratch.events, &mut scratch.x);
                }
            }
            if let Some(recurrent) = call.recurrent {
                add_rows(simd, &mut scratch.x, recurrent, &scratch.own[(row - model.recurrent_lag) % 3]);
            }
            let before = (row - 1) % 3;
            step_row(model.reset, model.lag, k, &scratch.x, &scratch.s[before], &mut scratch.i, &mut scratch.v);
            if let Some(tape) = &written.tape {
                let at = (t * batch + b) * width;
                // SAFETY: rows of this sample.
                unsafe { tape.slice(at, width) }.copy_from_slice(&scratch.v);
                if written.keeps_current {
                    let at = at + shape.steps * batch * width;
                    // SAFETY: rows of this sample.
                    unsafe { tape.slice(at, width) }.copy_from_slice(&scratch.i);
                }
            }
            let slot = row % 3;
            if smooth && model.spiking {
                let (out, never) = (&mut scratch.s[slot], F::from_f64(NEVER));
                for ((out, &v), &theta) in out.iter_mut().zip(&scratch.v).zip(k.theta) {
                    *out = F::ZERO;
                    if theta < never {
                        *out = primitive(model.surrogate, v - theta);
                    }
                }
                written.keep_values(row, b, batch, &scratch.s[slot]);
                written.read(row, b, batch, shape.units, &mut scratch.s[slot], &mut scratch.own[slot]);
            } else if model.spiking {
                threshold(inclusive, &scratch.v, k.theta, &mut scratch.s[slot]);
                let own = call.recurrent.is_some().then_some(&mut scratch.own[slot]);
                written.keep(row, b, batch, &scratch.s[slot], own);
            }
            if let Some(reduce) = call.reduce {
                reduce_row(reduce, t, shape.steps, &scratch.v, planes);
            }
        }
        planes[plane::POTENTIAL * width..][..width].copy_from_slice(&scratch.v);
        planes[plane::CURRENT * width..][..width].copy_from_slice(&scratch.i);
    }
}

/// `s_j = H(v_j − θ_j)` as numbers.
#[inline(always)]
fn threshold<F: Float>(inclusive: bool, v: &[F], theta: &[F], s: &mut [F]) {
    let n = s.len();
    let (v, theta) = (&v[..n], &theta[..n]);
    if inclusive {
        for j in 0..n {
            s[j] = if v[j] >= theta[j] { F::ONE } else { F::ZERO };
        }
    } else {
        for j in 0..n {
            s[j] = if v[j] > theta[j] { F::ONE } else { F::ZERO };
        }
    }
}

impl<F: Float> Written<'_, F> {
    /// Writes a row of spikes, as bits or values, and lists its events.
    #[inline(always)]
    fn keep(&self, row: usize, b: usize, batch: usize, s: &[F], own: Option<&mut Events<F>>) {
        if let Some(raster) = &self.raster {
            let width = s.len() / 32;
            // SAFETY: a row of this sample.
            let out = unsafe { raster.slice((row * batch + b) * width, width) };
            for (out, s) in out.iter_mut().zip(s.chunks_exact(32)) {
                let mut word = 0u32;
                for (bit, &s) in s.iter().enumerate() {
                    word |= u32::from(s != F::ZERO) << bit;
                }
                *out = word;
            }
            if let Some(own) = own {
                own.decode(out);
            }
        } else {
            self.keep_values(row, b, batch, s);
            if let Some(own) = own {
                own.grade(s);
            }
        }
    }

    #[inline(always)]
    fn keep_values(&self, row: usize, b: usize, batch: usize, s: &[F]) {
        if let Some(values) = &self.values {
            // SAFETY: a row of this sample.
            unsafe { values.slice((row * batch + b) * s.len(), s.len()) }.copy_from_slice(s);
        }
    }

    /// Reads a row of spikes as numbers and as events; 0 where the layer has none.
    #[inline(always)]
    fn read(&self, row: usize, b: usize, batch: usize, units: usize, s: &mut [F], own: &mut Events<F>) {
        if let Some(raster) = &self.raster {
            let width = words(units);
            // SAFETY: a row of this sample.
            let words = unsafe { raster.slice((row * batch + b) * width, width) };
            own.decode(words);
            for (word, lanes) in words.iter().zip(s.chunks_exact_mut(32)) {
                for (bit, lane) in lanes.iter_mut().enumerate() {
                    *lane = if word >> bit & 1 == 1 { F::ONE } else { F::ZERO };
                }
            }
        } else if let Some(values) = &self.values {
            // SAFETY: a row of this sample.
            s.copy_from_slice(unsafe { values.slice((row * batch + b) * s.len(), s.len()) });
            own.grade(&s[..units]);
        }
    }
}

/// Carries the reduction of the readout on by one step.
#[inline(always)]
fn reduce_row<F: Float>(reduce: Reduce, t: usize, steps: usize, v: &[F], planes: &mut [F]) {
    let width = v.len();
    let (activation, step) = planes[plane::ACTIVATION * width..][..2 * width].split_at_mut(width);
    match reduce {
        Reduce::Max => {
            for j in 0..width {
                // Not `v > best`: a potential that is not a number must come through.
                #[allow(clippy::neg_cmp_op_on_partial_ord)]
                if t == 0 || !(v[j] <= activation[j]) {
                    activation[j] = v[j];
                    step[j] = F::from_f64(t as f64);
                }
            }
        }
        Reduce::Sum | Reduce::Mean => {
            let share = if reduce == Reduce::Mean { F::from_f64(1.0 / steps as f64) } else { F::ONE };
            for j in 0..width {
                let before = if t == 0 { F::ZERO } else { activation[j] };
                activation[j] = share.fma(v[j], before);
            }
        }
        Reduce::Last => activation.copy_from_slice(v),
    }
}

const _: () = assert!(plane::STEP == plane::ACTIVATION + 1);
