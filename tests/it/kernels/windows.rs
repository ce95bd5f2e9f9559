//! Windows: a sequence cut in time, and a batch cut into samples, give the bits of the whole.

use super::drive::draw_source;
use super::*;
use crate::naive::Grid;
use spikegrad::kernels::*;
use spikegrad::network::{Reduce, Reset};
use spikegrad::neuron::{ParameterSpec, snippets};
use spikegrad::spikes::encode::WHOLE;
use std::ops::Range;

/// Where a batch is cut: the ends of the steps and of the samples.
#[derive(Clone, Debug)]
struct Cuts {
    steps: Vec<usize>,
    samples: Vec<usize>,
}

impl Cuts {
    fn none(shape: Shape) -> Cuts {
        Cuts { steps: vec![shape.steps], samples: vec![shape.batch] }
    }

    fn draw(random: &mut Random, shape: Shape) -> Cuts {
        Cuts { steps: cuts(random, shape.steps), samples: cuts(random, shape.batch) }
    }

    /// For each group of samples its windows in the order of time, with the shapes of their arrays.
    fn windows(&self, shape: Shape) -> Vec<Vec<(Window, Shape)>> {
        let ranges = |ends: &[usize]| -> Vec<Range<usize>> {
            ends.iter().scan(0, |from, &to| Some(std::mem::replace(from, to)..to)).collect()
        };
        let of = |samples: &Range<usize>, steps: Range<usize>| {
            let window = Window { step: steps.start, steps: shape.steps, sample: samples.start, samples: shape.batch };
            (window, Shape { steps: steps.len(), batch: samples.len(), ..shape })
        };
        let steps = ranges(&self.steps);
        let group = |samples: &Range<usize>| steps.iter().map(|steps| of(samples, steps.clone())).collect();
        ranges(&self.samples).iter().map(group).collect()
    }
}

/// The part of `grid` that the arrays of a window hold, `back` steps before them included.
fn part(grid: &Grid, window: Window, shape: Shape, back: isize) -> Grid {
    let mut part = Grid::new(-back..shape.steps as isize, shape.batch, grid.units);
    for (t, b, j) in part.places(part.steps.clone()) {
        part.set(t, b, j, grid.get(window.step as isize + t, window.sample + b, j));
    }
    part
}

/// Puts `part`, `[steps][b]` rows of `row` numbers, where it belongs in `[T][B]` rows.
fn place(whole: &mut [f64], window: Window, shape: Shape, row: usize, part: &[f64]) {
    for (at, part) in part.chunks(row).take(shape.steps * shape.batch).enumerate() {
        let (t, b) = (window.step + at / shape.batch, window.sample + at % shape.batch);
        whole[(t * window.samples + b) * row..][..row].copy_from_slice(part);
    }
}

#[track_caller]
fn assert_bits(what: &str, parts: &[f64], whole: &[f64]) {
    assert_eq!(parts.len(), whole.len(), "{what}: length");
    for (at, (part, whole)) in parts.iter().zip(whole).enumerate() {
        assert!(part.to_bits() == whole.to_bits(), "{what}[{at}] is {part:e}, of the whole {whole:e}");
    }
}

#[derive(Clone, Debug)]
struct Layer {
    seed: u64,
    shape: Shape,
    model: Model,
    recurrent: bool,
    form: Option<Form>,
    reduce: Option<Reduce>,
    /// What comes from above.
    spikes: bool,
    counts: bool,
    potential: bool,
    cuts: Cuts,
}

fn draw_layer_of(random: &mut Random, mut model: Model) -> Layer {
    let shape =
        Shape { steps: 3 + random.below(5), batch: 1 + random.below(4), units: one_of(random, &[1, 33, 40, 64]) };
    let recurrent = model.spiking && chance(random, 0.5);
    let quantum = one_of(random, &[1, 2, 100]);
    let form = match (recurrent, random.below(3)) {
        (false, _) | (_, 0) => None,
        (_, 1) => Some(Form::Stepwise),
        _ => Some(Form::Resident { tile: 1 + random.below(4), quantum }),
    };
    model.reset_potential = if model.reset == Reset::ZeroBefore { 0.25 } else { 0.0 };
    Layer {
        seed: random.bits(),
        shape,
        recurrent,
        form,
        reduce: (!model.spiking).then(|| one_of(random, &[Reduce::Max, Reduce::Sum, Reduce::Mean, Reduce::Last])),
        spikes: model.spiking && chance(random, 0.7),
        counts: model.spiking && chance(random, 0.5),
        potential: chance(random, 0.4),
        cuts: loop {
            let cuts = Cuts::draw(random, shape);
            if cuts.steps.len() > 1 {
                break cuts;
            }
        },
        model,
    }
}

