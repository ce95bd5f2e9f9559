//! Runs: the directory, resuming, being killed.

use super::{SMALL, bad, good, program};
use spikegrad::io::{Checkpoint, RunDirectory};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Without a spike nothing reaches the readout: said once, where it begins.
#[test]
fn a_network_without_spikes_is_told() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    std::fs::write(at.join("small.toml"), SMALL).unwrap();
    std::fs::write(at.join("silent.toml"), SMALL.replace("gain = 6.0", "gain = 0.1")).unwrap();
    let notes = |file: &str| {
        let out = good(at, &["train", file, "--device", "cpu"]);
        out.lines().filter(|line| line.starts_with("note ") && line.contains("no neuron of layer 0 spikes")).count()
    };
    assert_eq!((notes("silent.toml"), notes("small.toml")), (1, 0));
}

#[test]
fn a_run_writes_its_directory() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    std::fs::write(at.join("small.toml"), SMALL).unwrap();
    let out = good(at, &["train", "small.toml", "--device", "cpu", "--seed", "4"]);
    assert!(out.lines().next().unwrap().starts_with("device   cpu:"), "{out}");
    assert_eq!(out.lines().filter(|line| line.starts_with("epoch ")).count(), 3, "{out}");
    assert!(out.contains("test accuracy"), "{out}");
    let run = at.join("runs/small-4");
    for name in ["config.toml", "metrics.jsonl", "summary.json", "checkpoint.safetensors"] {
        assert!(run.join(name).is_file(), "{name}");
    }
    for picture in ["learning_curve.png", "raster.png"] {
        let bytes = std::fs::read(run.join(picture)).unwrap();
        assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 5_000, "{picture}");
    }
    let summary: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(run.join("summary.json")).unwrap()).unwrap();
    for key in ["device", "seed", "epochs", "parameters", "test_accuracy", "seconds", "test_parameters"] {
        assert!(!summary[key].is_null(), "{key}: {summary}");
    }
    assert_eq!((&summary["seed"], &summary["epochs"]), (&4.into(), &3.into()));
    assert_eq!(summary["parameters"], 12 * 16 + 16 * 16 + 16 * 3);
    for line in std::fs::read_to_string(run.join("metrics.jsonl")).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        for key in [
            "epoch",
            "train_loss",
            "train_accuracy",
            "valid_accuracy",
            "spikes_per_sample",
            "neuron_steps_per_s",
            "seconds",
        ] {
            assert!(line[key].is_number(), "{key}: {line}");
        }
        let activity = &line["activity"];
        for key in ["spikes_per_neuron", "dead_fraction", "saturated_fraction"] {
            assert_eq!(activity[key].as_array().map(Vec::len), Some(1), "one spiking layer: {line}");
        }
        assert!(activity["synaptic_operations"].as_f64().unwrap() > 0.0, "{line}");
    }
    // A second run of the same name does not touch the first.
    good(at, &["train", "small.toml", "--device", "cpu", "--seed", "4", "--epochs", "1"]);
    assert!(at.join("runs/small-4-2/summary.json").is_file());
    let evaluated = good(at, &["eval", "runs/small-4", "--device", "cpu"]);
    let accuracy = 100.0 * summary["test_accuracy"].as_f64().unwrap();
    assert!(evaluated.contains(&format!("test     accuracy {accuracy:.2} %")), "{evaluated}");
    assert!(evaluated.contains("synaptic operations a sample") && evaluated.contains("dead"), "{evaluated}");
    assert!(!summary["activity"]["dead_fraction"].is_null(), "{summary}");
}

/// Nothing is claimed of samples that are not there: no accuracy, no spikes, no energy.
#[test]
fn a_run_without_a_test_set_says_so() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    std::fs::write(at.join("small.toml"), SMALL.replace("\ntest = 8", "\ntest = 0")).unwrap();
    let out = good(at, &["train", "small.toml", "--device", "cpu", "--out", "run"]);
    assert!(out.contains("there is no test set") && !out.contains("test accuracy"), "{out}");
    let summary = std::fs::read_to_string(at.join("run/summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    for key in ["test_accuracy", "test_loss", "spikes_per_sample", "activity", "energy_nj"] {
        assert!(summary[key].is_null(), "{key}: {summary}");
    }
    assert!(good(at, &["report", "run", "--device", "cpu"]).contains("written to"));
}

