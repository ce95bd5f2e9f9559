//! Measurements on the command line: what they print and write, and what they refuse. No time is judged.

use super::{SMALL, bad, good};
use serde_json::Value;
use std::path::Path;

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("{key} of {value}"))
}

#[test]
fn a_measurement_prints_a_table_and_writes_its_numbers() {
    let place = tempfile::tempdir().unwrap();
    let one = ["bench", "--workload", "W1", "--device", "cpu", "--quick", "--repetitions", "1", "--threads", "1"];
    let said = good(place.path(), &[&one[..], &["--surrogate", "both", "--out", "w1.json"]].concat());
    for word in ["limits of this machine", "W1, compact surrogate", "neuron-steps/s", "layer_backward", "of limit"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let file = json(&place.path().join("w1.json"));
    assert_eq!(file["threads"], 1);
    assert!(number(&file["limits"], "copy") > 0.0 && number(&file["limits"], "product") > 0.0);
    assert_eq!(file["limits"]["gathers"].as_array().unwrap().len(), 6);
    let results = file["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    for (result, surrogate) in results.iter().zip(["default", "compact"]) {
        assert_eq!((&result["workload"], &result["surrogate"]), (&"W1".into(), &surrogate.into()));
        assert_eq!(
            (number(result, "steps"), number(result, "batch"), number(result, "neurons")),
            (100.0, 256.0, 276.0)
        );
        for part in ["step_ms", "forward_ms", "backward_ms", "optimiser_ms"] {
            let [least, median, most] = ["min", "median", "max"].map(|which| number(&result[part], which));
            assert!(0.0 < least && least <= median && median <= most, "{part}");
        }
        for key in ["neuron_steps_per_s", "synaptic_operations_per_s", "arrays", "process"] {
            assert!(number(result, key) > 0.0, "{key}");
        }
        let hidden = result["activity"][0].as_f64().unwrap();
        assert!((0.02..0.1).contains(&hidden), "{hidden}");
        let sensitive = result["sensitive"][0].as_f64().unwrap();
        assert!(if surrogate == "default" { sensitive == 1.0 } else { sensitive < 0.5 }, "{surrogate} {sensitive}");
        let kernels = result["judged"].as_array().unwrap();
        let shares: f64 = kernels.iter().map(|kernel| number(kernel, "share")).sum();
        assert!(shares > 0.0 && shares <= 1.0, "{shares}");
        for kernel in ["layer_forward", "layer_backward", "backward", "weight_gradient", "update"] {
            let own = kernels.iter().find(|own| own["kernel"] == kernel).unwrap_or_else(|| panic!("{kernel}"));
            assert!(own["form"].is_string() && own["bound"].is_string() && number(own, "of_limit") > 0.0, "{own}");
        }
    }
}

#[test]
fn a_profile_is_a_table_and_a_trace() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("small.toml"), SMALL).unwrap();
    let arguments = ["profile", "small.toml", "--device", "cpu", "--trace", "trace.json", "--repetitions", "2"];
    let said = good(place.path(), &arguments);
    assert!(said.contains("layer_forward") && said.contains("share") && said.contains("trace of"), "{said}");
    let trace = json(&place.path().join("trace.json"));
    let events = trace["traceEvents"].as_array().unwrap();
    let mut end = 0.0;
    for event in events {
        assert_eq!(event["ph"], "X");
        assert!(event["name"].is_string() && event["args"]["form"].is_string(), "{event}");
        let (start, duration) = (number(event, "ts"), number(event, "dur"));
        assert!(start + 1e-6 >= end && duration >= 0.0, "{event} before {end}");
        end = start + duration;
    }
    let forward = events.iter().filter(|event| event["name"] == "layer_forward 0").count();
    assert_eq!(forward, 2, "once in each step");
}

#[test]
fn what_cannot_be_measured_is_refused_in_a_line() {
    let place = tempfile::tempdir().unwrap();
    let refuse = |arguments: &[&str], words: &[&str]| bad(place.path(), arguments, words);
    refuse(&["bench", "--workload", "W9"], &["unknown workload W9", "W3-512"]);
    refuse(&["bench", "--workload", "W1,W5"], &["W5 is a convolution"]);
    refuse(&["bench", "--device", "tpu"], &["unknown device", "tpu"]);
    refuse(&["bench", "--threads", "0"], &["--threads", "at least 1"]);
    refuse(&["bench", "--threads", "1000000"], &["--threads", "at most"]);
    refuse(&["bench", "--out", "no/such/place.json"], &["no/such/place.json"]);
    refuse(&["bench", "sweep", "--picture", "no/such/place.png"], &["no/such/place.png"]);
    refuse(&["bench", "--workload", "W1,,W2"], &["without a name"]);
    refuse(&["profile", "W9"], &["W9", "W3-512", "randman"]);
    refuse(&["profile", "W1", "--trace", "no/such/place.json"], &["no/such/place.json"]);
    refuse(&["bench", "--repetitions", "0"], &["--repetitions", "at least 1"]);
    refuse(&["bench", "--surrogate", "sharp"], &["sharp", "compact"]);
    refuse(&["bench", "--peers", "torch"], &["--vs"]);
    refuse(&["bench", "--vs", "/no/such/python"], &["/no/such/python"]);
    refuse(&["bench", "--vs", "/no/such/python", "--peers", "neat"], &["unknown library neat", "snntorch"]);
    refuse(&["bench", "memory", "--workload", "W1"], &["--workload"]);
    refuse(&["bench", "sweep", "--threads", "0"], &["--threads"]);
    refuse(&["bench", "--one", "{}"], &["no task"]);
    refuse(&["profile"], &["WHAT"]);
    refuse(&["profile", "W5"], &["convolution"]);
    refuse(&["profile", "nothing"], &["nothing"]);
    refuse(&["profile", "randman", "--compact"], &["--compact"]);
    refuse(&["profile", "W1", "--repetitions", "0"], &["--repetitions"]);
}

/// What stands for a Python with one of the libraries.
#[cfg(unix)]
const PYTHON: &str = r#"#!/bin/sh
if [ "$1" = "-c" ]; then echo "has torch"; exit; fi
case "$*" in
*torch-fused*) echo "something" >&2; echo "why it failed" >&2; exit 3;;
*"--workload W1"*"--threads 2"*) echo "a warning"; echo '{"lib": "torch", "step_ms": 5000000.0, "delta_mb": 7}';;
esac
"#;

#[cfg(unix)]
#[test]
fn libraries_are_measured_in_turn() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().unwrap();
    let python = place.path().join("python");
    std::fs::write(&python, PYTHON).unwrap();
    std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).unwrap();
    let one = ["bench", "--workload", "W1", "--device", "cpu", "--quick", "--repetitions", "1", "--threads", "2"];
    let said = good(place.path(), &[&one[..], &["--vs", "./python", "--out", "vs.json"]].concat());
    assert!(said.contains("fastest (torch)") && said.contains("why it failed"), "{said}");
    let file = json(&place.path().join("vs.json"));
    let pairs = file["pairs"].as_array().unwrap();
    let of = |name: &str| pairs.iter().find(|pair| pair["peer"] == name).unwrap();
    assert_eq!(of("torch")["raw"]["delta_mb"], 7);
    assert_eq!(of("torch-fused")["error"], "why it failed");
    assert!(number(&file["compared"][0]["step_ms"], "median") == 5e6);
    assert!(file["compared"][0]["ratios"][0][1].as_f64().unwrap() > 1.0);
    bad(place.path(), &["bench", "--vs", "./python", "--peers", "spyx"], &["spyx cannot be imported"]);
}
