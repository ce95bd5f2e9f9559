//! The exactness check of `docs/dynamics.md`, section 2: with the step function replaced by the primitive of σ', the
//! forward pass is differentiable, and the adjoint must be its gradient. The production kernels in f64 against central
//! differences of the production forward pass; where the reset is detached, against central differences of the naive
//! forward pass whose reset holds the spikes of the unmoved run, which is what `sg` means.
//!
//! Two layers: a hidden one with the switches under test, and an `li` readout. The loss is a random linear functional of
//! the readout's V, the hidden V, and the hidden counts.

use crate::kernels::*;
use crate::naive::{self, Constants, Grid, Layer, Trace};
use rayon::prelude::*;
use spikegrad::cpu::Cpu;
use spikegrad::kernels::*;
use spikegrad::network::{Reset, Surrogate, SurrogateKind};
use spikegrad::neuron::Leak;
use spikegrad::spikes::Random;
use std::collections::BTreeMap;

const STEPS: usize = 6;
const BATCH: usize = 2;
const INPUTS: usize = 2;
const HIDDEN: usize = 4;
const OUTPUTS: usize = 3;
const DT: f64 = 0.7;

/// Largest relative error of a gradient: of its tensor's (or parameter row's) largest entry.
const ALLOWED: f64 = 1e-6;

/// What can be moved, and so has a gradient.
type Tensors = [Vec<f64>; 6];
const INPUT: usize = 0;
const WEIGHTS: usize = 1;
const RECURRENT: usize = 2;
const NEURONS: usize = 3;
const READOUT_WEIGHTS: usize = 4;
const READOUT_NEURONS: usize = 5;
/// The tensors, or rows of one, whose largest entry an error is measured by.
const PARTS: [(&str, usize, usize, usize); 11] = [
    ("input", INPUT, 0, STEPS * BATCH * INPUTS),
    ("W or encoder gain", WEIGHTS, 0, usize::MAX),
    ("R", RECURRENT, 0, HIDDEN * HIDDEN),
    ("τ_syn", NEURONS, 0, HIDDEN),
    ("τ_mem", NEURONS, HIDDEN, 2 * HIDDEN),
    ("θ", NEURONS, 2 * HIDDEN, 3 * HIDDEN),
    ("b", NEURONS, 3 * HIDDEN, 4 * HIDDEN),
    ("W of the readout", READOUT_WEIGHTS, 0, HIDDEN * OUTPUTS),
    ("τ_syn of the readout", READOUT_NEURONS, 0, OUTPUTS),
    ("τ_mem of the readout", READOUT_NEURONS, OUTPUTS, 2 * OUTPUTS),
    ("b of the readout", READOUT_NEURONS, 3 * OUTPUTS, 4 * OUTPUTS),
];

/// The switches under test.
#[derive(Clone, Copy, Debug)]
struct Switches {
    reset: Reset,
    detach: bool,
    lag: usize,
    emit_lag: usize,
    normalised: bool,
    synapse: bool,
    /// Recurrent lag.
    recurrent: Option<usize>,
    kind: SurrogateKind,
}

fn matrix() -> Vec<Switches> {
    let mut all = Vec::new();
    for kind in SurrogateKind::ALL {
        for reset in Reset::ALL {
            for bits in 0..32 {
                for recurrent in [None, Some(1), Some(2)] {
                    let bit = |at: usize| bits >> at & 1 == 1;
                    let (detach, lag, emit_lag) = (bit(0), usize::from(bit(1)), usize::from(bit(2)));
                    if reset != Reset::None || !detach {
                        all.push(Switches {
                            reset,
                            detach,
                            lag,
                            emit_lag,
                            normalised: bit(3),
                            synapse: bit(4),
                            recurrent,
                            kind,
                        });
                    }
                }
            }
        }
    }
    all
}

