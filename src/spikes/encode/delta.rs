//! Delta: a spike where a value rises by a threshold from one step to the next, and in a channel of its own where it falls.

use super::check;
use crate::error::Result;
use crate::spikes::{Raster, Trace};
use serde::{Deserialize, Serialize};

/// On-spikes where `x_t − x_{t-1} ≥ threshold`, off-spikes where it is `≤ −threshold` (snnTorch `spikegen.delta`, whose
/// off-spikes are −1 in the same channel).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Delta {
    /// Smallest change that counts.
    pub threshold: f64,
    /// Whether falling values spike too: channels N to 2N − 1.
    pub off: bool,
    /// Whether the value before step 0 is that of step 0 (else 0).
    pub padding: bool,
}

impl Default for Delta {
    fn default() -> Self {
        Delta { threshold: 0.1, off: true, padding: true }
    }
}

impl Delta {
    pub(super) fn validate(&self, place: &str) -> Result<()> {
        let good = self.threshold.is_finite() && self.threshold > 0.0;
        check(place, "threshold", good, "a number above 0", self.threshold)
    }

    pub(super) fn channels(&self, inputs: usize) -> usize {
        if self.off { 2 * inputs } else { inputs }
    }

    /// Spikes of `[T, B, N]`: `[T, B, N]`, or `[T, B, 2N]` with off-spikes.
    pub fn encode(&self, values: &Trace<f32>) -> Raster {
        let Trace { steps, batch, units, .. } = *values;
        let threshold = self.threshold as f32;
        let mut raster = Raster::new(steps, batch, self.channels(units));
        for t in 0..steps {
            for b in 0..batch {
                for n in 0..units {
                    let before = match t {
                        0 if self.padding => values.get(0, b, n),
                        0 => 0.0,
                        _ => values.get(t - 1, b, n),
                    };
                    let change = values.get(t, b, n) - before;
                    if change >= threshold {
                        raster.set(t, b, n);
                    } else if self.off && change <= -threshold {
                        raster.set(t, b, units + n);
                    }
                }
            }
        }
        raster
    }
}
