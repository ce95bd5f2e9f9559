//! Zenke & Vogels 2021, Fig. 3 and 5: accuracy over shape, slope and learning rate of the surrogate on random manifolds, with
//! the reset detached or not, the peak normalised or growing with the slope, and recurrence.

use super::{Notes, spread};
use crate::cli::arguments::{Grid, StudySurrogates};
use crate::cli::picture::{HeatPanel, heat_maps};
use crate::cli::say;
use crate::cli::train::{data_directory, read};
use spikegrad::learn::{Group, Outcome, Recipe, Trial};
use spikegrad::network::{Layer, Surrogate, SurrogateKind};
use spikegrad::{Error, Result};
use std::collections::BTreeMap;

/// A network of the study but for slope and learning rate.
struct Variant {
    name: &'static str,
    /// What stands over its heat map.
    title: &'static str,
    kind: SurrogateKind,
    /// Whether gradients pass through the reset.
    through_reset: bool,
    /// Whether the peak is the slope ("asymptotic": the step function's derivative in the limit), else 1.
    asymptotic: bool,
    recurrent: bool,
}

const fn variant(name: &'static str, title: &'static str, kind: SurrogateKind) -> Variant {
    Variant { name, title, kind, through_reset: false, asymptotic: false, recurrent: false }
}

const VARIANTS: [Variant; 7] = [
    variant("superspike", "SuperSpike", SurrogateKind::FastSigmoid),
    variant("sigmoid", "sigmoid derivative", SurrogateKind::Sigmoid),
    variant("esser", "Esser (triangle)", SurrogateKind::Triangle),
    Variant {
        through_reset: true,
        ..variant("superspike-dr", "through the reset, peak 1", SurrogateKind::FastSigmoid)
    },
    Variant {
        through_reset: true,
        asymptotic: true,
        ..variant("asymptotic-dr", "through the reset, peak = slope", SurrogateKind::FastSigmoid)
    },
    Variant { recurrent: true, ..variant("superspike-prop", "recurrent, peak 1", SurrogateKind::FastSigmoid) },
    Variant {
        recurrent: true,
        asymptotic: true,
        ..variant("asymptotic-prop", "recurrent, peak = slope", SurrogateKind::FastSigmoid)
    },
];

/// What a surrogate is held against: the step function's own derivative, one that is the same everywhere, and no learning.
const CONTROLS: [&str; 3] = ["true-gradient", "constant", "no-learning"];

impl Grid {
    fn slopes(self) -> &'static [f64] {
        match self {
            Grid::Small => &[1.0, 5.0, 20.0, 100.0],
            Grid::Paper => &[0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 500.0, 1000.0],
        }
    }

    fn rates(self) -> &'static [f64] {
        match self {
            Grid::Small => &[5e-3, 2e-2, 5e-2],
            Grid::Paper => &[1e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1],
        }
    }
}

/// Runs the study.
///
/// # Errors
/// Those of the trainings and of the files.
pub fn run(arguments: &StudySurrogates) -> Result<()> {
    let trials = trials(arguments)?;
    let notes = Notes::open(&arguments.run, "runs/study-surrogates")?;
    let (picture, summary) = (notes.file("heat-maps.png"), notes.file("table.csv"));
    let outcomes = notes.complete(trials, &arguments.run)?;
    let (slopes, rates) = (arguments.grid.slopes(), arguments.grid.rates());
    let panels: Vec<HeatPanel> = VARIANTS
        .iter()
        .map(|variant| HeatPanel {
            title: variant.title.into(),
            cells: rates
                .iter()
                .map(|&rate| slopes.iter().map(|&slope| mean(&outcomes, &levels(variant.name, slope, rate))).collect())
                .collect(),
        })
        .collect();
    let controls = controls(&outcomes, rates);
    let subtitle = format!(
        "test accuracy (%) after {} epochs, {} · {}",
        arguments.run.epochs.unwrap_or(EPOCHS),
        seeds(arguments.run.seeds),
        controls
            .iter()
            .map(|(name, accuracy)| format!("{} {:.0} %", name.replace('-', " "), 100.0 * accuracy))
            .collect::<Vec<_>>()
            .join(", ")
    );
    let names = |values: &[f64]| values.iter().map(|value| value.to_string()).collect::<Vec<_>>();
    heat_maps(
        &picture,
        &format!("Surrogate gradients: {}", arguments.recipe),
        &subtitle,
        ("slope", &names(slopes)),
        ("learning rate", &names(rates)),
        &panels,
    )?;
    say("");
    say(&format!(
        "{:<34} {:>8} {:>8} {:>8}   best rate for each slope {}",
        "mean test accuracy (%)",
        "best",
        "median",
        "worst",
        names(slopes).join(", ")
    ));
    for (variant, panel) in VARIANTS.iter().zip(&panels) {
        let mut all: Vec<f64> = panel.cells.iter().flatten().map(|cell| 100.0 * cell.unwrap_or(0.0)).collect();
        all.sort_by(f64::total_cmp);
        let of_slope = |column: usize| panel.cells.iter().filter_map(|row| row[column]).fold(0.0, f64::max);
        let by_slope: Vec<String> =
            (0..slopes.len()).map(|column| format!("{:5.1}", 100.0 * of_slope(column))).collect();
        let (best, median, worst) = (all[all.len() - 1], all[all.len() / 2], all[0]);
        let name = format!("{}: {}", variant.name, variant.title);
        say(&format!("{name:<34.34} {best:>8.1} {median:>8.1} {worst:>8.1}   {}", by_slope.join(" ")));
    }
    for (name, accuracy) in &controls {
        say(&format!("{name:<34} {:>8.1}", 100.0 * accuracy));
    }
    say(&format!("written to {} and {}", picture.display(), summary.display()));
    Ok(())
}

