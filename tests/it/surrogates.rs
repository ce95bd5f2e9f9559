//! Surrogate derivatives: finite wherever they are asked, as published, and named in a file.

use crate::kernels::{array, assert_close, read};
use crate::naive;
use spikegrad::cpu::Cpu;
use spikegrad::engine::{Batch, Budget, Core, Gradient};
use spikegrad::kernels::*;
use spikegrad::network::{Network, Reset, Surrogate, SurrogateKind};
use spikegrad::spikes::Raster;
use spikegrad::surrogate::{derivative, register};

/// Every exponent of f32 with both signs and three fractions, the subnormals, 0, −0 and ±∞.
fn every_size() -> Vec<f32> {
    let mut all = vec![0.0, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE];
    for exponent in 0u32..255 {
        all.extend([1u32, 0x2a_aaab, 0x7f_ffff].map(|fraction| f32::from_bits(exponent << 23 | fraction)));
    }
    let negative: Vec<f32> = all.iter().map(|x| -x).collect();
    all.extend(negative);
    all
}

/// All kinds at several slopes, with numbers of the shape other than the usual ones too.
fn surrogates() -> Vec<Surrogate> {
    let mut kinds = SurrogateKind::ALL.to_vec();
    kinds.extend([
        SurrogateKind::MultiGaussian { height: 0.5, ratio: 2.0 },
        SurrogateKind::LeakyRelu { leak: 0.0 },
        SurrogateKind::SpikeRateEscape { offset: -3.0 },
        SurrogateKind::SparseFastSigmoid { bound: 0.1 },
    ]);
    let all = kinds.into_iter().flat_map(|kind| [0.5, 25.0].map(|slope| Surrogate { kind, slope, scale: 0.75 }));
    all.collect()
}

/// σ'(x) by the backward kernel: with one step, one row and dL/dS = 1, χ is σ'(V − 0).
fn on_device<K: Kernels>(kernels: &mut K, surrogate: Surrogate, xs: &[f64]) -> Vec<f64> {
    let shape = Shape { steps: 1, batch: 1, units: xs.len() };
    let row = shape.row();
    let model = Model {
        spiking: true,
        reset: Reset::None,
        detach: true,
        lag: 0,
        emit_lag: 0,
        recurrent_lag: 1,
        normalised: false,
        inclusive: false,
        reset_potential: 0.0,
        surrogate,
        synapse: false,
        firing: spikegrad::kernels::Firing::Single,
        leak: spikegrad::neuron::Leak::Exponential,
        snippet: None,
        learned: Learned::default(),
    };
    let mut constants = vec![0.0; constant::ROWS * row];
    constants[constant::GAMMA * row..][..row].fill(1.0);
    let constants = array(kernels, &constants);
    let mut potential = xs.to_vec();
    potential.resize(row, 0.0);
    let (tape, ones) = (array(kernels, &potential), array(kernels, &vec![1.0; row]));
    let spikes = kernels.activity("test", ActivityKind::Raster, shape).unwrap();
    let mut planes = kernels.values("planes", plane::PLANES * row).unwrap();
    let mut chi = kernels.values("chi", shape.len(1 + FUTURE)).unwrap();
    kernels.backward(Backward {
        model,
        shape,
        window: Window::whole(shape),
        range: 0..1,
        form: Form::Scan,
        constants: &constants,
        recurrent: None,
        spikes: Some(&spikes),
        tape: Some(&tape),
        gradient_spikes: Some(&ones),
        gradient_potential: None,
        counts: false,
        kicks: None,
        reduce: None,
        planes: &mut planes,
        chi: &mut chi,
    });
    read(kernels, &chi, xs.len())
}

fn finite_and_right<K: Kernels>(kernels: &mut K, tolerance: f64) {
    let xs: Vec<f64> = every_size().into_iter().map(f64::from).collect();
    for surrogate in surrogates() {
        let got = on_device(kernels, surrogate, &xs);
        for (x, got) in xs.iter().zip(&got) {
            let bound = surrogate.scale * 1.0001;
            assert!(got.is_finite() && got.abs() <= bound, "{surrogate:?} is {got} at {x:e}");
        }
        // Where f32 resolves z, the values are those of the formula.
        let near: Vec<f64> = (-400..=400).map(|i| f64::from(i as f32 / 83.0)).collect();
        let want: Vec<f64> = near.iter().map(|&x| naive::surrogate(surrogate, x)).collect();
        assert_close(&format!("{surrogate:?}"), &on_device(kernels, surrogate, &near), &want, tolerance);
    }
}

#[test]
fn finite_everywhere_in_f32() {
    finite_and_right(&mut Cpu::<f32>::new(), 4e-6);
}

