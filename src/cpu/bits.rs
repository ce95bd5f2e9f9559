//! Bits from masks, and lists of the places of bits: what every event-driven kernel starts with.

use super::float::load;
use pulp::Simd;

/// A place in a list of bits.
pub trait Place: Copy {
    /// From a number that fits.
    fn new(place: u32) -> Self;
    /// Writes 16 numbers.
    ///
    /// # Safety
    /// There is room for 16 places at `at`, and the machine has AVX-512F.
    #[cfg(target_arch = "x86_64")]
    unsafe fn put(places: std::arch::x86_64::__m512i, at: *mut Self);
}

impl Place for u32 {
    #[inline(always)]
    fn new(place: u32) -> Self {
        place
    }
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn put(places: std::arch::x86_64::__m512i, at: *mut Self) {
        // SAFETY: by the caller.
        unsafe { std::arch::x86_64::_mm512_storeu_si512(at.cast(), places) };
    }
}

impl Place for u16 {
    #[inline(always)]
    fn new(place: u32) -> Self {
        place as u16
    }
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn put(places: std::arch::x86_64::__m512i, at: *mut Self) {
        use std::arch::x86_64::{_mm256_storeu_si256, _mm512_cvtepi32_epi16};
        // SAFETY: by the caller.
        unsafe { _mm256_storeu_si256(at.cast(), _mm512_cvtepi32_epi16(places)) };
    }
}

/// Room that [`push_bits`] wants behind a list for each word.
pub const ROOM: usize = 36;

/// Adds the places of the bits of a word, `base` and up, to a list, without a branch on the bits: sixteen at a time where
/// the machine packs vectors by a mask, else four.
#[inline(always)]
pub fn push_bits<S: Simd, P: Place>(simd: S, list: &mut Vec<P>, base: u32, word: u32) {
    let _ = simd;
    list.reserve(ROOM);
    let (len, count) = (list.len(), word.count_ones() as usize);
    // SAFETY: there is room for 36 entries, and the first `count` of them are written.
    unsafe {
        let at = list.as_mut_ptr().add(len);
        #[cfg(target_arch = "x86_64")]
        if masks_are_bits::<S>() {
            use std::arch::x86_64::{
                _mm512_add_epi32, _mm512_loadu_si512, _mm512_maskz_compress_epi32, _mm512_set1_epi32,
            };
            let places = _mm512_add_epi32(_mm512_loadu_si512(PLACES.as_ptr().cast()), _mm512_set1_epi32(base as i32));
            let (low, high) = (word as u16, (word >> 16) as u16);
            P::put(_mm512_maskz_compress_epi32(low, places), at);
            let places = _mm512_add_epi32(places, _mm512_set1_epi32(16));
            P::put(_mm512_maskz_compress_epi32(high, places), at.add(low.count_ones() as usize));
            list.set_len(len + count);
            return;
        }
        let (mut at, mut rest) = (at, word);
        loop {
            for place in 0..4 {
                *at.add(place) = P::new(base.wrapping_add(rest.trailing_zeros()));
                rest &= rest.wrapping_sub(1);
            }
            if rest == 0 {
                break;
            }
            at = at.add(4);
        }
        list.set_len(len + count);
    }
}

/// Whether a mask of 32-bit numbers is a bit for each of 16 lanes, as AVX-512 has it.
#[inline(always)]
const fn masks_are_bits<S: Simd>() -> bool {
    cfg!(target_arch = "x86_64") && size_of::<S::m32s>() == 2 && S::F32_LANES == 16
}

/// The places of the bits of a word.
pub static PLACES: [u32; 32] = {
    let mut places = [0; 32];
    let mut bit = 0;
    while bit < 32 {
        places[bit] = bit as u32;
        bit += 1;
    }
    places
};