/// Parameters and state of a run, without what depends on the clock.
fn bits(run: &Path) -> Checkpoint {
    let mut checkpoint = Checkpoint::load(run.join("checkpoint.safetensors")).unwrap();
    checkpoint.progress.seconds = 0.0;
    checkpoint
}

#[test]
fn a_run_that_is_killed_is_resumed_to_the_same_bits() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    std::fs::write(at.join("small.toml"), SMALL.replace("epochs = 3", "epochs = 40")).unwrap();
    good(at, &["train", "small.toml", "--device", "cpu", "--out", "whole"]);
    // Killed again and again, at moments that depend on the machine.
    let broken = at.join("broken");
    let mut kills = 0;
    for attempt in 0..200 {
        let mut command = program(at);
        command.args(["train", "small.toml", "--device", "cpu", "--out", "broken"]);
        if broken.join("config.toml").exists() {
            command.arg("--resume");
        }
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let patience = Instant::now() + Duration::from_millis(15 + 13 * attempt);
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if Instant::now() > patience {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        match status {
            Some(status) => {
                assert!(status.success(), "attempt {attempt}: {:?}", child.wait_with_output());
                break;
            }
            None => kills += 1,
        }
    }
    assert!(kills > 0, "the run was never killed");
    assert_eq!(bits(&broken), bits(&at.join("whole")));
    let metrics = |name: &str| {
        let run = RunDirectory::open(&at.join(name)).unwrap();
        run.metrics(40)
            .unwrap()
            .into_iter()
            .map(|line| (line.epoch, line.train_loss, line.valid_accuracy))
            .collect::<Vec<_>>()
    };
    assert_eq!(metrics("broken"), metrics("whole"));
}

#[test]
fn a_run_is_resumed_by_recipe_by_directory_and_to_more_epochs() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    std::fs::write(at.join("small.toml"), SMALL).unwrap();
    good(at, &["train", "small.toml", "--device", "cpu", "--epochs", "2"]);
    let out = good(at, &["train", "small.toml", "--device", "cpu", "--resume", "--epochs", "3"]);
    assert!(out.contains("resumed after epoch 2"), "{out}");
    assert_eq!(out.lines().filter(|line| line.starts_with("epoch ")).count(), 1, "{out}");
    let out = good(at, &["train", "--resume", "runs/small-1", "--device", "cpu", "--epochs", "4"]);
    assert!(out.contains("resumed after epoch 3"), "{out}");
    good(at, &["train", "small.toml", "--device", "cpu", "--epochs", "4", "--out", "whole"]);
    assert_eq!(bits(&at.join("runs/small-1")), bits(&at.join("whole")));
    bad(at, &["train", "--resume", "runs/small-1", "--seed", "9"], &["--seed", "cannot change"]);
    bad(at, &["train", "randman", "--resume", "runs/small-1"], &["runs/small-1", "a run of small, not of randman"]);
    bad(at, &["train", "--resume", "whole", "--out", "other"], &["--out"]);
    bad(at, &["train", "small.toml", "--out", "whole"], &["whole", "holds a run already", "--resume"]);
}

#[test]
fn the_same_seed_gives_the_same_bits_at_any_number_of_threads() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    std::fs::write(at.join("small.toml"), SMALL).unwrap();
    for threads in ["1", "3"] {
        let mut command = program(at);
        command.args(["train", "small.toml", "--device", "cpu", "--out", threads]).env("RAYON_NUM_THREADS", threads);
        assert!(command.stdout(Stdio::null()).status().unwrap().success());
    }
    assert_eq!(bits(&at.join("1")), bits(&at.join("3")));
}

#[test]
fn devices_lists_the_cpu_and_what_would_be_used() {
    let place = tempfile::tempdir().unwrap();
    let out = good(place.path(), &["devices"]);
    assert!(out.starts_with("cpu:"), "{out}");
    assert!(out.contains("used by --device auto: "), "{out}");
}