#[test]
fn finite_everywhere_in_f64() {
    finite_and_right(&mut Cpu::<f64>::new(), 2e-15);
    for kind in SurrogateKind::ALL {
        for x in [f64::MIN_POSITIVE, 5e-324, f64::MAX, f64::INFINITY, f64::NEG_INFINITY, -5e-324, f64::MIN] {
            assert!(derivative(Surrogate::new(kind, 3.0), x).is_finite(), "{kind:?} at {x:e}");
        }
    }
}

#[cfg(feature = "gpu")]
#[test]
fn finite_everywhere_on_a_gpu() {
    if let Some(mut gpu) = crate::kernels::gpu() {
        finite_and_right(&mut gpu, 2e-5);
    }
}

#[test]
fn shapes_are_those_of_their_papers() {
    let at = |kind, slope, scale, x| derivative(Surrogate { kind, slope, scale }, x);
    // Yin et al. 2021: σ = 0.5, h = 0.15, s = 6, γ = 0.5.
    let density = |x: f64, mean: f64, sigma: f64| {
        (-(x - mean).powi(2) / (2.0 * sigma * sigma)).exp() / (2.0 * std::f64::consts::PI).sqrt() / sigma
    };
    let yin = |x| 0.5 * (1.15 * density(x, 0.0, 0.5) - 0.15 * (density(x, 0.5, 3.0) + density(x, -0.5, 3.0)));
    let kind = SurrogateKind::MultiGaussian { height: 0.15, ratio: 6.0 };
    for x in [-4.0, -0.7, 0.0, 0.3, 2.0] {
        let ours = at(kind, 2.0, yin(0.0), x);
        assert!((ours - yin(x)).abs() < 1e-12, "{x}: {ours} is not {}", yin(x));
    }
    assert!(at(kind, 2.0, 1.0, 2.0) < 0.0, "it has negative sides");
    // snnTorch: k exp(−β|u − 1|), k = 25, β = 1.
    let escape = SurrogateKind::SpikeRateEscape { offset: 1.0 };
    assert_eq!(at(escape, 1.0, 25.0, 1.0), 25.0);
    assert!((at(escape, 1.0, 25.0, -2.0) - 25.0 * (-3.0f64).exp()).abs() < 1e-12);
    assert_eq!(at(SurrogateKind::LeakyRelu { leak: 0.1 }, 1.0, 1.0, 0.0), 1.0);
    // The bound is on the potential, not on k times it.
    let sparse = SurrogateKind::SparseFastSigmoid { bound: 0.2 };
    assert!(at(sparse, 100.0, 1.0, 0.19) > 0.0);
    assert_eq!(at(sparse, 100.0, 1.0, 0.21), 0.0);
}

fn file(surrogate: &str) -> spikegrad::Result<Network> {
    Network::from_toml(&format!("inputs = 3\n[[layer]]\nunits = 4\nsurrogate = {surrogate}\n[[layer]]\nunits = 2\n"))
}

#[track_caller]
fn refused(surrogate: &str, words: &[&str]) {
    let message = file(surrogate).unwrap_err().to_string();
    for word in words {
        assert!(message.contains(word), "{message:?} lacks {word:?}");
    }
}

#[test]
fn a_file_names_the_numbers_of_a_shape() {
    for kind in SurrogateKind::ALL {
        let mut network = file(&format!("{{ kind = \"{}\" }}", kind.name())).unwrap();
        assert_eq!(network.layers[0].surrogate.unwrap().kind, kind);
        network.layers[0].surrogate.as_mut().unwrap().scale = 0.3;
        assert_eq!(Network::from_toml(&network.to_toml()).unwrap(), network);
    }
    let given = file("{ kind = \"multi_gaussian\", slope = 2, height = 0.2, ratio = 4.0 }").unwrap();
    assert_eq!(given.layers[0].surrogate.unwrap().kind, SurrogateKind::MultiGaussian { height: 0.2, ratio: 4.0 });
    refused(
        "{ kind = \"leaky_relu\", bound = 1.0 }",
        &["surrogate", "line 4", "key of leaky_relu", "\"bound\"", "leak"],
    );
    refused("{ kind = \"atan\", slop = 1.0 }", &["\"slop\"", "did you mean slope?", "kind, slope, scale"]);
    refused("{ kind = \"fast_sigmod\" }", &["layer[0].surrogate.kind", "did you mean fast_sigmoid?", "tanh"]);
    refused("{ kind = \"leaky_relu\", leak = -1.0 }", &["layer[0].surrogate.leak", "from 0 to 1"]);
    refused("{ kind = \"sparse_fast_sigmoid\", bound = 0 }", &["layer[0].surrogate.bound", "above 0"]);
    refused("{ kind = \"multi_gaussian\", ratio = 0.5 }", &["layer[0].surrogate.ratio"]);
    refused("{ kind = \"spike_rate_escape\", offset = nan }", &["layer[0].surrogate.offset"]);
    refused("{ kind = \"atan\", slope = \"steep\" }", &["layer[0].surrogate.slope", "expected a number"]);
}

