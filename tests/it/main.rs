//! Integration tests, one binary.

mod determinism;
mod gradient_audit;
mod kernels;
mod naive;
