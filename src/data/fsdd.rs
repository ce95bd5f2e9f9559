//! The Free Spoken Digit Dataset (Jackson et al.): ten English digits of six speakers, 50 recordings each, 8 kHz mono.

use super::store::{Sample, Store};
use super::{DataSet, FilterBank, Parameters, Split, files};
use crate::error::{Error, Result};
use crate::spikes::Random;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Sound samples a second.
const RATE: u32 = 8000;
/// Digits.
const CLASSES: usize = 10;
/// Recordings of a digit by a speaker.
const TAKES: usize = 50;
/// Speakers.
const SPEAKERS: usize = 6;

/// What is tested on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FsddSplit {
    /// Recordings 0 to 4 of each digit and speaker.
    #[default]
    Official,
    /// All recordings of the speaker `held_out`.
    Speaker,
}

/// How log powers are scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// Mean 0 and deviation 1 in each band, over the training recordings.
    #[default]
    Band,
    /// Mean 0 and deviation 1 over each recording.
    Recording,
    /// As they are.
    None,
}

/// Spoken digits as frames of a mel filter bank, and how they are made. The values go into the network as they are, or
/// through `[encode]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fsdd {
    /// Directory that holds `fsdd/recordings/`; the command line and `SPIKEGRAD_DATA` go before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// What is tested on.
    pub split: FsddSplit,
    /// The speaker that is tested on, with `split = "speaker"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_out: Option<String>,
    /// Validation recordings of each digit and speaker, taken from those for training.
    pub valid: usize,
    /// Bands.
    pub bands: usize,
    /// Milliseconds of a frame.
    pub frame: f64,
    /// Milliseconds from frame to frame: a step.
    pub hop: f64,
    /// Lowest and highest frequency, Hz.
    pub range: [f64; 2],
    /// Share of the sound before that is taken away from the sound: 0 to 1.
    pub pre_emphasis: f64,
    /// How log powers are scaled.
    pub scale: Scaling,
    /// Steps T: a longer recording is cut, a shorter one repeats its last frame.
    pub steps: usize,
    /// Whether losses and reductions end where a recording does.
    pub lengths: bool,
    /// Whether all 3000 recordings must be there.
    pub verify: bool,
    /// Seed of the split; None: the seed of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Default for Fsdd {
    fn default() -> Self {
        Fsdd {
            directory: None,
            split: FsddSplit::Official,
            held_out: None,
            valid: 5,
            bands: 40,
            frame: 25.0,
            hop: 10.0,
            range: [20.0, 4000.0],
            pre_emphasis: 0.97,
            scale: Scaling::Band,
            steps: 80,
            lengths: true,
            verify: true,
            seed: None,
        }
    }
}

/// Streams of random numbers that split, one for each digit and speaker.
const STREAMS: u64 = 0x4653_4444_0000_0000;
/// How to come by the recordings.
const GET: &str = "`spikegrad data fetch fsdd` gets it";
/// The most bytes of a recording: a minute of sound would be one of them.
const MOST: usize = 1 << 20;

/// A file.
#[derive(Clone, Debug)]
struct Recording {
    path: PathBuf,
    digit: u32,
    speaker: usize,
    take: usize,
}

impl Fsdd {
    fn bank(&self) -> Result<FilterBank> {
        let samples = |milliseconds: f64| (milliseconds * f64::from(RATE) / 1000.0).round().max(1.0) as usize;
        let (frame, hop) = (samples(self.frame), samples(self.hop));
        FilterBank::new(RATE, frame, hop, self.bands, self.range, self.pre_emphasis as f32)
            .map_err(|error| Error::network("data.bands", error.to_string()))
    }

