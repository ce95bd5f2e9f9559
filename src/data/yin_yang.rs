//! The Yin-Yang task (Kriener, Göltz & Petrovici 2022): points of a yin-yang sign, which a linear readout cannot tell apart.

use super::{DataSet, Parameters, Split};
use crate::error::{Error, Result};
use crate::spikes::Random;
use serde::{Deserialize, Serialize};

/// Points (x, y) of a disc, given as the values x, y, 1 − x and 1 − y in one step; in the paper each is the time of a spike,
/// which `[encode] kind = "latency"` makes of it here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct YinYang {
    /// Radius of the disc, which lies in 0 to 2 · `big`; 0.5 fills 0 to 1.
    pub big: f64,
    /// Radius of the two dots.
    pub small: f64,
    /// Whether a fifth channel has the value 1: the bias spike of the paper.
    pub bias: bool,
    /// Training samples.
    pub train: usize,
    /// Validation samples.
    pub valid: usize,
    /// Test samples.
    pub test: usize,
    /// Seed of the samples; None: the seed of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Default for YinYang {
    fn default() -> Self {
        YinYang { big: 0.5, small: 0.1, bias: true, train: 5000, valid: 1000, test: 1000, seed: None }
    }
}

/// Streams of random numbers of the three parts.
const STREAMS: u64 = 0x5949_4e59_414e_4700;
/// Classes: yang, yin and the dots.
const CLASSES: usize = 3;
/// The most samples of a part.
const MOST: usize = 1 << 24;

impl YinYang {
    /// The class of a point of the disc: 0 yang, 1 yin, 2 a dot.
    pub fn class(&self, x: f64, y: f64) -> u32 {
        let half = 0.5 * self.big;
        let right = (x - 3.0 * half).hypot(y - self.big);
        let left = (x - half).hypot(y - self.big);
        if right < self.small || left < self.small {
            return 2;
        }
        // The upper half without the right bulge, and the left bulge.
        u32::from(left <= half || (y > self.big && right > half))
    }

    /// Points with as many of each class, drawn until one of the class falls into the disc.
    fn part(&self, seed: u64, part: u64, samples: usize) -> Result<DataSet> {
        let mut random = Random::new(seed, STREAMS + part);
        let inputs = if self.bias { 5 } else { 4 };
        let mut values = Vec::with_capacity(samples * inputs);
        let mut labels = Vec::with_capacity(samples);
        for sample in 0..samples {
            let class = (sample % CLASSES) as u32;
            let (x, y) = loop {
                let (x, y) = (2.0 * self.big * random.uniform(), 2.0 * self.big * random.uniform());
                if (x - self.big).hypot(y - self.big) <= self.big && self.class(x, y) == class {
                    break (x, y);
                }
            };
            values.extend([x, y, 1.0 - x, 1.0 - y].map(|value| value as f32));
            values.extend(self.bias.then_some(1.0));
            labels.push(class);
        }
        DataSet::values(1, inputs, CLASSES, values, labels)
    }
}

impl Parameters for YinYang {
    fn validate(&self) -> Result<()> {
        if !(self.big > 0.0 && self.big <= 0.5) {
            return Err(Error::network("data.big", format!("must be above 0 and at most 0.5, is {}", self.big)));
        }
        // Smaller dots, or bulges that the dots fill, would be looked for without end.
        if !(self.small >= 0.05 * self.big && self.small <= 0.45 * self.big) {
            let message = format!("must be 0.05 to 0.45 of big = {}, is {}", self.big, self.small);
            return Err(Error::network("data.small", message));
        }
        if self.train == 0 {
            return Err(Error::network("data.train", "must be at least 1, is 0"));
        }
        for (key, samples) in [("train", self.train), ("valid", self.valid), ("test", self.test)] {
            if samples > MOST {
                return Err(Error::network(format!("data.{key}"), format!("must be at most {MOST}, is {samples}")));
            }
        }
        Ok(())
    }

    fn load(&self, seed: u64) -> Result<Split> {
        self.validate()?;
        let seed = self.seed.unwrap_or(seed);
        Ok(Split {
            train: self.part(seed, 0, self.train)?,
            valid: self.part(seed, 1, self.valid)?,
            test: self.part(seed, 2, self.test)?,
        })
    }

    fn channel_name(&self, index: usize) -> String {
        ["x", "y", "1 − x", "1 − y", "bias"].get(index).map_or(String::new(), |name| name.to_string())
    }

    fn class_name(&self, index: usize) -> String {
        ["yang", "yin", "dot"].get(index).map_or(index.to_string(), |name| name.to_string())
    }
}
