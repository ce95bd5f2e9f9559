//! Networks run by other libraries (`tests/golden/`): the same spikes, potentials and gradients come out here.

use safetensors::{Dtype, SafeTensors};
use spikegrad::cpu::Cpu;
use spikegrad::engine::{Batch, Budget, Core, Gradient, Input, Parameters, Tensor};
use spikegrad::kernels::{Kernels, Real};
use spikegrad::network::{Network, Parameter, Per};
use spikegrad::neuron::Transform;
use spikegrad::spikes::{Raster, Trace};
use std::path::PathBuf;

/// A tensor of a golden file, in f64.
pub struct Golden {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

pub fn numbers(view: &safetensors::tensor::TensorView) -> Golden {
    let data = view.data();
    let values = match view.dtype() {
        Dtype::F64 => data.chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap())).collect(),
        Dtype::I64 => data.chunks_exact(8).map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap()) as f64).collect(),
        Dtype::U8 => data.iter().map(|&byte| f64::from(byte)).collect(),
        other => panic!("no golden file holds {other:?}"),
    };
    Golden { shape: view.shape().to_vec(), values }
}

struct Case {
    name: String,
    network: Network,
    exact: bool,
    steep: bool,
    spikes: bool,
    tensors: Vec<(String, Golden)>,
}

