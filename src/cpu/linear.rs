//! Sums of rows over events. All sums run in the order of the events with one accumulator for each output, so their bits do
//! not depend on tiles, threads or vector width.

use super::float::{Float, load, store};
use super::memory::List;
use pulp::{Arch, Simd, WithSimd};

/// Runs `work` compiled for the widest instruction set of this machine. What it calls must be `inline(always)`.
#[inline]
pub fn wide<R>(work: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(work)
}

/// `out = start + Σ_e value_e · rows[e]` over the events of one part after the other (`out +=` where `start` is None), `rows`
/// `[…][stride]` of which the first `out.len()` numbers count.
#[inline(always)]
pub fn add_rows<F: Float, S: Simd, const N: usize>(
    simd: S,
    out: &mut [F],
    start: Option<&[F]>,
    parts: [(&[F], usize, List<F>); N],
) {
    let width = out.len();
    let start = start.map_or(out.as_ptr(), |start| start[..width].as_ptr());
    for (rows, stride, events) in parts {
        if let Some(&last) = events.index.last() {
            assert!(last as usize * stride + width <= rows.len(), "event {last} has no weight row");
        }
    }
    let mut from = 0;
    while from < width {
        let vectors = (width - from) / F::lanes::<S>();
        // SAFETY: `from + vectors · lanes ≤ width`, and every event has a row: events ascend, and the last was checked.
        from += unsafe {
            match vectors {
                16.. if S::REGISTER_COUNT >= 32 => gather::<F, S, 16, N>(simd, out, start, parts, from),
                8.. => gather::<F, S, 8, N>(simd, out, start, parts, from),
                4.. => gather::<F, S, 4, N>(simd, out, start, parts, from),
                2.. => gather::<F, S, 2, N>(simd, out, start, parts, from),
                _ => gather::<F, S, 1, N>(simd, out, start, parts, from),
            }
        };
    }
}

/// One strip of `add_rows`, V vectors wide; returns its width.
#[inline(always)]
unsafe fn gather<F: Float, S: Simd, const V: usize, const N: usize>(
    simd: S,
    out: &mut [F],
    start: *const F,
    parts: [(&[F], usize, List<F>); N],
    from: usize,
) -> usize {
    let lanes = F::lanes::<S>();
    // SAFETY: by the caller, all strips lie inside their rows.
    unsafe {
        let start = start.add(from);
        let out = out.as_mut_ptr().add(from);
        let mut sum: [F::Vector<S>; V] = std::array::from_fn(|v| load::<F, S>(start.add(v * lanes)));
        for (rows, stride, events) in parts {
            let rows = rows.as_ptr().add(from);
            if let Some(values) = events.value {
                for (&index, &value) in events.index.iter().zip(values) {
                    let row = rows.add(index as usize * stride);
                    let value = F::splat(simd, value);
                    for (v, sum) in sum.iter_mut().enumerate() {
                        *sum = F::mul_add(simd, value, load::<F, S>(row.add(v * lanes)), *sum);
                    }
                }
            } else {
                for &index in events.index {
                    let row = rows.add(index as usize * stride);
                    for (v, sum) in sum.iter_mut().enumerate() {
                        *sum = F::add_vectors(simd, *sum, load::<F, S>(row.add(v * lanes)));
                    }
                }
            }
        }
        for (v, sum) in sum.into_iter().enumerate() {
            store::<F, S>(out.add(v * lanes), sum);
        }
    }
    V * lanes
}

