//! Each kernel of the contract by itself, at the shapes of the named workloads (W2 and W4 over fewer steps, so that an
//! iteration stays below a tenth of a second).
//!
//! `cargo bench --bench kernels -- weight_gradient` ; threads: `RAYON_NUM_THREADS`. `-- --test` runs each once.
//!
//! Elements are neuron-steps, or (drive and weight gradient) synaptic operations: additions of a weight or of a χ. On a GPU,
//! where there is one, an iteration is what the kernel takes by the device's time stamps; where it has none, the kernel, its
//! submission and the reading of one number, which waits for it: short kernels show what that costs.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion as Bench, Throughput, criterion_group, criterion_main};
use spikegrad::cpu::Cpu;
use spikegrad::engine::model;
use spikegrad::kernels::*;
use spikegrad::network::{Layer, NeuronKind, Preset, Regulariser, Surrogate, SurrogateKind};
use spikegrad::spikes::{Random, pad, words};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

type Group<'a> = BenchmarkGroup<'a, WallTime>;
/// What times some kernels on the arrays of each workload.
type Run<'a, K> = &'a mut dyn FnMut(&mut Group, &mut K, &mut Arrays<K>);

/// A layer of a named workload.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    inputs: usize,
    units: usize,
    /// Units of the layer that its spikes feed.
    above: usize,
    recurrent: bool,
    steps: usize,
    batch: usize,
    /// Share of the inputs that are active in a step.
    density: f64,
}

const LOADS: [Load; 3] = [
    Load { name: "W1", inputs: 700, units: 256, above: 20, recurrent: true, steps: 100, batch: 256, density: 0.015 },
    Load { name: "W2", inputs: 1024, units: 1024, above: 1024, recurrent: false, steps: 16, batch: 64, density: 0.05 },
    Load { name: "W4", inputs: 128, units: 512, above: 20, recurrent: true, steps: 150, batch: 32, density: 0.03 },
];

const DENSE: Surrogate = Surrogate { kind: SurrogateKind::FastSigmoid, slope: 25.0, scale: 1.0 };

/// The arrays of one layer on a backend, and what the layer above hands down.
struct Arrays<K: Kernels> {
    load: Load,
    model: Model,
    shape: Shape,
    /// Events of the input, and spikes of the layer, in all steps and samples.
    events: u64,
    bits: K::Activity,
    values: K::Activity,
    bytes: K::Activity,
    weights: K::Values,
    prepared: K::Prepared,
    recurrent: K::Values,
    recurrent_prepared: K::Prepared,
    above_weights: K::Values,
    above_prepared: K::Prepared,
    above_chi: K::Values,
    parameters: K::Values,
    constants: K::Values,
    drive: K::Values,
    spikes: K::Activity,
    tape: K::Values,
    /// In place of the tape, where the backend lists active neurons of such a layer.
    kicks: Option<K::Kicks>,
    planes: K::Values,
    chi: K::Values,
    gradient: K::Values,
    weight_gradient: K::Values,
    state: K::Values,
    lengths: K::Words,
    labels: K::Words,
    coefficients: K::Values,
    metrics: K::Values,
    control: K::Values,
}

fn layer(load: Load, surrogate: Surrogate) -> Layer {
    let mut layer = Layer::new(Preset::Snntorch, NeuronKind::CubaLif, load.units, load.recurrent);
    layer.neuron.tau_mem = (-1.0 / 0.9f64.ln()).into();
    layer.neuron.tau_syn = Some((-1.0 / 0.82f64.ln()).into());
    layer.surrogate = Some(surrogate);
    layer
}

/// Normal numbers `[rows][pad(columns)]`, padding 0.
fn normal<R: Real>(random: &mut Random, rows: usize, columns: usize, deviation: f64) -> Vec<R> {
    let row = pad(columns);
    let mut values = vec![R::from_f64(0.0); rows * row];
    for row in values.chunks_exact_mut(row) {
        row[..columns].fill_with(|| R::from_f64(random.normal() * deviation));
    }
    values
}

