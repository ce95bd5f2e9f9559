//! Sequences long enough for every loop to go round: more than 32 steps in a scan, several chunks in a weight gradient.
//! The result is that of the CPU.

use super::layer::{constants, drawn, model};
use crate::kernels::gpu;
use spikegrad::cpu::Cpu;
use spikegrad::kernels::*;
use spikegrad::spikes::{Random, Raster};

const INPUTS: usize = 45;

/// A feed-forward layer on spikes: S, V, χ and dW.
fn feed_forward<K: Kernels>(kernels: &mut K, shape: Shape) -> [Vec<f32>; 4] {
    let model = model(1);
    let mut raster = Raster::new(shape.steps, shape.batch, INPUTS);
    let random = &mut Random::new(4, 4);
    for t in 0..shape.steps {
        for b in 0..shape.batch {
            (0..INPUTS).filter(|_| random.uniform() < 0.1).for_each(|i| raster.set(t, b, i));
        }
    }
    let source_shape = Shape { units: INPUTS, ..shape };
    let mut source = kernels.activity("input", ActivityKind::Raster, source_shape).unwrap();
    kernels.write_activity(&mut source, HISTORY, ActivityData::Raster(raster.words()));
    let constants = constants(kernels, model, shape.units);
    let weights = drawn(kernels, 1, INPUTS, shape.units, 0.4);
    let above = drawn(kernels, 3, shape.steps * shape.batch, shape.units, 1.0);
    let mut spikes = kernels.activity("spikes", ActivityKind::Raster, shape).unwrap();
    let [mut drive, mut tape] = ["drive", "tape"].map(|role| kernels.values(role, shape.len(shape.steps)).unwrap());
    let mut planes = kernels.values("planes", shape.batch * plane::PLANES * shape.row()).unwrap();
    let mut chi = kernels.values("chi", shape.len(shape.steps + FUTURE)).unwrap();
    let mut gradient = kernels.values("gradient", INPUTS * shape.row()).unwrap();
    let call = Drive {
        projection: Projection::Dense,
        inputs: INPUTS,
        shape,
        range: 0..shape.steps,
        source: &source,
        lag: 1,
        weights: &weights,
        constants: &constants,
        out: &mut drive,
    };
    let neuron = Forward {
        model,
        shape,
        window: Window::whole(shape),
        range: 0..shape.steps,
        form: Form::Scan,
        constants: &constants,
        recurrent: None,
        spikes: Some(&mut spikes),
        tape: Some(&mut tape),
        planes: &mut planes,
        reduce: None,
    };
    kernels.layer_forward(call, neuron);
    kernels.backward(Backward {
        model,
        shape,
        window: Window::whole(shape),
        range: 0..shape.steps,
        form: Form::Scan,
        constants: &constants,
        recurrent: None,
        spikes: Some(&spikes),
        tape: &tape,
        gradient_spikes: Some(&above),
        gradient_potential: None,
        counts: false,
        reduce: None,
        planes: &mut planes,
        chi: &mut chi,
    });
    kernels.weight_gradient(WeightGradient {
        projection: Projection::Dense,
        inputs: INPUTS,
        shape,
        window: Window::whole(shape),
        source: &source,
        lag: 1,
        chi: &chi,
        samples: 0..shape.batch,
        accumulate: false,
        out: &mut gradient,
    });
    let spikes = kernels.read_activity(&spikes, HISTORY..HISTORY + shape.steps).unwrap();
    let [tape, chi] = [&tape, &chi].map(|values| kernels.read(values, 0..shape.len(shape.steps)).unwrap());
    let gradient = kernels.read(&gradient, 0..INPUTS * shape.row()).unwrap();
    [spikes, tape, chi, gradient].map(single::<K>)
}

