//! Constraints on weights, heterogeneity, and parameter groups.

use crate::kernels::{array, on_every_backend, padded, read, stripped};
use spikegrad::cpu::Cpu;
use spikegrad::engine::{Batch, Budget, Core, Device, Gradient, Group, Optimiser, Parameters, initialise};
use spikegrad::kernels::*;
use spikegrad::learn::{Recipe, Trainer};
use spikegrad::network::{Connection, Dale, Init, Network, Parameter};
use spikegrad::spikes::{Random, Raster, Trace, words};

#[derive(Debug)]
struct Case {
    rows: usize,
    columns: usize,
    modulo: usize,
    mask: Option<Vec<bool>>,
    excitatory: Option<usize>,
    values: Vec<f64>,
}

fn draw_case(random: &mut Random) -> Case {
    let (rows, columns) = ([1, 2, 9][random.below(3)], [1, 5, 32, 33, 70][random.below(5)]);
    let values: Vec<f64> = (0..rows * columns).map(|_| f64::from(random.normal() as f32)).collect();
    let mask = (random.below(3) > 0).then(|| (0..rows * columns).map(|_| random.below(2) == 0).collect());
    let excitatory = (random.below(3) > 0).then(|| random.below(rows + 2));
    let modulo = if rows == 1 { 1 + random.below(3) } else { 1 };
    Case { rows, columns, modulo, mask, excitatory, values }
}

fn check_case<K: Kernels>(kernels: &mut K, case: &Case) {
    let Case { rows, columns, modulo, excitatory, .. } = *case;
    let mut values = array(kernels, &padded(columns, &case.values));
    let mask = case.mask.as_ref().map(|mask| {
        let mut packed = vec![0u32; rows * words(columns)];
        for (at, exists) in mask.iter().enumerate() {
            packed[at / columns * words(columns) + at % columns / 32] |= u32::from(*exists) << (at % columns % 32);
        }
        let mut on_device = kernels.words("mask", packed.len()).unwrap();
        kernels.write_words(&mut on_device, &packed);
        on_device
    });
    kernels.constrain(Constrain { rows, columns, modulo, mask: mask.as_ref(), excitatory, values: &mut values });
    let len = padded(columns, &case.values).len();
    let got = stripped("weights", columns, &read(kernels, &values, len));
    for (at, (&got, &value)) in got.iter().zip(&case.values).enumerate() {
        let exists = case.mask.as_ref().is_none_or(|mask| mask[at]);
        let source = at / columns + at % columns % modulo;
        let want = match (exists, excitatory) {
            (false, _) => 0.0,
            (true, Some(excitatory)) if source < excitatory => value.max(0.0),
            (true, Some(_)) => value.min(0.0),
            (true, None) => value,
        };
        assert_eq!(got, want, "entry {at}");
    }
}

on_every_backend!(weights_are_held, 60, draw_case, check_case);

/// Two constrained layers and a readout.
fn constrained() -> Network {
    Network::builder(30)
        .recurrent(20, |layer| {
            layer.dale = Some(Dale { excitatory: 0.8 });
            layer.density = Some(0.3);
            layer.recurrent_density = Some(0.25);
            layer.self_connections = false;
            layer.init = Init::Uniform { gain: 8.0 };
        })
        .hidden(12, |layer| {
            layer.density = Some(0.5);
            layer.init = Init::Normal { gain: 4.0, mean: 0.1 };
        })
        .readout(3)
        .build()
        .unwrap()
}

fn batch(inputs: usize) -> Batch<f32> {
    let mut input = Raster::new(20, 4, inputs);
    (0..20 * inputs).for_each(|i| input.set(i % 20, i % 4, i * 7 % inputs));
    Batch::spikes(input).with_labels(vec![0, 2, 1, 0])
}

const ADAMW: Rule = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.01 };

fn step<K: Kernels<Real = f32>>(core: &mut Core<K>, rule: Rule, rate: f64) {
    core.train(
        &batch(core.network().inputs),
        &Optimiser { rule, rate, max_norm: Some(5.0), penalty: Penalty::default() },
    )
    .unwrap();
}

/// What the constraints of [`constrained`] say about a set of weights.
fn obeys(parameters: &Parameters) {
    let of = |name: &str| &parameters[name].values;
    let there = |name: &str| of(name).iter().filter(|&&value| value != 0.0).count();
    assert!(there("layer0.weight") <= 180 && there("layer0.recurrent") <= 95 && there("layer1.weight") <= 120);
    for (at, &value) in of("layer0.weight").iter().enumerate() {
        assert!(if at / 20 < 24 { value >= 0.0 } else { value <= 0.0 }, "{at}: {value}");
    }
    for (at, &value) in of("layer0.recurrent").iter().enumerate() {
        assert!(if at / 20 < 16 { value >= 0.0 } else { value <= 0.0 }, "{at}: {value}");
        assert!(at / 20 != at % 20 || value == 0.0, "unit {} has a weight to itself", at / 20);
    }
}

