//! Adapters: what there is, which one is taken, and the logical device with its error handlers.

use super::cooperative;
use crate::error::{Error, Result};
use crate::kernels::When;
use std::sync::{Arc, Mutex};

/// What an adapter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdapterKind {
    /// Own memory.
    Discrete,
    /// Shares the memory of the processor.
    Integrated,
    /// A GPU handed through to a virtual machine, or one whose driver does not say what it is.
    Other,
    /// A rasteriser that runs on the processor (lavapipe, WARP): right, but slower than the CPU backend.
    Software,
}

/// An adapter as a user sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterInfo {
    /// Number to ask for it with (`gpu:N`).
    pub index: usize,
    /// Name of the device.
    pub name: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// What it is.
    pub kind: AdapterKind,
    /// Driver and its version.
    pub driver: String,
    /// Largest array, bytes.
    pub largest_array: u64,
    /// Workgroup memory, bytes.
    pub workgroup_memory: u32,
    /// Invocations of a workgroup.
    pub invocations: u32,
    /// Whether shaders can use 16-bit floats.
    pub half: bool,
    /// Whether it has subgroup operations.
    pub subgroups: bool,
    /// Whether it can measure time.
    pub timestamps: bool,
}

/// Which adapter to take, and how to use it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    /// Number of the adapter; None: the best one that is not a software rasteriser.
    pub adapter: Option<usize>,
    /// How to use it.
    pub options: Options,
}

impl From<Option<usize>> for Choice {
    fn from(adapter: Option<usize>) -> Self {
        Choice { adapter, options: Options::default() }
    }
}

impl From<&Choice> for Choice {
    fn from(choice: &Choice) -> Self {
        choice.clone()
    }
}

/// How to use an adapter. The limits can only be lowered: tests run the kernels at WebGPU's floor with them.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Whether shaders check bounds and loops. Default: in debug builds, or where `SPIKEGRAD_CHECKED` is set.
    pub checked: bool,
    /// Bytes of one array at most.
    pub largest_array: Option<u64>,
    /// Bytes of all arrays at most: what does not fit is refused as if the device had no room.
    pub memory: Option<u64>,
    /// Bytes of workgroup memory at most.
    pub workgroup_memory: Option<u32>,
    /// Invocations of a workgroup at most.
    pub invocations: Option<u32>,
    /// Samples × neurons from which on `layer_forward` fuses the drive of a spiking source into the scan.
    pub fuse: usize,
    /// Whether a backward pass skips the rows of neurons whose surrogate derivative is 0 (`triangle`, `boxcar`,
    /// `sparse_fast_sigmoid`, `leaky_relu` without a leak). Its sums have another order than those of the whole rows.
    pub skip_silent: When,
    /// Whether the drive of spikes is the tiled product instead of the sum over the active inputs; the bits are the same.
    /// Planned: where the first data written to the source was active enough, or the layer in the last epoch.
    pub unpack: When,
    /// Whether products take tiles of 128 × 128 in place of 64 × 64; the bits are the same.
    pub wide: When,
    /// Whether kernels use subgroup operations. Planned: sums over a workgroup wherever the device has them, lists where they are
    /// expected to be faster; never: as on a device without them. Lists are the same either way, sums have another order.
    pub subgroups: When,
    /// Whether the transposes of weights, which backward passes read, are kept as 16-bit floats: half of their memory and of
    /// their traffic. A weight is then off by 2⁻¹¹ of itself (at most 2⁻¹⁴ below that size, where a driver may take it for 0;
    /// held within ±65504), sums are made in f32 all the same. Weights themselves stay f32, and so does the forward pass.
    pub half_weights: bool,
    /// Whether forward passes read weights as 16-bit floats too, from copies beside them that are as much off. Planned: tensors
    /// above 4 MiB, which the device's cache would not keep. The default is never, because numbers change.
    pub half_forward: When,
    /// Whether drives of spikes are products of cooperative matrices (experimental in wgpu, untested on hardware; only with the
    /// cargo feature `cooperative-matrix`, where the device has them and the weights have 16-bit copies by `half_forward`). Sums
    /// then have the order of the device's matrix units. Planned: of 16384 weights and more. The default is never.
    pub cooperative: When,
    /// Whether forms are chosen by what [`super::calibrate`] measured on this adapter with this driver, or measures now where
    /// nothing is kept, in place of estimates. Default: where `SPIKEGRAD_CALIBRATED` is set. Forms decide in which order sums are
    /// made: a run that is to give the same bits elsewhere, or after a new measurement, keeps to the estimates.
    pub calibrated: bool,
}

