//! `spikegrad grad`: one forward and backward pass from files to a file. Every key is described in `docs/grad.md`.

use super::arguments::{Dtype, Grad};
use super::train::in_file;
use spikegrad::cpu::Cpu;
use spikegrad::engine::{Batch, Budget, Core, Device, Engine, Gradient, Input, Parameters, Tensor, shapes};
use spikegrad::io::{Stored, TensorFile, write_tensors};
use spikegrad::kernels::Real;
use spikegrad::learn::Recipe;
use spikegrad::network::Network;
use spikegrad::spikes::{Raster, Trace};
use spikegrad::{Error, Result};
use std::path::Path;

pub fn run(arguments: Grad) -> Result<()> {
    let device: Device = arguments.device.parse()?;
    if arguments.dtype == Dtype::F64 && matches!(device, Device::Gpu(_)) {
        return Err(Error::Input("--dtype f64 runs on the CPU: leave --device out".into()));
    }
    for input in [&arguments.network, &arguments.input, &arguments.params] {
        let same = |path: &Path| std::fs::canonicalize(path).ok();
        if same(input).is_some() && same(input) == same(&arguments.out) {
            return Err(Error::file(&arguments.out, "would be overwritten by --out: name another file"));
        }
    }
    let path = &arguments.network;
    let text = std::fs::read_to_string(path).map_err(|error| Error::file(path, format!("cannot be read: {error}")))?;
    let mut network = Recipe::network_of(&text).map_err(|error| in_file(path, error))?;
    spikegrad::audit::learn_everything(&mut network);
    let results = match arguments.dtype {
        Dtype::F32 => {
            let mut machine = Engine::new(network.clone(), device, Budget::default())?;
            one_pass(&mut machine, &network, &arguments)?
        }
        Dtype::F64 => {
            let mut machine = Core::new(network.clone(), Cpu::<f64>::new(), Budget::default())?;
            one_pass(&mut machine, &network, &arguments)?
        }
    };
    write_tensors(&arguments.out, &results, None)
}

/// The loss; the spikes and the potentials of all layers.
type Activity<F> = (f64, Vec<Option<Raster>>, Vec<Trace<F>>);

/// What `grad` needs of an engine, over f32 on any device and f64 on the CPU.
trait Machine<F: Real> {
    fn set(&mut self, parameters: &Parameters<F>) -> Result<()>;
    /// Runs a batch.
    fn forward(&mut self, batch: &Batch<F>) -> Result<Activity<F>>;
    /// The regulariser, the gradients of the parameters, and that of the input.
    fn backward(&mut self) -> Result<(f64, Parameters<F>, Trace<F>)>;
}

macro_rules! machine {
    ($machine:ty, $real:ty) => {
        impl Machine<$real> for $machine {
            fn set(&mut self, parameters: &Parameters<$real>) -> Result<()> {
                self.set_parameters(parameters)
            }

            fn forward(&mut self, batch: &Batch<$real>) -> Result<Activity<$real>> {
                let spiking: Vec<bool> = self.network().layers.iter().map(|layer| layer.neuron.spiking()).collect();
                let mut outputs = <$machine>::forward(self, batch)?;
                let (mut spikes, mut potentials) = (Vec::new(), Vec::new());
                for (layer, spiking) in spiking.into_iter().enumerate() {
                    spikes.push(if spiking { Some(outputs.spikes(layer)?) } else { None });
                    potentials.push(outputs.potential(layer)?);
                }
                Ok((outputs.loss()?, spikes, potentials))
            }

            fn backward(&mut self) -> Result<(f64, Parameters<$real>, Trace<$real>)> {
                <$machine>::backward(self, &Gradient::loss())?;
                let regulariser = self.metrics()?.last().map_or(0.0, |metrics| metrics.regulariser);
                Ok((regulariser, self.gradients()?, self.input_gradient()?))
            }
        }
    };
}

machine!(Engine, f32);
machine!(Core<Cpu<f64>>, f64);

