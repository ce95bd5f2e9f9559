//! Downloads: resumed where they stopped, checked before they get their name.

use super::files::hex;
use super::published::Checksum;
use crate::error::{Error, Result};
use crate::io::WholeFile;
use md5::{Digest, Md5};
use sha2::Sha256;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::Agent;
use zip::ZipArchive;

/// Seconds without a byte after which a server counts as gone.
const PATIENCE: u64 = 30;

/// Downloads `address` to `path`; true where it was there already, whole. What has come lies in `path` with `.part` behind it
/// until it is complete and its checksum is right, and a later call goes on from there. `watch` is told how many bytes of how
/// many are there, None while nobody knows.
///
/// # Errors
/// [`Error::File`] where the server cannot be reached, has no such file, or breaks off (the part is kept); where the checksum
/// differs (the part is removed); and where the disk is full.
pub fn fetch(
    address: &str,
    path: &Path,
    checksum: Option<Checksum>,
    mut watch: impl FnMut(u64, Option<u64>),
) -> Result<bool> {
    if path.exists() {
        if right(path, checksum)? {
            return Ok(true);
        }
        return Err(Error::file(
            path,
            "is there, but its checksum is not the published one: remove it, then fetch again",
        ));
    }
    if let Some(directory) = path.parent() {
        let cannot = |error| Error::file(directory, format!("cannot make the directory: {error}"));
        fs::create_dir_all(directory).map_err(cannot)?;
    }
    let part = with_suffix(path, ".part");
    if !download(address, &part, &mut watch)? {
        // What is there is not the beginning of what the server has.
        remove(&part)?;
        download(address, &part, &mut watch)?;
    }
    if !right(&part, checksum)? {
        remove(&part)?;
        return Err(Error::file(
            path,
            format!("what came from {address} does not have the published checksum, and was removed: fetch again"),
        ));
    }
    File::open(&part).and_then(|file| file.sync_all()).map_err(|error| cannot(path, &error))?;
    fs::rename(&part, path).map_err(|error| cannot(path, &error))?;
    Ok(false)
}

/// Gets what is missing of a part; false where the server says that there is no such place in its file.
fn download(address: &str, part: &Path, watch: &mut impl FnMut(u64, Option<u64>)) -> Result<bool> {
    let have = fs::metadata(part).map_or(0, |found| found.len());
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(Duration::from_secs(PATIENCE)))
        .timeout_recv_response(Some(Duration::from_secs(PATIENCE)))
        .build();
    let broken = |error: &dyn std::fmt::Display| Error::file(part, format!("{address}: {error}; fetch again to go on"));
    let mut request = Agent::new_with_config(config).get(address).header("accept-encoding", "identity");
    if have > 0 {
        request = request.header("range", format!("bytes={have}-"));
    }
    let response = request.call().map_err(|error| broken(&error))?;
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_string);
    let length = header("content-length").and_then(|length| length.parse::<u64>().ok());
    let (mut done, total) = match response.status().as_u16() {
        200 => (0, length),
        206 => {
            // `bytes 100-199/200`
            let range = header("content-range").unwrap_or_default();
            let (place, total) =
                range.strip_prefix("bytes ").and_then(|range| range.split_once('/')).unwrap_or_default();
            if place.split('-').next().and_then(|first| first.parse().ok()) != Some(have) {
                return Ok(false);
            }
            (have, total.parse().ok().or(length.map(|length| have + length)))
        }
        416 if have > 0 => return Ok(false),
        404 | 410 => {
            return Err(Error::file(part, format!("{address} is not there any more (docs/data.md names its page)")));
        }
        status => return Err(broken(&format!("the server answers {status}"))),
    };
    let mut options = OpenOptions::new();
    let options = if done == 0 { options.write(true).create(true).truncate(true) } else { options.append(true) };
    let mut file = options.open(part).map_err(|error| cannot(part, &error))?;
    let mut body = response.into_body().into_reader();
    let mut bytes = vec![0; 1 << 16];
    loop {
        watch(done, total);
        let count = match body.read(&mut bytes) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) => return Err(broken(&error)),
        };
        file.write_all(&bytes[..count]).map_err(|error| cannot(part, &error))?;
        done += count as u64;
    }
    match total {
        Some(total) if done != total => Err(broken(&format!("broke off after {done} of {total} bytes"))),
        _ => Ok(true),
    }
}

/// Whether a file has its checksum; any has none.
fn right(path: &Path, checksum: Option<Checksum>) -> Result<bool> {
    Ok(match checksum {
        None => true,
        Some(Checksum::Md5(known)) => digest::<Md5>(path)? == known,
        Some(Checksum::Sha256(known)) => digest::<Sha256>(path)? == known,
    })
}

fn digest<D: Digest>(path: &Path) -> Result<String> {
    let cannot = |error: std::io::Error| Error::file(path, format!("cannot be read: {error}"));
    let mut file = File::open(path).map_err(cannot)?;
    let (mut digest, mut bytes) = (D::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut bytes).map_err(cannot)? {
            0 => return Ok(hex(&digest.finalize())),
            count => digest.update(&bytes[..count]),
        }
    }
}

/// What is larger than this once unpacked is no data set that is known here.
const LARGEST: u64 = 16 << 30;

/// Unpacks what training or converting cannot read packed: HDF5 files, and the recordings of FSDD. Each is written whole or
/// not at all; one that is there already stays. Gives what was written.
///
/// # Errors
/// [`Error::File`] where the archive is damaged or the disk is full.
pub fn unpack(path: &Path) -> Result<Vec<PathBuf>> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let directory = path.parent().unwrap_or(Path::new(""));
    let wanted: fn(&str) -> Option<PathBuf> = match name {
        "fsdd.zip" => |entry| {
            let (folder, file) = entry.rsplit_once('/')?;
            let own = folder.ends_with("/recordings") && file.ends_with(".wav");
            own.then(|| Path::new("recordings").join(file))
        },
        _ if name.ends_with(".h5.zip") => {
            |entry| (entry.ends_with(".h5") && !entry.contains('/')).then(|| PathBuf::from(entry))
        }
        _ => return Ok(Vec::new()),
    };
    let damaged = |error: &dyn std::fmt::Display| Error::file(path, format!("cannot be unpacked: {error}"));
    let file = File::open(path).map_err(|error| damaged(&error))?;
    let mut archive = ZipArchive::new(file).map_err(|error| damaged(&error))?;
    let mut written = Vec::new();
    for at in 0..archive.len() {
        let entry = archive.by_index(at).map_err(|error| damaged(&error))?;
        // Only a plain name comes through: nothing is written outside the directory.
        let name = entry.name().map_err(|error| damaged(&error))?;
        let Some(to) = wanted(&name).filter(|to| to.components().all(plain)) else { continue };
        let to = directory.join(to);
        if to.exists() {
            continue;
        }
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))?;
        }
        let mut whole = WholeFile::create(&to)?;
        let mut entry = entry.take(LARGEST);
        let mut bytes = vec![0; 1 << 16];
        loop {
            match entry.read(&mut bytes).map_err(|error| damaged(&error))? {
                0 => break,
                count => whole.write(&bytes[..count])?,
            }
        }
        whole.finish()?;
        written.push(to);
    }
    Ok(written)
}

fn plain(component: std::path::Component) -> bool {
    matches!(component, std::path::Component::Normal(_))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(suffix);
    PathBuf::from(name)
}

fn remove(part: &Path) -> Result<()> {
    fs::remove_file(part).map_err(|error| Error::file(part, format!("cannot be removed: {error}")))
}

fn cannot(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::file(path, format!("cannot be written: {error}"))
}