/// One network of the audit: switches, what the matrix does not enumerate (drawn), and the loss.
struct Network {
    hidden: Model,
    readout: Model,
    recurrent: bool,
    projection: Projection,
    /// Lag of the input, and delay between hidden layer and readout.
    delays: (usize, usize),
    /// Everything before step 0: the input's history, and both layers' start.
    input_history: Vec<f64>,
    hidden_start: Trace,
    readout_start: Trace,
    /// Coefficients of the loss; the hidden potential and the counts are part of some losses only.
    on_potential: Option<Grid>,
    on_counts: Option<Vec<f64>>,
    on_readout: Grid,
}

/// What the loss sees.
struct Run {
    potential: Grid,
    spikes: Grid,
    readout: Grid,
}

fn draw(switches: Switches, seed: u64) -> (Network, Tensors) {
    let random = &mut Random::new(seed, 7);
    let Switches { reset, detach, lag, emit_lag, normalised, synapse, recurrent, kind } = switches;
    let scale = if kind == SurrogateKind::StraightThrough { 0.3 } else { one_of(random, &[1.0, 0.5]) };
    let slope = one_of(random, &[1.0, 2.0, 3.0]);
    let hidden = Model {
        spiking: true,
        reset,
        detach,
        lag,
        emit_lag,
        recurrent_lag: recurrent.unwrap_or(1),
        normalised,
        inclusive: false,
        reset_potential: if reset == Reset::ZeroBefore { 0.3 } else { 0.0 },
        surrogate: Surrogate { kind, slope, scale },
        synapse,
        learned: Learned { tau_syn: synapse, tau_mem: true, threshold: true, bias: true, own: 0 },
        firing: spikegrad::kernels::Firing::Single,
        leak: Leak::Exponential,
        snippet: None,
    };
    let synapse = chance(random, 0.5);
    let readout = Model {
        spiking: false,
        reset: Reset::None,
        lag: random.below(2),
        emit_lag: 0,
        normalised: chance(random, 0.5),
        reset_potential: 0.0,
        synapse,
        learned: Learned { tau_syn: synapse, tau_mem: true, threshold: false, bias: true, own: 0 },
        firing: spikegrad::kernels::Firing::Single,
        leak: Leak::Exponential,
        snippet: None,
        ..hidden
    };
    let projection = if chance(random, 0.75) { Projection::Dense } else { Projection::Current };
    let shape = |units| Shape { steps: STEPS, batch: BATCH, units };
    let mut start = |units, spiking| {
        let mut trace = Trace::new(STEPS, BATCH, units);
        trace.potential.set_step(-1, &draw_plane(random, shape(units)));
        trace.current.set_step(-1, &draw_plane(random, shape(units)));
        for t in [-2, -1] {
            if spiking {
                let graded: Vec<f64> = (0..BATCH * units).map(|_| random.uniform()).collect();
                trace.spikes.set_step(t, &graded);
            }
        }
        trace
    };
    let (hidden_start, readout_start) = (start(HIDDEN, true), start(OUTPUTS, false));
    let network = Network {
        hidden,
        readout,
        recurrent: recurrent.is_some(),
        projection,
        delays: (random.below(2), random.below(2)),
        input_history: (0..HISTORY * BATCH * INPUTS).map(|_| random.normal()).collect(),
        hidden_start,
        readout_start,
        on_potential: chance(random, 0.5).then(|| draw_grid(random, shape(HIDDEN))),
        on_counts: chance(random, 0.5).then(|| draw_plane(random, shape(HIDDEN))),
        on_readout: draw_grid(random, shape(OUTPUTS)),
    };
    let mut normals = |count: usize, scale: f64| (0..count).map(|_| random.normal() * scale).collect::<Vec<f64>>();
    let rows = if projection == Projection::Dense { INPUTS } else { 1 };
    let gain = if normalised { 3.0 } else { 0.7 };
    let mut tensors = [
        normals(STEPS * BATCH * INPUTS, 1.0),
        normals(rows * HIDDEN, gain),
        normals(HIDDEN * HIDDEN, 0.5 * gain),
        Vec::new(),
        normals(HIDDEN * OUTPUTS, 1.0),
        Vec::new(),
    ];
    for (at, units) in [(NEURONS, HIDDEN), (READOUT_NEURONS, OUTPUTS)] {
        let mut each = |low, high| (0..units).map(|_| between(random, low, high)).collect::<Vec<f64>>();
        tensors[at] = [each(2.0, 6.0), each(2.0, 8.0), each(0.5, 1.2), each(-0.5, 0.5)].concat();
    }
    (network, tensors)
}