impl Default for Options {
    fn default() -> Self {
        let checked = cfg!(debug_assertions) || std::env::var_os("SPIKEGRAD_CHECKED").is_some();
        let fuse = super::forward::FUSE;
        Options {
            checked,
            largest_array: None,
            memory: None,
            workgroup_memory: None,
            invocations: None,
            fuse,
            skip_silent: When::Planned,
            unpack: When::Planned,
            wide: When::Planned,
            subgroups: When::Planned,
            half_weights: false,
            half_forward: When::Never,
            cooperative: When::Never,
            calibrated: std::env::var_os("SPIKEGRAD_CALIBRATED").is_some_and(|value| !value.is_empty()),
        }
    }
}

impl Options {
    /// WebGPU's smallest guaranteed limits.
    pub fn floor() -> Self {
        Options {
            largest_array: Some(128 << 20),
            workgroup_memory: Some(16 << 10),
            invocations: Some(256),
            ..Options::default()
        }
    }
}

/// The limits that the kernels plan with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub largest_array: u64,
    pub workgroup_memory: u32,
    pub invocations: u32,
    pub uniform_alignment: u32,
    /// Invocations of a subgroup at least; 0 where there are no subgroup operations.
    pub lanes: u32,
    /// Side of the cooperative matrices; None where there are none, or none wanted.
    pub cooperative: Option<usize>,
}

/// The first error of the device; later ones follow from it.
#[derive(Clone, Default)]
pub(super) struct Fault(Arc<Mutex<Option<String>>>);

impl Fault {
    /// Keeps `message` if it is the first.
    pub fn set(&self, message: impl Into<String>) {
        let mut slot = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        slot.get_or_insert(message.into());
    }

    /// The first error as a result.
    pub fn check(&self) -> Result<()> {
        match &*self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) {
            Some(message) => Err(Error::Device(message.clone())),
            None => Ok(()),
        }
    }
}

/// A logical device.
pub(super) struct Device {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub limits: Limits,
    pub checked: bool,
    pub fault: Fault,
    pub info: AdapterInfo,
}

fn enumerate() -> Vec<wgpu::Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    pollster::block_on(wgpu::Instance::new(descriptor).enumerate_adapters(wgpu::Backends::all()))
}

fn describe(index: usize, adapter: &wgpu::Adapter) -> AdapterInfo {
    let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
    AdapterInfo {
        index,
        name: info.name,
        backend: info.backend.to_string(),
        kind: match info.device_type {
            wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
            wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
            wgpu::DeviceType::Cpu => AdapterKind::Software,
            wgpu::DeviceType::VirtualGpu | wgpu::DeviceType::Other => AdapterKind::Other,
        },
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
        largest_array: largest_array(&limits),
        workgroup_memory: limits.max_compute_workgroup_storage_size,
        invocations: limits.max_compute_invocations_per_workgroup,
        half: features.contains(wgpu::Features::SHADER_F16),
        subgroups: features.contains(wgpu::Features::SUBGROUP),
        timestamps: features.contains(super::profile::FEATURES),
    }
}

/// All adapters of this machine.
pub fn adapters() -> Vec<AdapterInfo> {
    enumerate().iter().enumerate().map(|(index, adapter)| describe(index, adapter)).collect()
}

/// The adapter that `wanted` means: that one, or the best one that is not a software rasteriser.
///
/// # Errors
/// [`Error::Device`] where there is none.
pub fn find_adapter(wanted: Option<usize>) -> Result<AdapterInfo> {
    let mut found = adapters();
    let index = choose(&found, wanted)?;
    Ok(found.swap_remove(index))
}

/// The place of the adapter that `wanted` means: that one, or the best one that is not a software rasteriser.
fn choose(found: &[AdapterInfo], wanted: Option<usize>) -> Result<usize> {
    let names = || {
        let names: Vec<String> = found.iter().map(|info| format!("gpu:{} {}", info.index, info.name)).collect();
        if names.is_empty() { "none".to_string() } else { names.join(", ") }
    };
    match wanted {
        Some(index) if index < found.len() => Ok(index),
        Some(index) => Err(Error::Device(format!("there is no gpu:{index} here (found: {}); try cpu", names()))),
        None => found
            .iter()
            .filter(|info| info.kind != AdapterKind::Software)
            .min_by_key(|info| info.kind)
            .map(|info| info.index)
            .ok_or_else(|| {
                // All that are left are software rasterisers.
                let slow = match found.first() {
                    Some(info) => format!("; gpu:{} would compute in software, slower", info.index),
                    None => String::new(),
                };
                Error::Device(format!(
                    "no GPU with a Vulkan, Metal or DX12 driver here (found: {}): install its driver, or use the device cpu{slow}",
                    names()
                ))
            }),
    }
}