impl Case {
    /// With `per`, one value for the layer or for each neuron, for what the file has one value of.
    fn read(path: &PathBuf, per: Per) -> Case {
        let name = path.file_stem().unwrap().to_string_lossy().to_string();
        let bytes = std::fs::read(path).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let about = header.metadata().clone().unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors: Vec<(String, Golden)> =
            file.tensors().iter().map(|(name, view)| (name.clone(), numbers(view))).collect();
        // The file's own tensor says for how many steps a psn is made.
        let steps = file.tensor("layer0.time").map_or(0, |time| time.shape()[0]);
        let text = about["network"].replace("kind = \"psn\"", &format!("kind = \"psn\", steps = {steps}"));
        let mut network = Network::from_toml(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let spikes = file.tensor("input").unwrap().dtype() == Dtype::U8;
        // What the library learns is learned here, so that its gradient is computed.
        for (l, layer) in network.layers.iter_mut().enumerate() {
            let learn = |parameter: &mut Parameter, part: &str| {
                let key = format!("grad.layer{l}.{part}");
                if let Some((_, golden)) = tensors.iter().find(|(name, _)| *name == key) {
                    parameter.learned = true;
                    parameter.per = if golden.shape == [1] { per } else { Per::Neuron };
                }
            };
            learn(&mut layer.neuron.tau_mem, "beta");
            learn(&mut layer.neuron.tau_mem, "tau_mem");
            learn(&mut layer.neuron.tau_mem, "leak");
            let own = layer.neuron.kind.snippet().map_or(&[][..], |snippet| snippet.parameters);
            for (index, spec) in own.iter().enumerate() {
                let mut parameter = layer.neuron.own(index).expect("a parameter of the snippet");
                learn(&mut parameter, spec.constant);
                learn(&mut parameter, spec.name);
                layer.neuron.parameters.insert(spec.name.into(), parameter);
            }
            if let Some(tau) = &mut layer.neuron.tau_syn {
                learn(tau, "alpha");
            }
            if let Some(theta) = &mut layer.neuron.threshold {
                learn(theta, "threshold");
            }
        }
        Case {
            name,
            network,
            exact: about["dtype"] == "f64",
            steep: about.get("steep").is_some_and(|steep| steep == "true"),
            spikes,
            tensors,
        }
    }

    fn get(&self, name: &str) -> Option<&Golden> {
        self.tensors.iter().find(|(own, _)| own == name).map(|(_, golden)| golden)
    }
}

fn convert<F: Real>(values: &[f64]) -> Vec<F> {
    values.iter().map(|&value| F::from_f64(value)).collect()
}

/// Largest difference over largest value.
fn difference<F: Real>(ours: &[F], golden: &[f64]) -> f64 {
    assert_eq!(ours.len(), golden.len());
    let largest = golden.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    let worst = ours.iter().zip(golden).fold(0.0f64, |worst, (a, b)| worst.max((a.to_f64() - b).abs()));
    worst / largest.max(1e-30)
}

fn check<K: Kernels>(kernels: K, case: &Case, tolerance: f64) -> f64 {
    check_on(kernels, case, tolerance).1
}

/// Checks a case and gives the backend back, so that what it compiled serves the next one.
fn check_on<K: Kernels>(kernels: K, case: &Case, tolerance: f64) -> (K, f64) {
    let name = &case.name;
    let network = case.network.clone();
    let (dt, layers) = (network.dt, network.layers.clone());
    let mut core = Core::new(network, kernels, Budget::default()).unwrap();
    let mut parameters = Parameters::new();
    for (key, golden) in &case.tensors {
        if key.starts_with("layer") && ["weight", "recurrent", "bias", "time"].iter().any(|part| key.ends_with(part)) {
            parameters.insert(key.clone(), Tensor { shape: golden.shape.clone(), values: convert(&golden.values) });
        }
    }
    core.set_parameters(&parameters).unwrap();

    let input = case.get("input").unwrap();
    let [steps, samples, channels] = input.shape[..] else { panic!("{name}: input is [T, B, N]") };
    let given = if case.spikes {
        let bytes: Vec<u8> = input.values.iter().map(|&value| value as u8).collect();
        Input::Spikes(Raster::from_bytes(steps, samples, channels, &bytes).unwrap())
    } else {
        Input::Values(Trace::new(steps, samples, channels, convert(&input.values)).unwrap())
    };
    let labels = case.get("labels").map(|labels| labels.values.iter().map(|&label| label as u32).collect());
    let batch = Batch { labels, ..Batch::new(given) };

    let mut worst = 0.0f64;
    let mut compare = |what: &str, ours: &[K::Real], golden: &Golden| {
        let difference = difference(ours, &golden.values);
        assert!(difference <= tolerance, "{name}: {what} differs by {difference:.1e} of its largest value");
        worst = worst.max(difference);
    };
    let mut outputs = core.forward(&batch).unwrap();
    for l in 0..layers.len() {
        if let Some(golden) = case.get(&format!("layer{l}.spikes")) {
            let ours = outputs.spike_values(l).unwrap().values;
            let differ = ours.iter().zip(&golden.values).filter(|(a, b)| a.to_f64() != **b).count();
            assert_eq!(differ, 0, "{name}: {differ} spikes of layer {l} differ");
        }
        if let Some(golden) = case.get(&format!("layer{l}.potential")) {
            compare(&format!("layer{l}.potential"), &outputs.potential(l).unwrap().values, golden);
        }
    }
    let mut gradient = Gradient::none();
    if let Some(golden) = case.get("loss") {
        compare("loss", &[K::Real::from_f64(outputs.loss().unwrap())], golden);
        gradient.loss = true;
    }
    for l in 0..layers.len() {
        if let Some(golden) = case.get(&format!("upstream.layer{l}.spikes")) {
            gradient = gradient.with_spikes(l, convert(&golden.values));
        }
        if let Some(golden) = case.get(&format!("upstream.layer{l}.potential")) {
            gradient = gradient.with_potential(l, convert(&golden.values));
        }
    }
    core.backward(&gradient).unwrap();
    let gradients = core.gradients().unwrap();
    for (key, golden) in &case.tensors {
        let Some(key) = key.strip_prefix("grad.") else { continue };
        if key == "input" {
            compare("grad.input", &core.input_gradient().unwrap().values, golden);
            continue;
        }
        let (layer, part) = key.split_once('.').unwrap();
        let neuron = &layers[layer["layer".len()..].parse::<usize>().unwrap()].neuron;
        // The file has dL/dβ; here the parameter is τ: dL/dτ = dL/dβ β dt/τ². The same for a snippet's own decays.
        let own = neuron.kind.snippet().map_or(&[][..], |snippet| snippet.parameters);
        let decay = own.iter().find(|spec| spec.transform == Transform::Decay && spec.constant == part);
        let (ours, tau) = match (part, decay) {
            ("beta", _) => ("tau_mem", Some(&neuron.tau_mem)),
            ("alpha", _) => ("tau_syn", neuron.tau_syn.as_ref()),
            (_, Some(spec)) => (spec.name, neuron.parameters.get(spec.name)),
            (other, None) => (other, None),
        };
        let ours = &gradients[&format!("{layer}.{ours}")].values;
        let factor = |j: usize| {
            tau.map_or(1.0, |tau| {
                let tau = tau.values[j.min(tau.values.len() - 1)];
                (-dt / tau).exp() * dt / (tau * tau)
            })
        };
        let values: Vec<f64> = golden.values.iter().enumerate().map(|(j, value)| value * factor(j)).collect();
        if golden.values.len() == ours.len() {
            compare(&format!("grad.{key}"), ours, &Golden { shape: golden.shape.clone(), values });
        } else {
            // One value for the layer: the sum over its neurons, which may nearly cancel, on the scale of its summands.
            let (sum, scale) = ours
                .iter()
                .fold((0.0, 0.0), |(sum, scale), value| (sum + value.to_f64(), scale + value.to_f64().abs()));
            let difference = (sum - values[0]).abs() / scale.max(values[0].abs());
            assert!(difference <= tolerance, "{name}: grad.{key} is {sum}, not {}", values[0]);
        }
    }
    (core.into_kernels(), worst)
}

fn cases(per: Per) -> Vec<Case> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "safetensors"))
        // Those of losses and encoders have no network.
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            !["losses_", "encoders_"].iter().any(|other| name.starts_with(other))
        })
        .collect();
    paths.sort();
    assert!(paths.len() >= 123, "golden files are missing: {} are there", paths.len());
    paths.iter().map(|path| Case::read(path, per)).collect()
}

/// Tolerance of an f32 path: `dynamics.md`, section 7.
fn single(case: &Case) -> f64 {
    if case.steep { 1e-3 } else { 1e-4 }
}

#[test]
fn f64_equals_every_library() {
    for case in cases(Per::Layer) {
        let tolerance = if case.exact { 1e-9 } else { 1e-4 };
        let worst = check(Cpu::<f64>::new(), &case, tolerance);
        println!("{:40} {worst:.1e}", case.name);
    }
}

#[test]
fn f32_equals_every_library() {
    for case in cases(Per::Neuron) {
        let worst = check(Cpu::<f32>::new(), &case, single(&case));
        println!("{:40} {worst:.1e}", case.name);
    }
}

#[cfg(feature = "gpu")]
#[test]
fn gpu_equals_every_library() {
    let Some(mut gpu) = crate::kernels::gpu() else { return };
    for case in cases(Per::Neuron) {
        let worst;
        (gpu, worst) = check_on(gpu, &case, single(&case));
        println!("{:40} {worst:.1e}", case.name);
    }
}
