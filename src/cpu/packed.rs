//! The dense product with packed weights. Sums run in ascending order of the summed index with one accumulator for each
//! output, so their bits do not depend on tiles, threads or vector width.

use super::float::{Float, load, store};
use super::linear::{Work, dispatch};
use super::memory::{Aligned, Array, Ledger, prefetch_line};
use pulp::Simd;
use std::ops::Range;
use std::sync::Arc;

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

/// Depth of a product that is summed before the next columns: a panel of this depth stays in the second-level cache.
const DEPTH: usize = 2048;
/// Most rows of a register tile: with 32 registers, and with 16.
const MOST: usize = 14;
const MOST_OF_16: usize = 6;
/// Steps of k that a panel is asked for ahead.
const AHEAD: usize = 8;
/// Bytes between rows of A up to which a tile of them fits the first-level cache as it stands.
const NEAR: usize = 1024;
/// Numbers that rows are apart from a power of two, at least a cache line.
const LINE: usize = 16;

/// Rows of A and of the result: the first `count`, or those that a list names.
#[derive(Clone, Copy)]
pub enum RowsOf<'a> {
    /// 0, 1, …
    First(usize),
    /// These, each once.
    Listed(&'a [u32]),
}

impl RowsOf<'_> {
    fn count(&self) -> usize {
        match self {
            RowsOf::First(count) => *count,
            RowsOf::Listed(rows) => rows.len(),
        }
    }

    fn at(&self, index: usize) -> usize {
        match self {
            RowsOf::First(_) => index,
            RowsOf::Listed(rows) => rows[index] as usize,
        }
    }

    /// One past the last row.
    fn end(&self) -> usize {
        match self {
            RowsOf::First(count) => *count,
            RowsOf::Listed(rows) => rows.iter().max().map_or(0, |&row| row as usize + 1),
        }
    }
}

impl<F: Float> Packed<F> {
    /// Room for weights of `rows` × `columns`.
    pub fn new(rows: usize, columns: usize, ledger: &Arc<Ledger>) -> Self {
        let panel = Self::panel();
        let len = rows.div_ceil(panel) * panel * columns;
        let data = Array::new(F::ZERO, len, ledger.enter((len * size_of::<F>()) as u64));
        Packed { rows, columns, panel, data }
    }

