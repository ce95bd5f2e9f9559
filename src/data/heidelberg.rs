//! The HDF5 files of SHD and SSC (Cramer et al. 2022): `spikes/times` (seconds) and `spikes/units`, one list of variable
//! length for each sample, and `labels`.

use super::convert::write;
use super::recorded::{Published, SHD, SSC};
use crate::error::{Error, Result};
use half::f16;
use hdf5_reader::messages::datatype::{Datatype, VarLenKind};
use hdf5_reader::{Dataset, Hdf5File, OpenOptions};
use std::path::{Path, PathBuf};

/// No word lasts longer, µs.
const LONGEST: u32 = 1 << 23;

/// Makes the event files from `SET_train.h5`, `SET_test.h5` and, of SSC, `SET_valid.h5`.
pub(super) fn heidelberg(set: &str, own: &Path, watch: &mut dyn FnMut(usize, usize)) -> Result<Vec<PathBuf>> {
    let published: &Published = if set == "ssc" { &SSC } else { &SHD };
    let parts: &[&str] = if published.own_valid { &["train", "valid", "test"] } else { &["train", "test"] };
    let mut written = Vec::new();
    for part in parts {
        let path = own.join(format!("{set}_{part}.h5"));
        if !path.is_file() {
            return Err(Error::file(path, format!("not found: `spikegrad data fetch {set}` gets it")));
        }
        let words = Words::open(&path).map_err(|message| Error::file(&path, message))?;
        if let Some(sample) = words.labels.iter().position(|&label| label as usize >= published.classes.len()) {
            let message = format!("sample {sample} has the label {}", words.labels[sample]);
            return Err(Error::file(&path, message));
        }
        let read = |sample: usize| {
            words.read(sample).map_err(|message| Error::file(&path, format!("sample {sample} {message}")))
        };
        written.push(write(own, published, part, LONGEST, &words.labels, watch, read)?);
    }
    Ok(written)
}

type Said<T> = std::result::Result<T, String>;

/// A list of numbers for each sample.
struct Lists {
    data: Dataset,
    /// Where each list lies.
    places: Vec<u8>,
    number: Number,
}

/// What the numbers are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Number {
    Float(usize),
    Unsigned(usize),
}

impl Lists {
    fn open(file: &Hdf5File, name: &str, float: bool) -> Said<Lists> {
        let data = file.dataset(name).map_err(|error| format!("has no {name}: {error}"))?;
        let number = match data.dtype() {
            Datatype::VarLen { base, kind: VarLenKind::Sequence, .. } => match **base {
                Datatype::FloatingPoint { size: size @ (2 | 4 | 8), .. } if float => Number::Float(size.into()),
                Datatype::FixedPoint { size: size @ (1 | 2 | 4 | 8), signed: false, .. } if !float => {
                    Number::Unsigned(size.into())
                }
                _ => return Err(format!("has lists of another type of number in {name}")),
            },
            _ => return Err(format!("has no lists of variable length in {name}")),
        };
        let places = data.read_raw_bytes().map_err(|error| format!("{name}: {error}"))?;
        Ok(Lists { data, places, number })
    }

    fn len(&self) -> usize {
        self.places.len() / self.data.vlen_reference_size()
    }

    fn read(&self, sample: usize) -> Said<Vec<f64>> {
        let width = self.data.vlen_reference_size();
        let place = self.places.get(sample * width..(sample + 1) * width).ok_or("is not there")?;
        let (Number::Float(size) | Number::Unsigned(size)) = self.number;
        let bytes = self.data.resolve_vlen_reference_bytes(place, size);
        let bytes = bytes.map_err(|error| format!("is damaged: {error}"))?;
        let number = |bytes: &[u8]| -> f64 {
            let mut all = [0; 8];
            all[..size].copy_from_slice(bytes);
            let bits = u64::from_le_bytes(all);
            match self.number {
                Number::Float(2) => f16::from_bits(bits as u16).to_f64(),
                Number::Float(4) => f32::from_bits(bits as u32).into(),
                Number::Float(_) => f64::from_bits(bits),
                Number::Unsigned(_) => bits as f64,
            }
        };
        Ok(bytes.chunks_exact(size).map(number).collect())
    }
}

/// A file of spoken words.
struct Words {
    times: Lists,
    units: Lists,
    labels: Vec<u32>,
}

impl Words {
    fn open(path: &Path) -> Said<Words> {
        let size = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.len() as usize;
        // What a header claims may not cost more than the file holds.
        let options = OpenOptions::default().with_max_read_bytes(size).with_max_chunk_bytes(size);
        let file = Hdf5File::open_with_options(path, options).map_err(|error| format!("is no HDF5 file: {error}"))?;
        let (times, units) = (Lists::open(&file, "spikes/times", true)?, Lists::open(&file, "spikes/units", false)?);
        let labels = file.dataset("labels").map_err(|error| format!("has no labels: {error}"))?;
        let Datatype::FixedPoint { size: width @ (1 | 2 | 4 | 8), .. } = *labels.dtype() else {
            return Err("has labels that are no whole numbers".into());
        };
        let bytes = labels.read_raw_bytes().map_err(|error| format!("labels: {error}"))?;
        let label = |bytes: &[u8]| {
            let mut all = [0; 8];
            all[..bytes.len()].copy_from_slice(bytes);
            u32::try_from(u64::from_le_bytes(all)).unwrap_or(u32::MAX)
        };
        let labels: Vec<u32> = bytes.chunks_exact(width.into()).map(label).collect();
        if times.len() != labels.len() || units.len() != labels.len() {
            let (times, units, labels) = (times.len(), units.len(), labels.len());
            return Err(format!("has {times} lists of times, {units} of units and {labels} labels"));
        }
        Ok(Words { times, units, labels })
    }

    /// The (time in µs, channel) of a sample.
    fn read(&self, sample: usize) -> Said<Vec<(u32, u32)>> {
        let (times, units) = (self.times.read(sample)?, self.units.read(sample)?);
        if times.len() != units.len() {
            return Err(format!("has {} times and {} units", times.len(), units.len()));
        }
        let event = |(time, unit): (f64, f64)| {
            let time = (time * 1e6).round();
            let good = (0.0..f64::from(LONGEST)).contains(&time) && unit < 700.0;
            if good { Ok((time as u32, unit as u32)) } else { Err(format!("has a spike of unit {unit} at {time} µs")) }
        };
        times.into_iter().zip(units).map(event).collect()
    }
}
