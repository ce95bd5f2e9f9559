//! Integration tests, one binary.

mod determinism;
mod engine;
mod golden;
#[cfg(feature = "gpu")]
mod gpu;
mod gradient_audit;
mod kernels;
mod naive;
