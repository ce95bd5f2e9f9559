//! Limits of a machine, measured: how fast it copies, multiplies matrices, and adds rows of a table.

use pulp::Arch;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use spikegrad::{Error, Result};
use std::time::Instant;

/// Numbers of a row of the table that rows are added of: what fits into registers.
const ROW: usize = 64;
/// Bytes of the tables.
const TABLES: [usize; 6] = [64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20];

/// Rates of a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes a second, read and written, of a copy that no cache holds.
    pub copy: f64,
    /// Floating-point operations a second of a matrix product; None: not known.
    pub product: Option<f64>,
    /// Bytes of a table, and bytes a second of rows of it that are added, ascending; empty: not known.
    pub gathers: Vec<(f64, f64)>,
}

impl Limits {
    /// Seconds that something takes at least, and which limit says so; None where one that counts is not known.
    pub fn seconds(&self, bytes: f64, operations: f64, gathers: &[(f64, f64)]) -> Option<(f64, &'static str)> {
        let mut gathered = 0.0;
        for &(bytes, table) in gathers.iter().filter(|(bytes, _)| *bytes > 0.0) {
            gathered += bytes / self.gather(table)?;
        }
        let product = if operations > 0.0 { operations / self.product? } else { 0.0 };
        let all = [(bytes / self.copy, "copy"), (product, "product"), (gathered, "gather")];
        all.into_iter().max_by(|one, other| one.0.total_cmp(&other.0))
    }

    /// Bytes a second of rows from a table of this size: between two that were measured, along the logarithm of the size.
    fn gather(&self, table: f64) -> Option<f64> {
        let after = self.gathers.iter().position(|(size, _)| *size >= table);
        Some(match after {
            None => self.gathers.last()?.1,
            Some(0) => self.gathers[0].1,
            Some(at) => {
                let ((low, slow), (high, fast)) = (self.gathers[at - 1], self.gathers[at]);
                let part = (table / low).ln() / (high / low).ln();
                slow + part * (fast - slow)
            }
        })
    }

    /// As lines of a report.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("copy                {:>8.1} GB/s", self.copy / 1e9)];
        lines.push(match self.product {
            Some(product) => format!("f32 product         {:>8.1} GFLOP/s", product / 1e9),
            None => "f32 product         not known on this device".into(),
        });
        if self.gathers.is_empty() {
            lines.push(
                "rows of a table     not known on this device: no limit for kernels that add rows by events".into(),
            );
        }
        for (table, rate) in &self.gathers {
            let size = spikegrad::engine::human_bytes(*table as u64);
            lines.push(format!("rows of {size:>10}  {:>8.1} GB/s", rate / 1e9));
        }
        lines
    }
}

