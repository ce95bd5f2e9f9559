//! Losses of other libraries (`tests/golden/losses_*.safetensors`): the same value and gradient come out here.
//!
//! A recording is fed through a layer of one unit a channel that repeats it: β = 0 and a gain of 1, so V is the input; over
//! a threshold of 1/2 with a surrogate derivative of 1, so are S and its gradient.

use crate::golden::{Golden, numbers};
use safetensors::SafeTensors;
use spikegrad::cpu::Cpu;
use spikegrad::engine::{Batch, Budget, Core, Gradient, Input, Parameters, Tensor};
use spikegrad::kernels::{Kernels, Real};
use spikegrad::network::Network;
use spikegrad::spikes::Trace;

struct Case {
    name: String,
    network: Network,
    spikes: bool,
    file: Tensors,
}

/// Tensors by their names.
type Tensors = Vec<(String, Golden)>;

/// The tensor of this name.
fn get<'a>(file: &'a [(String, Golden)], name: &str) -> Option<&'a Golden> {
    file.iter().find(|(own, _)| own == name).map(|(_, golden)| golden)
}

/// Every golden loss: its name, the metadata `loss`, and its tensors.
fn files() -> Vec<(String, String, Tensors)> {
    let mut paths: Vec<_> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("losses_"))
        .collect();
    paths.sort();
    let read = |path: std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().to_string();
        let bytes = std::fs::read(&path).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let about = header.metadata().clone().unwrap()["loss"].clone();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file.tensors().iter().map(|(name, view)| (name.clone(), numbers(view))).collect();
        (name, about, tensors)
    };
    paths.into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "safetensors")).map(read).collect()
}

/// The `[readout]` of a network file that asks for the loss of a golden file.
fn readout(about: &serde_json::Value, weights: Option<&[f64]>) -> String {
    let mut keys = String::new();
    let mut loss = String::new();
    let mut kind = about["function"].as_str().unwrap();
    for (key, value) in about.as_object().unwrap() {
        match key.as_str() {
            "function" | "mask" => {}
            "multi_spike" => kind = "mse_multi_temporal",
            // times that are given are targets of the batch
            "target_is_time" => (kind, keys) = ("mse", "reduce = \"first_spike\"\n".into()),
            "reduce" | "classes" => keys += &format!("{key} = {value}\n"),
            "reduction" => loss += ", average = \"none\"",
            _ => loss += &format!(", {key} = {value}"),
        }
    }
    if let Some(weights) = weights {
        loss += &format!(", class_weights = {weights:?}");
    }
    format!("{keys}loss = {{ kind = \"{kind}\"{loss} }}")
}

fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for (name, about, file) in files() {
        let about: serde_json::Value = serde_json::from_str(&about).unwrap();
        let spikes = get(&file, "spikes").is_some();
        let units = get(&file, if spikes { "spikes" } else { "potential" }).unwrap().shape[2];
        let readout = readout(&about, get(&file, "weight").map(|weight| weight.values.as_slice()));
        let neuron = if spikes {
            "neuron = { kind = \"lif\", beta = 1e-300, threshold = 0.5, reset = \"none\", lag = 0, emit_lag = 0, gain = \"one\" }\n\
             surrogate = { kind = \"straight_through\", slope = 1.0, scale = 1.0 }"
        } else {
            "neuron = { kind = \"li\", beta = 1e-300, tau_syn = false, lag = 0, gain = \"one\", initial_potential = 0.0 }"
        };
        let text = format!(
            "inputs = {units}\n[[layer]]\nunits = {units}\nconnection = \"current\"\n{neuron}\n[readout]\n{readout}\n"
        );
        let network = Network::from_toml(&text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
        assert_eq!(Network::from_toml(&network.to_toml()).unwrap(), network, "{name}: written and read again");
        all.push(Case { name, network, spikes, file });
    }
    assert!(all.len() >= 45, "{} golden losses", all.len());
    all
}

fn check<K: Kernels>(kernels: K, case: &Case, tolerance: f64) -> K {
    let Case { name, network, spikes, file } = case;
    let mut core = Core::new(network.clone(), kernels, Budget::default()).unwrap();
    let of = if *spikes { "spikes" } else { "potential" };
    let recording = get(file, of).unwrap();
    let [steps, samples, units] = recording.shape[..] else { panic!("{name}: [T, B, N]") };
    let real = |values: &[f64]| values.iter().map(|&value| K::Real::from_f64(value)).collect::<Vec<_>>();
    let one = Tensor { shape: vec![units], values: real(&vec![1.0; units]) };
    core.set_parameters(&Parameters::from([("layer0.weight".to_string(), one)])).unwrap();
    let trace = Trace::new(steps, samples, units, real(&recording.values)).unwrap();
    let mut batch = Batch::new(Input::Values(trace));
    if let Some(labels) = get(file, "labels") {
        let given: Vec<u32> = labels.values.iter().map(|&label| label as u32).collect();
        if labels.shape.len() == 2 {
            let mask = labels.values.iter().map(|&label| label >= 0.0).collect();
            batch = batch.with_step_labels(given).with_mask(mask);
        } else {
            batch = batch.with_labels(given);
        }
    }
    if let Some(targets) = get(file, "targets") {
        batch = batch.with_targets(real(&targets.values));
    }
    let loss = core.forward(&batch).unwrap().loss().unwrap();
    core.backward(&Gradient::loss()).unwrap();
    let expected = get(file, "loss").unwrap().values[0];
    assert!((loss - expected).abs() <= tolerance * expected, "{name}: loss {loss}, not {expected}");
    let golden = &get(file, &format!("grad.{of}")).unwrap().values;
    let most = golden.iter().fold(0.0f64, |most, value| most.max(value.abs()));
    for (at, (ours, golden)) in core.input_gradient().unwrap().values.iter().zip(golden).enumerate() {
        let ours = ours.to_f64();
        assert!((ours - golden).abs() <= tolerance * most, "{name}: dL/d recording [{at}] is {ours}, not {golden}");
    }
    core.into_kernels()
}

#[test]
fn losses_equal_every_library_in_f64() {
    cases().iter().for_each(|case| _ = check(Cpu::<f64>::new(), case, 1e-9));
}

#[test]
fn losses_equal_every_library_in_f32() {
    cases().iter().for_each(|case| _ = check(Cpu::<f32>::new(), case, 1e-5));
}

#[cfg(feature = "gpu")]
#[test]
fn losses_equal_every_library_on_a_gpu() {
    if let Some(gpu) = crate::kernels::gpu() {
        cases().iter().fold(gpu, |gpu, case| check(gpu, case, 1e-5));
    }
}