fn constraints_hold<K: Kernels<Real = f32>>(kernels: K) {
    let mut core = Core::new(constrained(), kernels, Budget::default()).unwrap();
    core.initialise(5).unwrap();
    let start = core.parameters().unwrap();
    obeys(&start);
    // Exactly as many as the density says: 0.3 of 600, 0.25 of 400 − 20, 0.5 of 240.
    for (name, count) in [("layer0.weight", 180), ("layer0.recurrent", 95), ("layer1.weight", 120)] {
        assert_eq!(start[name].values.iter().filter(|&&value| value != 0.0).count(), count, "{name}");
    }
    for _ in 0..12 {
        step(&mut core, ADAMW, 0.05);
        obeys(&core.parameters().unwrap());
    }
    let (end, gradients, state) =
        (core.parameters().unwrap(), core.gradients().unwrap(), core.optimiser_state().unwrap());
    let mut moved = 0;
    for name in ["layer0.weight", "layer0.recurrent", "layer1.weight"] {
        let units = start[name].shape[1];
        let moments = &state.tensors[name];
        for (at, &value) in start[name].values.iter().enumerate() {
            if value == 0.0 {
                let of = |row: usize| moments.values[row * moments.shape[1] + at / units * 32 + at % units];
                assert_eq!((end[name].values[at], gradients[name].values[at], of(0), of(1)), (0.0, 0.0, 0.0, 0.0));
            } else {
                moved += usize::from(end[name].values[at] != value);
            }
        }
    }
    assert!(moved > 200, "{moved} weights moved");
    // Parameters that break the law are brought back to it.
    let mut broken = start.clone();
    broken.get_mut("layer0.recurrent").unwrap().values.fill(-1.0);
    core.set_parameters(&broken).unwrap();
    obeys(&core.parameters().unwrap());
}

#[test]
fn constraints_hold_through_training_on_the_cpu() {
    constraints_hold(Cpu::<f32>::new());
}

#[cfg(feature = "gpu")]
#[test]
fn constraints_hold_through_training_on_a_gpu() {
    if let Some(gpu) = crate::kernels::gpu() {
        constraints_hold(gpu);
    }
}

#[test]
fn the_seed_draws_the_mask_and_a_restored_run_has_the_same() {
    let mut core = Core::new(constrained(), Cpu::<f32>::new(), Budget::default()).unwrap();
    let exists = |core: &mut Core<Cpu<f32>>, seed| -> Vec<bool> {
        core.initialise(seed).unwrap();
        core.parameters().unwrap()["layer0.weight"].values.iter().map(|&value| value != 0.0).collect()
    };
    let (one, two) = (exists(&mut core, 1), exists(&mut core, 2));
    assert_ne!(one, two);
    assert_eq!(exists(&mut core, 1), one);
    for _ in 0..5 {
        step(&mut core, ADAMW, 0.05);
    }
    let (parameters, state) = (core.parameters().unwrap(), core.optimiser_state().unwrap());
    let mut restored = Core::new(constrained(), Cpu::<f32>::new(), Budget::default()).unwrap();
    restored.initialise(1).unwrap();
    restored.set_parameters(&parameters).unwrap();
    restored.set_optimiser_state(ADAMW, &state).unwrap();
    step(&mut core, ADAMW, 0.05);
    step(&mut restored, ADAMW, 0.05);
    assert_eq!(core.parameters().unwrap(), restored.parameters().unwrap());
}

#[test]
fn a_mask_of_the_users_own() {
    let network = Network::builder(30).recurrent(20, |layer| layer.init = Init::Constant { value: 0.5 });
    let mut core = Core::new(network.readout(3).build().unwrap(), Cpu::<f32>::new(), Budget::default()).unwrap();
    let mask: Vec<bool> = (0..400).map(|at| at % 3 == 0).collect();
    core.set_mask("layer0.recurrent", &mask).unwrap();
    for _ in 0..3 {
        step(&mut core, Rule::Sgd { momentum: 0.9 }, 0.1);
    }
    let recurrent = &core.parameters().unwrap()["layer0.recurrent"].values;
    assert!(recurrent.iter().zip(&mask).all(|(value, exists)| *exists || *value == 0.0));
    assert!(recurrent.iter().zip(&mask).any(|(value, exists)| *exists && *value != 0.0));
    let error = core.set_mask("layer0.recurent", &mask).unwrap_err().to_string();
    assert!(error.contains("did you mean layer0.recurrent?"), "{error}");
    let error = core.set_mask("layer0.weight", &mask).unwrap_err().to_string();
    assert!(error.contains("400 entries, not 600"), "{error}");
}