fn draw_plain(random: &mut Random) -> Layer {
    let spiking = chance(random, 0.8);
    let mut model = model(random, spiking);
    if spiking && chance(random, 0.2) {
        model.firing = Firing::Multi { most: 3, periodic: chance(random, 0.5) };
        model.reset = one_of(random, &[Reset::SubtractBefore, Reset::SubtractAfter]);
    }
    draw_layer_of(random, model)
}

/// The reset that looks at the current of the step after, which is another window's at the end of one.
fn draw_zero_after(random: &mut Random) -> Layer {
    let model = Model { reset: Reset::ZeroAfter, detach: false, lag: 0, ..model(random, true) };
    Layer { spikes: true, ..draw_layer_of(random, model) }
}

fn draw_snippet(random: &mut Random) -> Layer {
    let snippet = one_of(random, &snippets());
    let learnable = |spec: &ParameterSpec| spec.learnable();
    let own = snippet.parameters.iter().rev().fold(0, |bits, spec| bits << 1 | u32::from(learnable(spec)));
    let mut model = model(random, true);
    (model.snippet, model.leak, model.reset) = (Some(snippet), snippet.leak, one_of(random, snippet.resets));
    model.learned.own = if chance(random, 0.7) { own } else { 0 };
    draw_layer_of(random, model)
}

/// Constants from ordinary parameters.
fn constants_of<K: Kernels>(kernels: &mut K, model: Model, units: usize, random: &mut Random) -> K::Values {
    let mut all = Vec::new();
    for (low, high) in [(3.0, 8.0), (5.0, 20.0), (0.5, 1.0), (-0.2, 0.2)] {
        all.extend((0..units).map(|_| between(random, low, high)));
    }
    for spec in model.snippet.iter().flat_map(|snippet| snippet.parameters) {
        all.extend(vec![single(spec.default); units]);
    }
    let parameters = rows(kernels, units, &all);
    let mut out = kernels.values("constants", model.constant_rows() * spikegrad::spikes::pad(units)).unwrap();
    kernels.constants(model, units, 1.0, &parameters, &mut out);
    out
}

/// What the kernels make of a layer, in the layout of the whole batch: S, the tape, χ, the planes after the forward pass
/// and after the backward pass.
struct Outcome {
    spikes: Vec<f64>,
    tape: Vec<f64>,
    chi: Vec<f64>,
    planes: [Vec<f64>; 2],
}

