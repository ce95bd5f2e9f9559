//! A neuron's functions for one neuron, and what makes rows of them: no call and no choice inside the loops.

use super::THETA;
use crate::cpu::Float;
use crate::cpu::wide;
use crate::kernels::NEVER;
use std::marker::PhantomData;

/// The mathematics of a neuron with K states, V first, and P constants: β, γ, θ, `v_reset`, then its own.
///
/// Two spikes come in: `spike` is S_{t-1}, and `reset` is the same number where it resets the membrane. A network with
/// `detach_reset` keeps only the derivative by `spike`.
pub trait NeuronModel<const K: usize, const P: usize>: Send + Sync + 'static {
    /// z_t from z_{t-1}, S_{t-1} and J_t.
    fn step<F: Float>(c: [F; P], spike: F, reset: F, drive: F, before: [F; K]) -> [F; K];

    /// From `g = dL/dz_t` to everything that the step read. `drive` is J_t where the engine keeps it, else 0: where
    /// [`super::Snippet::keeps_drive`] says so, where γ = 1 − β and τ_mem is learned, and for a differentiated
    /// `zero_after`.
    fn adjoint<F: Float>(
        c: [F; P],
        spike: F,
        reset: F,
        drive: F,
        before: [F; K],
        after: [F; K],
        g: [F; K],
    ) -> Adjoint<F, K, P>;

    /// What V_t is compared with; at least [`NEVER`] where the neuron cannot spike at this step.
    #[inline(always)]
    fn threshold<F: Float>(c: [F; P], after: [F; K]) -> F {
        let _ = after;
        c[THETA]
    }

    /// From `g = dL/d threshold` to the states and constants.
    #[inline(always)]
    fn threshold_adjoint<F: Float>(c: [F; P], after: [F; K], g: F) -> ThresholdAdjoint<F, K, P> {
        let _ = (c, after);
        let mut out = ThresholdAdjoint { after: [F::ZERO; K], constants: [F::ZERO; P] };
        out.constants[THETA] = g;
        out
    }
}

/// See [`NeuronModel::adjoint`].
#[derive(Clone, Copy, Debug)]
pub struct Adjoint<F, const K: usize, const P: usize> {
    /// dL/dz_{t-1}.
    pub before: [F; K],
    /// dL/dS_{t-1} but for the reset.
    pub spike: F,
    /// dL/dS_{t-1} through the reset.
    pub reset: F,
    /// dL/dJ_t.
    pub drive: F,
    /// dL/d constants, γ's where 1 − β stands for it included.
    pub constants: [F; P],
}

/// See [`NeuronModel::threshold_adjoint`].
#[derive(Clone, Copy, Debug)]
pub struct ThresholdAdjoint<F, const K: usize, const P: usize> {
    /// dL/dz_t.
    pub after: [F; K],
    /// dL/d constants.
    pub constants: [F; P],
}

/// A step of a row of neurons.
pub struct StepRows<'a, F> {
    /// Constants, rows of `stride`.
    pub constants: &'a [F],
    /// S_{t-1}.
    pub spike: &'a [F],
    /// S_{t-1} where it resets.
    pub reset: &'a [F],
    /// J_t.
    pub drive: &'a [F],
    /// States, rows of `stride`, changed in place.
    pub states: &'a mut [F],
    /// Distance of rows; their length is that of `spike`.
    pub stride: usize,
}

/// The thresholds of a row of neurons.
pub struct ThresholdRows<'a, F> {
    /// Constants, rows of `stride`.
    pub constants: &'a [F],
    /// Distance of rows of constants.
    pub stride: usize,
    /// z_t, a row for each state.
    pub after: &'a [&'a [F]],
    /// Where they go.
    pub out: &'a mut [F],
}

