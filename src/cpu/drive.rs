//! The drive of one projection, and its adjoint towards the source. See [`crate::kernels::Drive`].

use super::float::Float;
use super::linear::{Work, add_rows, dispatch};
use super::memory::{Activity, Aligned, Data, Events, Shared};
use super::packed::{Packed, RowsOf};
use crate::kernels::{HISTORY, Projection, constant};
use crate::spikes::pad;
use pulp::Simd;
use rayon::prelude::*;

/// What computes X of one row.
#[derive(Clone, Copy)]
pub struct Source<'a, F> {
    /// Dense or current.
    pub projection: Projection,
    /// Width of the source.
    pub inputs: usize,
    /// Its activity.
    pub activity: &'a Activity<F>,
    /// Its lag.
    pub lag: usize,
    /// Weights.
    pub weights: &'a [F],
    /// Constants of the layer.
    pub constants: &'a [F],
}

impl<F: Float> Source<'_, F> {
    /// X of sample b at step t into `out` (length np), the bias first, then the sources in ascending order, then the rows of
    /// `own` (weights and events) that come with it.
    #[inline(always)]
    pub fn row<S: Simd>(
        &self,
        simd: S,
        t: usize,
        b: usize,
        units: usize,
        events: &mut Events<F>,
        out: &mut [F],
        own: Option<(&[F], &Events<F>)>,
    ) {
        let width = out.len();
        let bias = &self.constants[constant::BIAS * width..][..width];
        match self.projection {
            Projection::Dense => {
                self.activity.events(simd, HISTORY + t - self.lag, b, events);
                let part = (self.weights, width, events.list());
                match own {
                    Some((rows, own)) => add_rows(simd, out, Some(bias), [part, (rows, width, own.list())]),
                    None => add_rows(simd, out, Some(bias), [part]),
                }
            }
            Projection::Current => {
                out.copy_from_slice(bias);
                let row = pad(self.inputs);
                let Data::Values(data) = &self.activity.data else { return };
                let source = &data[((HISTORY + t - self.lag) * self.activity.shape.batch + b) * row..][..self.inputs];
                let groups = out[..units].chunks_mut(self.inputs).zip(self.weights.chunks(self.inputs));
                for (out, weights) in groups {
                    for ((out, &weight), &x) in out.iter_mut().zip(weights).zip(source) {
                        *out = weight.fma(x, *out);
                    }
                }
                if let Some((rows, own)) = own {
                    add_rows(simd, out, None, [(rows, width, own.list())]);
                }
            }
        }
    }

    /// Whether the product is dense: analogue input through a full matrix.
    pub fn dense(&self) -> bool {
        self.projection == Projection::Dense && matches!(self.activity.data, Data::Values(_))
    }
}

struct DriveRow<'a, 'b, F: Float> {
    source: Source<'a, F>,
    t: usize,
    b: usize,
    units: usize,
    events: &'b mut Events<F>,
    out: &'b mut [F],
}

impl<F: Float> Work for DriveRow<'_, '_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        self.source.row(simd, self.t, self.b, self.units, self.events, self.out, None);
    }
}

/// Rows of X in a task of the dense product; fixed, so that its bits do not depend on the threads.
const ROWS: usize = 128;

/// `gemm` on row-major slices: `out[m × n] (+)= a[m × k] b[k × n]`, strides in numbers.
#[allow(clippy::too_many_arguments)]
pub fn product<F: Float>(
    size: (usize, usize, usize),
    out: &mut [F],
    ldo: usize,
    accumulate: bool,
    a: &[F],
    strides: (usize, usize),
    b: &[F],
    ldb: usize,
) {
    matrix_product(size, out, ldo, accumulate, a, strides, b, (ldb, 1));
}

