//! Batches are prepared ahead, and numbers read in stretches, without a change of either.

use super::{SMALL, trainer};
use spikegrad::Error;
use spikegrad::data::{DataSet, Split, order};
use spikegrad::engine::{Budget, Device, Engine, Optimiser};
use spikegrad::learn::{Prefetch, Recipe, Trainer};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

#[test]
fn items_come_in_order_and_one_is_made_ahead() {
    let made = &AtomicUsize::new(0);
    let items = (0..100).map(|number| {
        made.fetch_add(1, Ordering::SeqCst);
        Ok(number)
    });
    thread::scope(|scope| {
        for (taken, item) in Prefetch::new(scope, items).unwrap().enumerate() {
            assert_eq!(item.unwrap(), taken);
            let made = made.load(Ordering::SeqCst);
            assert!(made <= taken + 2, "{made} made, {} taken", taken + 1);
        }
    });
    assert_eq!(made.load(Ordering::SeqCst), 100);
}

#[test]
fn an_error_comes_in_its_place_and_is_the_end() {
    let items = (0..10).map(|number| match number {
        2 => Err(Error::Input("the third one".into())),
        number => Ok(number),
    });
    let taken: Vec<String> = thread::scope(|scope| {
        let text = |item| match item {
            Ok(number) => format!("{number}"),
            Err(error) => Error::to_string(&error),
        };
        Prefetch::new(scope, items).unwrap().map(text).collect()
    });
    assert_eq!(taken, ["0", "1", "the third one"]);
}

#[test]
fn a_panic_is_an_error() {
    let items = (0..10).map(|number| if number == 2 { panic!("number {number}") } else { Ok(number) });
    thread::scope(|scope| {
        let mut items = Prefetch::new(scope, items).unwrap();
        assert_eq!((items.next().unwrap().unwrap(), items.next().unwrap().unwrap()), (0, 1));
        let error = items.next().unwrap().unwrap_err().to_string();
        assert!(error.contains("number 2"), "{error}");
        assert!(items.next().is_none());
    });
}

#[test]
fn stopping_early_ends_the_thread() {
    let held = Arc::new(());
    let of_thread = held.clone();
    thread::scope(|scope| {
        let items = (0..).map(move |number: u64| Ok((number, Arc::strong_count(&of_thread))));
        let mut items = Prefetch::new(scope, items).unwrap();
        items.next().unwrap().unwrap();
        drop(items);
        assert_eq!(Arc::strong_count(&held), 1);
        // Nor does a panic that nobody waits for get in the way.
        let mut items = Prefetch::new(scope, (0..).map(|number| if number > 0 { panic!() } else { Ok(()) })).unwrap();
        items.next().unwrap().unwrap();
    });
}

/// What the trainer's epochs come to when each batch is prepared when it is due.
#[test]
fn the_numbers_are_those_of_a_plain_loop() {
    let recipe = Recipe::from_toml(&SMALL.replace("batch = 25", "batch = 4"), "run").unwrap();
    let mut ahead = trainer(&recipe);
    let data = ahead.split().train.clone();
    let mut plain = Engine::new(recipe.network.clone(), Device::Cpu, Budget::default()).unwrap();
    plain.initialise(recipe.train.seed).unwrap();
    let train = &recipe.train;
    let rule = train.optimiser.rule();
    let mut optimiser = Optimiser { max_norm: train.clip, ..Optimiser::new(rule, 0.0) };
    let batches = data.len().div_ceil(train.batch) as u64;
    assert!(batches > 16, "the numbers are read more than once");
    let mut step = 0;
    for epoch in 0..2 {
        let mut moments = 0;
        ahead.epoch(|_| moments += 1).unwrap();
        assert_eq!(moments, batches.div_ceil(16));
        for samples in order(data.len(), train.seed, epoch).chunks(train.batch) {
            let factor = train.schedule.factor(step, batches, train.epochs as u64 * batches);
            optimiser.rate = train.optimiser.rate() * factor;
            plain.train(&recipe.batch(&data, samples, step).unwrap(), &optimiser).unwrap();
            step += 1;
        }
        assert_eq!(ahead.engine().parameters().unwrap(), plain.parameters().unwrap(), "epoch {epoch}");
    }
}

const VALUES: &str = r#"
inputs = 6
[[layer]]
units = 20
[[layer]]
units = 2
[train]
data = "braille"
epochs = 2
batch = 5
optimiser = { kind = "adam", rate = 0.02 }
"#;

/// A trainer on static values, of which that of sample `at` is `odd`; and the batch of the first epoch that it is in.
fn with_an_odd_value(encode: &str, at: usize, odd: f32) -> (Trainer, usize) {
    let recipe = Recipe::from_toml(&format!("{VALUES}{encode}"), "run").unwrap();
    let mut values: Vec<f32> = (0..100 * 6).map(|n| (n % 10) as f32 / 10.0).collect();
    values[at * 6] = odd;
    let labels = || (0..100).map(|sample| sample % 2).collect();
    let train = DataSet::values(1, 6, 2, values, labels()).unwrap();
    let rest = DataSet::values(1, 6, 2, vec![0.5; 600], labels()).unwrap();
    let place = order(100, recipe.train.seed, 0).iter().position(|&sample| sample == at).unwrap() / 5;
    let split = Split { train, valid: rest.clone(), test: rest };
    (Trainer::new(recipe, split, Device::Cpu).unwrap(), place)
}

const LATENCIES: &str = "[encode]\nkind = \"latency\"\nsteps = 25\n";

/// The first sample whose batch is this one.
fn sample_of_batch(batch: usize) -> usize {
    (0..100).find(|&at| with_an_odd_value(LATENCIES, at, 0.5).1 == batch).unwrap()
}

#[test]
fn an_error_in_the_third_batch_surfaces() {
    let (mut trainer, _) = with_an_odd_value(LATENCIES, sample_of_batch(2), -3.0);
    let before = trainer.engine().parameters().unwrap();
    let error = trainer.epoch(|_| ()).unwrap_err();
    assert!(matches!(&error, Error::Input(text) if text.contains("-3")), "{error}");
    // Two batches were trained on; the epoch is not done.
    assert_ne!(trainer.engine().parameters().unwrap(), before);
    assert_eq!((trainer.engine().metrics().unwrap().len(), trainer.progress().epoch), (2, 0));
}

#[test]
fn a_step_that_diverges_is_named_though_it_is_read_later() {
    let encode = "[encode]\nkind = \"current\"\nsteps = 25\n";
    let (mut trainer, place) = with_an_odd_value(encode, sample_of_batch(4), f32::MAX);
    assert_eq!(place, 4);
    let error = trainer.epoch(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Diverged(_)), "{error}");
    assert!(error.to_string().contains("step 5 "), "{error}");
    trainer.engine().check_finite().unwrap();
}

#[test]
fn leaving_an_epoch_in_its_middle_leaves_no_thread() {
    let (mut trainer, _) = with_an_odd_value(LATENCIES, 0, 0.5);
    // It would hang here if the thread were not told.
    let left = catch_unwind(AssertUnwindSafe(|| trainer.epoch(|_| panic!("enough"))));
    assert_eq!(left.unwrap_err().downcast_ref::<&str>(), Some(&"enough"));
    drop(trainer);
}
