//! `spikegrad grad`: what it writes equals the library, and what it refuses.

use super::{bad, good};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use std::collections::HashMap;
use std::path::Path;

const NETWORK: &str = r#"inputs = 3
[[layer]]
units = 5
recurrent = true
bias = true
[[layer]]
units = 2
"#;

/// Tensors of f32 with their shapes.
type Tensors<'a> = Vec<(&'a str, Vec<usize>, Vec<f32>)>;

fn write(path: &Path, tensors: &Tensors, labels: Option<&[i64]>) {
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|(_, _, values)| values.iter().flat_map(|value| value.to_le_bytes()).collect()).collect();
    let label_bytes: Vec<u8> = labels.unwrap_or_default().iter().flat_map(|label| label.to_le_bytes()).collect();
    let mut views: HashMap<&str, TensorView> = HashMap::new();
    for ((name, shape, _), bytes) in tensors.iter().zip(&bytes) {
        views.insert(name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap());
    }
    if let Some(labels) = labels {
        views.insert("labels", TensorView::new(Dtype::I64, vec![labels.len()], &label_bytes).unwrap());
    }
    std::fs::write(path, serialize(views, None).unwrap()).unwrap();
}

fn ramp(len: usize, scale: f32) -> Vec<f32> {
    (0..len).map(|n| scale * ((n * 7 % 11) as f32 - 4.0)).collect()
}

fn parameters() -> Tensors<'static> {
    vec![
        ("layer0.weight", vec![3, 5], ramp(15, 0.9)),
        ("layer0.recurrent", vec![5, 5], ramp(25, 0.1)),
        ("layer0.bias", vec![5], ramp(5, 0.1)),
        ("layer1.weight", vec![5, 2], ramp(10, 0.3)),
    ]
}

fn files(at: &Path) {
    std::fs::write(at.join("net.toml"), NETWORK).unwrap();
    let input = ramp(20 * 4 * 3, 0.5);
    write(&at.join("x.safetensors"), &vec![("input", vec![20, 4, 3], input)], Some(&[0, 1, 1, 0]));
    write(&at.join("p.safetensors"), &parameters(), None);
}

const GRAD: [&str; 8] =
    ["grad", "net.toml", "--input", "x.safetensors", "--params", "p.safetensors", "--out", "g.safetensors"];

#[test]
fn it_writes_loss_activity_and_gradients_under_their_names() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    files(at);
    let mut losses = Vec::new();
    for (dtype, kind) in [("f32", Dtype::F32), ("f64", Dtype::F64)] {
        good(at, &[&GRAD[..], &["--dtype", dtype, "--device", "cpu"]].concat());
        let bytes = std::fs::read(at.join("g.safetensors")).unwrap();
        let results = SafeTensors::deserialize(&bytes).unwrap();
        let mut names = results.names();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "grad.input",
                "grad.layer0.bias",
                "grad.layer0.recurrent",
                "grad.layer0.tau_mem",
                "grad.layer0.tau_syn",
                "grad.layer0.threshold",
                "grad.layer0.weight",
                "grad.layer1.tau_mem",
                "grad.layer1.tau_syn",
                "grad.layer1.weight",
                "layer0.potential",
                "layer0.spikes",
                "loss",
                "readout.trace",
                "regulariser"
            ]
        );
        for (name, shape) in [
            ("loss", vec![1]),
            ("layer0.spikes", vec![20, 4, 5]),
            ("layer0.potential", vec![20, 4, 5]),
            ("readout.trace", vec![20, 4, 2]),
            ("grad.layer0.weight", vec![3, 5]),
            ("grad.layer0.recurrent", vec![5, 5]),
            ("grad.layer0.bias", vec![5]),
            ("grad.layer0.tau_mem", vec![1]),
            ("grad.input", vec![20, 4, 3]),
        ] {
            let tensor = results.tensor(name).unwrap();
            assert_eq!(tensor.shape(), shape, "{name}");
            assert_eq!(tensor.dtype(), if name == "layer0.spikes" { Dtype::U8 } else { kind }, "{name}");
        }
        assert!(results.tensor("layer0.spikes").unwrap().data().contains(&1), "nothing spikes");
        let data = results.tensor("loss").unwrap().data().to_vec();
        losses.push(match kind {
            Dtype::F64 => f64::from_le_bytes(data.try_into().unwrap()),
            _ => f32::from_le_bytes(data.try_into().unwrap()).into(),
        });
    }
    assert!((losses[0] - losses[1]).abs() < 1e-5, "{losses:?}");
}

