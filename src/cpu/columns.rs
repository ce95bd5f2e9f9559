//! The dense products of one step of an adjoint for all samples at once: threads side by side over columns in place of
//! samples. A recurrent layer whose R no cache holds is then read once a step and not once by each thread, and a batch of few
//! samples leaves no thread idle; the price is that the threads meet at every step. Entries are the chains of
//! [`Packed::product`], so their bits are the same.

use super::backward::Call;
use super::float::Float;
use super::linear::{Work, dispatch};
use super::memory::{Aligned, Shared};
use super::packed::{Packed, RowsOf};
use pulp::Simd;
use rayon::prelude::*;

/// Least bytes of R, and those for each sample of a thread: measured, as with fewer the threads lose more by meeting than R
/// costs to read.
const LEAST: usize = 8 << 20;
const EACH: usize = 2 << 20;
/// Most samples of a thread: none were measured above.
const MOST: usize = 32;
/// Strips of columns for each thread.
const STRIPS: usize = 4;

/// ρ of a step, as far as it comes from the layer above and through the recurrence: a strip of columns after the other, each
/// `[B][strip]`.
#[derive(Clone, Copy)]
pub struct Sums<'a, F> {
    strips: &'a [F],
    batch: usize,
    strip: usize,
}

impl<F: Float> Sums<'_, F> {
    /// The row of a sample, as far as `out` goes.
    #[inline(always)]
    pub fn read(&self, sample: usize, out: &mut [F]) {
        for (out, strip) in out.chunks_mut(self.strip).zip(self.strips.chunks_exact(self.batch * self.strip)) {
            out.copy_from_slice(&strip[sample * self.strip..][..out.len()]);
        }
    }
}

/// Whether this form is planned for a recurrent layer of `units` whose surrogate is dense.
pub fn pays<F>(units: usize, batch: usize, threads: usize) -> bool {
    let (bytes, samples) = (units * units * size_of::<F>(), batch.div_ceil(threads));
    threads > 1 && bytes >= LEAST && samples * EACH <= bytes && samples <= MOST
}

/// The products of step t.
pub fn sums<'a, F: Float>(call: &Call<F>, t: usize, chi: &Shared<F>, room: &'a mut Aligned<F>) -> Sums<'a, F> {
    let (batch, width) = (call.shape.batch, call.shape.row());
    let above = call.above.map(|above| {
        let after = &above.chi[(t + above.lag) * batch * above.width..][..batch * above.width];
        (after, above.width, above.packed)
    });
    let recurrent = call.recurrent.map(|(_, packed)| {
        // SAFETY: rows of a later step, which nobody writes any more.
        let after: &[F] = unsafe { chi.slice((t + call.model.recurrent_lag) * batch * width, batch * width) };
        (after, width, packed)
    });
    let parts = [above, recurrent];
    let panels = call.shape.units.div_ceil(Packed::<F>::panel());
    let panels_each = panels.div_ceil(STRIPS * rayon::current_num_threads());
    let strip = panels_each * Packed::<F>::panel();
    let strips = room.grow(F::ZERO, panels.div_ceil(panels_each) * batch * strip);
    strips.par_chunks_exact_mut(batch * strip).enumerate().for_each(|(index, out)| {
        F::with_scratch(|scratch| {
            let side_by_side = &mut scratch.side_by_side;
            dispatch(Strip { parts, batch, first: index * panels_each, strip, out, side_by_side });
        });
    });
    Sums { strips, batch, strip }
}

/// Rows of χ, how far apart they are, and packed weights.
type Part<'a, F> = Option<(&'a [F], usize, &'a Packed<F>)>;

struct Strip<'a, F> {
    parts: [Part<'a, F>; 2],
    batch: usize,
    /// The first panel.
    first: usize,
    strip: usize,
    out: &'a mut [F],
    side_by_side: &'a mut Aligned<F>,
}

impl<F: Float> Work for Strip<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Strip { parts, batch, first, strip, out, side_by_side } = self;
        let mut accumulate = false;
        for (after, row, packed) in parts.into_iter().flatten() {
            let panels = first..(first + strip / Packed::<F>::panel()).min(packed.panels());
            packed.product_of(simd, panels, after, row, RowsOf::First(batch), out, strip, accumulate, side_by_side);
            accumulate = true;
        }
    }
}
