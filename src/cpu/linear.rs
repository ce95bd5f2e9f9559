//! Sums of weight rows over events, and the dense product with packed weights. All sums run in ascending order of the
//! summed index with one accumulator for each output, so their bits do not depend on tiles, threads or vector width.

use super::float::{Float, load, store};
use super::memory::Events;
use pulp::{Arch, Simd, WithSimd};

/// Runs `work` compiled for the widest instruction set of this machine. What it calls must be `inline(always)`.
#[inline]
pub fn wide<R>(work: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(work)
}

/// `out += Σ_e value_e · rows[e]` over the events of a row, `rows` `[…][np]`, `np = out.len()`.
#[inline(always)]
pub fn add_rows<F: Float, S: Simd>(simd: S, out: &mut [F], rows: &[F], events: &Events<F>) {
    let width = out.len();
    if let Some(&last) = events.index.last() {
        assert!((last as usize + 1) * width <= rows.len(), "event {last} has no weight row");
    }
    let mut from = 0;
    while from < width {
        let vectors = (width - from) / F::lanes::<S>();
        // SAFETY: `from + vectors · lanes ≤ width`, and every event has a row, checked above.
        from += unsafe {
            match vectors {
                8.. => gather::<F, S, 8>(simd, out, rows, events, from),
                4.. => gather::<F, S, 4>(simd, out, rows, events, from),
                2.. => gather::<F, S, 2>(simd, out, rows, events, from),
                _ => gather::<F, S, 1>(simd, out, rows, events, from),
            }
        };
    }
}

