//! Recordings of events in microseconds, as `spikegrad data convert` writes them from what is published: spoken words
//! (SHD, SSC) and event cameras (N-MNIST, DVS128 Gesture). They stay on the disk, mapped, and are put into steps and
//! channels when a batch needs them.

use super::store::{Sample, Store};
use super::{DataSet, Parameters, Split, files};
use crate::error::{Error, Result};
use crate::spikes::{EventFile, Random, Source};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;

/// How recorded events become steps and channels. What is left out is filled in with what is usual for the data set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recorded {
    /// Directory that holds the directory of the data set; the command line and `SPIKEGRAD_DATA` go before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// Steps T.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Milliseconds from the begin of a recording that are cut into the steps; later events are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<f64>,
    /// Neighbouring channels that become one; of a camera `pool` × `pool` pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<usize>,
    /// Whether brighter and darker pixels share a channel. Of cameras only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub merge_polarity: bool,
    /// Validation samples, taken from the training samples; of SSC they are published apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid: Option<usize>,
    /// Seed of the split; None: the seed of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// A published set.
pub(super) struct Published {
    pub name: &'static str,
    /// Columns, rows and polarities; channel `(polarity · rows + row) · columns + column`.
    pub sensor: [usize; 3],
    pub classes: &'static [&'static str],
    /// Whether validation samples are published apart.
    pub own_valid: bool,
    steps: usize,
    duration: f64,
    pool: usize,
    valid: usize,
}

impl Published {
    pub fn channels(&self) -> usize {
        self.sensor.iter().product()
    }
}

/// Spiking Heidelberg Digits (Cramer et al. 2022).
pub(super) const SHD: Published = Published {
    name: "shd",
    sensor: [700, 1, 1],
    classes: &[
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "null", "eins", "zwei", "drei",
        "vier", "fünf", "sechs", "sieben", "acht", "neun",
    ],
    own_valid: false,
    steps: 100,
    duration: 1400.0,
    pool: 1,
    valid: 816,
};

/// Spiking Speech Commands (Cramer et al. 2022).
pub(super) const SSC: Published = Published {
    name: "ssc",
    sensor: [700, 1, 1],
    classes: &[""; 35],
    own_valid: true,
    steps: 100,
    duration: 1000.0,
    pool: 1,
    valid: 0,
};

/// N-MNIST (Orchard et al. 2015).
pub(super) const NMNIST: Published = Published {
    name: "nmnist",
    sensor: [34, 34, 2],
    classes: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    own_valid: false,
    steps: 300,
    duration: 300.0,
    pool: 1,
    valid: 5000,
};

/// DVS128 Gesture (Amir et al. 2017).
pub(super) const GESTURE: Published = Published {
    name: "dvs-gesture",
    sensor: [128, 128, 2],
    classes: &[
        "hand clapping",
        "right hand wave",
        "left hand wave",
        "right arm clockwise",
        "right arm counter-clockwise",
        "left arm clockwise",
        "left arm counter-clockwise",
        "arm roll",
        "air drums",
        "air guitar",
        "other",
    ],
    own_valid: false,
    steps: 150,
    duration: 1500.0,
    pool: 4,
    valid: 100,
};

/// Stream of random numbers that splits.
const SPLIT: u64 = 0x5245_434f_5244_5350;

/// The file of a part, as the converter writes it.
pub(super) fn file_name(part: &str) -> String {
    format!("{part}.events.safetensors")
}

impl Recorded {
    fn fill_in(&mut self, published: &Published) {
        self.steps.get_or_insert(published.steps);
        self.duration.get_or_insert(published.duration);
        self.pool.get_or_insert(published.pool);
        if !published.own_valid {
            self.valid.get_or_insert(published.valid);
        }
    }

    fn check(&self, published: &Published) -> Result<()> {
        let [columns, rows, _] = published.sensor;
        let must = |good: bool, key: &str, what: String| {
            if good { Ok(()) } else { Err(Error::network(format!("data.{key}"), what)) }
        };
        must(self.steps.is_none_or(|steps| (1..=1_000_000).contains(&steps)), "steps", "must be 1 to 1000000".into())?;
        let duration = self.duration.is_none_or(|duration| (0.001..=1e6).contains(&duration));
        must(duration, "duration", "must be 0.001 to 1000000 ms".into())?;
        let most = columns.max(rows);
        must(self.pool.is_none_or(|pool| (1..=most).contains(&pool)), "pool", format!("must be 1 to {most}"))?;
        let camera = published.sensor[2] == 2;
        must(camera || !self.merge_polarity, "merge_polarity", "is for cameras".into())?;
        let apart = published.own_valid && self.valid.is_some();
        must(!apart, "valid", format!("must be left out: {} publishes its validation samples", published.name))
    }

