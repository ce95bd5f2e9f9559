//! From what is published to the project's own event files, in which times are microseconds.

use super::recorded::{GESTURE, NMNIST, Published, file_name};
use super::{files, read_aedat, read_aer};
use crate::error::{Error, Result};
use crate::spikes::EventWriter;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// The sets that [`convert`] knows.
pub const CONVERTED: [&str; 4] = ["shd", "ssc", "nmnist", "dvs-gesture"];

/// Makes the event files of a published set: `DIR/set/train.events.safetensors`, `test…` and, of SSC, `valid…`. `watch` is
/// told how many samples of how many are done. What is written is written whole or not at all.
///
/// # Errors
/// [`Error::File`] where a published file is missing or damaged, or the disk is full.
pub fn convert(set: &str, directory: &Path, mut watch: impl FnMut(usize, usize)) -> Result<Vec<PathBuf>> {
    let own = directory.join(set);
    match set {
        "nmnist" => nmnist(&own, &mut watch),
        "dvs-gesture" => gesture(&own, &mut watch),
        "shd" | "ssc" => heidelberg(set, &own, &mut watch),
        other => Err(Error::Input(crate::suggest::unknown("set to convert", other, &CONVERTED))),
    }
}

#[cfg(feature = "hdf5")]
use super::heidelberg::heidelberg;

#[cfg(not(feature = "hdf5"))]
fn heidelberg(set: &str, own: &Path, _: &mut dyn FnMut(usize, usize)) -> Result<Vec<PathBuf>> {
    let message = format!(
        "{set} comes as HDF5, which this program was built without: cargo install spikegrad --features hdf5, then convert \
         again; what it writes is read by every build"
    );
    Err(Error::file(own, message))
}

/// Writes the file of a part. `read` gives the (time in µs, channel) of a sample; `longest` is past all times.
pub(super) fn write(
    own: &Path,
    published: &Published,
    part: &str,
    longest: u32,
    labels: &[u32],
    watch: &mut dyn FnMut(usize, usize),
    mut read: impl FnMut(usize) -> Result<Vec<(u32, u32)>>,
) -> Result<PathBuf> {
    let path = own.join(file_name(part));
    let mut writer = EventWriter::create(&path, longest as usize, labels.len(), published.channels(), Some(labels))?;
    for sample in 0..labels.len() {
        writer.write(&read(sample)?)?;
        watch(sample + 1, labels.len());
    }
    writer.finish()?;
    Ok(path)
}

/// The largest recording of N-MNIST that is read; the published ones have up to 40 kB.
const LARGEST: u64 = 16 << 20;

/// N-MNIST: `Train.zip` and `Test.zip`, or what they hold, `Train/0/00002.bin` and so on.
fn nmnist(own: &Path, watch: &mut dyn FnMut(usize, usize)) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for (name, part) in [("Train", "train"), ("Test", "test")] {
        let (packed, folder) = (own.join(format!("{name}.zip")), own.join(name));
        let mut recordings = if packed.is_file() { Recordings::packed(&packed)? } else { Recordings::folder(&folder)? };
        let labels = recordings.labels()?;
        let read = |sample: usize| {
            let (path, bytes) = recordings.read(sample)?;
            read_aer(&bytes).map_err(|message| Error::file(path, message))
        };
        written.push(write(own, &NMNIST, part, 1 << 23, &labels, watch, read)?);
    }
    Ok(written)
}

/// The recordings of a part of N-MNIST.
enum Recordings {
    Packed { path: PathBuf, archive: ZipArchive<BufReader<File>>, names: Vec<String> },
    Folder { path: PathBuf, names: Vec<String> },
}

impl Recordings {
    fn packed(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::file(path, format!("cannot be read: {error}")))?;
        let archive = ZipArchive::new(BufReader::new(file)).map_err(|_| {
            Error::file(path, "is not a complete zip file: `spikegrad data fetch nmnist` gets it again")
        })?;
        let mut names: Vec<String> = archive
            .file_names()
            .filter_map(|name| {
                name.ok()
                    .filter(|name| name.ends_with(".bin") && !name.starts_with("__MACOSX"))
                    .map(|name| name.into_owned())
            })
            .collect();
        names.sort();
        Ok(Recordings::Packed { path: path.to_path_buf(), archive, names })
    }

    fn folder(path: &Path) -> Result<Self> {
        let missing = "not found, nor is its .zip beside it: `spikegrad data fetch nmnist` gets it";
        let mut names = Vec::new();
        for digit in 0..10 {
            let folder = path.join(digit.to_string());
            let entries = std::fs::read_dir(&folder).map_err(|_| Error::file(&folder, missing))?;
            for entry in entries {
                let entry = entry.map_err(|error| Error::file(&folder, error))?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.ends_with(".bin") {
                    names.push(format!("{digit}/{name}"));
                }
            }
        }
        names.sort();
        Ok(Recordings::Folder { path: path.to_path_buf(), names })
    }

    /// The digit of each: the name of its folder.
    fn labels(&self) -> Result<Vec<u32>> {
        let (Recordings::Packed { path, names, .. } | Recordings::Folder { path, names }) = self;
        if names.is_empty() {
            return Err(Error::file(path, "holds no recordings (.bin): `spikegrad data fetch nmnist` gets them"));
        }
        let digit = |name: &String| {
            let folder = name.rsplit('/').nth(1).and_then(|folder| folder.parse().ok()).filter(|&digit| digit < 10);
            folder.ok_or_else(|| Error::file(path, format!("holds {name}, which is in no folder of a digit")))
        };
        names.iter().map(digit).collect()
    }

    /// Where a recording is, and its bytes.
    fn read(&mut self, sample: usize) -> Result<(PathBuf, Vec<u8>)> {
        let mut bytes = Vec::new();
        let path = match self {
            Recordings::Packed { path, archive, names } => {
                let inside = path.join(&names[sample]);
                let damaged = |error: &dyn std::fmt::Display| Error::file(&inside, format!("cannot be read: {error}"));
                let entry = archive.by_name(&names[sample]).map_err(|error| damaged(&error))?;
                entry.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| damaged(&error))?;
                inside
            }
            Recordings::Folder { path, names } => {
                let inside = path.join(&names[sample]);
                bytes = files::bytes(&inside, LARGEST as usize)?;
                inside
            }
        };
        if bytes.len() as u64 > LARGEST {
            return Err(Error::file(path, "is larger than any recording of N-MNIST"));
        }
        Ok((path, bytes))
    }
}

