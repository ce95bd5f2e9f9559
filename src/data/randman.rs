//! Random manifolds (Zenke & Vogels 2021, section 4.1.1): each class is a smooth random manifold of spike times, each
//! unit fires exactly once, so a network can tell the classes by timing only.

use super::{DataSet, Parameters, Split};
use crate::error::{Error, Result};
use crate::spikes::Random;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The Fourier series of a manifold. The paper and the released generator differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spectrum {
    /// As printed: `f(x) = Π_d Σ_{k=1}^{F} k^(−α) A_k sin(2π(k x_d B_k + C_k))`.
    #[default]
    Paper,
    /// As released: `f(x) = Π_d Σ_{k=0}^{F−1} A_k sin(2π(k x_d B_k + C_k)) / ((k+1)^α + 1)` with `A_0 = 0`.
    Code,
}

/// Parameters of the task; `A, B, C ~ U(0, 1)`, coordinates `x ~ U(0, 1)^D`, `F = min(⌈1000^(1/α)⌉, 1000)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Randman {
    /// Fourier series.
    pub spectrum: Spectrum,
    /// Classes, each with a manifold of its own.
    pub classes: usize,
    /// Units, each an embedding dimension.
    pub units: usize,
    /// Dimensions D of a manifold.
    pub dims: usize,
    /// Smoothness α: the larger, the smoother.
    pub alpha: f64,
    /// Steps T of a sample.
    pub steps: usize,
    /// Spikes fall into steps 0 to `window` − 1.
    pub window: usize,
    /// Training samples of each class.
    pub train: usize,
    /// Validation samples of each class.
    pub valid: usize,
    /// Test samples of each class.
    pub test: usize,
    /// Seed of manifolds and samples; None: the seed of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Default for Randman {
    fn default() -> Self {
        Randman {
            spectrum: Spectrum::Paper,
            classes: 10,
            units: 20,
            dims: 1,
            alpha: 1.0,
            steps: 100,
            window: 50,
            train: 800,
            valid: 100,
            test: 100,
            seed: None,
        }
    }
}

/// Streams of random numbers of the generator, apart from those of weights and of shuffling.
const STREAMS: u64 = 0x5241_4e44_4d41_4e00 << 8;

/// The most samples that a split may hold, so that a slip of the keyboard does not fill the memory.
const MOST: usize = 1 << 26;

/// Steps of a sample at most.
const STEPS: usize = 1_000_000;

impl Randman {
    /// Number F of terms of the Fourier series.
    pub fn terms(&self) -> usize {
        ((1e-3f64).powf(-1.0 / self.alpha).ceil() as usize).clamp(1, 1000)
    }

    /// Checks the parameters.
    ///
    /// # Errors
    /// [`Error::Network`] with the key (`data.window`) and what is allowed there.
    pub fn validate(&self) -> Result<()> {
        for (key, value) in [
            ("classes", self.classes),
            ("units", self.units),
            ("dims", self.dims),
            ("steps", self.steps),
            ("train", self.train),
        ] {
            if value == 0 {
                return Err(Error::network(format!("data.{key}"), "must be at least 1, is 0"));
            }
        }
        if self.classes < 2 {
            return Err(Error::network("data.classes", "must be at least 2, is 1: there is nothing to tell apart"));
        }
        if self.steps > STEPS {
            return Err(Error::network("data.steps", format!("must be at most {STEPS}, is {}", self.steps)));
        }
        if !(self.alpha.is_finite() && self.alpha > 0.0) {
            return Err(Error::network("data.alpha", format!("must be a number above 0, is {}", self.alpha)));
        }
        if self.window == 0 || self.window > self.steps {
            let (window, steps) = (self.window, self.steps);
            return Err(Error::network("data.window", format!("must be 1 to the {steps} steps, is {window}")));
        }
        let each = self.train.saturating_add(self.valid).saturating_add(self.test);
        if each.saturating_mul(self.classes).saturating_mul(self.units.max(self.dims)) > MOST {
            return Err(Error::network(
                "data.train",
                format!("{each} samples × {} classes × {} units are more than {MOST} spikes", self.classes, self.units),
            ));
        }
        Ok(())
    }

