//! Dropout and normalisation of a layer as data.

use super::*;
use crate::error::{Error, Result};
use serde::{Deserializer, Serializer, de};

/// How long a dropout mask holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropoutPer {
    /// For all steps of a sequence: a unit is there or it is not.
    #[default]
    Sequence,
    /// For one step: each spike is lost by itself.
    Step,
}

/// Dropout of the spikes that a layer sends to the next one, in training: each is lost with probability `rate`, the others
/// count `1/(1 − rate)`. The layer's own recurrence, the losses and the regularisers see all spikes. Masks follow from
/// (seed, training pass, step, sample, unit).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// Probability of a loss.
    pub rate: f64,
    /// How long a mask holds.
    #[serde(default)]
    pub per: DropoutPer,
}

/// What statistics the drive is normalised by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormaliseKind {
    /// Mean and variance of each unit over all steps and samples of the batch; in use the running ones.
    #[default]
    Batch,
}

/// The factor s of a normalised drive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// A number.
    Number(f64),
    /// The threshold that the neuron starts with (Zheng et al. 2021).
    Threshold,
}

impl Serialize for Scale {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Scale::Number(number) => serializer.serialize_f64(*number),
            Scale::Threshold => serializer.serialize_str("threshold"),
        }
    }
}

impl<'de> Deserialize<'de> for Scale {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Either;
        impl de::Visitor<'_> for Either {
            type Value = Scale;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a number or \"threshold\"")
            }

            fn visit_f64<E>(self, value: f64) -> std::result::Result<Scale, E> {
                Ok(Scale::Number(value))
            }

            fn visit_i64<E>(self, value: i64) -> std::result::Result<Scale, E> {
                Ok(Scale::Number(value as f64))
            }

            fn visit_u64<E>(self, value: u64) -> std::result::Result<Scale, E> {
                Ok(Scale::Number(value as f64))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> std::result::Result<Scale, E> {
                if value == "threshold" {
                    Ok(Scale::Threshold)
                } else {
                    Err(E::invalid_value(de::Unexpected::Str(value), &self))
                }
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Normalisation of the feed-forward drive before the neuron sees it, with a learned scale g and shift h for each unit:
/// `X ← s g (X − μ)/√(σ² + ε) + h`. The recurrent part is added after it. Spikes in steps past a sample's length count.
/// Zheng et al. 2021 (tdBN): `scale = "threshold"`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalise {
    /// Statistics.
    #[serde(default)]
    pub kind: NormaliseKind,
    /// Part of a batch in the running statistics.
    #[serde(default = "tenth")]
    pub momentum: f64,
    /// ε.
    #[serde(default = "small")]
    pub epsilon: f64,
    /// s.
    #[serde(default = "unit")]
    pub scale: Scale,
}

fn tenth() -> f64 {
    0.1
}

fn small() -> f64 {
    1e-5
}

fn unit() -> Scale {
    Scale::Number(1.0)
}

impl Default for Normalise {
    fn default() -> Self {
        Normalise { kind: NormaliseKind::Batch, momentum: tenth(), epsilon: small(), scale: unit() }
    }
}

impl Layer {
    /// Checks dropout and normalisation.
    ///
    /// # Errors
    /// [`Error::Network`] with the key and what is allowed there.
    pub(super) fn validate_between(&self, place: &str, last: bool) -> Result<()> {
        let fail = |key: &str, message: String| Err(Error::network(format!("{place}.{key}"), message));
        if let Some(dropout) = self.dropout {
            if !(0.0..1.0).contains(&dropout.rate) {
                return fail("dropout.rate", format!("must be at least 0 and below 1, is {}", dropout.rate));
            }
            if last {
                return fail("dropout", "the last layer has no next one: leave it out".into());
            }
        }
        let Some(Normalise { momentum, epsilon, scale, .. }) = self.normalise else { return Ok(()) };
        if self.neuron.kind.gates() > 1 {
            return fail("normalise", "the gates of an slstm are not normalised: leave it out".into());
        }
        if !(momentum > 0.0 && momentum <= 1.0) {
            return fail("normalise.momentum", format!("must be above 0 and at most 1, is {momentum}"));
        }
        if !(epsilon.is_finite() && epsilon > 0.0) {
            return fail("normalise.epsilon", format!("must be a number above 0, is {epsilon}"));
        }
        match scale {
            Scale::Number(number) if !(number.is_finite() && number > 0.0) => {
                return fail("normalise.scale", format!("must be a number above 0 or \"threshold\", is {number}"));
            }
            Scale::Threshold if self.neuron.threshold.is_none() => {
                return fail("normalise.scale", "this neuron has no threshold: give a number".into());
            }
            _ => {}
        }
        if self.bias {
            return fail("bias", "a normalised drive has a shift of its own: leave it out".into());
        }
        Ok(())
    }
}
