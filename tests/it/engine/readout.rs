//! Readouts, losses and lengths of whole networks, against the formulas written out on the recordings.

use super::{adam, cpu, labels, noise};
use crate::naive::{self, Grid};
use spikegrad::cpu::Cpu;
use spikegrad::engine::{Batch, Budget, Core, Gradient, Input, Parameters};
use spikegrad::kernels::{Kernels, Pooling, Real};
use spikegrad::network::{Average, Init, Inverse, Loss, Network, Of, Reduction, Regulariser, Term};
use spikegrad::spikes::Raster;

const STEPS: usize = 12;
const BATCH: usize = 5;
const INPUTS: usize = 10;

/// A network whose last layer spikes (else is an `li`) with `units` units.
fn network(spiking: bool, units: usize, losses: Vec<Term>) -> Network {
    let wide = Init::Uniform { gain: 6.0 };
    let builder = Network::builder(INPUTS).recurrent(15, |layer| layer.init = wide);
    let builder = if spiking {
        builder.hidden(units, |layer| {
            layer.init = wide;
            layer.neuron.emit_lag = 1;
        })
    } else {
        builder.readout(units)
    };
    builder.losses(losses).build().unwrap()
}

/// What a loss needs besides the recordings.
#[derive(Clone, Default)]
struct Answers {
    labels: Vec<u32>,
    step_labels: Option<Vec<u32>>,
    mask: Option<Vec<bool>>,
    targets: Option<Vec<f64>>,
    lengths: Vec<u32>,
}

impl Answers {
    fn batch<F: Real>(&self, input: Raster) -> Batch<F> {
        let mut batch = Batch::new(Input::Spikes(input)).with_labels(self.labels.clone());
        batch.step_labels = self.step_labels.clone();
        batch.mask = self.mask.clone();
        batch.targets = self.targets.as_ref().map(|all| all.iter().map(|&target| F::from_f64(target)).collect());
        batch.lengths = Some(self.lengths.clone());
        batch
    }
}

/// ℓ of the scores of one sample or step, class weights not normalised; `length` is that of the sample.
fn criterion(term: &Term, s: &[f64], y: usize, targets: &[f64], length: f64, group: f64) -> f64 {
    let classes = s.len() as f64;
    match &term.loss {
        Loss::CrossEntropy { label_smoothing, class_weights, .. } => {
            let w = |c: usize| class_weights.get(c).copied().unwrap_or(1.0);
            let log_sum = s.iter().map(|s| s.exp()).sum::<f64>().ln();
            let smooth: f64 = (0..s.len()).map(|c| w(c) * (log_sum - s[c])).sum();
            (1.0 - label_smoothing) * w(y) * (log_sum - s[y]) + label_smoothing / classes * smooth
        }
        Loss::Nll { class_weights, .. } => -class_weights.get(y).copied().unwrap_or(1.0) * s[y],
        Loss::Mse { on_target, off_target, correct_rate, incorrect_rate, tolerance, class_weights, average } => {
            let w = class_weights.get(y).copied().unwrap_or(1.0);
            let classes = if *average == Average::None { 1.0 } else { classes };
            let time = term.reduce == Reduction::FirstSpike;
            let goal = |c: usize| match (on_target, correct_rate) {
                (Some(on), _) => {
                    let step = if c == y { *on } else { off_target.unwrap() };
                    if time && step < 0.0 { length + step } else { step }
                }
                (_, Some(rate)) => (length * if c == y { *rate } else { incorrect_rate.unwrap() } * group).floor(),
                _ => targets[c],
            };
            let mean = (0..s.len())
                .map(|c| {
                    let error = s[c] - goal(c);
                    let error = if error.abs() < *tolerance { 0.0 } else { error };
                    (error / if time { length } else { 1.0 }).powi(2)
                })
                .sum::<f64>()
                * w
                / classes;
            if correct_rate.is_some() { mean / length } else { mean }
        }
    }
}