/// The same with any strides of `b`.
#[allow(clippy::too_many_arguments)]
pub fn matrix_product<F: Float>(
    (m, n, k): (usize, usize, usize),
    out: &mut [F],
    ldo: usize,
    accumulate: bool,
    a: &[F],
    (a_row, a_column): (usize, usize),
    b: &[F],
    (b_row, b_column): (usize, usize),
) {
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    assert!((m - 1) * ldo + n <= out.len());
    assert!((m - 1) * a_row + (k - 1) * a_column < a.len());
    assert!((k - 1) * b_row + (n - 1) * b_column < b.len());
    // SAFETY: the three matrices lie within their slices, checked above, and `out` is not aliased.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            ldo as isize,
            accumulate,
            a.as_ptr(),
            a_column as isize,
            a_row as isize,
            b.as_ptr(),
            b_column as isize,
            b_row as isize,
            F::ONE,
            F::ONE,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// X of steps `range`, `[T][B][np]`.
pub fn drive<F: Float>(source: Source<F>, units: usize, range: std::ops::Range<usize>, out: &mut [F]) {
    let (batch, width) = (source.activity.shape.batch, pad(units));
    let first = range.start * batch;
    let out = &mut out[first * width..range.end * batch * width];
    if source.dense() {
        let Data::Values(data) = &source.activity.data else { return };
        let row = pad(source.inputs);
        let bias = &source.constants[constant::BIAS * width..][..width];
        out.par_chunks_mut(ROWS * width).enumerate().for_each(|(chunk, out)| {
            for out in out.chunks_exact_mut(width) {
                out.copy_from_slice(bias);
            }
            let rows = out.len() / width;
            let from = ((HISTORY - source.lag) * batch + first + chunk * ROWS) * row;
            product((rows, width, source.inputs), out, width, true, &data[from..], (row, 1), source.weights, width);
        });
    } else {
        out.par_chunks_mut(ROWS * width).enumerate().for_each(|(chunk, out)| {
            F::with_scratch(|scratch| {
                let events = &mut scratch.forward.events;
                for (r, out) in out.chunks_exact_mut(width).enumerate() {
                    let at = first + chunk * ROWS + r;
                    let (t, b) = (at / batch, at % batch);
                    dispatch(DriveRow { source, t, b, units, events, out });
                }
            });
        });
    }
}

struct Back<'a, F: Float> {
    packed: &'a Packed<F>,
    chi: &'a [F],
    width: usize,
    rows: usize,
    out: &'a mut [F],
    row: usize,
    accumulate: bool,
    side_by_side: &'a mut Aligned<F>,
}

impl<F: Float> Work for Back<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let rows = RowsOf::First(self.rows);
        self.packed.product(simd, self.chi, self.width, rows, self.out, self.row, self.accumulate, self.side_by_side);
    }
}

/// See [`crate::kernels::DriveBackward`].
pub fn drive_backward<F: Float>(call: crate::kernels::DriveBackward<super::Cpu<F>>) {
    let (batch, width, row) = (call.shape.batch, call.shape.row(), pad(call.inputs));
    let chi = &call.chi[call.lag * batch * width..];
    let accumulate = call.accumulate;
    let out = Shared::new(call.out);
    let total = call.shape.steps * batch;
    (0..total.div_ceil(ROWS)).into_par_iter().for_each(|chunk| {
        let first = chunk * ROWS;
        let rows = ROWS.min(total - first);
        // SAFETY: each task writes rows of its own.
        let out = unsafe { out.slice(first * row, rows * row) };
        let chi = &chi[first * width..];
        match call.projection {
            Projection::Dense => {
                let packed = call.weights.1;
                F::with_scratch(|scratch| {
                    let side_by_side = &mut scratch.side_by_side;
                    dispatch(Back { packed, chi, width, rows, out, row, accumulate, side_by_side });
                });
            }
            Projection::Current => {
                for (out, chi) in out.chunks_exact_mut(row).zip(chi.chunks_exact(width)) {
                    if !accumulate {
                        out.fill(F::ZERO);
                    }
                    for (j, (&chi, &weight)) in chi[..call.shape.units].iter().zip(call.weights.0.iter()).enumerate() {
                        let out = &mut out[j % call.inputs];
                        *out = weight.fma(chi, *out);
                    }
                }
            }
        }
    });
}
