//! Integration tests, one binary.

mod kernels;
mod naive;
