//! `forward` in its three forms, and `layer_forward` with the drive of a spiking source fused in.

use super::form::{Geometry, slices};
use super::recorder::{read, write};
use super::rounded::{self, Read};
use super::window::Window;
use super::{Activity, FLAT, Gpu, Permutation, Values, cooperative, drive};
use crate::kernels::{Drive, Firing, Form, Forward, HISTORY, Model, Projection};
use crate::network::{Reduce, Reset};
use crate::neuron::Snippet;
use std::ops::Range;

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    steps: u32,
    batch: u32,
    row: u32,
    begin: u32,
    end: u32,
    recurrent_lag: u32,
    inclusive: u32,
    reduction: u32,
    source_words: u32,
    source_offset: u32,
    reset_potential: f32,
    most: u32,
    window: Window,
}

/// Cells (samples × neurons) from which on the drive is fused into the scan: with fewer, a drive that is parallel over
/// the steps as well fills the device better than saving its memory traffic gains.
pub(super) const FUSE: usize = 1 << 15;

/// Where X comes from.
pub(super) enum Input<'a> {
    /// `[T][B][np]`.
    Drive(&'a Values),
    /// Computed on the way: the spiking source, its lag and input width, the weights.
    Fused { source: &'a Activity, lag: usize, inputs: usize, weights: Read<'a> },
}

/// The define of a reset form.
pub(super) fn reset(reset: Reset) -> &'static str {
    match reset {
        Reset::SubtractBefore => "SUBTRACT_BEFORE",
        Reset::SubtractAfter => "SUBTRACT_AFTER",
        Reset::ZeroBefore => "ZERO_BEFORE",
        Reset::ZeroAfter => "ZERO_AFTER",
        Reset::None => "NO_RESET",
    }
}

/// The number of a reduction in the shaders; 0 is none.
pub(super) fn reduction(reduce: Option<Reduce>) -> u32 {
    match reduce {
        None => 0,
        Some(Reduce::Max) => 1,
        Some(Reduce::Sum) => 2,
        Some(Reduce::Mean) => 3,
        Some(Reduce::Last) => 4,
    }
}

/// The compile-time axes.
#[derive(Clone, Copy)]
struct Axes {
    reset: Reset,
    synapse: bool,
    lagged: bool,
    spiking: bool,
    tape: bool,
    keeps_current: bool,
    reduced: bool,
    /// A neuron that is not of the leaky integrate-and-fire family, whether its J is kept, and the rows of its tape.
    snippet: Option<(&'static Snippet, bool, usize)>,
    /// Several spikes a step.
    bytes: bool,
}

impl Axes {
    fn of(call: &Forward<Gpu>) -> Axes {
        let Model { reset, synapse, lag, spiking, .. } = call.model;
        let tape = call.tape.is_some();
        let keeps_current = tape && call.model.keeps_current();
        let bytes = call.model.firing != Firing::Single;
        let snippet = call.model.snippet.map(|own| (own, tape && call.model.keeps_drive(), call.model.tapes()));
        Axes {
            reset,
            synapse,
            lagged: lag == 1,
            spiking,
            tape,
            keeps_current,
            reduced: call.reduce.is_some(),
            snippet,
            bytes,
        }
    }

    fn of_kernel(self, name: &'static str) -> Permutation {
        let permutation = match self.snippet {
            None => Permutation::new(name),
            Some((snippet, keeps_drive, tapes)) => Permutation::new(name)
                .snippet(Some(snippet))
                .define("KEEPS_DRIVE", keeps_drive)
                .constant("TAPES", tapes),
        };
        permutation
            .define(reset(self.reset), true)
            .define("SYNAPSE", self.synapse)
            .define("LAGGED", self.lagged)
            .define("SPIKING", self.spiking)
            .define("TAPE", self.tape)
            .define("KEEPS_CURRENT", self.keeps_current)
            .define("REDUCED", self.reduced)
            .define("BYTES", self.bytes)
    }