/// The loss of one term from activations (`every_step`: of all steps).
fn value(term: &Term, answers: &Answers, activation: &Grid) -> f64 {
    let units = activation.units;
    let classes = term.classes.unwrap_or(units);
    let group = units / classes;
    let batch = activation.batch;
    let every_step = term.reduce == Reduction::EveryStep;
    let weights = term.loss.class_weights();
    let average = term.loss.average();
    let weight = |y: u32| if weights.is_empty() || average != Average::Weights { 1.0 } else { weights[y as usize] };
    let by_step = every_step && (answers.step_labels.is_some() || answers.mask.is_some());
    let (mut sum, mut total) = (0.0, 0.0);
    for b in 0..batch {
        let length = f64::from(answers.lengths[b]);
        let mut of_sample = 0.0;
        for t in 0..if every_step { answers.lengths[b] as usize } else { 1 } {
            let cell = t * batch + b;
            if by_step && answers.mask.as_ref().is_some_and(|mask| !mask[cell]) {
                continue;
            }
            let y = match &answers.step_labels {
                Some(labels) if every_step => labels[cell],
                _ => answers.labels[b],
            };
            let s: Vec<f64> = (0..classes)
                .map(|c| {
                    let units = c * group..(c + 1) * group;
                    units
                        .map(|j| match &term.loss {
                            Loss::CrossEntropy { inverse, .. } if term.reduce == Reduction::FirstSpike => {
                                let time = activation.get(t as isize, b, j);
                                if *inverse == Inverse::Negate { -time } else { 1.0 / (time + 1.0) }
                            }
                            _ => activation.get(t as isize, b, j),
                        })
                        .sum()
                })
                .collect();
            let targets = answers.targets.as_ref().map_or(Vec::new(), |targets| {
                let at = if targets.len() == batch * classes { b } else { cell };
                targets[at * classes..(at + 1) * classes].to_vec()
            });
            let loss = criterion(term, &s, y as usize, &targets, length, group as f64);
            if by_step {
                sum += loss;
                total += if term.loss.is_given() { 1.0 } else { weight(y) };
            } else {
                of_sample += loss / if every_step { length } else { 1.0 };
            }
        }
        if !by_step {
            sum += of_sample;
            total += if term.loss.is_given() { 1.0 } else { weight(answers.labels[b]) };
        }
    }
    term.weight * sum / if average == Average::None { 1.0 } else { total }
}

/// Value and gradient with respect to the recording, the latter from differences.
fn by_formula(term: &Term, answers: &Answers, recording: &Grid) -> (f64, Grid) {
    let pooling = match term.reduce {
        Reduction::Max => Some(Pooling::Max),
        Reduction::Sum | Reduction::Count => Some(Pooling::Sum),
        Reduction::Mean => Some(Pooling::Mean),
        Reduction::Last => Some(Pooling::Last),
        Reduction::FirstSpike => Some(Pooling::Spike(term.spike)),
        Reduction::EveryStep => None,
    };
    let slopes = |at: &Grid| {
        let h = 1e-4;
        let mut moved = at.clone();
        let mut out = at.clone();
        for i in 0..at.values.len() {
            let mut of = |x: f64| {
                moved.values[i] = x;
                let value = value(term, answers, &moved);
                moved.values[i] = at.values[i];
                value
            };
            let x = at.values[i];
            out.values[i] = (8.0 * (of(x + h) - of(x - h)) - (of(x + 2.0 * h) - of(x - 2.0 * h))) / (12.0 * h);
        }
        out
    };
    let Some(pooling) = pooling else { return (value(term, answers, recording), slopes(recording)) };
    let (activation, step) = naive::collapse(pooling, recording, &answers.lengths);
    let mut grid = Grid::new(0..1, recording.batch, recording.units);
    grid.values = activation;
    let gradient = slopes(&grid);
    let steps = recording.steps.len();
    (value(term, answers, &grid), naive::spread(pooling, steps, &answers.lengths, &gradient.values, &step))
}

fn grid(units: usize, values: Vec<f64>) -> Grid {
    Grid { steps: 0..STEPS as isize, batch: BATCH, units, values }
}