impl Device {
    /// Opens the adapter that `choice` means.
    ///
    /// # Errors
    /// [`Error::Device`] where there is none, or where it refuses.
    pub fn open(choice: &Choice) -> Result<Device> {
        let found = enumerate();
        let infos: Vec<AdapterInfo> = found.iter().enumerate().map(|(i, adapter)| describe(i, adapter)).collect();
        let index = choose(&infos, choice.adapter)?;
        let (adapter, info) = (&found[index], infos[index].clone());
        let limits = required_limits(&adapter.limits(), &choice.options);
        if limits.max_storage_buffers_per_shader_stage < 8 || limits.max_compute_invocations_per_workgroup < 256 {
            let name = &info.name;
            return Err(Error::Device(format!("{name} is below WebGPU's limits for compute; use the device cpu")));
        }
        let mut features = adapter.features() & (super::profile::FEATURES | wgpu::Features::SUBGROUP);
        if choice.options.subgroups == When::Never {
            features.remove(wgpu::Features::SUBGROUP);
        }
        let cooperative = cooperative::edge(adapter, &choice.options);
        if cooperative.is_some() {
            features |= cooperative::features();
        }
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("spikegrad"),
            experimental_features: cooperative::consent(cooperative),
            required_features: features,
            required_limits: limits.clone(),
            memory_hints: wgpu::MemoryHints::Performance,
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|error| Error::Device(format!("{} cannot be opened: {error}", info.name)))?;
        let fault = Fault::default();
        let (lost, refused) = (fault.clone(), fault.clone());
        let name = info.name.clone();
        device.set_device_lost_callback(move |reason, message| {
            // Dropping the device is no fault.
            if reason != wgpu::DeviceLostReason::Destroyed {
                lost.set(format!("{name} was lost: {message}; start again from the last checkpoint"));
            }
        });
        let name = info.name.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            refused.set(format!("{name} refused the work: {error}"));
        }));
        let limits = Limits {
            largest_array: largest_array(&limits),
            workgroup_memory: limits.max_compute_workgroup_storage_size,
            invocations: limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x),
            uniform_alignment: limits.min_uniform_buffer_offset_alignment,
            cooperative,
            lanes: if features.contains(wgpu::Features::SUBGROUP) { adapter.get_info().subgroup_min_size } else { 0 },
        };
        Ok(Device { device, queue, limits, checked: choice.options.checked, fault, info })
    }
}

/// Bytes of an array at most. Past 2 GiB a driver may count lengths in 32 bits, and so do the shaders' indices.
fn largest_array(limits: &wgpu::Limits) -> u64 {
    limits.max_buffer_size.min(limits.max_storage_buffer_binding_size).min(i32::MAX as u64 & !15)
}

/// WebGPU's defaults, raised to what the adapter has where the kernels profit, lowered to what the options ask for.
fn required_limits(adapter: &wgpu::Limits, options: &Options) -> wgpu::Limits {
    let mut limits = wgpu::Limits::default().or_worse_values_from(adapter);
    let bytes = options.largest_array.unwrap_or(u64::MAX);
    limits.max_storage_buffer_binding_size = adapter.max_storage_buffer_binding_size.min(bytes);
    // Parameter blocks have a buffer of their own that is larger than the arrays of a test.
    limits.max_buffer_size = adapter.max_buffer_size.min(bytes.max(super::recorder::UNIFORMS));
    limits.max_compute_workgroup_storage_size =
        adapter.max_compute_workgroup_storage_size.min(options.workgroup_memory.unwrap_or(u32::MAX));
    let invocations = options.invocations.unwrap_or(u32::MAX);
    limits.max_compute_invocations_per_workgroup = adapter.max_compute_invocations_per_workgroup.min(invocations);
    limits.max_compute_workgroup_size_x = adapter.max_compute_workgroup_size_x.min(invocations);
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(index: usize, kind: AdapterKind) -> AdapterInfo {
        AdapterInfo {
            index,
            name: format!("{kind:?}"),
            backend: "vulkan".into(),
            kind,
            driver: String::new(),
            largest_array: 1 << 27,
            workgroup_memory: 1 << 14,
            invocations: 256,
            half: false,
            subgroups: false,
            timestamps: false,
        }
    }

    #[test]
    fn a_discrete_gpu_goes_before_an_integrated_one_and_a_rasteriser_only_by_number() {
        let found =
            [adapter(0, AdapterKind::Software), adapter(1, AdapterKind::Integrated), adapter(2, AdapterKind::Discrete)];
        assert_eq!(choose(&found, None).unwrap(), 2);
        assert_eq!(choose(&found[..2], None).unwrap(), 1);
        assert_eq!(choose(&found, Some(0)).unwrap(), 0);
        let message = choose(&found[..1], None).unwrap_err().to_string();
        assert!(message.contains("use the device cpu") && message.contains("gpu:0 Software"), "{message}");
        assert!(choose(&found, Some(3)).unwrap_err().to_string().contains("gpu:3"));
    }
}