impl Network {
    fn shape(&self, units: usize) -> Shape {
        Shape { steps: STEPS, batch: BATCH, units }
    }

    fn input(&self, tensors: &Tensors) -> Grid {
        let mut grid = Grid::new(-2..STEPS as isize, BATCH, INPUTS);
        grid.values = [&self.input_history[..], &tensors[INPUT]].concat();
        grid
    }

    fn readout_lag(&self) -> usize {
        self.hidden.emit_lag + self.delays.1
    }

    fn loss(&self, run: &Run) -> f64 {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mut loss = dot(&self.on_readout.values, &run.readout.part(0..STEPS as isize, 0).values);
        if let Some(on_potential) = &self.on_potential {
            loss += dot(&on_potential.values, &run.potential.part(0..STEPS as isize, 0).values);
        }
        if let Some(on_counts) = &self.on_counts {
            loss += dot(on_counts, &naive::count(&run.spikes, self.hidden.emit_lag));
        }
        loss
    }

    /// Both layers by the naive equations; `frozen` stands for S in the reset.
    fn naive(&self, tensors: &Tensors, frozen: Option<&Grid>) -> Run {
        let layer = |model: Model, neurons: &[f64], recurrent: Option<&Vec<f64>>| Layer {
            model,
            constants: naive::constants(model, DT, neurons),
            recurrent: recurrent.cloned(),
            smooth: Some(0.5),
        };
        let hidden = layer(self.hidden, &tensors[NEURONS], self.recurrent.then_some(&tensors[RECURRENT]));
        let Constants { bias, .. } = &hidden.constants;
        let (input, shape) = (self.input(tensors), self.shape(HIDDEN));
        let x = naive::drive(self.projection, shape, &input, self.delays.0, &tensors[WEIGHTS], bias);
        let mut below = self.hidden_start.clone();
        naive::forward(&hidden, &x, &mut below, frozen);
        let readout = layer(self.readout, &tensors[READOUT_NEURONS], None);
        let (lag, shape) = (self.readout_lag(), self.shape(OUTPUTS));
        let (weights, bias) = (&tensors[READOUT_WEIGHTS], &readout.constants.bias);
        let x = naive::drive(Projection::Dense, shape, &below.spikes, lag, weights, bias);
        let mut above = self.readout_start.clone();
        naive::forward(&readout, &x, &mut above, None);
        Run { potential: below.potential, spikes: below.spikes, readout: above.potential }
    }

    /// Nothing lies so near a kink or a jump of σ' that a difference could step over it, and nothing runs away.
    fn is_smooth_around(&self, tensors: &Tensors, run: &Run) -> bool {
        let run_away = run.potential.values.iter().chain(&run.readout.values).any(|v| v.abs() > 30.0);
        let surrogate = self.hidden.surrogate;
        let near = |(t, b, j)| {
            let z = surrogate.slope * (run.potential.get(t, b, j) - tensors[NEURONS][2 * HIDDEN + j]);
            let places: &[f64] = &match surrogate.kind {
                SurrogateKind::FastSigmoid | SurrogateKind::Exponential | SurrogateKind::LeakyRelu { .. } => vec![0.0],
                SurrogateKind::Triangle => vec![0.0, 1.0],
                SurrogateKind::Boxcar => vec![0.5],
                SurrogateKind::SpikeRateEscape { offset } => vec![offset],
                SurrogateKind::SparseFastSigmoid { bound } => vec![0.0, surrogate.slope * bound],
                _ => vec![],
            };
            places.iter().any(|place| (z.abs() - place).abs() < 5e-3)
        };
        !run_away && !run.potential.places(0..STEPS as isize).any(near)
    }
}

