//! When things happen: plan, forward, backward, update. Generic over the contract; knows no WGSL and no threads.
//!
//! [`Engine`] is the library's face: f32 on the device of choice. [`Core`] is the same over any backend.

mod backward;
mod batch;
mod between;
mod constraint;
mod core;
mod device;
mod forward;
mod gradient;
mod group;
mod initialise;
mod input;
mod metrics;
mod outputs;
mod parameters;
mod plan;
mod planner;
mod readout;
mod replay;
mod state;
mod truncated;
mod update;
mod weight_gradients;

pub use batch::{Batch, Input};
pub use core::{Core, model};
pub use device::{Budget, Device};
pub use gradient::Gradient;
pub use group::{Group, matches};
pub use initialise::initialise;
pub use metrics::{LayerActivity, StepMetrics};
pub use parameters::{OptimiserState, Parameters, Tensor, shapes};
pub use plan::{Cut, Sequence, TapeKind};
pub use planner::{Wish, human_bytes};
pub use state::{NeuronState, State};
pub use truncated::Truncation;
pub use update::Optimiser;

use crate::cpu::Cpu;
use crate::error::Result;
use crate::kernels::{Kernels, Profile, Rule};
use crate::network::Network;
use crate::spikes::{Raster, Trace};

#[cfg(feature = "gpu")]
type Gpu = crate::gpu::Gpu;

enum Inner {
    Cpu(Box<Core<Cpu<f32>>>),
    #[cfg(feature = "gpu")]
    Gpu(Box<Core<Gpu>>),
}

/// Runs `$body` on the core of either backend.
macro_rules! each {
    ($inner:expr, $core:ident => $body:expr) => {
        match $inner {
            Inner::Cpu($core) => $body,
            #[cfg(feature = "gpu")]
            Inner::Gpu($core) => $body,
        }
    };
}

/// Trains one network on one device.
///
/// ```
/// use spikegrad::engine::{Batch, Budget, Device, Engine, Gradient, Optimiser};
/// use spikegrad::kernels::{Penalty, Rule};
/// use spikegrad::network::Network;
/// use spikegrad::spikes::Raster;
///
/// let network = Network::builder(8).hidden(16, |_| {}).readout(3).build()?;
/// let mut engine = Engine::new(network, Device::Cpu, Budget::default())?;
/// engine.initialise(1)?;
/// let mut input = Raster::new(20, 2, 8);
/// input.set(3, 0, 5);
/// let batch = Batch::spikes(input).with_labels(vec![0, 2]);
/// let rule = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0 };
/// let optimiser = Optimiser { rule, rate: 1e-3, max_norm: None, penalty: Penalty::default() };
/// engine.forward(&batch)?;
/// engine.backward(&Gradient::loss())?;
/// engine.step(&optimiser)?;
/// println!("loss {}", engine.metrics()?[0].loss);
/// # Ok::<(), spikegrad::Error>(())
/// ```
pub struct Engine {
    inner: Inner,
    device: String,
}

impl Engine {
    /// Puts `network` on `device` and draws its start from seed 0.
    ///
    /// # Errors
    /// [`crate::Error::Network`] where the network is wrong, [`crate::Error::Device`] where the device is not there,
    /// [`crate::Error::Memory`] where the parameters do not fit.
    pub fn new(network: Network, device: Device, budget: Budget) -> Result<Engine> {
        network.validate()?;
        #[cfg(feature = "gpu")]
        {
            let gpu = match device {
                Device::Cpu => None,
                Device::Gpu(index) => Some(Gpu::new(index)?),
                Device::Auto => Gpu::new(None).ok(),
            };
            if let Some(gpu) = gpu {
                let adapter = gpu.adapter();
                let how = if gpu.is_calibrated() { ", calibrated" } else { "" };
                let device = format!("gpu: {} ({}{how})", adapter.name, adapter.backend);
                return Ok(Engine { inner: Inner::Gpu(Box::new(Core::new(network, gpu, budget)?)), device });
            }
        }
        #[cfg(not(feature = "gpu"))]
        device.check()?;
        Ok(Engine {
            inner: Inner::Cpu(Box::new(Core::new(network, Cpu::new(), budget)?)),
            device: device::describe_cpu(),
        })
    }

    /// The device in one line.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Whether it runs on a GPU.
    pub fn on_gpu(&self) -> bool {
        !matches!(self.inner, Inner::Cpu(_))
    }

    /// The network.
    pub fn network(&self) -> &Network {
        each!(&self.inner, core => core.network())
    }

    /// The plan of the last batch as text.
    pub fn plan_text(&self) -> String {
        each!(&self.inner, core => core.plan_text())
    }

    /// Bounds the memory of everything from the next batch on (see [`Core::set_memory`]).
    pub fn set_memory(&mut self, budget: Budget, wish: Wish) {
        each!(&mut self.inner, core => core.set_memory(budget, wish));
    }

