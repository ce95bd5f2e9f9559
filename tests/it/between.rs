//! Dropout of spikes and normalisation of the drive: kernels against the formulas, gradients against differences.

use crate::kernels::{
    activity, array, assert_close, on_every_backend, padded, read, read_activity, stripped, tolerance,
};
use crate::naive::Grid;
use spikegrad::cpu::Cpu;
use spikegrad::engine::{Batch, Budget, Core, Gradient, Optimiser};
use spikegrad::kernels::*;
use spikegrad::network::{Dropout as Rate, DropoutPer, Init, Network, Normalise as Drive, Preset, Scale};
use spikegrad::spikes::encode::WHOLE;
use spikegrad::spikes::{Random, Raster, Trace};

#[derive(Debug)]
struct Drop {
    shape: Shape,
    mask: DropoutMask,
    kind: ActivityKind,
    spikes: Grid,
    gradient: Vec<f64>,
    given: Option<Vec<f64>>,
}

fn draw_drop(random: &mut Random) -> Drop {
    let units = [1, 31, 32, 45, 70][random.below(5)];
    let shape = Shape { steps: 1 + random.below(9), batch: 1 + random.below(3), units };
    let mask = DropoutMask {
        keep: [0, WHOLE, WHOLE / 3][random.below(3)],
        per_step: random.below(2) == 0,
        key: random.bits(),
    };
    // Several spikes a step are bytes.
    let (kind, most) = [(ActivityKind::Raster, 2), (ActivityKind::Bytes, 5)][random.below(2)];
    let spikes = Grid::drawn(-2..shape.steps as isize, shape.batch, units, || f64::from(random.below(most) as u8));
    let len = shape.steps * shape.batch * units;
    let mut numbers = || (0..len).map(|_| f64::from(random.normal() as f32)).collect::<Vec<f64>>();
    let (gradient, given) = (numbers(), numbers());
    let given = (random.below(2) == 0).then_some(given);
    Drop { shape, mask, kind, spikes, gradient, given }
}

fn check_drop<K: Kernels>(kernels: &mut K, case: &Drop) {
    let Drop { shape, mask, kind, .. } = *case;
    let kept = |t: isize, b: usize, j: usize| {
        let row = if mask.per_step { (t + 2) as usize } else { 0 };
        (Random::keyed(mask.key).row(row, b).at(j as u64) >> 40) < u64::from(mask.keep)
    };
    let spikes = activity(kernels, kind, &case.spikes);
    let mut out = kernels.activity("test", kind, shape).unwrap();
    kernels.dropout(Dropout { shape, window: Window::whole(shape), mask, spikes: &spikes, out: &mut out });
    let got = read_activity(kernels, "kept spikes", shape, &out);
    for (t, b, j) in case.spikes.places(-2..shape.steps as isize) {
        let want = if kept(t, b, j) { case.spikes.get(t, b, j) } else { 0.0 };
        assert_eq!(got.get(t, b, j), want, "step {t}, sample {b}, unit {j}");
    }
    let mut gradient = array(kernels, &padded(shape.units, &case.gradient));
    let given = case.given.as_ref().map(|given| array(kernels, &padded(shape.units, given)));
    kernels.dropout_backward(DropoutBackward {
        shape,
        window: Window::whole(shape),
        mask,
        given: given.as_ref(),
        gradient: &mut gradient,
    });
    let got = stripped("gradient", shape.units, &read(kernels, &gradient, shape.len(shape.steps)));
    let want: Vec<f64> = (0..got.len())
        .map(|at| {
            let (row, j) = (at / shape.units, at % shape.units);
            let kept = kept((row / shape.batch) as isize, row % shape.batch, j);
            (if kept { case.gradient[at] } else { 0.0 }) + case.given.as_ref().map_or(0.0, |given| given[at])
        })
        .collect();
    assert_close("gradient", &got, &want, 1e-6);
}

