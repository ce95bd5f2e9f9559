//! Surrogate derivatives `f(z)` and their primitives; twin of `shaders/surrogate/`. Finite for every z, ±∞ included.

use super::float::Float;
use crate::network::{CustomSurrogate, Surrogate};
use std::f64::consts::{FRAC_PI_2, PI};

/// A shape `f` and a primitive of it.
pub trait Shape<F: Float>: Copy {
    /// `f(z)`.
    fn derivative(self, z: F) -> F;
    /// `F(z)` with `F' = f`, `F(0) = 0`.
    fn primitive(self, z: F) -> F;
}

/// A shape by its fields, its argument, its derivative and its primitive.
macro_rules! shape {
    ($name:ident { $($field:ident),* }, $z:ident, $derivative:expr, $primitive:expr) => {
        /// See [`crate::network::SurrogateKind`] and [`Surrogate::shape`].
        #[derive(Clone, Copy)]
        pub struct $name<F> {
            number: std::marker::PhantomData<F>,
            $($field: F,)*
        }

        impl<F: Float> $name<F> {
            /// With the numbers of [`Surrogate::shape`], as many as it has.
            pub fn new(numbers: [f64; 3]) -> Self {
                let mut numbers = numbers.into_iter().map(F::from_f64);
                let mut _next = || numbers.next().unwrap_or(F::ZERO);
                $name { number: std::marker::PhantomData, $($field: _next(),)* }
            }
        }

        impl<F: Float> Shape<F> for $name<F> {
            #[inline(always)]
            fn derivative(self, $z: F) -> F {
                let $name { number: _, $($field),* } = self;
                $derivative
            }
            #[inline(always)]
            fn primitive(self, $z: F) -> F {
                let $name { number: _, $($field),* } = self;
                $primitive
            }
        }
    };
}

#[inline(always)]
fn c<F: Float>(value: f64) -> F {
    F::from_f64(value)
}

/// `half` with the sign of z.
#[inline(always)]
fn odd<F: Float>(z: F, half: F) -> F {
    if z < F::ZERO { -half } else { half }
}

shape!(
    FastSigmoid {},
    z,
    {
        let r = F::ONE / (F::ONE + z.abs());
        r * r
    },
    z / (F::ONE + z.abs())
);
shape!(
    Sigmoid {},
    z,
    {
        // 4 s (1 − s) = 4e / (1 + e)² with e = exp(−|z|) ≤ 1.
        let e = (-z.abs()).exponential();
        let r = F::ONE / (F::ONE + e);
        c::<F>(4.0) * e * r * r
    },
    {
        let e = (-z.abs()).exponential();
        odd(z, c::<F>(2.0) * (F::ONE - e) / (F::ONE + e))
    }
);
shape!(Triangle {}, z, (F::ONE - z.abs()).max(F::ZERO), {
    let a = z.abs().min(F::ONE);
    odd(z, a - c::<F>(0.5) * a * a)
});
shape!(Exponential {}, z, (-z.abs()).exponential(), odd(z, F::ONE - (-z.abs()).exponential()));
shape!(
    Atan {},
    z,
    {
        let a = c::<F>(FRAC_PI_2) * z;
        F::ONE / (F::ONE + a * a)
    },
    c::<F>(2.0 / PI) * (c::<F>(FRAC_PI_2) * z).atan()
);
shape!(Boxcar {}, z, if z.abs() < c(0.5) { F::ONE } else { F::ZERO }, z.max(c(-0.5)).min(c(0.5)));
shape!(Gaussian {}, z, (-(z * z)).exponential(), c::<F>(PI.sqrt() / 2.0) * error_function(z));
shape!(StraightThrough {}, _z, F::ONE, _z);
shape!(
    MultiGaussian { middle, side, inverse },
    z,
    {
        let bell = |z: F| (-(z * z * inverse)).exponential();
        middle * (-(c::<F>(0.5) * z * z)).exponential() - side * (bell(z - F::ONE) + bell(z + F::ONE))
    },
    {
        // ∫_0^z e^(−q (u − m)²) = (erf(√q (z − m)) + erf(√q m)) √π / (2 √q); that of ±m together has no constant part.
        let bell = |z: F, root: F| error_function(root * z) * c::<F>(PI.sqrt() / 2.0) / root;
        let root = inverse.sqrt();
        middle * bell(z, c::<F>(0.5).sqrt()) - side * (bell(z - F::ONE, root) + bell(z + F::ONE, root))
    }
);
shape!(LeakyRelu { leak }, z, if z < F::ZERO { leak } else { F::ONE }, if z < F::ZERO { leak * z } else { z });
shape!(
    Tanh {},
    z,
    {
        let e = (c::<F>(-2.0) * z.abs()).exponential();
        let r = F::ONE / (F::ONE + e);
        c::<F>(4.0) * e * r * r
    },
    {
        let e = (c::<F>(-2.0) * z.abs()).exponential();
        odd(z, (F::ONE - e) / (F::ONE + e))
    }
);
shape!(SpikeRateEscape { offset }, z, (-(z - offset).abs()).exponential(), {
    let half = |y: F| odd(y, F::ONE - (-y.abs()).exponential());
    half(z - offset) + half(offset)
});
shape!(
    SparseFastSigmoid { bound },
    z,
    {
        let r = F::ONE / (F::ONE + z.abs());
        if z.abs() < bound { r * r } else { F::ZERO }
    },
    {
        let z = z.max(-bound).min(bound);
        z / (F::ONE + z.abs())
    }
);

