//! Losses of the readout, and the reductions under them.

use super::drive::draw_source;
use super::*;
use crate::naive::{self, Grid, Question};
use spikegrad::kernels::*;

/// A layer of the sizes that matter here: one unit, around a word; few and many samples.
fn draw_shape(random: &mut Random) -> Shape {
    let units = one_of(random, &[1, 2, 10, 20, 31, 32, 33, 300]);
    let batch = one_of(random, &[1, 3, 5, 33, 257]);
    Shape { steps: 1 + random.below(if batch > 100 { 4 } else { 14 }), batch, units }
}

const POOLINGS: [Pooling; 7] =
    [Pooling::Max, Pooling::Sum, Pooling::Mean, Pooling::Last, Pooling::Spike(1), Pooling::Spike(2), Pooling::Spike(5)];

#[derive(Clone, Debug)]
struct Case {
    seed: u64,
    shape: Shape,
    spikes: bool,
    emit_lag: usize,
}

fn draw(random: &mut Random) -> Case {
    let spikes = chance(random, 0.6);
    let emit_lag = if spikes { random.below(2) } else { 0 };
    Case { seed: random.bits(), shape: draw_shape(random), spikes, emit_lag }
}

impl Case {
    /// What is recorded, steps 0..T, and the arrays that hold it.
    fn record<K: Kernels>(&self, kernels: &mut K, random: &mut Random) -> (Grid, Recorded<K>) {
        let (shape, end) = (self.shape, self.shape.steps as isize);
        if self.spikes {
            let kind = one_of(random, &[ActivityKind::Raster, ActivityKind::Bytes]);
            let spikes = draw_source(random, kind, shape.units, shape);
            let lag = self.emit_lag as isize;
            let emitted = spikes.part(-lag..end - lag, 0);
            return (emitted, Recorded::Spikes(activity(kernels, kind, &spikes), self.emit_lag));
        }
        let mut trace = Grid::drawn(0..end, shape.batch, shape.units, || normal(random));
        // equal maxima now and then
        for value in trace.values.iter_mut().step_by(5) {
            *value = 1.25;
        }
        let tape = rows(kernels, shape.units, &trace.values);
        (trace, Recorded::Potential(tape))
    }
}

enum Recorded<K: Kernels> {
    Potential(K::Values),
    Spikes(K::Activity, usize),
}

impl<K: Kernels> Recorded<K> {
    fn get(&self) -> Recording<'_, K> {
        match self {
            Recorded::Potential(tape) => Recording::Potential(tape),
            Recorded::Spikes(spikes, lag) => Recording::Spikes(spikes, *lag),
        }
    }
}

/// A gradient grid of O (or V) as rows of S: row t − e gets step t.
fn rows_of(gradient: &Grid, emit_lag: usize) -> Vec<f64> {
    let end = gradient.steps.end;
    gradient.part(emit_lag as isize..end + emit_lag as isize, 0).values
}

fn check_reductions<K: Kernels>(kernels: &mut K, case: &Case) {
    let (shape, random) = (case.shape, &mut Random::new(case.seed, 1));
    let (trace, recorded) = case.record(kernels, random);
    let lengths = draw_lengths(random, shape);
    let on_device = words(kernels, &lengths);
    for pooling in POOLINGS {
        if matches!(pooling, Pooling::Spike(_)) && !case.spikes {
            continue;
        }
        let (activation, step) = naive::collapse(pooling, &trace, &lengths);
        for place in [Place::LAYER, Place::OWN] {
            let mut out = array(kernels, &vec![STALE; shape.batch * place.planes * shape.row()]);
            kernels.collapse(Collapse {
                shape,
                window: Window::whole(shape),
                recording: recorded.get(),
                pooling,
                lengths: &on_device,
                place,
                out: &mut out,
            });
            let all = read(kernels, &out, shape.batch * place.planes * shape.row());
            let plane = |plane: usize| -> Vec<f64> {
                let samples = all.chunks(place.planes * shape.row());
                samples
                    .flat_map(|sample| stripped("plane", shape.units, &sample[plane * shape.row()..][..shape.row()]))
                    .collect()
            };
            assert_close(&format!("{pooling:?}"), &plane(place.activation), &activation, tolerance::<K>(2e-6));
            if matches!(pooling, Pooling::Max | Pooling::Spike(_)) {
                assert_eq!(plane(place.step), step, "{pooling:?}");
            }
            let written: Vec<f64> = all
                .chunks(place.planes * shape.row())
                .flat_map(|sample| sample[place.gradient * shape.row()..][..shape.row()].to_vec())
                .collect();
            assert!(written.iter().all(|&value| value == STALE), "the gradient's plane is left alone");
        }

        let (gradient, before) = (draw_plane(random, shape), draw_grid(random, shape));
        let mut own = vec![0.0; shape.batch * 3 * shape.row()];
        for b in 0..shape.batch {
            let at = b * 3 * shape.row();
            own[at + shape.row()..][..shape.units].copy_from_slice(&step[b * shape.units..][..shape.units]);
            own[at + 2 * shape.row()..][..shape.units].copy_from_slice(&gradient[b * shape.units..][..shape.units]);
        }
        let own = array(kernels, &own);
        let mut out = rows(kernels, shape.units, &before.values);
        kernels.spread(Spread {
            shape,
            window: Window::whole(shape),
            pooling,
            lengths: &on_device,
            place: Place::OWN,
            from: &own,
            emit_lag: case.emit_lag,
            out: &mut out,
        });
        let spread = naive::spread(pooling, shape.steps, &lengths, &gradient, &step);
        let spread = rows_of(&spread, case.emit_lag);
        let expected: Vec<f64> = before.values.iter().zip(spread).map(|(a, b)| a + b).collect();
        let got = read_grid(kernels, "gradient", shape, &out, 0);
        assert_close(&format!("{pooling:?} backward"), &got.values, &expected, tolerance::<K>(1e-6));
    }
}

