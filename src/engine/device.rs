//! Which device a run uses, and how much memory it may take.

use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// The device of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// A real GPU if there is one, otherwise the embedded CPU backend.
    #[default]
    Auto,
    /// The embedded CPU backend.
    Cpu,
    /// The best real GPU, or the adapter of that number (`spikegrad devices` lists them).
    Gpu(Option<usize>),
}

impl Device {
    /// Whether this machine has it; nothing is opened.
    ///
    /// # Errors
    /// [`Error::Device`] where there is no such GPU, with those that there are.
    pub fn check(self) -> Result<()> {
        match self {
            Device::Gpu(wanted) => gpu(wanted),
            Device::Auto | Device::Cpu => Ok(()),
        }
    }
}

#[cfg(feature = "gpu")]
fn gpu(wanted: Option<usize>) -> Result<()> {
    crate::gpu::find_adapter(wanted).map(drop)
}

#[cfg(not(feature = "gpu"))]
fn gpu(_: Option<usize>) -> Result<()> {
    Err(Error::Device("this build has no GPU backend: build it with the feature gpu".into()))
}

impl FromStr for Device {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Device::Auto),
            "cpu" => Ok(Device::Cpu),
            "gpu" => Ok(Device::Gpu(None)),
            _ => match text.strip_prefix("gpu:").and_then(|index| index.parse().ok()) {
                Some(index) => Ok(Device::Gpu(Some(index))),
                None => Err(Error::Input(format!("unknown device \"{text}\": use auto, cpu, gpu or gpu:N"))),
            },
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Device::Auto => f.write_str("auto"),
            Device::Cpu => f.write_str("cpu"),
            Device::Gpu(None) => f.write_str("gpu"),
            Device::Gpu(Some(index)) => write!(f, "gpu:{index}"),
        }
    }
}

/// How much memory the buffers of a run may take on its device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Budget {
    /// Half of the memory that is free on the CPU, 2 GiB on a GPU (which cannot be asked); more where even the smallest plan
    /// needs more.
    #[default]
    Auto,
    /// As much as the device gives.
    Unbounded,
    /// At most this many bytes.
    Bytes(u64),
}

impl FromStr for Budget {
    type Err = Error;

    /// `auto`, `max`, or bytes: `512MiB`, `1.5GiB`, `64MB`, `1000000`.
    fn from_str(text: &str) -> Result<Self> {
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit: f64 = match unit.trim().to_ascii_lowercase().as_str() {
            "auto" if number.is_empty() => return Ok(Budget::Auto),
            "max" if number.is_empty() => return Ok(Budget::Unbounded),
            "" | "b" => 1.0,
            "kb" => 1e3,
            "mb" => 1e6,
            "gb" => 1e9,
            "kib" | "k" => 1024.0,
            "mib" | "m" => 1024.0 * 1024.0,
            "gib" | "g" => 1024.0 * 1024.0 * 1024.0,
            _ => 0.0,
        };
        match number.parse::<f64>() {
            Ok(number) if unit > 0.0 && (1.0..1e18).contains(&(number * unit)) => {
                Ok(Budget::Bytes((number * unit) as u64))
            }
            _ => Err(Error::Input(format!(
                "unknown amount of memory \"{text}\": use 512MiB, 2GiB, a number of bytes, auto or max"
            ))),
        }
    }
}

/// The processor and the threads of the CPU backend, in one line.
pub(super) fn describe_cpu() -> String {
    let threads = rayon::current_num_threads();
    let plural = if threads == 1 { "" } else { "s" };
    let instructions = if cfg!(target_arch = "x86_64") {
        #[cfg(target_arch = "x86_64")]
        {
            if std::arch::is_x86_feature_detected!("avx512f") {
                ", AVX-512"
            } else if std::arch::is_x86_feature_detected!("avx2") {
                ", AVX2"
            } else {
                ""
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            ""
        }
    } else {
        ""
    };
    format!("cpu: {}, {threads} thread{plural}{instructions}", processor())
}

/// The processor's name where the system tells it, else its architecture.
fn processor() -> String {
    std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_string())
        })
        .unwrap_or_else(|| std::env::consts::ARCH.to_string())
}
