//! Between the naive layouts (`[t][b][n]`, f64) and the contract's: packing, reading back, comparing.

use crate::naive::{Constants, Grid, Layer, Trace};
use spikegrad::kernels::*;
use spikegrad::spikes::pad;

/// What fills the places that a kernel must write, so that leaving one out shows.
pub const STALE: f64 = 7.25;

fn real<K: Kernels>(values: &[f64]) -> Vec<K::Real> {
    values.iter().map(|&value| K::Real::from_f64(value)).collect()
}

/// Rows of `units` values padded with 0.
pub fn padded(units: usize, values: &[f64]) -> Vec<f64> {
    let mut out = Vec::new();
    for row in values.chunks(units) {
        out.extend_from_slice(row);
        out.resize(out.len() + pad(units) - units, 0.0);
    }
    out
}

/// The rows without their padding, which must be 0; nothing may be NaN.
pub fn stripped(what: &str, units: usize, values: &[f64]) -> Vec<f64> {
    let mut out = Vec::new();
    for row in values.chunks(pad(units)) {
        assert!(row.iter().all(|value| !value.is_nan()), "{what}: NaN");
        assert!(row[units..].iter().all(|&value| value == 0.0), "{what}: padding {:?}", &row[units..]);
        out.extend_from_slice(&row[..units]);
    }
    out
}

/// An array with `values`.
pub fn array<K: Kernels>(kernels: &mut K, values: &[f64]) -> K::Values {
    let mut out = kernels.values("test", values.len()).unwrap();
    kernels.write(&mut out, 0, &real::<K>(values));
    out
}

/// An array of words.
pub fn words<K: Kernels>(kernels: &mut K, values: &[u32]) -> K::Words {
    let mut out = kernels.words("test", values.len()).unwrap();
    kernels.write_words(&mut out, values);
    out
}

/// Rows of `units` values, padded: weights, or the values of any grid.
pub fn rows<K: Kernels>(kernels: &mut K, units: usize, values: &[f64]) -> K::Values {
    array(kernels, &padded(units, values))
}

/// Weights `[rows][pad(columns)]` that are read forward.
pub fn forward_weights<K: Kernels>(kernels: &mut K, columns: usize, values: &[f64]) -> K::Values {
    let mut weights = kernels.forward_weights("test", values.len() / columns, spikegrad::spikes::pad(columns)).unwrap();
    kernels.write(&mut weights, 0, &real::<K>(&padded(columns, values)));
    weights
}

/// Weights and their other layouts. A current encoder's are one row.
pub fn weights<K: Kernels>(kernels: &mut K, columns: usize, values: &[f64]) -> (K::Values, K::Prepared) {
    let count = values.len() / columns;
    let weights = forward_weights(kernels, columns, values);
    let mut prepared = kernels.prepared("test", count, columns).unwrap();
    kernels.prepare(&weights, count, columns, &mut prepared);
    (weights, prepared)
}

/// Constants `[5][np]`.
pub fn constants<K: Kernels>(kernels: &mut K, model: Model, constants: &Constants) -> K::Values {
    let units = constants.alpha.len();
    let mut theta = padded(units, &constants.theta);
    theta[units..].fill(NEVER);
    if !model.spiking {
        theta.fill(NEVER);
    }
    let mut all = padded(units, &constants.alpha);
    all.extend(padded(units, &constants.beta));
    all.extend(padded(units, &constants.gamma));
    all.extend(theta);
    all.extend(padded(units, &constants.bias));
    array(kernels, &all)
}

/// Reads everything as f64.
pub fn read<K: Kernels>(kernels: &mut K, values: &K::Values, len: usize) -> Vec<f64> {
    kernels.read(values, 0..len).unwrap().into_iter().map(Real::to_f64).collect()
}

/// Reads `[steps][B][np]` as a grid that starts at step 0.
pub fn read_grid<K: Kernels>(kernels: &mut K, what: &str, shape: Shape, values: &K::Values, offset: usize) -> Grid {
    let range = offset..offset + shape.len(shape.steps);
    let values: Vec<f64> = kernels.read(values, range).unwrap().into_iter().map(Real::to_f64).collect();
    let mut grid = Grid::new(0..shape.steps as isize, shape.batch, shape.units);
    grid.values = stripped(what, shape.units, &values);
    grid
}

/// An activity that holds `grid`, steps −2..T.
pub fn activity<K: Kernels>(kernels: &mut K, kind: ActivityKind, grid: &Grid) -> K::Activity {
    let shape = Shape { steps: grid.steps.end as usize, batch: grid.batch, units: grid.units };
    let mut out = kernels.activity("test", kind, shape).unwrap();
    write_steps(kernels, kind, grid, &mut out);
    kernels.write_history(&mut out, &real::<K>(&padded(grid.units, &grid.part(-2..0, 0).values)));
    out
}

/// Writes steps 0..T of `grid`.
pub fn write_steps<K: Kernels>(kernels: &mut K, kind: ActivityKind, grid: &Grid, out: &mut K::Activity) {
    write_rows(kernels, kind, HISTORY, grid, out);
}