fn filled<K: Kernels>(kernels: &mut K, data: &[K::Real]) -> K::Values {
    let mut values = kernels.values("drawn", data.len()).expect("it fits");
    kernels.write(&mut values, 0, data);
    values
}

impl<K: Kernels> Arrays<K> {
    fn new(kernels: &mut K, load: Load, surrogate: Surrogate) -> Self {
        let Load { inputs, units, above, steps, batch, density, .. } = load;
        let shape = Shape { steps, batch, units };
        let source = Shape { units: inputs, ..shape };
        let random = &mut Random::new(1, 0);
        let model = model(&layer(load, surrogate));
        let (row, rows) = (shape.row(), steps * batch);
        let mut packed = vec![0u32; rows * words(inputs)];
        let mut events = 0;
        for row in packed.chunks_exact_mut(words(inputs)) {
            for n in (0..inputs).filter(|_| random.uniform() < density) {
                row[n / 32] |= 1 << (n % 32);
                events += 1;
            }
        }
        let graded = normal(random, rows, inputs, 0.1);
        let counts: Vec<u8> =
            packed.iter().flat_map(|word| (0..32).map(move |bit| (word >> bit & 1) as u8 * 2)).collect();
        let mut activity = |kind, shape, data: Option<ActivityData<K::Real>>| {
            let mut activity = kernels.activity("activity", kind, shape).expect("it fits");
            if let Some(data) = data {
                kernels.write_activity(&mut activity, HISTORY, data);
            }
            activity
        };
        let bits = activity(ActivityKind::Raster, source, Some(ActivityData::Raster(&packed)));
        let values = activity(ActivityKind::Values, source, Some(ActivityData::Values(&graded)));
        let bytes = activity(ActivityKind::Bytes, source, Some(ActivityData::Bytes(&counts)));
        let spikes = activity(ActivityKind::Raster, shape, None);
        let drawn = normal(random, inputs, units, 0.105 / (inputs as f64 * density).sqrt());
        let weights = filled(kernels, &drawn);
        let drawn = normal(random, units, units, 0.055 / (units as f64 * 0.05).sqrt());
        let recurrent = filled(kernels, &drawn);
        let drawn = normal(random, units, above, 0.1);
        let above_weights = filled(kernels, &drawn);
        let drawn = normal(random, (steps + FUTURE) * batch, above, 0.01);
        let above_chi = filled(kernels, &drawn);
        let drawn = normal(random, (steps + FUTURE) * batch, units, 0.01);
        let chi = filled(kernels, &drawn);
        let mut prepared = |weights: &K::Values, rows: usize, columns: usize| {
            let mut prepared = kernels.prepared("prepared", rows, columns).expect("it fits");
            kernels.prepare(weights, rows, columns, &mut prepared);
            prepared
        };
        let own = prepared(&weights, inputs, units);
        let recurrent_prepared = prepared(&recurrent, units, units);
        let above_prepared = prepared(&above_weights, units, above);
        let mut common = vec![K::Real::from_f64(0.0); row::ROWS * row];
        for (at, value) in
            [(row::TAU_SYN, -1.0 / 0.82f64.ln()), (row::TAU_MEM, -1.0 / 0.9f64.ln()), (row::THRESHOLD, 1.0)]
        {
            common[at * row..(at + 1) * row].fill(K::Real::from_f64(value));
        }
        let parameters = filled(kernels, &common);
        let mut constants = kernels.values("constants", model.constant_rows() * row).expect("it fits");
        kernels.constants(model, units, 1.0, &parameters, &mut constants);
        let ones = vec![K::Real::from_f64(1.0 / batch as f64); batch * coefficient::COUNT];
        let coefficients = filled(kernels, &ones);
        let mut word = |value: &dyn Fn(usize) -> usize| {
            let mut array = kernels.words("words", batch).expect("it fits");
            let data: Vec<u32> = (0..batch).map(|b| value(b) as u32).collect();
            kernels.write_words(&mut array, &data);
            array
        };
        let (lengths, labels) = (word(&|_| steps), word(&|b| b % 4));
        let mut array = |len: usize| kernels.values("array", len).expect("it fits");
        let mut arrays = Arrays {
            drive: array(shape.len(steps)),
            kicks: None,
            tape: array(model.tapes() * shape.len(steps)),
            planes: array(model.planes_len(shape)),
            gradient: array(shape.len(steps)),
            weight_gradient: array(inputs.max(units) * row),
            state: array(2 * inputs * row),
            metrics: array(64),
            control: array(2),
            prepared: own,
            load,
            model,
            shape,
            events,
            bits,
            values,
            bytes,
            weights,
            recurrent,
            recurrent_prepared,
            above_weights,
            above_prepared,
            above_chi,
            parameters,
            constants,
            spikes,
            chi,
            lengths,
            labels,
            coefficients,
        };
        kernels.control(&arrays.metrics, 1..2, 0, None, &mut arrays.control);
        if kernels.kicks_suffice(model, units, &arrays.constants) {
            arrays.kicks = kernels.kicks(model);
        }
        // Spikes, tape and state as a forward pass leaves them.
        arrays.layer_forward(kernels);
        arrays
    }

