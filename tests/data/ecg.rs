//! Electrocardiograms: labels of steps, of which some do not count.

use super::{directory_of, events, npz};
use spikegrad::data::{Activity, Ecg, Parameters, Selection};
use spikegrad::engine::Device;
use spikegrad::learn::{Recipe, Trainer};
use std::path::Path;

const STEPS: usize = 1301;

/// Trials of one wave after the other, 200 steps each; channel n spikes at the steps that are n modulo 50, and the first
/// `hidden` steps have no label. Wave w can be told by its channel: channel `w mod 4` spikes at every tenth step of it.
fn write(directory: &Path, name: &str, trials: usize, hidden: usize) {
    std::fs::create_dir_all(directory).unwrap();
    let (mut events, mut labels) = (vec![0u8; trials * STEPS * 4], vec![0u8; trials * STEPS * 6]);
    for trial in 0..trials {
        for step in 0..STEPS {
            let wave = (step / 200 + trial) % 6;
            if step % 10 == 0 {
                events[(trial * STEPS + step) * 4 + wave % 4] = 1;
            }
            if step >= hidden {
                labels[(trial * STEPS + step) * 6 + wave] = 1;
            }
        }
        // The mark of the end.
        events[(trial * STEPS + 1300) * 4] = 0xff;
    }
    let shape = |last: usize| format!("({trials}, {STEPS}, {last})");
    let arrays = [("events", "|i1", shape(4), events), ("label", "|u1", shape(6), labels)];
    let arrays: Vec<(&str, &str, &str, &[u8])> =
        arrays.iter().map(|(name, kind, shape, bytes)| (*name, *kind, shape.as_str(), bytes.as_slice())).collect();
    npz(&directory.join(name), &arrays);
}

fn small(place: &Path) -> Ecg {
    write(&place.join("ecg"), "qtdb_train.npz", 12, 100);
    write(&place.join("ecg"), "qtdb_test.npz", 4, 0);
    Ecg { directory: Some(place.to_path_buf()), valid: 3, seed: None }
}

#[test]
fn labels_and_masks_of_steps_come_with_their_samples() {
    let place = tempfile::tempdir().unwrap();
    let split = small(place.path()).load(1).unwrap();
    assert_eq!((split.train.len(), split.valid.len(), split.test.len()), (9, 3, 4));
    assert!(split.train.is_by_step() && split.train.labels().is_empty());
    let Selection { activity, labels, steps, lengths } = split.train.select(&[4, 0]).unwrap();
    let (Activity::Spikes(raster), None, Some(steps), None) = (activity, labels, steps, lengths) else { panic!() };
    assert_eq!((raster.steps(), raster.batch(), raster.units()), (STEPS, 2, 4));
    for (b, index) in [(0, 4), (1, 0)] {
        let trial = split.train.place(index);
        for t in 0..STEPS {
            let wave = (t / 200 + trial) % 6;
            assert_eq!(steps.mask[t * 2 + b], t >= 100);
            assert!(t < 100 || steps.labels[t * 2 + b] as usize == wave);
            for n in 0..4 {
                // −1 at the end is no spike.
                assert_eq!(raster.get(t, b, n), t % 10 == 0 && n == wave % 4 && t < 1300 + n.min(1), "step {t}");
            }
        }
    }
}

const NETWORK: &str = r#"
inputs = 4
[[layer]]
units = 12
recurrent = true
init = { kind = "uniform", gain = 8.0 }
[[layer]]
units = 6
[readout]
reduce = "every_step"
[train]
data = "ecg"
epochs = 2
batch = 4
optimiser = { kind = "adam", rate = 0.01 }
[data]
valid = 3
"#;

