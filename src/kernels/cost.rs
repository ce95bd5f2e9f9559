//! What a call has to do: bytes, operations of products, and rows that are added by events.
//!
//! - **Bytes** are those of each array that a call reads or writes, once, padding included. What a fused call keeps to itself
//!   (the drive between [`Drive`] and [`Forward`]) does not count, nor do weights whose rows are gathered.
//! - **Operations** are those of products, two for a multiply-add, over unpadded widths. Where the surrogate is 0 nothing
//!   of an adjoint is needed: products towards such entries do not count, whether a backend skips them or not. Arithmetic
//!   on single entries does not count.
//! - **Gathers** are rows of a table that are added where a source is active: `active · row` bytes from a table of the
//!   size of the weights.
//!
//! With `V` the bytes of a number, `np = pad(n)`, and `bits(n)` the bytes of a row of a raster:
//!
//! | call | bytes | operations, gathers |
//! |---|---|---|
//! | `drive` | `T·B (source + V·np)` | events: `active·V·np` of `V·in·np`; values: `2·T·B·in·n`, and `V·in·np` bytes |
//! | `forward` | `T·B (V·np drive + bits(n) + tapes·V·np)`, 4 planes | recurrent: `active·V·np` of `V·n·np` |
//! | `layer_forward` | both, without the drive | both |
//! | `backward` | `T·B (tapes·V·np + gradients + bits(n) + V·np χ)`, planes of carries and sums twice | recurrent: `2·sensitive·n`, and the weights; by rows: `sensitive·V·np` of `V·n·np` |
//! | `layer_backward` | as `backward`, and χ (and weights) of the layer above | and `2·sensitive·n_above`; by rows: `sensitive·V·np_above` of `V·n·np_above` |
//! | `drive_backward` | `T·B·V (np χ + pad(in))`, the weights | `2·T·B·in·n` |
//! | `weight_gradient` | `T·B (source + V·np χ) + V·in·np` (twice where added) | events: `active·V·np` of `V·in·np`; values: `2·T·B·in·n` |
//! | `update` | `V·len (3 + 2·rows of the optimiser)` | |
//!
//! `sensitive` is the number of neuron-steps whose surrogate derivative is not 0: all of them, or, for a surrogate that is 0
//! away from the threshold, those that are counted on the tape or in a list of active neurons, which is then read (σ') and written
//! (κ) in the place of V; *by rows* is how a backend may go about those few. The other calls read and write each of their arrays once.

use super::*;
use crate::network::SurrogateKind;
use crate::spikes::{pad, words};

/// What the rows of a source that a call reads hold, as its backend counts it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Source {
    /// Bits, values or bytes.
    pub kind: ActivityKind,
    /// Entries that are not 0; of values none is looked at.
    pub active: f64,
}

impl Source {
    fn form(&self) -> &'static str {
        match self.kind {
            ActivityKind::Values => "product",
            _ => "events",
        }
    }
}

/// The neuron-steps of an adjoint towards which products are needed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sensitive {
    /// Those whose surrogate derivative is not 0.
    pub steps: f64,
    /// Whether the backend reads a row of weights for each of them by itself, in place of a product with all.
    pub by_rows: bool,
}

impl Sensitive {
    /// Adds a product of `chi` numbers with a row of `row` weights (padded) for each of `units` neurons.
    fn add<K: Kernels>(self, cost: &mut Cost, units: usize, chi: usize, row: usize) {
        let weights = numbers::<K>(units * row);
        if self.by_rows {
            cost.form = "rows";
            cost.gathers.push(Gather { bytes: self.steps * numbers::<K>(row), table: weights });
        } else {
            cost.form = "product";
            cost.bytes += weights;
        }
        cost.operations += 2.0 * self.steps * chi as f64;
    }
}

/// A call that goes over `bytes` entry by entry.
pub fn pass(bytes: f64) -> Cost {
    Cost { form: "pass", bytes, ..Cost::default() }
}

/// Bytes of `len` numbers.
pub fn numbers<M: Memory>(len: usize) -> f64 {
    (len * size_of::<M::Real>()) as f64
}

