//! The recorder: one open compute pass that takes dispatch after dispatch, and everything that is made once and reused.
//!
//! - Pipelines, bind groups and parameter blocks are cached, so that a steady training loop creates none of them.
//! - A parameter block lives in a slot of a uniform buffer and is bound by dynamic offset; one bind group therefore
//!   serves all blocks. Blocks that stay the same are kept by content; blocks that change at every step (learning rate)
//!   go round a ring.
//! - Work is submitted when asked for, after [`DISPATCHES`] dispatches or [`WORK`] multiply-adds, and the host is at
//!   most [`AHEAD`] submissions ahead of the device.

use super::buffers::{Array, Ledger};
use super::device::Device;
use super::shader::{Permutation, find};
use crate::error::{Error, Result};
use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Dispatches after which work is submitted.
const DISPATCHES: u32 = 512;
/// Multiply-adds after which work is submitted: about 50 ms of a small integrated GPU (2·10¹¹ a second).
const WORK: u64 = 10_000_000_000;
/// Submissions that the host may be ahead.
const AHEAD: usize = 3;
/// Bytes of a slot for a parameter block.
const SLOT: u64 = 256;
/// Slots of the uniform buffer for blocks that stay the same, and of the ring.
const SLOTS: u64 = 65536;
const RING: u64 = 512;
/// Bytes of the largest uniform buffer, at least.
pub(super) const UNIFORMS: u64 = SLOTS * SLOT;
/// Groups of a dispatch in one dimension: WebGPU's floor.
const GROUPS: u64 = 65535;

/// How many objects were created so far. In a steady loop these numbers stand still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Created {
    /// Compute pipelines.
    pub pipelines: usize,
    /// Bind groups.
    pub bind_groups: usize,
    /// Buffers: arrays, scratch memory, parameter slots, read-back.
    pub buffers: usize,
}

/// An array at a binding of a shader.
pub(super) struct Binding<'a> {
    slot: u32,
    array: &'a Array,
    write: bool,
}

/// Bound to be read.
pub(super) fn read(slot: u32, array: &Array) -> Binding<'_> {
    Binding { slot, array, write: false }
}

/// Bound to be read and written.
pub(super) fn write(slot: u32, array: &Array) -> Binding<'_> {
    Binding { slot, array, write: true }
}

/// One dispatch.
pub(super) struct Dispatch<'a> {
    /// Shader.
    pub permutation: Permutation,
    /// Parameter block.
    pub params: &'a [u8],
    /// Whether the block changes at every call.
    pub changing: bool,
    /// Arrays.
    pub bindings: &'a [Binding<'a>],
    /// Workgroups; the shader gets its number from `flat_group`.
    pub groups: u64,
    /// Multiply-adds, roughly.
    pub work: u64,
}

type Signature = Vec<(u32, bool)>;

struct Pipeline {
    pipeline: wgpu::ComputePipeline,
    bindings: Signature,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct GroupKey {
    ring: bool,
    /// Slot, whether written, array.
    arrays: Vec<(u32, bool, u64)>,
}

/// See the module.
pub(super) struct Recorder {
    pub device: Device,
    pub created: Created,
    ledger: Arc<Ledger>,
    /// Bytes of all arrays at most.
    memory: Option<u64>,
    /// An array of a kernel's own that found no room.
    refused: Option<Error>,
    next_id: u64,
    pipelines: HashMap<Permutation, Arc<Pipeline>>,
    layouts: HashMap<Signature, (wgpu::BindGroupLayout, wgpu::PipelineLayout)>,
    bind_groups: HashMap<GroupKey, wgpu::BindGroup>,
    blocks: Option<wgpu::Buffer>,
    block_of: HashMap<Vec<u8>, u32>,
    ring: Option<wgpu::Buffer>,
    ring_next: u64,
    /// Ring slots written since the last submission: they may not be written again before it.
    ring_used: u64,
    scratch: HashMap<&'static str, Array>,
    readback: Option<wgpu::Buffer>,
    encoder: Option<wgpu::CommandEncoder>,
    pass: Option<wgpu::ComputePass<'static>>,
    dispatches: u32,
    work: u64,
    in_flight: VecDeque<wgpu::SubmissionIndex>,
}

impl Recorder {
    /// A recorder on `device`, whose arrays take `memory` bytes at most.
    pub fn new(device: Device, memory: Option<u64>) -> Recorder {
        Recorder {
            device,
            created: Created::default(),
            ledger: Arc::default(),
            memory,
            refused: None,
            next_id: 0,
            pipelines: HashMap::new(),
            layouts: HashMap::new(),
            bind_groups: HashMap::new(),
            blocks: None,
            block_of: HashMap::new(),
            ring: None,
            ring_next: 0,
            ring_used: 0,
            scratch: HashMap::new(),
            readback: None,
            encoder: None,
            pass: None,
            dispatches: 0,
            work: 0,
            in_flight: VecDeque::new(),
        }
    }

