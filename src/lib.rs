//! Trains spiking neural networks by surrogate-gradient backpropagation through time (BPTT), on any GPU and without one.
//!
//! A network is *described* once as plain data, *planned* once for a size of batch, and *run* many times on one of two
//! backends that implement the same small contract:
//!
//! ```text
//! network ──► plan (kernel forms, buffers) ──► run: forward ─► loss ─► backward ─► update
//!                                               │
//!                     kernels: gpu (WGSL on wgpu) | cpu (the oracle of every test, and what runs without a GPU)
//! ```
//!
//! Where to look:
//!
//! - [`network`]: layers, neurons, surrogates, initialisers and presets; [`network::Network::builder`] and
//!   [`network::Network::from_toml`].
//! - [`engine`]: [`engine::Engine`] runs and trains a network on a device: forward, backward from the built-in loss or from
//!   your own gradients, step, parameters in and out, streaming state.
//! - [`kernels`]: the contract, each kernel with its maths and shapes; [`cpu`] and [`gpu`] implement it.
//! - [`spikes`]: packed rasters, sources that are read window by window ([`spikes::Source`]), and counter-based random
//!   numbers.
//! - [`learn`], [`data`], [`io`]: optimisers, schedules and the trainer; data sets; checkpoints and run directories.
//!
//! ```
//! use spikegrad::engine::{Batch, Budget, Device, Engine, Optimiser};
//! use spikegrad::kernels::{Penalty, Rule};
//! use spikegrad::network::{Init, Network};
//! use spikegrad::spikes::Raster;
//!
//! // 20 input channels → 50 recurrent neurons → 2 classes, steps of 1 ms.
//! let wide = Init::Uniform { gain: 8.0 };
//! let network = Network::builder(20).recurrent(50, |layer| layer.init = wide).readout(2).build()?;
//! let mut engine = Engine::new(network, Device::Auto, Budget::default())?;
//! engine.initialise(1)?;
//!
//! let mut input = Raster::new(30, 4, 20); // [T, B, N]
//! for t in 0..30 {
//!     for b in 0..4 {
//!         input.set(t, b, (5 * b + t) % 20);
//!     }
//! }
//! let batch = Batch::spikes(input).with_labels(vec![0, 1, 0, 1]);
//! let rule = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0 };
//! for _ in 0..10 {
//!     engine.train(&batch, &Optimiser { rule, rate: 1e-2, max_norm: None, penalty: Penalty::default() })?;
//! }
//! let steps = engine.metrics()?;
//! assert!(steps[9].loss < steps[0].loss);
//! # Ok::<(), spikegrad::Error>(())
//! ```
//!
//! Features: `gpu` (default), `data` (default: loaders of published data sets), `cli` (default: the command line, and downloads
//! of data sets) and `hdf5` (to convert SHD and SSC). With `default-features = false` the library is the CPU backend alone.

pub mod audit;
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
pub mod neuron;
pub mod spikes;
mod suggest;
pub mod surrogate;

pub use error::{Error, Result};
