//! Augmentations: training samples that are changed a little each time they are seen. What is drawn for a sample is a
//! function of seed, epoch and sample alone, so a resumed run goes on to the same bits.

use super::Sample;
use crate::error::{Error, Result};
use crate::spikes::Random;
use serde::{Deserialize, Serialize};

/// The table `[augment]`. All default to nothing. They apply in the order in which they stand here; events that leave the
/// sample in time or channels are gone. Validation and test samples are never changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// w: time runs faster or slower by a factor drawn from 1 − w to 1 + w for each sample.
    #[serde(skip_serializing_if = "is_zero")]
    pub warp: f64,
    /// Steps: each event moves by a normal number of this deviation.
    #[serde(skip_serializing_if = "is_zero")]
    pub time_jitter: f64,
    /// Channels: each event moves by a normal number of this deviation (Cramer et al. 2022). Of events only.
    #[serde(skip_serializing_if = "is_zero")]
    pub channel_jitter: f64,
    /// Channels: all events of a sample move by one whole number, up to this far either way (Nowotny et al. 2025). Of events
    /// only.
    #[serde(skip_serializing_if = "is_zero_channels")]
    pub channel_shift: u32,
    /// Probability of an event to vanish. Of events only.
    #[serde(skip_serializing_if = "is_zero")]
    pub drop: f64,
    /// Of events: spikes that are added, as a probability for each step and channel. Of values: the deviation of a normal
    /// number that is added to each.
    #[serde(skip_serializing_if = "is_zero")]
    pub noise: f64,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

fn is_zero_channels(value: &u32) -> bool {
    *value == 0
}

/// Streams of random numbers that augment, one for each epoch.
const STREAMS: u64 = 0x4155_474d_454e_5400 << 16;

impl Augment {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`Error::Network`] with the key (`augment.drop`) and what is allowed there.
    pub fn validate(&self) -> Result<()> {
        let rules = [
            ("warp", self.warp, 0.9, "0 to 0.9"),
            ("time_jitter", self.time_jitter, 1e6, "0 to 1000000 steps"),
            ("channel_jitter", self.channel_jitter, 1e6, "0 to 1000000 channels"),
            ("drop", self.drop, 1.0, "0 to 1"),
            ("noise", self.noise, 1e6, "at least 0"),
        ];
        for (key, value, most, rule) in rules {
            if !(0.0..=most).contains(&value) {
                return Err(Error::network(format!("augment.{key}"), format!("must be {rule}, is {value}")));
            }
        }
        Ok(())
    }

    /// Checks what only fits one kind of sample.
    ///
    /// # Errors
    /// [`Error::Network`] with the key.
    pub fn fits(&self, spiking: bool, by_step: bool) -> Result<()> {
        let refuse = |key: &str, message: &str| Err(Error::network(format!("augment.{key}"), message));
        if spiking && self.noise > 1.0 {
            return refuse("noise", "is a probability for spikes: 0 to 1");
        }
        if by_step && self.warp > 0.0 {
            return refuse("warp", "would move steps away from their labels");
        }
        if !spiking {
            let events = [
                ("time_jitter", self.time_jitter),
                ("channel_jitter", self.channel_jitter),
                ("channel_shift", f64::from(self.channel_shift)),
                ("drop", self.drop),
            ];
            if let Some((key, _)) = events.iter().find(|(_, value)| *value > 0.0) {
                return refuse(key, "changes events: these data are real values");
            }
        }
        Ok(())
    }

    /// Changes sample number `index` of the data set of T steps and N channels, as it is seen in `epoch` of a run with
    /// `seed`.
    pub fn apply(
        &self,
        sample: Sample,
        (steps, inputs): (usize, usize),
        seed: u64,
        epoch: usize,
        index: usize,
    ) -> Sample {
        let key = Random::new(seed, STREAMS.wrapping_add(epoch as u64)).at(index as u64);
        let mut random = Random::keyed(key);
        let factor = 1.0 + self.warp * (2.0 * random.uniform() - 1.0);
        let reach = self.channel_shift as usize;
        let shift = random.below(2 * reach + 1) as f64 - reach as f64;
        match sample {
            Sample::Events(events) => Sample::Events(self.events(events, steps, inputs, factor, shift, &mut random)),
            Sample::Values(values) => Sample::Values(self.values(values, steps, inputs, factor, &mut random)),
        }
    }

    fn events(
        &self,
        mut events: Vec<(u32, u32)>,
        steps: usize,
        inputs: usize,
        factor: f64,
        shift: f64,
        random: &mut Random,
    ) -> Vec<(u32, u32)> {
        let mut moved = |place: f64, deviation: f64, size: usize| {
            let place = if deviation > 0.0 { place + deviation * random.normal() } else { place };
            let place = place.round();
            (place >= 0.0 && place < size as f64).then_some(place as u32)
        };
        let change = |(step, channel): (u32, u32)| {
            let step = moved(f64::from(step) * factor, self.time_jitter, steps)?;
            Some((step, moved(f64::from(channel) + shift, self.channel_jitter, inputs)?))
        };
        events = events.into_iter().filter_map(change).collect();
        if self.drop > 0.0 {
            events.retain(|_| random.uniform() >= self.drop);
        }
        if self.noise > 0.0 {
            // Waiting times rather than a draw for each step and channel: few of them spike.
            let cells = (steps * inputs) as f64;
            let none = (-self.noise).ln_1p();
            let mut cell = 0.0;
            loop {
                // Where every cell spikes, none is waited for: the quotient is 0.
                cell += ((1.0 - random.uniform()).ln() / none).abs().floor();
                if cell >= cells {
                    break;
                }
                events.push(((cell as usize / inputs) as u32, (cell as usize % inputs) as u32));
                cell += 1.0;
            }
        }
        events
    }

    fn values(&self, values: Vec<f32>, steps: usize, inputs: usize, factor: f64, random: &mut Random) -> Vec<f32> {
        let mut out = values;
        if self.warp > 0.0 && steps > 1 {
            // Step t shows what was at t / factor, between two steps a mixture; past the end the last step goes on.
            let last = (steps - 1) as f64;
            let from = out.clone();
            for t in 0..steps {
                let place = (t as f64 / factor).min(last);
                let (before, part) = (place.floor() as usize, place.fract() as f32);
                let after = (before + 1).min(steps - 1);
                for n in 0..inputs {
                    let (a, b) = (from[before * inputs + n], from[after * inputs + n]);
                    out[t * inputs + n] = a + part * (b - a);
                }
            }
        }
        if self.noise > 0.0 {
            out.iter_mut().for_each(|value| *value += (self.noise * random.normal()) as f32);
        }
        out
    }

    /// Steps of a sample of `length` of `steps` steps, after its time was warped as [`Augment::apply`] does.
    pub fn length(&self, length: usize, steps: usize, seed: u64, epoch: usize, index: usize) -> usize {
        if self.warp == 0.0 {
            return length;
        }
        let key = Random::new(seed, STREAMS.wrapping_add(epoch as u64)).at(index as u64);
        let factor = 1.0 + self.warp * (2.0 * Random::keyed(key).uniform() - 1.0);
        ((length as f64 * factor).ceil() as usize).clamp(1, steps)
    }
}
