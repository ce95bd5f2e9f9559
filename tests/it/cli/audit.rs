//! `spikegrad audit`.

use super::*;

const NETWORK: &str = "
inputs = 4
[[layer]]
units = 6
recurrent = true
neuron = { kind = \"alif\", tau_adaptation = 30.0 }
surrogate = { slope = 3.0 }
[[layer]]
units = 3
";

#[test]
fn it_prints_the_error_of_every_parameter_of_a_network() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("net.toml"), NETWORK).unwrap();
    let text = good(folder.path(), &["audit", "net.toml", "--entries", "5"]);
    for name in
        ["layer0.weight", "layer0.recurrent", "layer0.tau_adaptation", "layer0.adaptation", "layer1.weight", "input"]
    {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name} is missing:\n{text}");
    }
}

#[test]
fn without_a_file_it_prints_the_matrix() {
    let folder = tempfile::tempdir().unwrap();
    let text = good(folder.path(), &["audit", "--neuron", "lapicque"]);
    for row in ["lapicque subtract_after", "fast_sigmoid", "cross-entropy of max V", "l1"] {
        assert!(text.lines().any(|line| line.starts_with(row)), "{row} is missing:\n{text}");
    }
    assert!(text.contains(", 0 wrong"), "{text}");
    let tapes = text.lines().rfind(|line| line.starts_with("lapicque")).unwrap();
    assert!(tapes.contains("no bit") && tapes.contains("e-"), "{tapes}");
}

#[test]
fn what_cannot_be_audited_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    bad(folder.path(), &["audit", "--neuron", "lapik"], &["lapik", "lapicque"]);
    bad(folder.path(), &["audit", "no-such-file.toml"], &["no-such-file.toml"]);
    std::fs::write(folder.path().join("net.toml"), NETWORK).unwrap();
    bad(folder.path(), &["audit", "net.toml", "--steps", "0"], &["--steps", "1 to 65536"]);
}
