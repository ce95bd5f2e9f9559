//! The reset forms: V_t from the step before, and the partial derivatives that the adjoint needs. One type for each.
//! The formulas stand in `dynamics.md`, sections 1 and 2; S is a number because the gradient audit makes it smooth.

use super::float::Float;

/// A reset form: V_t from V_{t-1}, S_{t-1} and `d = γ J_t`, and the partial derivatives that the adjoint needs.
pub trait ResetForm: Send + Sync + 'static {
    /// V_t.
    fn step<F: Float>(beta: F, theta: F, v_reset: F, v: F, s: F, d: F) -> F;
    /// ∂V_{t+1}/∂V_t from S_t.
    fn carry<F: Float>(beta: F, s: F) -> F;
    /// ∂V_{t+1}/∂S_t from V_t and `d = γ J_{t+1}`: what multiplies λ_{t+1} in the reset term.
    fn through_spike<F: Float>(beta: F, theta: F, v_reset: F, v: F, d: F) -> F;
    /// The gate G_t on J_t from S_{t-1}.
    fn gate<F: Float>(s: F) -> F;
    /// ∂V_t/∂β from V_{t-1}, S_{t-1}, and J_t (0 where γ = 1).
    fn by_beta<F: Float>(theta: F, v_reset: F, v: F, s: F, j: F) -> F;
    /// ∂V_t/∂θ from S_{t-1}.
    fn by_theta<F: Float>(beta: F, s: F) -> F;
    /// The potential just after the reset, without decay or drive.
    fn value<F: Float>(theta: F, v_reset: F, v: F, s: F) -> F;
    /// ∂value/∂V, ∂value/∂S and ∂value/∂θ.
    fn value_by<F: Float>(theta: F, v_reset: F, v: F, s: F) -> [F; 3];
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
     by_beta: $by_beta:expr, by_theta: $by_theta:expr,
     value: $value:expr, value_by: $value_by:expr) => {
        #[allow(unused_variables)]
        impl ResetForm for $name {
            #[inline(always)]
            fn step<F: Float>($beta: F, $theta: F, $v_reset: F, $v: F, $s: F, $d: F) -> F {
                $step
            }
            #[inline(always)]
            fn carry<F: Float>($beta: F, $s: F) -> F {
                $carry
            }
            #[inline(always)]
            fn through_spike<F: Float>($beta: F, $theta: F, $v_reset: F, $v: F, $d: F) -> F {
                $through
            }
            #[inline(always)]
            fn gate<F: Float>($s: F) -> F {
                $gate
            }
            #[inline(always)]
            fn by_beta<F: Float>($theta: F, $v_reset: F, $v: F, $s: F, $j: F) -> F {
                $by_beta
            }
            #[inline(always)]
            fn by_theta<F: Float>($beta: F, $s: F) -> F {
                $by_theta
            }
            #[inline(always)]
            fn value<F: Float>($theta: F, $v_reset: F, $v: F, $s: F) -> F {
                $value
            }
            #[inline(always)]
            fn value_by<F: Float>($theta: F, $v_reset: F, $v: F, $s: F) -> [F; 3] {
                $value_by
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
    by_theta: -(beta * s),
    value: (-theta).fma(s, v),
    value_by: [F::ONE, -theta, -s]);
reset_form!(SubtractAfter, (beta, theta, v_reset, v, s, d, j),
    step: (-theta).fma(s, beta.fma(v, d)),
    carry: beta,
    through_spike: -theta,
    gate: F::ONE,
    by_beta: v - j,
    by_theta: -s,
    value: (-theta).fma(s, v),
    value_by: [F::ONE, -theta, -s]);
reset_form!(ZeroBefore, (beta, theta, v_reset, v, s, d, j),
    step: beta.fma(v * (F::ONE - s) + v_reset * s, d),
    carry: beta * (F::ONE - s),
    through_spike: -(beta * (v - v_reset)),
    gate: F::ONE,
    by_beta: v * (F::ONE - s) + v_reset * s - j,
    by_theta: F::ZERO,
    value: v * (F::ONE - s) + v_reset * s,
    value_by: [F::ONE - s, v_reset - v, F::ZERO]);
reset_form!(ZeroAfter, (beta, theta, v_reset, v, s, d, j),
    step: beta.fma(v, d) * (F::ONE - s),
    carry: beta * (F::ONE - s),
    through_spike: -beta.fma(v, d),
    gate: F::ONE - s,
    by_beta: (v - j) * (F::ONE - s),
    by_theta: F::ZERO,
    value: v * (F::ONE - s),
    value_by: [F::ONE - s, -v, F::ZERO]);
reset_form!(NoReset, (beta, theta, v_reset, v, s, d, j),
    step: beta.fma(v, d),
    carry: beta,
    through_spike: F::ZERO,
    gate: F::ONE,
    by_beta: v - j,
    by_theta: F::ZERO,
    value: v,
    value_by: [F::ONE, F::ZERO, F::ZERO]);

/// Calls `$body` with `$form` bound to the type of `$reset`.
macro_rules! with_form {
    ($reset:expr, $form:ident => $body:expr) => {
        match $reset {
            $crate::network::Reset::SubtractBefore => {
                type $form = $crate::cpu::reset::SubtractBefore;
                $body
            }
            $crate::network::Reset::SubtractAfter => {
                type $form = $crate::cpu::reset::SubtractAfter;
                $body
            }
            $crate::network::Reset::ZeroBefore => {
                type $form = $crate::cpu::reset::ZeroBefore;
                $body
            }
            $crate::network::Reset::ZeroAfter => {
                type $form = $crate::cpu::reset::ZeroAfter;
                $body
            }
            $crate::network::Reset::None => {
                type $form = $crate::cpu::reset::NoReset;
                $body
            }
        }
    };
}
pub(crate) use with_form;
