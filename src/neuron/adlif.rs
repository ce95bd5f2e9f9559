//! Adaptive leaky integrate-and-fire: a second state w takes away from the drive, driven by the potential and by spikes.
//! Euler as Bittar & Garner 2022 have it, symplectic Euler as Baronig et al. 2025.

use super::reset::{self, ResetForm, rows_by_reset};
use super::*;
use std::marker::PhantomData;

/// `w_t = ρw_{t-1} + aV_{t-1} + bS_{t-1}`, J_t − w_t in place of J_t (Bittar & Garner 2022).
pub static ADLIF: Snippet = Snippet {
    name: "adlif",
    about: "w_t = ρw_{t-1} + aV_{t-1} + bS_{t-1}, J_t − w_t drives the membrane (Bittar & Garner 2022)",
    states: &["potential", "recovery"],
    parameters: &PARAMETERS,
    leak: Leak::Exponential,
    resets: &RESETS,
    gain: Some(Gain::OneMinusBeta),
    keeps_drive: KeepsDrive::Never,
    check: unchecked,
    wgsl: concat!("const SYMPLECTIC: bool = false;\n", include_str!("../../shaders/neuron/adlif.wgsl")),
    rust: rows_by_reset!(Euler, 2, BASE + 4),
};

/// `w_t = ρw_{t-1} + (1−ρ)(aV_{t-1}(1 − S_{t-1}) + bS_{t-1})`, J_t − w_t in place of J_t (Baronig et al. 2025: their w
/// of step t − 1, which V_t sees).
pub static ADLIF_SYMPLECTIC: Snippet = Snippet {
    name: "adlif_symplectic",
    about: "w_t = ρw_{t-1} + (1−ρ)(aV_{t-1}(1−S_{t-1}) + bS_{t-1}), J_t − w_t drives the membrane (Baronig et al. 2025)",
    states: &["potential", "recovery"],
    parameters: &PARAMETERS,
    leak: Leak::Exponential,
    resets: &SYMPLECTIC_RESETS,
    gain: Some(Gain::OneMinusBeta),
    keeps_drive: KeepsDrive::Never,
    check: unchecked,
    wgsl: concat!("const SYMPLECTIC: bool = true;\n", include_str!("../../shaders/neuron/adlif.wgsl")),
    rust: rows_by_reset!(Symplectic, 2, BASE + 4),
};

const PARAMETERS: [ParameterSpec; 4] = [
    ParameterSpec::decay("tau_adaptation", "rho", 100.0),
    ParameterSpec::real("a", 0.5),
    ParameterSpec::real("b", 1.0),
    ParameterSpec::flag("detach_adaptation", false),
];
const RESETS: [Reset; 5] =
    [Reset::SubtractBefore, Reset::SubtractAfter, Reset::ZeroBefore, Reset::ZeroAfter, Reset::None];
const SYMPLECTIC_RESETS: [Reset; 5] =
    [Reset::ZeroBefore, Reset::ZeroAfter, Reset::SubtractBefore, Reset::SubtractAfter, Reset::None];

struct Euler<R>(PhantomData<R>);
struct Symplectic<R>(PhantomData<R>);

/// ∂w_t/∂(what drives w): 1, or 1 − ρ.
#[inline(always)]
fn gain<F: Float>(symplectic: bool, rho: F) -> F {
    if symplectic { F::ONE - rho } else { F::ONE }
}

/// The potential that drives w: before the reset, or after it.
#[inline(always)]
fn seen<F: Float>(symplectic: bool, v: F, reset: F) -> F {
    if symplectic { v * (F::ONE - reset) } else { v }
}

#[inline(always)]
fn step<F: Float, R: ResetForm>(
    symplectic: bool,
    c: [F; 8],
    (spike, reset): (F, F),
    drive: F,
    [v, w]: [F; 2],
) -> [F; 2] {
    let [beta, gamma, theta, v_reset, rho, a, b, _] = c;
    let driven = a.fma(seen(symplectic, v, reset), b * spike);
    let w = rho.fma(w, gain(symplectic, rho) * driven);
    [R::step(beta, theta, v_reset, v, reset, gamma * (drive - w)), w]
}

#[inline(always)]
fn adjoint<F: Float, R: ResetForm>(
    symplectic: bool,
    c: [F; 8],
    (spike, reset): (F, F),
    drive: F,
    [v, w]: [F; 2],
    [_, w_after]: [F; 2],
    [g_v, g_w]: [F; 2],
) -> Adjoint<F, 2, 8> {
    let [beta, gamma, theta, v_reset, rho, a, b, detach] = c;
    let net = drive - w_after;
    let by = reset::adjoint::<R, F>(beta, theta, v_reset, v, reset, gamma * net, g_v);
    let g_drive = gamma * by.drive;
    let g_w = g_w - g_drive;
    let p = gain(symplectic, rho) * g_w;
    let u = seen(symplectic, v, reset);
    let (by_v, by_reset) = if symplectic { (F::ONE - reset, -v) } else { (F::ONE, F::ZERO) };
    let by_gain = if symplectic { a.fma(u, b * spike) } else { F::ZERO };
    Adjoint {
        before: [by.potential + p * a * by_v, rho * g_w],
        spike: (F::ONE - detach) * p * b,
        reset: by.spike + p * a * by_reset,
        drive: g_drive,
        constants: [by.beta, net * by.drive, by.theta, F::ZERO, (w - by_gain) * g_w, p * u, p * spike, F::ZERO],
    }
}

macro_rules! model {
    ($name:ident, $symplectic:expr) => {
        impl<R: ResetForm> NeuronModel<2, 8> for $name<R> {
            #[inline(always)]
            fn step<F: Float>(c: [F; 8], spike: F, reset: F, drive: F, before: [F; 2]) -> [F; 2] {
                step::<F, R>($symplectic, c, (spike, reset), drive, before)
            }

            #[inline(always)]
            fn adjoint<F: Float>(
                c: [F; 8],
                spike: F,
                reset: F,
                drive: F,
                before: [F; 2],
                after: [F; 2],
                g: [F; 2],
            ) -> Adjoint<F, 2, 8> {
                adjoint::<F, R>($symplectic, c, (spike, reset), drive, before, after, g)
            }
        }
    };
}

model!(Euler, false);
model!(Symplectic, true);