fn largest<F: Real>(parameters: &Parameters<F>) -> f64 {
    parameters.values().flat_map(|tensor| &tensor.values).fold(0.0, |most: f64, x| most.max(x.to_f64().abs()))
}

/// Loss and all gradients of a network equal those of the formulas on its own recordings.
fn check<K: Kernels>(kernels: K, network: &Network, answers: &Answers, tolerance: f64) -> (K, f64) {
    let mut core = Core::new(network.clone(), kernels, Budget::default()).unwrap();
    core.initialise(4).unwrap();
    let batch = answers.batch(noise(STEPS, BATCH, INPUTS, 0.4, 8));
    let top = network.layers.len() - 1;
    let (units, spiking) = (network.outputs(), network.layers[top].neuron.spiking());
    let real = |values: Vec<K::Real>| values.into_iter().map(Real::to_f64).collect::<Vec<f64>>();

    let mut outputs = core.forward(&batch).unwrap();
    let loss = outputs.loss().unwrap();
    let potential = grid(units, real(outputs.potential(top).unwrap().values));
    let spikes = spiking.then(|| grid(units, real(outputs.spike_values(top).unwrap().values)));
    core.backward(&Gradient::loss()).unwrap();
    let built_in = core.gradients().unwrap();
    let inferred = core.infer(&batch).unwrap().loss().unwrap();
    assert_eq!(inferred, loss, "infer gives the same loss as forward");

    let (mut expected, mut on_potential, mut on_spikes) = (0.0, vec![0.0; potential.values.len()], None);
    for term in &network.readout.losses {
        let of = network.reads(term);
        let recording = if of == Of::Potential { &potential } else { spikes.as_ref().unwrap() };
        let (value, gradient) = by_formula(term, answers, recording);
        expected += value;
        let into = match of {
            Of::Potential => &mut on_potential,
            Of::Spikes => on_spikes.get_or_insert_with(|| vec![0.0; potential.values.len()]),
        };
        into.iter_mut().zip(gradient.values).for_each(|(sum, gradient)| *sum += gradient);
    }
    let what = &network.readout;
    assert!((loss - expected).abs() <= tolerance * expected.abs().max(1.0), "{what:?}: loss {loss}, not {expected}");
    let convert = |values: Vec<f64>| values.into_iter().map(K::Real::from_f64).collect::<Vec<_>>();
    let mut own = Gradient::none().with_potential(top, convert(on_potential));
    if let Some(values) = on_spikes {
        own = own.with_spikes(top, convert(values));
    }
    core.forward(&batch).unwrap();
    core.backward(&own).unwrap();
    let own = core.gradients().unwrap();
    let most = largest(&own);
    assert!(most > 0.0, "{what:?}: no gradient at all, nothing is tested");
    for (name, tensor) in &own {
        for (own, built_in) in tensor.values.iter().zip(&built_in[name].values) {
            let (own, built_in) = (own.to_f64(), built_in.to_f64());
            assert!((own - built_in).abs() <= 10.0 * tolerance * most, "{what:?}: {name}: {built_in}, not {own}");
        }
    }
    (core.into_kernels(), most)
}

/// One loss, where it runs, and which answers it wants besides labels.
struct Case {
    spiking: bool,
    units: usize,
    losses: Vec<Term>,
    answers: Answers,
}

fn plain_answers(classes: usize) -> Answers {
    Answers { labels: labels(BATCH, classes), lengths: vec![STEPS as u32; BATCH], ..Answers::default() }
}

fn ragged(answers: Answers) -> Answers {
    Answers { lengths: vec![STEPS as u32, 1, 7, 4, 11], ..answers }
}

fn weighted(smoothing: f64, classes: usize) -> Loss {
    let mut loss = Loss::cross_entropy().weighted(weights(classes), Average::Weights);
    if let Loss::CrossEntropy { label_smoothing, .. } = &mut loss {
        *label_smoothing = smoothing;
    }
    loss
}

