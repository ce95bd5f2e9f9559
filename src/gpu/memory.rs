//! Arrays between host and device, and `fill`.

use super::buffers::{Segment, rows_of_piece};
use super::recorder::write as bind_write;
use super::{Activity, Gpu, Permutation, Values, Words, square_sum};
use crate::error::{Error, Result};
use crate::kernels::{ActivityData, ActivityKind, HISTORY, Shape};
use std::ops::Range;

pub(super) fn activity(gpu: &mut Gpu, role: &str, kind: ActivityKind, shape: Shape) -> Result<Activity> {
    let row = match kind {
        ActivityKind::Raster => crate::spikes::words(shape.units),
        ActivityKind::Values => shape.row(),
        ActivityKind::Bytes => shape.row() / 4,
    };
    let array = gpu.recorder.array(role, (HISTORY + shape.steps) * shape.batch * row)?;
    Ok(Activity { array, kind, shape, share: None })
}

pub(super) fn weights(gpu: &mut Gpu, role: &str, planes: usize, rows: usize, row: usize) -> Result<Values> {
    let (len, limit) = (planes * rows * row, gpu.recorder.device.limits.largest_array);
    let needed = (len as u64 * 4).next_multiple_of(16);
    if needed <= limit {
        return Ok(Values::whole(gpu.recorder.array(role, len)?, len));
    }
    let Some(each) = rows_of_piece(limit, planes, row, square_sum::STRETCH) else {
        let remedy = format!(
            "an array may take {limit} bytes on {}, and must hold 32 rows of weights: use fewer units",
            gpu.recorder.device.info.name
        );
        return Err(Error::Memory { what: role.to_string(), needed, remedy });
    };
    let pieces = (0..rows).step_by(each).map(|first| planes * row * each.min(rows - first));
    let arrays: Result<Vec<_>> = pieces.map(|len| gpu.recorder.array(role, len)).collect();
    Ok(Values::in_pieces(arrays?, planes, rows * row, each * row))
}

pub(super) fn write(gpu: &mut Gpu, values: &Values, offset: usize, data: &[f32]) {
    assert!(offset + data.len() <= values.len, "entries {offset} + {} of {}", data.len(), values.len);
    for Segment { array, offset: at, range } in values.segments(offset..offset + data.len()) {
        let data = &data[range.start - offset..range.end - offset];
        gpu.recorder.write(array, at as u64 * 4, bytemuck::cast_slice(data));
    }
}

pub(super) fn read(gpu: &mut Gpu, values: &Values, range: Range<usize>) -> Result<Vec<f32>> {
    assert!(range.end <= values.len, "entries {range:?} of {}", values.len);
    if values.is_whole() {
        return floats(gpu.recorder.read(&values.array, range.start as u64 * 4, range.len() as u64 * 4)?);
    }
    let mut all = Vec::new();
    for Segment { array, offset, range } in values.segments(range) {
        let part = floats(gpu.recorder.read(array, offset as u64 * 4, range.len() as u64 * 4)?)?;
        all.extend(part);
    }
    Ok(all)
}

fn floats(bytes: Vec<u8>) -> Result<Vec<f32>> {
    Ok(bytemuck::pod_collect_to_vec(&bytes))
}

pub(super) fn write_words(gpu: &mut Gpu, words: &Words, data: &[u32]) {
    assert!(data.len() <= words.len, "{} words of {}", data.len(), words.len);
    gpu.recorder.write(&words.array, 0, bytemuck::cast_slice(data));
}

/// Entries of one step.
fn step(activity: &Activity) -> usize {
    activity.shape.batch * activity.row()
}