    /// Columns of a panel on this machine.
    pub fn panel() -> usize {
        dispatch(PanelWidth::<F>(std::marker::PhantomData))
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

    /// `out[m] = Σ_k a[m][k] W[:][k]` (added to `out` where `accumulate`) for `rows` m: `a` holds rows `lda` apart, `out`
    /// rows `ldo` apart of at least `pad(rows)` numbers; k runs over `columns`, in ascending order with one accumulator.
    /// `scratch` is where the rows of `a` are put side by side.
    #[inline(always)]
    pub fn product<S: Simd>(
        &self,
        simd: S,
        a: &[F],
        lda: usize,
        rows: RowsOf,
        out: &mut [F],
        ldo: usize,
        accumulate: bool,
        scratch: &mut Aligned<F>,
    ) {
        self.product_of(simd, 0..self.panels(), a, lda, rows, out, ldo, accumulate, scratch);
    }

    /// Panels, the last one filled up.
    pub fn panels(&self) -> usize {
        self.rows.div_ceil(self.panel)
    }

    /// [`Packed::product`] for the columns of some panels, which `out` begins with.
    #[inline(always)]
    pub fn product_of<S: Simd>(
        &self,
        simd: S,
        panels: Range<usize>,
        a: &[F],
        lda: usize,
        rows: RowsOf,
        out: &mut [F],
        ldo: usize,
        accumulate: bool,
        scratch: &mut Aligned<F>,
    ) {
        let (count, end) = (rows.count(), rows.end());
        if count == 0 {
            return;
        }
        let width = self.panel;
        assert_eq!(width, 2 * F::lanes::<S>(), "packed for another instruction set");
        assert!((end - 1) * lda + self.columns <= a.len() && self.columns <= lda);
        assert!((end - 1) * ldo + panels.len() * width <= out.len() && panels.len() * width <= ldo);
        let tall = tile_height::<S>(count);
        // Rows a power of two apart share few sets of the first-level cache: then they are put elsewhere first.
        let spread = matches!(rows, RowsOf::First(_)) && lda * size_of::<F>() <= NEAR;
        let (a, stride) = if spread {
            (a, lda)
        } else {
            let stride = self.columns.next_multiple_of(LINE) + LINE;
            let scratch = scratch.grow(F::ZERO, count * stride);
            for (m, to) in scratch.chunks_exact_mut(stride).take(count).enumerate() {
                to[..self.columns].copy_from_slice(&a[rows.at(m) * lda..][..self.columns]);
            }
            (&*scratch, stride)
        };
        let data = &self.data[panels.start * width * self.columns..panels.end * width * self.columns];
        for (p, panel) in data.chunks_exact(width * self.columns).enumerate() {
            for from in (0..self.columns).step_by(DEPTH) {
                let depth = DEPTH.min(self.columns - from);
                let accumulate = accumulate || from > 0;
                let b = &panel[from * width..][..depth * width];
                for first in (0..count).step_by(tall) {
                    let here = tall.min(count - first);
                    let (mut left, mut to) = ([0; MOST], [0; MOST]);
                    for m in 0..tall {
                        // Rows past the last are the last once more, and go nowhere.
                        let m_here = m.min(here - 1);
                        left[m] = (first + m_here) * stride + from;
                        to[m] = rows.at(first + m_here) * ldo + p * width;
                    }
                    let at = At { left, to, count: here };
                    // SAFETY: each of `to` has room for a panel of `out`, and each of `left` has `depth` numbers in `a`,
                    // checked above; `b` holds `depth` rows of a panel.
                    unsafe {
                        match tall {
                            14 => tile::<F, S, 14>(simd, a, b, depth, out, &at, accumulate),
                            12 => tile::<F, S, 12>(simd, a, b, depth, out, &at, accumulate),
                            10 => tile::<F, S, 10>(simd, a, b, depth, out, &at, accumulate),
                            8 => tile::<F, S, 8>(simd, a, b, depth, out, &at, accumulate),
                            6 => tile::<F, S, 6>(simd, a, b, depth, out, &at, accumulate),
                            4 => tile::<F, S, 4>(simd, a, b, depth, out, &at, accumulate),
                            2 => tile::<F, S, 2>(simd, a, b, depth, out, &at, accumulate),
                            _ => tile::<F, S, 1>(simd, a, b, depth, out, &at, accumulate),
                        }
                    }
                }
            }
        }
    }
}

/// Where the rows of a tile are in A and in the result; those past `count` go nowhere.
struct At {
    left: [usize; MOST],
    to: [usize; MOST],
    count: usize,
}

/// Rows of a register tile: as few tiles as can be, and those as equal as can be.
#[inline(always)]
fn tile_height<S: Simd>(count: usize) -> usize {
    let most = if S::REGISTER_COUNT >= 32 { MOST } else { MOST_OF_16 };
    match count.div_ceil(count.div_ceil(most)) {
        1 => 1,
        rows => rows.next_multiple_of(2),
    }
}

/// M rows × two vectors of a product; `b` is `[depth][two vectors]`.
///
/// # Safety
/// Each row of `at` has `depth` numbers in `a`, and two vectors in `out`.
#[inline(always)]
unsafe fn tile<F: Float, S: Simd, const M: usize>(
    simd: S,
    a: &[F],
    b: &[F],
    depth: usize,
    out: &mut [F],
    at: &At,
    accumulate: bool,
) {
    let lanes = F::lanes::<S>();
    // SAFETY: by the caller.
    unsafe {
        let mut sum: [[F::Vector<S>; 2]; M] = [[F::splat(simd, F::ZERO); 2]; M];
        let out = out.as_mut_ptr();
        if accumulate {
            for (m, sum) in sum.iter_mut().enumerate() {
                let out = out.add(at.to[m]);
                *sum = [load::<F, S>(out), load::<F, S>(out.add(lanes))];
            }
        }
        let left: [*const F; M] = std::array::from_fn(|m| a.as_ptr().add(at.left[m]));
        let mut b = b.as_ptr();
        for k in 0..depth {
            prefetch_line(b.wrapping_add(2 * lanes * AHEAD));
            prefetch_line(b.wrapping_add(2 * lanes * AHEAD + lanes));
            let right = [load::<F, S>(b), load::<F, S>(b.add(lanes))];
            for (m, sum) in sum.iter_mut().enumerate() {
                let left = F::splat(simd, *left[m].add(k));
                sum[0] = F::mul_add(simd, left, right[0], sum[0]);
                sum[1] = F::mul_add(simd, left, right[1], sum[1]);
            }
            b = b.add(2 * lanes);
        }
        // Asked one by one: a loop over as many as there are would keep the sums in memory.
        for (m, sum) in sum.into_iter().enumerate() {
            if m < at.count {
                let out = out.add(at.to[m]);
                store::<F, S>(out, sum[0]);
                store::<F, S>(out.add(lanes), sum[1]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Product<'a> {
        packed: &'a Packed<f32>,
        a: &'a [f32],
        lda: usize,
        rows: RowsOf<'a>,
        out: &'a mut [f32],
        ldo: usize,
        accumulate: bool,
    }

    impl Work for Product<'_> {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            let Product { packed, a, lda, rows, out, ldo, accumulate } = self;
            packed.product(simd, a, lda, rows, out, ldo, accumulate, &mut Aligned::default());
        }
    }

    /// One fused product after the other, k ascending: what every tile must give to the bit.
    fn naive(weights: &[f32], width: usize, a: &[f32], columns: usize, start: f32, row: usize) -> f32 {
        (0..columns).fold(start, |sum, k| a[k].mul_add(weights[row * width + k], sum))
    }

    #[test]
    fn every_tile_sums_in_the_same_order() {
        for (rows, columns, count) in
            [(33usize, 40usize, 1usize), (64, 300, 13), (40, 2100, 7), (20, 33, 30), (100, 64, 64)]
        {
            let (width, ldo) = (columns + 3, rows.next_multiple_of(32));
            let number = |at: usize| ((at as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / 1e7 - 0.8;
            let weights: Vec<f32> = (0..rows * width).map(number).collect();
            let a: Vec<f32> = (0..count * width).map(|at| number(at + 77)).collect();
            let mut packed = Packed::new(rows, columns, &Arc::default());
            packed.pack(&weights, width);
            let listed: Vec<u32> = (0..count as u32).filter(|m| m % 3 != 1).collect();
            for (which, accumulate) in [(RowsOf::First(count), false), (RowsOf::Listed(&listed), true)] {
                let mut out = vec![0.5; count * ldo];
                let call = Product { packed: &packed, a: &a, lda: width, rows: which, out: &mut out, ldo, accumulate };
                dispatch(call);
                for m in 0..count {
                    let asked = matches!(which, RowsOf::First(_)) || listed.contains(&(m as u32));
                    for row in 0..rows {
                        let start = if accumulate { 0.5 } else { 0.0 };
                        let expected =
                            if asked { naive(&weights, width, &a[m * width..], columns, start, row) } else { 0.5 };
                        assert_eq!(out[m * ldo + row], expected, "{rows} × {columns}, row {m}, column {row}");
                    }
                }
            }
        }
    }
}
