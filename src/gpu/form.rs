//! How a layer's scan is cut into dispatches: the cost model behind `form`, the geometry of the resident kernels, and the
//! slices of long work.

use super::device::Limits;
use crate::kernels::{Form, Shape};
use std::ops::Range;

/// Multiply-adds of a dispatch at most: 20 ms of a small integrated GPU (10¹¹ a second). Longer ones freeze a display.
const DISPATCH: u64 = 2_000_000_000;

// The cost model of a recurrent step, for a GPU of the middle class. What matters is the order of magnitude: below a few
// hundred neurons a resident step is far cheaper than a dispatch, above a few thousand it is far dearer.

/// Workgroups that run side by side.
const CORES: f64 = 40.0;
/// Bytes a second that one workgroup loads from the cache that all share.
const CORE_BANDWIDTH: f64 = 6e10;
/// Seconds that a resident step takes at least: a barrier and a chain of dependent loads.
const RESIDENT_STEP: f64 = 2e-6;
/// Seconds from one dispatch to the next that depends on it.
const DISPATCH_GAP: f64 = 6e-6;
/// Multiply-adds a second of the tiled product, and seconds that a slab of 16 inner entries takes at least: with few rows
/// there are few tiles, and each walks the whole inner dimension alone.
const PRODUCT: f64 = 3e12;
const SLAB: f64 = 0.5e-6;
/// Bytes a second that the whole device loads in the event-driven kernels.
const BANDWIDTH: f64 = 5e11;
/// Share of neurons that spike in a step, for planning.
const ACTIVE: f64 = 0.05;
/// Seconds that a resident dispatch is planned to last.
const QUANTUM: f64 = 0.02;

/// Cells (samples × neurons) of state that an invocation of a resident kernel can hold in registers.
const CELLS: usize = 8;
/// Invocations of a resident workgroup at most: more would leave too few registers for each.
const INVOCATIONS: usize = 512;

/// `range` of `count` items of `work` each, cut so that a dispatch stays short; whole multiples of `unit`.
pub(super) fn slices(count: usize, work: u64, unit: usize) -> impl Iterator<Item = Range<usize>> {
    let step = ((DISPATCH / work.max(1)) as usize / unit * unit).max(unit);
    (0..count).step_by(step).map(move |start| start..(start + step).min(count))
}

/// Steps of a resident dispatch, `work` multiply-adds each: no more than keep it short.
pub(super) fn bounded(quantum: usize, work: u64) -> usize {
    quantum.min((DISPATCH / work.max(1)) as usize).max(1)
}

/// What a resident kernel is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Invocations.
    pub size: usize,
    /// Neurons of an invocation.
    pub per: usize,
    /// Samples of a workgroup.
    pub tile: usize,
}

impl Geometry {
    /// For rows of `row` neurons and at most `tile` samples, where the workgroup takes `fixed` bytes of memory and
    /// each sample `bytes` more; None where not even one sample fits.
    fn new(limits: &Limits, row: usize, tile: usize, fixed: usize, bytes: usize) -> Option<Geometry> {
        let most = (limits.invocations as usize).min(INVOCATIONS) / 32 * 32;
        let per = row.div_ceil(most);
        let size = row.div_ceil(per).next_multiple_of(32);
        let memory = (limits.workgroup_memory as usize).saturating_sub(fixed);
        let fits = (memory / bytes).min(CELLS / per);
        (fits > 0).then(|| Geometry { size, per, tile: tile.clamp(1, fits) })
    }

    /// Of the forward kernel: a list of neurons, and `lag + 2` arrays of bits a sample.
    pub fn forward(limits: &Limits, row: usize, tile: usize, lag: usize) -> Option<Geometry> {
        Geometry::new(limits, row, tile, row * 4, (lag + 2) * row / 8)
    }

    /// Of the backward kernel: `lag + 1` arrays of numbers a sample; tiles of 1, 2 or 4.
    pub fn backward(limits: &Limits, row: usize, tile: usize, lag: usize) -> Option<Geometry> {
        let geometry = Geometry::new(limits, row, tile, 0, (lag + 1) * row * 4)?;
        let tile = [4, 2, 1].into_iter().find(|&tile| tile <= geometry.tile)?;
        Some(Geometry { tile, ..geometry })
    }
}

