//! The two kinds of file. Both are safetensors files, so that anything can read and make them: a header that says what
//! lies where, then little-endian tensors.
//!
//! | metadata | |
//! |---|---|
//! | `format` | `spikegrad-raster` or `spikegrad-events` |
//! | `version` | `1` |
//! | `steps`, `samples`, `units` | T, B, N |
//!
//! | tensor | type | shape | |
//! |---|---|---|---|
//! | `spikes` | U32 | `[T, B, words(N)]` | raster: bit n mod 32 of word `[t][b][n / 32]`, bits past N are 0 |
//! | `offsets` | U64 | `[B + 1]` | events: those of sample b are `offsets[b]..offsets[b + 1]` |
//! | `steps`, `channels` | U32 | `[E]` | events: sorted by (step, channel) within a sample |
//! | `labels` | U32 | `[B]` | class of each sample, where there are any |

use crate::error::{Error, Result};
use crate::io::{Mapped, WholeFile, shown};
use safetensors::tensor::{Dtype, TensorInfo};
use serde::Serialize;
use std::collections::BTreeMap;

/// Packed words.
pub(super) const RASTER: &str = "spikegrad-raster";
/// Lists of events.
pub(super) const EVENTS: &str = "spikegrad-events";
/// Version of both formats; another one is refused.
const VERSION: &str = "1";

/// Bytes from the begin of the file to its data. It is more than any header here needs, so that one can be written when
/// the sizes are known at last.
pub(super) const HEADER: usize = 1024;

/// What a header says of the input: T, B, N.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    pub steps: usize,
    pub samples: usize,
    pub units: usize,
}

impl Sizes {
    /// A header for tensors that follow each other in this order.
    ///
    /// # Errors
    /// [`Error::Input`] where the file would be larger than a file can be.
    pub fn header(self, format: &str, tensors: &[(&'static str, Dtype, Vec<usize>)]) -> Result<Vec<u8>> {
        #[derive(Serialize)]
        struct Header<'a> {
            __metadata__: BTreeMap<&'a str, String>,
            #[serde(flatten)]
            tensors: BTreeMap<&'a str, TensorInfo>,
        }
        let Sizes { steps, samples, units } = self;
        let too_large = || self.too_large();
        let mut end = 0usize;
        let mut infos = BTreeMap::new();
        for (name, dtype, shape) in tensors {
            let elements = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
            let bytes = elements.and_then(|elements| elements.checked_mul(dtype.bitsize())).map(|bits| bits / 8);
            let start = end;
            end = bytes.and_then(|bytes| bytes.checked_add(start)).ok_or_else(too_large)?;
            infos.insert(*name, TensorInfo { dtype: *dtype, shape: shape.clone(), data_offsets: (start, end) });
        }
        end.checked_add(HEADER).ok_or_else(too_large)?;
        let numbers = [("steps", steps), ("samples", samples), ("units", units)];
        let numbers = numbers.into_iter().map(|(key, number)| (key, number.to_string()));
        let texts = [("format", format.to_string()), ("version", VERSION.to_string())];
        let header = Header { __metadata__: texts.into_iter().chain(numbers).collect(), tensors: infos };
        let mut bytes = (HEADER as u64 - 8).to_le_bytes().to_vec();
        serde_json::to_writer(&mut bytes, &header).map_err(|error| Error::Input(error.to_string()))?;
        assert!(bytes.len() <= HEADER, "a header of {} bytes", bytes.len());
        bytes.resize(HEADER, b' ');
        Ok(bytes)
    }

    /// The error of sizes whose product no file can hold.
    pub fn too_large(self) -> Error {
        let Sizes { steps, samples, units } = self;
        Error::Input(format!("{steps} steps × {samples} samples × {units} units are more than a file can hold"))
    }

    /// What the file says, where it is one of `format` and has no tensors but `known`.
    ///
    /// # Errors
    /// [`Error::File`] where it is something else.
    pub fn read(file: &Mapped, format: &str, known: &[&str]) -> Result<Self> {
        let wrong = |message: String| Err(Error::file(file.path(), message));
        match file.about("format") {
            Some(found) if found == format => {}
            Some(found) => return wrong(format!("is a file of format {}, expected {format:?}", shown(found))),
            None => return wrong(format!("does not say that it is a file of format {format:?}")),
        }
        if file.about("version") != Some(VERSION) {
            let found = shown(file.about("version").unwrap_or("none"));
            return wrong(format!("is of version {found}, this program reads version {VERSION:?}"));
        }
        let number = |key: &str| {
            let number = file.about(key).and_then(|text| text.parse().ok());
            number.ok_or_else(|| {
                let found = shown(file.about(key).unwrap_or("none"));
                Error::file(file.path(), format!("has {found} as its number of {key}"))
            })
        };
        if let Some(other) = file.names().iter().find(|name| !known.contains(&name.as_str())) {
            return wrong(format!("has a tensor {} that files of format {format:?} do not have", shown(other)));
        }
        Ok(Sizes { steps: number("steps")?, samples: number("samples")?, units: number("units")? })
    }

    /// The labels in a file, if there are any.
    ///
    /// # Errors
    /// [`Error::File`] where they are not one for each sample.
    pub fn labels(self, file: &Mapped) -> Result<Option<Vec<u32>>> {
        if file.shape("labels").is_none() {
            return Ok(None);
        }
        let place = file.place("labels", Dtype::U32, &[self.samples])?;
        Ok(Some(file.pieces::<4>(&place).iter().map(|&label| u32::from_le_bytes(label)).collect()))
    }

    /// Whether there is one label for each sample, or none at all.
    ///
    /// # Errors
    /// [`Error::Input`] where there is not.
    pub fn check_labels(self, labels: Option<&[u32]>) -> Result<()> {
        match labels {
            Some(labels) if labels.len() != self.samples => {
                Err(Error::Input(format!("{} samples have {} labels", self.samples, labels.len())))
            }
            _ => Ok(()),
        }
    }
}

/// Ends a file that should have `length` bytes.
///
/// # Errors
/// [`Error::File`] where it has not: an earlier error was not heeded.
pub(super) fn finish(mut file: WholeFile, length: u64) -> Result<()> {
    let written = file.len()?;
    if written != length {
        return Err(Error::file(file.path(), format!("cannot be finished: {written} of {length} bytes were written")));
    }
    file.finish()
}