    /// See [`Core::prepare`].
    ///
    /// # Errors
    /// As there.
    pub fn prepare(&mut self, sequence: Sequence, training: bool) -> Result<String> {
        each!(&mut self.inner, core => core.prepare(sequence, training))
    }

    /// See [`Core::notices`].
    pub fn notices(&mut self) -> Vec<String> {
        each!(&mut self.inner, core => core.notices())
    }

    /// See [`Core::cut`].
    pub fn cut(&self) -> Option<Cut> {
        each!(&self.inner, core => core.cut())
    }

    /// See [`Core::memory`].
    pub fn memory(&self) -> (u64, u64) {
        each!(&self.inner, core => core.memory())
    }

    /// See [`Core::predicted_memory`].
    pub fn predicted_memory(&self) -> Option<u64> {
        each!(&self.inner, core => core.predicted_memory())
    }

    /// See [`Core::kept_bytes`].
    pub fn kept_bytes(&self) -> Option<f64> {
        each!(&self.inner, core => core.kept_bytes())
    }

    /// See [`Core::initialise`].
    ///
    /// # Errors
    /// As there.
    pub fn initialise(&mut self, seed: u64) -> Result<()> {
        each!(&mut self.inner, core => core.initialise(seed))
    }

    /// See [`Core::parameters`].
    ///
    /// # Errors
    /// As there.
    pub fn parameters(&mut self) -> Result<Parameters> {
        each!(&mut self.inner, core => core.parameters())
    }

    /// See [`Core::set_parameters`].
    ///
    /// # Errors
    /// As there.
    pub fn set_parameters(&mut self, parameters: &Parameters) -> Result<()> {
        each!(&mut self.inner, core => core.set_parameters(parameters))
    }

    /// See [`Core::gradients`].
    ///
    /// # Errors
    /// As there.
    pub fn gradients(&mut self) -> Result<Parameters> {
        each!(&mut self.inner, core => core.gradients())
    }

    /// See [`Core::input_gradient`].
    ///
    /// # Errors
    /// As there.
    pub fn input_gradient(&mut self) -> Result<Trace> {
        each!(&mut self.inner, core => core.input_gradient())
    }

    /// See [`Core::optimiser_state`].
    ///
    /// # Errors
    /// As there.
    pub fn optimiser_state(&mut self) -> Result<OptimiserState> {
        each!(&mut self.inner, core => core.optimiser_state())
    }

    /// See [`Core::set_optimiser_state`].
    ///
    /// # Errors
    /// As there.
    pub fn set_optimiser_state(&mut self, rule: Rule, state: &OptimiserState) -> Result<()> {
        each!(&mut self.inner, core => core.set_optimiser_state(rule, state))
    }

