//! Sums of weight rows over events, and the dense product with packed weights. All sums run in ascending order of the
//! summed index with one accumulator for each output, so their bits do not depend on tiles, threads or vector width.

use super::float::{Float, load, store};
use super::memory::{Array, Events, Ledger};
use pulp::{Arch, Simd, WithSimd};
use std::sync::Arc;

/// Runs `work` compiled for the widest instruction set of this machine. What it calls must be `inline(always)`.
#[inline]
pub fn wide<R>(work: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(work)
}

/// `out = start + Σ_e value_e · rows[e]` over the events of a row (`out +=` where `start` is None), `rows` `[…][np]`,
/// `np = out.len()`.
#[inline(always)]
pub fn add_rows<F: Float, S: Simd>(simd: S, out: &mut [F], start: Option<&[F]>, rows: &[F], events: &Events<F>) {
    let width = out.len();
    let start = start.map_or(out.as_ptr(), |start| start[..width].as_ptr());
    if let Some(&last) = events.index.last() {
        assert!((last as usize + 1) * width <= rows.len(), "event {last} has no weight row");
    }
    let mut from = 0;
    while from < width {
        let vectors = (width - from) / F::lanes::<S>();
        // SAFETY: `from + vectors · lanes ≤ width`, and every event has a row, checked above.
        from += unsafe {
            match vectors {
                8.. => gather::<F, S, 8>(simd, out, start, rows, events, from),
                4.. => gather::<F, S, 4>(simd, out, start, rows, events, from),
                2.. => gather::<F, S, 2>(simd, out, start, rows, events, from),
                _ => gather::<F, S, 1>(simd, out, start, rows, events, from),
            }
        };
    }
}

/// One strip of `add_rows`, V vectors wide; returns its width.
#[inline(always)]
unsafe fn gather<F: Float, S: Simd, const V: usize>(
    simd: S,
    out: &mut [F],
    start: *const F,
    rows: &[F],
    events: &Events<F>,
    from: usize,
) -> usize {
    let (width, lanes) = (out.len(), F::lanes::<S>());
    // SAFETY: by the caller, all strips lie inside their rows.
    unsafe {
        let start = start.add(from);
        let out = out.as_mut_ptr().add(from);
        let rows = rows.as_ptr().add(from);
        let mut sum: [F::Vector<S>; V] = std::array::from_fn(|v| load::<F, S>(start.add(v * lanes)));
        if events.graded {
            for (&index, &value) in events.index.iter().zip(&events.value) {
                let row = rows.add(index as usize * width);
                let value = F::splat(simd, value);
                for (v, sum) in sum.iter_mut().enumerate() {
                    *sum = F::mul_add(simd, value, load::<F, S>(row.add(v * lanes)), *sum);
                }
            }
        } else {
            for &index in &events.index {
                let row = rows.add(index as usize * width);
                for (v, sum) in sum.iter_mut().enumerate() {
                    *sum = F::add_vectors(simd, *sum, load::<F, S>(row.add(v * lanes)));
                }
            }
        }
        for (v, sum) in sum.into_iter().enumerate() {
            store::<F, S>(out.add(v * lanes), sum);
        }
    }
    V * lanes
}

/// `out += Σ_r from[r][column..]` over `rows` in their order, `from` `[…][width]`, as many columns as `out` has.
#[inline(always)]
pub fn sum_rows<F: Float, S: Simd>(simd: S, out: &mut [F], from: &[F], width: usize, column: usize, rows: &[u32]) {
    assert!(column + out.len() <= width);
    assert!(rows.iter().all(|&row| (row as usize + 1) * width <= from.len()));
    let mut at = 0;
    while at < out.len() {
        let vectors = (out.len() - at) / F::lanes::<S>();
        // SAFETY: every row lies in `from` and every strip in its row, checked above.
        at += unsafe {
            let (out, from) = (out.as_mut_ptr().add(at), from.as_ptr().add(column + at));
            match vectors {
                8.. => sum_strip::<F, S, 8>(simd, out, from, width, rows),
                4.. => sum_strip::<F, S, 4>(simd, out, from, width, rows),
                2.. => sum_strip::<F, S, 2>(simd, out, from, width, rows),
                _ => sum_strip::<F, S, 1>(simd, out, from, width, rows),
            }
        };
    }
}

/// One strip of `sum_rows`, V vectors wide; returns its width.
#[inline(always)]
unsafe fn sum_strip<F: Float, S: Simd, const V: usize>(
    simd: S,
    out: *mut F,
    from: *const F,
    width: usize,
    rows: &[u32],
) -> usize {
    let lanes = F::lanes::<S>();
    // SAFETY: by the caller.
    unsafe {
        let mut sum: [F::Vector<S>; V] = std::array::from_fn(|v| load::<F, S>(out.add(v * lanes)));
        for &row in rows {
            let row = from.add(row as usize * width);
            for (v, sum) in sum.iter_mut().enumerate() {
                *sum = F::add_vectors(simd, *sum, load::<F, S>(row.add(v * lanes)));
            }
        }
        for (v, sum) in sum.into_iter().enumerate() {
            store::<F, S>(out.add(v * lanes), sum);
        }
    }
    V * lanes
}

/// W^T of weights W `[rows][np]`, packed for [`Packed::product`]: panel p of P columns holds, for each k, the entries
/// `W[P p + l][k]`, l = 0..P; rows past the last are 0. P is two vectors of this machine.
#[derive(Clone, Debug)]
pub struct Packed<F> {
    rows: usize,
    columns: usize,
    panel: usize,
    data: Array<F>,
}

