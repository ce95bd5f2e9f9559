//! Latency: one spike for each value, the earlier the larger it is.

use super::{check, check_steps, still};
use crate::error::{Error, Result};
use crate::spikes::{Raster, Trace};
use serde::{Deserialize, Serialize};

/// The time t(x) of the spike of a value x in 0 to 1, before it is stretched and rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Curve {
    /// `τ (1 − x)`.
    #[default]
    Linear,
    /// `τ ln(x / (x − threshold))`: when a leaky integrator driven by x reaches the threshold. x is held 1e-7 above it.
    Log,
    /// `T − 1 − ln(1 + (e^(T−1) − 1) x)` (SpikingJelly's `log`); τ is not used.
    LogRange,
}

/// Times are rounded to the nearest step (half to even); what is later than the last step is no spike.
///
/// snnTorch's `spikegen.latency(x, T, tau, threshold, first_spike_time, clip, normalize, linear)` has the same names here;
/// SpikingJelly's `LatencyEncoder(T, "linear")` is the default with `threshold = 0`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Latency {
    /// Steps T.
    pub steps: usize,
    /// Time of a value.
    pub curve: Curve,
    /// τ, steps; not used where `normalise`.
    pub tau: f64,
    /// Values below it count as it, or make no spike where `clip`.
    pub threshold: f64,
    /// Step of the earliest spike.
    pub first: usize,
    /// Whether values below the threshold make no spike.
    pub clip: bool,
    /// Whether the times are stretched so that a value at the threshold spikes in the last step.
    pub normalise: bool,
}

impl Default for Latency {
    fn default() -> Self {
        Latency { steps: 100, curve: Curve::Linear, tau: 1.0, threshold: 0.01, first: 0, clip: false, normalise: true }
    }
}

/// How far above the threshold a value is held where a logarithm needs it.
const ABOVE: f64 = 1e-7;

impl Latency {
    pub(super) fn validate(&self, place: &str) -> Result<()> {
        check_steps(place, self.steps)?;
        check(place, "tau", self.tau.is_finite() && self.tau > 0.0, "a number above 0", self.tau)?;
        let low = if self.curve == Curve::Log { 1e-6 } else { 0.0 };
        let rule = if self.curve == Curve::Log { "above 0 and below 1 for a log" } else { "at least 0 and below 1" };
        check(place, "threshold", (low..1.0).contains(&self.threshold), rule, self.threshold)?;
        let rule = format!("below the {} steps", self.steps);
        check(place, "first", self.first < self.steps, &rule, self.first)
    }

    /// Step of the spike of `x`, or None where there is none.
    pub fn time(&self, x: f64) -> Option<usize> {
        if self.clip && x < self.threshold {
            return None;
        }
        let last = (self.steps - 1) as f64;
        let room = last - self.first as f64;
        let log = |x: f64| self.tau * (x / (x - self.threshold)).ln();
        let time = match self.curve {
            Curve::Linear => {
                let tau = if self.normalise { room } else { self.tau };
                tau * (1.0 - x.max(self.threshold))
            }
            Curve::Log => {
                let time = log(x.max(self.threshold + ABOVE));
                if self.normalise { time * room / log(self.threshold + ABOVE) } else { time }
            }
            // The same without e^(T−1), which overflows.
            Curve::LogRange => {
                let x = x.max(self.threshold);
                let time = (-(x + (1.0 - x) * (-last).exp()).ln()).min(last);
                if self.normalise && last > 0.0 { time * room / last } else { time }
            }
        };
        let step = (time + self.first as f64).round_ties_even();
        (step <= last).then_some(step.max(0.0) as usize)
    }

    /// At most one spike for each value of `[1, B, N]`.
    ///
    /// # Errors
    /// [`Error::Input`] where a value is not in 0 to 1 or there are several steps.
    pub fn encode(&self, values: &Trace<f32>) -> Result<Raster> {
        let still = still(values, "latency")?;
        let mut raster = Raster::new(self.steps, values.batch, values.units);
        for (at, &x) in still.iter().enumerate() {
            let (b, n) = (at / values.units, at % values.units);
            if !(0.0..=1.0).contains(&x) {
                return Err(Error::Input(format!(
                    "latency encodes values from 0 to 1; sample {b}, channel {n} is {x}"
                )));
            }
            if let Some(t) = self.time(f64::from(x)) {
                raster.set(t, b, n);
            }
        }
        Ok(raster)
    }
}
