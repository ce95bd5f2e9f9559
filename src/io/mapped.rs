//! A safetensors file that is read where it lies.

use crate::error::{Error, Result};
use memmap2::Mmap;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, Metadata, SafeTensorError};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Bytes that a header may have: what it takes to parse a hostile one stays small, whatever the size of the file.
const LARGEST_HEADER: u64 = 1 << 20;

/// A file of tensors, mapped: only the pages that are looked at are read, and the system may forget them again.
///
/// The file must not be changed while it is open. One that is replaced, as everything that this crate writes is, stays what
/// it was; one that is written over shows the new bytes, and one that is cut off ends the process.
#[derive(Debug)]
pub(crate) struct Mapped {
    path: PathBuf,
    map: Mmap,
    /// Where the data begins.
    data: usize,
    header: Metadata,
}

/// Maps a file to be read.
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map cannot be written through, and its bytes are read as integers, of which every pattern is one. That no
    // other process changes the file is asked of the user where files are opened; nothing here relies on two reads of a
    // byte giving the same, and each index is checked when it is used.
    unsafe { Mmap::map(file) }
}

impl Mapped {
    /// Maps a file and reads its header.
    ///
    /// # Errors
    /// [`Error::File`] where it cannot be read or is not a complete safetensors file.
    pub(crate) fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let cannot = |error: io::Error| Error::file(&path, format!("cannot be read: {error}"));
        // Before it is opened: a pipe would wait for a writer.
        if !std::fs::metadata(&path).map_err(cannot)?.is_file() {
            return Err(Error::file(&path, "is not a plain file: only those can be mapped"));
        }
        let file = File::open(&path).map_err(cannot)?;
        if file.metadata().map_err(cannot)?.len() < 8 {
            return Err(Error::file(&path, "is not a safetensors file, or was cut off: it has no header"));
        }
        let map = map(&file).map_err(cannot)?;
        let claimed = map.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        if claimed > LARGEST_HEADER {
            let message = format!("is not a safetensors file of spikes: its header would have {claimed} bytes");
            return Err(Error::file(&path, message));
        }
        let (length, header) = SafeTensors::read_metadata(&map).map_err(|error| Error::file(&path, fault(&error)))?;
        Ok(Mapped { path, data: 8 + length, map, header })
    }

    /// Where it came from.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The names of the tensors, in the order of the file.
    pub(crate) fn names(&self) -> Vec<String> {
        self.header.offset_keys()
    }

    /// The metadata under a key.
    pub(crate) fn about(&self, key: &str) -> Option<&str> {
        self.header.metadata().as_ref()?.get(key).map(String::as_str)
    }

    /// Shape of a tensor, none where there is no such tensor.
    pub(crate) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.header.info(name).map(|info| info.shape.as_slice())
    }

    /// Where a tensor of a known type and shape lies.
    ///
    /// # Errors
    /// [`Error::File`] where it is missing, or of another type or shape.
    pub(crate) fn place(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<Range<usize>> {
        let missing = || Error::file(&self.path, format!("has no tensor {name}"));
        let info = self.header.info(name).ok_or_else(missing)?;
        if info.dtype != dtype || info.shape != shape {
            let (have, found) = (info.dtype, &info.shape);
            let message = format!("tensor {name} is {have:?} {}, expected {dtype:?} {shape:?}", shown(found));
            return Err(Error::file(&self.path, message));
        }
        let (start, end) = info.data_offsets;
        Ok(self.data + start..self.data + end)
    }

    /// The bytes at a place, in pieces of `SIZE`. Bytes and not integers: they need not lie at a multiple of their size.
    pub(crate) fn pieces<const SIZE: usize>(&self, place: &Range<usize>) -> &[[u8; SIZE]] {
        self.map[place.clone()].as_chunks().0
    }
}

/// What a file says, as a message may repeat it: on one line and not without end.
pub(crate) fn shown(what: impl std::fmt::Debug) -> String {
    let text = format!("{what:?}");
    if text.chars().count() <= 60 { text } else { text.chars().take(57).chain("...".chars()).collect() }
}

fn fault(error: &SafeTensorError) -> &'static str {
    use SafeTensorError as E;
    match error {
        E::HeaderTooSmall | E::HeaderTooLarge | E::InvalidHeaderLength => {
            "is not a safetensors file, or was cut off within its header"
        }
        E::InvalidHeader(_) | E::InvalidHeaderDeserialization(_) => {
            "is not a safetensors file: its header is not JSON, or was damaged"
        }
        E::MetadataIncompleteBuffer => "is longer or shorter than its header says: it was cut off or damaged",
        _ => "has a damaged header: the sizes of its tensors do not fit their places",
    }
}