fn weights(classes: usize) -> Vec<f64> {
    (0..classes).map(|c| 0.5 + c as f64).collect()
}

fn tolerant(mut loss: Loss, by: f64) -> Loss {
    if let Loss::Mse { tolerance, .. } = &mut loss {
        *tolerance = by;
    }
    loss
}

fn cases() -> Vec<Case> {
    use Reduction::*;
    let ce = Loss::cross_entropy;
    let mut all = Vec::new();
    let mut reciprocal = weighted(0.1, 4);
    if let Loss::CrossEntropy { inverse, .. } = &mut reciprocal {
        *inverse = Inverse::Reciprocal;
    }
    let losses = [
        ce(),
        weighted(0.0, 4),
        weighted(0.2, 4),
        ce().weighted(weights(4), Average::Samples),
        ce().weighted(weights(4), Average::None),
        Loss::nll(),
        Loss::mse_to(1.0, -0.25),
        Loss::mse_to(1.0, -0.25).weighted(weights(4), Average::Samples),
        Loss::mse_to(1.0, -0.25).weighted(weights(4), Average::None),
    ];
    for spiking in [false, true] {
        for loss in &losses {
            for reduce in [Max, Sum, Mean, Last, EveryStep] {
                let term = Term::new(reduce, loss.clone());
                all.push((spiking, 4, vec![term.clone().of(Of::Potential)], plain_answers(4)));
                if spiking && reduce != Max && reduce != Last {
                    all.push((spiking, 4, vec![term], plain_answers(4)));
                }
            }
        }
    }
    let spiking = [
        Term::new(Count, ce()),
        Term::new(Count, Loss::mse_rate(0.8, 0.15)),
        Term::new(Count, Loss::mse_rate(0.8, 0.15)).classes(2),
        Term::new(Count, weighted(0.1, 2)).classes(2),
        Term::new(EveryStep, ce()).classes(2),
        Term::new(FirstSpike, ce()),
        Term::new(FirstSpike, reciprocal),
        Term::new(FirstSpike, Loss::mse_to(0.0, -1.0)),
        Term::new(FirstSpike, tolerant(Loss::mse_to(5.0, -2.0), 3.0)),
        Term { spike: 2, ..Term::new(FirstSpike, Loss::mse_to(2.0, 9.0)) },
    ];
    for term in spiking {
        let classes = term.classes.unwrap_or(4);
        all.push((true, 4, vec![term], plain_answers(classes)));
    }
    // sums, on both recordings
    let both = vec![
        Term::new(Count, ce()).weight(0.3),
        Term::new(Max, weighted(0.1, 4)).of(Of::Potential).weight(2.0),
        Term::new(EveryStep, Loss::mse_to(1.0, 0.0)).of(Of::Potential).weight(0.5),
        Term::new(FirstSpike, Loss::mse_to(0.0, -1.0)).weight(0.1),
    ];
    all.push((true, 4, both, plain_answers(4)));
    let two = vec![Term::new(Max, ce()), Term::new(Mean, Loss::mse_to(0.5, 0.0)).weight(0.5)];
    all.push((false, 4, two, plain_answers(4)));
    // labels and targets of steps
    let step_labels =
        |labels: &[u32]| -> Vec<u32> { (0..STEPS * BATCH).map(|cell| labels[cell % labels.len()]).collect() };
    let mask: Vec<bool> = (0..STEPS * BATCH).map(|cell| cell % 3 != 1).collect();
    let stepwise = Answers { step_labels: Some(step_labels(&[0, 3, 1, 2, 2, 0, 1])), ..plain_answers(4) };
    let masked = Answers { mask: Some(mask.clone()), ..stepwise.clone() };
    let numbers = |count: usize| (0..count).map(|i| ((i * 7 % 11) as f64 - 5.0) / 6.0).collect::<Vec<f64>>();
    for spiking in [false, true] {
        for answers in [&stepwise, &masked] {
            for loss in [ce(), weighted(0.1, 4), Loss::mse_to(1.0, 0.0)] {
                all.push((spiking, 4, vec![Term::new(EveryStep, loss)], answers.clone()));
            }
        }
        let each = Answers { targets: Some(numbers(BATCH * 4)), ..plain_answers(4) };
        let step = Answers { targets: Some(numbers(STEPS * BATCH * 4)), ..plain_answers(4) };
        let step_masked = Answers { mask: Some(mask.clone()), ..step.clone() };
        for reduce in [Mean, EveryStep] {
            all.push((spiking, 4, vec![Term::new(reduce, Loss::mse())], each.clone()));
        }
        for answers in [step, step_masked] {
            all.push((spiking, 4, vec![Term::new(EveryStep, Loss::mse())], answers));
        }
    }
    // each of them with lengths as well
    let both = all.into_iter().flat_map(|(spiking, units, losses, answers)| {
        let of = |answers| Case { spiking, units, losses: losses.clone(), answers };
        [of(answers.clone()), of(ragged(answers))]
    });
    both.collect()
}

