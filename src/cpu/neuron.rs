//! The maths of one neuron-step and of its adjoint, one type for each reset form; twin of `shaders/neuron/lif.wgsl`.
//! The formulas stand in `dynamics.md`, sections 1 and 2; S is a number because the gradient audit makes it smooth.

use super::float::Float;
use crate::kernels::constant;
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

/// Constants of a layer as rows, repeated for the samples of a block, and `v_reset`.
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

impl<F: Copy> Constants<'_, F> {
    /// The first `len` entries.
    #[inline(always)]
    pub fn first(&self, len: usize) -> Self {
        Constants {
            alpha: &self.alpha[..len],
            beta: &self.beta[..len],
            gamma: &self.gamma[..len],
            theta: &self.theta[..len],
            v_reset: self.v_reset,
        }
    }
}

/// Rows of constants repeated for each sample of a block: neurons of several samples at one step lie side by side, so
/// that one pass over a block serves narrow layers as well as wide ones.
pub struct Block<F> {
    /// Samples of a block.
    pub samples: usize,
    rows: [Vec<F>; 4],
    v_reset: F,
}

/// Numbers in a block, about; a dozen rows of a block fit the first-level cache.
const BLOCK: usize = 512;

impl<F: Float> Block<F> {
    /// Repeats the constants `[5][width]` of a layer.
    pub fn new(constants: &[F], width: usize, v_reset: f64) -> Self {
        let samples = (BLOCK / width).max(1);
        let row = |row: usize| constants[row * width..(row + 1) * width].repeat(samples);
        let rows = [row(constant::ALPHA), row(constant::BETA), row(constant::GAMMA), row(constant::THETA)];
        Block { samples, rows, v_reset: F::from_f64(v_reset) }
    }

    /// The rows.
    pub fn constants(&self) -> Constants<'_, F> {
        let [alpha, beta, gamma, theta] = &self.rows;
        Constants { alpha, beta, gamma, theta, v_reset: self.v_reset }
    }
}

/// Calls `$body` with `$form` bound to the type of `$reset`.
macro_rules! with_form {
    ($reset:expr, $form:ident => $body:expr) => {
        match $reset {
            Reset::SubtractBefore => {
                type $form = SubtractBefore;
                $body
            }
            Reset::SubtractAfter => {
                type $form = SubtractAfter;
                $body
            }
            Reset::ZeroBefore => {
                type $form = ZeroBefore;
                $body
            }
            Reset::ZeroAfter => {
                type $form = ZeroAfter;
                $body
            }
            Reset::None => {
                type $form = NoReset;
                $body
            }
        }
    };
}

/// One step of a row of neurons: `i`, `v` become I_t, V_t from X_t (`x`) and S_{t-1} (`s`); V_t goes to `tape` too.
#[inline(always)]
pub fn step_row<F: Float>(
    reset: Reset,
    lag: usize,
    k: Constants<F>,
    x: &[F],
    s: &[F],
    i: &mut [F],
    v: &mut [F],
    tape: &mut [F],
) {
    #[inline(always)]
    fn row<F: Float, R: ResetForm<F>>(
        lag: bool,
        k: Constants<F>,
        x: &[F],
        s: &[F],
        i: &mut [F],
        v: &mut [F],
        tape: &mut [F],
    ) {
        let n = v.len();
        let (x, s, i, tape, k) = (&x[..n], &s[..n], &mut i[..n], &mut tape[..n], k.first(n));
        for j in 0..n {
            let old = i[j];
            let new = k.alpha[j].fma(old, x[j]);
            let d = k.gamma[j] * if lag { old } else { new };
            i[j] = new;
            let after = R::step(k.beta[j], k.theta[j], k.v_reset, v[j], s[j], d);
            v[j] = after;
            tape[j] = after;
        }
    }
    with_form!(reset, R => match lag {
        1 => row::<F, R>(true, k, x, s, i, v, tape),
        _ => row::<F, R>(false, k, x, s, i, v, tape),
    });
}

/// What the adjoint of one step reads, as rows.
#[derive(Clone, Copy)]
pub struct Step<'a, F> {
    /// S_t.
    pub s: &'a [F],
    /// S_{t-1}; any row where the form has no gate or the lag is 1.
    pub s_before: &'a [F],
    /// σ'(V_t − θ).
    pub sigma: &'a [F],
    /// ρ_t.
    pub rho: &'a [F],
    /// gV_t, where there is any.
    pub g_potential: Option<&'a [F]>,
}