/// How to come by DVS128 Gesture: its licence has to be agreed to on a page.
const GESTURES: &str = "get DvsGesture.tar.gz from research.ibm.com/interactive/dvsgesture and unpack it here";

/// DVS128 Gesture: `trials_to_train.txt` and `trials_to_test.txt` name the recordings; beside `NAME.aedat` is
/// `NAME_labels.csv` with class (from 1), begin and end of each trial in µs.
fn gesture(own: &Path, watch: &mut dyn FnMut(usize, usize)) -> Result<Vec<PathBuf>> {
    let unpacked = own.join("DvsGesture");
    let source = if unpacked.is_dir() { &unpacked } else { own };
    let mut written = Vec::new();
    for part in ["train", "test"] {
        let list = source.join(format!("trials_to_{part}.txt"));
        let text = text(&list, GESTURES)?;
        let mut trials = Vec::new();
        for name in text.lines().map(str::trim).filter(|name| !name.is_empty()) {
            let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
            let Some(stem) = name.strip_suffix(".aedat").filter(|_| plain) else {
                return Err(Error::file(&list, format!("names {name:?}, which is no recording (.aedat)")));
            };
            trials
                .extend(labels_of(&source.join(format!("{stem}_labels.csv")))?.into_iter().map(|trial| (name, trial)));
        }
        let labels: Vec<u32> = trials.iter().map(|(_, trial)| trial.class).collect();
        let longest = trials.iter().map(|(_, trial)| trial.end - trial.begin).max().unwrap_or(0);
        let longest = u32::try_from(longest).map_err(|_| Error::file(&list, "names a trial of more than an hour"))?;
        // Trials of a recording follow each other: each recording is read once.
        let mut open: Option<(&str, Vec<(u64, u32)>)> = None;
        let read = |sample: usize| {
            let (name, trial) = &trials[sample];
            if open.as_ref().is_none_or(|(opened, _)| opened != name) {
                let path = source.join(name);
                let bytes = files::bytes(&path, 1 << 31)?;
                open = Some((name, read_aedat(&bytes).map_err(|message| Error::file(&path, message))?));
            }
            let events = open.iter().flat_map(|(_, events)| events);
            let own = events.filter(|(time, _)| (trial.begin..trial.end).contains(time));
            Ok(own.map(|&(time, channel)| ((time - trial.begin) as u32, channel)).collect())
        };
        written.push(write(own, &GESTURE, part, longest, &labels, watch, read)?);
    }
    Ok(written)
}

/// A gesture in a recording, µs.
struct Trial {
    class: u32,
    begin: u64,
    end: u64,
}

fn labels_of(path: &Path) -> Result<Vec<Trial>> {
    let text = text(path, GESTURES)?;
    let mut trials = Vec::new();
    for (line, row) in text.lines().enumerate().skip(1).filter(|(_, row)| !row.trim().is_empty()) {
        let numbers: Vec<u64> = row.split(',').filter_map(|number| number.trim().parse().ok()).collect();
        match numbers[..] {
            [class @ 1..=11, begin, end] if begin < end => {
                trials.push(Trial { class: class as u32 - 1, begin, end });
            }
            _ => {
                let line = line + 1;
                let message = format!("line {line} is not class (1 to 11), begin and end in µs");
                return Err(Error::file(path, message));
            }
        }
    }
    if trials.is_empty() {
        return Err(Error::file(
            path,
            "names no trial: a line of class, begin and end in µs for each follows the first",
        ));
    }
    Ok(trials)
}

/// A small file of text.
fn text(path: &Path, get: &str) -> Result<String> {
    if !path.is_file() {
        return Err(Error::file(path, format!("not found: {get}")));
    }
    let bytes = files::bytes(path, 1 << 20)?;
    String::from_utf8(bytes).map_err(|_| Error::file(path, "is not text"))
}