on_every_backend!(reductions, 30, draw, check_reductions);

/// A loss in all its switches.
#[derive(Clone, Debug)]
struct Losses {
    case: Case,
    every_step: bool,
    classes: usize,
    criterion: Criterion,
    score: Score,
    answers: Option<Answer>,
    weighted: bool,
    stepwise: bool,
    scale: f64,
}

fn draw_loss(random: &mut Random) -> Losses {
    let case = draw(random);
    let every_step = chance(random, 0.5);
    let divisors: Vec<usize> = (1..=case.shape.units).filter(|&c| case.shape.units.is_multiple_of(c)).collect();
    let criterion = match random.below(7) {
        0 | 1 => Criterion::CrossEntropy { smoothing: 0.0 },
        2 => Criterion::CrossEntropy { smoothing: 0.25 },
        3 => Criterion::NegativeLogLikelihood,
        4 => Criterion::SquaredError { tolerance: one_of(random, &[0.0, 0.5]) },
        5 => Criterion::SquaredErrorToTargets { tolerance: 0.0, stepwise: every_step && chance(random, 0.5) },
        _ => Criterion::None,
    };
    Losses {
        classes: if chance(random, 0.6) { case.shape.units } else { one_of(random, &divisors) },
        every_step,
        criterion,
        score: one_of(random, &[Score::Plain, Score::Plain, Score::Negated, Score::Reciprocal]),
        answers: one_of(random, &[None, Some(Answer::Largest), Some(Answer::Smallest)]),
        weighted: chance(random, 0.5),
        stepwise: every_step && chance(random, 0.5),
        scale: one_of(random, &[0.1, 1.0, 20.0]),
        case,
    }
}

