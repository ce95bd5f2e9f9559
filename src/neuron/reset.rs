//! The reset forms for snippets: V_t from V_{t-1}, S_{t-1} and a drive d, and the adjoint of that.

use crate::cpu::Float;
pub use crate::cpu::reset::{NoReset, ResetForm, SubtractAfter, SubtractBefore, ZeroAfter, ZeroBefore};

/// What the adjoint of a reset form gives for `g = dL/dV_t`.
#[derive(Clone, Copy, Debug)]
pub struct ResetAdjoint<F> {
    /// dL/dV_{t-1}.
    pub potential: F,
    /// dL/dS_{t-1} through the reset.
    pub spike: F,
    /// dL/dd.
    pub drive: F,
    /// dL/dβ.
    pub beta: F,
    /// dL/dθ of the θ that the reset subtracts.
    pub theta: F,
}

/// The adjoint of `V_t = R::step(β, θ, v_reset, V_{t-1}, S_{t-1}, d)`.
#[inline(always)]
pub fn adjoint<R: ResetForm, F: Float>(beta: F, theta: F, v_reset: F, v: F, s: F, d: F, g: F) -> ResetAdjoint<F> {
    ResetAdjoint {
        potential: R::carry(beta, s) * g,
        spike: R::through_spike(beta, theta, v_reset, v, d) * g,
        drive: R::gate(s) * g,
        beta: R::by_beta(theta, v_reset, v, s, F::ZERO) * g,
        theta: R::by_theta(beta, s) * g,
    }
}

/// Calls `$make::<R>` for the type of a [`crate::network::Reset`] and gives rows of it.
#[macro_export]
#[doc(hidden)]
macro_rules! rows_by_reset {
    ($model:ident, $states:expr, $constants:expr) => {
        |reset| match reset {
            $crate::network::Reset::SubtractBefore => {
                $crate::neuron::rows::<$model<$crate::neuron::reset::SubtractBefore>, { $states }, { $constants }>()
            }
            $crate::network::Reset::SubtractAfter => {
                $crate::neuron::rows::<$model<$crate::neuron::reset::SubtractAfter>, { $states }, { $constants }>()
            }
            $crate::network::Reset::ZeroBefore => {
                $crate::neuron::rows::<$model<$crate::neuron::reset::ZeroBefore>, { $states }, { $constants }>()
            }
            $crate::network::Reset::ZeroAfter => {
                $crate::neuron::rows::<$model<$crate::neuron::reset::ZeroAfter>, { $states }, { $constants }>()
            }
            $crate::network::Reset::None => {
                $crate::neuron::rows::<$model<$crate::neuron::reset::NoReset>, { $states }, { $constants }>()
            }
        }
    };
}
pub use rows_by_reset;