/// Bytes of `rows` rows of an activity.
pub fn activity<M: Memory>(kind: ActivityKind, rows: usize, units: usize) -> f64 {
    match kind {
        ActivityKind::Raster => (rows * words(units) * 4) as f64,
        ActivityKind::Values => numbers::<M>(rows * pad(units)),
        ActivityKind::Bytes => (rows * pad(units)) as f64,
    }
}

/// The rows of activity that [`Drive`] reads, counted with the history.
pub fn rows(range: &Range<usize>, lag: usize) -> Range<usize> {
    HISTORY + range.start - lag..HISTORY + range.end - lag
}

/// Whether such a surrogate is 0 away from the threshold, and the neuron's threshold one number for each unit, so that
/// [`sensitive`] can say where.
pub fn compact(model: &Model) -> bool {
    use SurrogateKind::{Boxcar, SparseFastSigmoid, Triangle};
    let surrogate = matches!(model.surrogate.kind, Triangle | Boxcar | SparseFastSigmoid { .. });
    surrogate && model.spiking && model.snippet.is_none() && model.firing == Firing::Single
}

/// Entries of a tape of V, `[…][np]`, whose surrogate derivative, σ' of V − θ, is not 0. Of padding it is.
pub fn sensitive<F: Real>(potentials: &[F], thresholds: &[F], derivative: impl Fn(f64) -> f64) -> f64 {
    let not_0 = |(v, theta): &(&F, &F)| derivative(v.to_f64() - theta.to_f64()) != 0.0;
    let row = |v: &[F]| v.iter().zip(thresholds).filter(not_0).count();
    potentials.chunks_exact(thresholds.len()).map(row).sum::<usize>() as f64
}

/// Of [`Drive`].
pub fn drive<K: Kernels>(call: &Drive<K>, source: Source) -> Cost {
    let written = numbers::<K>(call.shape.len(call.range.len()));
    let mut cost = projection::<K>(call.projection, call.inputs, call.shape, call.range.len(), source);
    cost.bytes += written;
    cost
}

/// A projection without the array that it writes.
fn projection<K: Kernels>(kind: Projection, inputs: usize, shape: Shape, steps: usize, source: Source) -> Cost {
    let rows = steps * shape.batch;
    let weights = numbers::<K>(inputs * shape.row());
    let read = activity::<K>(source.kind, rows, inputs);
    match (kind, source.kind) {
        (Projection::Current, _) => pass(read + numbers::<K>(shape.row())),
        (Projection::Dense, ActivityKind::Values) => {
            let operations = 2.0 * (rows * inputs * shape.units) as f64;
            Cost { form: source.form(), bytes: read + weights, operations, gathers: Vec::new() }
        }
        (Projection::Dense, _) => {
            let gather = Gather { bytes: source.active * numbers::<K>(shape.row()), table: weights };
            Cost { form: source.form(), bytes: read, operations: 0.0, gathers: vec![gather] }
        }
    }
}

/// Of [`Forward`], without what recurrence adds once the spikes are there.
pub fn forward<K: Kernels>(call: &Forward<K>) -> Cost {
    let mut cost = layer(call);
    cost.bytes += numbers::<K>(call.shape.len(call.range.len()));
    cost
}

/// [`Forward`] that has its drive from itself.
fn layer<K: Kernels>(call: &Forward<K>) -> Cost {
    let (shape, steps) = (call.shape, call.range.len());
    let spikes =
        call.spikes.as_ref().map_or(0.0, |_| activity::<K>(call.model.activity(), steps * shape.batch, shape.units));
    let tapes = if call.tape.is_some() { call.model.tapes() } else { 0 };
    let planes = 2 * (2 + if call.reduce.is_some() { 2 } else { 0 });
    pass(spikes + numbers::<K>(tapes * shape.len(steps) + planes * shape.len(1)))
}

/// What recurrence adds to a forward call: the rows of its own active neurons.
pub fn recurrence<K: Kernels>(shape: Shape, steps: usize, source: Source) -> Cost {
    let cost = projection::<K>(Projection::Dense, shape.units, shape, steps, source);
    // The spikes are the call's own.
    Cost { bytes: cost.bytes - activity::<K>(source.kind, steps * shape.batch, shape.units), ..cost }
}