fn run_layer<K: Kernels>(kernels: &mut K, case: &Layer, cuts: &Cuts) -> Outcome {
    let (shape, model, random) = (case.shape, case.model, &mut Random::new(case.seed, 1));
    let (units, row, end) = (shape.units, shape.row(), shape.steps as isize);
    let constants = constants_of(kernels, model, units, random);
    let scale = 0.7 / (units as f64).sqrt();
    let recurrent: Vec<f64> = (0..units * units).map(|_| single(random.normal() * scale)).collect();
    let recurrent = case.recurrent.then(|| weights(kernels, units, &recurrent));
    let drive = Grid::drawn(0..end, shape.batch, units, || single(0.3 + 0.6 * random.normal()));
    let history = Grid::drawn(-2..0, shape.batch, units, || f64::from(chance(random, 0.3)));
    let gradients = [draw_grid(random, shape), draw_grid(random, shape)];
    // The gradients of the parameters stand on what another micro-batch may have left.
    let drawn = [
        plane::POTENTIAL,
        plane::CURRENT,
        plane::COUNT_GRADIENT,
        plane::ACTIVATION_GRADIENT,
        plane::ALPHA_GRADIENT,
        plane::BETA_GRADIENT,
        plane::THETA_GRADIENT,
        plane::BIAS_GRADIENT,
    ];
    let drawn: Vec<(usize, Vec<f64>)> = drawn.into_iter().map(|plane| (plane, draw_plane(random, shape))).collect();
    let set: Vec<(usize, &[f64])> = drawn.iter().map(|(plane, values)| (*plane, &values[..])).collect();
    let common = planes(kernels, shape, &set);
    let mut all = read(kernels, &common, plane::PLANES * shape.len(1));
    all.resize(model.planes_len(shape), 0.0);
    let tail = model.tail();
    if let Some(tail) = tail {
        let states = (1..tail.states).map(|state| tail.state(state));
        for index in states.chain((0..tail.parameters).map(|parameter| tail.gradient(parameter))) {
            let values: Vec<f64> = draw_plane(random, shape).iter().map(|value| 0.125 * value).collect();
            all[Model::tail_range(shape, index)].copy_from_slice(&padded(units, &values));
        }
    }
    let mut planes = array(kernels, &all);
    let form = kernels.form(shape, case.recurrent);
    let (forward, backward) = case.form.map_or(form, |form| (form, form));

    let mut outcome = Outcome {
        spikes: vec![STALE; shape.len(shape.steps)],
        tape: vec![STALE; model.tapes() * shape.len(shape.steps)],
        chi: vec![STALE; shape.len(shape.steps)],
        planes: [Vec::new(), Vec::new()],
    };
    let groups = cuts.windows(shape);
    type Segment<A> = (Option<A>, Vec<f64>);
    let mut kept: Vec<Vec<Segment<K::Activity>>> = Vec::new();
    let scan = |kernels: &mut K,
                (window, part_shape): (Window, Shape),
                spikes: Option<&mut K::Activity>,
                planes: &mut K::Values,
                reduce: Option<Reduce>| {
        let x = rows(kernels, units, &part(&drive, window, part_shape, 0).values);
        let mut tape = kernels.values("tape", model.tapes() * part_shape.len(part_shape.steps)).unwrap();
        kernels.copy_plane(shape, planes, plane::POTENTIAL, plane::START_POTENTIAL);
        kernels.copy_plane(shape, planes, plane::CURRENT, plane::START_CURRENT);
        kernels.forward(
            &x,
            Forward {
                model,
                shape: part_shape,
                window,
                range: 0..part_shape.steps,
                form: forward,
                constants: &constants,
                recurrent: recurrent.as_ref().map(|(weights, prepared)| (weights, prepared)),
                spikes,
                tape: Some(&mut tape),
                active: None,
                planes,
                reduce,
            },
        );
        tape
    };
    for group in &groups {
        kept.push(Vec::new());
        for &(window, part_shape) in group {
            let start = read(kernels, &planes, all.len());
            let mut spikes = model.spiking.then(|| {
                let mut spikes = kernels.activity("spikes", model.activity(), part_shape).unwrap();
                match kept.last().and_then(|group| group.last()) {
                    Some((Some(before), _)) => kernels.carry(before, &mut spikes),
                    _ => {
                        let rows = padded(units, &part(&history, window, Shape { steps: 0, ..part_shape }, 2).values);
                        let rows: Vec<K::Real> = rows.into_iter().map(K::Real::from_f64).collect();
                        kernels.write_history(&mut spikes, &rows);
                    }
                }
                spikes
            });
            let tape = scan(kernels, (window, part_shape), spikes.as_mut(), &mut planes, case.reduce);
            let len = part_shape.len(part_shape.steps);
            for (kept, whole) in (0..).zip(outcome.tape.chunks_mut(shape.len(shape.steps))) {
                let part: Vec<f64> = read(kernels, &tape, (kept + 1) * len).split_off(kept * len);
                place(whole, window, part_shape, row, &part);
            }
            if let Some(spikes) = &spikes {
                let part = kernels.read_activity(spikes, HISTORY..HISTORY + part_shape.steps).unwrap();
                let part: Vec<f64> = part.into_iter().map(Real::to_f64).collect();
                place(&mut outcome.spikes, window, part_shape, row, &part);
            }
            kept.last_mut().unwrap().push((spikes, start));
        }
    }
    outcome.planes[0] = read(kernels, &planes, all.len());

    // From the last window to the first, each run forward again from the state that it began with.
    let after_reset = model.reset == Reset::ZeroAfter && !model.detach && model.lag == 0 && tail.is_none();
    for (group, kept) in groups.iter().zip(&mut kept) {
        // Tape and χ of the window after, and the steps of χ.
        let mut after: Option<(K::Values, K::Values, Shape)> = None;
        for (&(window, part_shape), (spikes, start)) in group.iter().zip(kept).rev() {
            let samples = window.sample..window.sample + part_shape.batch;
            let state = |plane: usize| samples.clone().map(move |b| (b * plane::PLANES + plane) * row);
            let mut places: Vec<usize> = state(plane::POTENTIAL).chain(state(plane::CURRENT)).collect();
            for state in tail.iter().flat_map(|tail| (1..tail.states).map(|state| tail.state(state))) {
                let first = Model::tail_range(shape, state).start;
                places.extend(samples.clone().map(|b| first + b * row));
            }
            for at in places {
                let values: Vec<K::Real> = start[at..at + row].iter().map(|&x| K::Real::from_f64(x)).collect();
                kernels.write(&mut planes, at, &values);
            }
            let tape = scan(kernels, (window, part_shape), spikes.as_mut(), &mut planes, None);
            let len = part_shape.len(part_shape.steps);
            let mut chi = kernels.values("chi", part_shape.len(part_shape.steps + FUTURE)).unwrap();
            if let Some((tape, from, of)) = &after {
                let at = |first, stride| Stretch { first, stride };
                kernels.copy(from, at(0, 0), &mut chi, at(len, 0), 1, part_shape.len(FUTURE));
                if after_reset {
                    let to = at((window.sample * plane::PLANES + plane::CURRENT) * row, plane::PLANES * row);
                    kernels.copy(tape, at(of.len(of.steps), row), &mut planes, to, of.batch, row);
                }
            }
            let part_of = |kernels: &mut K, on: bool, grid: &Grid| {
                on.then(|| rows(kernels, units, &part(grid, window, part_shape, 0).values))
            };
            let gradient_spikes = part_of(kernels, case.spikes, &gradients[0]);
            let gradient_potential = part_of(kernels, case.potential, &gradients[1]);
            kernels.backward(Backward {
                model,
                shape: part_shape,
                window,
                range: 0..part_shape.steps,
                form: backward,
                constants: &constants,
                recurrent: recurrent.as_ref().map(|(weights, prepared)| (weights, prepared)),
                spikes: spikes.as_ref(),
                tape: Some(&tape),
                gradient_spikes: gradient_spikes.as_ref(),
                gradient_potential: gradient_potential.as_ref(),
                counts: case.counts,
                kicks: None,
                reduce: case.reduce,
                planes: &mut planes,
                chi: &mut chi,
            });
            place(&mut outcome.chi, window, part_shape, row, &read(kernels, &chi, len));
            after = Some((tape, chi, part_shape));
        }
    }
    let mut all = read(kernels, &planes, all.len());
    // The state is that of the window run last.
    let state = [plane::POTENTIAL, plane::CURRENT, plane::START_POTENTIAL, plane::START_CURRENT];
    for at in (0..shape.batch).flat_map(|b| state.map(|plane| (b * plane::PLANES + plane) * row)) {
        all[at..at + row].fill(0.0);
    }
    for index in tail.iter().flat_map(|tail| 0..tail.carry(0)) {
        all[Model::tail_range(shape, index)].fill(0.0);
    }
    outcome.planes[1] = all;
    for at in (0..shape.batch).flat_map(|b| state[2..].iter().map(move |plane| (b * plane::PLANES + plane) * row)) {
        outcome.planes[0][at..at + row].fill(0.0);
    }
    for index in tail.iter().flat_map(|tail| tail.states - 1..tail.carry(0)) {
        outcome.planes[0][Model::tail_range(shape, index)].fill(0.0);
    }
    outcome
}