/// One layer on the device.
struct OnDevice<K: Kernels> {
    shape: Shape,
    model: Model,
    parameters: K::Values,
    constants: K::Values,
    weights: (K::Values, K::Prepared),
    recurrent: Option<(K::Values, K::Prepared)>,
    spikes: Option<K::Activity>,
    tape: K::Values,
    planes: K::Values,
}

impl<K: Kernels> OnDevice<K> {
    fn new(
        kernels: &mut K,
        model: Model,
        begin: &Trace,
        neurons: &[f64],
        drawn: &[f64],
        recurrent: Option<&[f64]>,
    ) -> Self {
        let units = neurons.len() / row::ROWS;
        let shape = Shape { steps: STEPS, batch: BATCH, units };
        let parameters = rows(kernels, units, neurons);
        let mut constants = kernels.values("constants", constant::ROWS * shape.row()).unwrap();
        kernels.constants(model, units, DT, &parameters, &mut constants);
        let tapes = if model.keeps_current() { 2 } else { 1 };
        OnDevice {
            shape,
            model,
            parameters,
            constants,
            weights: weights(kernels, units, drawn),
            recurrent: recurrent.map(|drawn| weights(kernels, units, drawn)),
            spikes: model.spiking.then(|| activity(kernels, ActivityKind::Values, &begin.spikes)),
            tape: kernels.values("tape", tapes * shape.len(STEPS)).unwrap(),
            planes: start(kernels, shape, begin),
        }
    }

    fn forward(&mut self, kernels: &mut K, projection: Projection, inputs: usize, source: &K::Activity, lag: usize) {
        let mut x = kernels.values("drive", self.shape.len(STEPS)).unwrap();
        let recurrent = self.recurrent.as_ref().map(|(weights, prepared)| (weights, prepared));
        let form = kernels.form(self.shape, recurrent.is_some()).0;
        kernels.drive(Drive {
            projection,
            inputs,
            shape: self.shape,
            range: 0..STEPS,
            source,
            lag,
            weights: &self.weights.0,
            constants: &self.constants,
            out: &mut x,
        });
        kernels.forward(
            &x,
            Forward {
                model: self.model,
                shape: self.shape,
                window: Window::whole(self.shape),
                range: 0..STEPS,
                form,
                constants: &self.constants,
                recurrent,
                spikes: self.spikes.as_mut(),
                tape: Some(&mut self.tape),
                active: None,
                planes: &mut self.planes,
                reduce: None,
            },
        );
    }

    /// χ, and the gradients of the neuron parameters: per neuron, and with one value for the layer.
    fn backward(
        &mut self,
        kernels: &mut K,
        gradient_potential: Option<&Grid>,
        gradient_spikes: Option<&K::Values>,
        counts: bool,
    ) -> (K::Values, [Vec<f64>; 2]) {
        let mut chi = kernels.values("chi", self.shape.len(STEPS + FUTURE)).unwrap();
        let recurrent = self.recurrent.as_ref().map(|(weights, prepared)| (weights, prepared));
        let form = kernels.form(self.shape, recurrent.is_some()).1;
        let gradient_potential = gradient_potential.map(|grid| rows(kernels, self.shape.units, &grid.values));
        kernels.backward(Backward {
            model: self.model,
            shape: self.shape,
            window: Window::whole(self.shape),
            range: 0..STEPS,
            form,
            constants: &self.constants,
            recurrent,
            spikes: self.spikes.as_ref(),
            tape: Some(&self.tape),
            gradient_spikes,
            gradient_potential: gradient_potential.as_ref(),
            counts,
            kicks: None,
            reduce: None,
            planes: &mut self.planes,
            chi: &mut chi,
        });
        let learned = self.model.learned;
        let gradients = [false, true].map(|shared| {
            let mode = |learned| (if learned { Mode::Plain } else { Mode::Frozen }, shared);
            let mut out = kernels.values("gradient", row::ROWS * self.shape.row()).unwrap();
            kernels.neuron_gradient(NeuronGradient {
                model: self.model,
                shape: self.shape,
                dt: DT,
                modes: &[learned.tau_syn, learned.tau_mem, learned.threshold, learned.bias].map(mode),
                parameters: &self.parameters,
                constants: &self.constants,
                planes: &self.planes,
                out: &mut out,
            });
            let padded = read(kernels, &out, row::ROWS * self.shape.row());
            stripped("gradient of the neuron parameters", self.shape.units, &padded)
        });
        (chi, gradients)
    }

