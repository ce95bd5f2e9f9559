//! Counts, tallies, and the regularisers.

use super::drive::draw_source;
use super::*;
use crate::naive::{self, Grid};
use spikegrad::kernels::*;
use spikegrad::network::{Reduce, Regulariser};

#[derive(Clone, Debug)]
struct Case {
    seed: u64,
    shape: Shape,
}

fn draw(random: &mut Random) -> Case {
    Case { seed: random.bits(), shape: shape(random) }
}

fn check_count<K: Kernels>(kernels: &mut K, case: &Case) {
    let shape = case.shape;
    for emit_lag in [0, 1] {
        let random = &mut Random::new(case.seed, 1);
        let kind = one_of(random, &[ActivityKind::Raster, ActivityKind::Bytes]);
        let spikes = draw_source(random, kind, shape.units, shape);
        let lengths = draw_lengths(random, shape);
        let expected = naive::count_until(&spikes, emit_lag, &lengths);
        let lengths = words(kernels, &lengths);
        let stale = vec![STALE; expected.len()];
        let mut planes = planes(kernels, shape, &[(plane::COUNT, &stale), (plane::COUNT - 1, &stale)]);
        let spikes = activity(kernels, kind, &spikes);
        kernels.count(Count {
            shape,
            window: Window::whole(shape),
            emit_lag,
            spikes: &spikes,
            lengths: &lengths,
            planes: &mut planes,
        });
        assert_eq!(read_plane(kernels, shape, &planes, plane::COUNT), expected, "emit lag {emit_lag}");
        assert_eq!(read_plane(kernels, shape, &planes, plane::COUNT - 1), stale, "the plane before");
    }
}

on_every_backend!(counts, 40, draw, check_count);

fn check_tally<K: Kernels>(kernels: &mut K, case: &Case) {
    let (shape, random) = (case.shape, &mut Random::new(case.seed, 1));
    let lengths = draw_lengths(random, shape);
    let steps: u32 = lengths.iter().sum();
    // units that never spike, that always do, and others
    let habits: Vec<usize> = (0..shape.units).map(|_| random.below(3)).collect();
    let counts: Vec<f64> = (0..shape.batch * shape.units)
        .map(|at| match habits[at % shape.units] {
            0 => 0.0,
            1 => f64::from(lengths[at / shape.units]),
            _ => random.below(lengths[at / shape.units] as usize + 1) as f64,
        })
        .collect();
    let of_unit: Vec<f64> = (0..shape.units).map(|j| counts.iter().skip(j).step_by(shape.units).sum()).collect();
    let silent = of_unit.iter().filter(|&&count| count == 0.0).count() as f64;
    let saturated = of_unit.iter().filter(|&&count| count > 0.5 * f64::from(steps)).count() as f64;
    let planes = planes(kernels, shape, &[(plane::COUNT, &counts)]);
    let lengths = words(kernels, &lengths);
    let before = draw_plane(random, Shape { batch: 1, ..shape });
    let mut totals = rows(kernels, shape.units, &before);
    let mut metrics = array(kernels, &[STALE; 5]);
    kernels.tally(Tally {
        shape,
        planes: &planes,
        lengths: &lengths,
        totals: &mut totals,
        metrics: &mut metrics,
        slot: 1,
    });
    let expected: Vec<f64> = before.iter().zip(&of_unit).map(|(before, count)| before + count).collect();
    let got = stripped("totals", shape.units, &read(kernels, &totals, shape.row()));
    assert_close("totals", &got, &expected, tolerance::<K>(1e-6));
    let got = read(kernels, &metrics, 5);
    assert_eq!(got, [STALE, of_unit.iter().sum(), silent, saturated, STALE]);
}

on_every_backend!(tallies, 40, draw, check_tally);

#[derive(Clone, Debug)]
struct Activity {
    seed: u64,
    shape: Shape,
    terms: Vec<Regulariser>,
}