    fn forms(&self, kernels: &K) -> (Form, Form) {
        kernels.form(self.shape, self.load.recurrent)
    }

    /// Neuron-steps.
    fn cells(&self) -> u64 {
        (self.shape.steps * self.shape.batch * self.shape.units) as u64
    }

    fn layer_forward(&mut self, kernels: &mut K) {
        let form = self.forms(kernels).0;
        let range = 0..self.shape.steps;
        let drive = Drive {
            projection: Projection::Dense,
            inputs: self.load.inputs,
            shape: self.shape,
            range: range.clone(),
            source: &self.bits,
            lag: 0,
            weights: &self.weights,
            constants: &self.constants,
            out: &mut self.drive,
        };
        let forward = Forward {
            model: self.model,
            shape: self.shape,
            window: Window::whole(self.shape),
            range,
            form,
            constants: &self.constants,
            recurrent: self.load.recurrent.then_some((&self.recurrent, &self.recurrent_prepared)),
            spikes: Some(&mut self.spikes),
            tape: Some(&mut self.tape).filter(|_| self.kicks.is_none()),
            active: self.kicks.as_mut(),
            planes: &mut self.planes,
            reduce: None,
        };
        kernels.layer_forward(drive, forward);
    }

    fn forward(&mut self, kernels: &mut K) {
        let form = self.forms(kernels).0;
        let call = Forward {
            model: self.model,
            shape: self.shape,
            window: Window::whole(self.shape),
            range: 0..self.shape.steps,
            form,
            constants: &self.constants,
            recurrent: self.load.recurrent.then_some((&self.recurrent, &self.recurrent_prepared)),
            spikes: Some(&mut self.spikes),
            tape: Some(&mut self.tape).filter(|_| self.kicks.is_none()),
            active: self.kicks.as_mut(),
            planes: &mut self.planes,
            reduce: None,
        };
        kernels.forward(&self.drive, call);
    }

    fn drive(&mut self, kernels: &mut K, kind: ActivityKind) {
        kernels.drive(Drive {
            projection: Projection::Dense,
            inputs: self.load.inputs,
            shape: self.shape,
            range: 0..self.shape.steps,
            source: match kind {
                ActivityKind::Raster => &self.bits,
                ActivityKind::Values => &self.values,
                ActivityKind::Bytes => &self.bytes,
            },
            lag: 0,
            weights: &self.weights,
            constants: &self.constants,
            out: &mut self.drive,
        });
    }

    /// With what arrives from the layer above, or without.
    fn backward(&mut self, kernels: &mut K, above: bool) {
        for plane in [plane::LAMBDA, plane::MU] {
            kernels.fill_plane(self.shape, &mut self.planes, plane, 0.0);
        }
        let form = self.forms(kernels).1;
        let call = Backward {
            model: self.model,
            shape: self.shape,
            window: Window::whole(self.shape),
            range: 0..self.shape.steps,
            form,
            constants: &self.constants,
            recurrent: self.load.recurrent.then_some((&self.recurrent, &self.recurrent_prepared)),
            spikes: Some(&self.spikes),
            tape: Some(&self.tape).filter(|_| self.kicks.is_none()),
            gradient_spikes: None,
            gradient_potential: None,
            counts: true,
            kicks: self.kicks.as_mut().map(|kicks| Listing { kicks, chi: true }),
            reduce: None,
            planes: &mut self.planes,
            chi: &mut self.chi,
        };
        if above {
            let above = Above {
                shape: Shape { units: self.load.above, ..self.shape },
                lag: 0,
                weights: (&self.above_weights, &self.above_prepared),
                chi: &self.above_chi,
                accumulate: false,
                gradient: &mut self.gradient,
            };
            kernels.layer_backward(above, call);
        } else {
            kernels.backward(call);
        }
    }