    /// The scan: feed-forward, with the drive fused in, or one step of a recurrent layer.
    fn scan(self, fused: bool, recurrent: bool) -> Permutation {
        self.of_kernel("forward").define("FUSED", fused).define("RECURRENT", recurrent).constant("SIZE", FLAT)
    }

    fn resident(self, geometry: Geometry, row: usize, lag: usize, subgroups: bool) -> Permutation {
        self.of_kernel("forward_resident")
            .define("SUBGROUPS", subgroups)
            .constant("SIZE", geometry.size)
            .constant("PER", geometry.per)
            .constant("TILE", geometry.tile)
            .constant("WORDS", row / 32)
            .constant("SLOTS", lag + 2)
    }
}

pub(super) fn layer_forward(gpu: &mut Gpu, from: Drive<Gpu>, call: Forward<Gpu>) {
    let cells = call.shape.len(1);
    let fuse = from.projection == Projection::Dense
        && from.source.is_raster()
        && call.model.firing == Firing::Single
        && call.recurrent.is_none()
        && from.weights.is_whole()
        && !drive::unpacks(gpu, from.source)
        && cooperative::takes(gpu, from.source, from.weights).is_none()
        && cells >= gpu.options.fuse;
    if fuse {
        let (source, lag, inputs) = (from.source, from.lag, from.inputs);
        let weights = rounded::read(gpu, from.weights);
        forward(gpu, Input::Fused { source, lag, inputs, weights }, call);
    } else {
        // The drive is dropped into X and read back at once.
        let Drive { projection, inputs, shape, range, source, lag, weights, constants, out } = from;
        let again = Drive { projection, inputs, shape, range, source, lag, weights, constants, out: &mut *out };
        drive::drive(gpu, again);
        forward(gpu, Input::Drive(out), call);
    }
}

pub(super) fn forward(gpu: &mut Gpu, input: Input, call: Forward<Gpu>) {
    let (row, lag) = (call.shape.row(), call.model.recurrent_lag);
    let Some((weights, _)) = call.recurrent else {
        return scan(gpu, &input, &call);
    };
    let weights = rounded::read(gpu, weights);
    let resident = match call.form {
        Form::Resident { tile, quantum } if call.model.firing == Firing::Single && weights.is_whole() => {
            let geometry = Geometry::forward(&gpu.recorder.device.limits, row, tile, lag);
            geometry.map(|geometry| (geometry, quantum.max(1)))
        }
        Form::Resident { .. } | Form::Scan | Form::Stepwise => None,
    };
    match (resident, &input) {
        (Some((geometry, quantum)), _) => resident_steps(gpu, &input, &call, weights, geometry, quantum),
        (None, Input::Drive(drive)) if !weights.is_whole() => stepwise_in_pieces(gpu, drive, &call, weights),
        (None, _) => stepwise(gpu, &input, &call, weights),
    }
}

fn params(call: &Forward<Gpu>, input: &Input, range: &Range<usize>) -> Params {
    let (source_words, source_offset) = match input {
        Input::Drive(_) => (0, 0),
        Input::Fused { source, lag, .. } => (source.row(), HISTORY - lag),
    };
    Params {
        steps: call.shape.steps as u32,
        batch: call.shape.batch as u32,
        row: call.shape.row() as u32,
        begin: range.start as u32,
        end: range.end as u32,
        recurrent_lag: call.model.recurrent_lag as u32,
        inclusive: call.model.inclusive.into(),
        reduction: reduction(call.reduce),
        source_words: source_words as u32,
        source_offset: source_offset as u32,
        reset_potential: call.model.reset_potential as f32,
        most: if let Firing::Multi { most, .. } = call.model.firing { most } else { 1 },
        window: call.window.into(),
    }
}

/// Steps in ascending order, each piece in one dispatch.
fn record(
    gpu: &mut Gpu,
    permutation: &Permutation,
    input: &Input,
    call: &Forward<Gpu>,
    recurrent: Option<Read>,
    pieces: impl Iterator<Item = Range<usize>>,
    groups: usize,
    work: u64,
) {
    let mut bindings = vec![read(1, &call.constants.array), write(2, &call.planes.array)];
    match input {
        Input::Drive(drive) => bindings.push(read(3, &drive.array)),
        Input::Fused { source, weights, .. } => bindings.extend([read(3, &source.array), read(4, weights.array())]),
    }
    bindings.extend(recurrent.map(|weights| read(5, weights.array())));
    if call.model.spiking {
        bindings.extend(call.spikes.as_ref().map(|spikes| write(6, &spikes.array)));
    }
    bindings.extend(call.tape.as_ref().map(|tape| write(7, &tape.array)));
    for piece in pieces {
        let params = params(call, input, &piece);
        gpu.dispatch(permutation.clone(), &params, &bindings, groups, work * piece.len() as u64);
    }
}

fn scan(gpu: &mut Gpu, input: &Input, call: &Forward<Gpu>) {
    let cells = call.shape.len(1);
    let (fused, half, inputs) = match input {
        Input::Drive(_) => (false, false, 0),
        Input::Fused { inputs, weights, .. } => (true, weights.half, inputs / 10),
    };
    let work = (cells * (16 + inputs)) as u64;
    let start = call.range.start;
    let pieces = slices(call.range.len(), work, 32).map(|piece| start + piece.start..start + piece.end);
    let permutation = Axes::of(call).scan(fused, false).define("HALF", half);
    record(gpu, &permutation, input, call, None, pieces, cells.div_ceil(FLAT), work);
}

/// A dispatch a step; with a recurrent lag of 2, two steps: both see only spikes of earlier dispatches.
fn stepwise(gpu: &mut Gpu, input: &Input, call: &Forward<Gpu>, weights: Read) {
    let cells = call.shape.len(1);
    let end = call.range.end;
    let pieces = call.range.clone().step_by(call.model.recurrent_lag);
    let pieces = pieces.map(|start| start..(start + call.model.recurrent_lag).min(end));
    let work = (cells * (16 + call.shape.units / 10)) as u64;
    let permutation = Axes::of(call).scan(false, true).define("HALF", weights.half);
    record(gpu, &permutation, input, call, Some(weights), pieces, cells.div_ceil(FLAT), work);
}

/// The same with recurrent weights in several arrays: X is completed before each step, in the order of the sum above.
fn stepwise_in_pieces(gpu: &mut Gpu, drive: &Values, call: &Forward<Gpu>, weights: Read) {
    let Some(spikes) = call.spikes.as_deref() else { return };
    let (batch, cells, lag) = (call.shape.batch, call.shape.len(1), call.model.recurrent_lag);
    let permutation = Axes::of(call).scan(false, false);
    for start in call.range.clone().step_by(lag) {
        let piece = start..(start + lag).min(call.range.end);
        drive::add_active(
            gpu,
            drive::Active {
                source: spikes,
                first_source: (start + HISTORY - lag) * batch,
                inputs: call.shape.units,
                weights,
                constants: call.constants,
                out: drive,
                first_out: start * batch,
                rows: piece.len() * batch,
                row: call.shape.row(),
                accumulate: true,
            },
        );
        let (pieces, groups) = (std::iter::once(piece), cells.div_ceil(FLAT));
        record(gpu, &permutation, &Input::Drive(drive), call, None, pieces, groups, 16 * cells as u64);
    }
}

fn resident_steps(
    gpu: &mut Gpu,
    input: &Input,
    call: &Forward<Gpu>,
    weights: Read,
    geometry: Geometry,
    quantum: usize,
) {
    let groups = call.shape.batch.div_ceil(geometry.tile);
    let end = call.range.end;
    // A network before training may spike far more than planned for: a quarter of its neurons, say.
    let work = (call.shape.len(1) * (16 + call.shape.units / 4)) as u64;
    let quantum = super::form::bounded(quantum, work);
    let pieces = call.range.clone().step_by(quantum).map(|start| start..start.saturating_add(quantum).min(end));
    let row = call.shape.row();
    let permutation =
        Axes::of(call).resident(geometry, row, call.model.recurrent_lag, gpu.lists_by_subgroups(row / 32));
    let permutation = permutation.define("HALF", weights.half);
    record(gpu, &permutation, input, call, Some(weights), pieces, groups, work);
}

/// A snippet in its reset forms.
pub(super) fn of_snippet(snippet: &'static Snippet) -> Vec<Permutation> {
    let mut all = Vec::new();
    for (bits, &reset) in snippet.resets.iter().cycle().take(2 * snippet.resets.len()).enumerate() {
        let (synapse, kept) = (bits % 2 == 0, bits >= snippet.resets.len());
        let tapes = snippet.states() + 2 * usize::from(kept);
        let axes = Axes {
            reset,
            synapse,
            lagged: synapse,
            spiking: true,
            tape: true,
            keeps_current: kept,
            reduced: false,
            snippet: Some((snippet, kept, tapes)),
            bytes: false,
        };
        all.extend([axes.scan(false, false), axes.scan(true, false), axes.scan(false, true)]);
        all.push(axes.resident(Geometry { size: 96, per: 1, tile: 1 }, 96, 1, false));
        all.push(Axes { tape: false, keeps_current: false, ..axes }.scan(false, false));
    }
    all
}

pub(super) fn permutations() -> Vec<Permutation> {
    let mut all: Vec<Permutation> = crate::neuron::snippets().into_iter().flat_map(of_snippet).collect();
    let switches = [false, true];
    let tapes = [(false, false), (true, false), (true, true)];
    for reset in Reset::ALL {
        for (synapse, lagged) in switches.into_iter().flat_map(|a| switches.map(|b| (a, b))) {
            for (tape, keeps_current) in tapes {
                let axes = Axes {
                    reset,
                    synapse,
                    lagged,
                    spiking: true,
                    tape,
                    keeps_current,
                    reduced: false,
                    snippet: None,
                    bytes: false,
                };
                all.extend([axes.scan(false, false), axes.scan(true, false), axes.scan(false, true)]);
                all.push(axes.resident(Geometry { size: 96, per: 1, tile: 1 }, 96, 1, false));
                if reset == Reset::None {
                    let axes = Axes { spiking: false, ..axes };
                    for reduced in switches {
                        let axes = Axes { reduced, ..axes };
                        all.extend([axes.scan(false, false), axes.scan(true, false)]);
                    }
                }
            }
        }
    }
    for reset in [Reset::SubtractBefore, Reset::SubtractAfter] {
        let axes = Axes {
            reset,
            synapse: false,
            lagged: false,
            spiking: true,
            tape: true,
            keeps_current: false,
            reduced: false,
            snippet: None,
            bytes: true,
        };
        all.extend([axes.scan(false, false), axes.scan(false, true)]);
    }
    let reset = Reset::ZeroAfter;
    let axes = Axes {
        reset,
        synapse: true,
        lagged: true,
        spiking: true,
        tape: true,
        keeps_current: true,
        reduced: false,
        snippet: None,
        bytes: false,
    };
    for subgroups in switches {
        for half in switches {
            let narrow = axes.resident(Geometry { size: 96, per: 1, tile: 1 }, 96, 1, subgroups);
            let wide = [1, 2].map(|lag| axes.resident(Geometry { size: 224, per: 3, tile: 2 }, 640, lag, subgroups));
            all.extend(wide.into_iter().chain([narrow]).map(|permutation| permutation.define("HALF", half)));
        }
    }
    all.extend([axes.scan(true, false), axes.scan(false, true)].map(|permutation| permutation.define("HALF", true)));
    all
}
