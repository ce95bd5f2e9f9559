//! Accuracy over spikes per inference: the upper-bound regulariser on the population (Zenke & Vogels 2021, section 4.2.5 and
//! Fig. 6) with targets from many spikes to few.

use super::{Notes, spread};
use crate::cli::arguments::StudySparsity;
use crate::cli::picture::{ScatterLine, scatter};
use crate::cli::say;
use crate::cli::train::{data_directory, read};
use spikegrad::learn::{Outcome, Trial};
use spikegrad::network::Regulariser;
use spikegrad::{Error, Result};

/// Spikes of a neuron for a sample that the population may have on average.
const TARGETS: [f64; 8] = [4.0, 2.0, 1.0, 0.5, 0.25, 0.1, 0.05, 0.02];

/// Runs the study.
///
/// # Errors
/// Those of the trainings and of the files.
pub fn run(arguments: &StudySparsity) -> Result<()> {
    let mut trials = Vec::new();
    for name in &arguments.recipes {
        let mut recipe = read(name)?;
        if let Some(directory) = data_directory(arguments.data.as_deref()) {
            recipe.data.set_directory(directory);
        }
        recipe.train.epochs = arguments.run.epochs.unwrap_or(recipe.train.epochs);
        if recipe.network.layers.iter().all(|layer| !layer.neuron.spiking()) {
            return Err(Error::Input(format!("{name} has no spiking layer to bound")));
        }
        for seed in 1..=arguments.run.seeds {
            recipe.train.seed = seed;
            let free = ("none".to_string(), None);
            for (level, target) in std::iter::once(free).chain(TARGETS.map(|target| (target.to_string(), Some(target))))
            {
                let mut recipe = recipe.clone();
                for layer in recipe.network.layers.iter_mut().filter(|layer| layer.neuron.spiking()) {
                    let upper = |target| Regulariser::Upper { strength: arguments.strength, target, exponent: 2 };
                    layer.regularise.extend(target.map(upper));
                }
                recipe.validate()?;
                recipe.network.validate()?;
                let factors =
                    [("recipe", name.clone()), ("target", level)].map(|(factor, level)| (factor.into(), level));
                trials.push(Trial { factors: factors.into(), recipe });
            }
        }
    }
    let notes = Notes::open(&arguments.run, "runs/study-sparsity")?;
    let (picture, summary) = (notes.file("sparsity.png"), notes.file("table.csv"));
    let outcomes = notes.complete(trials, &arguments.run)?;
    say("");
    say(&format!(
        "{:<16} {:>8} {:>20} {:>16} {:>22}",
        "recipe", "target", "spikes per inference", "test (%)", "synaptic operations"
    ));
    let mut lines = Vec::new();
    for name in &arguments.recipes {
        let mut points = Vec::new();
        let levels = std::iter::once("none".to_string()).chain(TARGETS.map(|target| target.to_string()));
        for level in levels {
            let own: Vec<&Outcome> = outcomes
                .iter()
                .filter(|outcome| {
                    outcome.factors.get("recipe") == Some(name) && outcome.factors.get("target") == Some(&level)
                })
                .collect();
            let of = |value: fn(&Outcome) -> Option<f64>| {
                own.iter().filter_map(|outcome| value(outcome)).collect::<Vec<_>>()
            };
            let (tests, spikes) = (of(|outcome| outcome.test), of(|outcome| outcome.spikes));
            if tests.is_empty() {
                say(&format!("{name:<16} {level:>8} {:>20}", "diverged"));
                continue;
            }
            let ((test, deviation), (count, _)) = (spread(&tests), spread(&spikes));
            let operations = spread(&of(|outcome| outcome.synaptic_operations)).0;
            let range = if tests.len() > 1 { format!(" ± {:.1}", 100.0 * deviation) } else { String::new() };
            say(&format!(
                "{name:<16} {level:>8} {count:>20.1} {:>16} {operations:>22.0}",
                format!("{:.1}{range}", 100.0 * test)
            ));
            points.push((count, 100.0 * test, 100.0 * deviation));
        }
        lines.push(ScatterLine { name: name.clone(), points });
    }
    scatter(
        &picture,
        "Accuracy over spikes per inference",
        "upper bound on the mean spike count of the hidden neurons, from none (right) to 0.02",
        "spikes of the hidden neurons for a test sample",
        &lines,
    )?;
    say(&format!("written to {} and {}", picture.display(), summary.display()));
    Ok(())
}