    /// See [`Core::forward`].
    ///
    /// # Errors
    /// As there.
    pub fn forward(&mut self, batch: &Batch) -> Result<Outputs<'_>> {
        each!(&mut self.inner, core => core.forward(batch).map(|_| ()))?;
        Ok(Outputs { engine: self })
    }

    /// See [`Core::infer`].
    ///
    /// # Errors
    /// As there.
    pub fn infer(&mut self, batch: &Batch) -> Result<Outputs<'_>> {
        each!(&mut self.inner, core => core.infer(batch).map(|_| ()))?;
        Ok(Outputs { engine: self })
    }

    /// See [`Core::stream`].
    ///
    /// # Errors
    /// As there.
    pub fn stream(&mut self, batch: &Batch) -> Result<Outputs<'_>> {
        each!(&mut self.inner, core => core.stream(batch).map(|_| ()))?;
        Ok(Outputs { engine: self })
    }

    /// See [`Core::state`].
    ///
    /// # Errors
    /// As there.
    pub fn state(&mut self) -> Result<State> {
        each!(&mut self.inner, core => core.state())
    }

    /// See [`Core::set_state`].
    ///
    /// # Errors
    /// As there.
    pub fn set_state(&mut self, state: State) -> Result<()> {
        each!(&mut self.inner, core => core.set_state(state))
    }

    /// See [`Core::reset_state`].
    pub fn reset_state(&mut self) {
        each!(&mut self.inner, core => core.reset_state());
    }

    /// See [`Core::backward`].
    ///
    /// # Errors
    /// As there.
    pub fn backward(&mut self, gradient: &Gradient) -> Result<()> {
        each!(&mut self.inner, core => core.backward(gradient))
    }

    /// See [`Core::set_groups`].
    ///
    /// # Errors
    /// As there.
    pub fn set_groups(&mut self, groups: &[Group]) -> Result<()> {
        each!(&mut self.inner, core => core.set_groups(groups))
    }

    /// See [`Core::set_mask`].
    ///
    /// # Errors
    /// As there.
    pub fn set_mask(&mut self, name: &str, mask: &[bool]) -> Result<()> {
        each!(&mut self.inner, core => core.set_mask(name, mask))
    }

    /// See [`Core::set_pass`].
    pub fn set_pass(&mut self, pass: u64) {
        each!(&mut self.inner, core => core.set_pass(pass));
    }

    /// See [`Core::step`].
    ///
    /// # Errors
    /// As there.
    pub fn step(&mut self, optimiser: &Optimiser) -> Result<()> {
        each!(&mut self.inner, core => core.step(optimiser))
    }

    /// Forward, backward of the built-in loss, and one step: the body of a training loop.
    ///
    /// # Errors
    /// As [`Engine::forward`] and [`Engine::backward`].
    pub fn train(&mut self, batch: &Batch, optimiser: &Optimiser) -> Result<()> {
        each!(&mut self.inner, core => core.train(batch, optimiser))
    }

    /// See [`Core::train_truncated`].
    ///
    /// # Errors
    /// As there.
    pub fn train_truncated(&mut self, batch: &Batch, optimiser: &Optimiser, truncation: Truncation) -> Result<()> {
        each!(&mut self.inner, core => core.train_truncated(batch, optimiser, truncation))
    }

    /// See [`Core::metrics`].
    ///
    /// # Errors
    /// As there.
    pub fn metrics(&mut self) -> Result<Vec<StepMetrics>> {
        each!(&mut self.inner, core => core.metrics())
    }

    /// See [`Core::activity`].
    ///
    /// # Errors
    /// As there.
    pub fn activity(&mut self) -> Result<Vec<LayerActivity>> {
        each!(&mut self.inner, core => core.activity())
    }

    /// See [`Core::replan`].
    pub fn replan(&mut self, activity: &[LayerActivity]) -> bool {
        each!(&mut self.inner, core => core.replan(activity))
    }

    /// See [`Core::wait`].
    ///
    /// # Errors
    /// As there.
    pub fn wait(&mut self) -> Result<()> {
        each!(&mut self.inner, core => core.wait())
    }

    /// See [`Kernels::profile`].
    ///
    /// # Errors
    /// As there.
    pub fn profile(&mut self, on: bool) -> Result<()> {
        each!(&mut self.inner, core => core.kernels().profile(on))
    }

    /// See [`Kernels::take_profile`].
    ///
    /// # Errors
    /// As there.
    pub fn take_profile(&mut self) -> Result<Profile> {
        each!(&mut self.inner, core => core.kernels().take_profile())
    }

    /// See [`Core::check_finite`].
    ///
    /// # Errors
    /// As there.
    pub fn check_finite(&mut self) -> Result<()> {
        each!(&mut self.inner, core => core.check_finite())
    }

    /// See [`Core::diagnose`].
    ///
    /// # Errors
    /// As there.
    pub fn diagnose(&mut self) -> Result<String> {
        each!(&mut self.inner, core => core.diagnose())
    }
}

/// What a forward pass left on the device. Reading waits for it.
pub struct Outputs<'a> {
    engine: &'a mut Engine,
}

impl Outputs<'_> {
    /// Activations of the readout's first loss, `[B, units]`.
    ///
    /// # Errors
    /// [`crate::Error::Input`] where that loss stands on every step.
    pub fn activation(&mut self) -> Result<Vec<f32>> {
        each!(&mut self.engine.inner, core => core.outputs()?.activation())
    }

    /// Emitted spikes summed over the steps, `[B, units]`.
    ///
    /// # Errors
    /// [`crate::Error::Input`] where the layer does not spike.
    pub fn counts(&mut self, layer: usize) -> Result<Vec<f32>> {
        each!(&mut self.engine.inner, core => core.outputs()?.counts(layer))
    }

    /// Loss, mean over the batch.
    ///
    /// # Errors
    /// [`crate::Error::Input`] where the batch had no labels.
    pub fn loss(&mut self) -> Result<f64> {
        each!(&mut self.engine.inner, core => core.outputs()?.loss())
    }

    /// The class that each sample is taken for, `[B]`.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device was lost.
    pub fn answers(&mut self) -> Result<Vec<u32>> {
        each!(&mut self.engine.inner, core => core.outputs()?.answers())
    }

    /// Right answers.
    ///
    /// # Errors
    /// [`crate::Error::Input`] where the batch had no labels.
    pub fn correct(&mut self) -> Result<u64> {
        each!(&mut self.engine.inner, core => core.outputs()?.correct())
    }

    /// Emitted spikes O of a layer, `[T, B, units]`.
    ///
    /// # Errors
    /// [`crate::Error::Input`] where the layer does not spike.
    pub fn spikes(&mut self, layer: usize) -> Result<Raster> {
        each!(&mut self.engine.inner, core => core.outputs()?.spikes(layer))
    }

    /// Membrane potential V of a layer before reset, `[T, B, units]`; of the last layer: the readout's trace.
    ///
    /// # Errors
    /// [`crate::Error::Input`] after [`Engine::infer`], which keeps none.
    pub fn potential(&mut self, layer: usize) -> Result<Trace> {
        each!(&mut self.engine.inner, core => core.outputs()?.potential(layer))
    }
}