    /// The recordings by digit, speaker and number, and the names of the speakers.
    fn recordings(&self) -> Result<(Vec<Recording>, Vec<String>)> {
        let directory = files::find(self.directory.as_deref(), "fsdd", "recordings", GET)?;
        let cannot = |error: std::io::Error| Error::file(&directory, format!("cannot be read: {error}"));
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&directory).map_err(cannot)? {
            let path = entry.map_err(cannot)?.path();
            if path.extension().is_none_or(|extension| extension != "wav") {
                continue;
            }
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let parts: Vec<&str> = stem.split('_').collect();
            let parsed = match parts[..] {
                [digit, speaker, take] if !speaker.is_empty() => digit.parse::<u32>().ok().zip(take.parse().ok()),
                _ => None,
            };
            let Some((digit, take)) = parsed.filter(|(digit, _)| (*digit as usize) < CLASSES) else {
                return Err(Error::file(&path, "is not named {digit}_{speaker}_{number}.wav, as recordings are"));
            };
            let speaker = parts[1].to_string();
            found.push((digit, speaker, take, path));
        }
        found.sort();
        let mut speakers: Vec<String> = found.iter().map(|(_, speaker, ..)| speaker.clone()).collect();
        speakers.sort();
        speakers.dedup();
        let all = CLASSES * SPEAKERS * TAKES;
        if found.is_empty() || (self.verify && found.len() != all) {
            let count = found.len();
            let message =
                format!("holds {count} recordings, expected {all}: {GET}, and verify = false in [data] takes them");
            return Err(Error::file(&directory, message));
        }
        let recording = |(digit, name, take, path): (u32, String, usize, PathBuf)| {
            let speaker = speakers.partition_point(|speaker| *speaker < name);
            Recording { path, digit, speaker, take }
        };
        Ok((found.into_iter().map(recording).collect(), speakers))
    }

    /// Whether a recording is tested on.
    fn tests(&self, recording: &Recording, speakers: &[String]) -> bool {
        match self.split {
            FsddSplit::Official => recording.take < 5,
            FsddSplit::Speaker => Some(&speakers[recording.speaker]) == self.held_out.as_ref(),
        }
    }
}

impl Parameters for Fsdd {
    fn validate(&self) -> Result<()> {
        let must = |good: bool, key: &str, what: &str| {
            if good { Ok(()) } else { Err(Error::network(format!("data.{key}"), format!("must be {what}"))) }
        };
        must((1..=1024).contains(&self.bands), "bands", "1 to 1024")?;
        must((1.0..=1000.0).contains(&self.frame), "frame", "1 to 1000 ms")?;
        must((1.0..=1000.0).contains(&self.hop), "hop", "1 to 1000 ms")?;
        must((1..=100_000).contains(&self.steps), "steps", "1 to 100000")?;
        let [low, high] = self.range;
        must(low >= 0.0 && low < high && high <= f64::from(RATE / 2), "range", "two rising numbers, 0 to 4000 Hz")?;
        must((0.0..=1.0).contains(&self.pre_emphasis), "pre_emphasis", "0 to 1")?;
        let speaker = self.split == FsddSplit::Speaker;
        must(!speaker || self.held_out.is_some(), "held_out", "the name of a speaker, with split = \"speaker\"")?;
        must(speaker || self.held_out.is_none(), "held_out", "left out, unless split = \"speaker\"")?;
        self.bank().map(drop)
    }

    fn load(&self, seed: u64) -> Result<Split> {
        self.validate()?;
        let (recordings, speakers) = self.recordings()?;
        if let Some(name) = &self.held_out
            && !speakers.contains(name)
        {
            let message = format!("there is no speaker {name:?}: they are {}", speakers.join(", "));
            return Err(Error::network("data.held_out", message));
        }
        let bank = self.bank()?;
        // All of them: their mean has to be known before the first batch, and they are small.
        let frames = recordings.par_iter().map(|recording| {
            let mut frames = bank.apply(&sound(&recording.path)?);
            frames.truncate(self.steps * self.bands);
            Ok(frames)
        });
        let mut frames: Vec<Vec<f32>> = frames.collect::<Result<_>>()?;
        let (mut train, mut valid, mut test) = (Vec::new(), Vec::new(), Vec::new());
        for digit in 0..CLASSES as u32 {
            for speaker in 0..speakers.len() {
                let of = |index: &usize| recordings[*index].digit == digit && recordings[*index].speaker == speaker;
                let own: Vec<usize> = (0..recordings.len()).filter(of).collect();
                let (tested, mut rest): (Vec<usize>, Vec<usize>) =
                    own.into_iter().partition(|&index| self.tests(&recordings[index], &speakers));
                let stream = STREAMS + (u64::from(digit) << 16) + speaker as u64;
                Random::new(self.seed.unwrap_or(seed), stream).shuffle(&mut rest);
                test.extend(tested);
                valid.extend(rest.drain(..self.valid.min(rest.len())));
                train.extend(rest);
            }
        }
        if train.is_empty() {
            return Err(Error::network("data.valid", format!("{} leaves no recording to train with", self.valid)));
        }
        match self.scale {
            Scaling::None => {}
            Scaling::Recording => frames.par_iter_mut().for_each(|frames| standardise(frames)),
            Scaling::Band => {
                let standard: Vec<(f32, f32)> = (0..self.bands)
                    .into_par_iter()
                    .map(|band| {
                        let values =
                            train.iter().flat_map(|&index| frames[index].iter().skip(band).step_by(self.bands));
                        standard(values)
                    })
                    .collect();
                frames.par_iter_mut().for_each(|frames| {
                    for (at, value) in frames.iter_mut().enumerate() {
                        let (mean, deviation) = standard[at % self.bands];
                        *value = (*value - mean) / deviation;
                    }
                });
            }
        }
        let labels = recordings.iter().map(|recording| recording.digit).collect();
        let lengths = frames.iter().map(|frames| (frames.len() / self.bands) as u32).collect();
        let store = Frames { steps: self.steps, bands: self.bands, recordings: frames };
        let mut all = DataSet::new(Arc::new(store), CLASSES, labels)?;
        if self.lengths {
            all = all.with_lengths(lengths)?;
        }
        Ok(Split { train: all.pick(&train), valid: all.pick(&valid), test: all.pick(&test) })
    }