#[test]
fn every_loss_and_its_gradient_are_the_formulas_in_f64() {
    for case in cases() {
        let network = network(case.spiking, case.units, case.losses);
        check(Cpu::<f64>::new(), &network, &case.answers, 1e-9);
    }
}

#[test]
fn every_loss_and_its_gradient_are_the_formulas_in_f32() {
    for case in cases() {
        let network = network(case.spiking, case.units, case.losses);
        check(Cpu::<f32>::new(), &network, &case.answers, 1e-5);
    }
}

#[cfg(feature = "gpu")]
#[test]
fn every_loss_and_its_gradient_are_the_formulas_on_a_gpu() {
    let Some(mut gpu) = spikegrad::gpu::Gpu::for_tests() else {
        return eprintln!("skipped: no adapter");
    };
    for case in cases() {
        let network = network(case.spiking, case.units, case.losses);
        (gpu, _) = check(gpu, &network, &case.answers, 1e-5);
    }
}

#[test]
fn counting_spikes_is_a_loss_that_learns() {
    let wide = Init::Uniform { gain: 6.0 };
    let network =
        Network::builder(20).recurrent(40, |layer| layer.init = wide).hidden(4, |layer| layer.init = wide).build();
    let mut core = cpu(network.unwrap());
    assert_eq!(core.network().readout.losses[0].reduce, Reduction::Count, "what a spiking output is read by");
    core.initialise(3).unwrap();
    let batch = Batch::spikes(noise(30, 8, 20, 0.3, 1)).with_labels(labels(8, 4));
    for _ in 0..80 {
        core.train(&batch, &adam(0.01)).unwrap();
    }
    let metrics = core.metrics().unwrap();
    let (first, last) = (&metrics[0], &metrics[79]);
    assert!(last.loss < 0.3 * first.loss, "{} to {}", first.loss, last.loss);
    assert_eq!((last.correct, last.answers), (8, 8));
    let answers = core.infer(&batch).unwrap().answers().unwrap();
    assert_eq!(answers, labels(8, 4));
}

/// Networks whose every part looks at the steps of a sample: regularisers, counts, all kinds of readout.
fn watched() -> Vec<Network> {
    let losses = [
        (false, vec![Term::new(Reduction::Max, Loss::cross_entropy())]),
        (false, vec![Term::new(Reduction::Mean, Loss::cross_entropy())]),
        (false, vec![Term::new(Reduction::EveryStep, Loss::cross_entropy())]),
        (true, vec![Term::new(Reduction::Count, Loss::cross_entropy())]),
        (true, vec![Term::new(Reduction::FirstSpike, Loss::mse_to(0.0, -1.0))]),
        (
            true,
            vec![
                Term::new(Reduction::Last, Loss::cross_entropy()),
                Term::new(Reduction::EveryStep, Loss::mse_to(1.0, 0.0)).of(Of::Potential),
            ],
        ),
    ];
    losses
        .into_iter()
        .map(|(spiking, losses)| {
            let mut network = network(spiking, 4, losses);
            network.layers[0].regularise = vec![
                Regulariser::Lower { strength: 0.5, target: 4.0 },
                Regulariser::Upper { strength: 0.1, target: 0.2, exponent: 2 },
                Regulariser::L2 { strength: 0.01 },
            ];
            network.layers[0].neuron.tau_mem.learned = true;
            network
        })
        .collect()
}

