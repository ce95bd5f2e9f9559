//! Sequences long enough for every loop to go round: more than 32 steps in a scan, several chunks in a weight gradient.
//! The result is that of the CPU.

use super::layer::{constants, drawn, model};
use crate::kernels::gpu;
use spikegrad::cpu::Cpu;
use spikegrad::kernels::*;
use spikegrad::spikes::{Random, Raster, pad};

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
        active: None,
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
        tape: Some(&tape),
        gradient_spikes: Some(&above),
        gradient_potential: None,
        counts: false,
        kicks: None,
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

/// Weights so large that not all partial sums of a sequence find room at once, or none: the result is that of the CPU, and
/// of the sequence in windows.
#[test]
fn large_weight_gradients_are_summed_a_few_blocks_at_a_time() {
    fn sums<K: Kernels>(kernels: &mut K, (inputs, units): (usize, usize), ends: &[usize]) -> Vec<f32> {
        let (steps, batch) = (144, 16);
        assert_eq!(quantum(batch), 32);
        let mut out = kernels.values("gradient", inputs * pad(units)).unwrap();
        kernels.fill(&mut out, 0..inputs * pad(units), 0.5);
        for (at, &end) in ends.iter().enumerate().rev() {
            let window = at.checked_sub(1).map_or(0, |before| ends[before])..end;
            let shape = Shape { steps: window.len(), batch, units };
            let mut raster = Raster::new(steps, batch, inputs);
            let random = &mut Random::new(4, 4);
            for at in 0..steps * batch {
                (0..3).for_each(|_| raster.set(at / batch, at % batch, random.below(inputs)));
            }
            let mut source = kernels.activity("input", ActivityKind::Raster, Shape { units: inputs, ..shape }).unwrap();
            let step = batch * spikegrad::spikes::words(inputs);
            let spikes = &raster.words()[window.start * step..window.end * step];
            kernels.write_activity(&mut source, HISTORY, ActivityData::Raster(spikes));
            let all = drawn(kernels, 6, steps * batch, units, 1.0);
            let mut chi = kernels.values("chi", shape.len(shape.steps + FUTURE)).unwrap();
            let from = Stretch { first: window.start * shape.len(1), stride: 0 };
            kernels.copy(&all, from, &mut chi, Stretch { first: 0, stride: 0 }, 1, shape.len(shape.steps));
            kernels.weight_gradient(WeightGradient {
                projection: Projection::Dense,
                inputs,
                shape,
                window: Window { step: window.start, steps, sample: 0, samples: batch },
                source: &source,
                lag: 0,
                chi: &chi,
                samples: 0..batch,
                accumulate: true,
                out: &mut out,
            });
        }
        single::<K>(kernels.read(&out, 0..inputs * pad(units)).unwrap())
    }
    let Some(mut gpu) = gpu() else { return };
    for size in [(1100, 1000), (2100, 1024)] {
        let whole = sums(&mut gpu, size, &[144]);
        assert_eq!(whole, sums(&mut gpu, size, &[64, 96, 144]));
        // Numbers on a grid: every order gives the same sums.
        assert_eq!(whole, sums(&mut Cpu::<f32>::new(), size, &[144]));
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
