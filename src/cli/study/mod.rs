//! `spikegrad study`: experiments of the papers, many trainings that differ in a few switches.

mod sparsity;
mod surrogates;

use super::arguments::{Study, StudyRun};
use super::say;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use spikegrad::engine::Device;
use spikegrad::io::write_whole;
use spikegrad::learn::{Outcome, Trial, study};
use spikegrad::{Error, Result};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Runs the command.
///
/// # Errors
/// Those of the trainings and of the files.
pub fn run(study: Study) -> Result<()> {
    match study {
        Study::Surrogates(arguments) => surrogates::run(&arguments),
        Study::Sparsity(arguments) => sparsity::run(&arguments),
    }
}

/// The directory of a study, and what was found there.
struct Notes {
    path: PathBuf,
    outcomes: Vec<Outcome>,
}

impl Notes {
    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Opens or makes the directory. A line that a kill cut short is left out.
    fn open(run: &StudyRun, usual: &str) -> Result<Notes> {
        run.device.parse::<Device>()?.check()?;
        if run.jobs == Some(0) {
            return Err(Error::Input("--jobs must be 1 or more".into()));
        }
        let path = run.out.as_deref().unwrap_or(Path::new(usual));
        fs::create_dir_all(path).map_err(|error| Error::file(path, format!("cannot make the directory: {error}")))?;
        let file = path.join("results.jsonl");
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Error::file(&file, format!("cannot be read: {error}"))),
        };
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let mut outcomes = Vec::new();
        for (number, line) in whole.lines().enumerate() {
            let outcome = serde_json::from_str(line).map_err(|error| {
                Error::file(
                    &file,
                    format!("line {} is no outcome of a study ({error}): give another --out", number + 1),
                )
            })?;
            outcomes.push(outcome);
        }
        if whole.len() < text.len() {
            write_whole(&file, whole.as_bytes())?;
        }
        Ok(Notes { path: path.to_path_buf(), outcomes })
    }

    /// Runs what was not run before, and notes it; gives the outcome of each trial, in their order.
    fn complete(mut self, trials: Vec<Trial>, run: &StudyRun) -> Result<Vec<Outcome>> {
        let device: Device = run.device.parse()?;
        let jobs = match (run.jobs, device) {
            (Some(jobs), _) => jobs,
            (None, _) => std::thread::available_parallelism().map_or(1, usize::from),
        };
        let of_this = |outcome: &Outcome| trials.iter().any(|trial| trial.factors.keys().eq(outcome.factors.keys()));
        if !self.outcomes.is_empty() && !self.outcomes.iter().any(of_this) {
            return Err(Error::file(&self.path, "holds another study: give another --out"));
        }
        // Two trials may be the same network under two names.
        let mut missing: Vec<Trial> = Vec::new();
        for trial in &trials {
            let known = self.outcomes.iter().any(|outcome| trial.is(outcome));
            if !known && !missing.iter().any(|other| other.recipe == trial.recipe) {
                missing.push(trial.clone());
            }
        }
        let before = if self.outcomes.is_empty() { "" } else { " left" };
        say(&format!("study    {}: {} networks{before}, {jobs} at once", self.path.display(), missing.len()));
        let file = self.file("results.jsonl");
        let mut log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&file)
            .map_err(|error| Error::file(&file, format!("cannot be written: {error}")))?;
        // Not every file system can lock; then nothing keeps two apart.
        if matches!(log.try_lock(), Err(fs::TryLockError::WouldBlock)) {
            return Err(Error::file(&self.path, "another process works on this study"));
        }
        let bar = ProgressBar::with_draw_target(Some(missing.len() as u64), ProgressDrawTarget::stderr_with_hz(4));
        if let Ok(style) = ProgressStyle::with_template("{bar:24.cyan/dim} {pos}/{len} networks · {eta} left") {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.tick();
        let outcomes = &mut self.outcomes;
        study(missing, device, jobs, |outcome| {
            let line = serde_json::to_string(&outcome).map_err(|error| Error::Input(error.to_string()))? + "\n";
            log.write_all(line.as_bytes())
                .and_then(|()| log.flush())
                .map_err(|error| Error::file(&file, format!("cannot be written: {error}")))?;
            bar.suspend(|| say(&described(&outcome)));
            bar.inc(1);
            outcomes.push(outcome);
            Ok(())
        })?;
        bar.finish_and_clear();
        let found = |trial: &Trial| {
            let outcome = self.outcomes.iter().find(|outcome| trial.is(outcome))?;
            Some(Outcome { factors: trial.factors.clone(), ..outcome.clone() })
        };
        let all: Vec<Outcome> = trials.iter().filter_map(found).collect();
        write_whole(self.path.join("table.csv"), table(&all).as_bytes())?;
        Ok(all)
    }
}

/// An outcome in one line.
fn described(outcome: &Outcome) -> String {
    let factors: Vec<String> = outcome.factors.iter().map(|(factor, level)| format!("{factor} {level}")).collect();
    let what = match (outcome.test, &outcome.diverged) {
        (Some(test), _) => format!("test {:6.2} %, {:.0} spikes", 100.0 * test, outcome.spikes.unwrap_or(0.0)),
        (None, why) => format!("diverged: {}", why.as_deref().unwrap_or("")),
    };
    format!("{}, seed {}: {what}, {:.1} s", factors.join(", "), outcome.seed, outcome.seconds)
}

/// All outcomes, a column for each factor.
fn table(outcomes: &[Outcome]) -> String {
    let mut factors: Vec<&String> = outcomes.iter().flat_map(|outcome| outcome.factors.keys()).collect();
    factors.sort();
    factors.dedup();
    let names: Vec<&str> = factors.iter().map(|name| name.as_str()).collect();
    let mut text = names.join(",") + ",seed,epochs,test,valid,spikes,synaptic_operations,seconds\n";
    for outcome in outcomes {
        let levels = factors.iter().map(|factor| outcome.factors.get(*factor).cloned().unwrap_or_default());
        let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
        let numbers = [outcome.test, outcome.valid, outcome.spikes, outcome.synaptic_operations];
        let cells = levels
            .chain([outcome.seed.to_string(), outcome.epochs.to_string()])
            .chain(numbers.map(number))
            .chain([format!("{:.2}", outcome.seconds)]);
        text += &(cells.collect::<Vec<_>>().join(",") + "\n");
    }
    text
}

/// Mean and standard deviation (of a sample; 0 of one).
fn spread(values: &[f64]) -> (f64, f64) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    (mean, (squares / (n - 1.0).max(1.0)).sqrt())
}