/// A registered shape.
#[derive(Clone, Copy)]
pub struct Custom(pub &'static CustomSurrogate);

impl<F: Float> Shape<F> for Custom {
    fn derivative(self, z: F) -> F {
        F::from_f64(self.0.derivative(z.to_f64()))
    }
    fn primitive(self, z: F) -> F {
        F::from_f64(self.0.primitive(z.to_f64()))
    }
}

/// erf(z): the Taylor series for small |z|, the continued fraction of erfc beyond, to f64 rounding
/// (Abramowitz & Stegun 7.1.6 and 7.1.14). Only the audit needs it, so it is slow and exact.
fn error_function<F: Float>(z: F) -> F {
    let x = z.to_f64();
    let a = x.abs();
    let value = if a < 3.0 {
        let (mut term, mut sum) = (a, a);
        for n in 1..200 {
            term *= 2.0 * a * a / (2 * n + 1) as f64;
            sum += term;
            if term < 1e-18 * sum {
                break;
            }
        }
        2.0 / PI.sqrt() * (-a * a).exp() * sum
    } else {
        let mut fraction = a;
        for n in (1..=80).rev() {
            fraction = a + n as f64 / 2.0 / fraction;
        }
        1.0 - (-a * a).exp() / PI.sqrt() / fraction
    };
    F::from_f64(value.copysign(x))
}

/// Calls `$body` with `$shape` bound to the shape of `$surrogate` in numbers of type `$number`.
macro_rules! with_shape {
    ($surrogate:expr, $number:ty, $shape:ident => $body:expr) => {{
        use $crate::network::SurrogateKind as Kind;
        let numbers = $surrogate.shape();
        match $surrogate.kind {
            Kind::FastSigmoid => {
                let $shape = $crate::cpu::surrogate::FastSigmoid::<$number>::new(numbers);
                $body
            }
            Kind::Sigmoid => {
                let $shape = $crate::cpu::surrogate::Sigmoid::<$number>::new(numbers);
                $body
            }
            Kind::Triangle => {
                let $shape = $crate::cpu::surrogate::Triangle::<$number>::new(numbers);
                $body
            }
            Kind::Exponential => {
                let $shape = $crate::cpu::surrogate::Exponential::<$number>::new(numbers);
                $body
            }
            Kind::Atan => {
                let $shape = $crate::cpu::surrogate::Atan::<$number>::new(numbers);
                $body
            }
            Kind::Boxcar => {
                let $shape = $crate::cpu::surrogate::Boxcar::<$number>::new(numbers);
                $body
            }
            Kind::Gaussian => {
                let $shape = $crate::cpu::surrogate::Gaussian::<$number>::new(numbers);
                $body
            }
            Kind::StraightThrough => {
                let $shape = $crate::cpu::surrogate::StraightThrough::<$number>::new(numbers);
                $body
            }
            Kind::MultiGaussian { .. } => {
                let $shape = $crate::cpu::surrogate::MultiGaussian::<$number>::new(numbers);
                $body
            }
            Kind::LeakyRelu { .. } => {
                let $shape = $crate::cpu::surrogate::LeakyRelu::<$number>::new(numbers);
                $body
            }
            Kind::Tanh => {
                let $shape = $crate::cpu::surrogate::Tanh::<$number>::new(numbers);
                $body
            }
            Kind::SpikeRateEscape { .. } => {
                let $shape = $crate::cpu::surrogate::SpikeRateEscape::<$number>::new(numbers);
                $body
            }
            Kind::SparseFastSigmoid { .. } => {
                let $shape = $crate::cpu::surrogate::SparseFastSigmoid::<$number>::new(numbers);
                $body
            }
            Kind::Custom(custom) => {
                let $shape = $crate::cpu::surrogate::Custom(custom);
                $body
            }
        }
    }};
}

/// `out_j = c f(k (v_j − θ_j))`.
#[inline(always)]
pub fn derivative_row<F: Float>(surrogate: Surrogate, v: &[F], theta: &[F], out: &mut [F]) {
    #[inline(always)]
    fn row<F: Float>(shape: impl Shape<F>, k: F, c: F, v: &[F], theta: &[F], out: &mut [F]) {
        for ((out, &v), &theta) in out.iter_mut().zip(v).zip(theta) {
            *out = c * shape.derivative(k * (v - theta));
        }
    }
    let (k, c) = (F::from_f64(surrogate.slope), F::from_f64(surrogate.scale));
    with_shape!(surrogate, F, shape => row::<F>(shape, k, c, v, theta, out));
}

/// σ'(x) of one neuron, to the bit as in a row.
#[inline(always)]
pub fn at<F: Float>(surrogate: Surrogate, x: F) -> F {
    let (k, c) = (F::from_f64(surrogate.slope), F::from_f64(surrogate.scale));
    c * with_shape!(surrogate, F, shape => shape.derivative(k * x))
}

/// A smooth stand-in for the step function: `1/2 + (c/k) F(k x)`, whose derivative is σ'(x).
#[inline(always)]
pub fn primitive<F: Float>(surrogate: Surrogate, x: F) -> F {
    let (k, scale) = (F::from_f64(surrogate.slope), F::from_f64(surrogate.scale / surrogate.slope));
    let value = with_shape!(surrogate, F, shape => shape.primitive(k * x));
    scale.fma(value, c(0.5))
}

/// σ'(x) at one point, for pictures and checks.
pub fn derivative(surrogate: Surrogate, x: f64) -> f64 {
    surrogate.scale * with_shape!(surrogate, f64, shape => Shape::<f64>::derivative(shape, surrogate.slope * x))
}