    fn weight_gradient(
        &self,
        kernels: &mut K,
        projection: Projection,
        inputs: usize,
        source: &K::Activity,
        lag: usize,
        chi: &K::Values,
    ) -> Vec<f64> {
        let len = if projection == Projection::Dense { inputs } else { 1 } * self.shape.row();
        let mut out = kernels.values("gradient", len).unwrap();
        kernels.weight_gradient(WeightGradient {
            projection,
            inputs,
            shape: self.shape,
            window: Window::whole(self.shape),
            source,
            lag,
            chi,
            samples: 0..self.shape.batch,
            accumulate: false,
            out: &mut out,
        });
        stripped("gradient of the weights", self.shape.units, &read(kernels, &out, len))
    }

    fn drive_backward(
        &self,
        kernels: &mut K,
        projection: Projection,
        inputs: usize,
        lag: usize,
        chi: &K::Values,
    ) -> K::Values {
        let below = Shape { units: inputs, ..self.shape };
        let mut out = kernels.values("gradient", below.len(STEPS)).unwrap();
        kernels.drive_backward(DriveBackward {
            projection,
            inputs,
            shape: self.shape,
            lag,
            weights: (&self.weights.0, &self.weights.1),
            chi,
            accumulate: false,
            out: &mut out,
        });
        out
    }
}

/// Both layers on the production kernels.
struct Production<K: Kernels> {
    input: K::Activity,
    hidden: OnDevice<K>,
    readout: OnDevice<K>,
}

impl Network {
    fn forward<K: Kernels>(&self, kernels: &mut K, tensors: &Tensors) -> Production<K> {
        let input = activity(kernels, ActivityKind::Values, &self.input(tensors));
        let recurrent = self.recurrent.then_some(&tensors[RECURRENT][..]);
        let (neurons, drawn) = (&tensors[NEURONS], &tensors[WEIGHTS]);
        let mut hidden = OnDevice::new(kernels, self.hidden, &self.hidden_start, neurons, drawn, recurrent);
        hidden.forward(kernels, self.projection, INPUTS, &input, self.delays.0);
        let (neurons, drawn) = (&tensors[READOUT_NEURONS], &tensors[READOUT_WEIGHTS]);
        let mut readout = OnDevice::new(kernels, self.readout, &self.readout_start, neurons, drawn, None);
        let spikes = hidden.spikes.as_ref().unwrap();
        readout.forward(kernels, Projection::Dense, HIDDEN, spikes, self.readout_lag());
        Production { input, hidden, readout }
    }

    fn run<K: Kernels>(&self, kernels: &mut K, production: &Production<K>) -> Run {
        let Production { hidden, readout, .. } = production;
        Run {
            potential: read_grid(kernels, "V", hidden.shape, &hidden.tape, 0),
            spikes: read_activity(kernels, "S", hidden.shape, hidden.spikes.as_ref().unwrap()),
            readout: read_grid(kernels, "V", readout.shape, &readout.tape, 0),
        }
    }

