//! Recipes, schedules, checkpoints, and going on with a run.

mod prefetch;

use spikegrad::Error;
use spikegrad::engine::{Device, Parameters, Tensor, shapes};
use spikegrad::io::{ActivityMetrics, Best, Checkpoint, EpochMetrics, Progress, RunDirectory};
use spikegrad::learn::{Optimiser, Recipe, Schedule, Trainer, learned_parameters};
use std::path::Path;

/// A run of a second or less.
const SMALL: &str = r#"
inputs = 12
[[layer]]
units = 24
recurrent = true
regularise = [{ kind = "lower", strength = 100.0, target = 1e-3 }]
[[layer]]
units = 3
[train]
data = "randman"
epochs = 4
batch = 25
seed = 7
clip = 5.0
optimiser = { kind = "adam", rate = 0.02 }
schedule = { kind = "cosine", warmup = 1.0 }
[data]
classes = 3
units = 12
train = 30
valid = 10
test = 10
steps = 40
window = 20
alpha = 2.0
"#;

fn trainer(recipe: &Recipe) -> Trainer {
    let split = recipe.data.load(recipe.train.seed).unwrap();
    Trainer::new(recipe.clone(), split, Device::Cpu).unwrap()
}

#[test]
fn every_recipe_is_valid_and_survives_being_written() {
    for name in Recipe::names() {
        let recipe = Recipe::named(name).unwrap();
        assert_eq!(recipe.train.name, name);
        assert_eq!(Recipe::from_toml(&recipe.to_toml(), "other").unwrap(), recipe, "{}", recipe.to_toml());
    }
    let error = Recipe::named("minst").unwrap_err().to_string();
    assert!(error.contains("randman, randman-code, braille"), "{error}");
}

#[test]
fn a_readout_without_a_synapse_survives_being_written() {
    let text = SMALL.replace("units = 3\n", "units = 3\nneuron = { kind = \"li\", tau_syn = false }\n");
    let recipe = Recipe::from_toml(&text, "run").unwrap();
    assert!(recipe.network.layers[1].neuron.tau_syn.is_none());
    assert_eq!(Recipe::from_toml(&recipe.to_toml(), "run").unwrap(), recipe);
}

#[test]
fn the_default_recipe_is_that_of_the_paper() {
    let recipe = Recipe::named("randman").unwrap();
    assert_eq!(learned_parameters(&recipe.network), 20 * 100 + 100 * 10);
    let split = recipe.data.load(1).unwrap();
    assert_eq!((split.train.len(), split.valid.len(), split.test.len()), (8000, 1000, 1000));
    let (weight_decay, weight_l1) = (0.0, 0.0);
    let adam = Optimiser::Adam { rate: 0.02, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay, weight_l1 };
    assert_eq!(recipe.train.optimiser, adam);
}

