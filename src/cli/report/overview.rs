//! Several runs beside each other.

use super::chart::{COLOURS, Cell, Line, LineChart, line_chart, table};
use super::families::{Family, differences, families, mean};
use super::html::{duration, escape, figure, number, percent};
use super::page::anchor;
use super::{Measured, Reported, Run};
use crate::cli::summary::{energy, quantity};
use spikegrad::io::{ActivityMetrics, EpochMetrics};
use spikegrad::learn::learned_parameters;

/// The part about all runs together.
pub fn overview(runs: &[Reported]) -> String {
    let families = families(runs);
    let mut out = format!("<section id=\"overview\"><h1>{} runs</h1>\n", runs.len());
    out += &every_run(runs);
    if families.iter().any(|family| family.runs.len() > 1) {
        out += "<h2>Over seeds</h2>\n<p class=\"note\">Runs that differ in nothing but the seed: mean ± standard deviation.</p>\n";
        out += &over_seeds(&families);
    }
    out += "<h2>Learning curves</h2>\n";
    out += &curves(&families);
    let rows = differences(&families);
    if families.len() > 1 {
        out += "<h2>Differences</h2>\n";
        out += &different_keys(&families, rows);
    }
    out + "</section>\n"
}

/// The accuracy on the test set: as measured now, else as the run told at its end.
pub fn test_accuracy((run, measured): &Reported) -> Option<f64> {
    measured.test.as_ref().map(|test| test.evaluation.accuracy).or_else(|| run.told("test_accuracy"))
}

/// Synaptic operations for a sample of the test set.
pub fn synaptic_operations(run: &Run, measured: &Measured) -> Option<f64> {
    let told = || run.summary.as_ref()?["activity"]["synaptic_operations"].as_f64();
    measured.test.as_ref().map(|test| test.evaluation.activity.synaptic_operations).or_else(told)
}

/// See [`ActivityMetrics::energy`], of the test set.
pub fn joules(run: &Run, measured: &Measured) -> Option<f64> {
    let told = || serde_json::from_value(run.summary.as_ref()?["activity"].clone()).ok();
    let measured = measured.test.as_ref().map(|test| test.evaluation.activity.clone());
    measured.or_else(told).map(|activity: ActivityMetrics| activity.energy())
}

/// Hidden spikes for a sample of the test set.
pub fn spikes(run: &Run, measured: &Measured) -> Option<f64> {
    let measured = measured.test.as_ref().map(|test| test.evaluation.spikes_per_sample);
    measured.or_else(|| run.told("spikes_per_sample"))
}

fn every_run(runs: &[Reported]) -> String {
    let headings = [
        "run",
        "recipe",
        "state",
        "*seed",
        "*test accuracy",
        "*validation",
        "*best epoch",
        "*epochs",
        "*time",
        "*synaptic operations a sample",
        "*energy proxy a sample",
        "*spikes a sample",
        "*parameters",
        "device",
    ];
    let rows: Vec<Vec<Cell>> = runs
        .iter()
        .enumerate()
        .map(|(index, reported)| {
            let (run, measured) = reported;
            let best = run.checkpoint.as_ref().and_then(|checkpoint| checkpoint.progress.best);
            let optional = |value: Option<String>| Cell::Number(value.unwrap_or_else(|| "–".into()));
            vec![
                Cell::Markup(format!("<a href=\"#{}\">{}</a>", anchor(index), escape(&run.name))),
                Cell::Text(run.recipe.train.name.clone()),
                Cell::Text(run.state_text()),
                Cell::Number(run.recipe.train.seed.to_string()),
                Cell::Number(percent(test_accuracy(reported))),
                Cell::Number(percent(best.map(|best| best.accuracy))),
                optional(best.map(|best| best.epoch.to_string())),
                Cell::Number(run.done().to_string()),
                Cell::Number(duration(run.seconds())),
                optional(synaptic_operations(run, measured).map(|value| quantity(value).trim_end().to_string())),
                optional(joules(run, measured).map(energy)),
                optional(spikes(run, measured).map(number)),
                Cell::Number(learned_parameters(&run.recipe.network).to_string()),
                Cell::Text(run.device.clone().unwrap_or_else(|| "–".into())),
            ]
        })
        .collect();
    table(&headings, &rows)
}