/// Epochs of a network.
const EPOCHS: usize = 30;

fn seeds(count: u64) -> String {
    if count == 1 { "one seed".into() } else { format!("means of {count} seeds") }
}

fn levels(name: &str, slope: f64, rate: f64) -> BTreeMap<String, String> {
    [("variant", name.to_string()), ("slope", slope.to_string()), ("rate", rate.to_string())]
        .map(|(factor, level)| (factor.to_string(), level))
        .into()
}

/// Mean over the seeds; a network that diverged was right by chance alone, which is counted as 0. None where none was run.
fn mean(outcomes: &[Outcome], factors: &BTreeMap<String, String>) -> Option<f64> {
    let own: Vec<f64> = outcomes
        .iter()
        .filter(|outcome| outcome.factors == *factors)
        .map(|outcome| outcome.test.unwrap_or(0.0))
        .collect();
    (!own.is_empty()).then(|| spread(&own).0)
}

/// The best of each control over the learning rates.
fn controls(outcomes: &[Outcome], rates: &[f64]) -> Vec<(&'static str, f64)> {
    let best = |name| rates.iter().filter_map(|&rate| mean(outcomes, &levels(name, 1.0, rate))).fold(0.0, f64::max);
    CONTROLS.iter().map(|&name| (name, best(name))).collect()
}

/// All trainings, those of a seed together.
fn trials(arguments: &StudySurrogates) -> Result<Vec<Trial>> {
    let mut base = read(&arguments.recipe)?;
    if let Some(directory) = data_directory(arguments.data.as_deref()) {
        base.data.set_directory(directory);
    }
    let hidden = &base.network.layers[0];
    if hidden.surrogate.is_none() || hidden.recurrent {
        let message = format!("{}: its first layer must spike and have no recurrence of its own", arguments.recipe);
        return Err(Error::Input(message));
    }
    base.train.epochs = arguments.run.epochs.unwrap_or(EPOCHS);
    let mut all = Vec::new();
    for seed in 1..=arguments.run.seeds {
        base.train.seed = seed;
        for variant in &VARIANTS {
            for &slope in arguments.grid.slopes() {
                for &rate in arguments.grid.rates() {
                    let mut recipe = base.clone();
                    recipe.train.optimiser.set_rate(rate);
                    variant.apply(&mut recipe.network.layers[0], slope);
                    all.push(Trial { factors: levels(variant.name, slope, rate), recipe });
                }
            }
        }
        for name in CONTROLS {
            for &rate in arguments.grid.rates() {
                let mut recipe = base.clone();
                recipe.train.optimiser.set_rate(rate);
                control(name, &mut recipe);
                all.push(Trial { factors: levels(name, 1.0, rate), recipe });
                if name == "no-learning" {
                    break;
                }
            }
        }
    }
    for trial in &all {
        trial.recipe.validate()?;
    }
    Ok(all)
}

impl Variant {
    fn apply(&self, hidden: &mut Layer, slope: f64) {
        let scale = if self.asymptotic { slope } else { 1.0 };
        hidden.surrogate = Some(Surrogate { kind: self.kind, slope, scale });
        hidden.neuron.detach_reset = !self.through_reset;
        hidden.recurrent = self.recurrent;
        hidden.recurrent_init = hidden.init;
    }
}

fn control(name: &str, recipe: &mut Recipe) {
    let hidden = &mut recipe.network.layers[0];
    match name {
        "true-gradient" => {
            hidden.surrogate = Some(Surrogate { kind: SurrogateKind::FastSigmoid, slope: 1.0, scale: 0.0 })
        }
        "constant" => hidden.surrogate = Some(Surrogate::new(SurrogateKind::StraightThrough, 1.0)),
        _ => {
            recipe.train.epochs = 1;
            recipe.train.groups = vec![Group {
                pattern: "*".into(),
                rate: None,
                rate_scale: None,
                weight_decay: None,
                frozen: Some(true),
            }];
        }
    }
}
