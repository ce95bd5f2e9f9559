//! The engine over any backend: parameters and their gradients on the device, and the buffers of the current plan.

use super::batch::Input;
use super::between::{Dropping, Normal, Scaled};
use super::constraint::Constraint;
use super::device::Budget;
use super::group::{Settings, Step};
use super::initialise::initialise;
use super::metrics::Ring;
use super::parameters::{Tensor, widen};
use super::plan::{Plan, Sequence};
use super::planner::Wish;
use super::readout::{Objectives, Supplied};
use crate::error::Result;
use crate::kernels::*;
use crate::network::{Comparison, Connection, Gain, Layer, Network, Per};
use crate::neuron::Leak;
use crate::spikes::pad;

/// What a recurrent projection has.
pub(super) struct Recurrent<K: Kernels> {
    pub weights: K::Values,
    pub gradient: K::Values,
    pub prepared: K::Prepared,
    pub constraint: Constraint<K>,
}

/// A parameter tensor that only some kinds of neuron have.
pub(super) struct Own<K: Kernels> {
    /// Last part of its name.
    pub name: &'static str,
    pub values: K::Values,
    pub gradient: K::Values,
    /// Rows and columns without padding.
    pub shape: (usize, usize),
    /// Where it begins on the device: the bias of gates stands where the drive looks for it, in the row of the constants.
    pub first: usize,
    /// Entries on the device, those before it included.
    pub len: usize,
    /// Modes of the rows of those entries.
    pub modes: Modes,
    /// Whether the optimiser's weight decay acts on it.
    pub decays: bool,
}

/// How a layer's neurons go through the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walk {
    /// Step by step.
    Steps,
    /// All at once, by weights over time; the own tensors are `time` and `time_bias`.
    Time { order: Option<usize> },
    /// As LSTM cells; the own tensor is the bias of the gates.
    Lstm,
}

/// A layer's parameters on the device.
pub(super) struct LayerState<K: Kernels> {
    pub model: Model,
    pub units: usize,
    /// Columns of the weights: the units, or four rows of them for the gates of an LSTM cell.
    pub columns: usize,
    pub inputs: usize,
    pub projection: Projection,
    /// Lag of the source: its emit lag and this layer's input delay.
    pub lag: usize,
    /// How the rows of the neuron parameters are learned by the network, and with what groups freeze.
    pub modes: Modes,
    pub learning: Modes,
    pub settings: Settings,
    pub constraint: Constraint<K>,
    /// Dropout of this layer's spikes.
    pub dropping: Option<Dropping>,
    /// The weights that training uses where the source loses spikes.
    pub scaled: Option<Scaled<K>>,
    pub normal: Option<Normal<K>>,
    /// Rows of the neuron parameters that are held between two values.
    pub bounds: Vec<(usize, f64, f64)>,
    pub weights: K::Values,
    pub weight_gradient: K::Values,
    pub prepared: Option<K::Prepared>,
    pub recurrent: Option<Recurrent<K>>,
    /// Where its active neurons and their kicks may be listed.
    pub kicks: Option<K::Kicks>,
    /// Whether they are, in place of V: chosen before each batch.
    pub lists: bool,
    /// Whether the gradient of the last backward pass comes from them.
    pub kicked: bool,
    pub walk: Walk,
    pub own: Vec<Own<K>>,
    /// `[4 + own][np]`.
    pub parameters: K::Values,
    pub parameter_gradient: K::Values,
    /// `[5 + own][np]`.
    pub constants: K::Values,
    /// Spikes of each unit since they were read, `[np]`; None for a readout.
    pub totals: Option<K::Values>,
    /// Length of the feed-forward weights on the device.
    pub weights_len: usize,
    /// Share of its neuron-steps with a spike, as last measured; see [`Core::replan`].
    pub active: Option<f64>,
    /// For each tensor that is learned.
    pub optimiser: Vec<Rows<K>>,
}

/// `len` zeros in room that is kept.
pub(super) fn zeros<F: Real>(staging: &mut Vec<F>, len: usize) -> &[F] {
    staging.clear();
    staging.resize(len, F::from_f64(0.0));
    staging
}

/// Rows of the optimiser for one tensor.
pub(super) struct Rows<K: Kernels> {
    /// Last part of the tensor's name.
    pub name: &'static str,
    pub values: K::Values,
    /// Entries of the tensor.
    pub len: usize,
    /// How a step updates it; see [`Core::plan_updates`].
    pub updates: Vec<Step>,
}

