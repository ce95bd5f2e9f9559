//! Bad input: exit code 2, one line on stderr that names what is wrong, nothing lost.

use super::{SMALL, bad, good};
use std::path::Path;

#[test]
fn arguments() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    bad(at, &["tarin"], &["tarin"]);
    bad(at, &["train"], &["randman", "braille", ".toml"]);
    bad(at, &["train", "mnist"], &["unknown recipe mnist", "randman, randman-code, braille"]);
    bad(at, &["train", "ranman"], &["did you mean randman?"]);
    bad(at, &["preset", "snn-torch"], &["unknown preset", "did you mean snntorch?", "zenke-vogels"]);
    bad(at, &["train", "randman", "--device", "tpu"], &["tpu", "auto, cpu, gpu"]);
    bad(at, &["train", "randman", "--device", "gpu:x"], &["gpu:x"]);
    bad(at, &["train", "randman", "--epochs", "many"], &["many", "--epochs"]);
    bad(at, &["train", "randman", "--epochs", "0"], &["train.epochs", "must be 1 to"]);
    bad(at, &["train", "randman", "--batch", "0"], &["train.batch"]);
    bad(at, &["train", "randman", "--lr=-1"], &["train.optimiser.rate"]);
    bad(at, &["train", "randman", "--lr", "nan"], &["train.optimiser.rate"]);
    bad(at, &["train", "randman", "--sed", "1"], &["--sed"]);
    bad(at, &["train", "randman", "--seed", "18446744073709551615"], &["train.seed"]);
    bad(at, &["train", "there-is-none.toml"], &["there-is-none.toml", "cannot be read"]);
    bad(at, &["train", "--resume", "nowhere"], &["nowhere", "no such run"]);
    bad(at, &["train", "--resume"], &["--resume RUN"]);
    bad(at, &["train", "randman", "--resume"], &["runs/randman-1", "no such run"]);
    bad(at, &["eval", "nowhere"], &["nowhere", "no such run"]);
    bad(at, &["eval", "."], &["config.toml"]);
    // Nothing was begun.
    assert_eq!(std::fs::read_dir(at).unwrap().count(), 0);
}

#[test]
fn help_is_no_error() {
    let place = tempfile::tempdir().unwrap();
    let help = good(place.path(), &["--help"]);
    for command in ["train", "eval", "devices", "grad", "preset"] {
        assert!(help.contains(command), "{help}");
    }
    assert!(good(place.path(), &["train", "--help"]).contains("--resume"));
}

#[test]
fn training_files() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    let file = at.join("my.toml");
    let try_with = |good: &str, bad_line: &str, words: &[&str]| {
        assert!(SMALL.contains(good), "{good}");
        std::fs::write(&file, SMALL.replacen(good, bad_line, 1)).unwrap();
        bad(at, &["train", "my.toml", "--device", "cpu"], words);
    };
    try_with("units = 16", "unit = 16", &["my.toml", "layer[0].unit", "line 3", "unknown field"]);
    try_with(
        "epochs = 3",
        "epoch = 3",
        &["my.toml", "train.epoch", "line 10", "unknown field", "did you mean epochs?"],
    );
    try_with("kind = \"adam\"", "kind = \"adan\"", &["train.optimiser", "unknown variant", "did you mean adam?"]);
    try_with("data = \"randman\"", "data = \"radman\"", &["train.data", "did you mean randman?"]);
    try_with("units = 16", "units = 16\nneuron = { kind = \"life\" }", &["layer[0].neuron.kind", "did you mean lif?"]);
    try_with("epochs = 3", "epochs = 3 3", &["my.toml", "line 10"]);
    try_with("units = 16", "units = -1", &["layer[0].units", "`-1`", "expected a whole number, 0 or more"]);
    try_with("alpha = 2.0", "alfa = 2.0", &["my.toml", "data.alfa", "line 21"]);
    try_with("inputs = 12", "inputs = 11", &["inputs", "11", "12 channels"]);
    try_with("classes = 3", "classes = 5", &["layer[1].units", "5 classes"]);
    std::fs::write(&file, [0xff, 0xfe, 0x00]).unwrap();
    bad(at, &["train", "my.toml"], &["my.toml", "cannot be read"]);
    std::fs::write(&file, "").unwrap();
    bad(at, &["train", "my.toml"], &["my.toml", "[train]"]);
    assert!(!at.join("runs").exists());
}

#[test]
fn data_files() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    bad(at, &["train", "braille", "--device", "cpu"], &["braille.npz", "--data DIR", "SPIKEGRAD_DATA"]);
    bad(at, &["train", "braille", "--data", "data"], &["data/braille/braille.npz", "not found"]);
    std::fs::create_dir_all(at.join("data/braille")).unwrap();
    std::fs::write(at.join("data/braille/braille.npz"), [0x50, 0x4b, 3, 4, 0, 0]).unwrap();
    bad(at, &["train", "braille", "--data", "data"], &["braille.npz", "truncated"]);
    let directory = std::env::var_os("SPIKEGRAD_DATA").unwrap_or("../shared/data".into());
    // Without the data set this much is not tested; the tests of the data sets say so.
    if let Ok(whole) = std::fs::read(std::path::Path::new(&directory).join("braille/braille.npz")) {
        for length in [whole.len() / 3, whole.len() - 5] {
            std::fs::write(at.join("data/braille/braille.npz"), &whole[..length]).unwrap();
            bad(at, &["train", "braille", "--data", "data"], &["braille.npz", "truncated"]);
        }
        let mut damaged = whole.clone();
        let middle = whole.len() / 2;
        damaged[middle..middle + 1000].fill(0xaa);
        std::fs::write(at.join("data/braille/braille.npz"), &damaged).unwrap();
        bad(at, &["train", "braille", "--data", "data"], &["braille.npz", "again"]);
    }
    assert!(!at.join("runs").exists());
}

