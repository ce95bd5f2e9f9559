//! `backward` in its three forms, and `layer_backward` with the product of the layer above before it. Stepwise takes two
//! dispatches: the product `χ R^T`, then one step of the scan. Where the surrogate derivative is 0 for many neurons, their
//! rows may be skipped (`silent`).

use super::buffers::Array;
use super::drive_backward::drive_backward;
use super::form::{Geometry, slices};
use super::forward::{reduction, reset};
use super::product::{self, Product};
use super::recorder::{read, write};
use super::window::Window;
use super::{FLAT, Gpu, Permutation, Prepared, Values, silent};
use crate::kernels::{Above, ActivityKind, Backward, Firing, Form, Learned, Model};
use crate::network::{Reset, SurrogateKind};
use crate::neuron::Snippet;
use std::ops::Range;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    steps: u32,
    batch: u32,
    row: u32,
    units: u32,
    begin: u32,
    end: u32,
    emit_lag: u32,
    recurrent_lag: u32,
    counts: u32,
    reduction: u32,
    learned: u32,
    normalised: f32,
    slope: f32,
    scale: f32,
    reset_potential: f32,
    shape: [f32; 3],
    window: Window,
}

/// The define of a surrogate.
pub(super) fn surrogate(kind: SurrogateKind) -> &'static str {
    match kind {
        SurrogateKind::FastSigmoid => "FAST_SIGMOID",
        SurrogateKind::Sigmoid => "SIGMOID",
        SurrogateKind::Triangle => "TRIANGLE",
        SurrogateKind::Exponential => "EXPONENTIAL",
        SurrogateKind::Atan => "ATAN",
        SurrogateKind::Boxcar => "BOXCAR",
        SurrogateKind::Gaussian => "GAUSSIAN",
        SurrogateKind::StraightThrough => "STRAIGHT_THROUGH",
        SurrogateKind::MultiGaussian { .. } => "MULTI_GAUSSIAN",
        SurrogateKind::LeakyRelu { .. } => "LEAKY_RELU",
        SurrogateKind::Tanh => "TANH",
        SurrogateKind::SpikeRateEscape { .. } => "SPIKE_RATE_ESCAPE",
        SurrogateKind::SparseFastSigmoid { .. } => "SPARSE_FAST_SIGMOID",
        SurrogateKind::Custom(_) => "CUSTOM",
    }
}

/// The define of a resident tile.
fn tile_define(tile: usize) -> &'static str {
    match tile {
        1 => "TILE_1",
        2 => "TILE_2",
        _ => "TILE_4",
    }
}

/// The compile-time axes.
#[derive(Clone, Copy)]
struct Axes {
    reset: Reset,
    detached: bool,
    synapse: bool,
    lagged: bool,
    keeps_current: bool,
    /// None: it does not spike.
    surrogate: Option<SurrogateKind>,
    spike_gradient: bool,
    potential_gradient: bool,
    reduced: bool,
    /// A neuron that is not of the leaky integrate-and-fire family, whether its J is kept, and the rows of its tape.
    snippet: Option<(&'static Snippet, bool, usize)>,
    /// Several spikes a step, and whether the surrogate is periodic.
    several: Option<bool>,
}

impl Axes {
    fn of(call: &Backward<Gpu>) -> Axes {
        let Model { reset, detach, synapse, lag, spiking, surrogate, .. } = call.model;
        Axes {
            reset,
            detached: detach,
            synapse,
            lagged: lag == 1,
            keeps_current: call.model.keeps_current(),
            surrogate: spiking.then_some(surrogate.kind),
            spike_gradient: call.gradient_spikes.is_some(),
            potential_gradient: call.gradient_potential.is_some(),
            reduced: call.reduce.is_some(),
            snippet: call.model.snippet.map(|own| (own, call.model.keeps_drive(), call.model.tapes())),
            several: match call.model.firing {
                Firing::Single => None,
                Firing::Multi { periodic, .. } => Some(periodic),
            },
        }
    }

    fn of_kernel(self, name: &'static str) -> Permutation {
        let expression = match self.surrogate {
            Some(SurrogateKind::Custom(custom)) => Some(custom.wgsl()),
            _ => None,
        };
        let permutation = match self.snippet {
            None => Permutation::new(name),
            Some((snippet, keeps_drive, tapes)) => Permutation::new(name)
                .snippet(Some(snippet))
                .define("BACKWARD", true)
                .define("KEEPS_DRIVE", keeps_drive)
                .constant("TAPES", tapes),
        };
        permutation
            .expression(expression)
            .define(reset(self.reset), true)
            .define("DETACHED", self.detached)
            .define("SYNAPSE", self.synapse)
            .define("LAGGED", self.lagged)
            .define("KEEPS_CURRENT", self.keeps_current)
            .define("SPIKING", self.surrogate.is_some())
            .define(self.surrogate.map_or("", surrogate), self.surrogate.is_some())
            .define("SPIKE_GRADIENT", self.spike_gradient)
            .define("POTENTIAL_GRADIENT", self.potential_gradient)
            .define("REDUCED", self.reduced)
            .define("BYTES", self.several.is_some())
            .define("PERIODIC", self.several == Some(true))
    }