fn one_pass<F: Real>(
    machine: &mut impl Machine<F>,
    network: &Network,
    arguments: &Grad,
) -> Result<Vec<(String, Stored)>> {
    let batch = read_batch::<F>(&arguments.input)?;
    let parameters = read_parameters::<F>(&arguments.params, network)?;
    machine.set(&parameters).map_err(|error| within(&arguments.params, error))?;
    let (loss, spikes, potentials) = machine.forward(&batch).map_err(|error| within(&arguments.input, error))?;
    let (regulariser, gradients, input) = machine.backward()?;
    let mut out = Vec::new();
    let one = |value: f64| Stored::reals(&Tensor { shape: vec![1], values: vec![F::from_f64(value)] });
    out.push(("loss".into(), one(loss)));
    out.push(("regulariser".into(), one(regulariser)));
    for (layer, raster) in spikes.iter().enumerate() {
        if let Some(raster) = raster {
            let shape = vec![raster.steps(), raster.batch(), raster.units()];
            out.push((format!("layer{layer}.spikes"), Stored::spikes(shape, raster.to_bytes())));
        }
    }
    let last = potentials.len() - 1;
    for (layer, trace) in potentials.into_iter().enumerate() {
        let name = if layer == last { "readout.trace".to_string() } else { format!("layer{layer}.potential") };
        out.push((name, stored(trace)));
    }
    for (name, tensor) in &gradients {
        out.push((format!("grad.{name}"), Stored::reals(tensor)));
    }
    out.push(("grad.input".into(), stored(input)));
    Ok(out)
}

fn stored<F: Real>(trace: Trace<F>) -> Stored {
    Stored::reals(&Tensor { shape: vec![trace.steps, trace.batch, trace.units], values: trace.values })
}

/// Names the file that a wrong value stands in.
fn within(path: &Path, error: Error) -> Error {
    match error {
        Error::Input(message) => Error::file(path, message),
        other => other,
    }
}

/// `input` [T, B, N], u8 spikes or numbers, and what the answers should be: `labels` [B], `step_labels` [T, B] (below 0: the
/// step does not count), `targets`, `lengths` [B].
fn read_batch<F: Real>(path: &Path) -> Result<Batch<F>> {
    let file = TensorFile::open(path)?;
    let shape = file.shape("input")?;
    let &[steps, samples, units] = shape.as_slice() else {
        return Err(Error::file(path, format!("tensor input has the shape {shape:?}, expected [T, B, N]")));
    };
    let input = if file.is_bytes("input")? {
        let raster = Raster::from_bytes(steps, samples, units, &file.bytes("input")?);
        Input::Spikes(raster.map_err(|error| within(path, error))?)
    } else {
        Input::Values(Trace { steps, batch: samples, units, values: file.reals::<F>("input")?.values })
    };
    let mut batch = Batch::new(input);
    let names = file.names();
    let has = |name: &str| names.iter().any(|own| own == name);
    let integers = |name: &str, expected: &[usize]| {
        let values = file.integers(name)?;
        let shape = file.shape(name)?;
        if shape == expected {
            return Ok(values);
        }
        Err(Error::file(path, format!("tensor {name} has the shape {shape:?}, expected {expected:?}")))
    };
    let words = |what: &str, values: Vec<i64>| -> Result<Vec<u32>> {
        let word = |(b, &value): (usize, &i64)| {
            u32::try_from(value).map_err(|_| Error::file(path, format!("the {what} of sample {b} is {value}")))
        };
        values.iter().enumerate().map(word).collect()
    };
    if has("step_labels") {
        let labels = integers("step_labels", &[steps, samples])?;
        batch.mask = labels.iter().any(|&label| label < 0).then(|| labels.iter().map(|&label| label >= 0).collect());
        batch.step_labels = Some(labels.iter().map(|&label| u32::try_from(label).unwrap_or(u32::MAX)).collect());
    }
    if has("targets") {
        batch.targets = Some(file.reals::<F>("targets")?.values);
    }
    if has("lengths") {
        batch.lengths = Some(words("length", integers("lengths", &[samples])?)?);
    }
    if has("labels") || (batch.step_labels.is_none() && batch.targets.is_none()) {
        batch.labels = Some(words("label", integers("labels", &[samples])?)?);
    }
    Ok(batch)
}

/// The parameters of a network; weights have to be there, neuron parameters are the network file's where they are not.
/// What else a checkpoint holds is not looked at.
fn read_parameters<F: Real>(path: &Path, network: &Network) -> Result<Parameters<F>> {
    let file = TensorFile::open(path)?;
    let names = file.names();
    let mut parameters = Parameters::new();
    for (name, _) in shapes(network) {
        let fixed = ["tau_mem", "tau_syn", "threshold"].iter().any(|part| name.ends_with(part));
        if names.contains(&name) || !fixed {
            parameters.insert(name.clone(), file.reals(&name)?);
        }
    }
    let foreign = names
        .iter()
        .find(|name| !parameters.contains_key(*name) && !name.starts_with("best.") && !name.starts_with("optimiser."));
    match foreign {
        Some(name) => {
            let known: Vec<String> = shapes(network).into_iter().map(|(name, _)| name).collect();
            Err(Error::file(path, format!("unknown parameter {name}; this network has {}", known.join(", "))))
        }
        None => Ok(parameters),
    }
}
