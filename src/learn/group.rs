//! Parameter groups as data: `[[train.group]]`.

use super::optimiser::{not_negative, positive};
use crate::engine::{self, matches, shapes};
use crate::error::{Error, Result};
use crate::kernels::Rule;
use crate::network::Network;
use serde::{Deserialize, Serialize};

/// What holds for the parameters whose name matches; of several groups that match the last one that says something counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Name of a parameter, `*` stands for any text: `layer0.*`, `*.tau_mem`.
    #[serde(rename = "match")]
    pub pattern: String,
    /// Learning rate before the schedule, in place of the optimiser's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Factor on the optimiser's learning rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_scale: Option<f64>,
    /// Decoupled weight decay (adam, adamw).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    /// Whether training leaves them as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<bool>,
}

impl Group {
    /// Checks the group at `place` against the network and the optimiser's rule.
    ///
    /// # Errors
    /// [`Error::Network`] with the key and what is allowed there.
    pub(super) fn validate(&self, place: &str, network: &Network, rule: Rule) -> Result<()> {
        let at = |key: &str| format!("{place}.{key}");
        let shapes = shapes(network);
        let names = || shapes.iter().map(|(name, _)| name.as_str());
        if !names().any(|name| matches(&self.pattern, name)) {
            let near = crate::suggest::did_you_mean(&self.pattern, names());
            let list = names().collect::<Vec<_>>().join(", ");
            let message = format!("{:?} matches no parameter{near} There are {list}", self.pattern);
            return Err(Error::network(at("match"), message.replace("parameter There", "parameter; there")));
        }
        if let Some(rate) = self.rate {
            positive(&at("rate"), rate)?;
            if self.rate_scale.is_some() {
                return Err(Error::network(at("rate"), "give rate or rate_scale, not both"));
            }
        }
        if let Some(scale) = self.rate_scale {
            not_negative(&at("rate_scale"), scale)?;
        }
        if let Some(decay) = self.weight_decay {
            not_negative(&at("weight_decay"), decay)?;
            if !matches!(rule, Rule::Adam { .. }) {
                return Err(Error::network(at("weight_decay"), "needs the optimiser adam or adamw"));
            }
        }
        Ok(())
    }

    /// As the engine takes it, where the optimiser's rate is `rate`.
    pub(super) fn engine(&self, rate: f64) -> engine::Group {
        engine::Group {
            pattern: self.pattern.clone(),
            rate_scale: self.rate.map(|own| own / rate).or(self.rate_scale),
            weight_decay: self.weight_decay,
            frozen: self.frozen,
        }
    }
}
