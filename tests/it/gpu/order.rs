//! Work happens in the order of the calls, whatever is recorded, written directly, or submitted in between.

use crate::kernels::gpu;
use spikegrad::kernels::*;

#[test]
fn writes_and_kernels_take_effect_in_the_order_of_the_calls() {
    let Some(mut gpu) = gpu() else { return };
    let mut values = gpu.values("values", 64).unwrap();
    gpu.fill(&mut values, 0..64, 1.0);
    gpu.write(&mut values, 8, &[2.0; 8]);
    gpu.fill(&mut values, 12..20, 3.0);
    gpu.submit();
    gpu.write(&mut values, 19, &[4.0]);
    let read = gpu.read(&values, 0..24).unwrap();
    let expected: Vec<f32> = [vec![1.0; 8], vec![2.0; 4], vec![3.0; 7], vec![4.0], vec![1.0; 4]].concat();
    assert_eq!(read, expected);
}

/// More parameter blocks than there are slots: a slot is not overwritten before the work that reads it was handed over.
#[test]
fn a_block_of_parameters_outlives_the_work_that_reads_it() {
    let Some(mut gpu) = gpu() else { return };
    let mut values = gpu.values("values", 10_000).unwrap();
    for i in 0..10_000 {
        gpu.fill(&mut values, i..i + 1, i as f64);
    }
    let read = gpu.read(&values, 0..10_000).unwrap();
    assert!(read.iter().enumerate().all(|(i, &value)| value == i as f32));
}

/// Learning rates that change at every step, more of them than the ring holds, with no read in between.
#[test]
fn every_update_sees_its_own_learning_rate() {
    let Some(mut gpu) = gpu() else { return };
    let [mut parameters, mut gradient, mut state, mut control] =
        ["parameters", "gradient", "state", "control"].map(|role| gpu.values(role, 32).unwrap());
    gpu.fill(&mut gradient, 0..32, 1.0);
    gpu.fill(&mut control, 0..2, 1.0);
    let mut expected = 0.0;
    for step in 1..=2000u64 {
        // Powers of two: sums of a few thousand of them have no rounding.
        let rate = 1.0 / 1024.0 * (1 + step % 7) as f64;
        expected -= rate;
        gpu.update(Update {
            rule: Rule::Sgd { momentum: 0.0 },
            rate,
            penalty: Penalty::default(),
            step,
            row: 32,
            modes: &[(Mode::Plain, false)],
            parameters: &mut parameters,
            gradient: &gradient,
            state: &mut state,
            control: &control,
        });
    }
    assert_eq!(gpu.read(&parameters, 0..32).unwrap(), [expected as f32; 32]);
}