fn draw_activity(random: &mut Random) -> Activity {
    let term = |random: &mut Random| {
        let (strength, target) = (between(random, 0.1, 2.0), between(random, 0.5, 3.0));
        match random.below(8) {
            0 => Regulariser::Lower { strength, target },
            1 => Regulariser::Upper { strength, target, exponent: 1 },
            2 => Regulariser::Upper { strength, target, exponent: 2 },
            3 => Regulariser::L1 { strength },
            4 => Regulariser::UpperNeuron { strength, target, exponent: 1 },
            5 => Regulariser::UpperNeuron { strength, target, exponent: 2 },
            6 => Regulariser::L2Target { strength, target },
            _ => Regulariser::L2 { strength },
        }
    };
    let terms = (0..1 + random.below(3)).map(|_| term(random)).collect();
    Activity { seed: random.bits(), shape: shape(random), terms }
}

fn check_regularisers<K: Kernels>(kernels: &mut K, case: &Activity) {
    let (shape, random) = (case.shape, &mut Random::new(case.seed, 1));
    // each sample has an activity of its own, so that targets lie above some and below others
    let most: Vec<usize> = (0..shape.batch).map(|_| 1 + random.below(8)).collect();
    let counts: Vec<f64> =
        (0..shape.batch * shape.units).map(|at| random.below(most[at / shape.units]) as f64).collect();
    let mut gradient = draw_plane(random, shape);
    let mut planes = planes(kernels, shape, &[(plane::COUNT, &counts), (plane::COUNT_GRADIENT, &gradient)]);
    let mut metrics = array(kernels, &[STALE; 3]);
    let mut value = STALE;
    for &regulariser in &case.terms {
        kernels.regularise(Regularise { regulariser, shape, planes: &mut planes, metrics: &mut metrics, slot: 1 });
        let (more, cost) = naive::regularise(regulariser, &counts, shape.batch);
        gradient.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        value += cost;
    }
    let got = read_plane(kernels, shape, &planes, plane::COUNT_GRADIENT);
    assert_close("dL/dζ", &got, &gradient, tolerance::<K>(1e-5));
    assert_eq!(read_plane(kernels, shape, &planes, plane::COUNT), counts);
    assert_close("metrics", &read(kernels, &metrics, 3), &[STALE, value, STALE], tolerance::<K>(1e-4));
}

on_every_backend!(regularisers, 80, draw_activity, check_regularisers);

/// The naive gradients are the slopes of the naive values: what the other tests stand on.
#[test]
fn naive_gradients_are_slopes() {
    let random = &mut Random::new(1, 1);
    let h = 1e-5;
    let slope = |values: &[f64], value: &dyn Fn(&[f64]) -> f64| -> Vec<f64> {
        let moved = |at: usize, by: f64| {
            let mut moved = values.to_vec();
            moved[at] += by;
            value(&moved)
        };
        (0..values.len()).map(|at| (moved(at, h) - moved(at, -h)) / (2.0 * h)).collect()
    };
    let shape = Shape { steps: 1, batch: 3, units: 4 };
    let counts: Vec<f64> = draw_plane(random, shape).iter().map(|x| 2.0 + x).collect();
    for seed in 0..20 {
        for regulariser in draw_activity(&mut Random::new(seed, 2)).terms {
            let (gradient, _) = naive::regularise(regulariser, &counts, 3);
            let expected = slope(&counts, &|counts| naive::regularise(regulariser, counts, 3).1);
            assert_close(&format!("{regulariser:?}"), &gradient, &expected, 1e-8);
        }
    }
    let trace = Grid::drawn(-1..5, 1, 1, || normal(random));
    for reduce in [Reduce::Max, Reduce::Sum, Reduce::Mean, Reduce::Last] {
        let step = naive::reduce(reduce, &trace).1[0];
        let gradient: Vec<f64> =
            (-1..5).map(|t| if t < 0 { 0.0 } else { naive::reduction_gradient(reduce, t, 5, step) }).collect();
        let activation = |values: &[f64]| {
            let trace = Grid { values: values.to_vec(), ..trace.clone() };
            naive::reduce(reduce, &trace).0[0]
        };
        assert_close(&format!("{reduce:?}"), &gradient, &slope(&trace.values, &activation), 1e-8);
    }
}
