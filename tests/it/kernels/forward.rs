//! The neuron forward in time: all switches, recurrence, readouts, any cut of the sequence into ranges.

use super::*;
use crate::naive::{self, Grid, Layer, Trace};
use spikegrad::kernels::*;
use spikegrad::network::{Reduce, Reset};

#[derive(Clone, Debug)]
pub struct Case {
    pub seed: u64,
    pub shape: Shape,
    pub model: Model,
    pub recurrent: bool,
    /// The ends of the ranges that 0..T is run in.
    pub cuts: Vec<usize>,
    /// How it runs; None: as the backend likes best.
    pub form: Option<Form>,
    /// Whether a tape is kept.
    pub tape: bool,
    /// Readout.
    pub reduce: Option<Reduce>,
}

pub fn draw(random: &mut Random) -> Case {
    let shape = shape(random);
    let spiking = chance(random, 0.8);
    Case {
        seed: random.bits(),
        shape,
        model: model(random, spiking),
        recurrent: spiking && chance(random, 0.5),
        cuts: cuts(random, shape.steps),
        form: None,
        tape: chance(random, 0.8),
        reduce: (!spiking).then(|| one_of(random, &[Reduce::Max, Reduce::Sum, Reduce::Mean, Reduce::Last])),
    }
}

/// The layer, its drive, and its naive run.
pub fn set_up(case: &Case) -> (Layer, Grid, Trace) {
    let random = &mut Random::new(case.seed, 1);
    let layer = draw_layer(random, case.model, case.shape.units, case.recurrent);
    let mut drive = draw_drive(random, &layer, case.shape);
    let mut trace = draw_start(random, &layer, case.shape);
    settle(&layer, &mut drive, &mut trace);
    (layer, drive, trace)
}

/// What a backend makes of the case, read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub spikes: Option<Grid>,
    pub potential: Option<Grid>,
    pub current: Option<Grid>,
    pub planes: Vec<Vec<f64>>,
}

pub fn run<K: Kernels>(kernels: &mut K, case: &Case, layer: &Layer, drive: &Grid, begin: &Trace) -> Outcome {
    let Case { shape, model, reduce, .. } = *case;
    let drive = rows(kernels, shape.units, &drive.values);
    let constants = super::constants(kernels, model, &layer.constants);
    let recurrent = recurrent(kernels, layer);
    let mut spikes = model.spiking.then(|| {
        let mut unwritten = begin.spikes.clone();
        unwritten.values[2 * shape.batch * shape.units..].fill(1.0);
        activity(kernels, ActivityKind::Raster, &unwritten)
    });
    let kept = if model.keeps_current() { 2 } else { 1 };
    let stale = vec![STALE; kept * shape.steps * shape.batch * shape.units];
    let mut tape = case.tape.then(|| rows(kernels, shape.units, &stale));
    let (v, i) = (begin.potential.step(-1), begin.current.step(-1));
    let stale = vec![STALE; v.len()];
    let mut set: Vec<(usize, &[f64])> = vec![(plane::POTENTIAL, &v), (plane::CURRENT, &i)];
    if reduce.is_some() {
        set.extend([(plane::ACTIVATION, &stale[..]), (plane::STEP, &stale[..])]);
    }
    let mut planes = planes(kernels, shape, &set);
    let form = case.form.unwrap_or_else(|| kernels.form(shape, case.recurrent).0);
    let mut from = 0;
    for &to in &case.cuts {
        kernels.forward(
            &drive,
            Forward {
                model,
                shape,
                window: Window::whole(shape),
                range: from..to,
                form,
                constants: &constants,
                recurrent: recurrent.as_ref().map(|(weights, prepared)| (weights, prepared)),
                spikes: spikes.as_mut(),
                tape: tape.as_mut(),
                active: None,
                planes: &mut planes,
                reduce,
            },
        );
        from = to;
    }
    let spikes = spikes.map(|spikes| read_activity(kernels, "spikes", shape, &spikes));
    let potential = tape.as_ref().map(|tape| read_grid(kernels, "tape of V", shape, tape, 0));
    let current = tape
        .as_ref()
        .filter(|_| model.keeps_current())
        .map(|tape| read_grid(kernels, "tape of I", shape, tape, shape.len(shape.steps)));
    let mut read = vec![plane::POTENTIAL, plane::CURRENT];
    if reduce.is_some() {
        read.push(plane::ACTIVATION);
    }
    if reduce == Some(Reduce::Max) {
        read.push(plane::STEP);
    }
    let planes = read.into_iter().map(|plane| read_plane(kernels, shape, &planes, plane)).collect();
    Outcome { spikes, potential, current, planes }
}

