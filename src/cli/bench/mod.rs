//! `spikegrad bench`: what the engine needs, measured on named workloads.

mod memory;
mod workload;

use super::arguments::{Bench, Measure};
use spikegrad::Result;

/// Runs the command.
///
/// # Errors
/// Those of the engine.
pub fn run(arguments: Bench) -> Result<()> {
    match arguments.what {
        Measure::Memory => memory::run(&arguments),
    }
}
