//! A file that is written whole or not at all.

use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Writes `bytes` to `path`: into a temporary file in the same directory, to the disk, then under the name. Whenever the
/// process dies, `path` holds the old bytes or the new ones.
///
/// # Errors
/// [`Error::File`] where the directory cannot be written to or the disk is full; the old file is still there then.
pub fn write_whole(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    let mut file = WholeFile::create(path)?;
    file.write(bytes)?;
    file.finish()
}

/// Whether [`write_whole`] can begin `path`, for what takes long before it writes.
///
/// # Errors
/// As [`write_whole`].
pub fn check_writable(path: impl AsRef<Path>) -> Result<()> {
    WholeFile::create(path).map(drop)
}

/// A file on its way to `path`, piece by piece: the name gets the new bytes in [`WholeFile::finish`], and not before. What
/// is dropped unfinished leaves nothing behind. One at a time for a path.
#[derive(Debug)]
pub(crate) struct WholeFile {
    path: PathBuf,
    temporary: PathBuf,
    file: BufWriter<File>,
    finished: bool,
}

impl WholeFile {
    /// Begins a file.
    ///
    /// # Errors
    /// [`Error::File`] where `path` is not to be replaced, or the directory cannot be written to.
    pub(crate) fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) {
            return Err(Error::file(path, "is not a plain file and is not replaced: name another"));
        }
        let temporary = temporary(&path)?;
        let opened = File::options().read(true).write(true).create(true).truncate(true).open(&temporary);
        let file = opened.map_err(|error| cannot(&path, error))?;
        Ok(WholeFile { path, temporary, file: BufWriter::with_capacity(1 << 18, file), finished: false })
    }

    /// Where it goes.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The next bytes.
    ///
    /// # Errors
    /// [`Error::File`] where the disk is full or gone.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| cannot(&self.path, error))
    }

    /// The next words, little-endian.
    ///
    /// # Errors
    /// As [`WholeFile::write`].
    pub(crate) fn write_words(&mut self, words: &[u32]) -> Result<()> {
        let mut bytes = [[0; 4]; 1024];
        for words in words.chunks(bytes.len()) {
            for (bytes, word) in bytes.iter_mut().zip(words) {
                *bytes = word.to_le_bytes();
            }
            self.write(bytes[..words.len()].as_flattened())?;
        }
        Ok(())
    }

    /// Goes on at byte `at`.
    ///
    /// # Errors
    /// As [`WholeFile::write`].
    pub(crate) fn seek(&mut self, at: u64) -> Result<()> {
        self.file.seek(SeekFrom::Start(at)).map(drop).map_err(|error| cannot(&self.path, error))
    }

    /// All bytes of `other`.
    ///
    /// # Errors
    /// As [`WholeFile::write`].
    pub(crate) fn append(&mut self, other: &mut WholeFile) -> Result<()> {
        other.seek(0)?;
        io::copy(&mut other.file.get_ref(), &mut self.file).map(drop).map_err(|error| cannot(&self.path, error))
    }

    /// Number of bytes so far.
    ///
    /// # Errors
    /// As [`WholeFile::write`].
    pub(crate) fn len(&mut self) -> Result<u64> {
        let length = self.file.flush().and_then(|()| Ok(self.file.get_ref().metadata()?.len()));
        length.map_err(|error| cannot(&self.path, error))
    }

    /// Sees the bytes onto the disk and gives them their name.
    ///
    /// # Errors
    /// [`Error::File`] where that fails; the old file is still there then.
    pub(crate) fn finish(mut self) -> Result<()> {
        let written = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        let renamed = written.and_then(|()| fs::rename(&self.temporary, &self.path));
        renamed.map_err(|error| cannot(&self.path, error))?;
        self.finished = true;
        // The new name itself reaches the disk with its directory. Not every file system can do that, none needs it.
        if let Some(directory) = self.path.parent().filter(|directory| !directory.as_os_str().is_empty())
            && let Ok(directory) = File::open(directory)
        {
            let _ = directory.sync_all();
        }
        Ok(())
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if !self.finished {
            // The message is about the first error; a temporary file that cannot be removed does no harm.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

fn cannot(path: &Path, error: io::Error) -> Error {
    Error::file(path, format!("cannot be written: {error}"))
}

/// The temporary name beside `path`. It is the same every time, so that a killed run leaves at most one behind.
fn temporary(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| Error::file(path, "names a directory, not a file"))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".tmp");
    Ok(path.with_file_name(hidden))
}
