//! Where the files of data sets are looked for, and what is said where they are not there or not right.

use crate::error::{Error, Result};
use flate2::read::MultiGzDecoder;
use md5::{Digest, Md5};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// A file of a data set: `DIR/set/name` or `DIR/name`. `get` says how to come by it.
///
/// # Errors
/// [`Error::Input`] where no directory is named, [`Error::File`] where the file is in neither place.
pub(super) fn find(directory: Option<&Path>, set: &str, name: &str, get: &str) -> Result<PathBuf> {
    first(directory, set, &[name], get)
}

/// The first of several names that is there.
///
/// # Errors
/// As [`find`].
pub(super) fn first(directory: Option<&Path>, set: &str, names: &[&str], get: &str) -> Result<PathBuf> {
    let directory = named(directory, set, get)?;
    let places: Vec<PathBuf> =
        names.iter().flat_map(|name| [directory.join(set).join(name), directory.join(name)]).collect();
    match places.iter().find(|path| path.exists()) {
        Some(path) => Ok(path.clone()),
        None => Err(Error::file(&places[0], format!("not found: {get}"))),
    }
}

/// The directory of the data sets.
///
/// # Errors
/// [`Error::Input`] where none is named.
pub(super) fn named<'a>(directory: Option<&'a Path>, set: &str, get: &str) -> Result<&'a Path> {
    directory.ok_or_else(|| {
        Error::Input(format!("the {set} data set is needed: give --data DIR or set SPIKEGRAD_DATA=DIR ({get})"))
    })
}

/// The bytes of a file, at most `most` of them, unpacked where its name ends in `.gz`. Memory grows with what is really
/// there.
///
/// # Errors
/// [`Error::File`] where it cannot be read, is damaged, or holds more.
pub(super) fn bytes(path: &Path, most: usize) -> Result<Vec<u8>> {
    let cannot = |error: std::io::Error| Error::file(path, format!("cannot be read: {error}"));
    plain(path)?;
    let file = BufReader::new(File::open(path).map_err(cannot)?);
    let mut bytes = Vec::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        let read = MultiGzDecoder::new(file).take(most as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|_| Error::file(path, "is not a complete gzip file (truncated or damaged): fetch it again"))?;
    } else {
        file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(cannot)?;
    }
    if bytes.len() > most {
        return Err(Error::file(path, format!("holds more than the {most} bytes that it may: fetch it again")));
    }
    Ok(bytes)
}

/// Refuses directories, and pipes, which would be waited for.
fn plain(path: &Path) -> Result<()> {
    match std::fs::metadata(path) {
        Ok(file) if file.is_file() => Ok(()),
        Ok(_) => Err(Error::file(path, "is not a plain file")),
        Err(error) => Err(Error::file(path, format!("cannot be read: {error}"))),
    }
}

/// The bytes of a file as they lie there.
///
/// # Errors
/// [`Error::File`] where it cannot be read.
pub(super) fn raw(path: &Path) -> Result<Vec<u8>> {
    plain(path)?;
    std::fs::read(path).map_err(|error| Error::file(path, format!("cannot be read: {error}")))
}

/// The MD5 checksum of `bytes`, as publishers write it.
pub(super) fn md5(bytes: &[u8]) -> String {
    hex(&Md5::digest(bytes))
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{bytes, raw};

    #[test]
    fn what_is_no_file_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("labels.gz");
        std::fs::create_dir(&directory).unwrap();
        for read in [bytes(&directory, 10), raw(&directory)] {
            assert!(read.unwrap_err().to_string().contains("is not a plain file"));
        }
        assert!(raw(&place.path().join("none")).unwrap_err().to_string().contains("cannot be read"));
    }
}