/// See `Kernels::form`.
pub(super) fn form(limits: &Limits, shape: Shape, recurrent: bool) -> (Form, Form) {
    if !recurrent {
        return (Form::Scan, Form::Scan);
    }
    let row = shape.row();
    let (batch, weights) = (shape.batch as f64, (row * row) as f64 * 4.0);
    // Small workgroups share a core: they wait at the same time, but load one after the other.
    let resident_step = |geometry: Geometry, bytes: f64| {
        let groups = shape.batch.div_ceil(geometry.tile) as f64;
        let beside = (1024 / geometry.size) as f64;
        let waves = (groups / (CORES * beside)).ceil();
        waves * RESIDENT_STEP + (groups / CORES).max(1.0) * bytes / CORE_BANDWIDTH
    };
    let resident = |tile: usize, seconds: f64| Form::Resident { tile, quantum: ((QUANTUM / seconds) as usize).max(1) };

    // Forward, event-driven: a tile would save nothing, since each sample reads its own rows.
    let stepwise = DISPATCH_GAP + batch * ACTIVE * weights / BANDWIDTH;
    let forward = match Geometry::forward(limits, row, 1, 2).map(|g| resident_step(g, ACTIVE * weights)) {
        Some(seconds) if seconds <= stepwise => resident(1, seconds),
        _ => Form::Stepwise,
    };

    // Backward, dense: a row of R^T serves all samples of the tile. Stepwise takes two dispatches a step.
    let stepwise = 2.0 * DISPATCH_GAP + (batch * weights / 4.0 / PRODUCT).max(row as f64 / 16.0 * SLAB);
    let best = [1, 2, 4]
        .into_iter()
        .filter_map(|tile| Geometry::backward(limits, row, tile, 2).filter(|geometry| geometry.tile == tile))
        .map(|geometry| (geometry.tile, resident_step(geometry, weights)))
        .min_by(|(_, a), (_, b)| a.total_cmp(b));
    let backward = match best {
        Some((tile, seconds)) if seconds <= stepwise => resident(tile, seconds),
        _ => Form::Stepwise,
    };
    (forward, backward)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOR: Limits =
        Limits { largest_array: 128 << 20, workgroup_memory: 16 << 10, invocations: 256, uniform_alignment: 256 };

    fn shape(batch: usize, units: usize) -> Shape {
        Shape { steps: 100, batch, units }
    }

    #[test]
    fn small_recurrent_layers_are_resident_and_large_ones_stepwise() {
        for batch in [1, 64, 256] {
            let (forward, backward) = form(&FLOOR, shape(batch, 128), true);
            assert!(matches!(forward, Form::Resident { .. }), "{forward:?}");
            assert!(matches!(backward, Form::Resident { .. }), "{backward:?}");
            assert_eq!(form(&FLOOR, shape(batch, 8192), true), (Form::Stepwise, Form::Stepwise));
        }
        assert_eq!(form(&FLOOR, shape(64, 128), false), (Form::Scan, Form::Scan));
    }

    #[test]
    fn a_geometry_fits_the_limits() {
        for row in (32..4096).step_by(32) {
            for lag in [1, 2] {
                for tile in 1..=8 {
                    if let Some(g) = Geometry::backward(&FLOOR, row, tile, lag) {
                        assert!(g.size <= 256 && g.size * g.per >= row && g.tile <= tile && g.tile * g.per <= CELLS);
                        assert!((lag + 1) * row * 4 * g.tile <= 16 << 10);
                    } else {
                        assert!(row > 1024, "{row} neurons fit");
                    }
                }
            }
        }
    }

    #[test]
    fn slices_cover_everything_once() {
        let cut: Vec<_> = slices(1000, DISPATCH / 300, 64).collect();
        assert_eq!(cut, [0..256, 256..512, 512..768, 768..1000]);
        assert_eq!(slices(5, 2 * DISPATCH, 1).count(), 5);
        assert_eq!(slices(0, 1, 1).count(), 0);
    }
}
