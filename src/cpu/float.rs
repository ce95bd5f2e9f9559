//! Numbers that the CPU kernels compute in: f32, and f64 for the audit.

use super::bits::{PLACES, nonzero, word};
use super::scratch::Scratch;
use crate::kernels::Real;
use crate::neuron::{AdjointRows, Rows, StepRows, ThresholdRows};
use pulp::Simd;
use std::cell::RefCell;

/// Arithmetic of a [`Real`], and its vectors in a SIMD instruction set.
pub trait Float:
    Real
    + Copy
    + Default
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::Neg<Output = Self>
    + std::ops::AddAssign
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// A vector register of the instruction set `S`.
    type Vector<S: Simd>: Copy;

    /// `self · b + c`, rounded once.
    fn fma(self, b: Self, c: Self) -> Self;
    /// Absolute value.
    fn abs(self) -> Self;
    /// 0 where an adjoint has decayed to nothing (below 1e8 times the smallest normal number). Decays would end in subnormal numbers, never
    /// reach 0, and make every product a hundred times slower.
    fn settled(self) -> Self;
    /// eˣ.
    fn exp(self) -> Self;
    /// eˣ for x ≤ 0 without a branch or a call, so that loops vectorise: within 2 units in the last place, 0 where eˣ is
    /// below the smallest normal number.
    fn exponential(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// The larger one.
    fn max(self, other: Self) -> Self;
    /// The smaller one.
    fn min(self, other: Self) -> Self;
    /// Arc tangent.
    fn atan(self) -> Self;
    /// The next whole number below.
    fn floor(self) -> Self;
    /// Sine.
    fn sin(self) -> Self;
    /// Cosine.
    fn cos(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// Whether it is neither infinite nor NaN.
    fn is_finite(self) -> bool;
    /// The largest number under 1.
    fn below_one() -> Self;
    /// 0 or 1, or another small whole number.
    fn from_bit(bit: u32) -> Self;
    /// A step of a snippet's rows in this type.
    fn step_rows(rows: &dyn Rows, at: StepRows<Self>);
    /// Thresholds of a snippet's rows in this type.
    fn threshold_rows(rows: &dyn Rows, at: ThresholdRows<Self>);
    /// The adjoint of a snippet's rows in this type.
    fn adjoint_rows(rows: &dyn Rows, at: AdjointRows<Self>);

    /// Numbers in a vector.
    fn lanes<S: Simd>() -> usize;
    /// All lanes `value`.
    fn splat<S: Simd>(simd: S, value: Self) -> Self::Vector<S>;
    /// `a · b + c`.
    fn mul_add<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>, c: Self::Vector<S>) -> Self::Vector<S>;
    /// `a + b`.
    fn add_vectors<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// Runs `work` on the scratch of this thread.
    fn with_scratch<R>(work: impl FnOnce(&mut Scratch<Self>) -> R) -> R;
    /// The bits of a word as 32 numbers.
    fn expand_word<S: Simd>(simd: S, word: u32, out: &mut [Self]);
    /// Which of 32 numbers are not 0.
    fn nonzero_word<S: Simd>(simd: S, values: &[Self]) -> u32;
    /// Where `|v − θ| ≤ reach`, or is no number, of 32 neurons.
    fn near_word<S: Simd>(simd: S, reach: Self, v: &[Self], theta: &[Self]) -> u32;
    /// `s = v > θ` (`v ≥ θ` where `inclusive`) for 32 neurons, as numbers and as a word.
    fn fire_word<S: Simd>(simd: S, inclusive: bool, v: &[Self], theta: &[Self], s: &mut [Self]) -> u32;
}

