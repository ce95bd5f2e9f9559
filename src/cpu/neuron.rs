//! The maths of one neuron-step and of its adjoint, one type for each reset form; twin of `shaders/neuron/lif.wgsl`.
//! The formulas stand in `dynamics.md`, sections 1 and 2; S is a number because the gradient audit makes it smooth.

use super::float::Float;
use crate::network::Reset;

/// A reset form: V_t from V_{t-1}, S_{t-1} and `d = γ J_t`, and the partial derivatives that the adjoint needs.
pub trait ResetForm<F: Float> {
    /// V_t.
    fn step(beta: F, theta: F, v_reset: F, v: F, s: F, d: F) -> F;
    /// ∂V_{t+1}/∂V_t from S_t.
    fn carry(beta: F, s: F) -> F;
    /// ∂V_{t+1}/∂S_t from V_t and `d = γ J_{t+1}`: what multiplies λ_{t+1} in the reset term.
    fn through_spike(beta: F, theta: F, v_reset: F, v: F, d: F) -> F;
    /// The gate G_t on J_t from S_{t-1}.
    fn gate(s: F) -> F;
    /// ∂V_t/∂β from V_{t-1}, S_{t-1}, and J_t (0 where γ = 1).
    fn by_beta(theta: F, v_reset: F, v: F, s: F, j: F) -> F;
    /// ∂V_t/∂θ from S_{t-1}.
    fn by_theta(beta: F, s: F) -> F;
}

/// `V_t = β (V_{t-1} − θ S_{t-1}) + γ J_t`.
pub struct SubtractBefore;
/// `V_t = β V_{t-1} − θ S_{t-1} + γ J_t`.
pub struct SubtractAfter;
/// `V_t = β V_{t-1} (1 − S_{t-1}) + β v_reset S_{t-1} + γ J_t`.
pub struct ZeroBefore;
/// `V_t = (β V_{t-1} + γ J_t) (1 − S_{t-1})`.
pub struct ZeroAfter;
/// `V_t = β V_{t-1} + γ J_t`.
pub struct NoReset;

macro_rules! reset_form {
    ($name:ident, ($beta:ident, $theta:ident, $v_reset:ident, $v:ident, $s:ident, $d:ident, $j:ident),
     step: $step:expr, carry: $carry:expr, through_spike: $through:expr, gate: $gate:expr,
     by_beta: $by_beta:expr, by_theta: $by_theta:expr) => {
        #[allow(unused_variables)]
        impl<F: Float> ResetForm<F> for $name {
            #[inline(always)]
            fn step($beta: F, $theta: F, $v_reset: F, $v: F, $s: F, $d: F) -> F {
                $step
            }
            #[inline(always)]
            fn carry($beta: F, $s: F) -> F {
                $carry
            }
            #[inline(always)]
            fn through_spike($beta: F, $theta: F, $v_reset: F, $v: F, $d: F) -> F {
                $through
            }
            #[inline(always)]
            fn gate($s: F) -> F {
                $gate
            }
            #[inline(always)]
            fn by_beta($theta: F, $v_reset: F, $v: F, $s: F, $j: F) -> F {
                $by_beta
            }
            #[inline(always)]
            fn by_theta($beta: F, $s: F) -> F {
                $by_theta
            }
        }
    };
}

reset_form!(SubtractBefore, (beta, theta, v_reset, v, s, d, j),
    step: beta.fma((-theta).fma(s, v), d),
    carry: beta,
    through_spike: -(beta * theta),
    gate: F::ONE,
    by_beta: (-theta).fma(s, v) - j,
    by_theta: -(beta * s));
reset_form!(SubtractAfter, (beta, theta, v_reset, v, s, d, j),
    step: (-theta).fma(s, beta.fma(v, d)),
    carry: beta,
    through_spike: -theta,
    gate: F::ONE,
    by_beta: v - j,
    by_theta: -s);
reset_form!(ZeroBefore, (beta, theta, v_reset, v, s, d, j),
    step: beta.fma(v * (F::ONE - s) + v_reset * s, d),
    carry: beta * (F::ONE - s),
    through_spike: -(beta * (v - v_reset)),
    gate: F::ONE,
    by_beta: v * (F::ONE - s) + v_reset * s - j,
    by_theta: F::ZERO);
