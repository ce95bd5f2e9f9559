//! Neurons beyond the leaky integrate-and-fire family, and what every neuron must do.

mod audit;
#[cfg(feature = "gpu")]
mod devices;
mod file;
mod registered;
mod whole;