    fn scan(self, recurrent: bool) -> Permutation {
        self.of_kernel("backward").define("RECURRENT", recurrent).constant("SIZE", FLAT)
    }

    fn resident(self, geometry: Geometry, row: usize, lag: usize, half: bool) -> Permutation {
        self.of_kernel("backward_resident")
            .define("HALF", half)
            .define(tile_define(geometry.tile), true)
            .constant("SIZE", geometry.size)
            .constant("PER", geometry.per)
            .constant("TILE", geometry.tile)
            .constant("ROW", row)
            .constant("SLOTS", lag + 1)
    }

    fn silent(self, geometry: Geometry, row: usize, lag: usize, subgroups: bool) -> Permutation {
        self.of_kernel("backward_silent")
            .define("SUBGROUPS", subgroups)
            .constant("SIZE", geometry.size)
            .constant("PER", geometry.per)
            .constant("ROW", row)
            .constant("SLOTS", lag + 1)
    }
}

/// Steps of a window for the choice of a form, which must not depend on how a sequence is cut: that would change bits.
const SEGMENT: usize = 32;

pub(super) fn layer_backward(gpu: &mut Gpu, above: Above<Gpu>, call: Backward<Gpu>) {
    let Above { shape, lag, weights, chi, accumulate, gradient } = above;
    let rows = shape.steps * shape.batch;
    if silent::product_skips(gpu, &call, SEGMENT, weights.0, shape.row()) {
        let product = silent::Product {
            a: &chi.array,
            first: lag * shape.batch,
            b: &weights.0.array,
            row: shape.row(),
            of: &call,
            first_state: 0,
            out: &gradient.array,
            rows,
            accumulate,
        };
        silent::product(gpu, product);
    } else {
        let above = Above { shape, lag, weights, chi, accumulate, gradient: &mut *gradient };
        drive_backward(gpu, above.drive_backward(call.shape.units));
    }
    backward(gpu, Backward { gradient_spikes: Some(&*gradient), ..call });
}

pub(super) fn backward(gpu: &mut Gpu, call: Backward<Gpu>) {
    let (row, lag) = (call.shape.row(), call.model.recurrent_lag);
    let Some((weights, prepared)) = call.recurrent else {
        return scan(gpu, &call);
    };
    let limits = &gpu.recorder.device.limits;
    let (tile, quantum) = match call.form {
        Form::Resident { tile, quantum } => (tile, quantum.max(1)),
        Form::Scan | Form::Stepwise => return stepwise(gpu, &call, weights, prepared),
    };
    // The whole of R or R^T stands at one binding.
    let dense = Geometry::backward(limits, row, tile, lag).filter(|_| prepared.values.is_whole());
    let silent = Geometry::silent(limits, row, lag).filter(|_| weights.is_whole() && silent::is_sparse(&call.model));
    let skips = |silent| {
        let whole = call.window.planes(call.shape);
        let faster = |dense| gpu.costs.skips_silent(whole, dense, silent);
        gpu.options.skip_silent.or(|| dense.is_none_or(faster))
    };
    let axes = Axes::of(&call);
    match (silent.filter(|&silent| skips(silent)), dense) {
        (Some(geometry), _) => {
            let permutation = axes.silent(geometry, row, lag, gpu.appends_by_subgroups());
            resident_steps(gpu, &call, &permutation, &weights.array, geometry, quantum);
        }
        (None, Some(geometry)) => {
            let permutation = axes.resident(geometry, row, lag, prepared.half);
            resident_steps(gpu, &call, &permutation, &prepared.values.array, geometry, quantum);
        }
        (None, None) => stepwise(gpu, &call, weights, prepared),
    }
}

fn params(call: &Backward<Gpu>, range: &Range<usize>) -> Params {
    let Learned { tau_syn, tau_mem, threshold, bias, own } = call.model.learned;
    let learned = [tau_syn, tau_mem, threshold, bias].iter().rev().fold(own, |bits, &on| bits << 1 | u32::from(on));
    Params {
        steps: call.shape.steps as u32,
        batch: call.shape.batch as u32,
        row: call.shape.row() as u32,
        units: call.shape.units as u32,
        begin: range.start as u32,
        end: range.end as u32,
        emit_lag: call.model.emit_lag as u32,
        recurrent_lag: call.model.recurrent_lag as u32,
        counts: call.counts.into(),
        reduction: reduction(call.reduce),
        learned,
        normalised: if call.model.normalised { 1.0 } else { 0.0 },
        slope: call.model.surrogate.slope as f32,
        scale: call.model.surrogate.scale as f32,
        reset_potential: call.model.reset_potential as f32,
        shape: call.model.surrogate.shape().map(|number| number as f32),
        window: call.window.into(),
    }
}

/// One piece of the range in one dispatch. `last` is what the form binds besides.
fn record(
    gpu: &mut Gpu,
    permutation: &Permutation,
    call: &Backward<Gpu>,
    last: Option<&Array>,
    piece: Range<usize>,
    groups: usize,
    work: u64,
) {
    let mut bindings = vec![
        read(1, &call.constants.array),
        write(2, &call.planes.array),
        read(3, &call.kept().array),
        write(4, &call.chi.array),
    ];
    if call.model.spiking {
        bindings.extend(call.spikes.map(|spikes| read(5, &spikes.array)));
    }
    bindings.extend(call.gradient_spikes.map(|gradient| read(6, &gradient.array)));
    bindings.extend(call.gradient_potential.map(|gradient| read(7, &gradient.array)));
    bindings.extend(last.map(|array| read(8, array)));
    let params = params(call, &piece);
    gpu.dispatch(permutation.clone(), &params, &bindings, groups, work * piece.len() as u64);
}

/// `range` in pieces of `length` steps, the last first; a shorter piece comes at the end, at the earliest steps.
fn descending(range: &Range<usize>, length: usize) -> impl Iterator<Item = Range<usize>> {
    let Range { start, end } = *range;
    (0..range.len().div_ceil(length)).map(move |i| {
        let last = end - i * length;
        last.saturating_sub(length).max(start)..last
    })
}

fn scan(gpu: &mut Gpu, call: &Backward<Gpu>) {
    let cells = call.shape.len(1);
    let work = 32 * cells as u64;
    let longest = slices(call.range.len(), work, 1).next().map_or(1, |piece| piece.len());
    let permutation = Axes::of(call).scan(false);
    for piece in descending(&call.range, longest) {
        record(gpu, &permutation, call, None, piece, cells.div_ceil(FLAT), work);
    }
}

/// With a recurrent lag of 2, two steps at a time: both see only χ of earlier dispatches.
fn stepwise(gpu: &mut Gpu, call: &Backward<Gpu>, weights: &Values, prepared: &Prepared) {
    let (batch, row, lag) = (call.shape.batch, call.shape.row(), call.model.recurrent_lag);
    let Some(feedback) = gpu.recorder.scratch("recurrent feedback", lag * batch * row) else { return };
    let permutation = Axes::of(call).scan(true);
    // By the steps of a whole piece, so that a shorter one has the same form.
    let skips = silent::product_skips(gpu, call, lag, weights, row);
    for piece in descending(&call.range, lag) {
        let rows = piece.len() * batch;
        if skips {
            let product = silent::Product {
                a: &call.chi.array,
                first: (piece.start + lag) * batch,
                b: &weights.array,
                row,
                of: call,
                first_state: piece.start * batch,
                out: &feedback,
                rows,
                accumulate: false,
            };
            silent::product(gpu, product);
        } else {
            let product = Product {
                a: &call.chi.array,
                kind: ActivityKind::Values,
                row,
                first: (piece.start + lag) * batch,
                b: prepared.matrix(row),
                half: prepared.half,
                inner: call.shape.units,
                bias: None,
                out: &feedback,
                first_out: 0,
                rows,
                columns: row,
                accumulate: false,
            };
            product::product(gpu, product);
        }
        let cells = call.shape.len(1);
        record(gpu, &permutation, call, Some(&feedback), piece, cells.div_ceil(FLAT), 32 * cells as u64);
    }
}

fn resident_steps(
    gpu: &mut Gpu,
    call: &Backward<Gpu>,
    permutation: &Permutation,
    weights: &Array,
    geometry: Geometry,
    quantum: usize,
) {
    let groups = call.shape.batch.div_ceil(geometry.tile);
    let work = (call.shape.len(1) * (32 + call.shape.units)) as u64;
    for piece in descending(&call.range, super::form::bounded(quantum, work)) {
        record(gpu, permutation, call, Some(weights), piece, groups, work);
    }
}

/// A snippet in its reset forms.
pub(super) fn of_snippet(snippet: &'static Snippet) -> Vec<Permutation> {
    let mut all = Vec::new();
    for (bits, &reset) in snippet.resets.iter().cycle().take(2 * snippet.resets.len()).enumerate() {
        let (synapse, kept) = (bits % 2 == 0, bits >= snippet.resets.len());
        let axes = Axes {
            reset,
            detached: kept,
            synapse,
            lagged: synapse,
            keeps_current: kept,
            surrogate: Some(SurrogateKind::FastSigmoid),
            spike_gradient: true,
            potential_gradient: kept,
            reduced: false,
            snippet: Some((snippet, kept, snippet.states() + 2 * usize::from(kept))),
            several: None,
        };
        all.extend([axes.scan(false), axes.scan(true)]);
        all.push(axes.resident(Geometry { size: 96, per: 1, tile: 2 }, 96, 1, false));
        let sparse = Axes { surrogate: Some(SurrogateKind::Triangle), ..axes };
        all.push(sparse.silent(Geometry { size: 96, per: 1, tile: 1 }, 96, 1, kept));
    }
    all
}

pub(super) fn permutations() -> Vec<Permutation> {
    let mut all: Vec<Permutation> = crate::neuron::snippets().into_iter().flat_map(of_snippet).collect();
    let switches = [false, true];
    let blank = Axes {
        reset: Reset::None,
        detached: true,
        synapse: true,
        lagged: false,
        keeps_current: true,
        surrogate: Some(SurrogateKind::FastSigmoid),
        spike_gradient: true,
        potential_gradient: false,
        reduced: false,
        snippet: None,
        several: None,
    };
    let geometry = Geometry { size: 96, per: 1, tile: 2 };
    let alone = Geometry { tile: 1, ..geometry };
    for reset in Reset::ALL {
        for bits in 0..16 {
            let on = |bit: u32| bits >> bit & 1 == 1;
            let (detached, synapse, lagged, keeps_current) = (on(0), on(1), on(2), on(3));
            let axes = Axes { reset, detached, synapse, lagged, keeps_current, ..blank };
            all.extend([axes.scan(false), axes.scan(true), axes.resident(geometry, 96, 1, false)]);
            all.push(Axes { surrogate: Some(SurrogateKind::Triangle), ..axes }.silent(alone, 96, 1, false));
        }
    }
    for kind in SurrogateKind::ALL {
        let axes = Axes { surrogate: Some(kind), ..blank };
        all.extend([axes.scan(false), axes.resident(geometry, 96, 2, false)]);
        if silent::has_zeros(kind) || kind == (SurrogateKind::LeakyRelu { leak: 0.1 }) {
            for subgroups in switches {
                all.extend([axes.silent(alone, 96, 2, subgroups), silent::permutation(kind, subgroups)]);
            }
        }
    }
    for (spike_gradient, potential_gradient) in switches.into_iter().flat_map(|a| switches.map(|b| (a, b))) {
        let axes = Axes { spike_gradient, potential_gradient, ..blank };
        all.extend([
            axes.scan(false),
            axes.scan(true),
            axes.resident(geometry, 96, 1, false),
            axes.silent(alone, 96, 1, false),
        ]);
        for reduced in switches {
            for keeps_current in switches {
                let readout = Axes { surrogate: None, spike_gradient: false, potential_gradient, reduced, ..blank };
                all.push(Axes { keeps_current, ..readout }.scan(false));
            }
        }
    }
    for periodic in switches {
        let axes = Axes { reset: Reset::SubtractBefore, several: Some(periodic), ..blank };
        all.extend([
            axes.scan(false),
            axes.scan(true),
            axes.resident(geometry, 96, 1, false),
            axes.silent(alone, 96, 1, false),
        ]);
    }
    let wide = |tile, lag| blank.resident(Geometry { size: 224, per: 2, tile }, 416, lag, false);
    all.extend([wide(1, 1), wide(2, 1), wide(4, 1), wide(1, 2), wide(2, 2)]);
    all.extend([1, 2, 4].map(|tile| blank.resident(Geometry { tile, ..geometry }, 96, 1, true)));
    all.push(blank.silent(Geometry { size: 256, per: 4, tile: 1 }, 1024, 1, true));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_go_from_the_last_step_to_the_first() {
        assert_eq!(descending(&(3..10), 3).collect::<Vec<_>>(), [7..10, 4..7, 3..4]);
        assert_eq!(descending(&(0..4), 9).last(), Some(0..4));
        assert_eq!(descending(&(4..4), 2).count(), 0);
    }
}