    /// Every gradient by the contract's backward pass, and those of neuron parameters with one value for the layer.
    fn gradients<K: Kernels>(&self, kernels: &mut K, production: Production<K>) -> (Tensors, [Vec<f64>; 2]) {
        let Production { input, mut hidden, mut readout } = production;
        let (chi, [readout_neurons, readout_shared]) = readout.backward(kernels, Some(&self.on_readout), None, false);
        let spikes = hidden.spikes.as_ref().unwrap();
        let lag = self.readout_lag();
        let readout_weights = readout.weight_gradient(kernels, Projection::Dense, HIDDEN, spikes, lag, &chi);
        let from_above = readout.drive_backward(kernels, Projection::Dense, HIDDEN, lag, &chi);

        let at = |b: usize| (b * plane::PLANES + plane::COUNT_GRADIENT) * hidden.shape.row();
        for (b, sample) in self.on_counts.iter().flat_map(|counts| counts.chunks(HIDDEN)).enumerate() {
            kernels.write(&mut hidden.planes, at(b), &sample.iter().map(|&x| Real::from_f64(x)).collect::<Vec<_>>());
        }
        let (chi, [neurons, shared]) =
            hidden.backward(kernels, self.on_potential.as_ref(), Some(&from_above), self.on_counts.is_some());
        let spikes = hidden.spikes.as_ref().unwrap();
        let r = self.hidden.recurrent_lag;
        let recurrent = hidden.weight_gradient(kernels, Projection::Dense, HIDDEN, spikes, r, &chi);
        let weights = hidden.weight_gradient(kernels, self.projection, INPUTS, &input, self.delays.0, &chi);
        let out = hidden.drive_backward(kernels, self.projection, INPUTS, self.delays.0, &chi);
        let of_input = read_grid(kernels, "gradient of the input", self.shape(INPUTS), &out, 0).values;
        let recurrent = if self.recurrent { recurrent } else { vec![0.0; HIDDEN * HIDDEN] };
        ([of_input, weights, recurrent, neurons, readout_weights, readout_neurons], [shared, readout_shared])
    }
}

/// Slopes of `loss` in every entry of every tensor.
fn slopes(tensors: &Tensors, mut loss: impl FnMut(&Tensors) -> f64) -> Tensors {
    let mut moved = tensors.clone();
    std::array::from_fn(|tensor| {
        (0..tensors[tensor].len())
            .map(|at| {
                let value = tensors[tensor][at];
                let h = 1e-5 * value.abs().max(1.0);
                let mut at_value = |value| {
                    moved[tensor][at] = value;
                    loss(&moved)
                };
                let slope = (at_value(value + h) - at_value(value - h)) / (2.0 * h);
                moved[tensor][at] = value;
                slope
            })
            .collect()
    })
}

/// The relative error of each part of `PARTS` that has a gradient.
fn errors(gradients: &Tensors, slopes: &Tensors) -> Vec<(&'static str, f64)> {
    let mut errors = Vec::new();
    for (name, tensor, from, to) in PARTS {
        let part = from..to.min(slopes[tensor].len());
        let (got, want) = (&gradients[tensor][part.clone()], &slopes[tensor][part]);
        let largest = got.iter().chain(want).fold(0.0, |most: f64, x| most.max(x.abs()));
        let error = got.iter().zip(want).fold(0.0, |most: f64, (got, want)| most.max((got - want).abs()));
        // differences resolve about 1e-10 of a loss of about 1
        if largest > 1e-9 {
            errors.push((name, error / largest.max(1e-3)));
        }
    }
    errors
}

