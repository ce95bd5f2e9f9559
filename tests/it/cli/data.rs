//! `spikegrad data`, and training on data sets that are read from files.

use super::{SMALL, bad, good};
use std::path::Path;

#[test]
fn data_sets_are_listed_and_described() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    let list = good(at, &["data"]);
    for name in ["randman", "yin-yang", "poisson", "mnist", "fashion-mnist", "braille", "ecg", "fsdd"] {
        assert!(list.lines().any(|line| line.starts_with(name)), "{name}: {list}");
    }
    std::fs::write(at.join("small.toml"), SMALL).unwrap();
    let info = good(at, &["data", "info", "small.toml"]);
    assert!(info.contains("spikes, ") && info.contains("× 12 channels, 3 classes of each sample"), "{info}");
    assert!(info.contains("12.0 spikes a sample"), "each channel fires once: {info}");
    let info = good(at, &["data", "info", "yin-yang"]);
    assert!(info.contains("values, 1 steps × 5 channels") && info.contains("yang, yin, dot"), "{info}");
    bad(at, &["data", "info", "minst"], &["unknown data set", "did you mean mnist"]);
    bad(at, &["data", "info", "mnist"], &["--data DIR", "spikegrad data fetch mnist"]);
    bad(at, &["data", "info", "shd", "--data", "."], &["spikegrad data convert shd"]);
    bad(at, &["data", "info", "nothing.toml"], &["nothing.toml", "cannot be read"]);
}

#[test]
fn a_sample_is_drawn() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    std::fs::write(at.join("small.toml"), format!("{SMALL}\n[augment]\ndrop = 0.5\n")).unwrap();
    let picture = |name: &str, arguments: &[&str]| {
        let all = [&["data", "view"], arguments, &["--out", name]].concat();
        good(at, &all);
        let bytes = std::fs::read(at.join(name)).unwrap();
        assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 3000, "{name}: {} bytes", bytes.len());
        bytes
    };
    let plain = picture("a.png", &["small.toml", "--part", "train", "--sample", "2"]);
    let varied = picture("b.png", &["small.toml", "--part", "train", "--sample", "2", "--varied", "1"]);
    assert_ne!(plain, varied);
    picture("c.png", &["yin-yang"]);
    bad(at, &["data", "view", "yin-yang", "--sample", "5000"], &["no sample 5000", "1000 of them"]);
    bad(at, &["data", "view", "yin-yang", "--part", "all"], &["no part all"]);
    bad(at, &["data", "view", "yin-yang", "--varied", "1"], &[".toml"]);
}

#[test]
fn what_cannot_be_fetched_or_converted_says_what_to_do() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    bad(at, &["data", "fetch", "mnist"], &["--data DIR"]);
    bad(at, &["data", "fetch", "randman", "--data", "."], &["generated"]);
    bad(at, &["data", "fetch", "nist", "--data", "."], &["unknown data set", "fashion-mnist"]);
    bad(at, &["data", "fetch", "dvs-gesture", "--data", "."], &["research.ibm.com", "data convert dvs-gesture"]);
    bad(at, &["data", "fetch", "mnist", "--data", ".", "--from", "http://127.0.0.1:1"], &["127.0.0.1:1"]);
    bad(at, &["data", "convert", "nmnist", "--data", "."], &["spikegrad data fetch nmnist"]);
    bad(at, &["data", "convert", "mnist", "--data", "."], &["did you mean nmnist"]);
}

/// A network for T × N inputs and some classes.
fn network(inputs: usize, classes: usize, data: &str, rest: &str) -> String {
    format!(
        "inputs = {inputs}\n[[layer]]\nunits = 12\nrecurrent = true\n[[layer]]\nunits = {classes}\n[train]\ndata = \"{data}\"\n\
         epochs = 1\nbatch = 32\noptimiser = {{ kind = \"adam\", rate = 0.01 }}\n{rest}"
    )
}

fn trains(at: &Path, name: &str, text: &str, arguments: &[&str]) {
    std::fs::write(at.join(format!("{name}.toml")), text).unwrap();
    let file = format!("{name}.toml");
    let all = [&["train", &file, "--device", "cpu"], arguments].concat();
    let out = good(at, &all);
    assert!(out.contains("test accuracy"), "{name}: {out}");
    let run = format!("runs/{name}-1");
    assert!(at.join(&run).join("raster.png").is_file(), "{name}");
    let all = [&["eval", run.as_str(), "--device", "cpu"], arguments].concat();
    let evaluated = good(at, &all);
    assert!(evaluated.contains("test     accuracy"), "{name}: {evaluated}");
    let evaluated = good(at, &[all.as_slice(), &["--confusion"]].concat());
    assert!(evaluated.contains("rows: the class"), "{name}: {evaluated}");
}

#[test]
fn generated_tasks_train() {
    let place = tempfile::tempdir().unwrap();
    let latency = "[encode]\nkind = \"latency\"\nsteps = 20\n[data]\ntrain = 60\nvalid = 9\ntest = 9\n";
    trains(place.path(), "yin", &network(5, 3, "yin-yang", latency), &[]);
    trains(place.path(), "poisson", &network(100, 2, "poisson", "[data]\nsteps = 50\n"), &[]);
}

#[test]
fn data_sets_at_hand_train() {
    let place = tempfile::tempdir().unwrap();
    let named = std::env::var_os("SPIKEGRAD_DATA").unwrap_or("../shared/data".into());
    let directory = std::path::absolute(Path::new(&named)).unwrap();
    let argument = directory.to_string_lossy().into_owned();
    let some = "[data]\ntrain = 200\nvalid = 40\ntest = 40\n";
    let every_step = "[readout]\nreduce = \"every_step\"\n[data]\nvalid = 590\n";
    let spoken = "[data]\nsplit = \"speaker\"\nheld_out = \"theo\"\nvalid = 45\nbands = 20\nhop = 20.0\nsteps = 40\n";
    for (name, inputs, classes, rest) in [
        ("mnist", 784, 10, format!("[encode]\nkind = \"latency\"\nsteps = 20\n{some}")),
        ("ecg", 4, 6, every_step.to_string()),
        ("fsdd", 20, 10, spoken.to_string()),
    ] {
        if directory.join(name).is_dir() {
            trains(place.path(), name, &network(inputs, classes, name, &rest), &["--data", &argument]);
        } else {
            eprintln!("skipped: no {name} data set (set SPIKEGRAD_DATA, see docs/data.md)");
        }
    }
}