#[test]
fn what_comes_after_the_end_of_a_sample_changes_not_a_bit() {
    let lengths = vec![12, 1, 7, 4, 11];
    for network in watched() {
        let run = |input: Raster| {
            let mut core = cpu(network.clone());
            core.initialise(5).unwrap();
            let batch = Batch::spikes(input).with_labels(labels(BATCH, 4)).with_lengths(lengths.clone());
            core.forward(&batch).unwrap();
            core.backward(&Gradient::loss()).unwrap();
            let gradients = core.gradients().unwrap();
            let input = core.input_gradient().unwrap();
            (core.metrics().unwrap(), gradients, input)
        };
        let (plain, other) = (noise(STEPS, BATCH, INPUTS, 0.4, 8), noise(STEPS, BATCH, INPUTS, 0.6, 77));
        let mut changed = Raster::new(STEPS, BATCH, INPUTS);
        for t in 0..STEPS {
            for b in 0..BATCH {
                let from = if t < lengths[b] as usize { &plain } else { &other };
                (0..INPUTS).filter(|&n| from.get(t, b, n)).for_each(|n| changed.set(t, b, n));
            }
        }
        assert_ne!(plain, changed);
        let (metrics, gradients, input) = run(plain);
        assert!(largest(&gradients) > 0.0);
        let again = run(changed);
        assert_eq!(metrics, again.0, "{:?}", network.readout);
        assert_eq!(gradients, again.1, "{:?}", network.readout);
        for (at, (value, again)) in input.values.iter().zip(&again.2.values).enumerate() {
            let (t, b) = (at / INPUTS / BATCH, at / INPUTS % BATCH);
            let past = t >= lengths[b] as usize;
            assert!(value == again && (!past || *value == 0.0), "dL/d input at step {t} of sample {b}: {value}");
        }
    }
}

#[test]
fn a_padded_sample_equals_the_short_one() {
    for network in watched() {
        let mut core = cpu(network.clone());
        core.initialise(5).unwrap();
        let mut run = |input: Raster, lengths: Option<Vec<u32>>| {
            let batch = Batch { lengths, ..Batch::spikes(input).with_labels(vec![2, 1]) };
            core.forward(&batch).unwrap();
            core.backward(&Gradient::loss()).unwrap();
            (core.metrics().unwrap().remove(0), core.gradients().unwrap())
        };
        let short = noise(8, 2, INPUTS, 0.4, 8);
        let mut words = short.words().to_vec();
        words.resize(words.len() * 3, 0xffff_ffff >> (32 - INPUTS));
        let (expected, gradients) = run(short, None);
        let (metrics, padded) = run(Raster::from_words(24, 2, INPUTS, words).unwrap(), Some(vec![8, 8]));
        assert!((metrics.loss - expected.loss).abs() <= 1e-6 * expected.loss, "{metrics:?} {expected:?}");
        assert!((metrics.regulariser - expected.regulariser).abs() <= 1e-6 * expected.regulariser);
        assert_eq!((metrics.spikes, metrics.correct), (expected.spikes, expected.correct));
        let most = largest(&gradients);
        for (name, tensor) in gradients {
            for (own, padded) in tensor.values.iter().zip(&padded[&name].values) {
                assert!(
                    f64::from((own - padded).abs()) <= 1e-5 * most,
                    "{:?} {name}: {padded}, not {own}",
                    network.readout
                );
            }
        }
    }
}