#[inline(always)]
fn expand_f32<S: Simd>(simd: S, word: u32, out: &mut [f32]) {
    let out = &mut out[..32];
    let (word, zero, one) = (simd.splat_u32s(word), simd.splat_u32s(0), simd.splat_u32s(1));
    let number = simd.splat_u32s(1f32.to_bits());
    for from in (0..32).step_by(S::F32_LANES) {
        // SAFETY: as many lanes divide 32; both hold 32 entries.
        unsafe {
            let places = PLACES.as_ptr().add(from).cast::<S::u32s>().read_unaligned();
            let bits = simd.and_u32s(simd.wrapping_dyn_shr_u32s(word, places), one);
            let values = simd.and_u32s(simd.sub_u32s(zero, bits), number);
            store::<f32, S>(out.as_mut_ptr().add(from), simd.transmute_f32s_u32s(values));
        }
    }
}

#[inline(always)]
fn nonzero_f64<S: Simd>(_simd: S, values: &[f64]) -> u32 {
    values[..32].iter().enumerate().fold(0, |word, (bit, &value)| word | u32::from(value != 0.0) << bit)
}

#[inline(always)]
fn near_f32<S: Simd>(simd: S, reach: f32, v: &[f32], theta: &[f32]) -> u32 {
    let (v, theta, reach) = (&v[..32], &theta[..32], simd.splat_f32s(reach));
    !word(simd, |from| {
        // SAFETY: as many lanes divide 32, the length of both.
        let (v, theta) = unsafe { (load::<f32, S>(v.as_ptr().add(from)), load::<f32, S>(theta.as_ptr().add(from))) };
        simd.less_than_f32s(reach, simd.abs_f32s(simd.sub_f32s(v, theta)))
    })
}

#[inline(always)]
fn near_f64<S: Simd>(_simd: S, reach: f64, v: &[f64], theta: &[f64]) -> u32 {
    let far = |(bit, (v, theta)): (usize, (&f64, &f64))| u32::from((v - theta).abs() > reach) << bit;
    !v[..32].iter().zip(&theta[..32]).enumerate().map(far).fold(0, |word, bit| word | bit)
}

#[inline(always)]
fn fire_f32<S: Simd>(simd: S, inclusive: bool, v: &[f32], theta: &[f32], s: &mut [f32]) -> u32 {
    let (v, theta, s) = (&v[..32], &theta[..32], &mut s[..32]);
    let (zero, one) = (simd.splat_f32s(0.0), simd.splat_f32s(1.0));
    let s = s.as_mut_ptr();
    word(simd, |from| {
        // SAFETY: as many lanes divide 32, the length of all three.
        unsafe {
            let (v, theta) = (load::<f32, S>(v.as_ptr().add(from)), load::<f32, S>(theta.as_ptr().add(from)));
            let mask = if inclusive { simd.less_than_or_equal_f32s(theta, v) } else { simd.less_than_f32s(theta, v) };
            store::<f32, S>(s.add(from), simd.select_f32s(mask, one, zero));
            mask
        }
    })
}

#[inline(always)]
fn fire_f64<S: Simd>(_simd: S, inclusive: bool, v: &[f64], theta: &[f64], s: &mut [f64]) -> u32 {
    let (v, theta, s) = (&v[..32], &theta[..32], &mut s[..32]);
    let mut word = 0;
    for j in 0..32 {
        let spikes = if inclusive { v[j] >= theta[j] } else { v[j] > theta[j] };
        s[j] = f64::from(u8::from(spikes));
        word |= u32::from(spikes) << j;
    }
    word
}

#[inline(always)]
fn expand_f64<S: Simd>(_simd: S, word: u32, out: &mut [f64]) {
    for (bit, out) in out[..32].iter_mut().enumerate() {
        *out = f64::from(word >> bit & 1);
    }
}