pub fn compare(case: &Case, outcome: &Outcome, trace: &Trace, tolerance: f64) {
    let end = case.shape.steps as isize;
    if let Some(spikes) = &outcome.spikes {
        assert_spikes("spikes", spikes, &trace.spikes);
    }
    if let Some(potential) = &outcome.potential {
        assert_close("V", &potential.values, &trace.potential.part(0..end, 0).values, tolerance);
    }
    if let Some(current) = &outcome.current {
        assert_close("I", &current.values, &trace.current.part(0..end, 0).values, tolerance);
    }
    assert_close("last V", &outcome.planes[0], &trace.potential.step(end - 1), tolerance);
    assert_close("last I", &outcome.planes[1], &trace.current.step(end - 1), tolerance);
    if let Some(reduce) = case.reduce {
        let (activation, _) = naive::reduce(reduce, &trace.potential);
        assert_close("activation", &outcome.planes[2], &activation, tolerance);
        if reduce == Reduce::Max {
            // the step that was named holds the maximum, whatever rounding made of near ties
            let n = case.shape.units;
            let named = |at: usize| trace.potential.get(outcome.planes[3][at] as isize, at / n, at % n);
            let named: Vec<f64> = (0..activation.len()).map(named).collect();
            assert_close("V at the step of the maximum", &named, &activation, tolerance);
        }
    }
}

pub fn check<K: Kernels>(kernels: &mut K, case: &Case) {
    let (layer, drive, trace) = set_up(case);
    let outcome = run(kernels, case, &layer, &drive, &trace);
    compare(case, &outcome, &trace, tolerance::<K>(1e-5));
}

on_every_backend!(equals_naive, 150, draw, check);

/// A sequence run in parts gives the bits of the sequence run at once.
fn check_ranges<K: Kernels>(kernels: &mut K, case: &Case) {
    let (layer, drive, trace) = set_up(case);
    let parts = run(kernels, case, &layer, &drive, &trace);
    let whole = Case { cuts: vec![case.shape.steps], ..case.clone() };
    assert_eq!(parts, run(kernels, &whole, &layer, &drive, &trace));
}

fn cut(random: &mut Random) -> Case {
    let mut case = draw(random);
    case.shape.steps = case.shape.steps.max(3);
    case.cuts = vec![1 + random.below(case.shape.steps - 1), case.shape.steps];
    case
}

on_every_backend!(ranges_equal_whole, 40, cut, check_ranges);

/// A potential equal to the threshold spikes where the comparison is inclusive, and only there.
fn at_the_threshold(random: &mut Random) -> Case {
    let mut case = draw(random);
    let inclusive = chance(random, 0.5);
    case.shape.units = 33;
    case.model = Model {
        inclusive,
        lag: 0,
        reset: Reset::None,
        synapse: false,
        normalised: false,
        spiking: true,
        reset_potential: 0.0,
        ..case.model
    };
    (case.recurrent, case.reduce) = (false, None);
    case
}

fn check_threshold<K: Kernels>(kernels: &mut K, case: &Case) {
    let random = &mut Random::new(case.seed, 1);
    let mut layer = draw_layer(random, case.model, case.shape.units, false);
    layer.constants.beta.fill(0.5);
    layer.constants.theta.fill(0.75);
    let begin = Trace::new(case.shape.steps, case.shape.batch, case.shape.units);
    // V_t = 0.75 in every third neuron, always, and below or above it in the others
    let mut drive = Grid::new(0..case.shape.steps as isize, case.shape.batch, case.shape.units);
    for (t, b, j) in drive.places(drive.steps.clone()) {
        let v = [0.75, 0.5, 1.0][j % 3];
        drive.set(t, b, j, if t == 0 { v } else { v / 2.0 });
    }
    let outcome = run(kernels, case, &layer, &drive, &begin);
    let spikes = outcome.spikes.unwrap();
    for (t, b, j) in drive.places(drive.steps.clone()) {
        let expected = [f64::from(case.model.inclusive), 0.0, 1.0][j % 3];
        assert_eq!(spikes.get(t, b, j), expected, "step {t}, sample {b}, neuron {j}");
    }
}

on_every_backend!(potential_at_the_threshold, 6, at_the_threshold, check_threshold);

/// Of equal maxima the first counts, across ranges too, and a trace that stays below 0 has its maximum below 0.
fn ties(random: &mut Random) -> Case {
    let mut case = draw(random);
    case.shape = Shape { steps: 7, batch: 3, units: 33 };
    case.model = Model { lag: 0, synapse: false, normalised: false, ..model(random, false) };
    (case.recurrent, case.reduce) = (false, Some(Reduce::Max));
    case.cuts = cuts(random, 7);
    case
}

fn check_ties<K: Kernels>(kernels: &mut K, case: &Case) {
    let random = &mut Random::new(case.seed, 1);
    let mut layer = draw_layer(random, case.model, case.shape.units, false);
    layer.constants.beta.fill(0.5);
    let begin = Trace::new(7, 3, 33);
    let mut drive = Grid::new(0..7, 3, 33);
    let mut trace = begin.clone();
    for (t, b, j) in drive.places(0..7) {
        // V in quarters from −1 to −0.25: many ties, no rounding
        let v = -0.25 * (1.0 + random.below(4) as f64);
        drive.set(t, b, j, v - 0.5 * trace.potential.get(t - 1, b, j));
        trace.potential.set(t, b, j, v);
    }
    let outcome = run(kernels, case, &layer, &drive, &begin);
    let (activation, step) = naive::reduce(Reduce::Max, &trace.potential);
    assert_eq!(outcome.planes[2], activation);
    assert_eq!(outcome.planes[3], step);
}

on_every_backend!(first_of_equal_maxima, 6, ties, check_ties);
