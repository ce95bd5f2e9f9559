//! Rate: a spike with probability p at each step. Number (t, b, n) of the key decides, on every backend alike, so that a
//! device can draw the spikes where they are used: only `[B, N]` numbers are uploaded.

use super::{check, check_steps};
use crate::error::{Error, Result};
use crate::spikes::{Random, Raster, Trace};
use serde::{Deserialize, Serialize};

/// p = `gain · x + offset`, held in 0 to 1 (snnTorch `spikegen.rate`; SpikingJelly's `PoissonEncoder` with gain 1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rate {
    /// Steps T that a static value is drawn at.
    pub steps: usize,
    /// Factor.
    pub gain: f64,
    /// Added.
    pub offset: f64,
    /// Steps without a spike at the beginning.
    pub first: usize,
}

impl Default for Rate {
    fn default() -> Self {
        Rate { steps: 100, gain: 1.0, offset: 0.0, first: 0 }
    }
}

/// A certain spike: probabilities are held as whole numbers of 2^−24.
pub const WHOLE: u32 = 1 << 24;

/// Streams of random numbers that encode.
const ENCODE: u64 = 0x454e_434f_4445_0000 << 16;

/// The key of what is drawn at training step (or batch) `step` of a run with `seed`.
pub fn stream(seed: u64, step: u64) -> Random {
    Random::new(seed, ENCODE.wrapping_add(step))
}

/// Spikes `[T, B, N]` that are still to be drawn: unit n of sample b spikes at step t ≥ `first` where the upper 24 bits of
/// number n of row (t, b) of the key ([`Random::row`]) are below its chance.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    /// Steps T.
    pub steps: usize,
    /// Samples B.
    pub batch: usize,
    /// Channels N.
    pub units: usize,
    /// Steps without a spike at the beginning.
    pub first: usize,
    /// Probabilities in units of 1/[`WHOLE`], `[B][N]`.
    pub chances: Vec<u32>,
    /// Key.
    pub key: u64,
}

impl Rates {
    /// The spikes.
    pub fn draw(&self) -> Raster {
        let mut raster = Raster::new(self.steps, self.batch, self.units);
        for t in self.first..self.steps {
            for (b, chances) in self.chances.chunks_exact(self.units).enumerate() {
                let row = Random::keyed(self.key).row(t, b);
                for (n, &chance) in chances.iter().enumerate() {
                    if row.spike(n, chance) {
                        raster.set(t, b, n);
                    }
                }
            }
        }
        raster
    }
}

impl Rate {
    pub(super) fn validate(&self, place: &str) -> Result<()> {
        check_steps(place, self.steps)?;
        check(place, "gain", self.gain.is_finite(), "a finite number", self.gain)?;
        check(place, "offset", self.offset.is_finite(), "a finite number", self.offset)?;
        check(place, "first", self.first < self.steps, &format!("below the {} steps", self.steps), self.first)
    }

    fn chance(&self, x: f32) -> Result<u32> {
        if !x.is_finite() {
            return Err(Error::Input(format!("rate encodes finite values, not {x}")));
        }
        let p = (self.gain * f64::from(x) + self.offset).clamp(0.0, 1.0);
        Ok((p * f64::from(WHOLE)).round() as u32)
    }

    /// What a device draws from static values `[1, B, N]`.
    ///
    /// # Errors
    /// [`Error::Input`] where a value is not finite or there are several steps.
    pub fn rates(&self, values: &Trace<f32>, key: &Random) -> Result<Rates> {
        let still = super::still(values, "rate")?;
        let chances: Result<Vec<u32>> = still.iter().map(|&x| self.chance(x)).collect();
        let Trace { batch, units, .. } = *values;
        Ok(Rates { steps: self.steps, batch, units, first: self.first, chances: chances?, key: key.key() })
    }

    /// Spikes for values `[T, B, N]` that change with time.
    ///
    /// # Errors
    /// [`Error::Input`] where a value is not finite.
    pub fn encode(&self, values: &Trace<f32>, key: &Random) -> Result<Raster> {
        let Trace { steps, batch, units, .. } = *values;
        let mut raster = Raster::new(steps, batch, units);
        for t in self.first..steps {
            for b in 0..batch {
                let row = key.row(t, b);
                for n in 0..units {
                    if row.spike(n, self.chance(values.get(t, b, n))?) {
                        raster.set(t, b, n);
                    }
                }
            }
        }
        Ok(raster)
    }
}