fn check_losses<K: Kernels>(kernels: &mut K, losses: &Losses) {
    let Losses { case, classes, criterion, score, answers, .. } = losses.clone();
    let (shape, random) = (case.shape, &mut Random::new(case.seed, 2));
    let (steps, batch, units) = (shape.steps, shape.batch, shape.units);
    let lengths = draw_lengths(random, shape);
    // A spike time, which alone is inverted, is no negative number.
    let drawn = |random: &mut Random| match score {
        Score::Reciprocal => single(normal(random).abs() * losses.scale),
        _ => single(normal(random) * losses.scale),
    };
    let (trace, recorded) = if losses.every_step {
        case.record(kernels, random)
    } else {
        let mut activation = Grid::drawn(0..1, batch, units, || drawn(random));
        // some samples have several equal largest activations; the first is the answer
        for sample in activation.values.chunks_mut(units).step_by(3) {
            let largest = sample.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let at = random.below(sample.len());
            sample[at] = largest;
        }
        (activation, Recorded::Potential(array(kernels, &[0.0])))
    };
    if losses.every_step && score == Score::Reciprocal && !case.spikes {
        return;
    }
    let cells = if losses.every_step { steps * batch } else { batch };
    let mut labels: Vec<u32> =
        (0..if losses.stepwise { cells } else { batch }).map(|_| random.below(classes) as u32).collect();
    if losses.stepwise {
        labels.iter_mut().step_by(3).for_each(|label| *label = MASKED);
    }
    let weights: Vec<f64> =
        (0..classes).map(|_| if losses.weighted { between(random, 0.0, 2.0) } else { 1.0 }).collect();
    let coefficients: Vec<f64> = (0..batch * 4).map(|_| normal(random)).collect();
    let given = matches!(criterion, Criterion::SquaredErrorToTargets { .. });
    let by_step = matches!(criterion, Criterion::SquaredErrorToTargets { stepwise: true, .. });
    let targets: Vec<f64> =
        (0..if by_step { cells } else { batch } * classes).map(|_| between(random, -1.0, 1.0)).collect();

    // What must come out.
    let before = draw_grid(random, shape);
    let mut expected =
        if losses.every_step { Grid::new(0..steps as isize, batch, units) } else { Grid::new(0..1, batch, units) };
    let (mut value, mut right, mut size) = (STALE, STALE, 1.0f64);
    for cell in 0..cells {
        let (t, b) = (cell / batch, cell % batch);
        let label = labels[if losses.stepwise { cell } else { b }];
        if losses.every_step && (t >= lengths[b] as usize || label == MASKED) {
            continue;
        }
        let at = if by_step { cell } else { b } * classes;
        let question = Question {
            label: label as usize,
            coefficients: coefficients[b * 4..][..4].try_into().unwrap(),
            targets: targets[at..at + classes].to_vec(),
        };
        let activation: Vec<f64> = (0..units).map(|j| trace.get(t as isize, b, j)).collect();
        let (gradient, loss, answer) = naive::loss(criterion, score, answers, &weights, &activation, &question);
        for (j, gradient) in gradient.into_iter().enumerate() {
            expected.set(t as isize, b, j, gradient);
        }
        value += loss;
        size += loss.abs();
        right += f64::from(answer);
    }

    let (labels, lengths) = (words(kernels, &labels), words(kernels, &lengths));
    let (coefficients, table) =
        (array(kernels, &coefficients), array(kernels, if given { &targets } else { &weights }));
    let mut metrics = array(kernels, &[STALE; 5]);
    let mut own = vec![STALE; batch * 3 * shape.row()];
    let mut out = rows(kernels, units, &before.values);
    let call = |kernels: &mut K, scores: Scores<K>, metrics: Option<(&mut K::Values, usize)>| {
        kernels.loss(Loss {
            shape,
            window: Window::whole(shape),
            classes,
            criterion,
            score,
            scores,
            labels: &labels,
            stepwise: losses.stepwise,
            lengths: &lengths,
            coefficients: &coefficients,
            table: &table,
            metrics,
            answers,
        });
    };
    let slack = tolerance::<K>(2e-5) * losses.scale.max(1.0);
    if losses.every_step {
        // The value alone, then the gradient alone, as the engine asks for them.
        call(kernels, Scores::Steps(recorded.get(), None), Some((&mut metrics, 2)));
        call(kernels, Scores::Steps(recorded.get(), Some(&mut out)), None);
        let lag = if case.spikes { case.emit_lag } else { 0 };
        let sum: Vec<f64> = before.values.iter().zip(rows_of(&expected, lag)).map(|(a, b)| a + b).collect();
        assert_close("gradient", &read_grid(kernels, "gradient", shape, &out, 0).values, &sum, slack);
    } else {
        for b in 0..batch {
            let at = b * 3 * shape.row();
            own[at..][..units].copy_from_slice(&trace.values[b * units..][..units]);
        }
        let mut own = array(kernels, &own);
        call(kernels, Scores::Samples(Place::OWN, &mut own), Some((&mut metrics, 2)));
        if criterion != Criterion::None {
            let all = read(kernels, &own, batch * 3 * shape.row());
            let samples = all.chunks(3 * shape.row());
            let got: Vec<f64> =
                samples.flat_map(|sample| stripped("gradient", units, &sample[2 * shape.row()..])).collect();
            assert_close("gradient", &got, &expected.values, slack);
        }
    }
    let metrics = read(kernels, &metrics, 5);
    assert!((metrics[2] - value).abs() <= slack * size, "loss {}, not {value}", metrics[2]);
    assert_eq!(metrics[3], right, "right answers");
    assert_eq!((metrics[0], metrics[1], metrics[4]), (STALE, STALE, STALE));
}

on_every_backend!(losses, 90, draw_loss, check_losses);