/// Writes the steps of `grid` from 0 on to the rows from `first` on.
pub fn write_rows<K: Kernels>(kernels: &mut K, kind: ActivityKind, first: usize, grid: &Grid, out: &mut K::Activity) {
    let steps = grid.part(0..grid.steps.end, 0).values;
    match kind {
        ActivityKind::Values => {
            kernels.write_activity(out, first, ActivityData::Values(&real::<K>(&padded(grid.units, &steps))));
        }
        ActivityKind::Bytes => {
            let bytes: Vec<u8> = padded(grid.units, &steps).into_iter().map(|count| count as u8).collect();
            kernels.write_activity(out, first, ActivityData::Bytes(&bytes));
        }
        ActivityKind::Raster => {
            let mut packed = Vec::new();
            for row in steps.chunks(grid.units) {
                let start = packed.len();
                packed.resize(start + spikegrad::spikes::words(grid.units), 0u32);
                for (j, &spike) in row.iter().enumerate() {
                    packed[start + j / 32] |= u32::from(spike != 0.0) << (j % 32);
                }
            }
            kernels.write_activity(out, first, ActivityData::Raster(&packed));
        }
    }
}

/// Reads an activity, steps −2..T.
pub fn read_activity<K: Kernels>(kernels: &mut K, what: &str, shape: Shape, activity: &K::Activity) -> Grid {
    let values = kernels.read_activity(activity, 0..HISTORY + shape.steps).unwrap();
    let values: Vec<f64> = values.into_iter().map(Real::to_f64).collect();
    let mut grid = Grid::new(-2..shape.steps as isize, shape.batch, shape.units);
    grid.values = stripped(what, shape.units, &values);
    grid
}

/// Sample planes with some of them set, `[B][n]` each.
pub fn planes<K: Kernels>(kernels: &mut K, shape: Shape, set: &[(usize, &[f64])]) -> K::Values {
    let row = shape.row();
    let mut all = vec![0.0; shape.batch * plane::PLANES * row];
    for &(plane, values) in set {
        for (b, values) in values.chunks(shape.units).enumerate() {
            let at = (b * plane::PLANES + plane) * row;
            all[at..at + shape.units].copy_from_slice(values);
        }
    }
    array(kernels, &all)
}

/// One plane, `[B][n]`.
pub fn read_plane<K: Kernels>(kernels: &mut K, shape: Shape, planes: &K::Values, plane: usize) -> Vec<f64> {
    let row = shape.row();
    let all = read(kernels, planes, shape.batch * plane::PLANES * row);
    let mut out = Vec::new();
    for sample in all.chunks(plane::PLANES * row) {
        out.extend(stripped(&format!("plane {plane}"), shape.units, &sample[plane * row..(plane + 1) * row]));
    }
    out
}

/// The tape of a naive run, `[1 or 2][T][B][np]`.
pub fn tape<K: Kernels>(kernels: &mut K, model: Model, trace: &Trace) -> K::Values {
    let end = trace.potential.steps.end;
    let mut all = padded(trace.potential.units, &trace.potential.part(0..end, 0).values);
    if model.keeps_current() {
        all.extend(padded(trace.potential.units, &trace.current.part(0..end, 0).values));
    }
    array(kernels, &all)
}

/// The planes that hold the start of a naive run.
pub fn start<K: Kernels>(kernels: &mut K, shape: Shape, trace: &Trace) -> K::Values {
    let (v, i) = (trace.potential.step(-1), trace.current.step(-1));
    let set: [(usize, &[f64]); 4] =
        [(plane::POTENTIAL, &v), (plane::CURRENT, &i), (plane::START_POTENTIAL, &v), (plane::START_CURRENT, &i)];
    planes(kernels, shape, &set)
}

/// The recurrent weights of a layer on the device.
pub fn recurrent<K: Kernels>(kernels: &mut K, layer: &Layer) -> Option<(K::Values, K::Prepared)> {
    let units = layer.constants.alpha.len();
    layer.recurrent.as_ref().map(|values| weights(kernels, units, values))
}

/// `f32` in an f32 backend, 1e-12 in f64, both of the tensor's largest value.
pub fn tolerance<K: Kernels>(f32: f64) -> f64 {
    if size_of::<K::Real>() == 8 { 1e-12 } else { f32 }
}

/// Every entry of `got` is within `tolerance` × (largest entry of `want`) of its own in `want`.
#[track_caller]
pub fn assert_close(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}: length");
    let largest = want.iter().fold(1e-6, |most: f64, value| most.max(value.abs()));
    for (at, (got, want)) in got.iter().zip(want).enumerate() {
        assert!(
            (got - want).abs() <= tolerance * largest,
            "{what}[{at}] is {got}, not {want} ({:.1e} of the largest, {largest:.3e}; allowed {tolerance:.0e})",
            (got - want).abs() / largest
        );
    }
}

/// The same spikes.
#[track_caller]
pub fn assert_spikes(what: &str, got: &Grid, want: &Grid) {
    for (t, b, j) in want.places(want.steps.clone()) {
        assert_eq!(got.get(t, b, j), want.get(t, b, j), "{what}: step {t}, sample {b}, neuron {j}");
    }
}