fn check_layer<K: Kernels>(kernels: &mut K, case: &Layer) {
    let whole = run_layer(kernels, case, &Cuts::none(case.shape));
    let parts = run_layer(kernels, case, &case.cuts);
    assert!(whole.chi.iter().all(|value| value.is_finite()), "χ is not finite");
    assert_bits("S", &parts.spikes, &whole.spikes);
    assert_bits("tape", &parts.tape, &whole.tape);
    assert_bits("χ", &parts.chi, &whole.chi);
    assert_bits("planes after the forward pass", &parts.planes[0], &whole.planes[0]);
    assert_bits("planes after the backward pass", &parts.planes[1], &whole.planes[1]);
}

on_every_backend!(of_a_layer, 48, draw_plain, check_layer);
on_every_backend!(of_a_reset_that_looks_ahead, 9, draw_zero_after, check_layer);
on_every_backend!(of_a_snippet, 27, draw_snippet, check_layer);

/// A recording of a layer, or the spikes that dropout takes from.
#[derive(Clone, Debug)]
struct Recorded {
    seed: u64,
    shape: Shape,
    /// None: the potential.
    kind: Option<ActivityKind>,
    emit_lag: usize,
    cuts: Cuts,
}

fn draw_recorded(random: &mut Random) -> Recorded {
    let shape =
        Shape { steps: 2 + random.below(9), batch: 1 + random.below(5), units: one_of(random, &[1, 10, 32, 33]) };
    let kind = one_of(random, &[None, Some(ActivityKind::Raster), Some(ActivityKind::Bytes)]);
    let emit_lag = if kind.is_some() { random.below(2) } else { 0 };
    Recorded { seed: random.bits(), shape, kind, emit_lag, cuts: Cuts::draw(random, shape) }
}