/// `out += Σ_r from[places[r]..]` over `rows` r in their order, as many numbers as `out` has.
///
/// # Safety
/// As many numbers lie in `from` at the place of each of `rows`.
#[inline(always)]
pub unsafe fn sum_rows<F: Float, S: Simd, const P: usize>(
    simd: S,
    out: &mut [F],
    from: &[F],
    places: &[usize; P],
    rows: &[u16],
) {
    const { assert!(P.is_power_of_two()) };
    let len = out.len();
    debug_assert!(rows.iter().all(|&row| (row as usize) < P && places[row as usize] + len <= from.len()));
    let mut at = 0;
    while at < len {
        let vectors = (len - at) / F::lanes::<S>();
        // SAFETY: rows are those of a chunk, whose places lie in `from`, and every strip lies in its row.
        at += unsafe {
            let (out, from) = (out.as_mut_ptr().add(at), from.as_ptr().add(at));
            match vectors {
                8.. => sum_strip::<F, S, 8, P>(simd, out, from, places, rows),
                4.. => sum_strip::<F, S, 4, P>(simd, out, from, places, rows),
                2.. => sum_strip::<F, S, 2, P>(simd, out, from, places, rows),
                _ => sum_strip::<F, S, 1, P>(simd, out, from, places, rows),
            }
        };
    }
}

/// One strip of `sum_rows`, V vectors wide; returns its width.
#[inline(always)]
unsafe fn sum_strip<F: Float, S: Simd, const V: usize, const P: usize>(
    simd: S,
    out: *mut F,
    from: *const F,
    places: &[usize; P],
    rows: &[u16],
) -> usize {
    let lanes = F::lanes::<S>();
    // SAFETY: by the caller.
    unsafe {
        let mut sum: [F::Vector<S>; V] = std::array::from_fn(|v| load::<F, S>(out.add(v * lanes)));
        for &row in rows {
            let row = from.add(places[row as usize % P]);
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

/// Partial sums of a scalar product.
const PARTS: usize = 16;

/// `out[j] += Σ_k a[k] rows[j][k]` for the listed j, `rows` `[…][a.len()]`. Sixteen partial sums (of k modulo 16, ascending)
/// are added in a fixed tree, so that bits do not depend on the vector width.
#[inline(always)]
pub fn scalar_products<F: Float, S: Simd>(simd: S, out: &mut [F], a: &[F], rows: &[F], list: &[u32]) {
    let width = a.len();
    assert!(width.is_multiple_of(PARTS) && list.iter().all(|&j| (j as usize + 1) * width <= rows.len()));
    let mut quads = list.chunks_exact(4);
    for list in &mut quads {
        // SAFETY: every row lies in `rows`, checked above.
        let sums = unsafe { rows_product::<F, S, 4>(simd, a, rows, [list[0], list[1], list[2], list[3]]) };
        for (&j, sum) in list.iter().zip(sums) {
            out[j as usize] += sum;
        }
    }
    for &j in quads.remainder() {
        // SAFETY: as above.
        let [sum] = unsafe { rows_product::<F, S, 1>(simd, a, rows, [j]) };
        out[j as usize] += sum;
    }
}

/// Scalar products of `a` with N rows.
#[inline(always)]
unsafe fn rows_product<F: Float, S: Simd, const N: usize>(simd: S, a: &[F], rows: &[F], list: [u32; N]) -> [F; N] {
    let (lanes, width) = (F::lanes::<S>(), a.len());
    let mut parts = [[F::ZERO; PARTS]; N];
    let at = list.map(|j| rows.as_ptr().wrapping_add(j as usize * width));
    for first in (0..PARTS).step_by(lanes) {
        let mut sums = [F::splat(simd, F::ZERO); N];
        for k in (first..width).step_by(PARTS) {
            // SAFETY: `k + lanes ≤ width`, as both divide; rows lie in their array by the caller.
            unsafe {
                let a = load::<F, S>(a.as_ptr().add(k));
                for (sum, at) in sums.iter_mut().zip(at) {
                    *sum = F::mul_add(simd, a, load::<F, S>(at.add(k)), *sum);
                }
            }
        }
        for (parts, sum) in parts.iter_mut().zip(sums) {
            // SAFETY: `first + lanes ≤ PARTS`.
            unsafe { store::<F, S>(parts.as_mut_ptr().add(first), sum) };
        }
    }
    parts.map(|mut parts| {
        let mut half = PARTS / 2;
        while half > 0 {
            for l in 0..half {
                parts[l] += parts[l + half];
            }
            half /= 2;
        }
        parts[0]
    })
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
