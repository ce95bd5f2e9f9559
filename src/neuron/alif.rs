//! Adaptive threshold (Bellec et al. 2018; sinabs ALIF): spikes raise the threshold, which decays back.

use super::reset::{self, ResetForm, rows_by_reset};
use super::*;
use std::marker::PhantomData;

/// See [`Alif`].
pub static ALIF: Snippet = Snippet {
    name: "alif",
    about: "A_t = ρA_{t-1} + gS_{t-1}, threshold θ + κA_t (Bellec et al. 2018)",
    states: &["potential", "adaptation"],
    parameters: &[
        ParameterSpec::decay("tau_adaptation", "rho", 100.0),
        ParameterSpec::real("adaptation", 1.8),
        ParameterSpec::flag("normalised_adaptation", false),
        ParameterSpec::choice("reset_by", &["base", "adapted"]),
        ParameterSpec::flag("detach_adaptation", false),
        ParameterSpec::flag("detach_threshold", false),
    ],
    leak: Leak::Exponential,
    resets: &Reset::ALL,
    gain: None,
    keeps_drive: KeepsDrive::Never,
    check: unchecked,
    wgsl: include_str!("../../shaders/neuron/alif.wgsl"),
    rust: rows_by_reset!(Alif, 2, BASE + 6),
};

/// `A_t = ρA_{t-1} + gS_{t-1}`, g = 1 or 1 − ρ; `S_t = H(V_t − θ − κA_t)`; the reset subtracts θ or, where
/// `reset_by` says "adapted", θ + κA_{t-1}. `detach_adaptation` stops the gradient at S_{t-1} in A_t (Norse),
/// `detach_threshold` at the threshold in H (sinabs).
struct Alif<R>(PhantomData<R>);

impl<R: ResetForm> NeuronModel<2, 10> for Alif<R> {
    #[inline(always)]
    fn step<F: Float>(c: [F; 10], spike: F, reset: F, drive: F, [v, a]: [F; 2]) -> [F; 2] {
        let [beta, gamma, theta, v_reset, rho, kappa, normalised, adapted, ..] = c;
        let subtracted = (adapted * kappa).fma(a, theta);
        let g = F::ONE - normalised * rho;
        [R::step(beta, subtracted, v_reset, v, reset, gamma * drive), rho.fma(a, g * spike)]
    }

    #[inline(always)]
    fn adjoint<F: Float>(
        c: [F; 10],
        spike: F,
        reset: F,
        drive: F,
        [v, a]: [F; 2],
        _after: [F; 2],
        [g_v, g_a]: [F; 2],
    ) -> Adjoint<F, 2, 10> {
        let [beta, gamma, theta, v_reset, rho, kappa, normalised, adapted, detach, _] = c;
        let subtracted = (adapted * kappa).fma(a, theta);
        let by = reset::adjoint::<R, F>(beta, subtracted, v_reset, v, reset, gamma * drive, g_v);
        Adjoint {
            before: [by.potential, rho.fma(g_a, by.theta * adapted * kappa)],
            spike: (F::ONE - detach) * (F::ONE - normalised * rho) * g_a,
            reset: by.spike,
            drive: gamma * by.drive,
            constants: [
                by.beta,
                drive * by.drive,
                by.theta,
                F::ZERO,
                (a - normalised * spike) * g_a,
                by.theta * adapted * a,
                F::ZERO,
                F::ZERO,
                F::ZERO,
                F::ZERO,
            ],
        }
    }

    #[inline(always)]
    fn threshold<F: Float>(c: [F; 10], [_, a]: [F; 2]) -> F {
        c[5].fma(a, c[THETA])
    }

    #[inline(always)]
    fn threshold_adjoint<F: Float>(c: [F; 10], [_, a]: [F; 2], g: F) -> ThresholdAdjoint<F, 2, 10> {
        let g = (F::ONE - c[9]) * g;
        let mut constants = [F::ZERO; 10];
        constants[THETA] = g;
        constants[5] = a * g;
        ThresholdAdjoint { after: [F::ZERO, c[5] * g], constants }
    }
}
