//! How a layer's scan is cut into dispatches: the cost model behind `form`, the geometry of the resident kernels, and the
//! slices of long work.

use super::device::Limits;
use crate::kernels::{Form, Shape};
use std::ops::Range;

/// Multiply-adds of a dispatch at most: 20 ms of a small integrated GPU (10¹¹ a second). Longer ones freeze a display.
const DISPATCH: u64 = 2_000_000_000;

/// What the cost model counts with: the speed of a device. What matters is the order of magnitude: below a few hundred neurons
/// a resident step is far cheaper than a dispatch, above a few thousand it is far dearer. The default are estimates for a GPU of
/// the middle class.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Costs {
    /// Workgroups that run side by side.
    pub cores: f64,
    /// Bytes a second that one workgroup loads from the cache that all share.
    pub core_bandwidth: f64,
    /// Seconds that a resident step takes at least: a barrier and a chain of dependent loads.
    pub resident_step: f64,
    /// Seconds from one dispatch to the next that depends on it.
    pub dispatch_gap: f64,
    /// Multiply-adds a second of the tiled product.
    pub product: f64,
    /// Seconds that a slab of 16 inner entries takes at least: with few rows there are few tiles, and each walks the whole
    /// inner dimension alone.
    pub slab: f64,
    /// Bytes a second that the whole device loads in the event-driven kernels.
    pub bandwidth: f64,
}

/// Estimates for a GPU of the middle class.
impl Default for Costs {
    fn default() -> Self {
        Costs {
            cores: 40.0,
            core_bandwidth: 6e10,
            resident_step: 2e-6,
            dispatch_gap: 6e-6,
            product: 3e12,
            slab: 0.5e-6,
            bandwidth: 5e11,
        }
    }
}

/// Share of neurons that spike in a step, for planning.
const ACTIVE: f64 = 0.05;
/// Share of neurons whose surrogate derivative is not 0, where it can be.
const NEAR: f64 = 0.1;
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
        let most = Geometry::invocations(limits);
        let per = row.div_ceil(most);
        let size = row.div_ceil(per).next_multiple_of(32);
        let memory = (limits.workgroup_memory as usize).saturating_sub(fixed);
        let fits = (memory / bytes).min(CELLS / per);
        (fits > 0).then(|| Geometry { size, per, tile: tile.clamp(1, fits) })
    }

    /// Invocations at most.
    fn invocations(limits: &Limits) -> usize {
        (limits.invocations as usize).min(INVOCATIONS) / 32 * 32
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

    /// Of the backward kernel that skips silent rows, one sample a workgroup: `lag + 1` arrays of numbers, a list of
    /// neurons, two parts of a sum for each invocation, three counters.
    pub fn silent(limits: &Limits, row: usize, lag: usize) -> Option<Geometry> {
        Geometry::new(limits, row, 1, row * 4 + 2 * Geometry::invocations(limits) * 4 + 16, (lag + 1) * row * 4)
    }
}

impl Costs {
    /// Whether all are numbers above 0.
    pub(super) fn are_sound(&self) -> bool {
        let Costs { cores, core_bandwidth, resident_step, dispatch_gap, product, slab, bandwidth } = *self;
        let all = [cores, core_bandwidth, resident_step, dispatch_gap, product, slab, bandwidth];
        all.iter().all(|&cost| cost.is_finite() && cost > 0.0)
    }

    /// Seconds of a step in workgroups of `geometry` that load `bytes` each. Small workgroups share a core: they wait at the
    /// same time, but load one after the other.
    fn resident_step(&self, batch: usize, geometry: Geometry, bytes: f64) -> f64 {
        let groups = batch.div_ceil(geometry.tile) as f64;
        let beside = (1024 / geometry.size) as f64;
        let waves = (groups / (self.cores * beside)).ceil();
        waves * self.resident_step + (groups / self.cores).max(1.0) * bytes / self.core_bandwidth
    }

    /// Seconds of the tiled product of `rows` × `inner` and `inner` × `columns`.
    fn product(&self, rows: usize, inner: usize, columns: usize) -> f64 {
        ((rows * inner) as f64 * columns as f64 / self.product).max(inner as f64 / 16.0 * self.slab)
    }

    /// Whether a resident backward step of a sparse surrogate is shorter where silent rows are skipped, one sample a
    /// workgroup, than in the dense form of `dense`.
    pub(super) fn skips_silent(&self, shape: Shape, dense: Geometry, silent: Geometry) -> bool {
        let weights = (shape.row() * shape.row()) as f64 * 4.0;
        // One more barrier, and the list.
        let skipping = self.resident_step + self.resident_step(shape.batch, silent, NEAR * weights);
        skipping < self.resident_step(shape.batch, dense, weights)
    }

    /// Whether a product towards `rows` of `columns` neurons with a sparse surrogate, each cell the sum over a row of `inner`,
    /// is shorter where silent cells are skipped: they save arithmetic, but reuse no weights.
    pub(super) fn product_skips_silent(&self, rows: usize, inner: usize, columns: usize) -> bool {
        let bytes = NEAR * (rows * columns) as f64 * inner as f64 * 4.0;
        self.resident_step + bytes / self.bandwidth < self.product(rows, inner, columns)
    }

    /// Share of active inputs from which on the tiled product is faster than adding the rows of the active ones: those are
    /// loaded anew for each row, while a tile computes with all of them.
    pub(super) fn dense_from(&self) -> f64 {
        self.bandwidth / (4.0 * self.product)
    }

    /// Whether tiles of 128 × 128 serve a product of `tiles` times `rows` × `columns`: enough of them to fill the device, and
    /// not much of them past the edges.
    pub(super) fn wide(&self, rows: usize, columns: usize, tiles: usize) -> bool {
        let across = |entries: usize| entries.div_ceil(128);
        let whole = |entries: usize| across(entries) * 128 * 4 <= entries * 5;
        (across(rows) * across(columns) * tiles) as f64 >= 2.0 * self.cores && whole(rows) && whole(columns)
    }
}