reset_form!(ZeroAfter, (beta, theta, v_reset, v, s, d, j),
    step: beta.fma(v, d) * (F::ONE - s),
    carry: beta * (F::ONE - s),
    through_spike: -beta.fma(v, d),
    gate: F::ONE - s,
    by_beta: (v - j) * (F::ONE - s),
    by_theta: F::ZERO);
reset_form!(NoReset, (beta, theta, v_reset, v, s, d, j),
    step: beta.fma(v, d),
    carry: beta,
    through_spike: F::ZERO,
    gate: F::ONE,
    by_beta: v - j,
    by_theta: F::ZERO);

/// Constants of a layer as rows, and the switches that the row functions read.
#[derive(Clone, Copy)]
pub struct Constants<'a, F> {
    /// α.
    pub alpha: &'a [F],
    /// β.
    pub beta: &'a [F],
    /// γ.
    pub gamma: &'a [F],
    /// θ.
    pub theta: &'a [F],
    /// `v_reset`.
    pub v_reset: F,
}

/// One step of a row of neurons: `i`, `v` become I_t, V_t from X_t (`x`) and S_{t-1} (`s`).
#[inline(always)]
pub fn step_row<F: Float>(reset: Reset, lag: usize, k: Constants<F>, x: &[F], s: &[F], i: &mut [F], v: &mut [F]) {
    #[inline(always)]
    fn row<F: Float, R: ResetForm<F>>(lag: bool, k: Constants<F>, x: &[F], s: &[F], i: &mut [F], v: &mut [F]) {
        let n = v.len();
        let (x, s, i) = (&x[..n], &s[..n], &mut i[..n]);
        let (alpha, beta, gamma, theta) = (&k.alpha[..n], &k.beta[..n], &k.gamma[..n], &k.theta[..n]);
        for j in 0..n {
            let old = i[j];
            let new = alpha[j].fma(old, x[j]);
            let d = gamma[j] * if lag { old } else { new };
            i[j] = new;
            v[j] = R::step(beta[j], theta[j], k.v_reset, v[j], s[j], d);
        }
    }
    let lag = lag == 1;
    match (reset, lag) {
        (Reset::SubtractBefore, false) => row::<F, SubtractBefore>(false, k, x, s, i, v),
        (Reset::SubtractBefore, true) => row::<F, SubtractBefore>(true, k, x, s, i, v),
        (Reset::SubtractAfter, false) => row::<F, SubtractAfter>(false, k, x, s, i, v),
        (Reset::SubtractAfter, true) => row::<F, SubtractAfter>(true, k, x, s, i, v),
        (Reset::ZeroBefore, false) => row::<F, ZeroBefore>(false, k, x, s, i, v),
        (Reset::ZeroBefore, true) => row::<F, ZeroBefore>(true, k, x, s, i, v),
        (Reset::ZeroAfter, false) => row::<F, ZeroAfter>(false, k, x, s, i, v),
        (Reset::ZeroAfter, true) => row::<F, ZeroAfter>(true, k, x, s, i, v),
        (Reset::None, false) => row::<F, NoReset>(false, k, x, s, i, v),
        (Reset::None, true) => row::<F, NoReset>(true, k, x, s, i, v),
    }
}

/// What the adjoint of one step reads, as rows.
#[derive(Clone, Copy)]
pub struct Step<'a, F> {
    /// V_t.
    pub v: &'a [F],
    /// S_t.
    pub s: &'a [F],
    /// S_{t-1}.
    pub s_before: &'a [F],
    /// σ'(V_t − θ).
    pub sigma: &'a [F],
    /// J_{t+1}, read only by a differentiated `zero_after`.
    pub j_after: Option<&'a [F]>,
    /// gV_t, where there is any.
    pub g_potential: Option<&'a [F]>,
}

