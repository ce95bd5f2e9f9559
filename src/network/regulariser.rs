//! Activity regularisers.

use serde::{Deserialize, Serialize};

/// An activity regulariser of one layer of M units, on the counts `ζ_i = Σ_t O_i` of one sample; averaged over the batch.
/// Source: Zenke & Vogels 2021, section 4.2.5; `l1` and `l2`: SpyTorch tutorials 3 to 5; the
/// others: stork.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Regulariser {
    /// `(λ/M) Σ_i [ν − ζ_i]_+²`: wakes silent units.
    Lower { strength: f64, target: f64 },
    /// `λ ([(1/M) Σ_i ζ_i − ν]_+)^L`, `exponent` L = 1 or 2: bounds the population.
    Upper {
        strength: f64,
        target: f64,
        #[serde(default = "one")]
        exponent: u32,
    },
    /// `(λ/M) Σ_i ([ζ_i − ν]_+)^L`, `exponent` L = 1 or 2: bounds each unit (stork).
    UpperNeuron {
        strength: f64,
        target: f64,
        #[serde(default = "one")]
        exponent: u32,
    },
    /// `(λ/M) Σ_i (ζ_i − ν)²`: draws each unit to a count (stork).
    L2Target { strength: f64, target: f64 },
    /// `λ Σ_{t,i} O`.
    L1 { strength: f64 },
    /// `λ mean_i (Σ_{b,t} O_i)²`, not divided by the batch: it couples the samples.
    L2 { strength: f64 },
}

fn one() -> u32 {
    1
}