/// Resident, in dispatches of a planned time, where a step takes `seconds`.
fn resident(tile: usize, seconds: f64) -> Form {
    Form::Resident { tile, quantum: ((QUANTUM / seconds) as usize).max(1) }
}

/// See `Kernels::form_at`.
pub(super) fn forward(costs: &Costs, limits: &Limits, shape: Shape, active: f64) -> Form {
    let row = shape.row();
    let bytes = active * (row * row) as f64 * 4.0;
    // Event-driven: a tile would save nothing, since each sample reads its own rows.
    let stepwise = costs.dispatch_gap + shape.batch as f64 * bytes / costs.bandwidth;
    match Geometry::forward(limits, row, 1, 2).map(|geometry| costs.resident_step(shape.batch, geometry, bytes)) {
        Some(seconds) if seconds <= stepwise => resident(1, seconds),
        _ => Form::Stepwise,
    }
}

/// See `Kernels::form`.
pub(super) fn form(costs: &Costs, limits: &Limits, shape: Shape, recurrent: bool) -> (Form, Form) {
    if !recurrent {
        return (Form::Scan, Form::Scan);
    }
    let row = shape.row();
    let weights = (row * row) as f64 * 4.0;
    let resident_step = |geometry: Geometry, bytes: f64| costs.resident_step(shape.batch, geometry, bytes);

    // Dense: a row of R^T serves all samples of the tile. Stepwise takes two dispatches a step.
    let stepwise = 2.0 * costs.dispatch_gap + costs.product(shape.batch, row, row);
    let best = [1, 2, 4]
        .into_iter()
        .filter_map(|tile| Geometry::backward(limits, row, tile, 2).filter(|geometry| geometry.tile == tile))
        .map(|geometry| (geometry.tile, resident_step(geometry, weights)))
        .min_by(|(_, a), (_, b)| a.total_cmp(b));
    let backward = match best {
        Some((tile, seconds)) if seconds <= stepwise => resident(tile, seconds),
        _ => Form::Stepwise,
    };
    (forward(costs, limits, shape, ACTIVE), backward)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOR: Limits = Limits {
        largest_array: 128 << 20,
        workgroup_memory: 16 << 10,
        invocations: 256,
        uniform_alignment: 256,
        lanes: 0,
        cooperative: None,
    };

    fn shape(batch: usize, units: usize) -> Shape {
        Shape { steps: 100, batch, units }
    }

    #[test]
    fn small_recurrent_layers_are_resident_and_large_ones_stepwise() {
        for batch in [1, 64, 256] {
            let (forward, backward) = form(&Costs::default(), &FLOOR, shape(batch, 128), true);
            assert!(matches!(forward, Form::Resident { .. }), "{forward:?}");
            assert!(matches!(backward, Form::Resident { .. }), "{backward:?}");
            assert_eq!(form(&Costs::default(), &FLOOR, shape(batch, 8192), true), (Form::Stepwise, Form::Stepwise));
        }
        assert_eq!(form(&Costs::default(), &FLOOR, shape(64, 128), false), (Form::Scan, Form::Scan));
    }

    #[test]
    fn a_layer_that_hardly_spikes_goes_forward_step_by_step_where_it_is_large() {
        let at = |batch, units, active| forward(&Costs::default(), &FLOOR, shape(batch, units), active);
        // Seven waves of workgroups wait for a barrier each; next to no rows are loaded.
        assert_eq!(at(1024, 1024, 1e-4), Form::Stepwise);
        // Rows come faster from the cache of each core.
        assert!(matches!(at(1024, 1024, 0.05), Form::Resident { .. }));
        let quantum = |active| match at(64, 128, active) {
            Form::Resident { quantum, .. } => quantum,
            other => panic!("{other:?}"),
        };
        assert!(quantum(0.01) > quantum(0.5), "more steps fit into the time of a dispatch where fewer neurons spike");
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
    fn silent_rows_are_skipped_where_that_pays() {
        let costs = Costs::default();
        let resident = |units, tile| {
            let row = shape(1, units).row();
            (Geometry::backward(&FLOOR, row, tile, 1).unwrap(), Geometry::silent(&FLOOR, row, 1).unwrap())
        };
        let (dense, silent) = resident(1024, 1);
        assert!(costs.skips_silent(shape(256, 1024), dense, silent));
        let (dense, silent) = resident(32, 4);
        assert!(!costs.skips_silent(shape(4, 32), dense, silent), "a barrier costs more than a small matrix");
        // A large product is bound by arithmetic, one of few rows by its inner dimension.
        assert!(!costs.product_skips_silent(25_600, 256, 256));
        assert!(costs.product_skips_silent(8, 4096, 1024));
        assert!(Geometry::silent(&FLOOR, 1024, 1).is_some());
        assert!(Geometry::silent(&FLOOR, 2048, 1).is_none());
    }

    #[test]
    fn large_products_take_large_tiles() {
        let costs = Costs::default();
        assert!(costs.wide(25_600, 256, 1));
        assert!(!costs.wide(25_600, 32, 1) && !costs.wide(128, 1024, 1));
        assert!(costs.wide(128, 1024, 32));
    }

    #[test]
    fn slices_cover_everything_once() {
        let cut: Vec<_> = slices(1000, DISPATCH / 300, 64).collect();
        assert_eq!(cut, [0..256, 256..512, 512..768, 768..1000]);
        assert_eq!(slices(5, 2 * DISPATCH, 1).count(), 5);
        assert_eq!(slices(0, 1, 1).count(), 0);
    }
}