/// A loss stays finite where one class is certain, right or wrong.
fn check_certain<K: Kernels>(kernels: &mut K, losses: &Losses) {
    let shape = Shape { units: losses.case.shape.units.max(2), ..losses.case.shape };
    let batch = shape.batch;
    let mut activation = vec![0.0; shape.len(1)];
    activation.iter_mut().step_by(shape.row()).for_each(|a| *a = 1e4);
    let labels: Vec<u32> = (0..batch as u32).map(|b| b % 2).collect();
    let set: Vec<f64> = activation.chunks(shape.row()).flat_map(|row| row[..shape.units].to_vec()).collect();
    let mut planes = planes(kernels, shape, &[(plane::ACTIVATION, &set)]);
    let share = 1.0 / batch as f64;
    let coefficients: Vec<f64> = (0..batch).flat_map(|_| [share, 1.0, 0.0, 0.0]).collect();
    let (mut value, mut right, mut expected) = (0.0, 0.0, Vec::new());
    for b in 0..batch {
        let question = Question {
            label: labels[b] as usize,
            coefficients: coefficients[b * 4..][..4].try_into().unwrap(),
            targets: Vec::new(),
        };
        let sample = &set[b * shape.units..][..shape.units];
        let criterion = Criterion::CrossEntropy { smoothing: 0.0 };
        let answer = Some(Answer::Largest);
        let (gradient, loss, is_right) =
            naive::loss(criterion, Score::Plain, answer, &vec![1.0; shape.units], sample, &question);
        expected.extend(gradient);
        value += loss;
        right += f64::from(is_right);
    }
    let (labels, lengths) = (words(kernels, &labels), words(kernels, &vec![1; batch]));
    let (coefficients, table) = (array(kernels, &coefficients), array(kernels, &vec![1.0; shape.units]));
    let mut metrics = array(kernels, &[0.0; 2]);
    kernels.loss(Loss {
        shape,
        window: Window::whole(shape),
        classes: shape.units,
        criterion: Criterion::CrossEntropy { smoothing: 0.0 },
        score: Score::Plain,
        scores: Scores::Samples(Place::LAYER, &mut planes),
        labels: &labels,
        stepwise: false,
        lengths: &lengths,
        coefficients: &coefficients,
        table: &table,
        metrics: Some((&mut metrics, 0)),
        answers: Some(Answer::Largest),
    });
    let got = read_plane(kernels, shape, &planes, plane::ACTIVATION_GRADIENT);
    assert_close("gradient", &got, &expected, tolerance::<K>(1e-6));
    assert_close("metrics", &read(kernels, &metrics, 2), &[value, right], tolerance::<K>(1e-6));
}

on_every_backend!(losses_of_certainty, 6, draw_loss, check_certain);

/// The naive gradients are the slopes of the naive values: what the other tests stand on. A spike time has no slope.
#[test]
fn naive_loss_gradients_are_slopes() {
    let h = 1e-5;
    for seed in 0..200 {
        let random = &mut Random::new(seed, 3);
        let losses = draw_loss(random);
        let units = losses.case.shape.units.min(20);
        let classes = if units.is_multiple_of(losses.classes) { losses.classes } else { units };
        let weights: Vec<f64> = (0..classes).map(|_| random.uniform()).collect();
        let activation: Vec<f64> = (0..units).map(|_| random.normal().abs()).collect();
        let coefficient = random.normal();
        let question = Question {
            label: random.below(classes),
            coefficients: [coefficient, coefficient, 1.5, -0.5],
            targets: (0..classes).map(|_| random.normal()).collect(),
        };
        // an error at the tolerance's edge has a kink
        let criterion = match losses.criterion {
            Criterion::SquaredError { .. } => Criterion::SquaredError { tolerance: 0.0 },
            other => other,
        };
        let value = |at: usize, by: f64| {
            let mut moved = activation.clone();
            moved[at] += by;
            naive::loss(criterion, losses.score, None, &weights, &moved, &question).1
        };
        let (gradient, ..) = naive::loss(criterion, losses.score, None, &weights, &activation, &question);
        let slopes: Vec<f64> = (0..units).map(|at| (value(at, h) - value(at, -h)) / (2.0 * h)).collect();
        assert_close(&format!("{losses:?}"), &gradient, &slopes, 1e-6);
    }
    let random = &mut Random::new(1, 4);
    let (lengths, steps) = ([3, 6, 1], 6);
    let trace = Grid::drawn(0..6, 3, 2, || normal(random));
    for pooling in [Pooling::Max, Pooling::Sum, Pooling::Mean, Pooling::Last] {
        let weights: Vec<f64> = (0..6).map(|_| normal(random)).collect();
        let (_, step) = naive::collapse(pooling, &trace, &lengths);
        let gradient = naive::spread(pooling, steps, &lengths, &weights, &step).values;
        let value = |at: usize, by: f64| {
            let mut moved = trace.clone();
            moved.values[at] += by;
            let (activation, _) = naive::collapse(pooling, &moved, &lengths);
            activation.iter().zip(&weights).map(|(a, w)| a * w).sum::<f64>()
        };
        let slopes: Vec<f64> = (0..36).map(|at| (value(at, h) - value(at, -h)) / (2.0 * h)).collect();
        assert_close(&format!("{pooling:?}"), &gradient, &slopes, 1e-8);
    }
}