#[test]
fn it_reads_a_checkpoint_and_spikes_of_bytes() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    std::fs::write(at.join("small.toml"), super::SMALL).unwrap();
    good(at, &["train", "small.toml", "--device", "cpu", "--out", "run", "--epochs", "1"]);
    let spikes: Vec<u8> = (0..30 * 2 * 12).map(|n| u8::from(n % 17 == 0)).collect();
    let labels = [0u8, 2];
    let views = HashMap::from([
        ("input", TensorView::new(Dtype::U8, vec![30, 2, 12], &spikes).unwrap()),
        ("labels", TensorView::new(Dtype::U8, vec![2], &labels).unwrap()),
    ]);
    std::fs::write(at.join("x.safetensors"), serialize(views, None).unwrap()).unwrap();
    let params = "run/checkpoint.safetensors";
    let arguments =
        ["grad", "run/config.toml", "--input", "x.safetensors", "--params", params, "--out", "g.safetensors"];
    good(at, &arguments);
    assert!(at.join("g.safetensors").is_file());
}

/// `x.safetensors` with labels of the steps and lengths in place of labels.
fn stepwise(at: &Path, lengths: [i64; 4]) {
    let input: Vec<u8> = ramp(20 * 4 * 3, 0.5).iter().flat_map(|value| value.to_le_bytes()).collect();
    let labels: Vec<u8> = (0..20 * 4i64).flat_map(|at| (at % 3 - 1).to_le_bytes()).collect();
    let lengths: Vec<u8> = lengths.iter().flat_map(|length| length.to_le_bytes()).collect();
    let views = HashMap::from([
        ("input", TensorView::new(Dtype::F32, vec![20, 4, 3], &input).unwrap()),
        ("step_labels", TensorView::new(Dtype::I64, vec![20, 4], &labels).unwrap()),
        ("lengths", TensorView::new(Dtype::I64, vec![4], &lengths).unwrap()),
    ]);
    std::fs::write(at.join("x.safetensors"), serialize(views, None).unwrap()).unwrap();
}

