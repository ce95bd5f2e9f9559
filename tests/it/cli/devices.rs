//! `spikegrad devices --calibrate`: measures, keeps, and is asked for before it counts.
#![cfg(feature = "gpu")]

use super::{bad, program};
use std::path::Path;

fn devices(cache: &Path, arguments: &[&str], calibrated: bool) -> String {
    let mut program = program(cache);
    program.env("XDG_CACHE_HOME", cache).env_remove("SPIKEGRAD_CALIBRATED").arg("devices").args(arguments);
    if calibrated {
        program.env("SPIKEGRAD_CALIBRATED", "1");
    }
    let output = program.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn a_calibration_is_kept_in_the_cache_of_the_user() {
    if spikegrad::gpu::adapters().is_empty() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let kept = directory.path().join("spikegrad").join("devices");
    devices(directory.path(), &[], false);
    assert!(!kept.exists(), "nothing is measured without being asked for");
    let text = devices(directory.path(), &["--calibrate", "--device", "gpu:0"], false);
    assert!(text.contains("GFLOP/s") && text.contains("kept in"), "{text}");
    let files: Vec<_> = std::fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(std::fs::read_to_string(&files[0]).unwrap().contains("core_bandwidth"));
}

#[test]
fn only_a_gpu_can_be_calibrated() {
    let directory = tempfile::tempdir().unwrap();
    bad(directory.path(), &["devices", "--calibrate", "--device", "cpu"], &["--device gpu"]);
    bad(directory.path(), &["devices", "--calibrate", "--device", "gpu:77"], &["gpu:77"]);
}