/// Trains one network on one backend. [`super::Engine`] wraps it for f32 on the CPU or a GPU; the f64 check runs it on
/// [`crate::cpu::Cpu<f64>`].
pub struct Core<K: Kernels> {
    pub(super) network: Network,
    pub(super) kernels: K,
    pub(super) budget: Budget,
    pub(super) layers: Vec<LayerState<K>>,
    pub(super) plans: Vec<Plan<K>>,
    /// What the last forward pass left.
    pub(super) last: Option<Sequence>,
    pub(super) ring: Ring<K>,
    pub(super) control: K::Values,
    pub(super) rule: Option<Rule>,
    /// What the updates of the tensors were planned for.
    pub(super) planned: Option<(Rule, Penalty)>,
    pub(super) step: u64,
    /// What masks are drawn from: the seed, and the number of the next training pass.
    pub(super) seed: u64,
    pub(super) pass: u64,
    /// The masks of the last training pass.
    pub(super) masks: Vec<Option<DropoutMask>>,
    /// Whether the last forward pass was one of training.
    pub(super) trained: bool,
    pub(super) forced: Option<Form>,
    /// What the last batch said about its answers.
    pub(super) supplied: Supplied,
    /// Whether its samples had lengths of their own.
    pub(super) ragged: bool,
    /// The losses.
    pub(super) objectives: Objectives,
    /// Whether the last forward pass kept a tape.
    pub(super) taped: bool,
    /// Whether a backward pass came after it.
    pub(super) adjoint: bool,
    /// Whether a parameter has changed since.
    pub(super) moved: bool,
    /// State that the next stream starts from.
    pub(super) carried: Option<super::state::State<K::Real>>,
    /// Where values are padded before they go to the device.
    pub(super) staging: Vec<K::Real>,
    /// Where words are put side by side before they go to the device.
    pub(super) staged: Vec<u32>,
    /// What is asked of plans.
    pub(super) wish: Wish,
    /// Bytes that everything may take, learned from a refusal of the device.
    pub(super) ceiling: Option<u64>,
    /// What was done about memory.
    pub(super) notices: Vec<String>,
    /// The micro-batch that stands in the arrays.
    pub(super) held: Option<usize>,
    /// The input of the last batch, where the plan reads it again.
    pub(super) input: Option<Input<K::Real>>,
}

/// The switches of a layer for the kernels.
pub fn model(layer: &Layer) -> Model {
    let neuron = &layer.neuron;
    Model {
        spiking: neuron.spiking(),
        reset: neuron.reset,
        detach: neuron.detach_reset,
        lag: neuron.lag as usize,
        emit_lag: neuron.emit_lag as usize,
        recurrent_lag: neuron.recurrent_lag as usize,
        normalised: neuron.gain == Gain::OneMinusBeta,
        inclusive: neuron.comparison == Comparison::GreaterEqual,
        reset_potential: neuron.reset_potential,
        surrogate: layer
            .surrogate
            .unwrap_or(crate::network::Surrogate::new(crate::network::SurrogateKind::StraightThrough, 1.0)),
        synapse: neuron.synapse(),
        firing: match neuron.max_spikes {
            Some(most) => Firing::Multi { most, periodic: neuron.periodic },
            None => Firing::Single,
        },
        leak: neuron.kind.leak(),
        snippet: neuron.kind.snippet(),
        learned: Learned {
            tau_syn: neuron.tau_syn.as_ref().is_some_and(|tau| tau.learned),
            tau_mem: neuron.tau_mem.learned,
            threshold: neuron.threshold.as_ref().is_some_and(|theta| theta.learned),
            bias: layer.bias,
            own: (0..)
                .map_while(|index| neuron.own(index).map(|parameter| u32::from(parameter.learned) << index))
                .fold(0, |bits, bit| bits | bit),
        },
    }
}