    fn drive_backward(&mut self, kernels: &mut K) {
        kernels.drive_backward(DriveBackward {
            projection: Projection::Dense,
            inputs: self.load.units,
            shape: Shape { units: self.load.above, ..self.shape },
            lag: 0,
            weights: (&self.above_weights, &self.above_prepared),
            chi: &self.above_chi,
            accumulate: false,
            out: &mut self.gradient,
        });
    }

    /// Of the input, or (None) of the layer's own spikes.
    fn weight_gradient(&mut self, kernels: &mut K, kind: Option<ActivityKind>) {
        let (inputs, source) = match kind {
            None => (self.load.units, &self.spikes),
            Some(ActivityKind::Raster) => (self.load.inputs, &self.bits),
            Some(ActivityKind::Values) => (self.load.inputs, &self.values),
            Some(ActivityKind::Bytes) => (self.load.inputs, &self.bytes),
        };
        kernels.weight_gradient(WeightGradient {
            projection: Projection::Dense,
            inputs,
            shape: self.shape,
            window: Window::whole(self.shape),
            source,
            lag: if kind.is_some() { 0 } else { 1 },
            chi: &self.chi,
            samples: 0..self.shape.batch,
            accumulate: false,
            out: &mut self.weight_gradient,
        });
    }

    /// Of the input, or of the layer's own spikes, from the kicks that the last backward pass left.
    fn kick_gradient(&mut self, kernels: &mut K, recurrent: bool) {
        let Some(kicks) = &mut self.kicks else { return };
        let (inputs, source, lag) = match recurrent {
            true => (self.load.units, &self.spikes, self.model.recurrent_lag),
            false => (self.load.inputs, &self.bits, 0),
        };
        kernels.kick_gradient(KickGradient {
            model: self.model,
            inputs,
            shape: self.shape,
            window: Window::whole(self.shape),
            source,
            lag,
            recurrent,
            constants: &self.constants,
            kicks,
            samples: 0..self.shape.batch,
            accumulate: false,
            out: &mut self.weight_gradient,
        });
    }

    fn update(&mut self, kernels: &mut K, rule: Rule) {
        kernels.update(Update {
            rule,
            rate: 1e-9,
            penalty: Penalty::default(),
            step: 5,
            row: self.load.inputs * self.shape.row(),
            modes: &[(Mode::Plain, false)],
            parameters: &mut self.weights,
            gradient: &self.weight_gradient,
            state: &mut self.state,
            control: &self.control,
        });
    }

    fn collapse(&mut self, kernels: &mut K, recording: Of, pooling: Pooling) {
        kernels.collapse(Collapse {
            shape: self.shape,
            window: Window::whole(self.shape),
            recording: match recording {
                Of::Potential => Recording::Potential(&self.tape),
                Of::Spikes => Recording::Spikes(&self.spikes, 0),
            },
            pooling,
            lengths: &self.lengths,
            place: Place::LAYER,
            out: &mut self.planes,
        });
    }

    fn spread(&mut self, kernels: &mut K, pooling: Pooling) {
        kernels.spread(Spread {
            shape: self.shape,
            window: Window::whole(self.shape),
            pooling,
            lengths: &self.lengths,
            place: Place::LAYER,
            from: &self.planes,
            emit_lag: 0,
            out: &mut self.gradient,
        });
    }