#[test]
fn the_sources_of_a_current_encoder_are_its_channels() {
    let network = Network::builder(4)
        .hidden(12, |layer| {
            (layer.connection, layer.dale) = (Connection::Current, Some(Dale { excitatory: 0.5 }));
        })
        .readout(2)
        .build()
        .unwrap();
    let mut core = Core::new(network, Cpu::<f32>::new(), Budget::default()).unwrap();
    let input = Trace::new(10, 1, 4, (0..40).map(|i| (i as f32 * 0.7).sin() * 3.0).collect()).unwrap();
    let optimiser =
        Optimiser { rule: Rule::Sgd { momentum: 0.0 }, rate: 5.0, max_norm: None, penalty: Penalty::default() };
    for _ in 0..4 {
        for (j, &value) in core.parameters().unwrap()["layer0.weight"].values.iter().enumerate() {
            assert!(if j % 4 < 2 { value >= 0.0 } else { value <= 0.0 }, "{j}: {value}");
        }
        core.train(&Batch::values(input.clone()).with_labels(vec![1]), &optimiser).unwrap();
    }
}

const FILE: &str = "inputs = 30\n[[layer]]\nunits = 20\nrecurrent = true\nOWN\n[[layer]]\nunits = 3\n";

fn file(own: &str) -> spikegrad::Result<Network> {
    Network::from_toml(&FILE.replace("OWN", own))
}

#[track_caller]
fn refused(own: &str, words: &[&str]) {
    let message = file(own).unwrap_err().to_string();
    for word in words {
        assert!(message.contains(word), "{message:?} lacks {word:?}");
    }
}

#[test]
fn constraints_in_a_file() {
    let network =
        file("dale = { excitatory = 0.8 }\ndensity = 0.1\nrecurrent_density = 0.2\nself_connections = false").unwrap();
    assert_eq!(network.layers[0].dale, Some(Dale { excitatory: 0.8 }));
    assert_eq!(Network::from_toml(&network.to_toml()).unwrap(), network);
    refused("dale = { excitatory = 1.2 }", &["layer[0].dale.excitatory (line 5)", "from 0 to 1"]);
    refused("dale = { excitatry = 0.5 }", &["did you mean excitatory?"]);
    refused("density = 0", &["layer[0].density", "above 0"]);
    refused("recurrent_density = nan", &["layer[0].recurrent_density"]);
    let feed_forward = FILE.replace("recurrent = true\nOWN", "self_connections = false");
    assert!(Network::from_toml(&feed_forward).unwrap_err().to_string().contains("not recurrent"));
}

#[test]
fn log_normal_time_constants() {
    let network = file(
        "neuron = { tau_mem = { value = 20.0, log_normal = 0.3 }, tau_syn = { value = 5.0, log_normal = 0.1, learned = true } }",
    );
    let mut network = network.unwrap();
    assert_eq!(Network::from_toml(&network.to_toml()).unwrap(), network);
    network.layers[0].units = 5000;
    let start = initialise(&network, 3);
    let logs: Vec<f64> = start["layer0.tau_mem"].values.iter().map(|tau| (tau / 20.0).ln()).collect();
    let mean = logs.iter().sum::<f64>() / 5000.0;
    let deviation = (logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / 5000.0).sqrt();
    assert!(mean.abs() < 4.0 * 0.3 / 5000f64.sqrt() && (deviation - 0.3).abs() < 0.015, "{mean} ± {deviation}");
    assert_eq!(initialise(&network, 3), start);
    assert_ne!(initialise(&network, 4)["layer0.tau_mem"], start["layer0.tau_mem"]);
    assert_eq!(start["layer1.tau_mem"].shape, [1]);
    refused("neuron = { tau_mem = { value = 20.0, log_normal = -0.3 } }", &["tau_mem.log_normal", "0 to 10"]);
    refused("neuron = { tau_mem = { value = 20.0, log_normal = 0.3, per = \"layer\" } }", &["per cannot be"]);
    // Each learns on from its own value.
    let own = Parameter::from(20.0).log_normal(0.3).learned();
    let network = Network::builder(30).hidden(20, |layer| {
        layer.neuron.tau_mem = own;
        layer.init = Init::Uniform { gain: 8.0 };
    });
    let mut core = Core::new(network.readout(3).build().unwrap(), Cpu::<f32>::new(), Budget::default()).unwrap();
    let before = core.parameters().unwrap()["layer0.tau_mem"].values.clone();
    step(&mut core, ADAMW, 0.01);
    let after = core.parameters().unwrap()["layer0.tau_mem"].values.clone();
    assert!(before.iter().zip(&after).all(|(before, after)| (after / before - 1.0).abs() < 0.02));
    assert!(before.iter().zip(&after).filter(|(before, after)| before != after).count() > 10);
}