#[test]
fn accuracy_is_that_of_the_steps_that_count() {
    let place = tempfile::tempdir().unwrap();
    let mut recipe = Recipe::from_toml(NETWORK, "ecg").unwrap();
    small(place.path());
    recipe.data.set_directory(place.path().to_path_buf());
    let split = recipe.data.load(1).unwrap();
    let train = split.train.clone();
    let mut trainer = Trainer::new(recipe, split, Device::Cpu).unwrap();
    let all: Vec<usize> = (0..train.len()).collect();
    let batch = trainer.recipe().batch(&train, &all, 0).unwrap();
    let steps = train.select(&all).unwrap().steps.unwrap();
    let mut outputs = trainer.engine().forward(&batch).unwrap();
    let trace = outputs.potential(1).unwrap();
    let mut right = 0;
    for (cell, (label, _)) in steps.labels.iter().zip(&steps.mask).enumerate().filter(|(_, (_, counts))| **counts) {
        let classes = &trace.values[cell * 6..][..6];
        let best = classes.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        right += usize::from(classes.iter().position(|&value| value == best) == Some(*label as usize));
    }
    let metrics = trainer.engine().metrics().unwrap().remove(0);
    assert_eq!((metrics.answers, metrics.correct), (9 * 1201, right as u64));
    let evaluated = trainer.evaluate(&train).unwrap();
    assert!((evaluated.accuracy - right as f64 / (9.0 * 1201.0)).abs() < 1e-12, "{}", evaluated.accuracy);
    // The same answers, by class: each wave has as many steps as count.
    let confusion = trainer.confusion(&train).unwrap();
    assert_eq!(confusion.totals(), (9 * 1201, right as u64));
    for wave in 0..6 {
        let counted =
            steps.labels.iter().zip(&steps.mask).filter(|(label, counts)| **counts && **label == wave).count();
        assert_eq!(confusion.row(wave as usize).iter().sum::<u64>(), counted as u64);
    }
    let first = trainer.epoch(|_| ()).unwrap().train_loss;
    let last = (0..5).map(|_| trainer.epoch(|_| ()).unwrap().train_loss).last().unwrap();
    assert!(last < first, "{first} {last}");
}

#[test]
fn a_readout_that_answers_once_is_refused() {
    let place = tempfile::tempdir().unwrap();
    small(place.path());
    let refused = |text: &str| {
        let mut recipe = Recipe::from_toml(text, "ecg").unwrap();
        recipe.data.set_directory(place.path().to_path_buf());
        let split = recipe.data.load(1).unwrap();
        Trainer::new(recipe, split, Device::Cpu).err().unwrap().to_string()
    };
    let once = refused(&NETWORK.replace("every_step", "max"));
    assert!(once.contains("readout.reduce") && once.contains("every_step"), "{once}");
}

#[test]
fn labels_that_are_not_one_hot_are_named() {
    let place = tempfile::tempdir().unwrap();
    let task = small(place.path());
    let labels = vec![1u8; 2 * STEPS * 6];
    let events = vec![0u8; 2 * STEPS * 4];
    npz(
        &place.path().join("ecg/qtdb_test.npz"),
        &[("events", "|i1", "(2, 1301, 4)", &events), ("label", "|u1", "(2, 1301, 6)", &labels)],
    );
    let error = task.load(1).unwrap_err().to_string();
    assert!(error.contains("no one-hot label at step 0 of trial 0"), "{error}");
}

#[test]
fn the_published_trials_are_whole() {
    let Some(directory) = directory_of("ecg") else { return };
    let split = Ecg { directory: Some(directory), ..Ecg::default() }.load(1).unwrap();
    assert_eq!((split.train.len(), split.valid.len(), split.test.len()), (558, 60, 141));
    let mut counts = [0usize; 6];
    let mut masked = 0;
    for index in 0..141 {
        let steps = split.test.select(&[index]).unwrap().steps.unwrap();
        for (label, counted) in steps.labels.iter().zip(&steps.mask) {
            counts[*label as usize] += usize::from(*counted);
            masked += usize::from(!counted);
        }
    }
    assert_eq!((counts, masked), ([24153, 10145, 9840, 9065, 55885, 55297], 141 * 1301 - 164_385));
    assert!(events(&split.test, 0).len() > 50);
}
