//! Subgroup operations: lists are the same as without them, sums are right and the same each time.

use super::forms::open;
use crate::kernels::forms::{silent_below, silent_recurrent, silent_wide};
use crate::kernels::*;
use spikegrad::gpu::{Gpu, Options, When};
use spikegrad::kernels::*;
use spikegrad::spikes::Random;

/// With subgroup operations wherever they can be, and without; None where the adapter has none.
fn with_and_without() -> Option<[Gpu; 2]> {
    let with = open(Options { subgroups: When::Always, ..Options::default() })?;
    if !with.adapter().subgroups {
        eprintln!("skipped: no subgroup operations");
        return None;
    }
    Some([with, open(Options { subgroups: When::Never, ..Options::default() })?])
}

/// Any width, so that words, workgroups and subgroups end anywhere; resident, where the list is made.
fn resident(random: &mut Random) -> forward::Case {
    let units = one_of(random, &[1, 31, 33, 64, 100, 200, 300, 500, 777, 1000]);
    let mut case = forms::wide(random, units);
    case.form = Some(Form::Resident { tile: 1 + random.below(3), quantum: one_of(random, &[1, 100]) });
    case
}

/// The order of the rows of R decides the bits of V.
#[test]
fn spikes_are_listed_in_the_same_order() {
    let Some([mut with, mut without]) = with_and_without() else { return };
    for seed in 0..24 {
        let case = resident(&mut Random::new(seed, 5));
        println!("case {seed}: {case:?}");
        forward::check(&mut with, &case);
        let (layer, drive, trace) = forward::set_up(&case);
        let [a, b] = [&mut with, &mut without].map(|gpu| forward::run(gpu, &case, &layer, &drive, &trace));
        assert_eq!((a.spikes, a.planes), (b.spikes, b.planes));
    }
}

#[test]
fn the_same_silent_rows_are_skipped() {
    let skipping = |subgroups| open(Options { skip_silent: When::Always, subgroups, ..Options::default() });
    let (Some(mut with), Some(mut without)) = (skipping(When::Always), skipping(When::Never)) else { return };
    let draws = [silent_recurrent, silent_wide];
    for seed in 0..16 {
        let case = draws[usize::from(seed % 8 == 7)](&mut Random::new(seed, 6));
        println!("case {seed}: {case:?}");
        backward::check(&mut with, &case);
        let (layer, trace, above) = backward::set_up_above(&case);
        let [a, b] = [&mut with, &mut without].map(|gpu| backward::run(gpu, &case, &layer, &trace, &above).chi);
        assert_eq!(a.values, b.values);
    }
    on_drawn(&mut with, 16, silent_below, backward::check_fused);
}

/// Σ x² over any number of entries: right to rounding, and the same bits whenever it is asked for.
#[test]
fn sums_are_right_and_repeat() {
    let Some(both) = with_and_without() else { return };
    for mut gpu in both {
        for len in [1, 7, 255, 256, 4097, 100_000] {
            let values = super::layer::drawn(&mut gpu, len as u64, 1, len, 1.0);
            let read = gpu.read(&values, 0..len).unwrap();
            let expected: f64 = read.iter().map(|&value| f64::from(value).powi(2)).sum();
            let mut metrics = gpu.values("metrics", 4).unwrap();
            (0..3).for_each(|slot| gpu.square_sum(&values, len, &mut metrics, slot));
            let got = gpu.read(&metrics, 0..3).unwrap();
            assert!((f64::from(got[0]) - expected).abs() <= 1e-6 * expected, "{len}: {got:?}, not {expected}");
            assert_eq!(got, [got[0]; 3]);
        }
    }
}

/// One number that is none is not lost on the way, wherever it stands.
#[test]
fn a_sum_with_a_number_that_is_none_is_none() {
    let Some([mut gpu, _]) = with_and_without() else { return };
    let mut metrics = gpu.values("metrics", 4).unwrap();
    for at in [0, 1, 10, 100, 255, 256, 4999] {
        let mut values = gpu.values("values", 5000).unwrap();
        gpu.fill(&mut values, at..at + 1, f64::NAN);
        gpu.square_sum(&values, 5000, &mut metrics, 0);
        assert!(gpu.read(&metrics, 0..1).unwrap()[0].is_nan(), "entry {at}");
    }
}