    fn split(&self, published: &Published, seed: u64) -> Result<Split> {
        let mut own = self.clone();
        own.fill_in(published);
        own.check(published)?;
        let (train, test) = (own.part(published, "train")?, own.part(published, "test")?);
        if published.own_valid {
            return Ok(Split { train, valid: own.part(published, "valid")?, test });
        }
        let valid = own.valid.unwrap_or(0);
        if valid >= train.len() {
            let message = format!("{valid} of {} samples leave none to train with", train.len());
            return Err(Error::network("data.valid", message));
        }
        let mut order: Vec<usize> = (0..train.len()).collect();
        Random::new(self.seed.unwrap_or(seed), SPLIT).shuffle(&mut order);
        let mut held_out = order.split_off(order.len() - valid);
        order.sort_unstable();
        held_out.sort_unstable();
        Ok(Split { train: train.pick(&order), valid: train.pick(&held_out), test })
    }

    fn part(&self, published: &Published, part: &str) -> Result<DataSet> {
        let set = published.name;
        let get = format!("`spikegrad data convert {set}` makes it from the published files (docs/data.md)");
        let path = files::find(self.directory.as_deref(), set, &file_name(part), &get)?;
        let file = EventFile::open(&path)?;
        if file.units() != published.channels() {
            let (have, want) = (file.units(), published.channels());
            return Err(Error::file(&path, format!("has {have} channels, {set} has {want}: {get}")));
        }
        let labels = file.labels().map(<[u32]>::to_vec);
        let labels = labels.ok_or_else(|| Error::file(&path, format!("has no labels: {get}")))?;
        let (steps, duration) = (self.steps.unwrap_or(1), self.duration.unwrap_or(1.0));
        let (channel, inputs) = self.channels(published);
        let store = Binned { file, steps, step: 1000.0 * duration / steps as f64, channel, inputs };
        DataSet::new(Arc::new(store), published.classes.len(), labels).map_err(|error| Error::file(&path, error))
    }

    /// The channel that each published one becomes, and how many there are.
    fn channels(&self, published: &Published) -> (Vec<u32>, usize) {
        let ([columns, rows, polarities], pool) = (published.sensor, self.pool.unwrap_or(1));
        let (wide, high) = (columns.div_ceil(pool), rows.div_ceil(pool));
        let channel = |at: usize| {
            let (column, row, polarity) = (at % columns, at / columns % rows, at / (columns * rows));
            let polarity = if self.merge_polarity { 0 } else { polarity };
            ((polarity * high + row / pool) * wide + column / pool) as u32
        };
        let polarities = if self.merge_polarity { 1 } else { polarities };
        ((0..published.channels()).map(channel).collect(), wide * high * polarities)
    }

    fn channel_name(&self, published: &Published, index: usize) -> String {
        let ([columns, rows, _], pool) = (published.sensor, self.pool.unwrap_or(published.pool));
        if rows == 1 {
            return format!("channel {index}");
        }
        let (wide, high) = (columns.div_ceil(pool), rows.div_ceil(pool));
        let sign = match index / (wide * high) {
            _ if self.merge_polarity => "",
            0 => ", darker",
            _ => ", brighter",
        };
        format!("column {}, row {}{sign}", index % wide, index / wide % high)
    }
}

/// Recorded events, put into steps and channels when they are read.
#[derive(Debug)]
struct Binned {
    file: EventFile,
    steps: usize,
    /// Microseconds of a step.
    step: f64,
    channel: Vec<u32>,
    inputs: usize,
}

impl Store for Binned {
    fn len(&self) -> usize {
        self.file.batch()
    }

    fn steps(&self) -> usize {
        self.steps
    }

    fn inputs(&self) -> usize {
        self.inputs
    }

    fn spiking(&self) -> bool {
        true
    }

    fn read(&self, index: usize) -> Result<Sample> {
        let place = |(time, channel): (u32, u32)| {
            let step = (f64::from(time) / self.step) as usize;
            (step < self.steps).then(|| (step as u32, self.channel[channel as usize]))
        };
        let mut events: Vec<(u32, u32)> = self.file.sample(index)?.into_iter().filter_map(place).collect();
        // Events that share a step and a channel are one spike, so that an augmentation sees it once.
        events.sort_unstable();
        events.dedup();
        Ok(Sample::Events(events))
    }
}

macro_rules! sets {
    ($($(#[$doc:meta])* $name:ident = $published:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Recorded);

        impl Parameters for $name {
            fn fill_in(&mut self) {
                self.0.fill_in(&$published);
            }

            fn validate(&self) -> Result<()> {
                self.0.check(&$published)
            }

            fn load(&self, seed: u64) -> Result<Split> {
                self.0.split(&$published, seed)
            }

            fn directory(&mut self) -> Option<&mut Option<PathBuf>> {
                Some(&mut self.0.directory)
            }

            fn channel_name(&self, index: usize) -> String {
                self.0.channel_name(&$published, index)
            }

            fn class_name(&self, index: usize) -> String {
                let name = $published.classes.get(index).filter(|name| !name.is_empty());
                name.map_or(index.to_string(), |name| name.to_string())
            }
        }
    )*};
}

sets! {
    /// Spoken digits through a model of the inner ear.
    Shd = SHD;
    /// Spoken words through a model of the inner ear.
    Ssc = SSC;
    /// MNIST before a moving event camera.
    Nmnist = NMNIST;
    /// Gestures before an event camera.
    DvsGesture = GESTURE;
}