/// dW of analogue input, dense and current, and the adjoint of the dense drive.
fn analogue<K: Kernels>(kernels: &mut K, shape: Shape) -> [Vec<f32>; 3] {
    let source_shape = Shape { units: INPUTS, ..shape };
    let rows = shape.steps * shape.batch;
    let input = drawn(kernels, 5, rows, INPUTS, 1.0);
    let input = kernels.read(&input, 0..source_shape.len(shape.steps)).unwrap();
    let mut source = kernels.activity("input", ActivityKind::Values, source_shape).unwrap();
    kernels.write_activity(&mut source, HISTORY, ActivityData::Values(&input));
    let chi = drawn(kernels, 6, rows + FUTURE * shape.batch, shape.units, 1.0);
    let mut gradient = |projection, entries| {
        let mut out = kernels.values("gradient", entries).unwrap();
        let (source, chi) = (&source, &chi);
        kernels.weight_gradient(WeightGradient {
            projection,
            inputs: INPUTS,
            shape,
            window: Window::whole(shape),
            source,
            lag: 0,
            chi,
            samples: 0..shape.batch,
            accumulate: false,
            out: &mut out,
        });
        single::<K>(kernels.read(&out, 0..entries).unwrap())
    };
    let dense = gradient(Projection::Dense, INPUTS * shape.row());
    let current = gradient(Projection::Current, shape.row());
    let weights = drawn(kernels, 7, INPUTS, shape.units, 1.0);
    let mut prepared = kernels.prepared("weights", INPUTS, shape.units).unwrap();
    kernels.prepare(&weights, INPUTS, shape.units, &mut prepared);
    let mut out = kernels.values("gradient of the input", source_shape.len(shape.steps)).unwrap();
    kernels.drive_backward(DriveBackward {
        projection: Projection::Dense,
        inputs: INPUTS,
        shape,
        lag: 1,
        weights: (&weights, &prepared),
        chi: &chi,
        accumulate: false,
        out: &mut out,
    });
    let input = kernels.read(&out, 0..source_shape.len(shape.steps)).unwrap();
    [dense, current, single::<K>(input)]
}

fn single<K: Kernels>(values: Vec<K::Real>) -> Vec<f32> {
    values.into_iter().map(|value| value.to_f64() as f32).collect()
}

fn assert_near(what: &str, got: &[f32], expected: &[f32]) {
    let largest = expected.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    assert!(largest > 0.0, "{what} is all 0");
    for (i, (value, expected)) in got.iter().zip(expected).enumerate() {
        assert!((value - expected).abs() <= 1e-5 * largest, "{what}[{i}] is {value}, not {expected}");
    }
}

#[test]
fn a_long_feed_forward_sequence_equals_the_cpu() {
    let Some(mut gpu) = gpu() else { return };
    let shape = Shape { steps: 75, batch: 3, units: 70 };
    let [spikes, tape, chi, gradient] = feed_forward(&mut gpu, shape);
    let expected = feed_forward(&mut Cpu::<f32>::new(), shape);
    assert_eq!(spikes, expected[0]);
    assert_near("V", &tape, &expected[1]);
    assert_near("χ", &chi, &expected[2]);
    assert_near("dW", &gradient, &expected[3]);
}

#[test]
fn a_long_analogue_sequence_equals_the_cpu() {
    let Some(mut gpu) = gpu() else { return };
    let shape = Shape { steps: 75, batch: 3, units: 90 };
    let got = analogue(&mut gpu, shape);
    let expected = analogue(&mut Cpu::<f32>::new(), shape);
    for (what, (got, expected)) in ["dense dW", "current dw", "ds"].iter().zip(got.iter().zip(&expected)) {
        assert_near(what, got, expected);
    }
}

#[test]
fn the_same_work_gives_the_same_bits() {
    let Some(mut gpu) = gpu() else { return };
    let shape = Shape { steps: 75, batch: 3, units: 70 };
    let bits = |values: [Vec<f32>; 4]| values.map(|values| values.into_iter().map(f32::to_bits).collect::<Vec<_>>());
    let first = bits(feed_forward(&mut gpu, shape));
    assert_eq!(bits(feed_forward(&mut gpu, shape)), first);
}