#[test]
fn masked_steps_give_nothing() {
    let network = network(false, 4, vec![Term::new(Reduction::EveryStep, Loss::cross_entropy())]);
    let mut core = cpu(network);
    let input = noise(STEPS, BATCH, INPUTS, 0.4, 8);
    let mut run = |wrong: u32, mask: Vec<bool>| {
        let labels: Vec<u32> = (0..STEPS * BATCH).map(|at| if mask[at] { 1 } else { wrong }).collect();
        core.forward(&Batch::spikes(input.clone()).with_step_labels(labels).with_mask(mask)).unwrap();
        core.backward(&Gradient::loss()).unwrap();
        (core.metrics().unwrap().remove(0), core.gradients().unwrap())
    };
    let mask: Vec<bool> = (0..STEPS * BATCH).map(|at| at % 4 == 0).collect();
    let (metrics, gradients) = run(0, mask.clone());
    assert_eq!(metrics.answers, 15, "the labels of the steps that count");
    assert!(metrics.correct <= 15);
    // A masked label need not even be a class.
    assert_eq!((metrics, gradients), run(u32::MAX, mask));
}

#[test]
fn the_sum_of_losses_has_the_sum_of_gradients() {
    let terms = [
        Term::new(Reduction::Count, Loss::cross_entropy()),
        Term::new(Reduction::Max, Loss::cross_entropy()).of(Of::Potential),
        Term::new(Reduction::EveryStep, Loss::mse_to(1.0, 0.0)),
    ];
    let run = |terms: Vec<Term>| {
        let network = network(true, 4, terms);
        let mut core: Core<Cpu<f64>> = Core::new(network, Cpu::new(), Budget::default()).unwrap();
        let batch = plain_answers(4).batch(noise(STEPS, BATCH, INPUTS, 0.4, 8));
        let loss = core.forward(&batch).unwrap().loss().unwrap();
        core.backward(&Gradient::loss()).unwrap();
        (loss, core.gradients().unwrap())
    };
    let factors = [0.5, 2.0, 3.0];
    let (loss, gradients) = run(terms.iter().zip(factors).map(|(term, weight)| term.clone().weight(weight)).collect());
    let alone: Vec<_> = terms.iter().map(|term| run(vec![term.clone()])).collect();
    let sum: f64 = alone.iter().zip(factors).map(|((loss, _), factor)| factor * loss).sum();
    assert!((loss - sum).abs() < 1e-12);
    let most = largest(&gradients);
    for (name, tensor) in gradients {
        for (at, value) in tensor.values.iter().enumerate() {
            let sum: f64 = alone.iter().zip(factors).map(|((_, all), factor)| factor * all[&name].values[at]).sum();
            assert!((value - sum).abs() <= 1e-12 * most, "{name}[{at}] is {value}, not {sum}");
        }
    }
}

#[test]
fn an_answer_can_be_counted_by_another_reduction() {
    let mut network = network(true, 4, vec![Term::new(Reduction::Count, Loss::cross_entropy())]);
    let top = network.layers.len() - 1;
    network.layers[top].init = Init::Uniform { gain: 20.0 };
    let batch = Batch::<f32>::spikes(noise(STEPS, 32, INPUTS, 0.4, 8)).with_labels(labels(32, 4));
    let by = |network: &Network| {
        let mut core = cpu(network.clone());
        let mut outputs = core.forward(&batch).unwrap();
        let (answers, correct) = (outputs.answers().unwrap(), outputs.correct().unwrap());
        let matching = answers.iter().zip(labels(32, 4)).filter(|(answer, label)| **answer == *label).count();
        assert_eq!(matching as u64, correct, "what is counted is what is answered");
        (answers, outputs.spikes(top).unwrap(), outputs.potential(top).unwrap())
    };
    let (rate, spikes, potential) = by(&network);
    network.readout.accuracy_by = Some(Reduction::FirstSpike);
    let (first, ..) = by(&network);
    network.readout.accuracy_by = Some(Reduction::Max);
    let (membrane, ..) = by(&network);
    let best = |of: &dyn Fn(usize) -> f64| -> u32 {
        let most = (0..4).map(of).fold(f64::NEG_INFINITY, f64::max);
        (0..4).position(|class| of(class) == most).unwrap() as u32
    };
    for b in 0..32 {
        let times = |class: usize| (0..STEPS).find(|&t| spikes.get(t, b, class)).unwrap_or(STEPS - 1) as f64;
        let count = |class: usize| (0..STEPS).filter(|&t| spikes.get(t, b, class)).count() as f64;
        let most = |class: usize| (0..STEPS).map(|t| f64::from(potential.get(t, b, class))).fold(f64::MIN, f64::max);
        assert_eq!(rate[b], best(&count));
        assert_eq!(first[b], best(&|class| -times(class)));
        assert_eq!(membrane[b], best(&most));
    }
    println!("{rate:?}\n{first:?}\n{membrane:?}");
    assert!(rate != first && rate != membrane, "the three must be different questions for this to mean anything");
}