    /// Bytes of all arrays.
    pub fn allocated(&self) -> u64 {
        self.ledger.bytes.load(Ordering::Relaxed)
    }

    /// The most that they took at once.
    pub fn peak(&self) -> u64 {
        self.ledger.peak.load(Ordering::Relaxed)
    }

    /// An array of `entries` zero words or numbers.
    ///
    /// # Errors
    /// [`Error::Memory`] above the device's largest array, or where the device has no room.
    pub fn array(&mut self, role: &str, entries: usize) -> Result<Array> {
        // Shaders see some arrays as vec4: 16 bytes at least.
        let bytes = (entries as u64 * 4).next_multiple_of(16).max(16);
        let limit = self.device.limits.largest_array;
        if bytes > limit {
            let remedy = format!(
                "one array may take {limit} bytes on {}: use a smaller batch or fewer steps",
                self.device.info.name
            );
            return Err(Error::Memory { what: role.to_string(), needed: bytes, remedy });
        }
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        self.forget_dropped();
        if self.memory.is_some_and(|memory| self.allocated() + bytes > memory) {
            return Err(self.no_room(role, bytes));
        }
        let buffer = match self.buffer(role, bytes, usage) {
            Err(Error::Memory { .. }) => {
                // What was dropped may still be in use by work under way.
                self.finish();
                self.buffer(role, bytes, usage)?
            }
            made => made?,
        };
        self.next_id += 1;
        Ok(Array::new(buffer, self.next_id, &self.ledger))
    }

    fn buffer(&mut self, label: &str, size: u64, usage: wgpu::BufferUsages) -> Result<wgpu::Buffer> {
        let device = &self.device.device;
        let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let refusal = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
        let buffer = device.create_buffer(&descriptor);
        let refusal = pollster::block_on(refusal.pop());
        let memory = pollster::block_on(memory.pop());
        if memory.is_some() {
            return Err(self.no_room(label, size));
        }
        if let Some(error) = refusal {
            return Err(Error::Device(format!("{} refused a buffer for {label}: {error}", self.device.info.name)));
        }
        self.created.buffers += 1;
        Ok(buffer)
    }

    fn no_room(&self, what: &str, needed: u64) -> Error {
        let name = &self.device.info.name;
        let remedy = format!("{name} has no room left: use a smaller batch, fewer steps or the device cpu");
        Error::Memory { what: what.to_string(), needed, remedy }
    }

    /// Hands everything to the device and waits for it.
    fn finish(&mut self) {
        self.submit();
        if let Err(error) = self.device.device.poll(wgpu::PollType::wait_indefinitely()) {
            self.device.fault.set(format!("{} does not answer: {error}", self.device.info.name));
        }
        self.in_flight.clear();
    }

    /// Memory of at least `entries` numbers for a kernel's own use, not zeroed; the same for the same name. None after a
    /// failure, which the next read reports.
    pub fn scratch(&mut self, name: &'static str, entries: usize) -> Option<Array> {
        match self.scratch.get(name) {
            Some(array) if array.buffer().size() >= entries as u64 * 4 => return Some(array.clone()),
            _ => {}
        }
        // The smaller one goes first, so that both never take room at once.
        self.scratch.remove(name);
        match self.array(name, entries) {
            Ok(array) => {
                self.scratch.insert(name, array.clone());
                Some(array)
            }
            Err(error @ Error::Memory { .. }) => {
                // The device itself is sound: with less to do it goes on.
                self.refused.get_or_insert(error);
                None
            }
            Err(error) => {
                self.device.fault.set(error.to_string());
                None
            }
        }
    }

