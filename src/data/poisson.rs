//! Random rasters with random labels (SpyTorch tutorial 1): nothing but the samples themselves can be learned.

use super::{DataSet, Parameters, Split};
use crate::error::{Error, Result};
use crate::spikes::Random;
use serde::{Deserialize, Serialize};

/// Poisson spikes of one rate in all channels. There is nothing to generalise, so the test set is the training set, and
/// there is no validation set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Poisson {
    /// Samples.
    pub samples: usize,
    /// Channels.
    pub units: usize,
    /// Steps T.
    pub steps: usize,
    /// Spikes of a channel in a second.
    pub rate: f64,
    /// Milliseconds of a step.
    pub dt: f64,
    /// Classes, each as likely.
    pub classes: usize,
    /// Seed of spikes and labels; None: the seed of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Default for Poisson {
    fn default() -> Self {
        Poisson { samples: 256, units: 100, steps: 200, rate: 5.0, dt: 1.0, classes: 2, seed: None }
    }
}

/// Stream of random numbers of the labels, and of the spikes.
const STREAMS: u64 = 0x504f_4953_534f_4e00;
/// The most cells of all samples together.
const MOST: usize = 1 << 34;

impl Poisson {
    /// Probability of a spike at a step.
    fn chance(&self) -> f64 {
        self.rate * self.dt / 1000.0
    }
}

impl Parameters for Poisson {
    fn validate(&self) -> Result<()> {
        let sizes =
            [("samples", self.samples), ("units", self.units), ("steps", self.steps), ("classes", self.classes)];
        for (key, value) in sizes {
            if !(1..=1 << 24).contains(&value) {
                return Err(Error::network(format!("data.{key}"), format!("must be 1 to 2^24, is {value}")));
            }
        }
        if self.samples.saturating_mul(self.units).saturating_mul(self.steps) > MOST {
            return Err(Error::network("data.samples", "samples × units × steps must be at most 2^34"));
        }
        for (key, value) in [("rate", self.rate), ("dt", self.dt)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::network(format!("data.{key}"), format!("must be a number above 0, is {value}")));
            }
        }
        if self.chance() > 1.0 {
            let message = format!("{} Hz are more than one spike in a step of {} ms", self.rate, self.dt);
            return Err(Error::network("data.rate", message));
        }
        Ok(())
    }

    fn load(&self, seed: u64) -> Result<Split> {
        self.validate()?;
        let seed = self.seed.unwrap_or(seed);
        let mut random = Random::new(seed, STREAMS);
        let labels = (0..self.samples).map(|_| random.below(self.classes) as u32).collect();
        let spikes = Random::new(seed, STREAMS + 1);
        let cells = (self.steps * self.units) as u64;
        // Waiting times between spikes rather than a draw for each cell: few of them spike.
        let none = (-self.chance()).ln_1p();
        let samples: Vec<Vec<(u32, u32)>> = (0..self.samples)
            .map(|sample| {
                let mut random = Random::keyed(spikes.at(sample as u64));
                let mut events = Vec::new();
                let mut cell = 0u64;
                loop {
                    let wait = (1.0 - random.uniform()).ln() / none;
                    cell = cell.saturating_add(wait as u64);
                    if cell >= cells {
                        return events;
                    }
                    events.push(((cell / self.units as u64) as u32, (cell % self.units as u64) as u32));
                    cell += 1;
                }
            })
            .collect();
        let train = DataSet::events(self.steps, self.units, self.classes, &samples, labels)?;
        Ok(Split { valid: train.pick(&[]), test: train.clone(), train })
    }

    fn channel_name(&self, index: usize) -> String {
        format!("unit {index}")
    }
}
