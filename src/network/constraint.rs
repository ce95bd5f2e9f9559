//! What the weights of a connection may be: which exist, and of which sign. Held at the start and after every update.

use super::*;
use crate::error::Result;

/// Dale's law: a unit either excites or inhibits. Of the source units of a connection the first are excitatory (their
/// weights are ≥ 0), the others inhibitory (≤ 0). Of a recurrent connection the sources are the layer's own units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dale {
    /// Fraction of the sources that is excitatory.
    pub excitatory: f64,
}

impl Dale {
    /// How many of `sources` are excitatory.
    pub fn count(&self, sources: usize) -> usize {
        (self.excitatory * sources as f64).round() as usize
    }
}

impl Layer {
    /// Checks the constraints.
    ///
    /// # Errors
    /// [`crate::Error::Network`] with the key and what is allowed there.
    pub(super) fn validate_constraints(&self, place: &str) -> Result<()> {
        let fail = |key: &str, message: String| Err(crate::Error::network(format!("{place}.{key}"), message));
        if let Some(Dale { excitatory }) = self.dale
            && !(0.0..=1.0).contains(&excitatory)
        {
            return fail("dale.excitatory", format!("must be a number from 0 to 1, is {excitatory}"));
        }
        for (key, density) in [("density", self.density), ("recurrent_density", self.recurrent_density)] {
            if let Some(density) = density
                && !(density > 0.0 && density <= 1.0)
            {
                return fail(key, format!("must be a number above 0 and at most 1, is {density}"));
            }
        }
        if !self.recurrent {
            if self.recurrent_density.is_some() {
                return fail("recurrent_density", "the layer is not recurrent".into());
            }
            if !self.self_connections {
                return fail("self_connections", "the layer is not recurrent".into());
            }
        }
        Ok(())
    }
}
