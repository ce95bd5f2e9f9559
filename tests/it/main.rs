//! Integration tests, one binary.

mod between;
#[cfg(feature = "cli")]
mod cli;
mod constraints;
mod determinism;
mod encoders;
mod engine;
mod golden;
mod golden_losses;
#[cfg(feature = "gpu")]
mod gpu;
mod gradient_audit;
mod kernels;
mod learn;
mod naive;
mod neurons;
mod presets;
mod profile;
mod readout_file;
mod sources;
mod surrogates;
