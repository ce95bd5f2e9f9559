//! What the cost model counts with, measured: the kernels themselves at sizes where one constant decides, by the host's clock
//! around a submission. Only when asked for: forms decide in which order sums are made, and so bits follow what was measured.

use super::form::Costs;
use super::{Gpu, Values};
use crate::error::{Error, Result};
use crate::kernels::*;
use crate::network::{Reset, Surrogate, SurrogateKind};
use crate::neuron::Leak;
use std::time::Instant;

/// Seconds of work that a measurement takes at least, so that the clock and the submission do not count.
const LONG: f64 = 0.02;
/// Measurements of which the shortest counts: whatever else runs only makes them longer.
const REPEATS: usize = 3;

/// Measures all constants: a few seconds on a GPU.
///
/// # Errors
/// [`Error::Memory`] and [`Error::Device`] as any work may fail; [`Error::Device`] where a measurement makes no sense.
pub(super) fn measure(gpu: &mut Gpu) -> Result<Costs> {
    let dispatch_gap = gap(gpu)?;
    let slab = product(gpu, 64, 4096, 64)? / (4096.0 / 16.0);
    let product = 1.0 / (product(gpu, 1024, 512, 1024)? / (1024.0 * 512.0 * 1024.0));
    let bandwidth = event_driven(gpu)?;
    // A step of a narrow layer waits, one of a wide layer loads; many samples take as many times longer as there are more than
    // cores.
    let (narrow, wide) = (resident(gpu, 32, 1)?, resident(gpu, 256, 1)?);
    let bytes = (256 * 256 - 32 * 32) as f64 * 4.0;
    let samples = 512;
    let many = resident(gpu, 256, samples)?;
    let costs = Costs {
        cores: (samples as f64 * wide / many).max(1.0),
        core_bandwidth: bytes / (wide - narrow).max(0.01 * wide),
        resident_step: narrow,
        dispatch_gap,
        product,
        slab,
        bandwidth,
    };
    if costs.are_sound() { Ok(costs) } else { Err(Error::Device(format!("a measurement makes no sense: {costs:?}"))) }
}

/// Seconds of one `work`, done so often that the clock is exact enough.
fn seconds(gpu: &mut Gpu, probe: &Values, mut work: impl FnMut(&mut Gpu)) -> Result<f64> {
    let mut timed = |gpu: &mut Gpu, times: usize| -> Result<f64> {
        gpu.read(probe, 0..1)?;
        let start = Instant::now();
        (0..times).for_each(|_| work(gpu));
        gpu.read(probe, 0..1)?;
        Ok(start.elapsed().as_secs_f64())
    };
    // The first makes the pipelines.
    timed(gpu, 1)?;
    let mut times = 1;
    let mut shortest = timed(gpu, times)?;
    while shortest < LONG && times < 1 << 16 {
        times *= 2;
        shortest = timed(gpu, times)?;
    }
    // A device that takes so long is not worth more of it.
    if shortest < 10.0 * LONG {
        for _ in 0..REPEATS {
            shortest = shortest.min(timed(gpu, times)?);
        }
    }
    // What an empty submission and its read take does not count.
    let empty = timed(gpu, 0)?;
    Ok((shortest - empty).max(0.1 * shortest) / times as f64)
}

/// Dispatches that write one array, each after the other.
fn gap(gpu: &mut Gpu) -> Result<f64> {
    let mut values = gpu.values("calibration", 32)?;
    let probe = gpu.values("calibration", 4)?;
    seconds(gpu, &probe, |gpu| gpu.fill(&mut values, 0..32, 1.0))
}

fn product(gpu: &mut Gpu, rows: usize, inner: usize, columns: usize) -> Result<f64> {
    let shape = Shape { steps: 1, batch: rows, units: inner };
    let chi = gpu.values("calibration", shape.len(1))?;
    let weights = gpu.values("calibration", columns * inner)?;
    let prepared = gpu.prepared("calibration", columns, inner)?;
    let mut out = gpu.values("calibration", rows * columns)?;
    let probe = gpu.values("calibration", 4)?;
    seconds(gpu, &probe, |gpu| {
        gpu.drive_backward(DriveBackward {
            projection: Projection::Dense,
            inputs: columns,
            shape,
            lag: 0,
            weights: (&weights, &prepared),
            chi: &chi,
            accumulate: false,
            out: &mut out,
        });
    })
}

/// Bytes a second of weight rows that a drive loads, one input in 32 active.
fn event_driven(gpu: &mut Gpu) -> Result<f64> {
    let (inputs, shape) = (512, Shape { steps: 16, batch: 64, units: 512 });
    let source_shape = Shape { units: inputs, ..shape };
    let mut source = gpu.activity("calibration", ActivityKind::Raster, source_shape)?;
    let words = vec![1u32; shape.steps * shape.batch * inputs / 32];
    gpu.write_activity(&mut source, HISTORY, ActivityData::Raster(&words));
    let weights = gpu.values("calibration", inputs * shape.row())?;
    let constants = gpu.values("calibration", constant::ROWS * shape.row())?;
    let mut out = gpu.values("calibration", shape.len(shape.steps))?;
    let probe = gpu.values("calibration", 4)?;
    let took = seconds(gpu, &probe, |gpu| {
        gpu.drive(Drive {
            projection: Projection::Dense,
            inputs,
            shape,
            range: 0..shape.steps,
            source: &source,
            lag: 0,
            weights: &weights,
            constants: &constants,
            out: &mut out,
        });
    })?;
    Ok((words.len() * shape.row() * 4) as f64 / took)
}

/// Seconds of a resident step backward, one sample a workgroup.
fn resident(gpu: &mut Gpu, units: usize, batch: usize) -> Result<f64> {
    let shape = Shape { steps: 32, batch, units };
    let model = Model {
        spiking: true,
        reset: Reset::None,
        detach: true,
        lag: 0,
        emit_lag: 0,
        recurrent_lag: 1,
        normalised: false,
        inclusive: false,
        reset_potential: 0.0,
        surrogate: Surrogate::new(SurrogateKind::FastSigmoid, 1.0),
        synapse: true,
        firing: Firing::Single,
        leak: Leak::Exponential,
        snippet: None,
        learned: Learned::default(),
    };
    let spikes = gpu.activity("calibration", ActivityKind::Raster, shape)?;
    let weights = gpu.values("calibration", units * shape.row())?;
    let prepared = gpu.prepared("calibration", units, units)?;
    let constants = gpu.values("calibration", constant::ROWS * shape.row())?;
    let tape = gpu.values("calibration", shape.len(shape.steps))?;
    let mut planes = gpu.values("calibration", batch * plane::PLANES * shape.row())?;
    let mut chi = gpu.values("calibration", shape.len(shape.steps + FUTURE))?;
    let probe = gpu.values("calibration", 4)?;
    let took = seconds(gpu, &probe, |gpu| {
        gpu.backward(Backward {
            model,
            shape,
            window: Window::whole(shape),
            range: 0..shape.steps,
            form: Form::Resident { tile: 1, quantum: shape.steps },
            constants: &constants,
            recurrent: Some((&weights, &prepared)),
            spikes: Some(&spikes),
            tape: Some(&tape),
            gradient_spikes: None,
            gradient_potential: None,
            counts: false,
            kicks: None,
            reduce: None,
            planes: &mut planes,
            chi: &mut chi,
        });
    })?;
    Ok(took / shape.steps as f64)
}
