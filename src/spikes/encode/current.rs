//! Current: the values drive the first layer as they are, through its weights, or with `connection = "current"` through a
//! learned gain and bias for each neuron.

use super::{check, check_steps};
use crate::error::Result;
use crate::spikes::Trace;
use serde::{Deserialize, Serialize};

/// `gain · x + offset`; a static value is held for `steps` steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Current {
    /// Steps T that a static value is held.
    pub steps: usize,
    /// Factor.
    pub gain: f64,
    /// Added.
    pub offset: f64,
}

impl Default for Current {
    fn default() -> Self {
        Current { steps: 100, gain: 1.0, offset: 0.0 }
    }
}

impl Current {
    pub(super) fn validate(&self, place: &str) -> Result<()> {
        check_steps(place, self.steps)?;
        check(place, "gain", self.gain.is_finite(), "a finite number", self.gain)?;
        check(place, "offset", self.offset.is_finite(), "a finite number", self.offset)
    }

    /// Values `[T, B, N]`.
    pub fn encode(&self, values: &Trace<f32>) -> Trace<f32> {
        let scaled: Vec<f32> = values.values.iter().map(|&x| (self.gain * f64::from(x) + self.offset) as f32).collect();
        let steps = if values.steps == 1 { self.steps } else { values.steps };
        let held = if values.steps == 1 { scaled.repeat(steps) } else { scaled };
        Trace { steps, batch: values.batch, units: values.units, values: held }
    }
}
