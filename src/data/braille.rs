//! Braille letters read by a tactile fingertip (Müller-Cleve et al. 2022, Zenodo 6556273), prepared as in SpyTorch
//! tutorial 5: 27 letters × 50 trials, 12 taxels at 25 ms, of which 4 ever move.

use super::{DataSet, Npz, Parameters, Split, files};
use crate::error::{Error, Result};
use crate::spikes::Random;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Letters: Space, A to Z.
const LETTERS: usize = 27;
/// Trials of each letter.
const TRIALS: usize = 50;
/// Taxels of the fingertip.
const TAXELS: usize = 12;

/// How the recordings are prepared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Braille {
    /// Directory that holds `braille/braille.npz`; the command line and `SPIKEGRAD_DATA` go before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// Taxels that the network sees. The default are those that ever move in this data set.
    pub channels: Vec<usize>,
    /// Steps for each recorded one, linearly interpolated.
    pub upsample: usize,
    /// Validation trials of each letter, taken from the training trials.
    pub valid: usize,
    /// Test trials of each letter.
    pub test: usize,
    /// Seed of the split; None: the seed of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Default for Braille {
    fn default() -> Self {
        Braille { directory: None, channels: vec![1, 2, 6, 10], upsample: 2, valid: 4, test: 10, seed: None }
    }
}

/// Streams of random numbers that split, one for each letter.
const STREAMS: u64 = 0x4252_4149_4c4c_4500 << 8;

/// How to come by the file.
const GET: &str = "docs/data.md says where braille.npz comes from and how it is made";

impl Braille {
    /// Checks the parameters.
    ///
    /// # Errors
    /// [`Error::Network`] with the key and what is allowed there.
    pub fn validate(&self) -> Result<()> {
        if self.channels.is_empty() {
            return Err(Error::network("data.channels", "name at least one of the 12 taxels (0 to 11)"));
        }
        if let Some(channel) = self.channels.iter().find(|&&channel| channel >= TAXELS) {
            return Err(Error::network("data.channels", format!("the taxels are 0 to 11, not {channel}")));
        }
        if !(1..=100).contains(&self.upsample) {
            return Err(Error::network("data.upsample", format!("must be 1 to 100, is {}", self.upsample)));
        }
        if self.valid.saturating_add(self.test) >= TRIALS {
            return Err(Error::network(
                "data.test",
                format!("{} + {} of the {TRIALS} trials leave none to train with", self.valid, self.test),
            ));
        }
        Ok(())
    }

    /// Reads `braille.npz` and splits it by `seed` (unless the parameters have their own), each letter alike.
    ///
    /// Taxels become `1 − raw/255`, are cut to the shortest trial, standardised with the mean and the deviation of the
    /// training trials, and interpolated.
    ///
    /// # Errors
    /// [`Error::File`] where the file is missing or not what it should be; [`Error::Network`] as [`Braille::validate`].
    pub fn load(&self, seed: u64) -> Result<Split> {
        self.validate()?;
        let Recordings { steps, recorded, letters } = self.read()?;
        let width = self.channels.len();
        let (mut train, mut valid, mut test) = (Vec::new(), Vec::new(), Vec::new());
        for letter in 0..LETTERS {
            let mut trials: Vec<usize> =
                (0..letters.len()).filter(|&trial| letters[trial] as usize == letter).collect();
            Random::new(self.seed.unwrap_or(seed), STREAMS + letter as u64).shuffle(&mut trials);
            test.extend(trials.drain(..self.test));
            valid.extend(trials.drain(..self.valid));
            train.extend(trials);
        }
        let value = |trial: usize, step: usize, channel: usize| recorded[(trial * steps + step) * width + channel];
        let standard: Vec<(f64, f64)> = (0..width)
            .map(|channel| {
                let values = || train.iter().flat_map(|&trial| (0..steps).map(move |step| value(trial, step, channel)));
                let count = (train.len() * steps) as f64;
                let mean = values().sum::<f64>() / count;
                let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
                (mean, variance.sqrt() + 1e-3)
            })
            .collect();
        let part = |trials: &[usize]| {
            let mut values = Vec::with_capacity(trials.len() * steps * self.upsample * width);
            for &trial in trials {
                for step in 0..steps * self.upsample {
                    let (before, part) = (step / self.upsample, (step % self.upsample) as f64 / self.upsample as f64);
                    let after = (before + 1).min(steps - 1);
                    for (channel, (mean, deviation)) in standard.iter().enumerate() {
                        let raw = value(trial, before, channel) * (1.0 - part) + value(trial, after, channel) * part;
                        values.push(((raw - mean) / deviation) as f32);
                    }
                }
            }
            let labels = trials.iter().map(|&trial| letters[trial]).collect();
            DataSet::values(steps * self.upsample, width, LETTERS, values, labels)
        };
        Ok(Split { train: part(&train)?, valid: part(&valid)?, test: part(&test)? })
    }

    fn read(&self) -> Result<Recordings> {
        let path = files::find(self.directory.as_deref(), "braille", "braille.npz", GET)?;
        let mut file = Npz::open(&path)?;
        let taxels = file.array("taxels", &[Some(LETTERS * TRIALS), None, Some(TAXELS)])?;
        let lengths = file.array("lengths", &[Some(LETTERS * TRIALS)])?;
        let letters = file.array("letter", &[Some(LETTERS * TRIALS)])?;
        let stored = taxels.shape[1];
        let letters: Vec<u32> = letters.values.iter().map(|&letter| letter as u32).collect();
        for letter in 0..LETTERS {
            let trials = letters.iter().filter(|&&other| other as usize == letter).count();
            if trials != TRIALS {
                return fail(&path, format!("has {trials} trials of letter {letter}, expected {TRIALS}"));
            }
        }
        let steps = lengths.values.iter().fold(stored as f32, |shortest, &length| shortest.min(length)) as usize;
        if !(1..=10_000).contains(&steps) || lengths.values.iter().any(|&length| length > stored as f32) {
            return fail(&path, format!("has lengths that do not fit its {stored} steps"));
        }
        let mut recorded = Vec::with_capacity(letters.len() * steps * self.channels.len());
        for trial in 0..letters.len() {
            for step in 0..steps {
                let row = &taxels.values[(trial * stored + step) * TAXELS..][..TAXELS];
                recorded.extend(self.channels.iter().map(|&channel| 1.0 - f64::from(row[channel]) / 255.0));
            }
        }
        Ok(Recordings { steps, recorded, letters })
    }
}

impl Parameters for Braille {
    fn validate(&self) -> Result<()> {
        Braille::validate(self)
    }

    fn load(&self, seed: u64) -> Result<Split> {
        Braille::load(self, seed)
    }

    fn directory(&mut self) -> Option<&mut Option<PathBuf>> {
        Some(&mut self.directory)
    }

    fn channel_name(&self, index: usize) -> String {
        self.channels.get(index).map_or(String::new(), |taxel| format!("taxel {taxel}"))
    }

    fn class_name(&self, index: usize) -> String {
        match index {
            0 => "space".into(),
            1..=26 => char::from(b'A' + (index - 1) as u8).to_string(),
            _ => index.to_string(),
        }
    }
}

/// The chosen taxels of all trials, `[trial][steps][channel]`, in 0 to 1, and the letters.
struct Recordings {
    steps: usize,
    recorded: Vec<f64>,
    letters: Vec<u32>,
}

fn fail<T>(path: &Path, message: String) -> Result<T> {
    Err(Error::file(path, message))
}