macro_rules! float {
    ($type:ident, $exponential:ident, $lanes:ident, $vector:ident, $splat:ident, $mul_add:ident, $add:ident, $step:ident, $threshold:ident, $adjoint:ident, $expand:ident, $nonzero:ident, $near:ident, $fire:ident) => {
        impl Float for $type {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            type Vector<S: Simd> = S::$vector;

            #[inline(always)]
            fn fma(self, b: Self, c: Self) -> Self {
                $type::mul_add(self, b, c)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $type::abs(self)
            }
            #[inline(always)]
            fn settled(self) -> Self {
                // What is not a number stays.
                if $type::abs(self) < <$type>::MIN_POSITIVE * 1e8 { 0.0 } else { self }
            }
            #[inline(always)]
            fn exp(self) -> Self {
                $type::exp(self)
            }
            #[inline(always)]
            fn exponential(self) -> Self {
                $exponential(self)
            }
            #[inline(always)]
            fn ln(self) -> Self {
                $type::ln(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                $type::sqrt(self)
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                $type::max(self, other)
            }
            #[inline(always)]
            fn min(self, other: Self) -> Self {
                $type::min(self, other)
            }
            #[inline(always)]
            fn atan(self) -> Self {
                $type::atan(self)
            }
            #[inline(always)]
            fn floor(self) -> Self {
                $type::floor(self)
            }
            #[inline(always)]
            fn sin(self) -> Self {
                $type::sin(self)
            }
            #[inline(always)]
            fn cos(self) -> Self {
                $type::cos(self)
            }
            #[inline(always)]
            fn tanh(self) -> Self {
                $type::tanh(self)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                $type::is_finite(self)
            }
            #[inline(always)]
            fn below_one() -> Self {
                1.0 - $type::EPSILON / 2.0
            }
            #[inline(always)]
            fn from_bit(bit: u32) -> Self {
                bit as i32 as $type
            }
            #[inline(always)]
            fn step_rows(rows: &dyn Rows, at: StepRows<Self>) {
                rows.$step(at);
            }
            #[inline(always)]
            fn threshold_rows(rows: &dyn Rows, at: ThresholdRows<Self>) {
                rows.$threshold(at);
            }
            #[inline(always)]
            fn adjoint_rows(rows: &dyn Rows, at: AdjointRows<Self>) {
                rows.$adjoint(at);
            }
            #[inline(always)]
            fn lanes<S: Simd>() -> usize {
                S::$lanes
            }
            #[inline(always)]
            fn splat<S: Simd>(simd: S, value: Self) -> Self::Vector<S> {
                simd.$splat(value)
            }
            #[inline(always)]
            fn mul_add<S: Simd>(simd: S, a: S::$vector, b: S::$vector, c: S::$vector) -> S::$vector {
                simd.$mul_add(a, b, c)
            }
            #[inline(always)]
            fn add_vectors<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$add(a, b)
            }
            fn with_scratch<R>(work: impl FnOnce(&mut Scratch<Self>) -> R) -> R {
                thread_local! {
                    static SCRATCH: RefCell<Scratch<$type>> = RefCell::default();
                }
                SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
                    Ok(mut scratch) => work(&mut scratch),
                    Err(_) => work(&mut Scratch::default()),
                })
            }
            #[inline(always)]
            fn expand_word<S: Simd>(simd: S, word: u32, out: &mut [Self]) {
                $expand(simd, word, out);
            }
            #[inline(always)]
            fn nonzero_word<S: Simd>(simd: S, values: &[Self]) -> u32 {
                $nonzero(simd, values)
            }
            #[inline(always)]
            fn near_word<S: Simd>(simd: S, reach: Self, v: &[Self], theta: &[Self]) -> u32 {
                $near(simd, reach, v, theta)
            }
            #[inline(always)]
            fn fire_word<S: Simd>(simd: S, inclusive: bool, v: &[Self], theta: &[Self], s: &mut [Self]) -> u32 {
                $fire(simd, inclusive, v, theta, s)
            }
        }
    };
}

float!(
    f32,
    exponential_f32,
    F32_LANES,
    f32s,
    splat_f32s,
    mul_add_f32s,
    add_f32s,
    step_f32,
    threshold_f32,
    adjoint_f32,
    expand_f32,
    nonzero,
    near_f32,
    fire_f32
);
float!(
    f64,
    exponential_f64,
    F64_LANES,
    f64s,
    splat_f64s,
    mul_add_f64s,
    add_f64s,
    step_f64,
    threshold_f64,
    adjoint_f64,
    expand_f64,
    nonzero_f64,
    near_f64,
    fire_f64
);

