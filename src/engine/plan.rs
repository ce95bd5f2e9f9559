//! The plan: for one size of sequence, the buffers of each layer and the form of each kernel.

use super::between::NormalTape;
use super::core::{Core, LayerState, Walk};
use super::device::Budget;
use super::readout::ReadoutPlan;
use crate::error::{Error, Result};
use crate::kernels::*;
use crate::spikes::{pad, words};

/// The size of a batch, and what its input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Steps T.
    pub steps: usize,
    /// Samples B.
    pub batch: usize,
    /// Spikes or values.
    pub input: ActivityKind,
}

/// The buffers of one layer.
pub(super) struct LayerPlan<K: Kernels> {
    pub shape: Shape,
    pub forward: Form,
    pub backward: Form,
    pub planes: K::Values,
    pub spikes: Option<K::Activity>,
    /// Over time: X, kept for the backward pass (`[T][B][np]`); without one, V. Of LSTM cells: the gates, `[T][B][4 np]`.
    pub own: Option<K::Values>,
    pub training: Option<Training<K>>,
}

/// What only training needs.
pub(super) struct Training<K: Kernels> {
    pub tape: K::Values,
    pub chi: K::Values,
    /// h of LSTM cells, as the source of their recurrent weights.
    pub hidden: Option<K::Activity>,
    /// Gradient of the spikes; None for a readout.
    pub gradient: Option<K::Values>,
    /// Gradient of the potential, made when somebody gives one.
    pub potential: Option<K::Values>,
    /// The spikes that dropout keeps.
    pub dropped: Option<K::Activity>,
    /// With dropout: the gradient of all spikes that somebody gives, made when it is.
    pub given: Option<K::Values>,
    pub normal: Option<NormalTape<K>>,
}

impl<K: Kernels> Training<K> {
    /// dL/dX of the layer's projection.
    pub fn chi(&self) -> &K::Values {
        self.normal.as_ref().map_or(&self.chi, |normal| &normal.chi)
    }
}

/// See the module.
pub(super) struct Plan<K: Kernels> {
    pub sequence: Sequence,
    pub input: K::Activity,
    pub readout: ReadoutPlan<K>,
    /// Probabilities of rate-coded input, made when somebody gives some.
    pub chances: Option<K::Words>,
    /// X of one layer at a time.
    pub drive: K::Values,
    pub layers: Vec<LayerPlan<K>>,
    /// Whether the history of the rasters is not 0 (a stream went through).
    pub streamed: bool,
    /// When it was used last.
    pub used: u64,
}

/// Plans that are kept at once: the batches of training, and the smaller last one.
const KEPT: usize = 3;

/// Bytes of one layer: what inference needs and what training adds.
fn layer_bytes<K: Kernels>(layer: &LayerState<K>, sequence: Sequence) -> (u64, u64) {
    let real = size_of::<K::Real>();
    let (steps, batch, width) = (sequence.steps, sequence.batch, pad(layer.units));
    let row = batch * width * real;
    let spikes = match (layer.model.spiking, layer.model.activity()) {
        (false, _) => 0,
        (true, ActivityKind::Bytes) => (steps + HISTORY) * batch * width,
        (true, _) => (steps + HISTORY) * batch * words(layer.units) * 4,
    };
    let tape = steps * row * layer.tapes();
    let gradient = if layer.model.spiking { steps * row } else { 0 };
    let drives = batch * pad(layer.columns) * real;
    let own = if layer.walk == Walk::Steps { 0 } else { steps * drives };
    let hidden = if layer.walk == Walk::Lstm { (steps + HISTORY) * row } else { 0 };
    let planes = (plane::PLANES + layer.model.tail().map_or(0, |tail| tail.len())) * row;
    let dropped = if layer.dropping.is_some() { spikes } else { 0 };
    let normal = if layer.normal.is_some() { (2 * steps + FUTURE) * row } else { 0 };
    let more = tape + hidden + (steps + FUTURE) * drives + gradient + dropped + normal;
    ((spikes + planes + own) as u64, more as u64)
}

impl<K: Kernels> Core<K> {
    /// Bytes that a plan for `sequence` takes on the device besides the parameters.
    pub fn plan_bytes(&self, sequence: Sequence, training: bool) -> u64 {
        let real = size_of::<K::Real>() as u64;
        let (steps, batch, inputs) = (sequence.steps as u64, sequence.batch as u64, self.network.inputs);
        let input = match sequence.input {
            ActivityKind::Raster => words(inputs) as u64 * 4,
            ActivityKind::Values => pad(inputs) as u64 * real,
            ActivityKind::Bytes => pad(inputs) as u64,
        };
        let widest = self.layers.iter().map(|layer| pad(layer.units)).max().unwrap_or(0) as u64;
        let layers: u64 = self
            .layers
            .iter()
            .map(|layer| layer_bytes(layer, sequence))
            .map(|(always, more)| always + if training { more } else { 0 })
            .sum();
        let (once, each_step) = self.objectives.entries(training);
        let outputs = pad(self.network.outputs()) as u64;
        let readout = (once as u64 + steps * each_step as u64) * batch * outputs * real;
        (steps + HISTORY as u64) * batch * input + steps * batch * widest * real + batch * 4 + layers + readout
    }