#[test]
fn mistakes_in_a_training_file_are_named_with_their_lines() {
    let cases = [
        ("epochs = 4", "epochs = 0", "train.epochs (line 11): must be 1 to"),
        ("epochs = 4", "epochs = -4", "train.epochs (line 11)"),
        ("epochs = 4", "epoch = 4", "train.epoch (line 11): unknown field `epoch`"),
        ("rate = 0.02", "rate = -1.0", "train.optimiser.rate (line 15): must be a number above 0"),
        ("kind = \"adam\"", "kind = \"adem\"", "(line 15): unknown variant `adem`"),
        ("rate = 0.02", "rat = 0.02", "(line 15): unknown field `rat`"),
        ("warmup = 1.0", "warmup = -1.0", "train.schedule.warmup (line 16)"),
        ("data = \"randman\"", "data = \"cifar\"", "train.data (line 10): unknown task \"cifar\""),
        ("window = 20", "window = 50", "data.window (line 24): must be 1 to the 40 steps, is 50"),
        ("alpha = 2.0", "alpha = nan", "data.alpha (line 25)"),
        ("alpha = 2.0", "beta = 2.0", "data.beta (line 25): unknown field `beta`"),
        ("recurrent = true", "recurent = true", "layer[0].recurent (line 5): unknown field `recurent`"),
        ("units = 24", "units = 0", "layer[0].units (line 4)"),
        ("seed = 7", "seed = 7\nname = \"../x\"", "train.name (line 14)"),
        ("seed = 7", "seed = = 7", "line 13"),
        ("clip = 5.0", "clip = 0.0", "train.clip (line 14)"),
        ("[train]", "[trian]", "train: missing"),
    ];
    for (good, bad, expected) in cases {
        assert!(SMALL.contains(good), "{good}");
        let error = Recipe::from_toml(&SMALL.replacen(good, bad, 1), "run").unwrap_err().to_string();
        assert!(error.contains(expected), "{bad}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn a_network_that_does_not_fit_the_data_is_refused() {
    for (good, bad, expected) in
        [("units = 12", "units = 13", "13 channels"), ("classes = 3", "classes = 4", "4 classes")]
    {
        let recipe = Recipe::from_toml(&SMALL.replace(good, bad), "run").unwrap();
        let split = recipe.data.load(1).unwrap();
        let error = Trainer::new(recipe, split, Device::Cpu).err().expect("does not fit").to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn schedules_follow_their_formulas() {
    assert_eq!(Schedule::Constant.factor(17, 5, 100), 1.0);
    let step = Schedule::Step { every: 2.0, factor: 0.5 };
    for s in 0..40 {
        assert_eq!(step.factor(s, 5, 40), 0.5f64.powi((s / 10) as i32));
    }
    let cosine = Schedule::Cosine { warmup: 2.0, last: 0.1 };
    for s in 0..10 {
        assert!((cosine.factor(s, 5, 50) - (s + 1) as f64 / 10.0).abs() < 1e-15);
    }
    for s in 10..=50 {
        let q = (s - 10) as f64 / 40.0;
        let expected = 0.1 + 0.9 * (1.0 + (std::f64::consts::PI * q).cos()) / 2.0;
        assert!((cosine.factor(s, 5, 50) - expected).abs() < 1e-15);
    }
    assert_eq!(cosine.factor(10, 5, 50), 1.0);
    assert!((cosine.factor(50, 5, 50) - 0.1).abs() < 1e-15);
    // A run that is longer than planned stays at the end.
    assert!((cosine.factor(70, 5, 50) - 0.1).abs() < 1e-15);
    // A warm-up that is as long as the run never reaches the cosine.
    assert_eq!(Schedule::Cosine { warmup: 9.0, last: 0.0 }.factor(9, 5, 10), 1.0);
}

fn some_checkpoint() -> Checkpoint {
    let recipe = Recipe::from_toml(SMALL, "run").unwrap();
    let mut trainer = trainer(&recipe);
    trainer.epoch(|_| ()).unwrap();
    trainer.checkpoint().unwrap()
}

#[test]
fn a_checkpoint_comes_back_as_it_was() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("checkpoint.safetensors");
    let checkpoint = some_checkpoint();
    checkpoint.save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(Checkpoint::load(&path).unwrap(), checkpoint);
    // The names that others read it by.
    let network = Recipe::from_toml(SMALL, "run").unwrap().network;
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    for (name, shape) in shapes(&network) {
        assert_eq!(file.tensor(&name).unwrap().shape(), shape, "{name}");
        assert_eq!(file.tensor(&format!("best.{name}")).unwrap().shape(), shape);
    }
    assert!(file.tensor("optimiser.layer0.recurrent").is_ok());
    // Written again, the same bytes; nothing else is left in the directory.
    checkpoint.save(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
}

#[test]
fn a_damaged_checkpoint_is_refused_in_one_line() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("checkpoint.safetensors");
    some_checkpoint().save(&path).unwrap();
    let good = std::fs::read(&path).unwrap();
    let refused = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let error = Checkpoint::load(&path).unwrap_err();
        assert!(matches!(error, Error::File { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("checkpoint.safetensors") && !text.contains('\n'), "{text}");
        text
    };
    for length in [0, 1, 7, 8, 9, 100, good.len() / 2, good.len() - 1] {
        refused(&good[..length]);
    }
    let mut longer = good.clone();
    longer.push(0);
    refused(&longer);
    refused(b"PK\x03\x04 this is another kind of file altogether, and longer than eight bytes");
    refused(&[0xff; 64]);
    // A safetensors file of someone else.
    let foreign = b"{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
    let mut bytes = (foreign.len() as u64).to_le_bytes().to_vec();
    bytes.extend(foreign);
    bytes.extend([0; 4]);
    assert!(refused(&bytes).contains("not a checkpoint"));
    // A later version.
    let text = String::from_utf8_lossy(&good).into_owned();
    assert!(text.contains("\\\"format\\\":1,"));
    let at = good.windows(11).position(|window| window == b"\\\"format\\\":").unwrap() + 11;
    let mut later = good.clone();
    later[at] = b'2';
    assert!(refused(&later).contains("format 2"));
    // A parameter, a moment of the optimiser, a letter of the configuration.
    let rate = good.windows(4).position(|window| window == b"rate").unwrap();
    for at in [good.len() - 2, good.len() / 2, rate] {
        let mut damaged = good.clone();
        damaged[at] ^= 1;
        assert!(refused(&damaged).contains("checksum"), "byte {at}");
    }
    // Every single byte of the header may be wrong without a panic.
    let header = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    for at in (0..header).step_by(7) {
        let mut damaged = good.clone();
        damaged[at] ^= 0x15;
        std::fs::write(&path, &damaged).unwrap();
        let _ = Checkpoint::load(&path);
    }
}

#[test]
fn a_checkpoint_is_written_whole_or_not_at_all() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("checkpoint.safetensors");
    let old = some_checkpoint();
    old.save(&path).unwrap();
    // What a kill in the middle of writing leaves behind: the old file, and half of a temporary one.
    std::fs::write(place.path().join(".checkpoint.safetensors.tmp"), b"half").unwrap();
    assert_eq!(Checkpoint::load(&path).unwrap(), old);
    let new = Checkpoint { progress: Progress { epoch: 9, ..old.progress.clone() }, ..old.clone() };
    new.save(&path).unwrap();
    assert_eq!(Checkpoint::load(&path).unwrap(), new);
    // Where it cannot be written, the error names the path.
    let blocked = place.path().join("file");
    std::fs::write(&blocked, b"").unwrap();
    let error = old.save(blocked.join("checkpoint.safetensors")).unwrap_err().to_string();
    assert!(error.contains("cannot be written"), "{error}");
    assert!(old.save(Path::new("/")).is_err());
}

#[test]
fn a_checkpoint_of_another_network_is_refused() {
    let recipe = Recipe::from_toml(&SMALL.replace("units = 24", "units = 25"), "run").unwrap();
    let error = trainer(&recipe).restore(some_checkpoint()).unwrap_err().to_string();
    assert!(error.contains("layer0"), "{error}");
    let mut fewer = some_checkpoint();
    fewer.parameters.remove("layer0.weight");
    let recipe = Recipe::from_toml(SMALL, "run").unwrap();
    assert!(trainer(&recipe).restore(fewer).is_err());
}

/// Without what depends on the clock.
fn timeless(mut metrics: EpochMetrics) -> EpochMetrics {
    (metrics.seconds, metrics.neuron_steps_per_s) = (0.0, 0.0);
    metrics
}

#[test]
fn a_run_that_is_resumed_goes_on_to_the_same_bits() {
    for optimiser in [
        "kind = \"adam\", rate = 0.02",
        "kind = \"smorms3\", rate = 0.02",
        "kind = \"sgd\", rate = 0.1, momentum = 0.9",
    ] {
        let text = SMALL.replace("kind = \"adam\", rate = 0.02", optimiser);
        let recipe = Recipe::from_toml(&text, "run").unwrap();
        let mut unbroken = trainer(&recipe);
        let whole: Vec<EpochMetrics> = (0..4).map(|_| timeless(unbroken.epoch(|_| ()).unwrap())).collect();

        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("checkpoint.safetensors");
        let mut first = trainer(&recipe);
        let mut parts: Vec<EpochMetrics> = (0..2).map(|_| timeless(first.epoch(|_| ()).unwrap())).collect();
        first.checkpoint().unwrap().save(&path).unwrap();
        drop(first);
        let mut second = trainer(&recipe);
        second.restore(Checkpoint::load(&path).unwrap()).unwrap();
        while !second.finished() {
            parts.push(timeless(second.epoch(|_| ()).unwrap()));
        }
        assert_eq!(parts, whole);
        let bits = |trainer: &mut Trainer| {
            let mut checkpoint = trainer.checkpoint().unwrap();
            checkpoint.progress.seconds = 0.0;
            checkpoint
        };
        assert_eq!(bits(&mut second), bits(&mut unbroken));
        assert_eq!(second.use_best().unwrap(), unbroken.use_best().unwrap());
        assert_eq!(second.test().unwrap(), unbroken.test().unwrap());
    }
}

#[test]
fn the_best_epoch_is_the_one_that_is_kept() {
    let recipe = Recipe::from_toml(&SMALL.replace("epochs = 4", "epochs = 6"), "run").unwrap();
    let mut trainer = trainer(&recipe);
    let mut best: Option<(f64, f64, usize, Parameters)> = None;
    while !trainer.finished() {
        let metrics = trainer.epoch(|_| ()).unwrap();
        let (accuracy, loss) = (metrics.valid_accuracy.unwrap(), metrics.valid_loss.unwrap());
        if best.as_ref().is_none_or(|best| accuracy > best.0 || (accuracy == best.0 && loss < best.1)) {
            let parameters = trainer.engine().parameters().unwrap();
            best = Some((accuracy, loss, metrics.epoch, parameters));
        }
    }
    let (accuracy, loss, epoch, parameters) = best.unwrap();
    assert_eq!(trainer.progress().best, Some(Best { epoch, accuracy, loss }));
    trainer.use_best().unwrap();
    assert_eq!(trainer.engine().parameters().unwrap(), parameters);
}

#[test]
fn without_a_validation_set_the_last_epoch_is_used() {
    let recipe = Recipe::from_toml(&SMALL.replace("valid = 10", "valid = 0"), "run").unwrap();
    let mut trainer = trainer(&recipe);
    assert_eq!(trainer.epoch(|_| ()).unwrap().valid_accuracy, None);
    assert_eq!(trainer.use_best().unwrap(), "last epoch (1), no validation set");
    let checkpoint = trainer.checkpoint().unwrap();
    assert!(checkpoint.best.is_none());
}

#[test]
fn a_loss_that_is_not_a_number_stops_the_run_with_step_and_layer() {
    let recipe = Recipe::from_toml(SMALL, "run").unwrap();
    let mut trainer = trainer(&recipe);
    // A weight that overflows the readout's potential.
    let huge = Tensor { shape: vec![24, 3], values: vec![3e38; 72] };
    trainer.engine().set_parameters(&Parameters::from([("layer1.weight".to_string(), huge)])).unwrap();
    let lively = Tensor { shape: vec![12, 24], values: vec![30.0; 12 * 24] };
    trainer.engine().set_parameters(&Parameters::from([("layer0.weight".to_string(), lively)])).unwrap();
    let error = trainer.epoch(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Diverged(_)));
    let text = error.to_string();
    assert!(text.contains("step 1 ") && text.contains("layer"), "{text}");
}

#[test]
fn metrics_past_the_checkpoint_are_dropped() {
    let place = tempfile::tempdir().unwrap();
    let run = RunDirectory::create(Some(place.path()), "run", 1).unwrap();
    let line = |epoch| EpochMetrics {
        epoch,
        train_loss: 0.1,
        train_accuracy: 0.5,
        valid_loss: None,
        valid_accuracy: None,
        spikes_per_sample: 3.0,
        activity: ActivityMetrics { dead_fraction: vec![0.25, 0.0], ..ActivityMetrics::default() },
        learning_rate: 0.1,
        neuron_steps_per_s: 1e6,
        seconds: 1.5,
    };
    for epoch in 1..=3 {
        run.append(&line(epoch)).unwrap();
    }
    // A kill in the middle of the fourth line.
    let path = run.file("metrics.jsonl");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text += "{\"epoch\":4,\"train_lo";
    std::fs::write(&path, &text).unwrap();
    assert_eq!(run.cut_metrics(2).unwrap(), [line(1), line(2)]);
    run.append(&line(3)).unwrap();
    assert_eq!(run.metrics(3).unwrap().len(), 3);
    assert!(run.metrics(4).unwrap_err().to_string().contains("the 4 epochs"));
}