    /// Records a dispatch. A failure is kept and reported by the next read.
    pub fn dispatch(&mut self, dispatch: Dispatch) {
        if dispatch.groups == 0 {
            return;
        }
        dispatch.bindings.iter().filter(|binding| binding.write).for_each(|binding| binding.array.written());
        if let Err(error) = self.record(dispatch) {
            self.device.fault.set(error.to_string());
        }
    }

    fn record(&mut self, dispatch: Dispatch) -> Result<()> {
        let pipeline = self.pipeline(&dispatch)?;
        let offset = if dispatch.changing { self.ring_slot(dispatch.params)? } else { self.block(dispatch.params)? };
        let key = GroupKey {
            ring: dispatch.changing,
            arrays: dispatch.bindings.iter().map(|b| (b.slot, b.write, b.array.id())).collect(),
        };
        self.forget_dropped();
        if !self.bind_groups.contains_key(&key) {
            self.make_bind_group(&key, &dispatch, &pipeline);
        }
        // As square as the limit demands; `flat_group` puts the number together again.
        let rows = dispatch.groups.div_ceil(GROUPS);
        let columns = dispatch.groups.div_ceil(rows);
        let group = &self.bind_groups[&key];
        let (device, encoder) = (&self.device.device, &mut self.encoder);
        let pass = self.pass.get_or_insert_with(|| {
            let encoder = encoder.get_or_insert_with(|| device.create_command_encoder(&Default::default()));
            encoder.begin_compute_pass(&Default::default()).forget_lifetime()
        });
        pass.set_pipeline(&pipeline.pipeline);
        pass.set_bind_group(0, group, &[offset]);
        pass.dispatch_workgroups(columns as u32, rows as u32, 1);
        self.dispatches += 1;
        self.work += dispatch.work;
        if self.dispatches >= DISPATCHES || self.work >= WORK {
            self.submit();
        }
        Ok(())
    }

    /// Records a copy of bytes.
    pub fn copy(&mut self, from: &wgpu::Buffer, from_offset: u64, to: &wgpu::Buffer, to_offset: u64, bytes: u64) {
        self.pass = None;
        let device = &self.device.device;
        let encoder = self.encoder.get_or_insert_with(|| device.create_command_encoder(&Default::default()));
        encoder.copy_buffer_to_buffer(from, from_offset, to, to_offset, bytes);
    }

    /// Records a time stamp: when everything recorded so far is done.
    pub fn stamp(&mut self, set: &wgpu::QuerySet, index: u32) {
        self.pass = None;
        let device = &self.device.device;
        let encoder = self.encoder.get_or_insert_with(|| device.create_command_encoder(&Default::default()));
        encoder.write_timestamp(set, index);
    }

    /// Reads the first `count` stamps of a set; waits for the device.
    ///
    /// # Errors
    /// As [`Recorder::read`].
    pub fn stamps(&mut self, set: &wgpu::QuerySet, count: u32) -> Result<Vec<u64>> {
        let bytes = u64::from(count) * 8;
        let resolved =
            self.buffer("time stamps", bytes, wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC)?;
        self.pass = None;
        let device = &self.device.device;
        let encoder = self.encoder.get_or_insert_with(|| device.create_command_encoder(&Default::default()));
        encoder.resolve_query_set(set, 0..count, &resolved, 0);
        Ok(bytemuck::pod_collect_to_vec(&self.read_buffer(&resolved, 0, bytes)?))
    }

    /// Seconds of a tick of the stamps.
    pub fn stamp_seconds(&self) -> f64 {
        f64::from(self.device.queue.get_timestamp_period()) * 1e-9
    }

    /// Keeps an error for the next read.
    pub fn refuse(&mut self, error: Error) {
        match error {
            Error::Memory { .. } => {
                self.refused.get_or_insert(error);
            }
            _ => self.device.fault.set(error.to_string()),
        }
    }

    /// Writes bytes after everything recorded so far.
    pub fn write(&mut self, array: &Array, offset: u64, bytes: &[u8]) {
        array.written();
        // A queue write comes before the commands that are still open here.
        self.submit();
        self.device.queue.write_buffer(array.buffer(), offset, bytes);
    }

