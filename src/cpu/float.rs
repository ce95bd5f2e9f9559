//! Numbers that the CPU kernels compute in: f32, and f64 for the audit.

use crate::kernels::Real;
use crate::neuron::{AdjointRows, Rows, StepRows, ThresholdRows};
use pulp::Simd;

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
    /// eˣ.
    fn exp(self) -> Self;
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
    /// 0 or 1.
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
}

macro_rules! float {
    ($type:ident, $lanes:ident, $vector:ident, $splat:ident, $mul_add:ident, $add:ident, $step:ident, $threshold:ident, $adjoint:ident) => {
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
            fn exp(self) -> Self {
                $type::exp(self)
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
        }
    };
}

float!(f32, F32_LANES, f32s, splat_f32s, mul_add_f32s, add_f32s, step_f32, threshold_f32, adjoint_f32);
float!(f64, F64_LANES, f64s, splat_f64s, mul_add_f64s, add_f64s, step_f64, threshold_f64, adjoint_f64);

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