on_every_backend!(spikes_are_lost_by_the_mask, 40, draw_drop, check_drop);

#[derive(Debug)]
struct Norm {
    shape: Shape,
    drive: Vec<f64>,
    scale: Vec<f64>,
    shift: Vec<f64>,
    running: [Vec<f64>; 3],
    chi: Vec<f64>,
}

fn draw_norm(random: &mut Random) -> Norm {
    let units = [1, 31, 33, 64, 100][random.below(5)];
    let shape = Shape { steps: 1 + random.below(80), batch: 2 + random.below(3), units };
    let len = shape.steps * shape.batch * units;
    let offset = 3.0 * random.normal();
    let mut numbers = |count: usize, mean: f64, deviation: f64| {
        (0..count).map(|_| f64::from((mean + deviation * random.normal()) as f32)).collect::<Vec<f64>>()
    };
    Norm {
        shape,
        drive: numbers(len, offset, 2.0),
        scale: numbers(units, 1.0, 0.3),
        shift: numbers(units, 0.0, 1.0),
        running: [numbers(units, 0.5, 0.1), numbers(units, 3.0, 0.2), numbers(units, 1.5, 0.1)],
        chi: numbers(len, 0.1, 1.0),
    }
}

fn check_norm<K: Kernels>(kernels: &mut K, case: &Norm) {
    let Norm { shape, .. } = *case;
    let (units, rows) = (shape.units, shape.steps * shape.batch);
    let wide = |rows: &[&Vec<f64>]| rows.iter().flat_map(|row| padded(units, row)).collect::<Vec<f64>>();
    let (epsilon, momentum) = (1e-3, 0.25);
    let parameters = array(kernels, &wide(&[&case.scale, &case.shift]));
    let [means, variances, factors] = &case.running;
    let mut running = array(kernels, &wide(&[means, variances, factors]));
    let column = |values: &[f64], j: usize| values.iter().skip(j).step_by(units).copied().collect::<Vec<f64>>();
    let numbers =
        |kernels: &mut K, values: &K::Values| stripped("values", units, &read(kernels, values, shape.len(shape.steps)));
    // In use: the running statistics, which stay.
    let mut drive = array(kernels, &padded(units, &case.drive));
    kernels.normalise(Normalise {
        shape,
        epsilon,
        parameters: &parameters,
        running: &mut running,
        drive: &mut drive,
        training: None,
    });
    let want = case.drive.iter().enumerate().map(|(at, x)| {
        let j = at % units;
        factors[j] * case.scale[j] * (x - means[j]) / (variances[j] + epsilon).sqrt() + case.shift[j]
    });
    let want: Vec<f64> = want.collect();
    assert_close("in use", &numbers(kernels, &drive), &want, tolerance::<K>(3e-6));
    // In training: those of the batch.
    let mut drive = array(kernels, &padded(units, &case.drive));
    let mut normal = kernels.values("normal", shape.len(shape.steps)).unwrap();
    let mut deviation = kernels.values("deviation", shape.row()).unwrap();
    kernels.normalise(Normalise {
        shape,
        epsilon,
        parameters: &parameters,
        running: &mut running,
        drive: &mut drive,
        training: Some(NormaliseTraining { momentum, normal: &mut normal, deviation: &mut deviation }),
    });
    let count = rows as f64;
    let (mut want, mut back) = (vec![0.0; rows * units], vec![0.0; rows * units]);
    let (mut mean_of, mut variance_of) = (Vec::new(), Vec::new());
    let (mut by_scale, mut by_shift) = (Vec::new(), Vec::new());
    for j in 0..units {
        let (x, g) = (column(&case.drive, j), column(&case.chi, j));
        let mean = x.iter().sum::<f64>() / count;
        let squares = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
        let inverse = 1.0 / (squares / count + epsilon).sqrt();
        let standard: Vec<f64> = x.iter().map(|x| (x - mean) * inverse).collect();
        mean_of.push(0.75 * means[j] + 0.25 * mean);
        variance_of.push(0.75 * variances[j] + 0.25 * squares / (count - 1.0));
        let (sum, product) = (g.iter().sum::<f64>(), g.iter().zip(&standard).map(|(g, n)| g * n).sum::<f64>());
        by_scale.push(factors[j] * product);
        by_shift.push(sum);
        for r in 0..rows {
            let slope = factors[j] * case.scale[j];
            want[r * units + j] = slope * standard[r] + case.shift[j];
            back[r * units + j] = slope * inverse * (g[r] - sum / count - standard[r] * product / count);
        }
    }
    assert_close("in training", &numbers(kernels, &drive), &want, tolerance::<K>(1e-5));
    let all = read(kernels, &running, normal::ROWS * shape.row());
    let all: Vec<&[f64]> = all.chunks(shape.row()).collect();
    assert_close("running mean", &all[normal::MEAN][..units], &mean_of, tolerance::<K>(1e-5));
    assert_close("running variance", &all[normal::VARIANCE][..units], &variance_of, tolerance::<K>(1e-5));
    assert_close("factor", &all[normal::FACTOR][..units], factors, tolerance::<K>(1e-6));
    // The adjoint.
    let mut chi = padded(units, &case.chi);
    chi.resize(shape.len(shape.steps + FUTURE), 0.0);
    let chi = array(kernels, &chi);
    let mut out = kernels.values("out", shape.len(shape.steps + FUTURE)).unwrap();
    let mut gradient = kernels.values("gradient", normal::LEARNED * shape.row()).unwrap();
    kernels.normalise_backward(NormaliseBackward {
        shape,
        parameters: &parameters,
        running: &running,
        normal: &normal,
        deviation: &deviation,
        chi: &chi,
        out: &mut out,
        gradient: &mut gradient,
    });
    assert_close("adjoint", &numbers(kernels, &out), &back, tolerance::<K>(2e-5));
    let got = stripped("gradient", units, &read(kernels, &gradient, normal::LEARNED * shape.row()));
    assert_close("scale and shift", &got, &[by_scale, by_shift].concat(), tolerance::<K>(2e-5));
}

