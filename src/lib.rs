#![doc = "spikegrad"]
pub mod cpu;
pub mod data;
pub mod engine;
pub mod error;
#[cfg(feature = "gpu")]
pub mod gpu;
pub mod io;
pub mod kernels;
pub mod learn;
pub mod network;
pub mod spikes;
pub use error::{Error, Result};
