//! A refractory period: after a spike the neuron cannot spike for n steps, and either holds its potential or integrates.

use super::reset::{self, ResetForm, rows_by_reset};
use super::*;
use std::marker::PhantomData;

/// See [`Refractory`].
pub static REFRACTORY: Snippet = Snippet {
    name: "refractory",
    about: "c_t = n after a spike, else max(c_{t-1} − 1, 0); while c_t > 0 no spike, V held or (integrating) running on",
    states: &["potential", "countdown"],
    parameters: &[ParameterSpec::count("refractory", 5), ParameterSpec::flag("integrating", false)],
    leak: Leak::Exponential,
    resets: &Reset::ALL,
    gain: None,
    keeps_drive: KeepsDrive::Never,
    check: unchecked,
    wgsl: include_str!("../../shaders/neuron/refractory.wgsl"),
    rust: rows_by_reset!(Refractory, 2, BASE + 2),
};

/// While `c_t > 0`: S_t = 0, and V_t is the value just after the reset without decay and drive, unless `integrating`.
/// The count has no gradient.
struct Refractory<R>(PhantomData<R>);

#[inline(always)]
fn countdown<F: Float>(n: F, spike: F, c: F) -> F {
    // A spike of the smooth audit is one where it is above its middle, which is where V is above θ.
    if spike > F::from_f64(0.5) { n } else { (c - F::ONE).max(F::ZERO) }
}

impl<R: ResetForm> NeuronModel<2, 6> for Refractory<R> {
    #[inline(always)]
    fn step<F: Float>(c: [F; 6], spike: F, reset: F, drive: F, [v, count]: [F; 2]) -> [F; 2] {
        let [beta, gamma, theta, v_reset, n, integrating] = c;
        let count = countdown(n, spike, count);
        let free = R::step(beta, theta, v_reset, v, reset, gamma * drive);
        let held = R::value(theta, v_reset, v, reset);
        let runs = count <= F::ZERO || integrating > F::ZERO;
        [if runs { free } else { held }, count]
    }

    #[inline(always)]
    fn adjoint<F: Float>(
        c: [F; 6],
        _spike: F,
        reset: F,
        drive: F,
        [v, _]: [F; 2],
        [_, count]: [F; 2],
        [g_v, _]: [F; 2],
    ) -> Adjoint<F, 2, 6> {
        let [beta, gamma, theta, v_reset, _, integrating] = c;
        let zero = F::ZERO;
        let runs = count <= zero || integrating > zero;
        let by = reset::adjoint::<R, F>(beta, theta, v_reset, v, reset, gamma * drive, g_v);
        let [by_v, by_s, by_theta] = R::value_by(theta, v_reset, v, reset);
        let pick = |free: F, held: F| if runs { free } else { held };
        Adjoint {
            before: [pick(by.potential, by_v * g_v), zero],
            spike: zero,
            reset: pick(by.spike, by_s * g_v),
            drive: pick(gamma * by.drive, zero),
            constants: [
                pick(by.beta, zero),
                pick(drive * by.drive, zero),
                pick(by.theta, by_theta * g_v),
                zero,
                zero,
                zero,
            ],
        }
    }

    #[inline(always)]
    fn threshold<F: Float>(c: [F; 6], [_, count]: [F; 2]) -> F {
        if count > F::ZERO { F::from_f64(crate::kernels::NEVER) } else { c[THETA] }
    }

    #[inline(always)]
    fn threshold_adjoint<F: Float>(_: [F; 6], [_, count]: [F; 2], g: F) -> ThresholdAdjoint<F, 2, 6> {
        let zero = F::ZERO;
        let g = if count > zero { zero } else { g };
        ThresholdAdjoint { after: [zero; 2], constants: [zero, zero, g, zero, zero, zero] }
    }
}