/// Of [`Kernels::layer_forward`].
pub fn layer_forward<K: Kernels>(drive: &Drive<K>, forward: &Forward<K>, source: Source) -> Cost {
    let mut cost = projection::<K>(drive.projection, drive.inputs, drive.shape, drive.range.len(), source);
    cost.bytes += layer(forward).bytes;
    cost
}

/// Of [`Backward`].
pub fn backward<K: Kernels>(call: &Backward<K>, sensitive: Sensitive) -> Cost {
    let Shape { batch, units, .. } = call.shape;
    let (shape, steps) = (call.shape, call.range.len());
    let given = [call.gradient_spikes.is_some(), call.gradient_potential.is_some()];
    let given = given.into_iter().filter(|given| *given).count();
    let spikes = call.spikes.map_or(0.0, |_| activity::<K>(call.model.activity(), steps * batch, units));
    let learned = call.model.learned;
    let sums = [learned.tau_syn, learned.tau_mem, learned.threshold, learned.bias];
    let carried = 2 + sums.into_iter().filter(|sum| *sum).count() + learned.own.count_ones() as usize;
    let read = usize::from(call.counts) + 2 * usize::from(call.reduce.is_some());
    let tapes = if call.tape.is_some() { call.model.tapes() } else { 0 };
    let chi = usize::from(call.kicks.as_ref().is_none_or(|listing| listing.chi));
    let listed = if call.kicks.is_some() { sensitive.steps * (4.0 + 2.0 * numbers::<K>(1)) } else { 0.0 };
    let rows = tapes + given + chi;
    let mut cost = pass(spikes + listed + numbers::<K>(rows * shape.len(steps) + (2 * carried + read) * shape.len(1)));
    if call.recurrent.is_some() {
        sensitive.add::<K>(&mut cost, units, units, shape.row());
    }
    cost
}

/// Of [`Kernels::layer_backward`] where it is fused.
pub fn layer_backward<K: Kernels>(above: &Above<K>, call: &Backward<K>, sensitive: Sensitive) -> Cost {
    let mut cost = backward(call, sensitive);
    let (shape, steps) = (above.shape, call.range.len());
    let added = if above.accumulate { call.shape.len(steps) } else { 0 };
    cost.bytes += numbers::<K>(shape.len(steps) + added);
    sensitive.add::<K>(&mut cost, call.shape.units, shape.units, shape.row());
    cost
}

/// Of [`DriveBackward`].
pub fn drive_backward<K: Kernels>(call: &DriveBackward<K>) -> Cost {
    let Shape { steps, batch, units } = call.shape;
    let times = if call.accumulate { 2 } else { 1 };
    let out = numbers::<K>(times * steps * batch * pad(call.inputs));
    let chi = numbers::<K>(call.shape.len(steps));
    match call.projection {
        Projection::Current => pass(chi + out + numbers::<K>(call.shape.row())),
        Projection::Dense => Cost {
            form: "product",
            bytes: chi + out + numbers::<K>(call.inputs * call.shape.row()),
            operations: 2.0 * (steps * batch * call.inputs * units) as f64,
            gathers: Vec::new(),
        },
    }
}

/// Of [`WeightGradient`]; the source is that of its samples.
pub fn weight_gradient<K: Kernels>(call: &WeightGradient<K>, source: Source) -> Cost {
    let shape = Shape { batch: call.samples.len(), ..call.shape };
    let mut cost = projection::<K>(call.projection, call.inputs, shape, shape.steps, source);
    let rows = if call.projection == Projection::Current { 1 } else { call.inputs };
    let out = numbers::<K>(rows * shape.row());
    cost.bytes += numbers::<K>(shape.len(shape.steps));
    // What is read of the weights of a product is written here.
    let counted = source.kind == ActivityKind::Values || call.projection == Projection::Current;
    cost.bytes += out * (f64::from(u8::from(!counted)) + f64::from(u8::from(call.accumulate)));
    cost
}

