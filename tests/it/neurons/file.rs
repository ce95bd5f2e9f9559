//! Neurons in a network file.

use spikegrad::audit::{ALLOWED, Options, audit};
use spikegrad::network::{Layer, Network, NeuronKind, Preset, Readout};

fn file(neuron: &str) -> spikegrad::Result<Network> {
    Network::from_toml(&format!("inputs = 2\n[[layer]]\nunits = 3\nneuron = {neuron}\n[[layer]]\nunits = 2\n"))
}

#[test]
fn every_neuron_survives_being_written() {
    for name in NeuronKind::names() {
        let kind = NeuronKind::named(name).unwrap();
        let mut hidden =
            Layer::new(Preset::Snntorch, if name == "li" { NeuronKind::Lif } else { kind }, 3, name == "slstm");
        if name == "psn" {
            hidden.neuron.steps = Some(9);
        }
        let layers = vec![hidden, Layer::new(Preset::Snntorch, NeuronKind::Li, 2, false)];
        let mut network = Network { preset: Preset::Snntorch, dt: 1.0, inputs: 2, layers, readout: Readout::default() };
        for learned in [false, true] {
            if learned {
                spikegrad::audit::learn_everything(&mut network);
            }
            let text = network.to_toml();
            let again = Network::from_toml(&text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
            assert_eq!(again, network, "{name}");
        }
    }
}

#[test]
fn decays_words_and_truth_values_become_numbers() {
    let network = file("{ kind = \"alif\", beta = 0.5, rho = { value = 0.9, learned = true, min = 0.8, max = 0.99 }, reset_by = \"adapted\", normalised_adaptation = true }").unwrap();
    let neuron = &network.layers[0].neuron;
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    close(neuron.tau_mem.values[0], -1.0 / 0.5f64.ln());
    let adaptation = &neuron.parameters["tau_adaptation"];
    close(adaptation.values[0], -1.0 / 0.9f64.ln());
    close(adaptation.min.unwrap(), -1.0 / 0.8f64.ln());
    close(adaptation.max.unwrap(), -1.0 / 0.99f64.ln());
    assert_eq!(neuron.parameters["reset_by"].values, [1.0]);
    assert_eq!(neuron.parameters["normalised_adaptation"].values, [1.0]);
}

#[test]
fn a_wrong_neuron_is_named_with_what_is_allowed() {
    for (neuron, words) in [
        ("{ kind = \"alff\" }", &["layer[0].neuron.kind", "did you mean alif"][..]),
        ("{ kind = \"alif\", adaption = 1.0 }", &["layer[0].neuron.adaption", "did you mean adaptation"]),
        ("{ kind = \"alif\", reset_by = \"both\" }", &["layer[0].neuron.reset_by", "base, adapted"]),
        ("{ kind = \"alif\", normalised_adaptation = 2 }", &["normalised_adaptation", "true or false"]),
        ("{ kind = \"alif\", adaptation = [1.0, 2.0] }", &["layer[0].neuron.adaptation", "2 values for 3 units"]),
        ("{ kind = \"refractory\", refractory = 2.5 }", &["layer[0].neuron.refractory", "whole number"]),
        ("{ kind = \"refractory\", refractory = { value = 2, learned = true } }", &["cannot be learned"]),
        ("{ kind = \"lapicque\", resistance = 0.5, capacitance = 1.0 }", &["capacitance", "above dt = 1 ms"]),
        ("{ kind = \"lapicque\", tau_mem = 5.0 }", &["layer[0].neuron.tau_mem", "has none"]),
        (
            "{ kind = \"alpha\", tau_excitatory = 5.0, tau_inhibitory = 5.0 }",
            &["tau_excitatory", "above tau_inhibitory"],
        ),
        (
            "{ kind = \"alpha\", reset = \"zero_before\" }",
            &["layer[0].neuron.reset", "zero_after, subtract_after, none"],
        ),
        ("{ kind = \"izhikevich\", tau_mem = 1.0 }", &["layer[0].neuron.tau_mem", "above dt"]),
        ("{ kind = \"multi_spike\", max_spikes = 256 }", &["layer[0].neuron.max_spikes", "1 to 255"]),
        ("{ kind = \"multi_spike\", reset = \"zero_before\" }", &["layer[0].neuron.reset", "subtract_before"]),
        ("{ kind = \"lif\", periodic = true }", &["layer[0].neuron.periodic", "only a multi_spike"]),
        ("{ kind = \"if\", tau_syn = 5.0 }", &["layer[0].neuron.tau_syn", "cuba_lif"]),
        (
            "{ kind = \"lif\", tau_mem = { value = 5.0, learned = true, min = 6.0 } }",
            &["layer[0].neuron.tau_mem", "outside 6"],
        ),
    ] {
        let error = file(neuron).expect_err(neuron).to_string();
        for word in words {
            assert!(error.contains(word), "{neuron}: {error:?} lacks {word:?}");
        }
        assert!(error.contains("line 4"), "{neuron}: {error}");
    }
}

#[test]
fn what_stops_a_gradient_elsewhere_is_audited_without() {
    let network = file("{ kind = \"alif\", detach_adaptation = true, detach_threshold = true }").unwrap();
    let options = Options { drawn: true, entries: 8, ..Options::default() };
    for line in audit(&network, options).unwrap() {
        assert!(line.error <= ALLOWED, "{}: {:.1e}", line.name, line.error);
    }
}

#[test]
fn a_network_that_is_not_a_number_does_not_pass_the_audit() {
    let network = file("{ kind = \"izhikevich\", quadratic = -50.0, v_rest = 30.0 }").unwrap();
    let lines = audit(&network, Options { steps: 40, entries: 4, ..Options::default() }).unwrap();
    assert!(lines.iter().any(|line| line.error > ALLOWED), "{lines:?}");
}
