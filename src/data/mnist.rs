//! MNIST (LeCun et al. 1998) and Fashion-MNIST (Xiao et al. 2017): 60000 + 10000 pictures of 28 × 28 grey pixels in ten
//! classes.

use super::store::{Sample, Store};
use super::{DataSet, Idx, Parameters, Split, files};
use crate::error::{Error, Result};
use crate::spikes::Random;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Pixels of a side.
const SIDE: usize = 28;
/// Classes.
const CLASSES: usize = 10;

/// How a picture becomes a sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scan {
    /// One step of 784 channels, for an encoder.
    #[default]
    Still,
    /// 28 steps of one row each.
    Rows,
    /// 784 steps of one pixel each (sequential MNIST).
    Pixels,
}

/// Handwritten digits, and how they are prepared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mnist {
    /// Directory that holds `mnist/`; the command line and `SPIKEGRAD_DATA` go before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// How a picture becomes a sequence.
    pub scan: Scan,
    /// Mean and deviation: values are `(pixel/255 − mean) / deviation`. Left out: `pixel/255`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalise: Option<[f64; 2]>,
    /// Training pictures that are used, validation included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train: Option<usize>,
    /// Of those, how many are held out to choose the epoch.
    pub valid: usize,
    /// Test pictures that are used, the first ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<usize>,
    /// Whether the files must be the published ones: sizes and checksums.
    pub verify: bool,
    /// Seed of the split; None: the seed of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Default for Mnist {
    fn default() -> Self {
        Mnist {
            directory: None,
            scan: Scan::Still,
            normalise: None,
            train: None,
            valid: 5000,
            test: None,
            verify: true,
            seed: None,
        }
    }
}

/// Pictures of clothes; the same files, parameters and shapes as [`Mnist`] in a directory `fashion-mnist`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FashionMnist(pub Mnist);

/// Streams of random numbers that split.
const SPLIT: u64 = 0x4d4e_4953_5453_504c;

/// The most pictures of a file.
const MOST: usize = 1 << 20;