/// Of [`KickGradient`], with so many kicks in its steps: each reads a row of the filtered source, as long as a row of dW^T.
pub fn kick_gradient<K: Kernels>(call: &KickGradient<K>, kicks: usize, source: Source) -> Cost {
    let (rows, row) = (call.shape.steps * call.samples.len(), pad(call.inputs));
    let bytes = activity::<K>(source.kind, rows, call.inputs) + numbers::<K>(call.shape.units * row);
    let events = kicks as f64;
    let gather = Gather { bytes: events * numbers::<K>(row), table: numbers::<K>(call.shape.units * row) };
    let operations = (4 * rows * row) as f64 + 2.0 * events * row as f64;
    Cost { form: "kicks", bytes, operations, gathers: vec![gather] }
}

/// Of [`NeuronGradient`].
pub fn neuron_gradient<K: Kernels>(call: &NeuronGradient<K>) -> Cost {
    let learned = call.modes.iter().filter(|(mode, _)| *mode != Mode::Frozen).count();
    let rows = 3 * call.modes.len() + call.model.own() + 1;
    pass(numbers::<K>(learned * call.shape.len(1) + rows * call.shape.row()))
}

/// Of [`TimeForward`].
pub fn time_forward<K: Kernels>(call: &TimeForward<K>) -> Cost {
    let (shape, spikes) =
        (call.shape, activity::<K>(call.model.activity(), call.shape.steps * call.shape.batch, call.shape.units));
    let bytes =
        spikes + numbers::<K>(2 * shape.len(shape.steps) + shape.len(1)) + over_time::<K>(shape, call.weights.order);
    Cost { form: "product", bytes, operations: time_operations(shape, call.weights.order), gathers: Vec::new() }
}

/// Of [`TimeBackward`].
pub fn time_backward<K: Kernels>(call: &TimeBackward<K>) -> Cost {
    let shape = call.shape;
    let given = [call.gradient_spikes.is_some(), call.gradient_potential.is_some()];
    let rows = 3 + given.into_iter().filter(|given| *given).count();
    let bytes = numbers::<K>(rows * shape.len(shape.steps)) + 2.0 * over_time::<K>(shape, call.weights.order);
    Cost { form: "product", bytes, operations: 2.0 * time_operations(shape, call.weights.order), gathers: Vec::new() }
}

fn over_time<K: Kernels>(shape: Shape, order: Option<usize>) -> f64 {
    match order {
        None => numbers::<K>((shape.steps + 1) * pad(shape.steps)),
        Some(order) => numbers::<K>(pad(order) + 1),
    }
}

fn time_operations(shape: Shape, order: Option<usize>) -> f64 {
    let pairs: usize = match order {
        None => shape.steps * shape.steps,
        Some(order) => (1..=shape.steps).map(|t| t.min(order)).sum(),
    };
    2.0 * (pairs * shape.batch * shape.units) as f64
}

/// Of [`LstmForward`].
pub fn lstm_forward<K: Kernels>(call: &LstmForward<K>) -> Cost {
    let shape = call.shape;
    let Shape { steps, batch, units } = shape;
    let rows = 2 * GATES + if call.tape.is_some() { 3 } else { 0 };
    let weights = units * GATES * shape.row();
    let bytes = activity::<K>(call.model.activity(), steps * batch, units)
        + numbers::<K>(rows * shape.len(steps) + weights + 4 * shape.len(1));
    let operations = 2.0 * (GATES * steps * batch * units * units) as f64;
    Cost { form: "product", bytes, operations, gathers: Vec::new() }
}

/// Of [`LstmBackward`].
pub fn lstm_backward<K: Kernels>(call: &LstmBackward<K>) -> Cost {
    let shape = call.shape;
    let Shape { steps, batch, units } = shape;
    let given = [call.gradient_spikes.is_some(), call.gradient_potential.is_some()];
    let rows = 2 * GATES + 2 + given.into_iter().filter(|given| *given).count();
    let weights = units * GATES * shape.row();
    let bytes = activity::<K>(call.model.activity(), steps * batch, units)
        + numbers::<K>(rows * shape.len(steps) + weights + 4 * shape.len(1));
    let operations = 2.0 * (GATES * steps * batch * units * units) as f64;
    Cost { form: "product", bytes, operations, gathers: Vec::new() }
}

