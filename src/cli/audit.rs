//! `spikegrad audit`: is the gradient the gradient? Of one network, or of every neuron, reset, surrogate, loss and
//! regulariser.

use super::arguments::Audit;
use super::say;
use spikegrad::audit::{
    ALLOWED, Cell, Options, Outcome, Tapes, audit, has_gradient, let_through, matrix, tapes, tapes_of,
};
use spikegrad::learn::Recipe;
use spikegrad::network::NeuronKind;
use spikegrad::{Error, Result};
use std::collections::BTreeMap;

/// Runs the command.
///
/// # Errors
/// [`Error::Audit`] where an adjoint is not the gradient, and those of reading the file.
pub fn run(arguments: Audit) -> Result<()> {
    match &arguments.network {
        Some(_) => of_network(&arguments),
        None => of_everything(&arguments),
    }
}

fn of_network(arguments: &Audit) -> Result<()> {
    let path = arguments.network.as_ref().expect("asked for");
    let text = std::fs::read_to_string(path).map_err(|error| Error::file(path, error.to_string()))?;
    let network = Recipe::network_of(&text).map_err(|error| Error::file(path, error.to_string()))?;
    for (key, value) in [("steps", arguments.steps), ("batch", arguments.batch), ("entries", arguments.entries)] {
        if !(1..=1 << 16).contains(&value) {
            return Err(Error::Input(format!("--{key} must be 1 to 65536, is {value}")));
        }
    }
    let Audit { steps, batch, seed, entries, .. } = *arguments;
    let options = Options { steps, batch, seed, entries, ..Options::default() };
    let lines = audit(&network, options)?;
    let steps = options.steps_of(&network);
    say(&format!("{steps} steps × {batch} samples, seed {seed}; f64, the step function replaced by a primitive of σ'"));
    let places = let_through(&mut network.clone());
    if !places.is_empty() {
        say(&format!("Audited without {}: no quotient has a gradient that stops there.", places.join(", ")));
    }
    if !has_gradient(&network) {
        say("The network's loss is left out: the derivative of a spike time is a convention (docs/dynamics.md).");
    }
    let wide = lines.iter().map(|line| line.name.len()).max().unwrap_or(0).max("parameter".len());
    say(&format!("{:<wide$}  {:>7}  {:>10}  {:>9}", "parameter", "entries", "largest", "error"));
    for line in &lines {
        let mark = if line.error <= ALLOWED { "" } else { "  above 1e-6" };
        let crossed = match line.crossed {
            0 => String::new(),
            n => format!("  {n} entries not judged: a potential crossed a jump of σ'"),
        };
        say(&format!(
            "{:<wide$}  {:>7}  {:>10.3e}  {:>9.1e}{mark}{crossed}",
            line.name, line.entries, line.largest, line.error
        ));
    }
    say(&match tapes(&network, options)? {
        None => "The tape is whole in any case: a layer needs all steps at once.".to_string(),
        Some(Tapes { replay, half: (error, name), segment }) => {
            let replayed = match replay {
                0.0 => "the same bits".to_string(),
                error => format!("gradients that differ by {error:.1e}"),
            };
            format!("Replayed in segments of {segment} steps: {replayed}. A tape of 16 bits: {error:.1e} ({name}).")
        }
    });
    let wrong: Vec<&str> = lines
        .iter()
        .filter(|line| line.error.is_nan() || line.error > ALLOWED)
        .map(|line| line.name.as_str())
        .collect();
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(Error::Audit(format!("the adjoint of {} is not the gradient", wrong.join(", ")))),
    }
}

/// What cells are told apart by.
type Key = fn(&Cell) -> String;

/// What a group of cells came to.
#[derive(Default)]
struct Sum {
    measured: usize,
    worst: f64,
    crossed: usize,
    reasons: Vec<String>,
    failed: usize,
}