#[test]
fn the_output() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    std::fs::write(at.join("small.toml"), SMALL).unwrap();
    std::fs::write(at.join("file"), "in the way").unwrap();
    bad(
        at,
        &["train", "small.toml", "--device", "cpu", "--out", "file/run"],
        &["file/run", "cannot make the directory"],
    );
    bad(at, &["train", "small.toml", "--device", "cpu", "--out", "file"], &["file", "cannot make the directory"]);
    std::fs::write(at.join("runs"), "in the way").unwrap();
    bad(at, &["train", "small.toml", "--device", "cpu"], &["runs", "cannot make the directory"]);
    assert_eq!(std::fs::read_to_string(at.join("file")).unwrap(), "in the way");
}

#[test]
fn a_gpu_that_is_not_there() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("small.toml"), SMALL).unwrap();
    bad(place.path(), &["train", "small.toml", "--device", "gpu:99"], &["gpu"]);
    // Before anything is read or measured.
    bad(place.path(), &["train", "mnist-latency", "--data", "nowhere", "--device", "gpu:99"], &["gpu:99"]);
    bad(place.path(), &["bench", "--workload", "W1", "--device", "gpu:99"], &["there is no gpu:99"]);
    for what in ["memory", "sweep"] {
        bad(place.path(), &["bench", what, "--device", "gpu:99"], &["there is no gpu:99"]);
    }
    for (option, value, word) in [("--device", "gpu:99", "gpu:99"), ("--jobs", "0", "--jobs")] {
        bad(place.path(), &["study", "surrogates", "--out", "s", option, value], &[word]);
        assert!(!place.path().join("s").exists(), "nothing is made");
    }
}

#[test]
fn a_run_goes_on_as_it_was_begun() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    std::fs::write(at.join("small.toml"), SMALL).unwrap();
    good(
        at,
        &["train", "small.toml", "--device", "cpu", "--epochs", "2", "--batch", "8", "--lr", "0.01", "--out", "run"],
    );
    let resumed = ["train", "small.toml", "--resume", "run", "--device", "cpu"];
    let before = std::fs::read(at.join("run/config.toml")).unwrap();
    bad(at, &[&resumed[..], &["--epochs", "1"]].concat(), &["2 epochs already"]);
    std::fs::write(at.join("small.toml"), SMALL.replace("units = 16", "units = 17")).unwrap();
    bad(at, &resumed, &["units = 17", "small.toml"]);
    assert!(std::fs::read(at.join("run/config.toml")).unwrap() == before, "it is as it was");
    std::fs::write(at.join("small.toml"), SMALL).unwrap();
    good(at, &[&resumed[..], &["--epochs", "3"]].concat());
}

#[test]
fn a_time_constant_that_f32_does_not_hold() {
    let place = tempfile::tempdir().unwrap();
    for tau in ["1e-50", "1e300"] {
        let neuron = format!("units = 16\nneuron = {{ kind = \"lif\", tau_mem = {tau} }}");
        std::fs::write(place.path().join("small.toml"), SMALL.replace("units = 16", &neuron)).unwrap();
        bad(place.path(), &["train", "small.toml", "--device", "cpu"], &["tau_mem", "above 0"]);
    }
}

#[test]
fn checkpoints() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    std::fs::write(at.join("small.toml"), SMALL).unwrap();
    good(at, &["train", "small.toml", "--device", "cpu", "--out", "run", "--epochs", "2"]);
    let path = at.join("run/checkpoint.safetensors");
    let whole = std::fs::read(&path).unwrap();
    let both = |words: &[&str]| {
        bad(at, &["eval", "run", "--device", "cpu"], words);
        bad(at, &["train", "--resume", "run", "--device", "cpu"], words);
    };
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    both(&["checkpoint.safetensors", "truncated"]);
    std::fs::write(&path, b"something else entirely").unwrap();
    both(&["checkpoint.safetensors", "foreign"]);
    // One bit of one number.
    let mut flipped = whole.clone();
    flipped[whole.len() - 3] ^= 1;
    std::fs::write(&path, &flipped).unwrap();
    both(&["checkpoint.safetensors", "checksum"]);
    std::fs::write(&path, &whole).unwrap();
    // The configuration of another network.
    let config = at.join("run/config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replacen("units = 16", "units = 17", 1)).unwrap();
    both(&["layer0", "checkpoint.safetensors"]);
    std::fs::write(&config, text.replacen("units = 16", "units = = 17", 1)).unwrap();
    both(&["config.toml", "line"]);
    std::fs::write(&config, &text).unwrap();
    std::fs::remove_file(&path).unwrap();
    bad(at, &["eval", "run"], &["checkpoint.safetensors", "not there"]);
    std::fs::write(&path, &whole).unwrap();
    std::fs::remove_file(at.join("run/metrics.jsonl")).unwrap();
    bad(at, &["train", "--resume", "run", "--device", "cpu"], &["metrics.jsonl", "2 epochs"]);
    // The checkpoint is as it was.
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    assert!(Path::new(&path).exists());
}