/// The reductions, the losses on steps, and the counts of one cut: everything that must have the same bits, and Σ v ℓ and
/// the right answers.
fn run_recorded<K: Kernels>(kernels: &mut K, case: &Recorded, cuts: &Cuts) -> (Vec<(String, Vec<f64>)>, Vec<f64>) {
    let (shape, random) = (case.shape, &mut Random::new(case.seed, 1));
    let (units, row, end) = (shape.units, shape.row(), shape.steps as isize);
    let recorded = match case.kind {
        Some(kind) => draw_source(random, kind, units, shape),
        None => Grid::drawn(-2..end, shape.batch, units, || normal(random)),
    };
    let lengths = draw_lengths(random, shape);
    let on_device = words(kernels, &lengths);
    let classes = if units.is_multiple_of(5) { 5 } else { units };
    let labels: Vec<u32> = (0..shape.steps * shape.batch)
        .map(|at| if at % 4 == 1 { MASKED } else { random.below(classes) as u32 })
        .collect();
    let labels = words(kernels, &labels);
    let stepwise_targets = chance(random, 0.5);
    let criterion = one_of(
        random,
        &[
            Criterion::CrossEntropy { smoothing: 0.25 },
            Criterion::SquaredErrorToTargets { tolerance: 0.0, stepwise: stepwise_targets },
        ],
    );
    let table: Vec<f64> = (0..shape.steps * shape.batch * classes).map(|_| between(random, 0.5, 1.5)).collect();
    let table = array(kernels, &table);
    let coefficients: Vec<f64> = (0..shape.batch * coefficient::COUNT).map(|_| normal(random)).collect();
    let coefficients = array(kernels, &coefficients);
    let (gradient, before) = (draw_plane(random, shape), draw_grid(random, shape));
    let poolings = [Pooling::Max, Pooling::Sum, Pooling::Mean, Pooling::Last, Pooling::Spike(1), Pooling::Spike(3)];
    let own = vec![STALE; shape.batch * Place::OWN.planes * row];
    let mut reduced: Vec<K::Values> = poolings.iter().map(|_| array(kernels, &own)).collect();
    let mut planes = planes(kernels, shape, &[(plane::COUNT, &vec![STALE; gradient.len()])]);
    let mut metrics = array(kernels, &[0.0; 3]);
    let mut spread = vec![vec![STALE; shape.len(shape.steps)]; poolings.len()];
    let mut losses = vec![STALE; shape.len(shape.steps)];

    let arrays = |kernels: &mut K, window: Window, part_shape: Shape| {
        let grid = part(&recorded, window, part_shape, 2);
        let steps = grid.part(0..grid.steps.end, 0).values;
        match case.kind {
            Some(kind) => (rows(kernels, units, &steps), Some(activity(kernels, kind, &grid))),
            None => (rows(kernels, units, &steps), None),
        }
    };
    let groups = cuts.windows(shape);
    for &(window, part_shape) in groups.iter().flatten() {
        let (tape, spikes) = arrays(kernels, window, part_shape);
        let recording = match &spikes {
            Some(spikes) => Recording::Spikes(spikes, case.emit_lag),
            None => Recording::Potential(&tape),
        };
        for (&pooling, out) in poolings.iter().zip(&mut reduced) {
            let (lengths, place) = (&on_device, Place::OWN);
            kernels.collapse(Collapse { shape: part_shape, window, recording, pooling, lengths, place, out });
        }
        if let Some(spikes) = &spikes {
            kernels.count(Count {
                shape: part_shape,
                window,
                emit_lag: case.emit_lag,
                spikes,
                lengths: &on_device,
                planes: &mut planes,
            });
        }
    }
    for out in &mut reduced {
        for (b, gradient) in gradient.chunks(units).enumerate() {
            let gradient: Vec<K::Real> = padded(units, gradient).into_iter().map(K::Real::from_f64).collect();
            kernels.write(out, (b * Place::OWN.planes + Place::OWN.gradient) * row, &gradient);
        }
    }
    for &(window, part_shape) in groups.iter().flatten().rev() {
        let (tape, spikes) = arrays(kernels, window, part_shape);
        let recording = match &spikes {
            Some(spikes) => Recording::Spikes(spikes, case.emit_lag),
            None => Recording::Potential(&tape),
        };
        let before = part(&before, window, part_shape, 0).values;
        let len = part_shape.len(part_shape.steps);
        for ((&pooling, from), whole) in poolings.iter().zip(&reduced).zip(&mut spread) {
            let mut out = rows(kernels, units, &before);
            kernels.spread(Spread {
                shape: part_shape,
                window,
                pooling,
                lengths: &on_device,
                place: Place::OWN,
                from,
                emit_lag: case.emit_lag,
                out: &mut out,
            });
            place(whole, window, part_shape, row, &read(kernels, &out, len));
        }
        let mut out = rows(kernels, units, &before);
        for value in [true, false] {
            kernels.loss(Loss {
                shape: part_shape,
                window,
                classes,
                criterion,
                score: Score::Plain,
                scores: Scores::Steps(recording, (!value).then_some(&mut out)),
                labels: &labels,
                stepwise: true,
                lengths: &on_device,
                coefficients: &coefficients,
                table: &table,
                metrics: value.then_some((&mut metrics, 1)),
                answers: Some(Answer::Largest),
            });
        }
        place(&mut losses, window, part_shape, row, &read(kernels, &out, len));
    }
    let mut bits = vec![
        ("gradient of the loss on steps".to_string(), losses),
        ("counts".to_string(), read_plane(kernels, shape, &planes, plane::COUNT)),
    ];
    for ((pooling, out), spread) in poolings.iter().zip(&reduced).zip(spread) {
        bits.push((format!("{pooling:?}"), read(kernels, out, own.len())));
        bits.push((format!("{pooling:?} backward"), spread));
    }
    (bits, read(kernels, &metrics, 3))
}

