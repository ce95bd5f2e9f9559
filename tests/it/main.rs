//! Integration tests, one binary.

mod determinism;
mod golden;
mod gradient_audit;
mod kernels;
mod naive;