/// A bump that is higher above the threshold than below it.
fn bump() -> SurrogateKind {
    let bump = |z: f64| (1.0 + 0.5 * z.tanh()) / (1.0 + z * z);
    register("bump_of_the_tests", "(1.0 + 0.5 * tanh(clamp(z, -9.0, 9.0))) / (1.0 + z * z)", bump).unwrap()
}

#[test]
fn a_registered_shape_is_known_by_its_name() {
    let kind = bump();
    assert_eq!(bump(), kind, "registering it twice gives the same");
    let network = file("{ kind = \"bump_of_the_tests\", slope = 4.0 }").unwrap();
    assert_eq!(network.layers[0].surrogate.unwrap(), Surrogate::new(kind, 4.0));
    assert_eq!(Network::from_toml(&network.to_toml()).unwrap(), network);
    refused("{ kind = \"bump_of_the_test\" }", &["did you mean bump_of_the_tests?"]);
    let refused = |name: &str, wgsl: &str, words: &[&str]| {
        let message = register(name, wgsl, |_| 1.0).unwrap_err().to_string();
        for word in words {
            assert!(message.contains(word), "{message:?} lacks {word:?}");
        }
    };
    refused("bump_of_the_tests", "1.0", &["bump_of_the_tests", "registered already"]);
    refused("atan", "1.0", &["atan", "built in"]);
    refused("My bump", "1.0", &["small letters"]);
    let message = register("hyperbola", "1.0 / z", |z| 1.0 / z).unwrap_err().to_string();
    assert!(message.contains("hyperbola") && message.contains("not finite at z = 0"), "{message}");
    #[cfg(feature = "gpu")]
    {
        refused("broken", "1.0 +* z", &["broken", "WGSL", "1.0 +* z"]);
        refused("broken", "y + 1.0", &["broken", "no definition in scope", "y"]);
        refused("broken", "u32(z)", &["broken", "u32(z)"]);
        refused("broken", "1.0); } fn other() -> f32 { return (1.0", &["more than an expression"]);
    }
}

#[test]
fn the_primitive_of_a_registered_shape_is_its_integral() {
    let surrogate = Surrogate { kind: bump(), slope: 2.0, scale: 0.5 };
    let SurrogateKind::Custom(custom) = surrogate.kind else { unreachable!() };
    for z in [-6.0, -1.0, -0.1, 0.0, 0.3, 2.0, 9.0] {
        let h = 1e-4;
        let slope = (custom.primitive(z + h) - custom.primitive(z - h)) / (2.0 * h);
        assert!((slope - custom.derivative(z)).abs() < 1e-7, "{z}: {slope}");
    }
}

/// Gradients of a small network on `kernels`.
fn gradients<K: Kernels>(kernels: K, surrogate: Surrogate) -> Vec<f64> {
    let network = Network::builder(6)
        .recurrent(40, |layer| layer.surrogate = Some(surrogate))
        .hidden(9, |layer| layer.surrogate = Some(surrogate))
        .readout(3)
        .build()
        .unwrap();
    let mut core = Core::new(network, kernels, Budget::default()).unwrap();
    core.initialise(3).unwrap();
    let mut parameters = core.parameters().unwrap();
    for (_, tensor) in parameters.iter_mut().filter(|(name, _)| name.ends_with("weight")) {
        tensor.values.iter_mut().for_each(|value| *value = K::Real::from_f64(12.0 * value.to_f64()));
    }
    core.set_parameters(&parameters).unwrap();
    let mut input = Raster::new(15, 2, 6);
    (0..90).for_each(|i| input.set(i % 15, i % 2, i * 7 % 6));
    core.forward(&Batch::spikes(input).with_labels(vec![0, 2])).unwrap();
    core.backward(&Gradient::loss()).unwrap();
    let gradients = core.gradients().unwrap();
    gradients["layer0.weight"].values.iter().map(|value| value.to_f64()).collect()
}

#[test]
fn a_registered_shape_trains_on_every_backend() {
    let surrogate = Surrogate::new(bump(), 5.0);
    let exact = gradients(Cpu::<f64>::new(), surrogate);
    assert!(exact.iter().any(|value| value.abs() > 1e-4), "the gradient reaches the first layer");
    assert_close("CPU", &gradients(Cpu::<f32>::new(), surrogate), &exact, 1e-4);
    #[cfg(feature = "gpu")]
    if let Some(gpu) = crate::kernels::gpu() {
        assert_close("GPU", &gradients(gpu, surrogate), &exact, 1e-4);
    }
}