/// One strip of `add_rows`, V vectors wide; returns its width.
#[inline(always)]
unsafe fn gather<F: Float, S: Simd, const V: usize>(
    simd: S,
    out: &mut [F],
    rows: &[F],
    events: &Events<F>,
    from: usize,
) -> usize {
    let (width, lanes) = (out.len(), F::lanes::<S>());
    // SAFETY: by the caller, all strips lie inside their rows.
    unsafe {
        let out = out.as_mut_ptr().add(from);
        let rows = rows.as_ptr().add(from);
        let mut sum: [F::Vector<S>; V] = std::array::from_fn(|v| load::<F, S>(out.add(v * lanes)));
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

/// `rows[e][from..from + len] += value_e · chi` for each event, `chi` of length `len`, rows `width` apart.
///
/// # Safety
/// Every event has a row of `width` numbers at `rows`, `from + len ≤ width`, and nobody else touches these columns.
#[inline(always)]
pub unsafe fn scatter_rows<F: Float, S: Simd>(
    simd: S,
    chi: &[F],
    rows: *mut F,
    width: usize,
    from: usize,
    events: &Events<F>,
) {
    let mut at = 0;
    while at < chi.len() {
        let vectors = (chi.len() - at) / F::lanes::<S>();
        // SAFETY: by the caller.
        at += unsafe {
            match vectors {
                8.. => scatter::<F, S, 8>(simd, &chi[at..], rows, width, from + at, events),
                4.. => scatter::<F, S, 4>(simd, &chi[at..], rows, width, from + at, events),
                2.. => scatter::<F, S, 2>(simd, &chi[at..], rows, width, from + at, events),
                _ => scatter::<F, S, 1>(simd, &chi[at..], rows, width, from + at, events),
            }
        };
    }
}

#[inline(always)]
unsafe fn scatter<F: Float, S: Simd, const V: usize>(
    simd: S,
    chi: &[F],
    rows: *mut F,
    width: usize,
    from: usize,
    events: &Events<F>,
) -> usize {
    let lanes = F::lanes::<S>();
    // SAFETY: by the caller of `scatter_rows`.
    unsafe {
        let chi: [F::Vector<S>; V] = std::array::from_fn(|v| load::<F, S>(chi.as_ptr().add(v * lanes)));
        if events.graded {
            for (&index, &value) in events.index.iter().zip(&events.value) {
                let row = rows.add(index as usize * width + from);
                let value = F::splat(simd, value);
                for (v, &chi) in chi.iter().enumerate() {
                    let at = row.add(v * lanes);
                    store::<F, S>(at, F::mul_add(simd, value, chi, load::<F, S>(at)));
                }
            }
        } else {
            for &index in &events.index {
                let row = rows.add(index as usize * width + from);
                for (v, &chi) in chi.iter().enumerate() {
                    let at = row.add(v * lanes);
                    store::<F, S>(at, F::add_vectors(simd, load::<F, S>(at), chi));
                }
            }
        }
    }
    V * lanes
}

/// Columns of a panel of packed weights.
const PANEL: usize = 32;

/// W^T of weights W `[rows][np]`, packed for [`Packed::product`]: panel p holds, for each k, the entries
/// `W[32 p + l][k]`, l = 0..32; rows past the last are 0.
#[derive(Clone, Debug)]
pub struct Packed<F> {
    rows: usize,
    columns: usize,
    data: Vec<F>,
}

impl<F: Float> Packed<F> {
    /// Room for weights of `rows` × `columns`.
    pub fn new(rows: usize, columns: usize) -> Self {
        Packed { rows, columns, data: vec![F::ZERO; rows.div_ceil(PANEL) * PANEL * columns] }
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.data.len() * size_of::<F>()
    }

    /// Packs `weights` `[rows][width]`.
    pub fn pack(&mut self, weights: &[F], width: usize) {
        for (p, panel) in self.data.chunks_exact_mut(PANEL * self.columns).enumerate() {
            for l in 0..PANEL.min(self.rows - p * PANEL) {
                let row = &weights[(p * PANEL + l) * width..][..self.columns];
                for (k, &weight) in row.iter().enumerate() {
                    panel[k * PANEL + l] = weight;
                }
            }
        }
    }

    /// `out[m] = Σ_k a[m][k] W[:][k]` (added to `out` where `accumulate`): `a` holds `count` rows `lda` apart, `out` rows
    /// `ldo` apart of at least `pad(rows)` numbers; k runs over `columns`.
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
        let panels = self.rows.div_ceil(PANEL);
        assert!((count - 1) * lda + self.columns <= a.len() && self.columns <= lda);
        assert!((count - 1) * ldo + panels * PANEL <= out.len() && panels * PANEL <= ldo);
        let step = 2 * F::lanes::<S>();
        for p in 0..panels {
            let panel = &self.data[p * PANEL * self.columns..][..PANEL * self.columns];
            let mut column = 0;
            while column < PANEL {
                let wide = step <= PANEL;
                let mut m = 0;
                while m < count {
                    let tall = count - m;
                    // SAFETY: rows m.. of a and out and the columns of the panel were checked above.
                    m += unsafe {
                        let a = a.as_ptr().add(m * lda);
                        let b = panel.as_ptr().add(column);
                        let out = out.as_mut_ptr().add(m * ldo + p * PANEL + column);
                        let k = self.columns;
                        match (wide, tall) {
                            (true, 8..) if S::REGISTER_COUNT >= 32 => {
                                tile::<F, S, 8, 2>(simd, a, lda, b, k, out, ldo, accumulate)
                            }
                            (true, 4..) => tile::<F, S, 4, 2>(simd, a, lda, b, k, out, ldo, accumulate),
                            (true, 2..) => tile::<F, S, 2, 2>(simd, a, lda, b, k, out, ldo, accumulate),
                            (true, _) => tile::<F, S, 1, 2>(simd, a, lda, b, k, out, ldo, accumulate),
                            (false, _) => tile::<F, S, 1, 1>(simd, a, lda, b, k, out, ldo, accumulate),
                        }
                    };
                }
                column += if wide { step } else { F::lanes::<S>() };
            }
        }
    }
}

/// M rows × V vectors of a product; returns M.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn tile<F: Float, S: Simd, const M: usize, const V: usize>(
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
        let mut sum: [[F::Vector<S>; V]; M] = [[F::splat(simd, F::ZERO); V]; M];
        for k in 0..depth {
            let row = b.add(k * PANEL);
            let b: [F::Vector<S>; V] = std::array::from_fn(|v| load::<F, S>(row.add(v * lanes)));
            for (m, sum) in sum.iter_mut().enumerate() {
                let a = F::splat(simd, *a.add(m * lda + k));
                for (sum, &b) in sum.iter_mut().zip(&b) {
                    *sum = F::mul_add(simd, a, b, *sum);
                }
            }
        }
        for (m, sum) in sum.into_iter().enumerate() {
            for (v, sum) in sum.into_iter().enumerate() {
                let at = out.add(m * ldo + v * lanes);
                let sum = if accumulate { F::add_vectors(simd, load::<F, S>(at), sum) } else { sum };
                store::<F, S>(at, sum);
            }
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