/// Seconds of the fastest half of some runs of `work`, their median.
fn seconds(budget: f64, mut work: impl FnMut()) -> f64 {
    work();
    let (begun, mut times) = (Instant::now(), Vec::new());
    while times.len() < 3 || begun.elapsed().as_secs_f64() < budget {
        let begun = Instant::now();
        work();
        times.push(begun.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 4]
}

/// Those of the CPU backend on the current threads.
pub fn of_cpu(quick: bool) -> Limits {
    let budget = if quick { 0.1 } else { 0.5 };
    Limits {
        copy: copy(if quick { 64 << 20 } else { 256 << 20 }, budget),
        product: Some(product(if quick { 512 } else { 1536 }, budget)),
        gathers: TABLES.iter().map(|&table| (table as f64, gather(table, budget))).collect(),
    }
}

fn copy(bytes: usize, budget: f64) -> f64 {
    let from = vec![1u8; bytes];
    let mut to = vec![0u8; bytes];
    let piece = 1 << 20;
    let seconds = seconds(budget, || {
        to.par_chunks_mut(piece).zip(from.par_chunks(piece)).for_each(|(to, from)| to.copy_from_slice(from));
    });
    std::hint::black_box(&to);
    2.0 * bytes as f64 / seconds
}

fn product(n: usize, budget: f64) -> f64 {
    let (a, b) = (vec![0.5f32; n * n], vec![0.25f32; n * n]);
    let mut out = vec![0f32; n * n];
    let rows = n.div_ceil(rayon::current_num_threads());
    let seconds = seconds(budget, || {
        out.par_chunks_mut(rows * n).zip(a.par_chunks(rows * n)).for_each(|(out, a)| {
            let (m, n) = (a.len() / n, n as isize);
            // SAFETY: `a` and `out` are m rows of n numbers, `b` n of them, and `out` is this task's alone.
            unsafe {
                gemm::gemm(
                    m,
                    n as usize,
                    n as usize,
                    out.as_mut_ptr(),
                    1,
                    n,
                    false,
                    a.as_ptr(),
                    1,
                    n,
                    b.as_ptr(),
                    1,
                    n,
                    0.0,
                    1.0,
                    false,
                    false,
                    false,
                    gemm::Parallelism::None,
                );
            }
        });
    });
    std::hint::black_box(&out);
    2.0 * (n * n * n) as f64 / seconds
}

/// Every thread adds random rows of one table: what an event-driven kernel does with its weights.
fn gather(bytes: usize, budget: f64) -> f64 {
    let table: Vec<f32> = (0..bytes / 4).map(|n| (n % 7) as f32).collect();
    let rows = table.len() / ROW;
    let (threads, count) = (rayon::current_num_threads(), 1 << 16);
    let seconds = seconds(budget / 2.0, || {
        (0..threads).into_par_iter().for_each(|thread| {
            let sum = Arch::new().dispatch(|| add_rows(&table, rows, count, thread as u64));
            std::hint::black_box(sum);
        });
    });
    (threads * count * ROW * 4) as f64 / seconds
}

/// `count` rows of a table of a power of two of them, drawn by a linear congruence.
#[inline(always)]
fn add_rows(table: &[f32], rows: usize, count: usize, seed: u64) -> [f32; ROW] {
    let mut sum = [0f32; ROW];
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for _ in 0..count {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let row = (state >> 33) as usize & (rows - 1);
        for (sum, value) in sum.iter_mut().zip(&table[row * ROW..(row + 1) * ROW]) {
            *sum += value;
        }
    }
    sum
}

/// Those of a GPU, by its own clock: a copy, and the product of this engine. How fast it adds rows of a table is not
/// known.
///
/// # Errors
/// [`Error::Device`] where there is none, or where it cannot measure time.
#[cfg(feature = "gpu")]
pub fn of_gpu(adapter: Option<usize>, quick: bool) -> Result<Limits> {
    use spikegrad::gpu::Gpu;
    use spikegrad::kernels::{ActivityKind, Drive, Kernels, Memory, Projection, Shape, Stretch};
    let mut gpu = Gpu::new(adapter)?;
    let len = if quick { 1 << 20 } else { (gpu.largest_array() / 4).min(1 << 26) as usize };
    let n = if quick { 256 } else { 2048 };
    let shape = Shape { steps: 1, batch: n, units: n };
    let (from, mut to) = (gpu.values("copy", len)?, gpu.values("copy", len)?);
    let source = gpu.activity("product", ActivityKind::Values, shape)?;
    let (weights, constants) = (gpu.values("product", n * n)?, gpu.values("product", 5 * n)?);
    let mut out = gpu.values("product", n * n)?;
    gpu.profile(true)?;
    for _ in 0..5 {
        let all = Stretch { first: 0, stride: len };
        gpu.copy(&from, all, &mut to, all, 1, len);
        gpu.drive(Drive {
            projection: Projection::Dense,
            inputs: n,
            shape,
            range: 0..1,
            source: &source,
            lag: 0,
            weights: &weights,
            constants: &constants,
            out: &mut out,
        });
        gpu.submit();
    }
    let spans = gpu.take_profile()?.spans;
    let fastest = |kernel: &str| {
        let of_kernel = spans.iter().filter(|span| span.kernel == kernel).map(|span| span.duration);
        of_kernel.filter(|duration| *duration > 0.0).min_by(f64::total_cmp)
    };
    let Some(copy) = fastest("copy") else {
        return Err(Error::Device(format!("the clock of {} stands still", gpu.adapter().name)));
    };
    Ok(Limits {
        copy: 8.0 * len as f64 / copy,
        product: fastest("drive").map(|seconds| 2.0 * (n * n * n) as f64 / seconds),
        gathers: Vec::new(),
    })
}

/// This build has none.
///
/// # Errors
/// [`Error::Device`].
#[cfg(not(feature = "gpu"))]
pub fn of_gpu(_adapter: Option<usize>, _quick: bool) -> Result<Limits> {
    Err(Error::Device("this build has no GPU backend: build it with the feature gpu".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_part_is_the_limit() {
        let limits = Limits { copy: 10.0, product: Some(100.0), gathers: vec![(64.0, 40.0), (256.0, 20.0)] };
        assert_eq!(limits.seconds(20.0, 100.0, &[]), Some((2.0, "copy")));
        assert_eq!(limits.seconds(20.0, 500.0, &[]), Some((5.0, "product")));
        assert_eq!(limits.seconds(20.0, 0.0, &[(80.0, 1.0), (60.0, 1e9)]), Some((5.0, "gather")));
        let (between, _) = limits.seconds(0.0, 0.0, &[(30.0, 128.0)]).unwrap();
        assert!((between - 1.0).abs() < 1e-12, "{between}");
        let unknown = Limits { product: None, gathers: Vec::new(), ..limits };
        assert_eq!(unknown.seconds(1.0, 1.0, &[]), None);
        assert_eq!(unknown.seconds(1.0, 0.0, &[(1.0, 1.0)]), None);
        assert_eq!(unknown.seconds(1.0, 0.0, &[]), Some((0.1, "copy")));
    }

    #[test]
    fn every_row_of_a_table_is_added_as_it_stands() {
        let table = vec![1.0; 4 * ROW];
        assert_eq!(add_rows(&table, 4, 10, 3), [10.0; ROW]);
    }
}