on_every_backend!(drives_are_normalised, 30, draw_norm, check_norm);

/// Two hidden layers, every kind of thing between them.
fn network(per: DropoutPer, rate: f64, normalise: bool) -> Network {
    let normalised = normalise.then(|| Drive { scale: Scale::Threshold, ..Drive::default() });
    Network::builder(7)
        .preset(Preset::Spyx)
        .recurrent(12, |layer| {
            layer.dropout = Some(Rate { rate, per });
            layer.init = Init::Uniform { gain: 2.0 };
            layer.normalise = normalised;
        })
        .hidden(9, |layer| {
            layer.dropout = Some(Rate { rate: rate / 2.0, per });
            layer.init = Init::Uniform { gain: 2.0 };
            layer.normalise = normalised;
        })
        .readout(3)
        .build()
        .unwrap()
}

fn values<F: Real>() -> Batch<F> {
    let random = &mut Random::new(4, 4);
    let values = (0..15 * 3 * 7).map(|_| F::from_f64(f64::from(2.0 * random.normal() as f32))).collect();
    Batch::values(Trace::new(15, 3, 7, values).unwrap())
}

/// A loss of every layer's spikes and of the readout's potential, and its gradient.
fn coefficients() -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let random = &mut Random::new(8, 8);
    let mut of = |units: usize| (0..15 * 3 * units).map(|_| random.normal()).collect::<Vec<f64>>();
    (of(12), of(9), of(3))
}

fn loss(core: &mut Core<Cpu<f64>>, pass: u64) -> f64 {
    let (first, second, readout) = coefficients();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    core.set_pass(pass);
    let mut outputs = core.forward(&values()).unwrap();
    dot(&outputs.spike_values(0).unwrap().values, &first)
        + dot(&outputs.spike_values(1).unwrap().values, &second)
        + dot(&outputs.potential(2).unwrap().values, &readout)
}

