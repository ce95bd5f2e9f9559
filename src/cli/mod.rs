//! The command line: reads arguments and files, calls the library, writes reports and pictures.

mod arguments;
mod audit;
mod bench;
mod data;
mod devices;
mod eval;
mod fetch;
mod grad;
mod picture;
mod preset;
mod profile;
mod progress;
mod report;
mod study;
mod summary;
mod tensorboard;
mod train;

use arguments::{Arguments, Command};
use clap::Parser;
use spikegrad::{Error, Result};
use std::io::Write;
use std::process::ExitCode;

/// Runs the command line. Exit code 0: done; 2: something in what was asked for is wrong, in one line on stderr;
/// 1: training stopped being a number, or an audit found a wrong gradient.
pub fn main() -> ExitCode {
    let result = match Arguments::try_parse() {
        Ok(arguments) => run(arguments.command),
        Err(error) if error.use_stderr() => {
            complain(&first_line(&error));
            return ExitCode::from(2);
        }
        Err(help) => {
            say(help.to_string().trim_end());
            return ExitCode::SUCCESS;
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("error: {error}"));
            ExitCode::from(if matches!(error, Error::Diverged(_) | Error::Audit(_)) { 1 } else { 2 })
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Train(arguments) => train::run(arguments),
        Command::Eval(arguments) => eval::run(arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Devices(arguments) => devices::run(&arguments),
        Command::Grad(arguments) => grad::run(arguments),
        Command::Audit(arguments) => audit::run(arguments),
        Command::Preset(arguments) => preset::run(arguments),
        Command::Bench(arguments) => bench::run(*arguments),
        Command::Profile(arguments) => profile::run(&arguments),
        Command::Study(study) => study::run(study),
        Command::Data(arguments) => data::run(arguments),
    }
}

/// A line on stdout. A reader that has gone away (`| head`) is no error.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Exactly one line on stderr.
fn complain(text: &str) {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The part of an argument error that says what is wrong, without usage and hints.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    format!("{paragraph} (see spikegrad --help)")
}
