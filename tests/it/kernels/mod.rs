//! Every operation of the contract, on every backend, against its naive version.
//!
//! A check is written once, generic over the backend, and takes a case. Cases are drawn from a seeded generator and
//! printed, so that a failing one can be written down and run alone. All inputs are numbers that f32 holds exactly.

mod advance;
pub mod backward;
mod case;
mod constants;
mod control;
pub mod drive;
pub mod drive_backward;
pub mod forms;
pub mod forward;
pub mod fused;
mod host;
mod loss;
mod memory;
mod neuron_gradient;
mod readout;
mod update;
pub mod weight_gradient;
mod windows;

pub use case::*;
pub use host::*;

use spikegrad::kernels::Kernels;
use spikegrad::spikes::Random;

/// Runs `check` on `count` drawn cases.
pub fn on_drawn<K: Kernels, C: std::fmt::Debug>(
    kernels: &mut K,
    count: u64,
    draw: impl Fn(&mut Random) -> C,
    check: impl Fn(&mut K, &C),
) {
    for seed in 0..count {
        let case = draw(&mut Random::new(seed, 0));
        println!("case {seed}: {case:?}");
        check(kernels, &case);
    }
}

/// The GPU backend, or None (said aloud) where there is no adapter.
#[cfg(feature = "gpu")]
pub fn gpu() -> Option<spikegrad::gpu::Gpu> {
    let gpu = spikegrad::gpu::Gpu::for_tests();
    if gpu.is_none() {
        eprintln!("skipped: no adapter");
    }
    gpu
}

/// Tests `name::cpu_f32`, `name::cpu_f64` and `name::gpu`: `check` on drawn cases, fewer on the GPU, which may be a
/// software driver.
macro_rules! on_every_backend {
    ($name:ident, $count:literal, $draw:expr, $check:ident) => {
        mod $name {
            use super::*;
            use crate::kernels::on_drawn;
            use spikegrad::cpu::Cpu;

            #[test]
            fn cpu_f32() {
                on_drawn(&mut Cpu::<f32>::new(), $count, $draw, $check);
            }

            #[test]
            fn cpu_f64() {
                on_drawn(&mut Cpu::<f64>::new(), $count, $draw, $check);
            }

            #[cfg(feature = "gpu")]
            #[test]
            fn gpu() {
                if let Some(mut gpu) = crate::kernels::gpu() {
                    on_drawn(&mut gpu, u64::div_ceil($count, 3), $draw, $check);
                }
            }
        }
    };
}
pub(crate) use on_every_backend;
