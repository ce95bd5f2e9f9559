//! The optimiser's step: every rule, every mode, shared rows.

use super::*;
use crate::naive;
use spikegrad::kernels::*;
use spikegrad::spikes::pad;

#[derive(Clone, Debug)]
struct Case {
    seed: u64,
    rule: Rule,
    units: usize,
    modes: Vec<(Mode, bool)>,
    scale: f64,
    /// First of the three steps.
    step: u64,
    penalty: Penalty,
}

fn rule(random: &mut Random) -> Rule {
    let (beta1, beta2, epsilon) = (0.9, one_of(random, &[0.99, 0.999]), 1e-8);
    match random.below(7) {
        0 => Rule::Sgd { momentum: 0.0 },
        1 => Rule::Sgd { momentum: 0.9 },
        2 => Rule::Adam { beta1, beta2, epsilon, decay: 0.0 },
        3 => Rule::Adam { beta1, beta2, epsilon, decay: 0.1 },
        4 => Rule::Adamax { beta1, beta2, epsilon },
        _ => Rule::Smorms3 { epsilon: one_of(random, &[1e-8, 1e-16]) },
    }
}

/// Weights: one plain row without padding between its entries.
fn weights(random: &mut Random) -> Case {
    Case {
        seed: random.bits(),
        rule: rule(random),
        units: 32 * one_of(random, &[1, 3, 33, 300]),
        modes: vec![(Mode::Plain, false)],
        scale: one_of(random, &[1.0, 0.25]),
        step: one_of(random, &[1, 2, 50]),
        penalty: one_of(random, &[Penalty::default(), Penalty { l2: 0.1, l1: 0.0 }, Penalty { l2: 0.05, l1: 0.2 }]),
    }
}

/// Neuron parameters: four rows, each in its own mode.
fn neurons(random: &mut Random) -> Case {
    let mode =
        |random: &mut Random| (one_of(random, &[Mode::Frozen, Mode::Plain, Mode::Logarithmic]), chance(random, 0.5));
    let modes = (0..4).map(|_| mode(random)).collect();
    Case { units: width(random), modes, ..weights(random) }
}

fn check<K: Kernels>(kernels: &mut K, case: &Case) {
    let Case { rule, units, ref modes, scale, .. } = *case;
    let random = &mut Random::new(case.seed, 1);
    let len = modes.len() * units;
    let mut expected: Vec<f64> = (0..len).map(|_| between(random, 0.5, 2.0)).collect();
    for (row, (_, shared)) in expected.chunks_mut(units).zip(modes) {
        if *shared {
            let first = row[0];
            row.fill(first);
        }
    }
    let row = pad(units);
    let mut state = vec![0.0; rule.rows() * len];
    let mut on_device = rows(kernels, units, &expected);
    let mut state_on_device = array(kernels, &vec![0.0; rule.rows() * modes.len() * row]);
    let rate = 0.01;
    for step in case.step..case.step + 3 {
        let finite = f64::from(step != case.step + 1);
        let mut gradient: Vec<f64> = (0..len).map(|_| normal(random)).collect();
        for (row, (mode, shared)) in gradient.chunks_mut(units).zip(modes) {
            if *shared {
                row[1..].fill(0.0);
            }
            if *mode == Mode::Frozen {
                row.fill(0.0);
            }
        }
        naive::update(
            rule,
            rate,
            step,
            units,
            modes,
            &mut expected,
            &gradient,
            &mut state,
            (scale, finite),
            case.penalty,
        );
        let call = Update {
            rule,
            rate,
            penalty: case.penalty,
            step,
            row,
            modes,
            parameters: &mut on_device,
            gradient: &rows(kernels, units, &gradient),
            state: &mut state_on_device,
            control: &array(kernels, &[scale, finite]),
        };
        kernels.update(call);
    }
    let got = read(kernels, &on_device, modes.len() * row);
    let got: Vec<f64> = got.chunks(row).flat_map(|row| row[..units].to_vec()).collect();
    // what moved is what is compared: a parameter is about 1, a step about 0.01
    assert_close("parameters", &got, &expected, tolerance::<K>(1e-6));
    if modes == &[(Mode::Plain, false)] {
        let got = read(kernels, &state_on_device, rule.rows() * row);
        for r in 0..rule.rows() {
            let entries = r * len..(r + 1) * len;
            assert_close("state", &got[entries.clone()], &state[entries], tolerance::<K>(1e-5));
        }
    }
}

on_every_backend!(of_weights, 40, weights, check);
on_every_backend!(of_neuron_parameters, 60, neurons, check);

/// Padding of weights stays 0 under every rule: its gradient is 0.
fn check_padding<K: Kernels>(kernels: &mut K, case: &Case) {
    let mut state = array(kernels, &vec![0.0; case.rule.rows() * 64]);
    let mut parameters = rows(kernels, 33, &[1.0; 33]);
    let gradient = rows(kernels, 33, &[0.5; 33]);
    let control = array(kernels, &[case.scale, 1.0]);
    for step in 1..4 {
        kernels.update(Update {
            rule: case.rule,
            rate: 0.1,
            penalty: case.penalty,
            step,
            row: 64,
            modes: &[(Mode::Plain, false)],
            parameters: &mut parameters,
            gradient: &gradient,
            state: &mut state,
            control: &control,
        });
    }
    let got = read(kernels, &parameters, 64);
    stripped("weights", 33, &got);
    assert!(got[..33].iter().all(|&p| p == got[0] && p < 1.0), "{got:?}");
}

on_every_backend!(padding_stays_zero, 14, weights, check_padding);
