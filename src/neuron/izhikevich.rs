//! Izhikevich's neuron, in the form that SpikingJelly has it: a quadratic membrane with a recovery current.

use super::reset::{ResetForm, rows_by_reset};
use super::*;
use std::marker::PhantomData;

/// See [`Izhikevich`].
pub static IZHIKEVICH: Snippet = Snippet {
    name: "izhikevich",
    about: "V̇ = (J + q(V−v_rest)(V−v_critical) − w)/τ, ẇ = (a(V−v_rest) − w)/τ_w, w += b at a spike (SpikingJelly)",
    states: &["potential", "recovery"],
    parameters: &[
        ParameterSpec::rate("tau_adaptation", "recovery_rate", 50.0),
        ParameterSpec::real("v_rest", 0.0),
        ParameterSpec::real("v_critical", 0.8),
        ParameterSpec::real("quadratic", 1.0),
        ParameterSpec::real("a", 0.0),
        ParameterSpec::real("b", 0.0),
    ],
    leak: Leak::Euler,
    resets: &[Reset::ZeroBefore, Reset::SubtractBefore, Reset::None],
    gain: Some(Gain::One),
    keeps_drive: KeepsDrive::ForParameters,
    check: unchecked,
    wgsl: include_str!("../../shaders/neuron/izhikevich.wgsl"),
    rust: rows_by_reset!(Izhikevich, 2, BASE + 6),
};

/// With v̂ the potential just after the reset, ŵ = w_{t-1} + bS_{t-1}, ε = dt/τ_mem:
/// `V_t = v̂ + ε(J_t + q(v̂ − v_rest)(v̂ − v_critical) − ŵ)`, `w_t = ŵ + (dt/τ_w)(a(V_t − v_rest) − ŵ)`.
struct Izhikevich<R>(PhantomData<R>);

impl<R: ResetForm> NeuronModel<2, 10> for Izhikevich<R> {
    #[inline(always)]
    fn step<F: Float>(c: [F; 10], spike: F, reset: F, drive: F, [v, w]: [F; 2]) -> [F; 2] {
        let [beta, _, theta, v_reset, rate, rest, critical, q, a, b] = c;
        let start = R::value(theta, v_reset, v, reset);
        let recovery = b.fma(spike, w);
        let slope = drive + q * (start - rest) * (start - critical) - recovery;
        let v = (F::ONE - beta).fma(slope, start);
        [v, rate.fma(a * (v - rest) - recovery, recovery)]
    }

    #[inline(always)]
    fn adjoint<F: Float>(
        c: [F; 10],
        spike: F,
        reset: F,
        drive: F,
        [v, w]: [F; 2],
        [v_after, _]: [F; 2],
        [g_v, g_w]: [F; 2],
    ) -> Adjoint<F, 2, 10> {
        let [beta, _, theta, v_reset, rate, rest, critical, q, a, b] = c;
        let start = R::value(theta, v_reset, v, reset);
        let [by_v, by_s, by_theta] = R::value_by(theta, v_reset, v, reset);
        let recovery = b.fma(spike, w);
        let (to_rest, to_critical) = (start - rest, start - critical);
        let slope = drive + q * to_rest * to_critical - recovery;
        let pull = a * (v_after - rest) - recovery;
        let g_v = g_v + rate * a * g_w;
        let g_slope = (F::ONE - beta) * g_v;
        let g_start = g_v + g_slope * q * (to_rest + to_critical);
        let g_recovery = (F::ONE - rate) * g_w - g_slope;
        let zero = F::ZERO;
        Adjoint {
            before: [by_v * g_start, g_recovery],
            spike: b * g_recovery,
            reset: by_s * g_start,
            drive: g_slope,
            constants: [
                -(slope * g_v),
                zero,
                by_theta * g_start,
                zero,
                pull * g_w,
                -(g_slope * q * to_critical) - rate * a * g_w,
                -(g_slope * q * to_rest),
                g_slope * to_rest * to_critical,
                rate * (v_after - rest) * g_w,
                spike * g_recovery,
            ],
        }
    }
}
