//! Optimisers as data.

use crate::error::{Error, Result};
use crate::kernels::{Penalty, Rule};
use serde::{Deserialize, Serialize};

/// An optimiser with its learning rate; the formulas stand at [`Rule`]. `weight_decay` and `weight_l1` are the [`Penalty`] on
/// weights and recurrent weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Optimiser {
    /// Gradient descent with momentum.
    Sgd {
        rate: f64,
        #[serde(default)]
        momentum: f64,
        #[serde(default, skip_serializing_if = "is_zero")]
        weight_decay: f64,
        #[serde(default, skip_serializing_if = "is_zero")]
        weight_l1: f64,
    },
    /// Kingma & Ba 2015.
    Adam {
        #[serde(default = "thousandth")]
        rate: f64,
        #[serde(default = "beta1")]
        beta1: f64,
        #[serde(default = "beta2")]
        beta2: f64,
        #[serde(default = "epsilon")]
        epsilon: f64,
        #[serde(default, skip_serializing_if = "is_zero")]
        weight_decay: f64,
        #[serde(default, skip_serializing_if = "is_zero")]
        weight_l1: f64,
    },
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019).
    Adamw {
        #[serde(default = "thousandth")]
        rate: f64,
        #[serde(default = "beta1")]
        beta1: f64,
        #[serde(default = "beta2")]
        beta2: f64,
        #[serde(default = "epsilon")]
        epsilon: f64,
        #[serde(default = "hundredth")]
        decay: f64,
    },
    /// Adam with the largest gradient in place of the second moment (Kingma & Ba 2015, section 7).
    Adamax {
        #[serde(default = "thousandth")]
        rate: f64,
        #[serde(default = "beta1")]
        beta1: f64,
        #[serde(default = "beta2")]
        beta2: f64,
        #[serde(default = "epsilon")]
        epsilon: f64,
        #[serde(default, skip_serializing_if = "is_zero")]
        weight_decay: f64,
        #[serde(default, skip_serializing_if = "is_zero")]
        weight_l1: f64,
    },
    /// SMORMS3 (S. Funk; as in stork).
    Smorms3 {
        #[serde(default = "thousandth")]
        rate: f64,
        #[serde(default = "tiny")]
        epsilon: f64,
        #[serde(default, skip_serializing_if = "is_zero")]
        weight_decay: f64,
        #[serde(default, skip_serializing_if = "is_zero")]
        weight_l1: f64,
    },
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

fn thousandth() -> f64 {
    1e-3
}

fn hundredth() -> f64 {
    1e-2
}

fn beta1() -> f64 {
    0.9
}

fn beta2() -> f64 {
    0.999
}

fn epsilon() -> f64 {
    1e-8
}

fn tiny() -> f64 {
    1e-16
}

impl Default for Optimiser {
    fn default() -> Self {
        let (beta1, beta2, epsilon) = (beta1(), beta2(), epsilon());
        Optimiser::Adam { rate: thousandth(), beta1, beta2, epsilon, weight_decay: 0.0, weight_l1: 0.0 }
    }
}

impl Optimiser {
    /// The learning rate before the schedule.
    pub fn rate(&self) -> f64 {
        match *self {
            Optimiser::Sgd { rate, .. }
            | Optimiser::Adam { rate, .. }
            | Optimiser::Adamw { rate, .. }
            | Optimiser::Adamax { rate, .. }
            | Optimiser::Smorms3 { rate, .. } => rate,
        }
    }

    /// Sets the learning rate.
    pub fn set_rate(&mut self, new: f64) {
        match self {
            Optimiser::Sgd { rate, .. }
            | Optimiser::Adam { rate, .. }
            | Optimiser::Adamw { rate, .. }
            | Optimiser::Adamax { rate, .. }
            | Optimiser::Smorms3 { rate, .. } => *rate = new,
        }
    }

    /// What the device computes.
    pub fn rule(&self) -> Rule {
        match *self {
            Optimiser::Sgd { momentum, .. } => Rule::Sgd { momentum },
            Optimiser::Adam { beta1, beta2, epsilon, .. } => Rule::Adam { beta1, beta2, epsilon, decay: 0.0 },
            Optimiser::Adamw { beta1, beta2, epsilon, decay, .. } => Rule::Adam { beta1, beta2, epsilon, decay },
            Optimiser::Adamax { beta1, beta2, epsilon, .. } => Rule::Adamax { beta1, beta2, epsilon },
            Optimiser::Smorms3 { epsilon, .. } => Rule::Smorms3 { epsilon },
        }
    }

    /// What pulls the weights to 0.
    pub fn penalty(&self) -> Penalty {
        match *self {
            Optimiser::Adamw { .. } => Penalty::default(),
            Optimiser::Sgd { weight_decay: l2, weight_l1: l1, .. }
            | Optimiser::Adam { weight_decay: l2, weight_l1: l1, .. }
            | Optimiser::Adamax { weight_decay: l2, weight_l1: l1, .. }
            | Optimiser::Smorms3 { weight_decay: l2, weight_l1: l1, .. } => Penalty { l2, l1 },
        }
    }

    /// Checks the numbers.
    ///
    /// # Errors
    /// [`Error::Network`] with the key (`train.optimiser.rate`) and what is allowed there.
    pub fn validate(&self) -> Result<()> {
        let at = |key: &str| format!("train.optimiser.{key}");
        positive(&at("rate"), self.rate())?;
        not_negative(&at("weight_decay"), self.penalty().l2)?;
        not_negative(&at("weight_l1"), self.penalty().l1)?;
        let fraction = |key: &str, value: f64| {
            if (0.0..1.0).contains(&value) {
                Ok(())
            } else {
                Err(Error::network(at(key), format!("must be at least 0 and below 1, is {value}")))
            }
        };
        match self.rule() {
            Rule::Sgd { momentum } => fraction("momentum", momentum),
            Rule::Adam { beta1, beta2, epsilon, decay } => {
                fraction("beta1", beta1)?;
                fraction("beta2", beta2)?;
                not_negative(&at("decay"), decay)?;
                positive(&at("epsilon"), epsilon)
            }
            Rule::Adamax { beta1, beta2, epsilon } => {
                fraction("beta1", beta1)?;
                fraction("beta2", beta2)?;
                positive(&at("epsilon"), epsilon)
            }
            Rule::Smorms3 { epsilon } => positive(&at("epsilon"), epsilon),
        }
    }
}

pub(super) fn positive(place: &str, value: f64) -> Result<()> {
    if value.is_finite() && value > 0.0 {
        Ok(())
    } else {
        Err(Error::network(place, format!("must be a number above 0, is {value}")))
    }
}

pub(super) fn not_negative(place: &str, value: f64) -> Result<()> {
    if value.is_finite() && value >= 0.0 {
        Ok(())
    } else {
        Err(Error::network(place, format!("must be a number of at least 0, is {value}")))
    }
}
