//! Population: several units for each value, each most active near a value of its own.

use super::{Current, Encoder, check};
use crate::error::Result;
use crate::spikes::Trace;
use serde::{Deserialize, Serialize};

/// Where the centres of m receptive fields over `low..high` lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// Field i = 1..m at `low + (2i − 3)/2 · (high − low)/(m − 2)`: the outer ones lie outside (Bohté et al. 2002).
    #[default]
    Overhang,
    /// From `low` to `high` in equal steps (Norse's `population_encode`).
    Even,
}

/// Unit `n·m + i` responds to value n with `exp(−(x − c_i)² / 2σ²)`, which `then` encodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Population {
    /// Units m for each value.
    pub fields: usize,
    /// Lowest value.
    pub low: f64,
    /// Highest value.
    pub high: f64,
    /// Where the centres lie.
    pub placement: Placement,
    /// σ; left out: the distance of the centres over 1.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<f64>,
    /// Encodes the responses, which are from 0 to 1.
    pub then: Box<Encoder>,
}

impl Default for Population {
    fn default() -> Self {
        let then = Box::new(Encoder::Current(Current::default()));
        Population { fields: 8, low: 0.0, high: 1.0, placement: Placement::Overhang, width: None, then }
    }
}

impl Population {
    pub(super) fn validate(&self, place: &str) -> Result<()> {
        check(place, "fields", (3..=4096).contains(&self.fields), "3 to 4096", self.fields)?;
        check(place, "low", self.low.is_finite(), "a finite number", self.low)?;
        let good = self.high.is_finite() && self.high > self.low;
        check(place, "high", good, &format!("above low = {}", self.low), self.high)?;
        let width = self.width.unwrap_or(1.0);
        check(place, "width", width.is_finite() && width > 0.0, "a number above 0", width)?;
        self.then.validate_at(&format!("{place}.then"))
    }

    pub(super) fn channels(&self, inputs: usize) -> usize {
        self.then.channels(inputs * self.fields)
    }

    /// Distance of neighbouring centres.
    fn spacing(&self) -> f64 {
        let gaps = match self.placement {
            Placement::Overhang => self.fields - 2,
            Placement::Even => self.fields - 1,
        };
        (self.high - self.low) / gaps as f64
    }

    /// The centre of field `i`, counted from 0.
    pub fn centre(&self, i: usize) -> f64 {
        let place = match self.placement {
            Placement::Overhang => i as f64 - 0.5,
            Placement::Even => i as f64,
        };
        self.low + place * self.spacing()
    }

    /// Responses `[T, B, N·m]` to values `[T, B, N]`.
    pub fn responses(&self, values: &Trace<f32>) -> Trace<f32> {
        let width = self.width.unwrap_or(self.spacing() / 1.5);
        let mut responses = Vec::with_capacity(values.values.len() * self.fields);
        for &x in &values.values {
            for i in 0..self.fields {
                let distance = (f64::from(x) - self.centre(i)) / width;
                responses.push((-0.5 * distance * distance).exp() as f32);
            }
        }
        Trace { steps: values.steps, batch: values.batch, units: values.units * self.fields, values: responses }
    }
}