/// One step of the adjoint of a row of neurons: `rho` holds what reaches S_t from above and from the recurrence and
/// becomes ρ_t; `lambda` and `mu` go from t + 1 to t.
#[inline(always)]
pub fn adjoint_row<F: Float>(
    reset: Reset,
    detach: bool,
    lag: usize,
    k: Constants<F>,
    at: Step<F>,
    rho: &mut [F],
    lambda: &mut [F],
    mu: &mut [F],
) {
    #[inline(always)]
    fn row<F: Float, R: ResetForm<F>>(
        lag: bool,
        k: Constants<F>,
        at: Step<F>,
        rho: &[F],
        lambda: &mut [F],
        mu: &mut [F],
    ) {
        let n = lambda.len();
        let (rho, mu, s, s_before, sigma) = (&rho[..n], &mut mu[..n], &at.s[..n], &at.s_before[..n], &at.sigma[..n]);
        let (alpha, beta, gamma) = (&k.alpha[..n], &k.beta[..n], &k.gamma[..n]);
        for j in 0..n {
            let after = lambda[j];
            let new = sigma[j].fma(rho[j], R::carry(beta[j], s[j]) * after);
            let gated = if lag { R::gate(s[j]) * after } else { R::gate(s_before[j]) * new };
            lambda[j] = new;
            mu[j] = alpha[j].fma(mu[j], gamma[j] * gated);
        }
    }
    #[inline(always)]
    fn with_potential<F: Float, R: ResetForm<F>>(
        lag: bool,
        k: Constants<F>,
        at: Step<F>,
        g: &[F],
        rho: &[F],
        lambda: &mut [F],
        mu: &mut [F],
    ) {
        for j in 0..lambda.len() {
            let after = lambda[j];
            let new = g[j] + at.sigma[j].fma(rho[j], R::carry(k.beta[j], at.s[j]) * after);
            let gated = if lag { R::gate(at.s[j]) * after } else { R::gate(at.s_before[j]) * new };
            lambda[j] = new;
            mu[j] = k.alpha[j].fma(mu[j], k.gamma[j] * gated);
        }
    }
    #[inline(always)]
    fn through_reset<F: Float, R: ResetForm<F>>(k: Constants<F>, at: Step<F>, rho: &mut [F], lambda: &[F]) {
        for j in 0..rho.len() {
            let d = at.j_after.map_or(F::ZERO, |current| k.gamma[j] * current[j]);
            rho[j] += R::through_spike(k.beta[j], k.theta[j], k.v_reset, at.v[j], d) * lambda[j];
        }
    }
    macro_rules! run {
        ($form:ident) => {{
            if !detach {
                through_reset::<F, $form>(k, at, rho, lambda);
            }
            match (at.g_potential, lag == 1) {
                (None, false) => row::<F, $form>(false, k, at, rho, lambda, mu),
                (None, true) => row::<F, $form>(true, k, at, rho, lambda, mu),
                (Some(g), lag) => with_potential::<F, $form>(lag, k, at, g, rho, lambda, mu),
            }
        }};
    }
    match reset {
        Reset::SubtractBefore => run!(SubtractBefore),
        Reset::SubtractAfter => run!(SubtractAfter),
        Reset::ZeroBefore => run!(ZeroBefore),
        Reset::ZeroAfter => run!(ZeroAfter),
        Reset::None => run!(NoReset),
    }
}

/// ∂V_t/∂β and ∂V_t/∂θ of one neuron.
#[inline(always)]
pub fn by_parameters<F: Float>(reset: Reset, beta: F, theta: F, v_reset: F, v: F, s: F, j: F) -> (F, F) {
    match reset {
        Reset::SubtractBefore => {
            (SubtractBefore::by_beta(theta, v_reset, v, s, j), <SubtractBefore as ResetForm<F>>::by_theta(beta, s))
        }
        Reset::SubtractAfter => {
            (SubtractAfter::by_beta(theta, v_reset, v, s, j), <SubtractAfter as ResetForm<F>>::by_theta(beta, s))
        }
        Reset::ZeroBefore => {
            (ZeroBefore::by_beta(theta, v_reset, v, s, j), <ZeroBefore as ResetForm<F>>::by_theta(beta, s))
        }
        Reset::ZeroAfter => {
            (ZeroAfter::by_beta(theta, v_reset, v, s, j), <ZeroAfter as ResetForm<F>>::by_theta(beta, s))
        }
        Reset::None => (NoReset::by_beta(theta, v_reset, v, s, j), <NoReset as ResetForm<F>>::by_theta(beta, s)),
    }
}
