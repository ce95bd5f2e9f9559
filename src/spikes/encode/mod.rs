//! Encoders: from real values to activity (`docs/dynamics.md`, section 6). One file each.
//!
//! Values are `[T, B, N]`; static ones (an image) have T = 1. What is random is a function of the key alone, see [`Rate`].

mod current;
mod delta;
mod latency;
mod population;
mod rate;

pub use current::Current;
pub use delta::Delta;
pub use latency::{Curve, Latency};
pub use population::{Placement, Population};
pub use rate::{Rate, Rates, WHOLE, stream};

use super::{Random, Raster, Trace};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// An encoder as data: the table `[encode]` of a training file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Encoder {
    /// The larger a value, the earlier its one spike.
    Latency(Latency),
    /// The larger a value, the more spikes: one Bernoulli draw a step.
    Rate(Rate),
    /// Spikes where a value changes.
    Delta(Delta),
    /// Several units with Gaussian receptive fields for each value.
    Population(Population),
    /// The values themselves, into the drive.
    Current(Current),
}

/// What an encoder made.
#[derive(Clone, Debug, PartialEq)]
pub enum Encoded {
    /// Spikes.
    Spikes(Raster),
    /// Real values.
    Values(Trace<f32>),
    /// Spikes that the device draws from their probabilities.
    Rates(Rates),
}

impl Encoder {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`Error::Network`] with the key (`encode.tau`) and what is allowed there.
    pub fn validate(&self) -> Result<()> {
        self.validate_at("encode")
    }

    fn validate_at(&self, place: &str) -> Result<()> {
        match self {
            Encoder::Latency(latency) => latency.validate(place),
            Encoder::Rate(rate) => rate.validate(place),
            Encoder::Delta(delta) => delta.validate(place),
            Encoder::Population(population) => population.validate(place),
            Encoder::Current(current) => current.validate(place),
        }
    }

    /// Channels that `inputs` values become.
    pub fn channels(&self, inputs: usize) -> usize {
        match self {
            Encoder::Delta(delta) => delta.channels(inputs),
            Encoder::Population(population) => population.channels(inputs),
            _ => inputs,
        }
    }

    /// Steps that `steps` steps of values become.
    pub fn steps(&self, steps: usize) -> usize {
        match self {
            Encoder::Latency(latency) => latency.steps,
            Encoder::Rate(rate) if steps == 1 => rate.steps,
            Encoder::Current(current) if steps == 1 => current.steps,
            Encoder::Population(population) => population.then.steps(steps),
            _ => steps,
        }
    }

    /// Whether it makes spikes (else real values).
    pub fn spiking(&self) -> bool {
        match self {
            Encoder::Current(_) => false,
            Encoder::Population(population) => population.then.spiking(),
            _ => true,
        }
    }

    /// Encodes `values` `[T, B, N]`. `key` draws what is random: see [`stream`].
    ///
    /// # Errors
    /// [`Error::Input`] where a value is outside what the encoder takes.
    pub fn encode(&self, values: &Trace<f32>, key: &Random) -> Result<Encoded> {
        match self {
            Encoder::Latency(latency) => latency.encode(values).map(Encoded::Spikes),
            Encoder::Rate(rate) if values.steps == 1 => rate.rates(values, key).map(Encoded::Rates),
            Encoder::Rate(rate) => rate.encode(values, key).map(Encoded::Spikes),
            Encoder::Delta(delta) => Ok(Encoded::Spikes(delta.encode(values))),
            Encoder::Population(population) => population.then.encode(&population.responses(values), key),
            Encoder::Current(current) => Ok(Encoded::Values(current.encode(values))),
        }
    }
}

/// One number of a file against a rule.
fn check(place: &str, key: &str, good: bool, rule: &str, value: impl std::fmt::Display) -> Result<()> {
    if good { Ok(()) } else { Err(Error::network(format!("{place}.{key}"), format!("must be {rule}, is {value}"))) }
}

/// The most steps that a static value may become.
const STEPS: usize = 1_000_000;

fn check_steps(place: &str, steps: usize) -> Result<()> {
    check(place, "steps", (1..=STEPS).contains(&steps), "1 to 1000000", steps)
}

/// One value for each sample and channel, for encoders that make time themselves.
fn still<'a>(values: &'a Trace<f32>, encoder: &str) -> Result<&'a [f32]> {
    if values.steps == 1 {
        Ok(&values.values)
    } else {
        let steps = values.steps;
        Err(Error::Input(format!("{encoder} encodes one value for each channel, these have {steps} steps")))
    }
}
