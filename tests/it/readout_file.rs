//! The table `[readout]` of a network file: what is accepted, what it means, how mistakes are named.

use spikegrad::network::{Average, Inverse, Loss, Network, Of, Readout, Reduction, Term};

/// A network of 12 outputs with this readout.
fn read(spiking: bool, readout: &str) -> spikegrad::Result<Network> {
    let neuron = if spiking { "neuron = { kind = \"lif\" }" } else { "" };
    Network::from_toml(&format!("inputs = 3\n[[layer]]\nunits = 12\n{neuron}\n{readout}\n"))
}

fn readout(spiking: bool, text: &str) -> Readout {
    let network = read(spiking, text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let again = Network::from_toml(&network.to_toml()).unwrap_or_else(|error| panic!("{}: {error}", network.to_toml()));
    assert_eq!(again, network, "written and read again: {}", network.to_toml());
    network.readout
}

fn term(spiking: bool, text: &str) -> Term {
    let mut readout = readout(spiking, text);
    assert_eq!(readout.losses.len(), 1);
    readout.losses.remove(0)
}

#[test]
fn what_is_left_out_depends_on_whether_the_last_layer_spikes() {
    let ce = Loss::cross_entropy;
    for text in ["", "[readout]", "[readout]\nloss = \"cross_entropy\"", "[readout]\nloss = { label_smoothing = 0 }"] {
        assert_eq!(term(false, text), Term::new(Reduction::Max, ce()), "{text}");
        assert_eq!(term(true, text), Term::new(Reduction::Count, ce()), "{text}");
    }
    let network = read(true, "[readout]\nreduce = \"mean\"").unwrap();
    assert_eq!(network.reads(&network.readout.losses[0]), Of::Spikes);
    let network = read(true, "[readout]\nreduce = \"max\"").unwrap();
    assert_eq!(network.reads(&network.readout.losses[0]), Of::Potential);
    let network = read(false, "[readout]\nreduce = \"mean\"").unwrap();
    assert_eq!(network.reads(&network.readout.losses[0]), Of::Potential);
}

#[test]
fn names_of_other_libraries_are_reductions_and_losses() {
    use Reduction::*;
    let ce = || Loss::cross_entropy().weighted(vec![], Average::Samples);
    let samples = |loss: Loss| loss.weighted(vec![], Average::Samples);
    for (name, expected) in [
        ("ce_rate", Term::new(EveryStep, ce()).of(Of::Spikes)),
        ("ce_count", Term::new(Count, ce()).of(Of::Spikes)),
        ("ce_max_membrane", Term::new(Max, ce()).of(Of::Potential)),
        ("ce_temporal", Term::new(FirstSpike, Loss::cross_entropy()).of(Of::Spikes)),
        ("mse_count", Term::new(Count, samples(Loss::mse_rate(1.0, 0.0))).of(Of::Spikes)),
        ("mse_membrane", Term::new(EveryStep, samples(Loss::mse_to(1.0, 0.0))).of(Of::Potential)),
        ("mse_temporal", Term::new(FirstSpike, samples(Loss::mse_to(0.0, -1.0))).of(Of::Spikes)),
        ("tet", Term::new(EveryStep, Loss::cross_entropy())),
    ] {
        assert_eq!(term(true, &format!("[readout]\nloss = \"{name}\"")), expected, "{name}");
        assert_eq!(term(true, &format!("[readout]\nloss = {{ kind = \"{name}\" }}")), expected, "{name}");
    }
    let text = "[readout]\nclasses = 4\nloss = { kind = \"mse_count\", correct_rate = 0.8, incorrect_rate = 0.1 }";
    let coded = Term::new(Count, samples(Loss::mse_rate(0.8, 0.1))).of(Of::Spikes).classes(4);
    assert_eq!(term(true, text), coded);
    let Loss::CrossEntropy { inverse, .. } =
        term(true, "[readout]\nloss = { kind = \"ce_temporal\", inverse = \"reciprocal\" }").loss
    else {
        panic!("a cross-entropy")
    };
    assert_eq!(inverse, Inverse::Reciprocal);

    let text = "[readout]\nloss = { kind = \"mse_multi_temporal\", on_target = [1, 4, 9], off_target = [-3, -2, -1], tolerance = 2 }";
    let terms = readout(true, text).losses;
    assert_eq!(terms.len(), 3, "one for each spike");
    for (index, (term, (on, off))) in terms.iter().zip([(1.0, -3.0), (4.0, -2.0), (9.0, -1.0)]).enumerate() {
        assert_eq!((term.spike, term.weight), (index as u32 + 1, 1.0 / 3.0));
        let Loss::Mse { on_target, off_target, tolerance, .. } = term.loss else { panic!("an mse") };
        assert_eq!((on_target, off_target, tolerance), (Some(on), Some(off), 2.0));
    }
}

#[test]
fn losses_are_summed() {
    let text = "[readout]\naccuracy_by = \"first_spike\"\nlosses = [\n\
                { loss = \"ce_count\" },\n\
                { reduce = \"max\", of = \"potential\", loss = { kind = \"cross_entropy\", label_smoothing = 0.1 }, weight = 0.5 },\n\
                ]";
    let Readout { losses, accuracy_by } = readout(true, text);
    assert_eq!(accuracy_by, Some(Reduction::FirstSpike));
    assert_eq!((losses[0].weight, losses[1].weight), (1.0, 0.5));
    assert_eq!((losses[0].reduce, losses[1].of), (Reduction::Count, Some(Of::Potential)));
}

#[test]
fn mistakes_are_named_with_their_key() {
    let refuse = |spiking: bool, text: &str, words: &[&str]| {
        let error = read(spiking, &format!("[readout]\n{text}")).expect_err(text).to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
        for word in words {
            assert!(error.contains(word), "{text}: {error:?} lacks {word:?}");
        }
    };
    refuse(false, "loss = \"ce_cuont\"", &["readout.loss", "line 6", "unknown loss", "ce_count", "cross_entropy"]);
    refuse(false, "loss = 3", &["readout.loss", "a name, or a table"]);
    refuse(false, "loss = { kind = \"mse\", target = 1 }", &["readout.loss", "target", "on_target"]);
    refuse(false, "reduce = \"median\"", &["readout.reduce", "median", "first_spike"]);
    refuse(false, "redcue = \"max\"", &["readout", "redcue"]);
    refuse(false, "reduce = \"count\"", &["readout.reduce", "no spikes"]);
    refuse(false, "of = \"spikes\"", &["readout.of", "no spikes"]);
    refuse(false, "loss = \"ce_count\"", &["readout.of", "no spikes"]);
    refuse(true, "reduce = \"max\"\nloss = \"ce_count\"", &["readout.reduce", "ce_count has reduce = \"count\""]);
    refuse(true, "of = \"potential\"\nreduce = \"count\"", &["readout.of", "count is of spikes"]);
    refuse(true, "spike = 2", &["readout.spike", "first_spike"]);
    refuse(true, "spike = 0\nreduce = \"first_spike\"", &["readout.spike", "counted from 1"]);
    refuse(true, "classes = 5", &["readout.classes", "12 units, 5 classes"]);
    refuse(true, "loss = { class_weights = [1, 2] }", &["readout.loss.class_weights", "2 weights for 12 classes"]);
    refuse(true, "classes = 2\nloss = { class_weights = [1, -2] }", &["class_weights[1]", "at least 0"]);
    refuse(true, "classes = 2\nloss = { class_weights = [0, 0] }", &["class_weights", "not all be 0"]);
    refuse(true, "loss = { label_smoothing = 1.5 }", &["readout.loss.label_smoothing", "at most 1"]);
    refuse(true, "loss = { inverse = \"reciprocal\" }", &["readout.loss.inverse", "first_spike"]);
    refuse(true, "loss = { kind = \"mse\", on_target = 1 }", &["readout.loss.off_target", "on_target needs it"]);
    refuse(false, "loss = { kind = \"mse\", correct_rate = 1, incorrect_rate = 0 }", &["correct_rate", "\"count\""]);
    refuse(
        true,
        "loss = { kind = \"mse_multi_temporal\", on_target = [1], off_target = [1, 2] }",
        &["off_target", "2 steps"],
    );
    refuse(true, "loss = { kind = \"mse_multi_temporal\" }", &["readout.loss.on_target", "a list of steps"]);
    refuse(true, "losses = []", &["readout.losses", "at least one"]);
    refuse(true, "losses = [{}, { weight = \"much\" }]", &["readout", "weight"]);
    refuse(true, "losses = [{}, { classes = 3 }]", &["readout.losses[1].classes", "3 here, 12 in the first"]);
    refuse(true, "losses = [{}]\nreduce = \"max\"", &["readout", "belong into its entries"]);
    refuse(true, "accuracy_by = \"every_step\"", &["readout.accuracy_by", "one answer"]);
    refuse(false, "accuracy_by = \"count\"", &["readout.accuracy_by", "no spikes"]);
}