/// Of [`Count`].
pub fn count<K: Kernels>(call: &Count<K>, kind: ActivityKind) -> Cost {
    let Shape { steps, batch, units } = call.shape;
    pass(activity::<K>(kind, steps * batch, units) + numbers::<K>(call.shape.len(1)))
}

/// Of [`Tally`].
pub fn tally<K: Kernels>(call: &Tally<K>) -> Cost {
    pass(numbers::<K>(call.shape.len(1) + 2 * call.shape.row()))
}

/// Of [`Collapse`]; `kind` of a recording of spikes.
pub fn collapse<K: Kernels>(call: &Collapse<K>, kind: ActivityKind) -> Cost {
    pass(recording::<K>(&call.recording, call.shape, kind) + numbers::<K>(2 * call.shape.len(1)))
}

fn recording<K: Kernels>(recording: &Recording<K>, shape: Shape, kind: ActivityKind) -> f64 {
    match recording {
        Recording::Potential(_) => numbers::<K>(shape.len(shape.steps)),
        Recording::Spikes(..) => activity::<K>(kind, shape.steps * shape.batch, shape.units),
    }
}

/// Of [`Spread`].
pub fn spread<K: Kernels>(call: &Spread<K>) -> Cost {
    pass(numbers::<K>(2 * call.shape.len(call.shape.steps) + call.shape.len(1)))
}

/// Of [`Loss`]; `kind` of a recording of spikes.
pub fn loss<K: Kernels>(call: &Loss<K>, kind: ActivityKind) -> Cost {
    let shape = call.shape;
    pass(match &call.scores {
        Scores::Samples(..) => numbers::<K>(2 * shape.len(1)),
        Scores::Steps(of, gradient) => {
            let written = if gradient.is_some() { 2 * shape.len(shape.steps) } else { 0 };
            recording::<K>(of, shape, kind) + numbers::<K>(written)
        }
    })
}

/// Of [`Regularise`].
pub fn regularise<K: Kernels>(call: &Regularise<K>) -> Cost {
    pass(numbers::<K>(3 * call.shape.len(1)))
}

/// Of [`Dropout`]; the history is written too.
pub fn dropout<K: Kernels>(call: &Dropout<K>, kind: ActivityKind) -> Cost {
    let Shape { steps, batch, units } = call.shape;
    pass(2.0 * activity::<K>(kind, (HISTORY + steps) * batch, units))
}

/// Of [`DropoutBackward`].
pub fn dropout_backward<K: Kernels>(call: &DropoutBackward<K>) -> Cost {
    let arrays = if call.given.is_some() { 3 } else { 2 };
    pass(numbers::<K>(arrays * call.shape.len(call.shape.steps)))
}

/// Of [`Normalise`].
pub fn normalise<K: Kernels>(call: &Normalise<K>) -> Cost {
    let arrays = if call.training.is_some() { 3 } else { 2 };
    pass(numbers::<K>(arrays * call.shape.len(call.shape.steps)))
}

/// Of [`NormaliseBackward`].
pub fn normalise_backward<K: Kernels>(call: &NormaliseBackward<K>) -> Cost {
    pass(numbers::<K>(3 * call.shape.len(call.shape.steps)))
}

/// Of [`EncodeRate`].
pub fn encode_rate<K: Kernels>(call: &EncodeRate<K>) -> Cost {
    let Shape { steps, batch, units } = call.shape;
    pass(activity::<K>(ActivityKind::Raster, steps * batch, units) + (4 * batch * pad(units)) as f64)
}

/// Of [`Constrain`].
pub fn constrain<K: Kernels>(call: &Constrain<K>) -> Cost {
    let mask = call.mask.map_or(0, |_| call.rows * words(call.columns) * 4);
    pass(mask as f64 + numbers::<K>(2 * call.rows * pad(call.columns)))
}

/// Of [`Update`].
pub fn update<K: Kernels>(call: &Update<K>) -> Cost {
    pass(numbers::<K>(call.row * call.modes.len() * (3 + 2 * call.rule.rows())))
}
