//! How the learning rate changes over a run.

use super::optimiser::{not_negative, positive};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// A schedule: the factor on the learning rate at optimiser step `s` of `S`, with `E` steps an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// 1.
    #[default]
    Constant,
    /// `(s + 1) / W` in the first `W = warmup · E` steps, then `f + (1 − f)(1 + cos π q)/2` with
    /// `q = (s − W) / (S − W)` and `f = final`.
    Cosine {
        /// Epochs of linear growth at the start.
        #[serde(default)]
        warmup: f64,
        /// The factor at the end.
        #[serde(default, rename = "final")]
        last: f64,
    },
    /// `factor^⌊s / (every · E)⌋`.
    Step {
        /// Epochs between changes.
        every: f64,
        /// What the rate is multiplied with.
        factor: f64,
    },
}

impl Schedule {
    /// The factor at step `step` (from 0) of `total`, with `epoch` steps an epoch.
    pub fn factor(&self, step: u64, epoch: u64, total: u64) -> f64 {
        match *self {
            Schedule::Constant => 1.0,
            Schedule::Cosine { warmup, last } => {
                let warm = (warmup * epoch as f64).round().min(total as f64);
                let step = step as f64;
                if step < warm {
                    return (step + 1.0) / warm;
                }
                let progress = ((step - warm) / (total as f64 - warm).max(1.0)).min(1.0);
                last + (1.0 - last) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
            }
            Schedule::Step { every, factor } => {
                let period = (every * epoch as f64).max(1.0);
                factor.powf((step as f64 / period).floor())
            }
        }
    }

    /// Checks the numbers.
    ///
    /// # Errors
    /// [`Error::Network`] with the key (`train.schedule.every`) and what is allowed there.
    pub fn validate(&self) -> Result<()> {
        match *self {
            Schedule::Constant => Ok(()),
            Schedule::Cosine { warmup, last } => {
                not_negative("train.schedule.warmup", warmup)?;
                if (0.0..=1.0).contains(&last) {
                    Ok(())
                } else {
                    Err(Error::network("train.schedule.final", format!("must be 0 to 1, is {last}")))
                }
            }
            Schedule::Step { every, factor } => {
                positive("train.schedule.every", every)?;
                positive("train.schedule.factor", factor)
            }
        }
    }
}
