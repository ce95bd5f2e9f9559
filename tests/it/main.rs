//! Integration tests, one binary.

mod determinism;
mod golden;
#[cfg(feature = "gpu")]
mod gpu;
mod gradient_audit;
mod kernels;
mod naive;