fn modes(layer: &Layer) -> Modes {
    let of = |parameter: Option<&crate::network::Parameter>, mode| match parameter {
        Some(parameter) if parameter.learned => (mode, parameter.per == Per::Layer),
        _ => (Mode::Frozen, false),
    };
    let neuron = &layer.neuron;
    let mut modes = vec![(Mode::Frozen, false); row::ROWS];
    let leak = if neuron.kind.leak() == Leak::Logistic { Mode::Plain } else { Mode::Logarithmic };
    modes[row::TAU_SYN] = of(neuron.tau_syn.as_ref(), Mode::Logarithmic);
    modes[row::TAU_MEM] = of(Some(&neuron.tau_mem), leak);
    modes[row::THRESHOLD] = of(neuron.threshold.as_ref(), Mode::Logarithmic);
    if layer.bias {
        modes[row::BIAS] = (Mode::Plain, false);
    }
    let own = neuron.kind.snippet().map_or(&[][..], |snippet| snippet.parameters);
    for (index, spec) in own.iter().enumerate() {
        let mode = if spec.logarithmic() { Mode::Logarithmic } else { Mode::Plain };
        modes.push(of(neuron.own(index).as_ref(), mode));
    }
    modes
}

/// Rows of the neuron parameters that are held between two values, with these.
fn bounds(layer: &Layer) -> Vec<(usize, f64, f64)> {
    let neuron = &layer.neuron;
    let common = [
        (row::TAU_SYN, neuron.tau_syn.clone()),
        (row::TAU_MEM, Some(neuron.tau_mem.clone())),
        (row::THRESHOLD, neuron.threshold.clone()),
    ];
    let own = (0..).map_while(|index| neuron.own(index).map(|parameter| (row::ROWS + index, Some(parameter))));
    let all = common.into_iter().chain(own).filter_map(|(row, parameter)| Some((row, parameter?)));
    let held = all.filter(|(_, own)| own.learned && (own.min.is_some() || own.max.is_some()));
    held.map(|(row, own)| (row, own.min.unwrap_or(-f64::MAX), own.max.unwrap_or(f64::MAX))).collect()
}

impl<K: Kernels> Core<K> {
    /// Puts `network` on a backend and draws its start from seed 0.
    ///
    /// # Errors
    /// [`crate::Error::Network`] where the network is wrong, [`crate::Error::Memory`] where it does not fit.
    pub fn new(network: Network, mut kernels: K, budget: Budget) -> Result<Self> {
        network.validate()?;
        let mut layers = Vec::new();
        let mut emit_lag = 0;
        for (index, layer) in network.layers.iter().enumerate() {
            layers.push(LayerState::new(&mut kernels, &network, index, layer, emit_lag)?);
            emit_lag = layer.neuron.emit_lag as usize;
        }
        let ring = Ring::new(&mut kernels, &layers, &network)?;
        let control = kernels.values("control", 2)?;
        let objectives = Objectives::new(&network);
        let mut core = Core {
            network,
            kernels,
            budget,
            layers,
            plans: Vec::new(),
            last: None,
            ring,
            control,
            rule: None,
            planned: None,
            step: 0,
            seed: 0,
            pass: 0,
            masks: Vec::new(),
            trained: false,
            forced: None,
            supplied: Supplied::default(),
            ragged: false,
            objectives,
            taped: false,
            adjoint: false,
            moved: false,
            carried: None,
            staging: Vec::new(),
            staged: Vec::new(),
            wish: Wish::default(),
            ceiling: None,
            notices: Vec::new(),
            held: None,
            input: None,
        };
        core.initialise(0)?;
        Ok(core)
    }

