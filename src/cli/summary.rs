//! What came out of a run, for people and for programs.

use serde_json::json;
use spikegrad::Result;
use spikegrad::io::{ActivityMetrics, EpochMetrics, RunDirectory, write_whole};
use spikegrad::learn::{Confusion, Evaluation, Recipe, Trainer, learned_parameters};
use spikegrad::network::{Connection, Network};

/// The layers in one line: `20 → 100 cuba_lif → 10 li`.
pub fn layers(network: &Network) -> String {
    let mut text = network.inputs.to_string();
    for layer in &network.layers {
        let kind = layer.neuron.kind.name();
        let recurrent = if layer.recurrent { " recurrent" } else { "" };
        let encoder = if layer.connection == Connection::Current { " current encoder" } else { "" };
        text += &format!(" → {} {kind}{recurrent}{encoder}", layer.units);
    }
    text
}

/// Numbers of the layers that spike, in the order of every list with one entry for each spiking layer.
pub fn spiking_layers(network: &Network) -> Vec<usize> {
    let layers = network.layers.iter().enumerate();
    layers.filter(|(_, layer)| layer.neuron.spiking()).map(|(index, _)| index).collect()
}

/// A number with three digits and a unit prefix: `1.23 G`.
pub fn quantity(value: f64) -> String {
    let prefixes = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    match prefixes.iter().find(|(size, _)| value >= *size) {
        Some((size, prefix)) => {
            let scaled = value / size;
            let digits = if scaled >= 100.0 {
                0
            } else if scaled >= 10.0 {
                1
            } else {
                2
            };
            format!("{scaled:.digits$} {prefix}")
        }
        None => format!("{value:.0} "),
    }
}

/// Joules with three digits.
pub fn energy(joules: f64) -> String {
    match joules * 1e9 {
        small if small < 10.0 => format!("{small:.2} nJ"),
        middle if middle < 1e3 => format!("{middle:.0} nJ"),
        large if large < 1e6 => format!("{:.2} µJ", large / 1e3),
        huge => format!("{:.2} mJ", huge / 1e6),
    }
}

/// How active a network was, in a few lines.
pub fn activity(activity: &ActivityMetrics) -> Vec<String> {
    let percent = |fractions: &[f64]| {
        let all: Vec<String> = fractions.iter().map(|fraction| format!("{:.1} %", 100.0 * fraction)).collect();
        all.join(", ")
    };
    let rates: Vec<String> = activity.spikes_per_neuron.iter().map(|spikes| format!("{spikes:.2}")).collect();
    let products = match activity.multiply_adds {
        0.0 => String::new(),
        products => format!(", {} multiply-adds of the input", quantity(products).trim_end()),
    };
    vec![
        format!(
            "         spikes a neuron {}; dead {}; saturated {}",
            rates.join(", "),
            percent(&activity.dead_fraction),
            percent(&activity.saturated_fraction)
        ),
        format!(
            "         {} synaptic operations{products} a sample: energy proxy {}",
            quantity(activity.synaptic_operations).trim_end(),
            energy(activity.energy())
        ),
    ]
}

/// What to do where an epoch left a spiking layer without a single spike, and the one before did not.
pub fn silence(recipe: &Recipe, before: Option<&EpochMetrics>, now: &EpochMetrics) -> Option<String> {
    let silent = |metrics: &EpochMetrics| metrics.activity.dead_fraction.iter().position(|dead| *dead == 1.0);
    let index = silent(now)?;
    if before.is_some_and(|before| silent(before).is_some()) {
        return None;
    }
    let layer = spiking_layers(&recipe.network).get(index).copied()?;
    Some(format!(
        "note     no neuron of layer {layer} spikes, so nothing reaches what is above it: give it a larger init (gain = …), a \
         lower threshold or a `lower` regulariser"
    ))
}

/// A row for each class: its name, and how often it was taken for each.
pub fn confusion(confusion: &Confusion, names: &[String]) -> Vec<String> {
    let wide = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let most = (0..names.len()).flat_map(|class| confusion.row(class)).max().map_or(1, |most| most.to_string().len());
    let row = |(class, name): (usize, &String)| {
        let cells = confusion.row(class).iter().map(|count| format!(" {count:>most$}"));
        format!("{name:<wide$} {}", cells.collect::<String>())
    };
    names.iter().enumerate().map(row).collect()
}

/// Writes `summary.json`; what is of a test set is null where there is none.
pub fn write(
    trainer: &mut Trainer,
    directory: &RunDirectory,
    test: Option<&Evaluation>,
    parameters: &str,
) -> Result<()> {
    let recipe = trainer.recipe();
    let progress = trainer.progress();
    let split = trainer.split();
    let text = json!({
        "name": recipe.train.name,
        "device": trainer.device(),
        "seed": recipe.train.seed,
        "epochs": progress.epoch,
        "parameters": learned_parameters(&recipe.network),
        "test_accuracy": test.map(|test| test.accuracy),
        "test_loss": test.map(|test| test.loss),
        "test_parameters": parameters,
        "valid_accuracy": progress.best.map(|best| best.accuracy),
        "spikes_per_sample": test.map(|test| test.spikes_per_sample),
        "activity": test.map(|test| &test.activity),
        "energy_nj": test.map(|test| test.activity.energy() * 1e9),
        "samples": { "train": split.train.len(), "valid": split.valid.len(), "test": split.test.len() },
        "seconds": progress.seconds,
        "version": env!("CARGO_PKG_VERSION"),
    });
    let text = format!("{text:#}\n");
    write_whole(directory.file("summary.json"), text.as_bytes())
}
