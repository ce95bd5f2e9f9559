//! `spikegrad bench`: what the engine needs, measured on named workloads.

pub(super) mod kernels;
mod limits;
mod machine;
mod memory;
mod peers;
mod process;
pub(super) mod step;
pub(super) mod steps;
mod sweep;
pub(super) mod workload;

use super::arguments::{Bench, Measure};
use spikegrad::Result;

/// Runs the command.
///
/// # Errors
/// Those of the engine.
pub fn run(arguments: Bench) -> Result<()> {
    match arguments.what {
        None => steps::run(&arguments.steps),
        Some(Measure::Memory(arguments)) => memory::run(&arguments),
        Some(Measure::Sweep(arguments)) => sweep::run(&arguments),
    }
}