fn check_recorded<K: Kernels>(kernels: &mut K, case: &Recorded) {
    let (whole, sums) = run_recorded(kernels, case, &Cuts::none(case.shape));
    let (parts, parts_sums) = run_recorded(kernels, case, &case.cuts);
    for ((what, whole), (_, parts)) in whole.iter().zip(&parts) {
        assert_bits(what, parts, whole);
    }
    assert_close("Σ v ℓ and the right answers", &parts_sums, &sums, tolerance::<K>(1e-5));
}

on_every_backend!(of_a_recording, 30, draw_recorded, check_recorded);

/// Dropout and rate-coded input: what a unit draws depends on its place in the whole.
fn run_drawn<K: Kernels>(kernels: &mut K, case: &Recorded, cuts: &Cuts) -> [Vec<f64>; 3] {
    let (shape, random) = (case.shape, &mut Random::new(case.seed, 1));
    let (units, row) = (shape.units, shape.row());
    let kind = case.kind.unwrap_or(ActivityKind::Raster);
    let mask = DropoutMask { keep: WHOLE / 3, per_step: chance(random, 0.7), key: random.bits() };
    let spikes = draw_source(random, kind, units, shape);
    let (gradient, given) = (draw_grid(random, shape), draw_grid(random, shape));
    let chances: Vec<f64> = (0..shape.batch * units).map(|_| (random.uniform() * f64::from(WHOLE)).floor()).collect();
    let chances: Vec<u32> = padded(units, &chances).into_iter().map(|chance| chance as u32).collect();
    let chances = words(kernels, &chances);
    let (first, key) = (random.below(3), random.bits());
    let mut outcome = [(); 3].map(|()| vec![STALE; shape.len(shape.steps)]);
    let mut history = Vec::new();
    for &(window, part_shape) in cuts.windows(shape).iter().flatten() {
        let from = activity(kernels, kind, &part(&spikes, window, part_shape, 2));
        let mut out = kernels.activity("kept", kind, part_shape).unwrap();
        kernels.dropout(Dropout { shape: part_shape, window, mask, spikes: &from, out: &mut out });
        let mut back = rows(kernels, units, &part(&gradient, window, part_shape, 0).values);
        let given = rows(kernels, units, &part(&given, window, part_shape, 0).values);
        kernels.dropout_backward(DropoutBackward {
            shape: part_shape,
            window,
            mask,
            given: Some(&given),
            gradient: &mut back,
        });
        let mut drawn = kernels.activity("drawn", ActivityKind::Raster, part_shape).unwrap();
        let (chances, out_drawn) = (&chances, &mut drawn);
        kernels.encode_rate(EncodeRate { shape: part_shape, window, first, key, chances, out: out_drawn });
        let back = read(kernels, &back, part_shape.len(part_shape.steps));
        place(&mut outcome[2], window, part_shape, row, &back);
        for (at, activity) in [&out, &drawn].into_iter().enumerate() {
            let rows = kernels.read_activity(activity, 0..HISTORY + part_shape.steps).unwrap();
            let mut rows: Vec<f64> = rows.into_iter().map(Real::to_f64).collect();
            place(&mut outcome[at], window, part_shape, row, &rows.split_off(part_shape.len(HISTORY)));
            history.push((at, window, part_shape, rows));
        }
    }
    // The history of a window is the end of the one before.
    for (at, window, part_shape, rows) in history.into_iter().filter(|(_, window, ..)| window.step >= HISTORY) {
        let window = Window { step: window.step - HISTORY, ..window };
        let mut whole = outcome[at].clone();
        place(&mut whole, window, Shape { steps: HISTORY, ..part_shape }, row, &rows);
        assert_bits("history", &whole, &outcome[at]);
    }
    outcome
}

