//! Lapicque's neuron as an RC circuit (snnTorch `Lapicque`, with its true decay 1 − dt/RC).

use super::reset::{self, ResetForm, rows_by_reset};
use super::*;
use std::marker::PhantomData;

/// See [`Lapicque`].
pub static LAPICQUE: Snippet = Snippet {
    name: "lapicque",
    about: "V_t = (1 − dt/RC)V_{t-1} + (dt/C)J_t (Lapicque 1907; snnTorch)",
    states: &["potential"],
    parameters: &[ParameterSpec::real("resistance", 5.0).positive(), ParameterSpec::rate("capacitance", "rate", 2.0)],
    leak: Leak::None,
    resets: &[Reset::SubtractAfter, Reset::ZeroAfter, Reset::None, Reset::SubtractBefore, Reset::ZeroBefore],
    gain: Some(Gain::One),
    keeps_drive: KeepsDrive::ForParameters,
    check: |values, dt| match values[0] * values[1] > dt {
        true => Ok(()),
        false => Err((1, format!("resistance × capacitance must be above dt = {dt} ms, is {}", values[0] * values[1]))),
    },
    wgsl: include_str!("../../shaders/neuron/lapicque.wgsl"),
    rust: rows_by_reset!(Lapicque, 1, BASE + 2),
};

/// β = 1 − dt/(RC), d = (dt/C) J. R in units of potential for a unit of current, RC in ms.
struct Lapicque<R>(PhantomData<R>);

impl<R: ResetForm> NeuronModel<1, 6> for Lapicque<R> {
    #[inline(always)]
    fn step<F: Float>(c: [F; 6], _spike: F, reset: F, drive: F, [v]: [F; 1]) -> [F; 1] {
        let [_, _, theta, v_reset, resistance, rate] = c;
        [R::step(F::ONE - rate / resistance, theta, v_reset, v, reset, rate * drive)]
    }

    #[inline(always)]
    fn adjoint<F: Float>(
        c: [F; 6],
        _spike: F,
        reset: F,
        drive: F,
        [v]: [F; 1],
        _after: [F; 1],
        [g]: [F; 1],
    ) -> Adjoint<F, 1, 6> {
        let [_, _, theta, v_reset, resistance, rate] = c;
        let beta = F::ONE - rate / resistance;
        let by = reset::adjoint::<R, F>(beta, theta, v_reset, v, reset, rate * drive, g);
        let leak = by.beta / resistance;
        let zero = F::ZERO;
        Adjoint {
            before: [by.potential],
            spike: zero,
            reset: by.spike,
            drive: rate * by.drive,
            constants: [zero, zero, by.theta, zero, leak * rate / resistance, drive * by.drive - leak],
        }
    }
}