#[test]
fn gradients_are_those_of_the_forward_pass() {
    for (per, rate, normalise) in [
        (DropoutPer::Sequence, 0.4, false),
        (DropoutPer::Step, 0.4, false),
        (DropoutPer::Step, 0.0, true),
        (DropoutPer::Step, 0.3, true),
    ] {
        let mut core = Core::new(network(per, rate, normalise), Cpu::<f64>::smooth(), Budget::default()).unwrap();
        core.initialise(3).unwrap();
        let mut parameters = core.parameters().unwrap();
        if normalise {
            for (i, value) in parameters.get_mut("layer1.norm_scale").unwrap().values.iter_mut().enumerate() {
                *value = 0.5 + 0.1 * i as f64;
            }
            core.set_parameters(&parameters).unwrap();
        }
        loss(&mut core, 5);
        let (first, second, readout) = coefficients();
        let gradient = Gradient::none().with_spikes(0, first).with_spikes(1, second).with_potential(2, readout);
        core.backward(&gradient).unwrap();
        let gradients = core.gradients().unwrap();
        let input = core.input_gradient().unwrap();
        let names: Vec<String> = gradients.keys().cloned().collect();
        assert_eq!(names.iter().any(|name| name.ends_with("norm_shift")), normalise);
        for name in names {
            let largest = gradients[&name].values.iter().fold(0.0f64, |most, x| most.max(x.abs()));
            assert!(largest > 1e-3, "{name} has no gradient");
            for at in (0..gradients[&name].values.len()).step_by(5) {
                let mut moved = |by: f64| {
                    let mut parameters = parameters.clone();
                    parameters.get_mut(&name).unwrap().values[at] += by;
                    core.set_parameters(&parameters).unwrap();
                    loss(&mut core, 5)
                };
                let h = 1e-5;
                let slope = (moved(h) - moved(-h)) / (2.0 * h);
                let got = gradients[&name].values[at];
                assert!(
                    (got - slope).abs() < 1e-6 * largest.max(1.0),
                    "{per:?} {rate} {normalise} {name}[{at}]: {got} is not {slope}"
                );
            }
        }
        core.set_parameters(&parameters).unwrap();
        // The input too, and the masks belong to the pass.
        let batch: Batch<f64> = values();
        let spikegrad::engine::Input::Values(trace) = &batch.input else { panic!() };
        let largest = input.values.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        for at in (0..trace.values.len()).step_by(37) {
            let mut moved = |by: f64| {
                let mut trace = trace.clone();
                trace.values[at] += by;
                let (first, second, readout) = coefficients();
                let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
                core.set_pass(5);
                let mut outputs = core.forward(&Batch::values(trace)).unwrap();
                dot(&outputs.spike_values(0).unwrap().values, &first)
                    + dot(&outputs.spike_values(1).unwrap().values, &second)
                    + dot(&outputs.potential(2).unwrap().values, &readout)
            };
            let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((input.values[at] - slope).abs() < 1e-6 * largest.max(1.0), "input[{at}]");
        }
        let (same, other) = (loss(&mut core, 5), loss(&mut core, 6));
        assert_eq!(loss(&mut core, 5), same);
        assert_eq!(other != same, rate > 0.0);
    }
}

fn spikes() -> Batch<f32> {
    let mut input = Raster::new(40, 6, 7);
    let random = &mut Random::new(6, 6);
    (0..40 * 6 * 7)
        .filter(|_| random.below(3) == 0)
        .collect::<Vec<usize>>()
        .into_iter()
        .for_each(|i| input.set(i / 42, i / 7 % 6, i % 7));
    Batch::spikes(input).with_labels((0..6).map(|b| b % 3).collect())
}