pub(super) fn write_activity(gpu: &mut Gpu, activity: &mut Activity, first: usize, data: ActivityData<f32>) {
    let bytes: &[u8] = match (&data, activity.kind) {
        (ActivityData::Raster(words), ActivityKind::Raster) => bytemuck::cast_slice(words),
        (ActivityData::Values(values), ActivityKind::Values) => bytemuck::cast_slice(values),
        (ActivityData::Bytes(bytes), ActivityKind::Bytes) => bytes,
        _ => panic!("an activity takes data of its own kind"),
    };
    let (step, rows) = (step(activity) * 4, HISTORY + activity.shape.steps);
    assert!(first * step + bytes.len() <= rows * step, "more data than the activity has rows");
    if activity.share.is_none() && !bytes.is_empty() {
        activity.share = share(&data, activity.shape);
    }
    gpu.recorder.write(&activity.array, (first * step) as u64, bytes);
}

/// Share of the entries of data for a spiking source that are active.
fn share(data: &ActivityData<f32>, shape: Shape) -> Option<f64> {
    let (spikes, rows) = match data {
        ActivityData::Raster(words) => {
            let ones: u64 = words.iter().map(|word| u64::from(word.count_ones())).sum();
            (ones, words.len() / crate::spikes::words(shape.units).max(1))
        }
        ActivityData::Bytes(bytes) => {
            (bytes.iter().filter(|&&byte| byte > 0).count() as u64, bytes.len() / shape.row().max(1))
        }
        ActivityData::Values(_) => return None,
    };
    Some(spikes as f64 / ((rows * shape.units) as f64).max(1.0))
}

pub(super) fn read_activity(gpu: &mut Gpu, activity: &Activity, range: Range<usize>) -> Result<Vec<f32>> {
    assert!(range.end <= HISTORY + activity.shape.steps, "rows {range:?} of {}", HISTORY + activity.shape.steps);
    let step = step(activity) as u64 * 4;
    let bytes = gpu.recorder.read(&activity.array, range.start as u64 * step, range.len() as u64 * step)?;
    if !activity.is_spikes() {
        return floats(bytes);
    }
    if activity.is_bytes() {
        return Ok(bytes.iter().map(|&byte| f32::from(byte)).collect());
    }
    let words: Vec<u32> = bytemuck::pod_collect_to_vec(&bytes);
    Ok(words.iter().flat_map(|word| (0..32).map(move |bit| (word >> bit & 1) as f32)).collect())
}

pub(super) fn carry(gpu: &mut Gpu, from: &Activity, to: &Activity) {
    assert!(from.kind == to.kind && step(from) == step(to), "an activity goes on in one of its kind and size");
    let step = step(from) as u64 * 4;
    let last = from.shape.steps as u64 * step;
    gpu.recorder.copy(from.array.buffer(), last, to.array.buffer(), 0, HISTORY as u64 * step);
}

pub(super) fn write_history(gpu: &mut Gpu, activity: &Activity, data: &[f32]) {
    let row = activity.shape.row();
    assert_eq!(data.len(), HISTORY * activity.shape.batch * row, "the history has two rows a sample");
    if activity.is_raster() {
        let pack = |bits: &[f32]| bits.iter().enumerate().fold(0u32, |word, (i, &s)| word | u32::from(s != 0.0) << i);
        let words: Vec<u32> = data.chunks_exact(32).map(pack).collect();
        gpu.recorder.write(&activity.array, 0, bytemuck::cast_slice(&words));
    } else if activity.is_bytes() {
        let bytes: Vec<u8> = data.iter().map(|&count| count as u8).collect();
        gpu.recorder.write(&activity.array, 0, &bytes);
    } else {
        gpu.recorder.write(&activity.array, 0, bytemuck::cast_slice(data));
    }
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct FillParams {
    begin: u32,
    end: u32,
    value: f32,
}

pub(super) fn fill(gpu: &mut Gpu, values: &Values, range: Range<usize>, value: f64) {
    assert!(range.end <= values.len, "entries {range:?} of {}", values.len);
    for Segment { array, offset, range } in values.segments(range) {
        let len = range.len();
        let params = FillParams { begin: offset as u32, end: (offset + len) as u32, value: value as f32 };
        gpu.flat(Permutation::new("fill"), &params, &[bind_write(1, array)], len, len as u64);
    }
}