fn over_seeds(families: &[Family]) -> String {
    let headings = [
        "recipe",
        "*runs",
        "seeds",
        "*test accuracy",
        "*validation",
        "*synaptic operations a sample",
        "*energy proxy a sample",
        "*spikes a sample",
        "*time",
    ];
    let rows: Vec<Vec<Cell>> = families
        .iter()
        .filter(|family| family.runs.len() > 1)
        .map(|family| {
            let over = |value: &dyn Fn(&Reported) -> Option<f64>, show: &dyn Fn(f64) -> String| {
                let values: Vec<f64> = family.runs.iter().filter_map(|reported| value(reported)).collect();
                let few =
                    if values.len() < family.runs.len() { format!(" (of {})", values.len()) } else { String::new() };
                Cell::Number(match mean(&values) {
                    None => "–".into(),
                    Some((mean, None)) => format!("{}{few}", show(mean)),
                    Some((mean, Some(deviation))) => format!("{} ± {}{few}", show(mean), show(deviation)),
                })
            };
            let hundredths = |value: f64| format!("{:.2}\u{202f}%", 100.0 * value);
            let best = |(run, _): &Reported| Some(run.checkpoint.as_ref()?.progress.best?.accuracy);
            let seeds: Vec<String> = family.runs.iter().map(|(run, _)| run.recipe.train.seed.to_string()).collect();
            vec![
                Cell::Text(family.name.clone()),
                Cell::Number(family.runs.len().to_string()),
                Cell::Text(seeds.join(", ")),
                over(&test_accuracy, &hundredths),
                over(&best, &hundredths),
                over(&|(run, measured)| synaptic_operations(run, measured), &|value| quantity(value).trim_end().into()),
                over(&|(run, measured)| joules(run, measured), &energy),
                over(&|(run, measured)| spikes(run, measured), &number),
                over(&|(run, _)| Some(run.seconds()), &duration),
            ]
        })
        .collect();
    table(&headings, &rows)
}

fn curves(families: &[Family]) -> String {
    let validated = families
        .iter()
        .flat_map(|family| &family.runs)
        .all(|(run, _)| run.epochs.iter().all(|epoch| epoch.valid_accuracy.is_some()));
    let what = if validated { "validation" } else { "training" };
    let several = families.iter().any(|family| family.runs.len() > 1);
    let note = if several { "Mean over seeds; the band is ± one standard deviation." } else { "" };
    let draw =
        |caption: &str, chart: LineChart| line_chart(&chart).map_or(String::new(), |svg| figure(caption, note, &svg));
    let lines = |value: &dyn Fn(&EpochMetrics) -> Option<f64>| -> Vec<Line> {
        families.iter().enumerate().map(|(index, family)| line(index, family, value)).collect()
    };
    let accuracy = lines(&|epoch| Some(100.0 * if validated { epoch.valid_accuracy? } else { epoch.train_accuracy }));
    let loss = lines(&|epoch| if validated { epoch.valid_loss } else { Some(epoch.train_loss) });
    let spikes = lines(&|epoch| Some(epoch.spikes_per_sample));
    let x = || "epoch".to_string();
    let mut out = String::from("<div class=\"grid\">\n");
    let caption = format!("Accuracy on the {what} set");
    out += &draw(
        &caption,
        LineChart {
            title: caption.clone(),
            x: x(),
            y: "accuracy (%)".into(),
            range: Some((0.0, 100.0)),
            lines: accuracy,
            ..LineChart::default()
        },
    );
    let caption = format!("Loss on the {what} set");
    out += &draw(
        &caption,
        LineChart {
            title: caption.clone(),
            x: x(),
            y: "loss".into(),
            may_be_logarithmic: true,
            lines: loss,
            ..LineChart::default()
        },
    );
    let caption = "Hidden spikes in training";
    out += &draw(
        caption,
        LineChart { title: caption.into(), x: x(), y: "spikes a sample".into(), lines: spikes, ..LineChart::default() },
    );
    out + "</div>\n"
}

/// The mean of a family over the epochs that all of its runs have, and its band.
fn line(index: usize, family: &Family, value: &dyn Fn(&EpochMetrics) -> Option<f64>) -> Line {
    // A run that was killed at once has no say.
    let begun: Vec<&Run> = family.runs.iter().map(|(run, _)| run).filter(|run| !run.epochs.is_empty()).collect();
    let epochs = begun.iter().map(|run| run.epochs.len()).min().unwrap_or(0);
    let (mut points, mut band) = (Vec::new(), Vec::new());
    for epoch in 0..epochs {
        let values: Vec<f64> = begun.iter().filter_map(|run| value(&run.epochs[epoch])).collect();
        if let Some((mean, deviation)) = mean(&values) {
            let at = (epoch + 1) as f64;
            points.push((at, mean));
            band.extend(deviation.map(|deviation| (at, mean - deviation, mean + deviation)));
        }
    }
    let band = (!band.is_empty()).then_some(band);
    Line { name: family.name.clone(), colour: index % COLOURS, points, band, mark: None }
}

/// Rows of a table from which on it is folded.
const FOLDED: usize = 24;

fn different_keys(families: &[Family], rows: Vec<(String, Vec<String>)>) -> String {
    if rows.is_empty() {
        return "<p>The configurations are the same.</p>\n".into();
    }
    let names: Vec<&str> = families.iter().map(|family| family.name.as_str()).collect();
    let headings = [&["key"], &names[..]].concat();
    let rows: Vec<Vec<Cell>> =
        rows.into_iter().map(|(key, values)| [key].into_iter().chain(values).map(Cell::Text).collect()).collect();
    let (count, table) = (rows.len(), table(&headings, &rows));
    let note = "<p class=\"note\">Keys of the configuration in which the runs differ, besides the seed.</p>\n";
    match count > FOLDED {
        true => format!("{note}<details><summary>{count} keys</summary>{table}</details>\n"),
        false => format!("{note}{table}"),
    }
}