fn check_drawn<K: Kernels>(kernels: &mut K, case: &Recorded) {
    let whole = run_drawn(kernels, case, &Cuts::none(case.shape));
    let parts = run_drawn(kernels, case, &case.cuts);
    for (what, (parts, whole)) in ["kept spikes", "rate-coded spikes", "gradient"].iter().zip(parts.iter().zip(&whole))
    {
        assert_bits(what, parts, whole);
    }
}

on_every_backend!(of_what_is_drawn, 24, draw_recorded, check_drawn);

/// A projection over several blocks, cut at multiples of them.
#[derive(Clone, Debug)]
struct Weights {
    seed: u64,
    projection: Projection,
    kind: ActivityKind,
    inputs: usize,
    shape: Shape,
    lag: usize,
    /// Samples that count.
    samples: Range<usize>,
}

fn draw_weights_of(random: &mut Random) -> Weights {
    let batch = one_of(random, &[5, 17, 30]);
    let first = if chance(random, 0.4) { 0 } else { random.below(batch) };
    let samples =
        if first == 0 && chance(random, 0.5) { 0..batch } else { first..first + 1 + random.below(batch - first) };
    // Up to three blocks, the last one not whole.
    let steps = 1 + random.below(3 * quantum(batch).min(150));
    let kind = one_of(random, &[ActivityKind::Raster, ActivityKind::Raster, ActivityKind::Values, ActivityKind::Bytes]);
    let (projection, inputs, units) = match kind {
        ActivityKind::Values if chance(random, 0.5) => (Projection::Current, 3, 6),
        _ => (Projection::Dense, one_of(random, &[1, 3, 40]), one_of(random, &[1, 33])),
    };
    let shape = Shape { steps, batch, units };
    Weights { seed: random.bits(), projection, kind, inputs, shape, lag: random.below(3), samples }
}