    /// Cross-entropy of four classes, on every step or on the activations of the samples.
    fn loss(&mut self, kernels: &mut K, every_step: bool) {
        let scores = if every_step {
            Scores::Steps(Recording::Potential(&self.tape), Some(&mut self.gradient))
        } else {
            Scores::Samples(Place::LAYER, &mut self.planes)
        };
        kernels.loss(Loss {
            shape: self.shape,
            window: Window::whole(self.shape),
            classes: 4,
            criterion: Criterion::CrossEntropy { smoothing: 0.0 },
            score: Score::Plain,
            scores,
            labels: &self.labels,
            stepwise: false,
            lengths: &self.lengths,
            coefficients: &self.coefficients,
            table: &self.coefficients,
            metrics: Some((&mut self.metrics, 0)),
            answers: Some(Answer::Largest),
        });
    }
}

/// What a reduction reads.
#[derive(Clone, Copy)]
enum Of {
    Potential,
    Spikes,
}

/// Times `run` on arrays, `elements` at a time.
fn time<K: Kernels>(
    group: &mut Group,
    kernels: &mut K,
    arrays: &mut Arrays<K>,
    name: &str,
    elements: u64,
    mut run: impl FnMut(&mut K, &mut Arrays<K>),
) {
    group.throughput(Throughput::Elements(elements));
    group.bench_function(BenchmarkId::new(name, arrays.load.name), |bencher| {
        if STAMPS.load(Ordering::Relaxed) {
            return bencher.iter_custom(|iterations| {
                kernels.profile(true).expect("the device measures time");
                let time = (0..iterations).map(|_| {
                    run(kernels, arrays);
                    let profile = kernels.take_profile().expect("the device is there");
                    profile.spans.iter().map(|span| span.duration).sum::<f64>()
                });
                let time = Duration::from_secs_f64(time.sum());
                kernels.profile(false).expect("it measured before");
                time
            });
        }
        bencher.iter(|| {
            run(kernels, arrays);
            kernels.submit();
            kernels.read(&arrays.control, 0..1).expect("the device is there")
        });
    });
}

/// Whether kernels are timed by the stamps of the device.
static STAMPS: AtomicBool = AtomicBool::new(false);