#[test]
fn dropout_is_for_training_only_and_keeps_the_mean() {
    let wide = |rate: f64, per| {
        let network = Network::builder(7)
            .hidden(400, |layer| {
                layer.init = Init::Uniform { gain: 10.0 };
                layer.dropout = Some(Rate { rate, per });
            })
            .readout(3)
            .build()
            .unwrap();
        let mut core = Core::new(network, Cpu::<f32>::new(), Budget::default()).unwrap();
        core.initialise(1).unwrap();
        core
    };
    for per in [DropoutPer::Sequence, DropoutPer::Step] {
        let (mut with, mut without) = (wide(0.5, per), wide(0.0, per));
        let reference = without.infer(&spikes()).unwrap().activation().unwrap();
        assert_eq!(with.infer(&spikes()).unwrap().activation().unwrap(), reference);
        let mut sums = vec![0.0; reference.len()];
        let mut passes = Vec::new();
        for _ in 0..200 {
            with.forward(&spikes()).unwrap();
            let trace = with.outputs().unwrap().potential(1).unwrap();
            let last = &trace.values[39 * 18..];
            sums.iter_mut().zip(last).for_each(|(sum, x)| *sum += f64::from(*x) / 200.0);
            passes.push(last.to_vec());
        }
        assert_ne!(passes[0], passes[1], "each pass has a mask of its own");
        without.forward(&spikes()).unwrap();
        let whole = without.outputs().unwrap().potential(1).unwrap();
        for (at, (&mean, &whole)) in sums.iter().zip(&whole.values[39 * 18..]).enumerate() {
            let deviation = passes.iter().map(|pass| (f64::from(pass[at]) - mean).powi(2)).sum::<f64>() / 200.0;
            assert!(deviation > 0.0);
            let error = (deviation / 200.0).sqrt();
            assert!((mean - f64::from(whole)).abs() < 5.0 * error, "{mean} ± {error} is not {whole}");
        }
    }
}

/// Gradients and the potential of a training pass.
fn pass<K: Kernels>(kernels: K) -> (Vec<f64>, Vec<f64>) {
    let mut core = Core::new(network(DropoutPer::Step, 0.4, true), kernels, Budget::default()).unwrap();
    core.initialise(3).unwrap();
    core.set_pass(7);
    core.forward(&values()).unwrap();
    let potential = core.outputs().unwrap().potential(2).unwrap();
    let (first, second, readout) = coefficients();
    let real = |values: Vec<f64>| values.into_iter().map(K::Real::from_f64).collect::<Vec<K::Real>>();
    let gradient = Gradient::none().with_spikes(0, real(first)).with_spikes(1, real(second));
    core.backward(&gradient.with_potential(2, real(readout))).unwrap();
    let mut all = Vec::new();
    for (_, tensor) in core.gradients().unwrap() {
        let largest = tensor.values.iter().fold(1e-6f64, |most, x| most.max(x.to_f64().abs()));
        all.extend(tensor.values.iter().map(|value| value.to_f64() / largest));
    }
    (potential.values.iter().map(|value| value.to_f64()).collect(), all)
}

#[test]
fn every_backend_takes_the_same_pass() {
    let (potential, gradients) = pass(Cpu::<f64>::new());
    let same = |name: &str, (own, slopes): (Vec<f64>, Vec<f64>)| {
        assert_close(&format!("{name}: potential"), &own, &potential, 1e-4);
        assert_close(&format!("{name}: gradients"), &slopes, &gradients, 1e-3);
    };
    same("CPU", pass(Cpu::<f32>::new()));
    #[cfg(feature = "gpu")]
    if let Some(gpu) = crate::kernels::gpu() {
        same("GPU", pass(gpu));
    }
}