fn group(pattern: &str) -> Group {
    Group { pattern: pattern.into(), rate_scale: None, weight_decay: None, frozen: None }
}

/// A network in which everything is learned.
fn learning() -> Core<Cpu<f32>> {
    let network = Network::builder(30)
        .recurrent(20, |layer| {
            layer.bias = true;
            layer.init = Init::Uniform { gain: 8.0 };
            layer.neuron.tau_mem = Parameter::from(10.0).per_neuron().learned();
            layer.neuron.threshold = Some(Parameter::from(1.0).learned());
        })
        .readout(3)
        .build()
        .unwrap();
    let mut core = Core::new(network, Cpu::<f32>::new(), Budget::default()).unwrap();
    core.initialise(2).unwrap();
    core
}

/// By how much each parameter moves in one step.
fn moves(groups: &[Group], rule: Rule, rate: f64) -> std::collections::BTreeMap<String, Vec<f64>> {
    let mut core = learning();
    core.set_groups(groups).unwrap();
    let before = core.parameters().unwrap();
    core.train(&batch(30), &Optimiser { rule, rate, max_norm: None, penalty: Penalty::default() }).unwrap();
    let after = core.parameters().unwrap();
    let moved = |name: &String| {
        let pairs = before[name].values.iter().zip(&after[name].values);
        pairs.map(|(before, after)| f64::from(*after) - f64::from(*before)).collect()
    };
    before.keys().map(|name| (name.clone(), moved(name))).collect()
}

#[test]
fn groups_scale_rates_and_freeze() {
    let plain = Rule::Sgd { momentum: 0.9 };
    let usual = moves(&[], plain, 0.01);
    assert!(usual["layer0.weight"].iter().any(|x| *x != 0.0) && usual["layer0.threshold"][0] != 0.0);
    let mut scaled = group("layer0.*");
    scaled.rate_scale = Some(3.0);
    let mut frozen = group("layer0.re*");
    frozen.frozen = Some(true);
    let mut tau = group("*.tau_mem");
    tau.frozen = Some(true);
    let grouped = moves(&[scaled.clone(), frozen.clone(), tau], plain, 0.01);
    for name in ["layer0.recurrent", "layer0.tau_mem", "layer1.tau_mem"] {
        assert!(grouped[name].iter().all(|x| *x == 0.0), "{name} is frozen");
    }
    for (name, factor) in
        [("layer0.weight", 3.0), ("layer0.bias", 3.0), ("layer0.threshold", 3.0), ("layer1.weight", 1.0)]
    {
        for (usual, grouped) in usual[name].iter().zip(&grouped[name]) {
            assert!(
                (grouped - factor * usual).abs() <= 1e-3 * usual.abs() + 3e-7,
                "{name}: {grouped} is not {factor} × {usual}"
            );
        }
    }
    // A later group has the last word, and one that says nothing about it leaves it alone.
    let mut awake = group("layer0.recurrent");
    awake.frozen = Some(false);
    let mut slower = group("layer0.recurrent");
    slower.rate_scale = Some(0.5);
    let last = moves(&[scaled, frozen, awake, slower], plain, 0.01);
    let pairs = usual["layer0.recurrent"].iter().zip(&last["layer0.recurrent"]);
    assert!(pairs.clone().any(|(usual, _)| *usual != 0.0));
    pairs.for_each(|(usual, last)| assert!((last - 0.5 * usual).abs() <= 1e-3 * usual.abs() + 3e-7));
}