/// The adjoint of a step of a row of neurons.
pub struct AdjointRows<'a, F> {
    /// Constants, rows of `stride`.
    pub constants: &'a [F],
    /// S_{t-1}.
    pub spike: &'a [F],
    /// J_t, where it is kept.
    pub drive: Option<&'a [F]>,
    /// z_{t-1}, a row for each state.
    pub before: &'a [&'a [F]],
    /// z_t.
    pub after: &'a [&'a [F]],
    /// σ'(V_t − threshold); 0 where it cannot spike.
    pub sigma: &'a [F],
    /// The part of dL/dS_t from outside the neuron; in: without, out: with what comes through the next step.
    pub rho: &'a mut [F],
    /// gV_t, where there is any.
    pub potential: Option<&'a [F]>,
    /// Whether the reset is detached.
    pub detach: bool,
    /// dL/dz, rows of `stride`: in of t from step t + 1, out of t − 1 from step t.
    pub carry: &'a mut [F],
    /// dL/dS, likewise.
    pub carry_spike: &'a mut [F],
    /// Out: dL/dJ_t.
    pub out_drive: &'a mut [F],
    /// Sums of dL/d constants, rows of `stride`, added to; None where nothing is learned.
    pub sums: Option<&'a mut [F]>,
    /// Distance of rows of constants, carries and sums.
    pub stride: usize,
}

/// A neuron's functions over rows, for both number types. Made by [`rows`].
pub trait Rows: Send + Sync {
    /// States K and constants P.
    fn size(&self) -> (usize, usize);
    /// A step in f32.
    fn step_f32(&self, at: StepRows<f32>);
    /// A step in f64.
    fn step_f64(&self, at: StepRows<f64>);
    /// Thresholds in f32.
    fn threshold_f32(&self, at: ThresholdRows<f32>);
    /// Thresholds in f64.
    fn threshold_f64(&self, at: ThresholdRows<f64>);
    /// The adjoint in f32.
    fn adjoint_f32(&self, at: AdjointRows<f32>);
    /// The adjoint in f64.
    fn adjoint_f64(&self, at: AdjointRows<f64>);
}

/// The rows of a model.
pub fn rows<M: NeuronModel<K, P>, const K: usize, const P: usize>() -> &'static dyn Rows {
    &Typed::<M, K, P>(PhantomData)
}

struct Typed<M, const K: usize, const P: usize>(PhantomData<fn() -> M>);

impl<M: NeuronModel<K, P>, const K: usize, const P: usize> Rows for Typed<M, K, P> {
    fn size(&self) -> (usize, usize) {
        (K, P)
    }
    fn step_f32(&self, at: StepRows<f32>) {
        wide(|| step::<f32, M, K, P>(at));
    }
    fn step_f64(&self, at: StepRows<f64>) {
        wide(|| step::<f64, M, K, P>(at));
    }
    fn threshold_f32(&self, at: ThresholdRows<f32>) {
        wide(|| threshold::<f32, M, K, P>(at));
    }
    fn threshold_f64(&self, at: ThresholdRows<f64>) {
        wide(|| threshold::<f64, M, K, P>(at));
    }
    fn adjoint_f32(&self, at: AdjointRows<f32>) {
        wide(|| adjoint::<f32, M, K, P>(at));
    }
    fn adjoint_f64(&self, at: AdjointRows<f64>) {
        wide(|| adjoint::<f64, M, K, P>(at));
    }
}

/// Neurons worked on at once; rows are multiples of 32 long.
const LANES: usize = 16;

/// LANES numbers of each of N rows at `at`.
#[inline(always)]
fn load<F: Float, const N: usize>(rows: &[F], stride: usize, at: usize) -> [[F; LANES]; N] {
    std::array::from_fn(|row| lanes(&rows[row * stride + at..]))
}

#[inline(always)]
fn lanes<F: Float>(row: &[F]) -> [F; LANES] {
    row[..LANES].try_into().expect("LANES numbers")
}

/// Lane `l` of each row.
#[inline(always)]
fn lane<F: Copy, const N: usize>(rows: &[[F; LANES]; N], l: usize) -> [F; N] {
    std::array::from_fn(|row| rows[row][l])
}

/// Padding, whose threshold is NEVER, stays at 0.
#[inline(always)]
fn hold<F: Float>(live: bool, value: F) -> F {
    if live { value } else { F::ZERO }
}