#[test]
fn batches_that_do_not_answer_the_loss_are_refused_in_words() {
    let refuse = |losses: Vec<Term>, change: &dyn Fn(Batch) -> Batch, words: &[&str]| {
        let mut core = cpu(network(true, 4, losses));
        let batch = change(Batch::spikes(noise(STEPS, BATCH, INPUTS, 0.4, 8)));
        let error = core.forward(&batch).err().expect("an error").to_string();
        assert_eq!(error.lines().count(), 1);
        for word in words {
            assert!(error.contains(word), "{error:?} lacks {word:?}");
        }
    };
    let count = || vec![Term::new(Reduction::Count, Loss::cross_entropy())];
    let every = || vec![Term::new(Reduction::EveryStep, Loss::cross_entropy())];
    let mse = || vec![Term::new(Reduction::Mean, Loss::mse())];
    refuse(count(), &|batch| batch.with_labels(vec![0; 5]).with_lengths(vec![1; 4]), &["4 lengths for 5 samples"]);
    refuse(count(), &|batch| batch.with_lengths(vec![12, 12, 13, 12, 12]), &["length of sample 2 is 13", "1 to 12"]);
    refuse(count(), &|batch| batch.with_lengths(vec![12, 0, 1, 1, 1]), &["length of sample 1 is 0"]);
    refuse(count(), &|batch| batch.with_step_labels(vec![0; 60]), &["reduce = \"count\"", "needs labels in the batch"]);
    refuse(every(), &|batch| batch.with_step_labels(vec![0; 59]), &["59 labels of steps", "12 steps × 5 samples"]);
    refuse(every(), &|batch| batch.with_step_labels(vec![4; 60]), &["label of step 0 of sample 0 is 4", "4 classes"]);
    refuse(
        every(),
        &|batch| batch.with_labels(vec![0; 5]).with_mask(vec![true; 60]),
        &["mask needs labels or targets"],
    );
    refuse(
        every(),
        &|batch| batch.with_step_labels(vec![0; 60]).with_mask(vec![true; 3]),
        &["mask has 3 entries", "12 steps × 5 samples"],
    );
    refuse(every(), &|batch| batch.with_step_labels(vec![0; 60]).with_mask(vec![false; 60]), &["leaves no step"]);
    refuse(mse(), &|batch| batch.with_labels(vec![0; 5]), &["needs targets in the batch"]);
    refuse(mse(), &|batch| batch.with_targets(vec![0.0; 19]), &["19 targets", "5 samples × 4 classes"]);
    refuse(mse(), &|batch| batch.with_targets(vec![f32::NAN; 20]), &["target 0 is NaN"]);
    refuse(mse(), &|batch| batch.with_targets(vec![0.0; 240]), &["reduce = \"mean\"", "not one a step"]);
    let mut core = cpu(network(true, 4, every()));
    core.forward(&Batch::spikes(noise(STEPS, BATCH, INPUTS, 0.4, 8))).unwrap();
    let error = core.outputs().unwrap().activation().unwrap_err().to_string();
    assert!(error.contains("stands on every step"), "{error}");
    let error = core.backward(&Gradient::loss()).unwrap_err().to_string();
    assert!(error.contains("needs labels"), "{error}");
}