    fn directory(&mut self) -> Option<&mut Option<PathBuf>> {
        Some(&mut self.directory)
    }

    fn channel_name(&self, index: usize) -> String {
        format!("band {index}")
    }
}

/// Mean, and deviation with a little added, of some values.
fn standard<'a>(values: impl Iterator<Item = &'a f32> + Clone) -> (f32, f32) {
    let count = values.clone().count().max(1) as f64;
    let mean = values.clone().map(|&value| f64::from(value)).sum::<f64>() / count;
    let variance = values.map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count;
    (mean as f32, variance.sqrt() as f32 + 1e-3)
}

fn standardise(values: &mut [f32]) {
    let (mean, deviation) = standard(values.iter());
    values.iter_mut().for_each(|value| *value = (*value - mean) / deviation);
}

/// The sound of a file, −1 to 1.
fn sound(path: &Path) -> Result<Vec<f32>> {
    let bytes = files::bytes(path, MOST)?;
    read_wav(&bytes).map_err(|message| Error::file(path, message))
}

/// The sound of a WAV file of 16-bit mono samples at 8 kHz, −1 to 1.
///
/// # Errors
/// What is wrong with the bytes.
pub fn read_wav(bytes: &[u8]) -> std::result::Result<Vec<f32>, String> {
    let reader = hound::WavReader::new(Cursor::new(bytes));
    let reader = reader.map_err(|error| format!("is not a WAV file that is read here ({error}): {GET}"))?;
    let spec = reader.spec();
    if (spec.channels, spec.sample_rate, spec.bits_per_sample) != (1, RATE, 16)
        || spec.sample_format != hound::SampleFormat::Int
    {
        return Err(format!(
            "has {} channels of {} bits at {} Hz, expected one of 16 bits at {RATE} Hz",
            spec.channels, spec.bits_per_sample, spec.sample_rate
        ));
    }
    let claimed = reader.len() as usize;
    if claimed == 0 || claimed > bytes.len() / 2 {
        return Err(format!("claims {claimed} samples of sound, which it does not hold: {GET}"));
    }
    let samples = reader.into_samples::<i16>().map(|sample| sample.map(|value| f32::from(value) / 32768.0));
    samples.collect::<std::result::Result<_, _>>().map_err(|_| format!("ends within its sound: {GET}"))
}

/// Frames of recordings, `[frames][bands]` each.
#[derive(Debug)]
struct Frames {
    steps: usize,
    bands: usize,
    recordings: Vec<Vec<f32>>,
}

impl Store for Frames {
    fn len(&self) -> usize {
        self.recordings.len()
    }

    fn steps(&self) -> usize {
        self.steps
    }

    fn inputs(&self) -> usize {
        self.bands
    }

    fn spiking(&self) -> bool {
        false
    }

    fn read(&self, index: usize) -> Result<Sample> {
        let mut values = self.recordings[index].clone();
        // The last frame goes on, so that an encoder of changes meets none.
        let last = values.len() - self.bands;
        while values.len() < self.steps * self.bands {
            values.extend_from_within(last..last + self.bands);
        }
        Ok(Sample::Values(values))
    }
}