#[test]
fn a_last_layer_that_spikes_has_a_loss_too() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    files(at);
    let spiking = NETWORK.replace("units = 2", "units = 2\nneuron = { kind = \"lif\", threshold = 0.05 }");
    let run = |readout: &str| {
        std::fs::write(at.join("net.toml"), format!("{spiking}[readout]\n{readout}\n")).unwrap();
        good(at, &[&GRAD[..], &["--device", "cpu"]].concat());
        let bytes = std::fs::read(at.join("g.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(file.tensor("layer1.spikes").unwrap().shape(), [20, 4, 2]);
        let number = |name: &str| -> f32 {
            let largest = |most: f32, bytes: &[u8]| most.max(f32::from_le_bytes(bytes.try_into().unwrap()).abs());
            file.tensor(name).unwrap().data().chunks_exact(4).fold(0.0, largest)
        };
        (number("loss"), number("grad.layer0.weight"))
    };
    let (count, gradient) = run("loss = \"ce_count\"");
    assert!(count > 0.0 && gradient > 0.0, "{count} {gradient}");
    let rate = "loss = \"ce_rate\"";
    run(rate);
    stepwise(at, [20, 7, 1, 13]);
    let (short, _) = run(rate);
    stepwise(at, [20, 20, 20, 20]);
    let (whole, _) = run(rate);
    assert!(short > 0.0 && whole > 0.0 && short != whole, "{short} {whole}");
    stepwise(at, [20, 21, 1, 13]);
    bad(at, &GRAD, &["x.safetensors", "length of sample 1 is 21", "1 to 20"]);
    stepwise(at, [20, -1, 1, 13]);
    bad(at, &GRAD, &["x.safetensors", "length of sample 1 is -1"]);
    stepwise(at, [20, 1, 1, 13]);
    std::fs::write(at.join("net.toml"), format!("{spiking}[readout]\nloss = \"ce_count\"\n")).unwrap();
    bad(at, &GRAD, &["x.safetensors", "needs labels"]);
}

#[test]
fn it_refuses_what_does_not_fit() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    files(at);
    let x = at.join("x.safetensors");
    let p = at.join("p.safetensors");
    let input = |values: Vec<f32>, labels: &[i64]| write(&x, &vec![("input", vec![2, 2, 3], values)], Some(labels));
    let refuse = |words: &[&str]| {
        bad(at, &GRAD, words);
        assert!(!at.join("g.safetensors").exists());
    };
    let mut nan = vec![0.0; 12];
    nan[7] = f32::NAN;
    input(nan, &[0, 1]);
    refuse(&["x.safetensors", "NaN", "step 1", "sample 0", "channel 1"]);
    input(vec![0.0; 12], &[0, 2]);
    refuse(&["label of sample 1 is 2", "2 classes"]);
    input(vec![0.0; 12], &[-1, 1]);
    refuse(&["label of sample 0 is -1"]);
    input(vec![0.0; 12], &[0, 1, 1]);
    refuse(&["labels", "[3]", "[2]"]);
    write(&x, &vec![("input", vec![2, 2, 3], vec![0.0; 12])], None);
    refuse(&["has no tensor labels"]);
    write(&x, &vec![("inputs", vec![2, 2, 3], vec![0.0; 12])], Some(&[0, 1]));
    refuse(&["has no tensor input"]);
    write(&x, &vec![("input", vec![2, 6], vec![0.0; 12])], Some(&[0, 1]));
    refuse(&["[2, 6]", "[T, B, N]"]);
    write(&x, &vec![("input", vec![3, 2, 2], vec![0.0; 12])], Some(&[0, 1]));
    refuse(&["2 channels", "inputs = 3"]);
    write(&x, &vec![("input", vec![0, 2, 3], vec![])], Some(&[0, 1]));
    refuse(&["0 steps"]);
    std::fs::write(&x, b"no tensors").unwrap();
    refuse(&["x.safetensors", "not a complete safetensors"]);
    std::fs::remove_file(&x).unwrap();
    refuse(&["x.safetensors", "cannot be read"]);
    files(at);
    let with = |change: &dyn Fn(&mut Tensors<'static>)| {
        let mut tensors = parameters();
        change(&mut tensors);
        write(&p, &tensors, None);
    };
    with(&|tensors| {
        tensors.remove(1);
    });
    refuse(&["p.safetensors", "has no tensor layer0.recurrent"]);
    with(&|tensors| tensors[0].1 = vec![5, 3]);
    refuse(&["layer0.weight", "[5, 3]", "[3, 5]"]);
    with(&|tensors| tensors[2].2[3] = f32::INFINITY);
    refuse(&["layer0.bias", "inf"]);
    with(&|tensors| tensors.push(("layer7.weight", vec![1], vec![0.0])));
    refuse(&["unknown parameter layer7.weight"]);
    with(&|tensors| tensors.push(("layer0.tau_mem", vec![1], vec![-1.0])));
    refuse(&["layer0.tau_mem", "above 0"]);
    files(at);
    std::fs::write(at.join("net.toml"), NETWORK.replace("units = 5", "units = 5\nunit = 5")).unwrap();
    refuse(&["net.toml", "layer[0].unit", "line 4"]);
    files(at);
    std::fs::write(at.join("in-the-way"), "").unwrap();
    let mut arguments = GRAD;
    arguments[7] = "in-the-way/g.safetensors";
    bad(at, &arguments, &["in-the-way/g.safetensors", "cannot be written"]);
    bad(at, &[&GRAD[..], &["--dtype", "f16"]].concat(), &["f16"]);
    bad(at, &[&GRAD[..], &["--dtype", "f64", "--device", "gpu"]].concat(), &["f64", "CPU"]);
}
