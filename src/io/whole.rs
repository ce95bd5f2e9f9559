//! A file that is written whole or not at all.

use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes `bytes` to `path`: into a temporary file in the same directory, to the disk, then under the name. Whenever the
/// process dies, `path` holds the old bytes or the new ones.
///
/// # Errors
/// [`Error::File`] where the directory cannot be written to or the disk is full; the old file is still there then.
pub fn write_whole(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    let path = path.as_ref();
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(Error::file(path, "is not a plain file and is not replaced: name another"));
    }
    let temporary = temporary(path)?;
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = renamed {
        // The message is about the first error; a temporary file that cannot be removed does no harm.
        let _ = fs::remove_file(&temporary);
        return Err(Error::file(path, format!("cannot be written: {error}")));
    }
    // The new name itself reaches the disk with its directory. Not every file system can do that, none needs it.
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty())
        && let Ok(directory) = File::open(directory)
    {
        let _ = directory.sync_all();
    }
    Ok(())
}

/// The temporary name beside `path`. It is the same every time, so that a killed run leaves at most one behind.
fn temporary(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| Error::file(path, "names a directory, not a file"))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".tmp");
    Ok(path.with_file_name(hidden))
}
