//! The same call gives the same bits: again, on a dirty output, and on any number of threads.

use crate::kernels::*;
use crate::naive::Grid;
use spikegrad::cpu::Cpu;
use spikegrad::kernels::*;
use spikegrad::network::Regulariser;
use spikegrad::spikes::Random;

/// A recurrent layer on a wide source, and a readout: shapes at which work is split, with a remainder everywhere.
const SHAPES: [(Shape, usize); 4] = [
    (Shape { steps: 7, batch: 5, units: 33 }, 257),
    (Shape { steps: 5, batch: 67, units: 300 }, 65),
    (Shape { steps: 40, batch: 9, units: 128 }, 700),
    (Shape { steps: 40, batch: 67, units: 33 }, 40),
];

/// One training step's kernels on drawn data, everything they write as bits.
fn step<K: Kernels>(kernels: &mut K, seed: u64, shape: Shape, inputs: usize) -> Vec<(&'static str, Vec<u64>)> {
    let random = &mut Random::new(seed, 3);
    let mut written: Vec<(&'static str, Vec<u64>)> = Vec::new();
    let bits = |values: Vec<f64>| values.into_iter().map(f64::to_bits).collect::<Vec<u64>>();
    let mut model = model(random, true);
    model.learned = Learned { tau_syn: true, tau_mem: true, threshold: true, bias: true, own: 0 };
    let layer = draw_layer(random, model, shape.units, true);
    let trace = draw_start(random, &layer, shape);
    let mut planes = start(kernels, shape, &trace);
    let constants = constants(kernels, model, &layer.constants);
    let (recurrent, recurrent_prepared) = recurrent(kernels, &layer).unwrap();
    let below = Shape { units: inputs, ..shape };
    let mut metrics = kernels.values("metrics", 11).unwrap();
    let lengths = words(kernels, &vec![shape.steps as u32; shape.batch]);
    let mut kept = kernels.values("tape", 2 * shape.len(shape.steps)).unwrap();
    let gradient = draw_grid(random, shape);
    let gradient_spikes = rows(kernels, shape.units, &gradient.values);
    for kind in [ActivityKind::Raster, ActivityKind::Values, ActivityKind::Bytes] {
        let source = Grid::drawn(-2..shape.steps as isize, shape.batch, inputs, || match kind {
            ActivityKind::Raster => f64::from(chance(random, 0.1)),
            ActivityKind::Values => normal(random),
            ActivityKind::Bytes => {
                if chance(random, 0.1) {
                    1.0 + random.below(3) as f64
                } else {
                    0.0
                }
            }
        });
        let source = activity(kernels, kind, &source);
        let scale = 2.0 / (inputs as f64).sqrt();
        let drawn: Vec<f64> = (0..inputs * shape.units).map(|_| single(random.normal() * scale)).collect();
        let (weights, prepared) = weights(kernels, shape.units, &drawn);
        let mut x = kernels.values("drive", shape.len(shape.steps)).unwrap();
        let mut spikes = kernels.activity("spikes", ActivityKind::Raster, shape).unwrap();
        let tape = &mut kept;
        let (form, form_backward) = kernels.form(shape, true);
        kernels.drive(Drive {
            projection: Projection::Dense,
            inputs,
            shape,
            range: 0..shape.steps,
            source: &source,
            lag: 1,
            weights: &weights,
            constants: &constants,
            out: &mut x,
        });
        written.push(("drive", bits(read(kernels, &x, shape.len(shape.steps)))));
        kernels.forward(
            &x,
            Forward {
                model,
                shape,
                window: Window::whole(shape),
                range: 0..shape.steps,
                form,
                constants: &constants,
                recurrent: Some((&recurrent, &recurrent_prepared)),
                spikes: Some(&mut spikes),
                tape: Some(&mut *tape),
                active: None,
                planes: &mut planes,
                reduce: None,
            },
        );
        written.push(("spikes", bits(read_activity(kernels, "spikes", shape, &spikes).values)));
        written.push(("tape", bits(read(kernels, tape, shape.len(shape.steps)))));
        kernels.count(Count {
            shape,
            window: Window::whole(shape),
            emit_lag: model.emit_lag,
            spikes: &spikes,
            lengths: &lengths,
            planes: &mut planes,
        });
        let mut totals = kernels.values("totals", shape.row()).unwrap();
        let tally =
            Tally { shape, planes: &planes, lengths: &lengths, totals: &mut totals, metrics: &mut metrics, slot: 8 };
        kernels.tally(tally);
        written.push(("totals", bits(read(kernels, &totals, shape.row()))));
        for (slot, regulariser) in [
            (1, Regulariser::Lower { strength: 0.3, target: 2.0 }),
            (2, Regulariser::Upper { strength: 0.3, target: 0.5, exponent: 2 }),
            (3, Regulariser::L1 { strength: 0.1 }),
            (4, Regulariser::L2 { strength: 0.1 }),
        ] {
            kernels.regularise(Regularise { regulariser, shape, planes: &mut planes, metrics: &mut metrics, slot });
        }
        written.push(("dL/dζ", bits(read_plane(kernels, shape, &planes, plane::COUNT_GRADIENT))));
        let mut chi = kernels.values("chi", shape.len(shape.steps + FUTURE)).unwrap();
        kernels.backward(Backward {
            model,
            shape,
            window: Window::whole(shape),
            range: 0..shape.steps,
            form: form_backward,
            constants: &constants,
            recurrent: Some((&recurrent, &recurrent_prepared)),
            spikes: Some(&spikes),
            tape: Some(tape),
            gradient_spikes: Some(&gradient_spikes),
            gradient_potential: None,
            counts: true,
            kicks: None,
            reduce: None,
            planes: &mut planes,
            chi: &mut chi,
        });
        written.push(("χ", bits(read(kernels, &chi, shape.len(shape.steps + FUTURE)))));
        let mut out = kernels.values("gradient", below.len(shape.steps)).unwrap();
        kernels.drive_backward(DriveBackward {
            projection: Projection::Dense,
            inputs,
            shape,
            lag: 1,
            weights: (&weights, &prepared),
            chi: &chi,
            accumulate: false,
            out: &mut out,
        });
        written.push(("gradient of the source", bits(read(kernels, &out, below.len(shape.steps)))));
        for (name, source, inputs) in [("dW", &source, inputs), ("dR", &spikes, shape.units)] {
            let mut out = kernels.values("gradient", inputs * shape.row()).unwrap();
            kernels.weight_gradient(WeightGradient {
                projection: Projection::Dense,
                inputs,
                shape,
                window: Window::whole(shape),
                source,
                lag: 1,
                chi: &chi,
                samples: 0..shape.batch,
                accumulate: false,
                out: &mut out,
            });
            written.push((name, bits(read(kernels, &out, inputs * shape.row()))));
            kernels.square_sum(&out, inputs * shape.row(), &mut metrics, 5);
        }
    }
    let mut labels = kernels.words("labels", shape.batch).unwrap();
    let drawn: Vec<u32> = (0..shape.batch).map(|_| random.below(shape.units) as u32).collect();
    kernels.write_words(&mut labels, &drawn);
    kernels.copy_plane(shape, &mut planes, plane::POTENTIAL, plane::ACTIVATION);
    let coefficients = array(kernels, &[0.3, 0.7, 0.0, 0.0].repeat(shape.batch));
    let table = array(kernels, &vec![1.0; shape.units]);
    let mut every_step = kernels.values("gradient", shape.len(shape.steps)).unwrap();
    let scores: [Scores<K>; 2] =
        [Scores::Samples(Place::LAYER, &mut planes), Scores::Steps(Recording::Potential(&kept), Some(&mut every_step))];
    for scores in scores {
        kernels.loss(Loss {
            shape,
            window: Window::whole(shape),
            classes: shape.units,
            criterion: Criterion::CrossEntropy { smoothing: 0.1 },
            score: Score::Plain,
            scores,
            labels: &labels,
            stepwise: false,
            lengths: &lengths,
            coefficients: &coefficients,
            table: &table,
            metrics: Some((&mut metrics, 6)),
            answers: Some(Answer::Largest),
        });
    }
    written.push(("gradient of every step", bits(read(kernels, &every_step, shape.len(shape.steps)))));
    let all = shape.batch * plane::PLANES * shape.row();
    written.push(("planes", bits(read(kernels, &planes, all))));
    written.push(("metrics", bits(read(kernels, &metrics, 11))));
    written
}

fn assert_same(what: &str, first: &[(&'static str, Vec<u64>)], second: &[(&'static str, Vec<u64>)]) {
    for ((name, first), (_, second)) in first.iter().zip(second) {
        assert!(first.iter().any(|&bits| bits != 0), "{name} is all 0: nothing is tested");
        let differ = first.iter().zip(second).filter(|(first, second)| first != second).count();
        assert_eq!(differ, 0, "{what}: {differ} of {} entries of {name} differ", first.len());
    }
}

fn twice<K: Kernels>(kernels: &mut K) {
    for (seed, &(shape, inputs)) in SHAPES.iter().enumerate() {
        let first = step(kernels, seed as u64, shape, inputs);
        assert_same("second time", &first, &step(kernels, seed as u64, shape, inputs));
    }
}

fn on_threads<K: Kernels>(new: impl Fn() -> K + Sync) {
    for (seed, &(shape, inputs)) in SHAPES.iter().enumerate() {
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| step(&mut new(), seed as u64, shape, inputs))
        };
        let one = on(1);
        for threads in [2, 3, 5] {
            assert_same(&format!("{threads} threads"), &one, &on(threads));
        }
    }
}

#[test]
fn cpu_f32_twice() {
    twice(&mut Cpu::<f32>::new());
}

#[test]
fn cpu_f64_twice() {
    twice(&mut Cpu::<f64>::new());
}

#[test]
fn cpu_f32_on_one_two_three_and_five_threads() {
    on_threads(Cpu::<f32>::new);
}

#[test]
fn cpu_f64_on_one_two_three_and_five_threads() {
    on_threads(Cpu::<f64>::new);
}

#[cfg(feature = "gpu")]
#[test]
fn gpu_twice() {
    if let Some(mut gpu) = gpu() {
        twice(&mut gpu);
    }
}