#[test]
fn a_normalised_network_trains_and_is_restored() {
    let network = Network::builder(7)
        .hidden(30, |layer| layer.normalise = Some(Drive { scale: Scale::Number(2.0), ..Drive::default() }))
        .hidden(20, |layer| {
            layer.normalise = Some(Drive::default());
            layer.dropout = Some(Rate { rate: 0.2, per: DropoutPer::Step });
        })
        .readout(3)
        .build()
        .unwrap();
    let rule = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0 };
    let optimiser = Optimiser { max_norm: Some(5.0), ..Optimiser::new(rule, 0.02) };
    let mut core = Core::new(network.clone(), Cpu::<f32>::new(), Budget::default()).unwrap();
    core.initialise(2).unwrap();
    let start = core.parameters().unwrap();
    for _ in 0..60 {
        core.train(&spikes(), &optimiser).unwrap();
    }
    let metrics = core.metrics().unwrap();
    assert!(metrics[59].loss < 0.5 * metrics[0].loss, "{} to {}", metrics[0].loss, metrics[59].loss);
    let (parameters, state) = (core.parameters().unwrap(), core.optimiser_state().unwrap());
    for name in ["norm_scale", "norm_shift", "norm_mean", "norm_variance"] {
        let name = format!("layer0.{name}");
        assert_ne!(parameters[&name], start[&name], "{name}");
    }
    // In use the running statistics stand for those of the batch, and a stream equals the whole.
    core.infer(&spikes()).unwrap();
    assert!(core.metrics().unwrap()[0].loss < 0.7 * metrics[0].loss);
    let mut restored = Core::new(network, Cpu::<f32>::new(), Budget::default()).unwrap();
    restored.initialise(2).unwrap();
    restored.set_parameters(&parameters).unwrap();
    restored.set_optimiser_state(rule, &state).unwrap();
    for core in [&mut core, &mut restored] {
        core.train(&spikes(), &optimiser).unwrap();
    }
    assert_eq!(core.parameters().unwrap(), restored.parameters().unwrap());
    core.stream(&spikes()).unwrap();
    let error = core.backward(&Gradient::loss()).unwrap_err().to_string();
    assert!(error.contains("stream"), "{error}");
}

#[test]
fn dropout_and_normalisation_in_a_file() {
    let file =
        |own: &str| Network::from_toml(&format!("inputs = 3\n[[layer]]\nunits = 4\n{own}\n[[layer]]\nunits = 2\n"));
    let network =
        file("dropout = { rate = 0.2, per = \"step\" }\nnormalise = { kind = \"batch\", scale = \"threshold\" }")
            .unwrap();
    assert_eq!(network.layers[0].dropout, Some(Rate { rate: 0.2, per: DropoutPer::Step }));
    assert_eq!(network.layers[0].normalise.unwrap().scale, Scale::Threshold);
    assert_eq!(Network::from_toml(&network.to_toml()).unwrap(), network);
    assert_eq!(file("normalise = { scale = 2 }").unwrap().layers[0].normalise.unwrap().scale, Scale::Number(2.0));
    for (own, words) in [
        ("dropout = { rate = 1.0 }", vec!["layer[0].dropout.rate (line 4)", "below 1"]),
        ("dropout = { rate = 0.1, per = \"batch\" }", vec!["layer[0].dropout.per", "unknown variant"]),
        ("normalise = { kind = \"bach\" }", vec!["layer[0].normalise.kind", "did you mean batch?"]),
        ("normalise = { momentum = 0 }", vec!["layer[0].normalise.momentum"]),
        ("normalise = { scale = \"theta\" }", vec!["layer[0].normalise.scale", "threshold"]),
        ("bias = true\nnormalise = {}", vec!["layer[0].bias", "shift"]),
    ] {
        let error = file(own).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    let last = "inputs = 3\n[[layer]]\nunits = 4\n[[layer]]\nunits = 2\ndropout = { rate = 0.1 }\n";
    assert!(Network::from_toml(last).unwrap_err().to_string().contains("layer[1].dropout"));
}