/// eˣ = 2ⁿ eʳ: n the integer nearest to x/ln 2, which the addition of 1.5 · 2^(bits of the fraction) leaves in the last
/// bits, r = x − n ln 2 with ln 2 in two parts (n times the first is exact), eʳ its Taylor series on |r| ≤ 0.35.
macro_rules! exponential {
    ($name:ident, $type:ident, $fraction:expr, $bias:expr, $lowest:expr, $ln2:expr, [$($term:expr),*]) => {
        #[inline(always)]
        fn $name(x: $type) -> $type {
            const ROUND: $type = 1.5 * (1u64 << $fraction) as $type;
            let held = x.max($lowest).min(0.0);
            let shifted = held.mul_add(std::f64::consts::LOG2_E as $type, ROUND);
            let n = shifted - ROUND;
            let (high, low): ($type, $type) = $ln2;
            let r = n.mul_add(-low, n.mul_add(-high, held));
            let mut series: $type = 0.0;
            $(series = series.mul_add(r, $term as $type);)*
            // 1 + r + r² (…), the large terms last.
            let value = (r * r).mul_add(series, r) + 1.0;
            let power = $type::from_bits((shifted.to_bits() << $fraction).wrapping_add($bias << $fraction));
            if x < $lowest { 0.0 } else { value * power }
        }
    };
}

exponential!(
    exponential_f32,
    f32,
    23,
    127,
    -87.33,
    (0.693_145_75, 1.428_606_8e-6),
    [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5]
);
exponential!(
    exponential_f64,
    f64,
    52,
    1023,
    -708.39,
    (0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10),
    [
        1.0 / 6_227_020_800.0,
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5
    ]
);

/// Reads a vector.
///
/// # Safety
/// `at` points to at least a vector of numbers.
#[inline(always)]
pub unsafe fn load<F: Float, S: Simd>(at: *const F) -> F::Vector<S> {
    // SAFETY: by the caller; a vector is plain lanes of F.
    unsafe { at.cast::<F::Vector<S>>().read_unaligned() }
}

/// Writes a vector.
///
/// # Safety
/// `at` points to at least a vector of numbers that nobody else uses.
#[inline(always)]
pub unsafe fn store<F: Float, S: Simd>(at: *mut F, vector: F::Vector<S>) {
    // SAFETY: by the caller.
    unsafe { at.cast::<F::Vector<S>>().write_unaligned(vector) }
}

#[cfg(test)]
mod tests {
    use super::Float;

    #[test]
    fn the_exponential_is_within_two_units_in_the_last_place() {
        let (mut worst, mut worst_double) = (0.0f64, 0.0f64);
        for i in 0..400_000 {
            let x = -87.33 * f64::from(i) / 400_000.0;
            let single = x as f32;
            let exact = f64::from(single).exp();
            worst = worst.max(((f64::from(single.exponential()) - exact) / exact).abs());
            let x = 8.1 * x;
            worst_double = worst_double.max(((x.exponential() - x.exp()) / x.exp()).abs());
        }
        assert!(worst < 2.0 * f64::from(f32::EPSILON), "{worst:e}");
        assert!(worst_double < 1e-15, "{worst_double:e}");
        assert_eq!((0.0f32.exponential(), (-0.0f64).exponential()), (1.0, 1.0));
        for x in [-88.0f32, -1e30, f32::MIN, f32::NEG_INFINITY] {
            assert_eq!(x.exponential(), 0.0);
        }
        assert_eq!(((-709.0f64).exponential(), f64::NEG_INFINITY.exponential()), (0.0, 0.0));
        let tiny = f32::from_bits(1);
        assert_eq!((-tiny).exponential(), 1.0);
    }
}