#[test]
fn groups_have_their_own_weight_decay() {
    let adam = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0 };
    let mut core = learning();
    let before = core.parameters().unwrap();
    drop(core);
    let usual = moves(&[], adam, 0.01);
    let (mut weights, mut bias) = (group("*.weight"), group("layer0.bias"));
    weights.weight_decay = Some(0.5);
    bias.weight_decay = Some(2.0);
    let decayed = moves(&[weights, bias], adam, 0.01);
    for (name, decay) in
        [("layer0.weight", 0.5), ("layer1.weight", 0.5), ("layer0.bias", 2.0), ("layer0.recurrent", 0.0)]
    {
        for (at, (usual, decayed)) in usual[name].iter().zip(&decayed[name]).enumerate() {
            let want = usual - 0.01 * decay * f64::from(before[name].values[at]);
            assert!((decayed - want).abs() < 1e-6, "{name}: {decayed} is not {want}");
        }
    }
}

#[test]
fn what_is_frozen_has_no_part_in_the_norm() {
    let norm = |groups: &[Group]| {
        let mut core = learning();
        core.set_groups(groups).unwrap();
        core.forward(&batch(30)).unwrap();
        core.backward(&Gradient::loss()).unwrap();
        let gradients = core.gradients().unwrap();
        (core.metrics().unwrap()[0].gradient_norm, gradients)
    };
    let (all, gradients) = norm(&[]);
    let of = |names: &[&str]| {
        let square = |name: &&str| gradients[*name].values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
        names.iter().map(square).sum::<f64>()
    };
    let mut frozen = group("layer0.weight");
    frozen.frozen = Some(true);
    let mut tau = group("layer0.tau_mem");
    tau.frozen = Some(true);
    let (rest, _) = norm(&[frozen, tau]);
    let want = (all * all - of(&["layer0.weight", "layer0.tau_mem"])).sqrt();
    assert!((rest - want).abs() < 1e-4 * all && rest < all, "{rest} is not {want}");
    let error = learning().set_groups(&[group("layer2.*")]).unwrap_err().to_string();
    assert!(error.contains("\"layer2.*\" matches no parameter") && error.contains("layer0.recurrent"), "{error}");
}

/// A training file with groups.
fn recipe(groups: &str) -> spikegrad::Result<Recipe> {
    let text = format!(
        "inputs = 12\n[[layer]]\nunits = 16\ninit = {{ kind = \"uniform\", gain = 8 }}\n[[layer]]\nunits = 3\n[train]\ndata = \"randman\"\nepochs = 1\nbatch = 30\n\
         optimiser = {{ kind = \"sgd\", rate = 0.02 }}\nschedule = {{ kind = \"cosine\" }}\n{groups}\n\
         [data]\nclasses = 3\nunits = 12\ntrain = 30\nvalid = 8\ntest = 8\nsteps = 30\nwindow = 20\nalpha = 2.0\n"
    );
    Recipe::from_toml(&text, "run")
}

#[test]
fn groups_in_a_file() {
    let train = |groups: &str| {
        let recipe = recipe(groups).unwrap();
        assert_eq!(Recipe::from_toml(&recipe.to_toml(), "run").unwrap(), recipe, "{}", recipe.to_toml());
        let split = recipe.data.load(1).unwrap();
        let mut trainer = Trainer::new(recipe, split, Device::Cpu).unwrap();
        let start = trainer.engine().parameters().unwrap();
        trainer.epoch(|_| {}).unwrap();
        (start, trainer.engine().parameters().unwrap())
    };
    let (start, end) = train("[[train.group]]\nmatch = \"layer0.weight\"\nfrozen = true\n");
    assert_eq!(start["layer0.weight"], end["layer0.weight"]);
    assert_ne!(start["layer1.weight"], end["layer1.weight"]);
    let (_, scaled) = train("[[train.group]]\nmatch = \"*\"\nrate_scale = 2.5\n");
    let (_, absolute) = train("[[train.group]]\nmatch = \"*\"\nrate = 0.05\n");
    assert_eq!(scaled, absolute, "a rate of its own follows the schedule");
    let refused = |groups: &str, words: &[&str]| {
        let error = recipe(groups).unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{error:?} lacks {word:?}");
        }
    };
    refused(
        "[[train.group]]\nmatch = \"layer0.weigth\"",
        &["train.group[0].match (line 14)", "did you mean layer0.weight?"],
    );
    refused("[[train.group]]\nmatch = \"*\"\nrate = 0.1\nrate_scale = 2", &["train.group[0].rate", "not both"]);
    refused("[[train.group]]\nmatch = \"*\"\nweight_decay = 0.1", &["train.group[0].weight_decay", "adam"]);
    refused("[[train.group]]\nmatch = \"*\"\nfrosen = true", &["train.group[0]", "did you mean frozen?"]);
    refused("[[train.group]]\nrate = 0.1", &["train.group[0]", "match"]);
}
