//! The leaky integrate-and-fire family in rows: a step and its adjoint; twin of `shaders/neuron/lif.wgsl`.
//! The formulas stand in `dynamics.md`, sections 1 and 2.

use super::float::Float;
use super::memory::Aligned;
use super::reset::{ResetForm, with_form};
use crate::kernels::constant;
use crate::network::Reset;
use std::ops::Range;

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

impl<'a, F: Copy> Constants<'a, F> {
    /// The first `len` entries.
    #[inline(always)]
    pub fn first(&self, len: usize) -> Constants<'a, F> {
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
pub struct Block<'a, F> {
    /// Samples of a block.
    pub samples: usize,
    constants: Constants<'a, F>,
}

/// Numbers in a block, about; a dozen rows of a block fit the first-level cache.
const BLOCK: usize = 512;

impl<'a, F: Float> Block<'a, F> {
    /// Repeats the constants `[5][width]` of a layer, into `rows`.
    pub fn new(constants: &[F], width: usize, v_reset: f64, rows: &'a mut Aligned<F>) -> Self {
        let samples = (BLOCK / width).max(1);
        Block { samples, constants: repeat(constants, width, 0..width, samples, v_reset, rows) }
    }

    /// The rows.
    pub fn constants(&self) -> Constants<'a, F> {
        self.constants
    }
}

/// Some columns of the constants `[5][width]` of a layer, once for each of `samples`, into `rows`.
pub fn repeat<'a, F: Float>(
    constants: &[F],
    width: usize,
    columns: Range<usize>,
    samples: usize,
    v_reset: f64,
    rows: &'a mut Aligned<F>,
) -> Constants<'a, F> {
    let (count, len) = (columns.len(), columns.len() * samples);
    let which = [constant::ALPHA, constant::BETA, constant::GAMMA, constant::THETA];
    let rows = rows.grow(F::ZERO, which.len() * len);
    for (row, which) in rows.chunks_exact_mut(len).zip(which) {
        for row in row.chunks_exact_mut(count) {
            row.copy_from_slice(&constants[which * width..][columns.clone()]);
        }
    }
    let row = |row: usize| &rows[row * len..(row + 1) * len];
    Constants { alpha: row(0), beta: row(1), gamma: row(2), theta: row(3), v_reset: F::from_f64(v_reset) }
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
    fn row<F: Float, R: ResetForm>(
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
    fn row<F: Float, R: ResetForm>(
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
            lambda[j] = new.settled();
            let current = k.alpha[j].fma(mu[j], k.gamma[j] * gated).settled();
            mu[j] = current;
            chi[j] = current;
        }
    }
    #[inline(always)]
    fn with_potential<F: Float, R: ResetForm>(
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
            lambda[j] = new.settled();
            let current = k.alpha[j].fma(mu[j], k.gamma[j] * gated).settled();
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
            lambda[j] = new.settled();
            let current = k.alpha[j].fma(mu[j], k.gamma[j] * if lag { after } else { new }).settled();
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

/// Adds the reset term to `rho`: ∂V_{t+1}/∂S_t λ_{t+1}. V is read only by resets to a value, `j_after`, which is J_{t+1}, only by
/// `zero_after`.
#[inline(always)]
pub fn through_reset<F: Float>(
    reset: Reset,
    k: Constants<F>,
    v: Option<&[F]>,
    j_after: Option<&[F]>,
    lambda: &[F],
    rho: &mut [F],
) {
    #[inline(always)]
    fn row<F: Float, R: ResetForm>(
        k: Constants<F>,
        v: Option<&[F]>,
        j_after: Option<&[F]>,
        lambda: &[F],
        rho: &mut [F],
    ) {
        for j in 0..rho.len() {
            let v = v.map_or(F::ZERO, |v| v[j]);
            let d = j_after.map_or(F::ZERO, |current| k.gamma[j] * current[j]);
            rho[j] += R::through_spike(k.beta[j], k.theta[j], k.v_reset, v, d) * lambda[j];
        }
    }
    with_form!(reset, R => row::<F, R>(k, v, j_after, lambda, rho));
}

/// The same factor for a reset that does not depend on V.
#[inline(always)]
pub fn through_spike<F: Float>(reset: Reset, beta: F, theta: F) -> F {
    with_form!(reset, R => R::through_spike(beta, theta, F::ZERO, F::ZERO, F::ZERO))
}

/// ∂V_t/∂β and ∂V_t/∂θ of one neuron.
#[inline(always)]
pub fn by_parameters<F: Float>(reset: Reset, beta: F, theta: F, v_reset: F, v: F, s: F, j: F) -> (F, F) {
    with_form!(reset, R => {
        (R::by_beta(theta, v_reset, v, s, j), R::by_theta(beta, s))
    })
}