/// A published set.
struct Published {
    name: &'static str,
    /// MD5 of the four files as they are published, packed.
    packed: [&'static str; 4],
    /// MD5 of what they hold; they may have been packed again.
    plain: Option<[&'static str; 4]>,
}

/// Training pictures and labels, test pictures and labels.
const FILES: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

const DIGITS: Published = Published {
    name: "mnist",
    packed: [
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ],
    plain: Some([
        "6bbc9ace898e44ae57da46a324031adb",
        "a25bea736e30d166cdddb491f175f624",
        "2646ac647ad5339dbf082846283269ea",
        "27ae3e4e09519cfbb04c329615203637",
    ]),
};

const CLOTHES: Published = Published {
    name: "fashion-mnist",
    packed: [
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ],
    plain: None,
};

/// The classes of Fashion-MNIST.
const NAMES: [&str; CLASSES] =
    ["T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];

impl Mnist {
    fn check(&self) -> Result<()> {
        if let Some([mean, deviation]) = self.normalise
            && !(mean.is_finite() && deviation.is_finite() && deviation > 0.0)
        {
            let message = format!("must be a mean and a deviation above 0, is [{mean}, {deviation}]");
            return Err(Error::network("data.normalise", message));
        }
        match self.train {
            Some(0) => Err(Error::network("data.train", "must be at least 1, is 0")),
            Some(train) if self.valid >= train => {
                let message = format!("{} of {train} pictures leave none to train with", self.valid);
                Err(Error::network("data.valid", message))
            }
            _ => Ok(()),
        }
    }

    fn read(&self, published: &Published, seed: u64) -> Result<Split> {
        self.check()?;
        let train = self.part(published, 0)?;
        let test = self.part(published, 2)?;
        let mut order: Vec<usize> = (0..train.len()).collect();
        Random::new(self.seed.unwrap_or(seed), SPLIT).shuffle(&mut order);
        order.truncate(self.train.unwrap_or(usize::MAX));
        if self.valid >= order.len() {
            let message = format!("{} of {} pictures leave none to train with", self.valid, order.len());
            return Err(Error::network("data.valid", message));
        }
        let mut valid = order.split_off(order.len() - self.valid);
        // Neighbours in the file are neighbours in memory.
        order.sort_unstable();
        valid.sort_unstable();
        let first: Vec<usize> = (0..self.test.unwrap_or(usize::MAX).min(test.len())).collect();
        Ok(Split { train: train.pick(&order), valid: train.pick(&valid), test: test.pick(&first) })
    }

    /// Pictures and labels of files `at` and `at + 1`.
    fn part(&self, published: &Published, at: usize) -> Result<DataSet> {
        let set = published.name;
        let get = format!("`spikegrad data fetch {set}` gets it");
        let open = |at: usize, shape: &[Option<usize>], most: usize| -> Result<(PathBuf, Idx)> {
            let packed = format!("{}.gz", FILES[at]);
            let path = files::first(self.directory.as_deref(), set, &[&packed, FILES[at]], &get)?;
            let bytes = files::bytes(&path, most + 4 + 4 * shape.len())?;
            self.verify(published, at, &path, &bytes)?;
            let idx = Idx::parse(&bytes, shape).map_err(|message| Error::file(&path, message))?;
            Ok((path, idx))
        };
        let count = self.verify.then_some(if at == 0 { 60_000 } else { 10_000 });
        let shape = [count, Some(SIDE), Some(SIDE)];
        let (_, pictures) = open(at, &shape, count.unwrap_or(MOST) * SIDE * SIDE)?;
        let samples = pictures.shape[0];
        let (path, labels) = open(at + 1, &[Some(samples)], MOST)?;
        let labels: Vec<u32> = labels.values.into_iter().map(u32::from).collect();
        let [mean, deviation] = self.normalise.unwrap_or([0.0, 1.0]);
        let value = |pixel: usize| ((pixel as f64 / 255.0 - mean) / deviation) as f32;
        let store = Pictures { scan: self.scan, pixels: pictures.values, value: std::array::from_fn(value) };
        DataSet::new(Arc::new(store), CLASSES, labels).map_err(|error| Error::file(path, error))
    }

    /// Whether a file is the published one. One that was packed anew is, too, where what it holds is.
    fn verify(&self, published: &Published, at: usize, path: &Path, bytes: &[u8]) -> Result<()> {
        if !self.verify {
            return Ok(());
        }
        let plain = files::md5(bytes);
        if published.plain.is_some_and(|known| known[at] == plain) {
            return Ok(());
        }
        let packed = path.extension().is_some_and(|extension| extension == "gz");
        if packed {
            let bytes = files::raw(path)?;
            if files::md5(&bytes) == published.packed[at] {
                return Ok(());
            }
        } else if published.plain.is_none() {
            // No checksum of the unpacked file is published; its shape is checked when it is read.
            return Ok(());
        }
        let message = format!(
            "is not the published file (its MD5 checksum differs): `spikegrad data fetch {}` gets it, and verify = false \
             in [data] takes it as it is",
            published.name
        );
        Err(Error::file(path, message))
    }
}

impl Parameters for Mnist {
    fn validate(&self) -> Result<()> {
        self.check()
    }

    fn load(&self, seed: u64) -> Result<Split> {
        self.read(&DIGITS, seed)
    }

    fn directory(&mut self) -> Option<&mut Option<PathBuf>> {
        Some(&mut self.directory)
    }

    fn channel_name(&self, index: usize) -> String {
        pixel(index)
    }
}

impl Parameters for FashionMnist {
    fn validate(&self) -> Result<()> {
        self.0.check()
    }

    fn load(&self, seed: u64) -> Result<Split> {
        self.0.read(&CLOTHES, seed)
    }

    fn directory(&mut self) -> Option<&mut Option<PathBuf>> {
        Some(&mut self.0.directory)
    }

    fn channel_name(&self, index: usize) -> String {
        pixel(index)
    }

    fn class_name(&self, index: usize) -> String {
        NAMES.get(index).map_or(index.to_string(), |name| name.to_string())
    }
}

fn pixel(index: usize) -> String {
    format!("row {}, column {}", index / SIDE, index % SIDE)
}

/// Pictures as bytes, made into values when they are read.
#[derive(Debug)]
struct Pictures {
    scan: Scan,
    /// `[sample][28][28]`.
    pixels: Vec<u8>,
    /// The value of each brightness.
    value: [f32; 256],
}

impl Store for Pictures {
    fn len(&self) -> usize {
        self.pixels.len() / (SIDE * SIDE)
    }

    fn steps(&self) -> usize {
        match self.scan {
            Scan::Still => 1,
            Scan::Rows => SIDE,
            Scan::Pixels => SIDE * SIDE,
        }
    }

    fn inputs(&self) -> usize {
        SIDE * SIDE / self.steps()
    }

    fn spiking(&self) -> bool {
        false
    }

    fn read(&self, index: usize) -> Result<Sample> {
        let pixels = &self.pixels[index * SIDE * SIDE..][..SIDE * SIDE];
        Ok(Sample::Values(pixels.iter().map(|&pixel| self.value[usize::from(pixel)]).collect()))
    }
}