    /// Index of the plan for `sequence`, with the buffers of training where asked for.
    pub(super) fn plan(&mut self, sequence: Sequence, training: bool) -> Result<usize> {
        if let Budget::Bytes(budget) = self.budget {
            let needed = self.plan_bytes(sequence, training);
            if needed > budget {
                let Sequence { steps, batch, .. } = sequence;
                let remedy = format!("the budget is {budget} bytes: use a smaller batch or fewer steps");
                return Err(Error::Memory { what: format!("{steps} steps × {batch} samples"), needed, remedy });
            }
        }
        let clock = self.plans.iter().map(|plan| plan.used).max().unwrap_or(0) + 1;
        let found = self.plans.iter().position(|plan| plan.sequence == sequence);
        let index = match found {
            Some(index) => index,
            None => {
                if self.plans.len() == KEPT {
                    let oldest = (0..KEPT).min_by_key(|&index| self.plans[index].used).unwrap_or(0);
                    self.plans.swap_remove(oldest);
                }
                let plan = self.allocate(sequence)?;
                self.plans.push(plan);
                self.plans.len() - 1
            }
        };
        self.plans[index].used = clock;
        if training {
            self.allocate_training(index, 0)?;
        }
        Ok(index)
    }

    fn allocate(&mut self, sequence: Sequence) -> Result<Plan<K>> {
        let Sequence { steps, batch, input } = sequence;
        let kernels = &mut self.kernels;
        let mut layers = Vec::new();
        for layer in &self.layers {
            let shape = Shape { steps, batch, units: layer.units };
            let (mut forward, mut backward) = kernels.form(shape, layer.recurrent.is_some());
            if let (Some(form), true) = (self.forced, layer.recurrent.is_some()) {
                (forward, backward) = (form, form);
            }
            layers.push(LayerPlan {
                shape,
                forward,
                backward,
                planes: kernels.values("sample planes", layer.model.planes_len(shape))?,
                spikes: if layer.model.spiking {
                    Some(kernels.activity("spikes", layer.model.activity(), shape)?)
                } else {
                    None
                },
                own: match layer.walk {
                    Walk::Steps => None,
                    Walk::Time { .. } => Some(kernels.values("drive over time", shape.len(steps))?),
                    Walk::Lstm => Some(kernels.values("gates", layer.drive_shape(shape).len(steps))?),
                },
                training: None,
            });
        }
        let widest = self.layers.iter().map(|layer| pad(layer.units)).max().unwrap_or(0);
        Ok(Plan {
            sequence,
            input: kernels.activity("input", input, Shape { steps, batch, units: self.network.inputs })?,
            readout: ReadoutPlan::new(kernels, &self.objectives, sequence)?,
            chances: None,
            drive: kernels.values("drive", steps * batch * widest)?,
            layers,
            streamed: false,
            used: 0,
        })
    }

    /// The buffers of training, of the layers from `first` on.
    pub(super) fn allocate_training(&mut self, index: usize, first: usize) -> Result<()> {
        for (plan, layer) in self.plans[index].layers.iter_mut().zip(&self.layers).skip(first) {
            if plan.training.is_some() {
                continue;
            }
            let (shape, steps) = (plan.shape, plan.shape.steps);
            plan.training = Some(Training {
                tape: self.kernels.values("tape", layer.tapes() * shape.len(steps))?,
                chi: self.kernels.values("adjoint", layer.drive_shape(shape).len(steps + FUTURE))?,
                hidden: match layer.walk {
                    Walk::Lstm => Some(self.kernels.activity("hidden state", ActivityKind::Values, shape)?),
                    _ => None,
                },
                gradient: if layer.model.spiking {
                    Some(self.kernels.values("gradient of spikes", shape.len(steps))?)
                } else {
                    None
                },
                potential: None,
                dropped: if layer.dropping.is_some() {
                    Some(self.kernels.activity("spikes that are kept", layer.model.activity(), shape)?)
                } else {
                    None
                },
                given: None,
                normal: if layer.normal.is_some() { Some(NormalTape::new(&mut self.kernels, shape)?) } else { None },
            });
        }
        Ok(())
    }

    /// The plan of the last forward pass as text: a line for each layer.
    pub fn plan_text(&self) -> String {
        let Some(sequence) = self.last else { return "no plan yet: it is made by the first batch\n".into() };
        let Some(plan) = self.plans.iter().find(|plan| plan.sequence == sequence) else { return String::new() };
        let Sequence { steps, batch, .. } = sequence;
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let training = plan.layers.iter().any(|layer| layer.training.is_some());
        let mut text = format!(
            "{steps} steps × {batch} samples, {:.1} MiB besides the parameters\n",
            mib(self.plan_bytes(sequence, training))
        );
        for (index, (layer, state)) in plan.layers.iter().zip(&self.layers).enumerate() {
            let (always, more) = layer_bytes(state, sequence);
            text += &format!(
                "layer {index}: {} units, forward {}, backward {}, {:.1} MiB\n",
                state.units,
                name(layer.forward),
                name(layer.backward),
                mib(always + if layer.training.is_some() { more } else { 0 })
            );
        }
        text
    }
}

fn name(form: Form) -> String {
    match form {
        Form::Scan => "scan".into(),
        Form::Resident { tile, quantum: usize::MAX } => format!("resident (tile {tile})"),
        Form::Resident { tile, quantum } => format!("resident (tile {tile}, {quantum} steps a dispatch)"),
        Form::Stepwise => "stepwise".into(),
    }
}
