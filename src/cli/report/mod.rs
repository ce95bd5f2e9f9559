//! `spikegrad report`: runs as one HTML page that needs nothing else.
//!
//! | file | what |
//! |---|---|
//! | `run` | what the files of a run directory tell |
//! | `measure` | what is measured with the kept parameters |
//! | `families` | runs of one recipe, and the keys in which recipes differ |
//! | `overview`, `section`, `layers` | the parts of the page: several runs, one run, what its layers do |
//! | `chart` | the drawings |
//! | `page`, `html` | what holds the parts together |

mod chart;
mod families;
mod html;
mod layers;
mod measure;
mod overview;
mod page;
mod run;
mod section;

use super::arguments::Report as Arguments;
use super::say;
use measure::{Conditions, Measured, measure};
use run::Run;
use spikegrad::engine::Device;
use spikegrad::io::{check_writable, write_whole};
use spikegrad::{Error, Result};
use std::path::PathBuf;

/// A run, and what was measured of it.
type Reported = (Run, Measured);

/// Runs the command.
///
/// # Errors
/// [`Error::File`] where a directory holds no run or the page cannot be written; [`Error::Device`] where the device is not
/// there. Nothing is written then.
pub fn run(arguments: &Arguments) -> Result<()> {
    let device: Device = arguments.device.parse()?;
    let (budget, wish) = arguments.memory.parse()?;
    let mut paths: Vec<&PathBuf> = Vec::new();
    for path in &arguments.runs {
        let same = |other: &&PathBuf| std::fs::canonicalize(other).ok() == std::fs::canonicalize(path).ok();
        if paths.iter().any(same) && path.exists() {
            continue;
        }
        paths.push(path);
    }
    let runs = paths.iter().map(|path| Run::read(path)).collect::<Result<Vec<Run>>>()?;
    let out = match (&arguments.out, &runs[..]) {
        (Some(out), _) => out.clone(),
        (None, [one]) => one.directory.file("report.html"),
        (None, _) => PathBuf::from("report.html"),
    };
    if out.is_dir() {
        return Err(Error::file(out, "is a directory: --out names the page"));
    }
    check_writable(&out)?;
    let conditions = Conditions { device, budget, wish, data: arguments.data.as_deref() };
    let mut reported: Vec<Reported> = Vec::new();
    for run in runs {
        let measured = measure(&run, &conditions)?;
        for what in run.missing.iter().chain(&measured.missing) {
            say(&format!("{}: {what}", run.name));
        }
        reported.push((run, measured));
    }
    write_whole(&out, page::page(&reported).as_bytes())?;
    say(&format!("written to {}", out.display()));
    Ok(())
}