/// Each bit of a word by itself.
static BITS: [u32; 32] = {
    let mut bits = [0; 32];
    let mut bit = 0;
    while bit < 32 {
        bits[bit] = 1 << bit;
        bit += 1;
    }
    bits
};

/// The most lanes of numbers in 32 bits.
const MOST_LANES: usize = 16;

/// A word from the masks of 32 numbers, a vector after the other.
#[inline(always)]
pub fn word<S: Simd>(simd: S, mask: impl Fn(usize) -> S::m32s) -> u32 {
    if masks_are_bits::<S>() {
        // SAFETY: such a mask is 16 bits, the first lane lowest.
        let half = |from: usize| u32::from(unsafe { std::mem::transmute_copy::<S::m32s, u16>(&mask(from)) });
        return half(0) | half(16) << 16;
    }
    #[cfg(target_arch = "x86_64")]
    if size_of::<S::m32s>() == 32 {
        use std::arch::x86_64::{__m256, _mm256_movemask_ps};
        let mut word = 0;
        for from in (0..32).step_by(8) {
            // SAFETY: such a mask is 8 lanes of AVX, all bits of each the same.
            let lanes = unsafe { std::mem::transmute_copy::<S::m32s, __m256>(&mask(from)) };
            // SAFETY: a machine that has such vectors has AVX.
            word |= (unsafe { _mm256_movemask_ps(lanes) } as u32) << from;
        }
        return word;
    }
    let zero = simd.splat_u32s(0);
    let mut all = zero;
    for from in (0..32).step_by(S::F32_LANES) {
        // SAFETY: as many lanes divide 32, the length of the table.
        let bits = unsafe { BITS.as_ptr().add(from).cast::<S::u32s>().read_unaligned() };
        all = simd.or_u32s(all, simd.select_u32s(mask(from), bits, zero));
    }
    let mut lanes = [0u32; MOST_LANES];
    const { assert!(S::F32_LANES <= MOST_LANES) };
    // SAFETY: there is room for a vector.
    unsafe { lanes.as_mut_ptr().cast::<S::u32s>().write_unaligned(all) };
    lanes.into_iter().fold(0, |word, lane| word | lane)
}

/// Which of 32 numbers are not 0.
#[inline(always)]
pub fn nonzero<S: Simd>(simd: S, values: &[f32]) -> u32 {
    let values = &values[..32];
    let zero = simd.splat_f32s(0.0);
    !word(simd, |from| {
        // SAFETY: as many lanes divide 32.
        let values = unsafe { load::<f32, S>(values.as_ptr().add(from)) };
        simd.equal_f32s(values, zero)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulp::{Arch, Scalar, WithSimd};

    struct Check;

    impl WithSimd for Check {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let mut word: u32 = 1;
            for round in 0..2000u32 {
                // Full, empty, sparse and any words.
                let bits = match round % 4 {
                    0 => 0,
                    1 => u32::MAX,
                    2 => word & word.rotate_left(7) & word.rotate_left(13),
                    _ => word,
                };
                word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let expected: Vec<u32> = (0..32).filter(|bit| bits >> bit & 1 == 1).map(|bit| 64 + bit).collect();
                let (mut wide, mut narrow) = (vec![7u32], vec![7u16]);
                push_bits(simd, &mut wide, 64, bits);
                push_bits(simd, &mut narrow, 64, bits);
                assert_eq!(wide[1..], expected[..]);
                assert_eq!(narrow[1..].iter().map(|&place| u32::from(place)).collect::<Vec<_>>(), expected);
                let values: Vec<f32> = (0..32).map(|bit| if bits >> bit & 1 == 1 { -0.5 } else { -0.0 }).collect();
                assert_eq!(nonzero(simd, &values), bits);
            }
        }
    }

    #[test]
    fn places_and_words_are_the_same_on_every_instruction_set() {
        Arch::new().dispatch(Check);
        Check.with_simd(Scalar::new());
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            pulp::Simd::vectorize(simd, Check);
        }
    }
}