fn kernels<K: Kernels>(c: &mut Bench, device: &str, kernels: &mut K) {
    let mut dense: Vec<Arrays<K>> = LOADS.into_iter().map(|load| Arrays::new(kernels, load, DENSE)).collect();
    let mut group = |name: &str, run: Run<K>| {
        let mut group = c.benchmark_group(format!("{device}/{name}"));
        group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
        dense.iter_mut().for_each(|arrays| run(&mut group, kernels, arrays));
        group.finish();
    };
    group("drive", &mut |group, kernels, a| {
        let (sparse, all) = (a.events * a.load.units as u64, a.cells() * a.load.inputs as u64);
        time(group, kernels, a, "bits", sparse, |kernels, a| a.drive(kernels, ActivityKind::Raster));
        time(group, kernels, a, "bytes", sparse, |kernels, a| a.drive(kernels, ActivityKind::Bytes));
        time(group, kernels, a, "values", all, |kernels, a| a.drive(kernels, ActivityKind::Values));
    });
    group("forward", &mut |group, kernels, a| {
        a.drive(kernels, ActivityKind::Raster);
        let (name, cells) = (if a.load.recurrent { "recurrent" } else { "feed_forward" }, a.cells());
        time(group, kernels, a, name, cells, |kernels, a| a.forward(kernels));
    });
    group("layer_forward", &mut |group, kernels, a| {
        let (name, cells) = (if a.load.recurrent { "recurrent" } else { "feed_forward" }, a.cells());
        time(group, kernels, a, name, cells, |kernels, a| a.layer_forward(kernels));
    });
    group("drive_backward", &mut |group, kernels, a| {
        let all = a.cells() * a.load.above as u64;
        time(group, kernels, a, "dense", all, |kernels, a| a.drive_backward(kernels));
    });
    group("weight_gradient", &mut |group, kernels, a| {
        let (sparse, all) = (a.events * a.load.units as u64, a.cells() * a.load.inputs as u64);
        time(group, kernels, a, "bits", sparse, |kernels, a| a.weight_gradient(kernels, Some(ActivityKind::Raster)));
        time(group, kernels, a, "bytes", sparse, |kernels, a| a.weight_gradient(kernels, Some(ActivityKind::Bytes)));
        time(group, kernels, a, "values", all, |kernels, a| a.weight_gradient(kernels, Some(ActivityKind::Values)));
        if a.load.recurrent {
            let spikes =
                kernels.read_activity(&a.spikes, HISTORY..HISTORY + a.shape.steps).expect("the device is there");
            let spikes = spikes.into_iter().filter(|spike| spike.to_f64() != 0.0).count() as u64;
            let sparse = spikes * a.load.units as u64;
            time(group, kernels, a, "recurrent", sparse, |kernels, a| a.weight_gradient(kernels, None));
        }
    });
    group("readout", &mut |group, kernels, a| {
        let cells = a.cells();
        for (name, of, pooling) in
            [("collapse_max", Of::Potential, Pooling::Max), ("collapse_sum", Of::Spikes, Pooling::Sum)]
        {
            time(group, kernels, a, name, cells, |kernels, a| a.collapse(kernels, of, pooling));
        }
        time(group, kernels, a, "loss_of_samples", (a.shape.batch * a.shape.units) as u64, |kernels, a| {
            a.loss(kernels, false);
        });
        time(group, kernels, a, "loss_of_steps", cells, |kernels, a| a.loss(kernels, true));
        for (name, pooling) in [("spread_max", Pooling::Max), ("spread_sum", Pooling::Sum)] {
            time(group, kernels, a, name, cells, |kernels, a| a.spread(kernels, pooling));
        }
    });
    group("regularise", &mut |group, kernels, a| {
        let values = (a.shape.batch * a.shape.units) as u64;
        let terms = [
            ("lower", Regulariser::Lower { strength: 1.0, target: 3.0 }),
            ("upper", Regulariser::Upper { strength: 1.0, target: 3.0, exponent: 2 }),
            ("l2", Regulariser::L2 { strength: 1.0 }),
        ];
        for (name, regulariser) in terms {
            time(group, kernels, a, name, values, |kernels, a| {
                let (shape, planes, metrics) = (a.shape, &mut a.planes, &mut a.metrics);
                kernels.regularise(Regularise { regulariser, shape, planes, metrics, slot: 2 });
            });
        }
    });
    group("update", &mut |group, kernels, a| {
        let numbers = a.load.inputs * a.shape.row();
        let rules = [
            ("sgd", Rule::Sgd { momentum: 0.9 }),
            ("adam", Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0 }),
        ];
        for (name, rule) in rules {
            time(group, kernels, a, name, numbers as u64, |kernels, a| a.update(kernels, rule));
        }
        time(group, kernels, a, "square_sum", numbers as u64, |kernels, a| {
            kernels.square_sum(&a.weight_gradient, numbers, &mut a.metrics, 3);
        });
        time(group, kernels, a, "prepare", numbers as u64, |kernels, a| {
            kernels.prepare(&a.weights, a.load.inputs, a.load.units, &mut a.prepared);
        });
        time(group, kernels, a, "constants", a.shape.units as u64, |kernels, a| {
            kernels.constants(a.model, a.load.units, 1.0, &a.parameters, &mut a.constants);
        });
    });
    group("raster", &mut |group, kernels, a| {
        let (shape, cells, window) = (a.shape, a.cells(), Window::whole(a.shape));
        time(group, kernels, a, "count", cells, |kernels, a| {
            let (spikes, lengths, planes) = (&a.spikes, &a.lengths, &mut a.planes);
            kernels.count(Count { shape, window, emit_lag: 0, spikes, lengths, planes });
        });
        let mut totals = kernels.values("totals", shape.row()).expect("it fits");
        time(group, kernels, a, "tally", (shape.batch * shape.units) as u64, |kernels, a| {
            let (planes, lengths, totals, metrics) = (&a.planes, &a.lengths, &mut totals, &mut a.metrics);
            kernels.tally(Tally { shape, planes, lengths, totals, metrics, slot: 4 });
        });
        let mut out = kernels.activity("kept spikes", ActivityKind::Raster, shape).expect("it fits");
        let mask = DropoutMask { keep: 12 << 20, per_step: true, key: 7 };
        time(group, kernels, a, "dropout", cells, |kernels, a| {
            kernels.dropout(Dropout { shape, window, mask, spikes: &a.spikes, out: &mut out });
        });
        time(group, kernels, a, "dropout_backward", cells, |kernels, a| {
            let gradient = &mut a.gradient;
            kernels.dropout_backward(DropoutBackward { shape, window, mask, given: None, gradient });
        });
        let mut chances = kernels.words("chances", shape.len(1)).expect("it fits");
        kernels.write_words(&mut chances, &vec![1 << 20; shape.len(1)]);
        time(group, kernels, a, "encode_rate", cells, |kernels, _| {
            kernels.encode_rate(EncodeRate { shape, window, first: 0, key: 7, chances: &chances, out: &mut out });
        });
        let data = vec![0x0101_0101; shape.steps * shape.batch * words(shape.units)];
        time(group, kernels, a, "write", cells, |kernels, _| {
            kernels.write_activity(&mut out, HISTORY, ActivityData::Raster(&data));
        });
        time(group, kernels, a, "carry", (HISTORY * shape.batch * shape.units) as u64, |kernels, a| {
            kernels.carry(&a.spikes, &mut out);
        });
    });
    group("tape", &mut |group, kernels, a| {
        let len = a.shape.len(a.shape.steps);
        let mut half = kernels.words("half", len / 2).expect("it fits");
        time(group, kernels, a, "halve", len as u64, |kernels, a| kernels.halve(&a.tape, len, &mut half));
        time(group, kernels, a, "unhalve", len as u64, |kernels, a| kernels.unhalve(&half, len, &mut a.gradient));
    });
    drop(dense);
    // A compact surrogate lets a kernel skip what is far from the threshold.
    let surrogates = [("fast_sigmoid", DENSE), ("triangle", Surrogate::new(SurrogateKind::Triangle, 25.0))];
    let mut group = c.benchmark_group(format!("{device}/backward"));
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for (surrogate, load) in surrogates.into_iter().flat_map(|pair| LOADS.map(|load| (pair, load))) {
        let a = &mut Arrays::new(kernels, load, surrogate.1);
        let (cells, form) = (a.cells(), if load.recurrent { "recurrent" } else { "feed_forward" });
        let name = format!("{form}, {}", surrogate.0);
        time(&mut group, kernels, a, &name, cells, |kernels, a| a.backward(kernels, false));
        let name = format!("{form} with the layer above, {}", surrogate.0);
        time(&mut group, kernels, a, &name, cells, |kernels, a| a.backward(kernels, true));
        if a.kicks.is_some() {
            let name = format!("{form}, lists of {}", surrogate.0);
            time(&mut group, kernels, a, &name, cells, |kernels, a| a.layer_forward(kernels));
            // Lists that a forward pass made anew have no kicks yet.
            a.backward(kernels, true);
            time(&mut group, kernels, a, "kick_gradient", cells, |kernels, a| a.kick_gradient(kernels, false));
        }
        if a.kicks.is_some() && load.recurrent {
            time(&mut group, kernels, a, "kick_gradient, recurrent", cells, |kernels, a| {
                a.kick_gradient(kernels, true);
            });
        }
    }
    group.finish();
}

fn cpu(c: &mut Bench) {
    kernels(c, "cpu", &mut Cpu::<f32>::new());
}

#[cfg(feature = "gpu")]
fn gpu(c: &mut Bench) {
    match spikegrad::gpu::Gpu::new(None) {
        Ok(mut gpu) => {
            STAMPS.store(gpu.profile(true).is_ok(), Ordering::Relaxed);
            gpu.profile(false).expect("nothing is measured");
            kernels(c, "gpu", &mut gpu);
        }
        Err(error) => println!("no GPU: {error}"),
    }
}

#[cfg(not(feature = "gpu"))]
fn gpu(_: &mut Bench) {}

criterion_group!(benches, cpu, gpu);
criterion_main!(benches);