/// Two vectors, for the widest instruction set of this machine.
struct PanelWidth<F>(std::marker::PhantomData<F>);

impl<F: Float> Work for PanelWidth<F> {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, _simd: S) -> usize {
        2 * F::lanes::<S>()
    }
}

/// Depth of a product that is summed before the next rows: a panel of this depth stays in the first-level cache.
const DEPTH: usize = 256;

impl<F: Float> Packed<F> {
    /// Room for weights of `rows` × `columns`.
    pub fn new(rows: usize, columns: usize, ledger: &Arc<Ledger>) -> Self {
        let panel = dispatch(PanelWidth::<F>(std::marker::PhantomData));
        let len = rows.div_ceil(panel) * panel * columns;
        let data = Array::new(F::ZERO, len, ledger.enter((len * size_of::<F>()) as u64));
        Packed { rows, columns, panel, data }
    }

    /// Packs `weights` `[rows][width]`.
    pub fn pack(&mut self, weights: &[F], width: usize) {
        let width_of = self.panel;
        for (p, panel) in self.data.chunks_exact_mut(width_of * self.columns).enumerate() {
            for l in 0..width_of.min(self.rows - p * width_of) {
                let row = &weights[(p * width_of + l) * width..][..self.columns];
                for (k, &weight) in row.iter().enumerate() {
                    panel[k * width_of + l] = weight;
                }
            }
        }
    }

    /// `out[m] = Σ_k a[m][k] W[:][k]` (added to `out` where `accumulate`): `a` holds `count` rows `lda` apart, `out` rows
    /// `ldo` apart of at least `pad(rows)` numbers; k runs over `columns`, in ascending order with one accumulator.
    #[inline(always)]
    pub fn product<S: Simd>(
        &self,
        simd: S,
        a: &[F],
        lda: usize,
        count: usize,
        out: &mut [F],
        ldo: usize,
        accumulate: bool,
    ) {
        if count == 0 {
            return;
        }
        let (width, panels) = (self.panel, self.rows.div_ceil(self.panel));
        assert_eq!(width, 2 * F::lanes::<S>(), "packed for another instruction set");
        assert!((count - 1) * lda + self.columns <= a.len() && self.columns <= lda);
        assert!((count - 1) * ldo + panels * width <= out.len() && panels * width <= ldo);
        for (p, panel) in self.data.chunks_exact(width * self.columns).enumerate() {
            for from in (0..self.columns).step_by(DEPTH) {
                let depth = DEPTH.min(self.columns - from);
                let accumulate = accumulate || from > 0;
                let mut m = 0;
                while m < count {
                    // SAFETY: rows m.. of a and out and the columns of the panel were checked above.
                    m += unsafe {
                        let a = a.as_ptr().add(m * lda + from);
                        let b = panel.as_ptr().add(from * width);
                        let out = out.as_mut_ptr().add(m * ldo + p * width);
                        match count - m {
                            12.. if S::REGISTER_COUNT >= 32 => {
                                tile::<F, S, 12>(simd, a, lda, b, depth, out, ldo, accumulate)
                            }
                            6.. => tile::<F, S, 6>(simd, a, lda, b, depth, out, ldo, accumulate),
                            4.. => tile::<F, S, 4>(simd, a, lda, b, depth, out, ldo, accumulate),
                            2.. => tile::<F, S, 2>(simd, a, lda, b, depth, out, ldo, accumulate),
                            _ => tile::<F, S, 1>(simd, a, lda, b, depth, out, ldo, accumulate),
                        }
                    };
                }
            }
        }
    }
}

/// M rows × two vectors of a product; returns M.
#[inline(always)]
unsafe fn tile<F: Float, S: Simd, const M: usize>(
    simd: S,
    a: *const F,
    lda: usize,
    b: *const F,
    depth: usize,
    out: *mut F,
    ldo: usize,
    accumulate: bool,
) -> usize {
    let lanes = F::lanes::<S>();
    // SAFETY: by the caller.
    unsafe {
        let mut sum: [[F::Vector<S>; 2]; M] = [[F::splat(simd, F::ZERO); 2]; M];
        if accumulate {
            for (m, sum) in sum.iter_mut().enumerate() {
                *sum = [load::<F, S>(out.add(m * ldo)), load::<F, S>(out.add(m * ldo + lanes))];
            }
        }
        for k in 0..depth {
            let row = b.add(k * 2 * lanes);
            let b = [load::<F, S>(row), load::<F, S>(row.add(lanes))];
            for (m, sum) in sum.iter_mut().enumerate() {
                let a = F::splat(simd, *a.add(m * lda + k));
                sum[0] = F::mul_add(simd, a, b[0], sum[0]);
                sum[1] = F::mul_add(simd, a, b[1], sum[1]);
            }
        }
        for (m, sum) in sum.into_iter().enumerate() {
            store::<F, S>(out.add(m * ldo), sum[0]);
            store::<F, S>(out.add(m * ldo + lanes), sum[1]);
        }
    }
    M
}

/// A closure over a SIMD token: what `pulp` dispatches.
pub struct With<C>(pub C);

/// The work of a kernel on one tile, generic over the instruction set.
pub trait Work {
    /// What it returns.
    type Output;
    /// Does it. Implementations are `inline(always)`.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

impl<W: Work> WithSimd for With<W> {
    type Output = W::Output;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> W::Output {
        self.0.run(simd)
    }
}

/// Runs `work` on the widest instruction set of this machine.
#[inline]
pub fn dispatch<W: Work>(work: W) -> W::Output {
    Arch::new().dispatch(With(work))
}
