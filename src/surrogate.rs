//! Surrogate derivatives, and how to add one without editing this crate.
//!
//! ```
//! use spikegrad::network::{Network, Surrogate};
//!
//! // A Cauchy bell: WGSL of z = k (V − θ) for the GPU, the same in Rust for the CPU.
//! let cauchy = spikegrad::surrogate::register("cauchy", "1.0 / (1.0 + z * z)", |z| 1.0 / (1.0 + z * z))?;
//! let network = Network::builder(8)
//!     .hidden(16, |layer| layer.surrogate = Some(Surrogate::new(cauchy, 5.0)))
//!     .readout(2)
//!     .build()?;
//! assert!(network.to_toml().contains("kind = \"cauchy\""));
//! # Ok::<(), spikegrad::Error>(())
//! ```

pub use crate::cpu::surrogate_derivative as derivative;
pub use crate::network::{CustomSurrogate, Surrogate, SurrogateKind};

use crate::error::Result;
use crate::network::register_surrogate;

/// Registers the shape `f(z)` under a name that network files may then use: `σ'(x) = scale · f(slope · x)`.
///
/// `wgsl` is an expression of `z: f32`, `derivative` the same function for the CPU. Both get z within ±1e18 and must be
/// finite there. The gradient audit integrates `derivative` numerically.
///
/// # Errors
/// [`crate::Error::Input`] where the name is taken, the expression is not WGSL, or `derivative` is not finite.
pub fn register(
    name: &str,
    wgsl: &str,
    derivative: impl Fn(f64) -> f64 + Send + Sync + 'static,
) -> Result<SurrogateKind> {
    check(name, wgsl)?;
    register_surrogate(name, wgsl, Box::new(derivative), None).map(SurrogateKind::Custom)
}

/// The same with the primitive `∫_0^z f` for the gradient audit.
///
/// # Errors
/// As [`register`].
pub fn register_with_primitive(
    name: &str,
    wgsl: &str,
    derivative: impl Fn(f64) -> f64 + Send + Sync + 'static,
    primitive: impl Fn(f64) -> f64 + Send + Sync + 'static,
) -> Result<SurrogateKind> {
    check(name, wgsl)?;
    register_surrogate(name, wgsl, Box::new(derivative), Some(Box::new(primitive))).map(SurrogateKind::Custom)
}

#[cfg(feature = "gpu")]
fn check(name: &str, wgsl: &str) -> Result<()> {
    crate::gpu::check_expression(wgsl)
        .map_err(|error| crate::Error::Input(format!("surrogate {name:?}: the WGSL expression {wgsl:?}: {error}")))
}

/// Without the GPU backend there is nobody to run the expression.
#[cfg(not(feature = "gpu"))]
fn check(_name: &str, _wgsl: &str) -> Result<()> {
    Ok(())
}