    /// Draws manifolds and samples from `seed` (unless the parameters have their own). The same seed gives the same
    /// bits at any number of threads; the sine is computed here, so they do not depend on the system's library either.
    ///
    /// # Errors
    /// As [`Randman::validate`].
    pub fn generate(&self, seed: u64) -> Result<Split> {
        self.validate()?;
        let seed = self.seed.unwrap_or(seed);
        let each = self.train + self.valid + self.test;
        let times: Vec<Vec<u32>> = (0..self.classes * self.units)
            .into_par_iter()
            .map(|task| self.spike_times(seed, task / self.units, task % self.units, each))
            .collect();
        let part = |from: usize, to: usize| {
            let mut samples = Vec::with_capacity((to - from) * self.classes);
            let mut labels = Vec::with_capacity(samples.capacity());
            for class in 0..self.classes {
                for sample in from..to {
                    let spike = |unit: usize| (times[class * self.units + unit][sample], unit as u32);
                    samples.push((0..self.units).map(spike).collect());
                    labels.push(class as u32);
                }
            }
            DataSet::events(self.steps, self.units, self.classes, &samples, labels)
        };
        let (valid, test) = (self.train, self.train + self.valid);
        Ok(Split { train: part(0, valid)?, valid: part(valid, test)?, test: part(test, each)? })
    }

    /// The step at which `unit` spikes in each of `samples` samples of `class`.
    fn spike_times(&self, seed: u64, class: usize, unit: usize, samples: usize) -> Vec<u32> {
        let terms = self.terms();
        let stream = STREAMS.wrapping_add(2 * class as u64);
        // Numbers of the first stream: the coefficients of all units; of the second: the coordinates of all samples.
        let (manifold, points) = (Random::new(seed, stream), Random::new(seed, stream + 1));
        let mut embedding = vec![1.0; samples];
        for dim in 0..self.dims {
            let coefficient = |which: usize, k: usize| {
                unit_interval(manifold.at((((unit * self.dims + dim) * 3 + which) * terms + k) as u64))
            };
            let coordinates: Vec<f64> =
                (0..samples).map(|sample| unit_interval(points.at((sample * self.dims + dim) as u64))).collect();
            let mut sum = vec![0.0; samples];
            for k in 0..terms {
                let (frequency, weight) = match self.spectrum {
                    Spectrum::Paper => ((k + 1) as f64, ((k + 1) as f64).powf(-self.alpha)),
                    Spectrum::Code if k == 0 => continue,
                    Spectrum::Code => (k as f64, 1.0 / (((k + 1) as f64).powf(self.alpha) + 1.0)),
                };
                let amplitude = weight * coefficient(0, k);
                let (slope, phase) = (frequency * coefficient(1, k), coefficient(2, k));
                for (sum, &x) in sum.iter_mut().zip(&coordinates) {
                    *sum += amplitude * sine_of_turns(x * slope + phase);
                }
            }
            for (value, sum) in embedding.iter_mut().zip(sum) {
                *value *= sum;
            }
        }
        let low = embedding.iter().copied().fold(f64::INFINITY, f64::min);
        let high = embedding.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let last = self.window as u32 - 1;
        embedding
            .iter()
            .map(|value| ((self.window as f64 * ((value - low) / (high - low + 1e-7))) as u32).min(last))
            .collect()
    }
}

impl Parameters for Randman {
    fn validate(&self) -> Result<()> {
        Randman::validate(self)
    }

    fn load(&self, seed: u64) -> Result<Split> {
        self.generate(seed)
    }

    fn channel_name(&self, index: usize) -> String {
        format!("unit {index}")
    }
}

/// 53 random bits as a number in [0, 1).
fn unit_interval(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// `sin(2πx)` to about 1e-13 for |x| < 2^50: reduced to a quarter turn, then the Taylor series. Additions and products
/// only, so the bits are the same everywhere, and the compiler can vectorise the loop around it.
#[inline(always)]
fn sine_of_turns(x: f64) -> f64 {
    /// Adding and taking away 1.5 · 2^52 rounds to the nearest integer.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    /// `(−1)^n (2π)^(2n+1) / (2n+1)!`.
    const TAYLOR: [f64; 10] = [
        std::f64::consts::TAU,
        -41.341_702_240_399_76,
        81.605_249_276_075_05,
        -76.705_859_753_061_38,
        42.058_693_944_897_655,
        -15.094_642_576_822_99,
        3.819_952_584_848_282,
        -0.718_122_301_778_500_1,
        0.104_229_162_208_139_84,
        -0.012_031_585_942_120_627,
    ];
    let turn = x - ((x + ROUND) - ROUND);
    // sin is symmetric about a quarter turn: fold [−1/2, 1/2] to [−1/4, 1/4].
    let half = 0.5f64.copysign(turn);
    let folded = if turn.abs() > 0.25 { half - turn } else { turn };
    let square = folded * folded;
    let mut sum = TAYLOR[9];
    for n in (0..9).rev() {
        sum = sum * square + TAYLOR[n];
    }
    sum * folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sine_is_the_sine() {
        for n in -4000..4000 {
            let x = f64::from(n) * 0.137_1;
            let expected = (std::f64::consts::TAU * (x - x.round())).sin();
            assert!((sine_of_turns(x) - expected).abs() < 2e-12, "sin of {x} turns");
        }
    }
}
