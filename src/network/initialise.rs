//! Initialisers as data. The numbers are drawn in `engine/initialise.rs`.

use serde::{Deserialize, Serialize};

/// How the weights of a projection are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Init {
    /// `U(−g/√fan_in, g/√fan_in)`, gain g (Zenke & Vogels 2021, section 4.2).
    Uniform {
        #[serde(default = "one")]
        gain: f64,
    },
    /// `N(mean, (g/√fan_in)²)`, gain g (SpyTorch).
    Normal {
        #[serde(default = "one")]
        gain: f64,
        #[serde(default)]
        mean: f64,
    },
    /// One value for all.
    Constant { value: f64 },
    /// Fluctuation-driven (Rossbroich et al. 2022): the membrane potential has standard deviation `sigma_u` under input
    /// spikes at `rate` Hz. `share` is the part of the variance that this projection makes
    /// (a recurrent layer: 0.9 feed-forward, 0.1 recurrent).
    Fluctuation {
        #[serde(default = "one")]
        sigma_u: f64,
        /// Mean potential μ_U.
        #[serde(default)]
        mu_u: f64,
        /// Firing rate of each input, Hz.
        #[serde(default = "five")]
        rate: f64,
        #[serde(default = "one")]
        share: f64,
    },
}

fn one() -> f64 {
    1.0
}

fn five() -> f64 {
    5.0
}

impl Default for Init {
    fn default() -> Self {
        Init::Uniform { gain: 1.0 }
    }
}