fn check_weights<K: Kernels>(kernels: &mut K, case: &Weights) {
    let Weights { projection, kind, inputs, shape, lag, ref samples, .. } = *case;
    let random = &mut Random::new(case.seed, 1);
    let source = draw_source(random, kind, inputs, shape);
    let chi = Grid::drawn(0..shape.steps as isize + 2, shape.batch, shape.units, || normal(random));
    let count = if projection == Projection::Dense { inputs } else { 1 };
    let start: Vec<f64> = (0..count * shape.units).map(|_| normal(random)).collect();
    let block = quantum(shape.batch);
    let mut cuts: Vec<usize> = (block..shape.steps).step_by(block).collect();
    cuts.push(shape.steps);
    let mut run = |accumulate: bool, cuts: &[usize], samples: &Range<usize>, of_batch: Range<usize>| {
        let mut out = rows(kernels, shape.units, &start);
        let cuts = Cuts { steps: cuts.to_vec(), samples: vec![of_batch.start, of_batch.end] };
        // The arrays of the samples `of_batch` alone; the last step first.
        for (at, &(window, part_shape)) in cuts.windows(shape)[1].iter().rev().enumerate() {
            let source_shape = Shape { units: inputs, ..part_shape };
            let chi = part(&chi, window, Shape { steps: part_shape.steps + FUTURE, ..part_shape }, 0);
            let (chi, source) = (
                rows(kernels, shape.units, &chi.values),
                activity(kernels, kind, &part(&source, window, source_shape, 2)),
            );
            kernels.weight_gradient(WeightGradient {
                projection,
                inputs,
                shape: part_shape,
                window,
                source: &source,
                lag,
                chi: &chi,
                samples: samples.start - of_batch.start..samples.end - of_batch.start,
                accumulate: accumulate || at > 0,
                out: &mut out,
            });
        }
        read(kernels, &out, count * shape.row())
    };
    let all = 0..shape.batch;
    let whole = run(false, &[shape.steps], samples, all.clone());
    let added = run(true, &[shape.steps], samples, all.clone());
    assert_bits("gradient of the weights", &run(false, &cuts, samples, all.clone()), &whole);
    assert_bits("gradient of the weights, added", &run(true, &cuts, samples, all.clone()), &added);
    assert_bits("gradient of the weights, of these samples", &run(false, &cuts, samples, samples.clone()), &whole);

    let own = |grid: &Grid| {
        let window = Window { step: 0, steps: shape.steps, sample: samples.start, samples: shape.batch };
        let shape = Shape { steps: grid.steps.end as usize, batch: samples.len(), units: grid.units };
        part(grid, window, shape, -grid.steps.start)
    };
    let of = Shape { batch: samples.len(), ..shape };
    let expected = crate::naive::weight_gradient(projection, of, &own(&source), lag, &own(&chi));
    let whole = stripped("gradient of the weights", shape.units, &whole);
    assert_close("gradient of the weights", &whole, &expected, tolerance::<K>(1e-5));
    let expected: Vec<f64> = expected.iter().zip(&start).map(|(sum, start)| sum + start).collect();
    let added = stripped("gradient of the weights, added", shape.units, &added);
    assert_close("gradient of the weights, added", &added, &expected, tolerance::<K>(1e-5));
}

on_every_backend!(of_a_weight_gradient, 24, draw_weights_of, check_weights);
