//! The adjoint of the neuron: the naive run's spikes and tape, the adjoint equations walked literally.

use super::forward::{Case as Run, draw as draw_run, set_up};
use super::*;
use crate::naive::{self, Above, Adjoint, Grid, Layer, Trace};
use spikegrad::kernels::*;
use spikegrad::network::Reduce;

#[derive(Clone, Debug)]
pub struct Case {
    pub run: Run,
    /// What comes from above.
    pub spikes: bool,
    pub counts: bool,
    pub potential: bool,
}

pub fn draw(random: &mut Random) -> Case {
    let run = draw_run(random);
    let spiking = run.model.spiking;
    let (spikes, counts) = (spiking && chance(random, 0.7), spiking && chance(random, 0.5));
    let potential = chance(random, 0.4) || !(spikes || counts || run.reduce.is_some());
    Case { run, spikes, counts, potential }
}

/// The layer, the rounded naive run, and gradients from above.
pub fn set_up_above(case: &Case) -> (Layer, Trace, Above) {
    let shape = case.run.shape;
    let (layer, _, mut trace) = set_up(&case.run);
    round(&layer, &mut trace);
    let random = &mut Random::new(case.run.seed, 2);
    let above = Above {
        spikes: case.spikes.then(|| draw_grid(random, shape)),
        counts: case.counts.then(|| draw_plane(random, shape)),
        potential: case.potential.then(|| draw_grid(random, shape)),
        activation: case.run.reduce.map(|reduce| {
            let step = (0..shape.batch * shape.units).map(|_| random.below(shape.steps) as f64).collect();
            (reduce, draw_plane(random, shape), step)
        }),
    };
    (layer, trace, above)
}

/// What a backend makes of the case: χ, and the planes λ_0, μ_0, α, β, θ, b.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub chi: Grid,
    pub planes: [Vec<f64>; 6],
}

/// The layer above, for the fused backward pass.
pub struct Feed {
    shape: Shape,
    lag: usize,
    weights: Vec<f64>,
    chi: Grid,
}

pub fn run<K: Kernels>(kernels: &mut K, case: &Case, layer: &Layer, trace: &Trace, above: &Above) -> Outcome {
    run_fed(kernels, case, layer, trace, above, None)
}

fn run_fed<K: Kernels>(
    kernels: &mut K,
    case: &Case,
    layer: &Layer,
    trace: &Trace,
    above: &Above,
    feed: Option<&Feed>,
) -> Outcome {
    let Run { shape, model, reduce, .. } = case.run;
    let constants = super::constants(kernels, model, &layer.constants);
    let recurrent = recurrent(kernels, layer);
    let spikes = model.spiking.then(|| activity(kernels, ActivityKind::Raster, &trace.spikes));
    let tape = tape(kernels, model, trace);
    let mut gradient_spikes = above.spikes.as_ref().map(|grid| rows(kernels, shape.units, &grid.values));
    let gradient_potential = above.potential.as_ref().map(|grid| rows(kernels, shape.units, &grid.values));
    // POTENTIAL and CURRENT hold the end of the run, which the adjoint must not take for its start
    let (v, i) = (trace.potential.step(-1), trace.current.step(-1));
    let stale = vec![STALE; v.len()];
    let counts = above.counts.clone().unwrap_or(stale.clone());
    let mut set: Vec<(usize, &[f64])> = vec![
        (plane::POTENTIAL, &stale),
        (plane::CURRENT, &stale),
        (plane::START_POTENTIAL, &v),
        (plane::START_CURRENT, &i),
        (plane::COUNT_GRADIENT, &counts),
    ];
    if let Some((_, gradient, step)) = &above.activation {
        set.extend([(plane::ACTIVATION_GRADIENT, &gradient[..]), (plane::STEP, &step[..])]);
    }
    let mut planes = planes(kernels, shape, &set);
    let mut chi = vec![STALE; shape.steps * shape.batch * shape.units];
    chi.resize((shape.steps + FUTURE) * shape.batch * shape.units, 0.0);
    let mut chi = rows(kernels, shape.units, &chi);
    let form = case.run.form.unwrap_or_else(|| kernels.form(shape, case.run.recurrent).1);
    let mut ends = case.run.cuts.clone();
    while let Some(to) = ends.pop() {
        let call = Backward {
            model,
            shape,
            window: Window::whole(shape),
            range: ends.last().copied().unwrap_or(0)..to,
            form,
            constants: &constants,
            recurrent: recurrent.as_ref().map(|(weights, prepared)| (weights, prepared)),
            spikes: spikes.as_ref(),
            tape: Some(&tape),
            gradient_spikes: None,
            gradient_potential: gradient_potential.as_ref(),
            counts: case.counts,
            kicks: None,
            reduce,
            planes: &mut planes,
            chi: &mut chi,
        };
        let Some(feed) = feed else {
            kernels.backward(Backward { gradient_spikes: gradient_spikes.as_ref(), ..call });
            continue;
        };
        let weights = weights(kernels, feed.shape.units, &feed.weights);
        let chi = rows(kernels, feed.shape.units, &feed.chi.values);
        let accumulate = gradient_spikes.is_some();
        let mut scratch = rows(kernels, shape.units, &vec![STALE; shape.steps * shape.batch * shape.units]);
        let above = spikegrad::kernels::Above {
            shape: feed.shape,
            lag: feed.lag,
            weights: (&weights.0, &weights.1),
            chi: &chi,
            accumulate,
            gradient: gradient_spikes.as_mut().unwrap_or(&mut scratch),
        };
        kernels.layer_backward(above, call);
    }
    let future = read(kernels, &chi, shape.len(shape.steps + FUTURE)).split_off(shape.len(shape.steps));
    assert!(future.iter().all(|&value| value == 0.0), "χ after the sequence");
    let read = [
        plane::LAMBDA,
        plane::MU,
        plane::ALPHA_GRADIENT,
        plane::BETA_GRADIENT,
        plane::THETA_GRADIENT,
        plane::BIAS_GRADIENT,
    ];
    Outcome {
        chi: read_grid(kernels, "χ", shape, &chi, 0),
        planes: read.map(|plane| read_plane(kernels, shape, &planes, plane)),
    }
}