fn of_everything(arguments: &Audit) -> Result<()> {
    let mut neurons = Vec::new();
    for name in &arguments.neuron {
        match NeuronKind::named(name) {
            Some(kind) => neurons.push(kind),
            None => {
                let known = NeuronKind::names().join(", ");
                return Err(Error::Input(format!("unknown neuron {name:?}; known: {known}")));
            }
        }
    }
    let cells = matrix(&neurons);
    if arguments.all {
        for cell in &cells {
            say(&format!("{}: {}", place(cell), outcome(&cell.outcome)));
        }
    }
    let kinds: [(&str, Key); 4] = [
        ("neuron, reset", |cell| format!("{} {}", cell.neuron.name(), cell.reset.name())),
        ("surrogate", |cell| cell.surrogate.name().to_string()),
        ("loss", |cell| cell.kind.loss.to_string()),
        ("regulariser", |cell| match &cell.kind.regulariser {
            None => "none".to_string(),
            Some(own) => format!("{own:?}").split_whitespace().next().unwrap_or_default().to_lowercase(),
        }),
    ];
    for (title, key) in kinds {
        table(title, &cells, key);
    }
    say("What tapes that save memory change of the gradients, ‖Δ‖/‖g‖ in f32, worst of all networks");
    say(&format!("{:<20}  networks  replayed   16 bits", "neuron"));
    let tapes = tapes_of(&cells);
    for (kind, measured) in &tapes {
        say(&match measured {
            None => format!("{:<20}  its tape is always whole: it needs all steps at once", kind.name()),
            Some((Tapes { replay, half, .. }, networks)) => {
                let replay = if *replay == 0.0 { "no bit".to_string() } else { format!("{replay:.1e}") };
                format!("{:<20}  {networks:>8}  {replay:>8}  {:>8.1e}", kind.name(), half.0)
            }
        });
    }
    say("");
    if let Some((kind, _)) = tapes.iter().find(|(_, own)| own.as_ref().is_some_and(|(tapes, _)| tapes.replay != 0.0)) {
        return Err(Error::Audit(format!("a replayed tape changes the gradients of {}", kind.name())));
    }
    let wrong: Vec<&Cell> = cells.iter().filter(|cell| !cell.outcome.passes()).collect();
    say(&format!(
        "{} networks, {} wrong; an error above 1e-6 of a gradient's largest entry is one",
        cells.len(),
        wrong.len()
    ));
    match wrong.first() {
        None => Ok(()),
        Some(cell) => Err(Error::Audit(format!("{}: {}", place(cell), outcome(&cell.outcome)))),
    }
}

fn place(cell: &Cell) -> String {
    let Cell { neuron, reset, detach, surrogate, kind, .. } = cell;
    let detached = if *detach { "detached" } else { "differentiated" };
    format!("{} {} {detached} {} {kind:?}", neuron.name(), reset.name(), surrogate.name())
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Measured { error, worst, crossed: 0 } => format!("{error:.1e} ({worst})"),
        Outcome::Measured { error, worst, crossed } => format!("{error:.1e} ({worst}), {crossed} entries not judged"),
        Outcome::Inapplicable(why) => format!("does not apply: {why}"),
        Outcome::Failed(why) => format!("failed: {why}"),
    }
}

/// One line for each value of `key`.
fn table(title: &str, cells: &[Cell], key: Key) {
    let mut order = Vec::new();
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    for cell in cells {
        let name = key(cell);
        if !sums.contains_key(&name) {
            order.push(name.clone());
        }
        let sum = sums.entry(name).or_default();
        match &cell.outcome {
            Outcome::Measured { error, crossed, .. } => {
                sum.measured += 1;
                sum.worst = if error.is_nan() { f64::INFINITY } else { sum.worst.max(*error) };
                sum.crossed += crossed;
            }
            Outcome::Inapplicable(why) if !sum.reasons.contains(why) => sum.reasons.push(why.clone()),
            Outcome::Inapplicable(_) => {}
            Outcome::Failed(_) => sum.failed += 1,
        }
    }
    let wide = order.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(title.len());
    say(&format!("{title:<wide$}  networks  worst error"));
    for name in order {
        let sum = &sums[&name];
        let mut line = format!("{name:<wide$}  {:>8}", sum.measured);
        if sum.measured > 0 {
            line += &format!("  {:>11.1e}", sum.worst);
        }
        if sum.measured == 0 && !sum.reasons.is_empty() {
            line += &format!("  does not apply: {}", sum.reasons.join("; "));
        }
        if sum.failed > 0 {
            line += &format!("  {} failed", sum.failed);
        }
        if sum.crossed > 0 {
            line += &format!("  {} entries not judged", sum.crossed);
        }
        say(line.trim_end());
    }
    say("");
}