    /// Draws the start of all parameters from `seed` and forgets the optimiser's state.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device was lost.
    pub fn initialise(&mut self, seed: u64) -> Result<()> {
        self.draw_masks(seed)?;
        let start = initialise(&self.network, seed);
        let start = start.into_iter().map(|(name, tensor)| {
            let values = tensor.values.into_iter().map(K::Real::from_f64).collect();
            (name, Tensor { shape: tensor.shape, values })
        });
        self.set_parameters(&start.collect())?;
        (self.seed, self.pass) = (seed, 0);
        self.step = 0;
        self.rule = None;
        for layer in &mut self.layers {
            layer.optimiser.clear();
        }
        Ok(())
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The backend.
    pub fn kernels(&mut self) -> &mut K {
        &mut self.kernels
    }

    /// The backend, for another network.
    pub fn into_kernels(self) -> K {
        self.kernels
    }

    /// Waits until everything that was asked for so far is done.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device was lost.
    pub fn wait(&mut self) -> Result<()> {
        self.kernels.read(&self.control, 0..1).map(|_| ())
    }

    /// Forces the form of all recurrent layers; for tests and benchmarks.
    pub fn force_form(&mut self, form: Option<Form>) {
        self.forced = form;
        self.plans.clear();
        self.last = None;
    }

    /// Recomputes what is derived from the parameters: constants, and the other layouts of the weights.
    pub(super) fn refresh(&mut self) {
        self.moved = true;
        let dt = self.network.dt;
        for (l, layer) in self.layers.iter_mut().enumerate() {
            self.kernels.at_layer(Some(l));
            self.kernels.constants(layer.model, layer.units, dt, &layer.parameters, &mut layer.constants);
            if let Some(prepared) = &mut layer.prepared {
                self.kernels.prepare(&layer.weights, layer.inputs, layer.columns, prepared);
            }
            if let Some(scaled) = &mut layer.scaled {
                self.kernels.scale(Some(&layer.weights), scaled.factor, layer.weights_len, &mut scaled.weights);
                self.kernels.prepare(&scaled.weights, layer.inputs, layer.columns, &mut scaled.prepared);
            }
            if let Some(recurrent) = &mut layer.recurrent {
                self.kernels.prepare(&recurrent.weights, layer.units, layer.columns, &mut recurrent.prepared);
            }
        }
        self.kernels.at_layer(None);
    }

    /// Makes room for the rows of `rule`, all 0.
    pub(super) fn allocate_optimiser(&mut self, rule: Rule) -> Result<()> {
        let same = self.rule.is_some_and(|old| std::mem::discriminant(&old) == std::mem::discriminant(&rule));
        if !same {
            self.planned = None;
            for layer in &mut self.layers {
                layer.optimiser.clear();
                let rows = rule.rows();
                let row = pad(layer.columns);
                let mut made = vec![("weight", layer.weight_rows())];
                made.extend(layer.recurrent.is_some().then_some(("recurrent", layer.units)));
                for (name, of_tensor) in made {
                    let values = self.kernels.weights("optimiser", rows, of_tensor, row)?;
                    layer.optimiser.push(Rows { name, values, len: of_tensor * row, updates: Vec::new() });
                }
                let mut add = |kernels: &mut K, name, len: usize| -> Result<()> {
                    let values = kernels.values("optimiser", rows * len)?;
                    layer.optimiser.push(Rows { name, values, len, updates: Vec::new() });
                    Ok(())
                };
                for own in layer.own.iter().filter(|own| own.learned()) {
                    add(&mut self.kernels, own.name, own.len)?;
                }
                if layer.modes.iter().any(|(mode, _)| *mode != Mode::Frozen) {
                    add(&mut self.kernels, "neuron", layer.modes.len() * pad(layer.units))?;
                }
                if layer.normal.is_some() {
                    add(&mut self.kernels, "norm", normal::LEARNED * pad(layer.units))?;
                }
            }
        }
        self.rule = Some(rule);
        Ok(())
    }
}

impl<K: Kernels> Own<K> {
    fn new(kernels: &mut K, name: &'static str, shape: (usize, usize), decays: bool) -> Result<Self> {
        let len = shape.0 * pad(shape.1);
        let (values, gradient) = (kernels.values(name, len)?, kernels.values(name, len)?);
        let modes = vec![(Mode::Plain, false)];
        Ok(Own { name, values, gradient, shape, first: 0, len, modes, decays })
    }

    /// The bias of gates, as constants `[5][4 np]` that hold nothing else.
    fn bias(kernels: &mut K, units: usize, learned: bool) -> Result<Self> {
        let row = GATES * pad(units);
        let len = constant::ROWS * row;
        let (values, gradient) = (kernels.values("bias", len)?, kernels.values("bias gradient", len)?);
        let mut modes = vec![(Mode::Frozen, false); constant::ROWS];
        if learned {
            modes[constant::BIAS].0 = Mode::Plain;
        }
        let shape = (GATES, units);
        Ok(Own { name: "bias", values, gradient, shape, first: constant::BIAS * row, len, modes, decays: false })
    }

    /// Whether it is learned.
    pub fn learned(&self) -> bool {
        self.modes.iter().any(|(mode, _)| *mode != Mode::Frozen)
    }
}

impl<K: Kernels> LayerState<K> {
    /// The shape of its drive and of χ.
    pub fn drive_shape(&self, shape: Shape) -> Shape {
        Shape { units: self.columns, ..shape }
    }