/// One step of the adjoint of a row of neurons: `lambda` and `mu` go from t + 1 to t, and μ_t = χ_t to `chi`.
#[inline(always)]
pub fn adjoint_row<F: Float>(
    reset: Reset,
    lag: usize,
    k: Constants<F>,
    at: Step<F>,
    lambda: &mut [F],
    mu: &mut [F],
    chi: &mut [F],
) {
    #[inline(always)]
    fn row<F: Float, R: ResetForm<F>>(
        lag: bool,
        k: Constants<F>,
        at: Step<F>,
        lambda: &mut [F],
        mu: &mut [F],
        chi: &mut [F],
    ) {
        let n = lambda.len();
        let (rho, s, s_before, sigma) = (&at.rho[..n], &at.s[..n], &at.s_before[..n], &at.sigma[..n]);
        let (mu, chi, k) = (&mut mu[..n], &mut chi[..n], k.first(n));
        for j in 0..n {
            let after = lambda[j];
            let new = sigma[j].fma(rho[j], R::carry(k.beta[j], s[j]) * after);
            let gated = if lag { R::gate(s[j]) * after } else { R::gate(s_before[j]) * new };
            lambda[j] = new;
            let current = k.alpha[j].fma(mu[j], k.gamma[j] * gated);
            mu[j] = current;
            chi[j] = current;
        }
    }
    #[inline(always)]
    fn with_potential<F: Float, R: ResetForm<F>>(
        lag: bool,
        k: Constants<F>,
        at: Step<F>,
        g: &[F],
        lambda: &mut [F],
        mu: &mut [F],
        chi: &mut [F],
    ) {
        let n = lambda.len();
        let (rho, s, s_before, sigma) = (&at.rho[..n], &at.s[..n], &at.s_before[..n], &at.sigma[..n]);
        let (g, mu, chi, k) = (&g[..n], &mut mu[..n], &mut chi[..n], k.first(n));
        for j in 0..n {
            let after = lambda[j];
            let new = g[j] + sigma[j].fma(rho[j], R::carry(k.beta[j], s[j]) * after);
            let gated = if lag { R::gate(s[j]) * after } else { R::gate(s_before[j]) * new };
            lambda[j] = new;
            let current = k.alpha[j].fma(mu[j], k.gamma[j] * gated);
            mu[j] = current;
            chi[j] = current;
        }
    }
    with_form!(reset, R => match (at.g_potential, lag) {
        (None, 1) => row::<F, R>(true, k, at, lambda, mu, chi),
        (None, _) => row::<F, R>(false, k, at, lambda, mu, chi),
        (Some(g), lag) => with_potential::<F, R>(lag == 1, k, at, g, lambda, mu, chi),
    });
}

/// The same for neurons that do not spike.
#[inline(always)]
pub fn leak_row<F: Float>(lag: usize, k: Constants<F>, g: Option<&[F]>, lambda: &mut [F], mu: &mut [F], chi: &mut [F]) {
    #[inline(always)]
    fn row<F: Float>(
        lag: bool,
        k: Constants<F>,
        g: impl Fn(usize) -> F,
        lambda: &mut [F],
        mu: &mut [F],
        chi: &mut [F],
    ) {
        let n = lambda.len();
        let (mu, chi, k) = (&mut mu[..n], &mut chi[..n], k.first(n));
        for j in 0..n {
            let after = lambda[j];
            let new = k.beta[j].fma(after, g(j));
            lambda[j] = new;
            let current = k.alpha[j].fma(mu[j], k.gamma[j] * if lag { after } else { new });
            mu[j] = current;
            chi[j] = current;
        }
    }
    match g {
        Some(g) => {
            let g = &g[..lambda.len()];
            row(lag == 1, k, |j| g[j], lambda, mu, chi);
        }
        None => row(lag == 1, k, |_| F::ZERO, lambda, mu, chi),
    }
}

/// Adds the reset term to `rho`: ∂V_{t+1}/∂S_t λ_{t+1}. `j_after` is J_{t+1}, read only by `zero_after`.
#[inline(always)]
pub fn through_reset<F: Float>(
    reset: Reset,
    k: Constants<F>,
    v: &[F],
    j_after: Option<&[F]>,
    lambda: &[F],
    rho: &mut [F],
) {
    #[inline(always)]
    fn row<F: Float, R: ResetForm<F>>(k: Constants<F>, v: &[F], j_after: Option<&[F]>, lambda: &[F], rho: &mut [F]) {
        for j in 0..rho.len() {
            let d = j_after.map_or(F::ZERO, |current| k.gamma[j] * current[j]);
            rho[j] += R::through_spike(k.beta[j], k.theta[j], k.v_reset, v[j], d) * lambda[j];
        }
    }
    with_form!(reset, R => row::<F, R>(k, v, j_after, lambda, rho));
}

/// ∂V_t/∂β and ∂V_t/∂θ of one neuron.
#[inline(always)]
pub fn by_parameters<F: Float>(reset: Reset, beta: F, theta: F, v_reset: F, v: F, s: F, j: F) -> (F, F) {
    with_form!(reset, R => {
        (R::by_beta(theta, v_reset, v, s, j), <R as ResetForm<F>>::by_theta(beta, s))
    })
}
