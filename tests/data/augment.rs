//! Augmentations: what each does, and that a sample is varied alike whenever and wherever it is prepared.

use spikegrad::data::{Augment, DataSet, Sample, Split};
use spikegrad::engine::{Device, Input};
use spikegrad::learn::{Recipe, Trainer};

const STEPS: usize = 200;
const INPUTS: usize = 100;

/// Two events in every channel.
fn sample() -> Sample {
    Sample::Events((0..INPUTS as u32).flat_map(|n| [(60, n), (120, n)]).collect())
}

fn varied(augment: &Augment, epoch: usize, index: usize) -> Vec<(u32, u32)> {
    augment.apply(sample(), (STEPS, INPUTS), 5, epoch, index).events().to_vec()
}

fn mean(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    (mean, (values.map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt())
}

#[test]
fn nothing_is_changed_where_nothing_is_asked_for() {
    assert_eq!(varied(&Augment::default(), 0, 0), sample().events());
    let values = Sample::Values(vec![1.0, -2.0, 3.0, 4.0]);
    assert_eq!(Augment::default().apply(values.clone(), (2, 2), 1, 3, 4), values);
}

#[test]
fn jitter_has_its_deviation_in_time_or_in_channels_alone() {
    let time = Augment { time_jitter: 5.0, ..Augment::default() };
    let moved = varied(&time, 0, 0);
    let (centre, deviation) = mean(moved.iter().step_by(2).map(|event| f64::from(event.0)));
    assert!((centre - 60.0).abs() < 2.0 && (deviation - 5.0).abs() < 1.2, "{centre} {deviation}");
    assert!(moved.iter().zip(sample().events()).all(|(moved, event)| moved.1 == event.1));
    let channel = Augment { channel_jitter: 3.0, ..Augment::default() };
    let all: Vec<(u32, u32)> = (0..40).flat_map(|index| varied(&channel, 0, index)).collect();
    assert!(all.iter().all(|event| event.0 == 60 || event.0 == 120));
    // What leaves at the edges is gone: of a channel at the edge half, 2.4 channels' worth at either side.
    let lost = 1.0 - all.len() as f64 / (40.0 * 200.0);
    assert!((0.015..0.035).contains(&lost), "{lost}");
}

#[test]
fn a_shift_moves_all_events_of_a_sample_alike() {
    let augment = Augment { channel_shift: 10, ..Augment::default() };
    let mut seen = std::collections::BTreeSet::new();
    for index in 0..200 {
        let moved = varied(&augment, 0, index);
        // The events that are left are as many as channels stay inside, and begin where the shift says.
        let (first, last) =
            (moved.iter().map(|event| event.1).min().unwrap(), moved.iter().map(|e| e.1).max().unwrap());
        let shift = if first > 0 { i64::from(first) } else { i64::from(last) - 99 };
        assert_eq!(moved.len() as i64, 2 * (100 - shift.abs()));
        seen.insert(shift);
    }
    assert_eq!(seen, (-10..=10).collect());
}

#[test]
fn drop_and_noise_have_their_rates() {
    let drop = Augment { drop: 0.3, ..Augment::default() };
    let left: usize = (0..50).map(|index| varied(&drop, 1, index).len()).sum();
    assert!((left as f64 - 7000.0).abs() < 200.0, "{left}");
    assert!(varied(&Augment { drop: 1.0, ..Augment::default() }, 0, 0).is_empty());
    let noise = Augment { noise: 0.01, ..Augment::default() };
    let added: Vec<(u32, u32)> = (0..50).flat_map(|index| varied(&noise, 0, index)[200..].to_vec()).collect();
    assert!((added.len() as f64 - 10_000.0).abs() < 500.0, "{}", added.len());
    let late = added.iter().filter(|event| event.0 >= 100).count() as f64 / added.len() as f64;
    assert!((late - 0.5).abs() < 0.03, "{late}");
    let full = Augment { noise: 1.0, ..Augment::default() }.apply(Sample::Events(vec![]), (3, 4), 1, 1, 1);
    assert_eq!(full.events().len(), 12);
}

#[test]
fn warped_time_runs_at_one_speed_for_a_sample() {
    let augment = Augment { warp: 0.2, ..Augment::default() };
    let mut factors = Vec::new();
    for index in 0..100 {
        let moved = varied(&augment, 0, index);
        let (early, late) = (moved[0].0, moved[1].0);
        assert!((f64::from(late) - 2.0 * f64::from(early)).abs() <= 1.5, "{early} {late}");
        assert!(moved.iter().all(|event| event.0 == early || event.0 == late));
        factors.push(f64::from(late) / 120.0);
        // Its length is stretched as its events are.
        let length = augment.length(120, STEPS, 5, 0, index);
        assert!((length as i64 - i64::from(late)).abs() <= 1, "{length} {late}");
    }
    let (centre, _) = mean(factors.iter().copied());
    let (low, high) = factors.iter().fold((9.0f64, 0.0f64), |(low, high), &f| (low.min(f), high.max(f)));
    assert!((centre - 1.0).abs() < 0.04 && (0.79..0.85).contains(&low) && (1.15..1.21).contains(&high));
    // A ramp stays a ramp, of another slope.
    let ramp = Sample::Values((0..100).map(|t| t as f32).collect());
    let warped = augment.apply(ramp, (100, 1), 5, 0, 3);
    let slope = warped.values()[40] / 40.0;
    assert!((1.0 / 1.2..1.0 / 0.8).contains(&slope) && (slope - 1.0).abs() > 1e-3, "{slope}");
    assert!((0..60).all(|t| (warped.values()[t] - slope * t as f32).abs() < 1e-3));
}

#[test]
fn a_variation_is_a_function_of_seed_epoch_and_sample() {
    let augment = Augment { time_jitter: 2.0, drop: 0.1, noise: 1e-3, warp: 0.1, ..Augment::default() };
    let first = varied(&augment, 3, 7);
    assert_eq!(first, varied(&augment, 3, 7));
    assert_ne!(first, varied(&augment, 4, 7));
    assert_ne!(first, varied(&augment, 3, 8));
    assert_ne!(first, augment.apply(sample(), (STEPS, INPUTS), 6, 3, 7).events());
}

const NETWORK: &str = r#"
inputs = 20
[[layer]]
units = 10
[[layer]]
units = 10
[train]
data = "randman"
epochs = 4
batch = 30
optimiser = { kind = "adam", rate = 0.01 }
[data]
train = 10
valid = 3
test = 2
[augment]
time_jitter = 3.0
drop = 0.2
"#;

#[test]
fn training_samples_are_varied_anew_each_epoch_and_a_resumed_run_sees_the_same() {
    let recipe = Recipe::from_toml(NETWORK, "run").unwrap();
    assert_eq!(Recipe::from_toml(&recipe.to_toml(), "run").unwrap(), recipe);
    let split = recipe.data.load(1).unwrap();
    let spikes = |samples: &[usize], epoch: usize| match recipe.varied(&split.train, samples, 0, epoch).unwrap().input {
        Input::Spikes(raster) => raster,
        _ => panic!("spikes"),
    };
    assert_ne!(spikes(&[0, 1], 0), spikes(&[0, 1], 1));
    // The place in the batch does not matter.
    let (one, two) = (spikes(&[4, 9], 2), spikes(&[9, 1, 4], 2));
    for t in 0..100 {
        assert!((0..20).all(|n| one.get(t, 0, n) == two.get(t, 2, n) && one.get(t, 1, n) == two.get(t, 0, n)));
    }
    let trainer = || Trainer::new(recipe.clone(), split.clone(), Device::Cpu).unwrap();
    let mut whole = trainer();
    (0..4).for_each(|_| drop(whole.epoch(|_| ()).unwrap()));
    let mut begun = trainer();
    (0..2).for_each(|_| drop(begun.epoch(|_| ()).unwrap()));
    let mut resumed = trainer();
    resumed.restore(begun.checkpoint().unwrap()).unwrap();
    (0..2).for_each(|_| drop(resumed.epoch(|_| ()).unwrap()));
    assert_eq!(whole.engine().parameters().unwrap(), resumed.engine().parameters().unwrap());
    // Without the table the run is another one.
    let plain = Recipe { augment: None, ..recipe.clone() };
    let mut plain = Trainer::new(plain, split.clone(), Device::Cpu).unwrap();
    (0..4).for_each(|_| drop(plain.epoch(|_| ()).unwrap()));
    assert_ne!(whole.engine().parameters().unwrap(), plain.engine().parameters().unwrap());
}

#[test]
fn what_does_not_fit_the_data_is_refused() {
    let wrong = |line: &str| {
        let text = NETWORK.replace("drop = 0.2", line);
        Recipe::from_toml(&text, "run").unwrap_err().to_string()
    };
    assert!(wrong("drop = 1.5").contains("augment.drop"), "{}", wrong("drop = 1.5"));
    assert!(wrong("dorp = 0.5").contains("did you mean drop"), "{}", wrong("dorp = 0.5"));
    let recipe = Recipe::from_toml(NETWORK, "run").unwrap();
    let values = DataSet::values(1, 20, 10, vec![0.0; 20], vec![0]).unwrap();
    let split = Split { train: values.clone(), valid: values.clone(), test: values };
    let error = Trainer::new(recipe, split, Device::Cpu).err().unwrap().to_string();
    assert!(error.contains("augment.time_jitter") && error.contains("real values"), "{error}");
}