    /// Rows of its tape a step.
    pub fn tapes(&self) -> usize {
        self.model.tapes() + usize::from(self.walk == Walk::Lstm)
    }

    /// The weights over time of a layer that has some.
    pub fn over_time(&self) -> TimeWeights<'_, K> {
        let order = match self.walk {
            Walk::Time { order } => order,
            Walk::Steps | Walk::Lstm => None,
        };
        TimeWeights { order, weights: &self.own[0].values, bias: &self.own[1].values }
    }

    fn new(kernels: &mut K, network: &Network, index: usize, layer: &Layer, emit_lag: usize) -> Result<Self> {
        let (units, inputs) = (layer.units, network.fan_in(index));
        let width = pad(units);
        let gates = layer.neuron.kind.gates();
        // The drive of each gate is a row of its own.
        let columns = if gates > 1 { gates * width } else { units };
        let drives = pad(columns);
        let projection = match layer.connection {
            Connection::Dense => Projection::Dense,
            Connection::Current => Projection::Current,
        };
        let weight_rows = if projection == Projection::Dense { inputs } else { 1 };
        let recurrent = if layer.recurrent {
            Some(Recurrent {
                weights: kernels.forward_weights("recurrent weights", units, drives)?,
                gradient: kernels.weights("recurrent weight gradient", 1, units, drives)?,
                prepared: kernels.prepared("recurrent weights, transposed", units, columns)?,
                constraint: Constraint::new(layer, units),
            })
        } else {
            None
        };
        let (walk, own) = match layer.neuron.time() {
            None if gates > 1 => (Walk::Lstm, vec![Own::bias(kernels, units, layer.bias)?]),
            None => (Walk::Steps, Vec::new()),
            Some((rows, columns)) => {
                let own = vec![
                    Own::new(kernels, "time", (rows, columns), true)?,
                    Own::new(kernels, "time_bias", (1, rows), false)?,
                ];
                (Walk::Time { order: layer.neuron.order }, own)
            }
        };
        let mut model = model(layer);
        let mut modes = modes(layer);
        if walk == Walk::Lstm {
            model.learned.bias = false;
            modes[row::BIAS] = (Mode::Frozen, false);
        }
        let rows = model.parameter_rows();
        let mut parameters = kernels.values("neuron parameters", rows * width)?;
        let ones = vec![K::Real::from_f64(1.0); (row::ROWS - 1) * width];
        kernels.write(&mut parameters, 0, &widen(&ones, width));
        // Weights from a source that loses spikes are summed over what is left, segment by segment.
        let below = index.checked_sub(1).and_then(|below| Dropping::of(&network.layers[below]));
        let plain = projection == Projection::Dense && walk == Walk::Steps && layer.normalise.is_none();
        let kicks = if plain && below.is_none() { kernels.kicks(model) } else { None };
        Ok(LayerState {
            kicks,
            lists: false,
            kicked: false,
            model,
            units,
            columns,
            inputs,
            projection,
            lag: emit_lag + layer.neuron.input_delay as usize,
            learning: modes.clone(),
            modes,
            settings: Settings::default(),
            constraint: Constraint::new(layer, inputs),
            dropping: Dropping::of(layer),
            scaled: match below {
                Some(dropping) => Some(Scaled {
                    factor: dropping.factor,
                    weights: kernels.forward_weights("weights, scaled", weight_rows, drives)?,
                    prepared: kernels.prepared("weights, scaled and transposed", inputs, columns)?,
                }),
                None => None,
            },
            normal: Normal::new(kernels, layer)?,
            bounds: bounds(layer),
            weights: kernels.forward_weights("weights", weight_rows, drives)?,
            weight_gradient: kernels.weights("weight gradient", 1, weight_rows, drives)?,
            // The input's gradient is wanted so rarely that its weights are prepared when asked for.
            prepared: if index > 0 { Some(kernels.prepared("weights, transposed", inputs, columns)?) } else { None },
            recurrent,
            walk,
            own,
            parameters,
            parameter_gradient: kernels.values("neuron parameter gradient", rows * width)?,
            constants: kernels.values("neuron constants", model.constant_rows() * width)?,
            totals: if layer.neuron.spiking() { Some(kernels.values("spikes of the units", width)?) } else { None },
            optimiser: Vec::new(),
            weights_len: weight_rows * drives,
            active: None,
        })
    }
}
