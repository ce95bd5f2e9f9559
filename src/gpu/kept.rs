//! Where the measured constants of devices are kept: a file for each in the user's cache directory, named and keyed by adapter,
//! backend and driver with its version. One that cannot be read is as good as none, and is written anew.

use super::device::AdapterInfo;
use super::form::Costs;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// What a file holds.
#[derive(serde::Serialize, serde::Deserialize)]
struct Kept {
    key: String,
    costs: Costs,
}

/// What is known of a device, and what a new driver changes.
fn key(info: &AdapterInfo) -> String {
    // The version of this crate stands for its kernels.
    format!("{} | {} | {} | spikegrad {}", info.name, info.backend, info.driver, env!("CARGO_PKG_VERSION"))
}

/// `$XDG_CACHE_HOME/spikegrad/devices`, or in `~/.cache`.
pub(super) fn directory() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // A relative path is to be ignored, says the specification.
    let cache = set("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let cache = cache.or_else(|| set("HOME").or_else(|| set("USERPROFILE")).map(|home| home.join(".cache")))?;
    Some(cache.join("spikegrad").join("devices"))
}

/// The file of a device: its key in letters that every file system takes, and a number against two that look alike.
fn file(directory: &Path, info: &AdapterInfo) -> PathBuf {
    let key = key(info);
    // FNV-1a.
    let hash = key
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = info.name.chars().take(40).map(letter).collect();
    directory.join(format!("{name}-{hash:016x}.json"))
}

/// What was measured on a device, if it was.
pub(super) fn load(directory: &Path, info: &AdapterInfo) -> Option<Costs> {
    let bytes = std::fs::read(file(directory, info)).ok()?;
    let kept: Kept = serde_json::from_slice(&bytes).ok()?;
    (kept.key == key(info) && kept.costs.are_sound()).then_some(kept.costs)
}

/// Keeps what was measured, and says where.
///
/// # Errors
/// [`Error::File`] where the directory cannot be written to.
pub(super) fn store(directory: &Path, info: &AdapterInfo, costs: &Costs) -> Result<PathBuf> {
    let path = file(directory, info);
    std::fs::create_dir_all(directory)
        .map_err(|error| Error::file(directory, format!("cannot be made: {error}; set XDG_CACHE_HOME")))?;
    let kept = Kept { key: key(info), costs: *costs };
    let text = serde_json::to_string_pretty(&kept).map_err(|error| Error::file(&path, error.to_string()))?;
    crate::io::write_whole(&path, text.as_bytes())?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::super::device::AdapterKind;
    use super::*;

    fn adapter(driver: &str) -> AdapterInfo {
        AdapterInfo {
            index: 0,
            name: "Some GPU / 3000".into(),
            backend: "vulkan".into(),
            kind: AdapterKind::Discrete,
            driver: driver.into(),
            largest_array: 1 << 27,
            workgroup_memory: 1 << 14,
            invocations: 256,
            half: false,
            subgroups: false,
            timestamps: false,
        }
    }

    #[test]
    fn what_was_measured_is_found_again_for_the_same_driver_only() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().join("devices");
        let costs = Costs { cores: 17.0, slab: 1.25e-7, ..Costs::default() };
        assert_eq!(load(&directory, &adapter("1.0")), None);
        store(&directory, &adapter("1.0"), &costs).unwrap();
        assert_eq!(load(&directory, &adapter("1.0")), Some(costs));
        assert_eq!(load(&directory, &adapter("1.1")), None);
    }

    #[test]
    fn a_broken_file_is_none_and_is_written_anew() {
        let directory = tempfile::tempdir().unwrap();
        let info = adapter("1.0");
        let path = store(directory.path(), &info, &Costs::default()).unwrap();
        let whole = std::fs::read_to_string(&path).unwrap();
        let wrong = [
            whole[..whole.len() / 2].to_string(),
            String::new(),
            whole.replace("Some GPU", "Another"),
            whole.replace("40.0", "-40.0"),
            whole.replace("40.0", "null"),
        ];
        for text in wrong {
            std::fs::write(&path, &text).unwrap();
            assert_eq!(load(directory.path(), &info), None, "{text}");
        }
        store(directory.path(), &info, &Costs::default()).unwrap();
        assert_eq!(load(directory.path(), &info), Some(Costs::default()));
    }
}
