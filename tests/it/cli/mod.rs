//! The command line from outside: what it prints, what it writes, how it refuses.

mod audit;
mod bad_input;
mod bench;
mod data;
mod devices;
mod grad;
mod memory;
mod report;
mod run;
mod study;
mod tensorboard;

use std::path::Path;
use std::process::{Command, Output};

/// The program, in `directory`, without the settings of whoever runs the tests.
fn program(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spikegrad"));
    command.current_dir(directory).env_remove("SPIKEGRAD_DATA").env("RAYON_NUM_THREADS", "2");
    command
}

fn run(directory: &Path, arguments: &[&str]) -> Output {
    program(directory).args(arguments).output().expect("the program starts")
}

/// Runs it and expects success.
fn good(directory: &Path, arguments: &[&str]) -> String {
    let output = run(directory, arguments);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}\n{stdout}\n{stderr}");
    assert!(stderr.is_empty(), "{arguments:?}: {stderr}");
    stdout.into_owned()
}

/// Runs it and expects exit code 2 with one line on stderr that has all the words.
fn bad(directory: &Path, arguments: &[&str], words: &[&str]) {
    let output = run(directory, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "{arguments:?}: {stderr}");
    assert!(stderr.starts_with("error: "), "{arguments:?}: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "{arguments:?}: {stderr:?} lacks {word:?}");
    }
}

/// A training file of a run that takes moments.
const SMALL: &str = r#"inputs = 12
[[layer]]
units = 16
recurrent = true
init = { kind = "uniform", gain = 6.0 }
[[layer]]
units = 3
[train]
data = "randman"
epochs = 3
batch = 16
optimiser = { kind = "adam", rate = 0.02 }
[data]
classes = 3
units = 12
train = 20
valid = 8
test = 8
steps = 30
window = 20
alpha = 2.0
"#;