#[inline(always)]
fn step<F: Float, M: NeuronModel<K, P>, const K: usize, const P: usize>(at: StepRows<F>) {
    let StepRows { constants, spike, reset, drive, states, stride } = at;
    let never = F::from_f64(NEVER);
    for base in (0..spike.len()).step_by(LANES) {
        let c: [[F; LANES]; P] = load(constants, stride, base);
        let mut z: [[F; LANES]; K] = load(states, stride, base);
        let (s, r, j) = (lanes(&spike[base..]), lanes(&reset[base..]), lanes(&drive[base..]));
        for l in 0..LANES {
            let c = lane(&c, l);
            let after = M::step(c, s[l], r[l], j[l], lane(&z, l));
            for k in 0..K {
                z[k][l] = hold(c[THETA] < never, after[k]);
            }
        }
        for k in 0..K {
            states[k * stride + base..][..LANES].copy_from_slice(&z[k]);
        }
    }
}

#[inline(always)]
fn threshold<F: Float, M: NeuronModel<K, P>, const K: usize, const P: usize>(at: ThresholdRows<F>) {
    let ThresholdRows { constants, stride, after, out } = at;
    let never = F::from_f64(NEVER);
    for base in (0..out.len()).step_by(LANES) {
        let c: [[F; LANES]; P] = load(constants, stride, base);
        let z: [[F; LANES]; K] = std::array::from_fn(|k| lanes(&after[k][base..]));
        for (l, out) in out[base..base + LANES].iter_mut().enumerate() {
            let c = lane(&c, l);
            let value = M::threshold(c, lane(&z, l));
            *out = if c[THETA] < never { value } else { never };
        }
    }
}

#[inline(always)]
fn adjoint<F: Float, M: NeuronModel<K, P>, const K: usize, const P: usize>(at: AdjointRows<F>) {
    let AdjointRows { constants, spike, drive, before, after, sigma, rho, potential, detach, .. } = at;
    let AdjointRows { carry, carry_spike, out_drive, mut sums, stride, .. } = at;
    let never = F::from_f64(NEVER);
    for base in (0..rho.len()).step_by(LANES) {
        let c: [[F; LANES]; P] = load(constants, stride, base);
        let z0: [[F; LANES]; K] = std::array::from_fn(|k| lanes(&before[k][base..]));
        let z1: [[F; LANES]; K] = std::array::from_fn(|k| lanes(&after[k][base..]));
        let mut g: [[F; LANES]; K] = load(carry, stride, base);
        let (s, sigma) = (lanes(&spike[base..]), lanes(&sigma[base..]));
        let j = drive.map_or([F::ZERO; LANES], |drive| lanes(&drive[base..]));
        let g_potential = potential.map_or([F::ZERO; LANES], |row| lanes(&row[base..]));
        let (mut r, mut g_spike) = (lanes(&rho[base..]), lanes(&carry_spike[base..]));
        let mut g_drive = [F::ZERO; LANES];
        let mut by = [[F::ZERO; LANES]; P];
        for l in 0..LANES {
            let c = lane(&c, l);
            let live = c[THETA] < never;
            let (before, after) = (lane(&z0, l), lane(&z1, l));
            r[l] += g_spike[l];
            let through = sigma[l] * r[l];
            let at_threshold = M::threshold_adjoint(c, after, -through);
            let mut own: [F; K] = std::array::from_fn(|k| g[k][l] + at_threshold.after[k]);
            own[0] = own[0] + through + g_potential[l];
            let out = M::adjoint(c, s[l], s[l], j[l], before, after, own);
            for k in 0..K {
                g[k][l] = hold(live, out.before[k]);
            }
            let reset = if detach { F::ZERO } else { out.reset };
            g_spike[l] = hold(live, out.spike + reset);
            g_drive[l] = hold(live, out.drive);
            for p in 0..P {
                by[p][l] = hold(live, out.constants[p] + at_threshold.constants[p]);
            }
        }
        rho[base..][..LANES].copy_from_slice(&r);
        for k in 0..K {
            carry[k * stride + base..][..LANES].copy_from_slice(&g[k]);
        }
        carry_spike[base..][..LANES].copy_from_slice(&g_spike);
        out_drive[base..][..LANES].copy_from_slice(&g_drive);
        if let Some(sums) = &mut sums {
            for p in 0..P {
                let sum: &mut [F] = &mut sums[p * stride + base..][..LANES];
                for l in 0..LANES {
                    sum[l] += by[p][l];
                }
            }
        }
    }
}