pub fn compare(case: &Case, outcome: &Outcome, expected: &Adjoint, tolerance: f64) {
    let end = case.run.shape.steps as isize;
    let Learned { tau_syn, tau_mem, threshold, bias, .. } = case.run.model.learned;
    let [lambda, mu, alpha, beta, theta, b] = &outcome.planes;
    assert_close("χ", &outcome.chi.values, &expected.chi.part(0..end, 0).values, tolerance);
    assert_close("λ_0", lambda, &expected.lambda.step(0), tolerance);
    assert_close("μ_0", mu, &expected.chi.step(0), tolerance);
    if tau_syn && case.run.model.synapse {
        assert_close("dα", alpha, &expected.alpha, tolerance);
    }
    if !tau_syn {
        assert!(alpha.iter().all(|&value| value == 0.0), "dα is not learned, is {alpha:?}");
    }
    for (what, learned, got, want) in [
        ("dβ", tau_mem, beta, &expected.beta),
        ("dθ", threshold, theta, &expected.theta),
        ("db", bias, b, &expected.bias),
    ] {
        if learned {
            assert_close(what, got, want, tolerance);
        } else {
            assert!(got.iter().all(|&value| value == 0.0), "{what} is not learned, is {got:?}");
        }
    }
}

pub fn check<K: Kernels>(kernels: &mut K, case: &Case) {
    let (layer, trace, above) = set_up_above(case);
    let outcome = run(kernels, case, &layer, &trace, &above);
    compare(case, &outcome, &naive::backward(&layer, &trace, &above), tolerance::<K>(1e-4));
}

on_every_backend!(equals_naive, 200, draw, check);

/// k..T, then 0..k, gives the bits of 0..T.
fn check_ranges<K: Kernels>(kernels: &mut K, case: &Case) {
    let (layer, trace, above) = set_up_above(case);
    let parts = run(kernels, case, &layer, &trace, &above);
    let mut whole = case.clone();
    whole.run.cuts = vec![case.run.shape.steps];
    let whole = run(kernels, &whole, &layer, &trace, &above);
    assert_eq!(parts.chi, whole.chi);
    assert_eq!(parts.planes, whole.planes);
}

/// `layer_backward` equals the product with the layer above, then the adjoint with its result added.
pub fn check_fused<K: Kernels>(kernels: &mut K, case: &Case) {
    let (layer, trace, mut above) = set_up_above(case);
    let shape = case.run.shape;
    let random = &mut Random::new(case.run.seed, 3);
    let of_above = Shape { units: width(random), ..shape };
    let lag = random.below(3);
    let weights: Vec<f64> = (0..shape.units * of_above.units).map(|_| normal(random)).collect();
    let chi = Grid::drawn(0..shape.steps as isize + 2, shape.batch, of_above.units, || normal(random));
    let mut sum = naive::drive_backward(Projection::Dense, shape.units, of_above, lag, &weights, &chi);
    let feed = Feed { shape: of_above, lag, weights, chi };
    let outcome = run_fed(kernels, case, &layer, &trace, &above, Some(&feed));
    if let Some(own) = &above.spikes {
        sum.values.iter_mut().zip(&own.values).for_each(|(sum, own)| *sum += own);
    }
    above.spikes = Some(sum);
    compare(case, &outcome, &naive::backward(&layer, &trace, &above), tolerance::<K>(1e-4));
}

pub fn spiking(random: &mut Random) -> Case {
    loop {
        let mut case = draw(random);
        if case.run.model.spiking {
            case.run.cuts = vec![case.run.shape.steps];
            return case;
        }
    }
}

on_every_backend!(fused_with_the_layer_above, 60, spiking, check_fused);

fn cut(random: &mut Random) -> Case {
    let mut case = draw(random);
    let steps = case.run.shape.steps.max(3);
    case.run.shape.steps = steps;
    case.run.cuts = vec![1 + random.below(steps - 1), steps];
    case
}

on_every_backend!(ranges_equal_whole, 40, cut, check_ranges);

/// A class whose trace never leaves the start gets gradient at the step of its maximum only.
fn one_step_of_the_maximum(random: &mut Random) -> Case {
    let mut case = draw(random);
    case.run.model = model(random, false);
    (case.run.recurrent, case.run.reduce) = (false, Some(Reduce::Max));
    (case.spikes, case.counts, case.potential) = (false, false, false);
    case
}

on_every_backend!(maximum_of_a_readout, 10, one_step_of_the_maximum, check);