/// The error of each part at one point of the matrix; `seed` draws the rest of the network.
fn audit(switches: Switches, seed: u64) -> Vec<(&'static str, f64)> {
    let kernels = &mut Cpu::<f64>::smooth();
    let (network, tensors, run) = (0..200)
        .find_map(|attempt| {
            let (network, tensors) = draw(switches, 200 * seed + attempt);
            let run = network.naive(&tensors, None);
            network.is_smooth_around(&tensors, &run).then_some((network, tensors, run))
        })
        .unwrap_or_else(|| panic!("{switches:?}: no network away from the kinks"));

    // the smooth forward pass is the naive one
    let production = network.forward(kernels, &tensors);
    let got = network.run(kernels, &production);
    let end = STEPS as isize;
    for (what, got, want) in [
        ("hidden V", &got.potential, &run.potential),
        ("hidden S", &got.spikes, &run.spikes),
        ("readout V", &got.readout, &run.readout),
    ] {
        assert_close(
            &format!("{switches:?}: {what}"),
            &got.part(0..end, 0).values,
            &want.part(0..end, 0).values,
            1e-12,
        );
    }

    let (gradients, shared) = network.gradients(kernels, production);
    let slopes = if network.hidden.detach {
        slopes(&tensors, |tensors| network.loss(&network.naive(tensors, Some(&run.spikes))))
    } else {
        slopes(&tensors, |tensors| {
            let production = network.forward(kernels, tensors);
            network.loss(&network.run(kernels, &production))
        })
    };
    for (tensor, shared, units) in [(NEURONS, &shared[0], HIDDEN), (READOUT_NEURONS, &shared[1], OUTPUTS)] {
        for (row, gradient) in gradients[tensor].chunks(units).enumerate() {
            let mut expected = vec![0.0; units];
            expected[0] = gradient.iter().sum();
            let name = format!("{switches:?}: row {row} with one value for the layer");
            assert_close(&name, &shared[row * units..(row + 1) * units], &expected, 1e-12);
        }
    }
    errors(&gradients, &slopes)
}

/// Audits every point, prints the worst error along each axis, and fails where one is too large.
fn audit_all(points: &[Switches]) {
    let audited: Vec<_> =
        points.par_iter().enumerate().map(|(seed, &switches)| (switches, audit(switches, seed as u64))).collect();
    let mut axes: BTreeMap<String, (f64, usize)> = BTreeMap::new();
    let mut failed = Vec::new();
    for (switches, errors) in &audited {
        let Switches { reset, detach, lag, emit_lag, normalised, synapse, recurrent, kind } = switches;
        let worst = errors.iter().fold(0.0, |most: f64, (_, error)| most.max(*error));
        let mut note = |axis: String, error: f64| {
            let entry = axes.entry(axis).or_default();
            *entry = (entry.0.max(error), entry.1 + 1);
        };
        for axis in [
            format!("reset form     {reset:?}{}", if *detach { ", detached" } else { "" }),
            format!("lag            {lag}"),
            format!("emit lag       {emit_lag}"),
            format!("gain           {}", if *normalised { "1 − β" } else { "1" }),
            format!("synapse        {synapse}"),
            format!("recurrent lag  {recurrent:?}"),
            format!("surrogate      {kind:?}"),
        ] {
            note(axis, worst);
        }
        for &(part, error) in errors {
            note(format!("gradient of    {part}"), error);
            // (a NaN is not below anything)
            if error.is_nan() || error >= ALLOWED {
                failed.push(format!("{error:.1e} in {part} at {switches:?}"));
            }
        }
    }
    println!("{} networks, worst relative error (cases):", points.len());
    for (axis, (error, count)) in &axes {
        println!("  {axis:<45} {error:.1e} ({count})");
    }
    assert!(failed.is_empty(), "{} gradients are wrong:\n{}", failed.len(), failed[..failed.len().min(20)].join("\n"));
}

#[test]
fn reset_differentiated() {
    let points: Vec<Switches> = matrix().into_iter().filter(|switches| !switches.detach).collect();
    audit_all(&points);
}

#[test]
fn reset_detached() {
    let points: Vec<Switches> = matrix().into_iter().filter(|switches| switches.detach).collect();
    audit_all(&points);
}
