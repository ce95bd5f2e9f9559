//! Presets as data: printed, read back, overridden key by key.

use spikegrad::network::{Gain, Network, NeuronKind, Preset, Reset};

const LAYERS: &str = r#"inputs = 5
[[layer]]
units = 4
[[layer]]
units = 4
recurrent = true
[[layer]]
units = 4
recurrent = true
neuron = { kind = "lif" }
[[layer]]
units = 4
neuron = { kind = "cuba_lif" }
[[layer]]
units = 4
neuron.kind = 'lif'
[[layer]]
units = 2
"#;

#[test]
fn a_file_that_begins_with_what_is_printed_is_the_same_network() {
    for preset in Preset::ALL {
        let named = Network::from_toml(&format!("preset = \"{}\"\n{LAYERS}", preset.name())).unwrap();
        let printed = preset.to_toml();
        let text = format!("{printed}{LAYERS}");
        assert_eq!(Network::from_toml(&text).unwrap_or_else(|error| panic!("{error}\n{text}")), named, "{text}");
        assert_eq!(named.preset, preset);
        // Every switch of the neurons and the surrogate stands there.
        for key in ["lif.reset", "cuba_lif.tau_syn", "li.initial_potential", "surrogate.slope", "lif.threshold"] {
            assert!(printed.contains(&format!("preset.{key} = ")), "{key} in\n{printed}");
        }
    }
}

#[test]
fn every_printed_key_can_be_changed() {
    for preset in Preset::ALL {
        let printed = preset.to_toml();
        let plain = Network::from_toml(&format!("{printed}{LAYERS}")).unwrap();
        let mut changed = 0;
        for line in printed.lines().filter(|line| !line.starts_with('#') && !line.starts_with("preset.base")) {
            let (key, value) = line.split_once(" = ").unwrap();
            let other = match (key.rsplit('.').next().unwrap(), value) {
                ("hidden", "\"lif\"") => "\"cuba_lif\"".to_string(),
                ("hidden", _) => "\"lif\"".to_string(),
                ("kind", _) => "\"boxcar\"".to_string(),
                ("reset", "\"zero_before\"") => "\"subtract_after\"".to_string(),
                ("reset", _) => "\"zero_before\"".to_string(),
                ("gain", "\"one\"") => "\"one_minus_beta\"".to_string(),
                ("gain", _) => "\"one\"".to_string(),
                ("comparison", "\"greater\"") => "\"greater_equal\"".to_string(),
                ("comparison", _) => "\"greater\"".to_string(),
                ("detach_reset", value) => (value != "true").to_string(),
                ("lag" | "emit_lag" | "input_delay", value) => (1 - value.parse::<i64>().unwrap()).to_string(),
                ("recurrent_lag", value) => (3 - value.parse::<i64>().unwrap()).to_string(),
                (_, "false") => "4.5".to_string(),
                (_, value) => format!("{:?}", value.parse::<f64>().unwrap() + 0.5),
            };
            let text = format!("{}{LAYERS}", printed.replace(line, &format!("{key} = {other}")));
            match Network::from_toml(&text) {
                Ok(network) => {
                    assert_ne!(network, plain, "{key} = {other}");
                    changed += 1;
                }
                // What this neuron cannot have is refused by its key, not ignored.
                Err(error) => {
                    let key = key.rsplit('.').next().unwrap();
                    assert!(error.to_string().contains(&format!("neuron.{key}")), "{key}: {error}");
                }
            }
        }
        assert!(changed > 25, "{changed} of\n{printed}");
    }
}

#[test]
fn switches_hold_for_every_layer_of_their_kind_and_layers_overrule_them() {
    let text = format!(
        "preset.base = \"norse\"\npreset.hidden = \"lif\"\npreset.lif.beta = 0.5\npreset.lif.reset = \"zero_after\"\n\
         preset.recurrent.lif.detach_reset = false\npreset.surrogate.slope = 3.0\n{}",
        LAYERS.replace("kind = \"lif\"", "kind = \"lif\", gain = \"one\", tau_mem = 7.0")
    );
    let network = Network::from_toml(&text).unwrap();
    let [first, recurrent, own, cuba, _, readout] = &network.layers[..] else { panic!() };
    let half = 1.0 / std::f64::consts::LN_2;
    for layer in [first, recurrent] {
        assert_eq!((layer.neuron.kind, layer.neuron.reset), (NeuronKind::Lif, Reset::ZeroAfter));
        assert!((layer.neuron.tau_mem.values[0] - half).abs() < 1e-12);
        assert_eq!(layer.surrogate.unwrap().slope, 3.0);
    }
    assert!(!first.neuron.detach_reset && !recurrent.neuron.detach_reset);
    assert_eq!((own.neuron.gain, own.neuron.tau_mem.values[0]), (Gain::One, 7.0));
    assert_eq!(cuba.neuron.reset, Reset::ZeroBefore, "another kind keeps the preset's switch");
    assert_eq!(readout.neuron.tau_mem.values[0], 10.0);
    assert_eq!(Network::from_toml(&network.to_toml()).unwrap(), network);
}

#[test]
fn a_wrong_switch_is_named_with_the_nearest() {
    let refused = |preset: &str, words: &[&str]| {
        let error = Network::from_toml(&format!("{preset}\n{LAYERS}")).unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{error:?} lacks {word:?}");
        }
    };
    refused("preset = \"snntroch\"", &["preset (line 1)", "did you mean snntorch?", "sinabs"]);
    refused("preset.base = \"nors\"", &["preset.base", "did you mean norse?"]);
    refused("preset.lif.rest = \"none\"", &["preset.lif.rest", "did you mean reset?"]);
    refused("preset.liff.reset = \"none\"", &["preset.liff", "did you mean lif?"]);
    refused("preset.recurrent.li.threshold = 1.0", &["preset.recurrent.li.threshold", "unknown key"]);
    refused("preset.surrogate.kind = \"attan\"", &["preset.surrogate.kind", "did you mean atan?"]);
    refused("preset.hidden = \"cubalif\"", &["preset.hidden", "did you mean cuba_lif?"]);
    refused("preset = 3", &["preset", "must be a name"]);
    refused("preset.lif = 3", &["preset.lif", "table"]);
}

#[cfg(feature = "cli")]
#[test]
fn the_program_lists_and_prints_them() {
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_spikegrad")).args(arguments).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let list = run(&["preset"]);
    assert_eq!(list.lines().count(), Preset::ALL.len());
    for preset in Preset::ALL {
        assert!(list.contains(preset.name()), "{list}");
        assert_eq!(run(&["preset", preset.name()]), preset.to_toml());
    }
}
