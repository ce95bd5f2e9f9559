//! A membrane with an alpha-shaped response: an excitatory and an inhibitory synapse of the same input (snnTorch `Alpha`).

use super::*;

/// See [`Alpha`].
pub static ALPHA: Snippet = Snippet {
    name: "alpha",
    about: "e_t = αe_{t-1} + J_t, i_t = βi_{t-1} − J_t, V_t = τ_α(e_t + i_t) (snnTorch Alpha)",
    states: &["potential", "excitatory", "inhibitory"],
    parameters: &[
        ParameterSpec::decay("tau_excitatory", "decay_excitatory", 10.0),
        ParameterSpec::decay("tau_inhibitory", "decay_inhibitory", 5.0),
    ],
    leak: Leak::None,
    resets: &[Reset::ZeroAfter, Reset::SubtractAfter, Reset::None],
    gain: Some(Gain::One),
    keeps_drive: KeepsDrive::Always,
    check: |values, _dt| match values[0] > values[1] {
        true => Ok(()),
        false => Err((0, format!("must be above tau_inhibitory = {} ms, is {}", values[1], values[0]))),
    },
    wgsl: include_str!("../../shaders/neuron/alpha.wgsl"),
    rust: |reset| match reset {
        Reset::ZeroAfter => rows::<Alpha<ZERO>, 3, { BASE + 2 }>(),
        Reset::SubtractAfter => rows::<Alpha<SUBTRACT>, 3, { BASE + 2 }>(),
        _ => rows::<Alpha<NONE>, 3, { BASE + 2 }>(),
    },
};

const NONE: u8 = 0;
const SUBTRACT: u8 = 1;
const ZERO: u8 = 2;

/// `ẽ = αe + J`, `ĩ = βi − J`, `U = τ_α(ẽ + ĩ)`, `τ_α = 1 + ln α / (ln β − ln α)`; then with the spike r of the step
/// before: none (ẽ, ĩ, U); zero (all times 1 − r); subtract (ẽ − θr, ĩ(1 − r), U + r i_{t-1}).
struct Alpha<const FORM: u8>;

/// τ_α and its derivatives by α and β.
#[inline(always)]
fn scale<F: Float>(alpha: F, beta: F) -> [F; 3] {
    let (a, b) = (alpha.ln(), beta.ln());
    let d = b - a;
    [b / d, b / (alpha * d * d), -a / (beta * d * d)]
}

impl<const FORM: u8> NeuronModel<3, 6> for Alpha<FORM> {
    #[inline(always)]
    fn step<F: Float>(c: [F; 6], _spike: F, reset: F, drive: F, [_, e, i]: [F; 3]) -> [F; 3] {
        let [_, _, theta, _, alpha, beta] = c;
        let [tau, ..] = scale(alpha, beta);
        let (e_new, i_new) = (alpha.fma(e, drive), beta.fma(i, -drive));
        let v = tau * (e_new + i_new);
        let kept = F::ONE - reset;
        match FORM {
            ZERO => [v * kept, e_new * kept, i_new * kept],
            SUBTRACT => [reset.fma(i, v), (-theta).fma(reset, e_new), i_new * kept],
            _ => [v, e_new, i_new],
        }
    }

    #[inline(always)]
    fn adjoint<F: Float>(
        c: [F; 6],
        _spike: F,
        reset: F,
        drive: F,
        [_, e, i]: [F; 3],
        _after: [F; 3],
        [g_v, g_e, g_i]: [F; 3],
    ) -> Adjoint<F, 3, 6> {
        let [_, _, theta, _, alpha, beta] = c;
        let [tau, by_alpha, by_beta] = scale(alpha, beta);
        let (e_new, i_new) = (alpha.fma(e, drive), beta.fma(i, -drive));
        let sum = e_new + i_new;
        let kept = F::ONE - reset;
        // dL/dẽ, dL/dĩ, dL/dU, dL/dr, what reaches i_{t-1} past ĩ, and dL/dθ.
        let (to_e, to_i, to_u, to_r, past, to_theta) = match FORM {
            ZERO => {
                let through = e_new * g_e + i_new * g_i + tau * sum * g_v;
                (kept * g_e, kept * g_i, kept * g_v, -through, F::ZERO, F::ZERO)
            }
            SUBTRACT => {
                let through = i * g_v - theta * g_e - i_new * g_i;
                (g_e, kept * g_i, g_v, through, reset * g_v, -(reset * g_e))
            }
            _ => (g_e, g_i, g_v, F::ZERO, F::ZERO, F::ZERO),
        };
        let (to_e, to_i) = (tau.fma(to_u, to_e), tau.fma(to_u, to_i));
        let to_tau = sum * to_u;
        let zero = F::ZERO;
        Adjoint {
            before: [zero, alpha * to_e, beta.fma(to_i, past)],
            spike: zero,
            reset: to_r,
            drive: to_e - to_i,
            constants: [zero, zero, to_theta, zero, e.fma(to_e, by_alpha * to_tau), i.fma(to_i, by_beta * to_tau)],
        }
    }
}
