//! Constants of a layer from its parameters.

use super::*;
use crate::naive;
use spikegrad::kernels::*;

#[derive(Clone, Debug)]
struct Case {
    seed: u64,
    model: Model,
    units: usize,
    dt: f64,
}

fn draw(random: &mut Random) -> Case {
    let spiking = chance(random, 0.7);
    let model = model(random, spiking);
    Case { seed: random.bits(), model, units: width(random), dt: one_of(random, &[0.5, 1.0, 2.0]) }
}

/// Parameters `[4][n]`.
pub fn draw_parameters(random: &mut Random, units: usize) -> Vec<f64> {
    let mut each = |low, high| (0..units).map(|_| between(random, low, high)).collect::<Vec<f64>>();
    [each(2.0, 20.0), each(2.0, 40.0), each(0.5, 1.5), each(-1.0, 1.0)].concat()
}

/// The five rows on a backend, without padding.
fn run<K: Kernels>(kernels: &mut K, case: &Case, parameters: &[f64]) -> [Vec<f64>; 5] {
    let row = spikegrad::spikes::pad(case.units);
    let parameters = rows(kernels, case.units, parameters);
    let mut out = kernels.values("constants", constant::ROWS * row).unwrap();
    kernels.fill(&mut out, 0..constant::ROWS * row, STALE);
    kernels.constants(case.model, case.units, case.dt, &parameters, &mut out);
    let got = read(kernels, &out, constant::ROWS * row);
    std::array::from_fn(|at| {
        let mut values = got[at * row..(at + 1) * row].to_vec();
        let padding = values.split_off(case.units);
        if at == constant::THETA {
            assert!(padding.iter().all(|&theta| f64::from(theta as f32) == f64::from(NEVER as f32)), "{padding:?}");
        } else {
            assert!(padding.iter().all(|&value| value == 0.0), "row {at}: padding {padding:?}");
        }
        values
    })
}

fn check<K: Kernels>(kernels: &mut K, case: &Case) {
    let parameters = draw_parameters(&mut Random::new(case.seed, 1), case.units);
    let expected = naive::constants(case.model, case.dt, &parameters);
    let [alpha, beta, gamma, theta, bias] = run(kernels, case, &parameters);
    let tolerance = tolerance::<K>(1e-6);
    assert_close("α", &alpha, &expected.alpha, tolerance);
    assert_close("β", &beta, &expected.beta, tolerance);
    assert_close("γ", &gamma, &expected.gamma, tolerance);
    assert_eq!(bias, expected.bias);
    if case.model.spiking {
        assert_eq!(theta, expected.theta);
    } else {
        assert!(theta.iter().all(|&theta| theta > 0.99 * NEVER), "a readout never spikes: {theta:?}");
    }
}

on_every_backend!(equals_naive, 24, draw, check);

/// α and β stay below 1, however long the time constants, and are finite where they are short.
fn check_extremes<K: Kernels>(kernels: &mut K, case: &Case) {
    let case = Case { model: Model { synapse: true, spiking: true, ..case.model }, ..case.clone() };
    for tau in [1e-6, 1e-3, 1e6, 1e9, 1e18, 1e30] {
        let mut parameters = draw_parameters(&mut Random::new(case.seed, 1), case.units);
        parameters[..2 * case.units].fill(tau);
        let [alpha, beta, gamma, ..] = run(kernels, &case, &parameters);
        for value in alpha.iter().chain(&beta) {
            assert!((0.0..1.0).contains(value), "exp(−dt/{tau}) is {value}");
            if tau > 1e8 {
                assert!(*value > 0.999_999, "exp(−dt/{tau}) is {value}");
            }
        }
        assert!(gamma.iter().all(|gamma| (0.0..=1.0).contains(gamma)), "γ at τ = {tau}: {gamma:?}");
    }
}

on_every_backend!(extreme_time_constants, 4, draw, check_extremes);
