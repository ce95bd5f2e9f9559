#![doc = "spikegrad"]
pub mod cpu;
pub mod engine;
pub mod error;
#[cfg(feature = "gpu")]
pub mod gpu;
pub mod kernels;
pub mod network;
pub mod spikes;
pub use error::{Error, Result};