    /// Reads bytes after everything recorded so far.
    ///
    /// # Errors
    /// [`Error::Device`] with the first error of the device, [`Error::Memory`] without room for the copy.
    pub fn read(&mut self, array: &Array, offset: u64, bytes: u64) -> Result<Vec<u8>> {
        self.read_buffer(array.buffer(), offset, bytes)
    }

    fn read_buffer(&mut self, from: &wgpu::Buffer, offset: u64, bytes: u64) -> Result<Vec<u8>> {
        self.device.fault.check()?;
        if let Some(error) = self.refused.take() {
            return Err(error);
        }
        if bytes == 0 {
            return Ok(Vec::new());
        }
        if self.readback.as_ref().is_none_or(|buffer| buffer.size() < bytes) {
            let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
            // Rounded up so that it is seldom made anew, but not past what the device takes.
            let room = bytes.next_power_of_two().max(4096).min(self.device.limits.largest_array & !3).max(bytes);
            self.readback = Some(self.buffer("read-back", room, usage)?);
        }
        let Some(buffer) = self.readback.clone() else { return Ok(Vec::new()) };
        self.copy(from, offset, &buffer, 0, bytes);
        self.submit();
        let (sender, receiver) = std::sync::mpsc::channel();
        buffer.map_async(wgpu::MapMode::Read, 0..bytes, move |result| {
            // The receiver is gone only after an error was returned.
            let _ = sender.send(result);
        });
        let failed = |what: String| Error::Device(format!("the device did not finish its work: {what}"));
        let waited = self.device.device.poll(wgpu::PollType::wait_indefinitely());
        self.in_flight.clear();
        self.device.fault.check()?;
        waited.map_err(|error| failed(error.to_string()))?;
        receiver.recv().map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))?;
        let data = buffer.get_mapped_range(0..bytes).map_err(|error| failed(error.to_string()))?.to_vec();
        buffer.unmap();
        Ok(data)
    }

    /// Hands recorded work to the device; waits where the host is too far ahead.
    pub fn submit(&mut self) {
        self.pass = None;
        let Some(encoder) = self.encoder.take() else { return };
        (self.dispatches, self.work, self.ring_used) = (0, 0, 0);
        self.in_flight.push_back(self.device.queue.submit([encoder.finish()]));
        while self.in_flight.len() > AHEAD {
            let oldest = self.in_flight.pop_front();
            let wait = wgpu::PollType::Wait { submission_index: oldest, timeout: None };
            if let Err(error) = self.device.device.poll(wait) {
                self.device.fault.set(format!("{} does not answer: {error}", self.device.info.name));
            }
        }
    }

    /// The offset of a parameter block that stays the same.
    fn block(&mut self, params: &[u8]) -> Result<u32> {
        if let Some(&offset) = self.block_of.get(params) {
            return Ok(offset);
        }
        let slot = self.slot();
        if self.block_of.len() as u64 == SLOTS {
            // All slots are taken: start again. What was submitted still sees the old blocks.
            self.submit();
            self.block_of.clear();
        }
        if self.blocks.is_none() {
            self.blocks = Some(self.uniforms("parameters", SLOTS * slot)?);
        }
        let offset = self.block_of.len() as u64 * slot;
        if let Some(buffer) = &self.blocks {
            // Lands before the next submission, which is the first that reads this slot.
            self.device.queue.write_buffer(buffer, offset, params);
        }
        self.block_of.insert(params.to_vec(), offset as u32);
        Ok(offset as u32)
    }

    /// The offset of a parameter block that changes at every call.
    fn ring_slot(&mut self, params: &[u8]) -> Result<u32> {
        let slot = self.slot();
        if self.ring_used == RING {
            self.submit();
        }
        if self.ring.is_none() {
            self.ring = Some(self.uniforms("changing parameters", RING * slot)?);
        }
        let offset = self.ring_next * slot;
        self.ring_next = (self.ring_next + 1) % RING;
        self.ring_used += 1;
        if let Some(buffer) = &self.ring {
            self.device.queue.write_buffer(buffer, offset, params);
        }
        Ok(offset as u32)
    }

    fn slot(&self) -> u64 {
        SLOT.next_multiple_of(u64::from(self.device.limits.uniform_alignment.max(1)))
    }

    fn uniforms(&mut self, label: &str, size: u64) -> Result<wgpu::Buffer> {
        self.buffer(label, size, wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST)
    }

    /// Takes bind groups of arrays that are gone out of the cache, so that their memory is given back.
    fn forget_dropped(&mut self) {
        let mut dropped = self.ledger.dropped.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !dropped.is_empty() {
            let gone: std::collections::HashSet<u64> = dropped.drain(..).collect();
            self.bind_groups.retain(|key, _| key.arrays.iter().all(|(_, _, id)| !gone.contains(id)));
        }
    }

    fn make_bind_group(&mut self, key: &GroupKey, dispatch: &Dispatch, pipeline: &Pipeline) {
        let uniforms = if key.ring { &self.ring } else { &self.blocks };
        let (Some(uniforms), Some((layout, _))) = (uniforms, self.layouts.get(&pipeline.bindings)) else { return };
        let block = wgpu::BufferBinding { buffer: uniforms, offset: 0, size: NonZeroU64::new(SLOT) };
        let mut entries = vec![wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(block) }];
        entries.extend(dispatch.bindings.iter().map(|binding| wgpu::BindGroupEntry {
            binding: binding.slot,
            resource: binding.array.buffer().as_entire_binding(),
        }));
        let descriptor =
            wgpu::BindGroupDescriptor { label: Some(dispatch.permutation.name), layout, entries: &entries };
        let group = self.device.device.create_bind_group(&descriptor);
        self.created.bind_groups += 1;
        self.bind_groups.insert(key.clone(), group);
    }

    fn pipeline(&mut self, dispatch: &Dispatch) -> Result<Arc<Pipeline>> {
        if let Some(pipeline) = self.pipelines.get(&dispatch.permutation) {
            return Ok(pipeline.clone());
        }
        let bindings: Signature = dispatch.bindings.iter().map(|binding| (binding.slot, binding.write)).collect();
        let pipeline = Arc::new(self.make_pipeline(&dispatch.permutation, bindings)?);
        self.pipelines.insert(dispatch.permutation.clone(), pipeline.clone());
        Ok(pipeline)
    }

    fn make_pipeline(&mut self, permutation: &Permutation, bindings: Signature) -> Result<Pipeline> {
        let name = permutation.name;
        let source = permutation.source().map_err(Error::Device)?;
        debug_assert!(find(name).is_some_and(|shader| shader.params as u64 <= SLOT), "{name}: block above a slot");
        let device = &self.device.device;
        let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let inner = device.push_error_scope(wgpu::ErrorFilter::Internal);
        let (_, layout) = self.layouts.entry(bindings.clone()).or_insert_with(|| make_layouts(device, &bindings));
        let checks = if self.device.checked {
            wgpu::ShaderRuntimeChecks::checked()
        } else {
            wgpu::ShaderRuntimeChecks::unchecked()
        };
        let module =
            wgpu::ShaderModuleDescriptor { label: Some(name), source: wgpu::ShaderSource::Wgsl(source.into()) };
        // SAFETY: the shaders are this crate's own. Indices are kept in bounds by the shapes that the kernels pass, all
        // loops end, no divisor is 0; tests run every kernel with the checks on.
        let module = unsafe { device.create_shader_module_trusted(module, checks) };
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(name),
            layout: Some(layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &[],
                zero_initialize_workgroup_memory: self.device.checked,
            },
            cache: None,
        });
        let inner = pollster::block_on(inner.pop());
        let outer = pollster::block_on(scope.pop());
        if let Some(error) = inner.or(outer) {
            let adapter = &self.device.info.name;
            return Err(Error::Device(format!("{adapter} refused the kernel {name} {permutation:?}: {error}")));
        }
        self.created.pipelines += 1;
        Ok(Pipeline { pipeline, bindings })
    }
}

/// The layout of binding 0, a parameter block with a dynamic offset, and of the arrays.
fn make_layouts(device: &wgpu::Device, bindings: &Signature) -> (wgpu::BindGroupLayout, wgpu::PipelineLayout) {
    let entry = |binding, ty, has_dynamic_offset| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
        count: None,
    };
    let mut entries = vec![entry(0, wgpu::BufferBindingType::Uniform, true)];
    entries.extend(
        bindings
            .iter()
            .map(|&(slot, write)| entry(slot, wgpu::BufferBindingType::Storage { read_only: !write }, false)),
    );
    let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
    let pipeline = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: None,
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    (layout, pipeline)
}
