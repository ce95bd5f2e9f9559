//! What the layers of a run do: activity over the epochs, firing rates, parameters and their gradients.

use super::chart::{Bins, COLOURS, Cell, Histogram, Line, LineChart, histogram, line_chart, table};
use super::html::{figure, number};
use super::measure::{Measured, Test};
use super::run::Run;
use crate::cli::summary::spiking_layers;
use spikegrad::engine::{LayerActivity, Parameters, shapes};
use spikegrad::io::ActivityMetrics;

const BINS: usize = 40;

/// Activity of each spiking layer over the epochs; nothing where the run did not keep it.
pub fn activity(run: &Run) -> String {
    let layers = spiking_layers(&run.recipe.network);
    let lines = |list: &dyn Fn(&ActivityMetrics) -> &Vec<f64>, factor: f64| -> Vec<Line> {
        let line = |(place, layer): (usize, &usize)| {
            let value = |epoch: &spikegrad::io::EpochMetrics| {
                Some((epoch.epoch as f64, factor * list(&epoch.activity).get(place)?))
            };
            Line {
                name: format!("layer {layer}"),
                colour: place % COLOURS,
                points: run.epochs.iter().filter_map(value).collect(),
                band: None,
                mark: None,
            }
        };
        layers.iter().enumerate().map(line).collect()
    };
    let draw = |caption: &str, note: &str, y: &str, range: Option<(f64, f64)>, lines: Vec<Line>| {
        let chart = LineChart {
            title: format!("{caption} of {} over the epochs", run.name),
            x: "epoch".into(),
            y: y.into(),
            range,
            lines,
            ..LineChart::default()
        };
        line_chart(&chart).map_or(String::new(), |svg| figure(caption, note, &svg))
    };
    let all = Some((0.0, 100.0));
    let dead = lines(&|activity| &activity.dead_fraction, 100.0);
    let saturated = lines(&|activity| &activity.saturated_fraction, 100.0);
    [
        draw("Spikes of a neuron", "In training.", "spikes a sample", None, lines(&|a| &a.spikes_per_neuron, 1.0)),
        draw("Dead neurons", "Without a spike in the whole epoch.", "share of the layer (%)", all, dead),
        draw(
            "Saturated neurons",
            "With a spike at more than half of the steps.",
            "share of the layer (%)",
            all,
            saturated,
        ),
    ]
    .concat()
}

/// Firing rates of the neurons of each layer over the test set.
pub fn rates(run: &Run, test: &Test) -> String {
    test.activity.iter().map(|layer| rate(run, test, layer)).collect()
}

fn rate(run: &Run, test: &Test, layer: &LayerActivity) -> String {
    let samples = test.samples.max(1) as f64;
    let rates: Vec<f64> = layer.spikes.iter().map(|spikes| spikes / samples).collect();
    let highest = rates.iter().copied().fold(0.0, f64::max);
    let seconds = layer.steps / samples * run.recipe.network.dt / 1000.0;
    let mean = rates.iter().sum::<f64>() / rates.len().max(1) as f64;
    let dead = rates.iter().filter(|&&rate| rate == 0.0).count();
    let range = (0.0, if highest > 0.0 { highest } else { 1.0 });
    let name = run.layer_name(layer.layer);
    let chart = Histogram {
        title: format!("Firing rates of {name}"),
        x: "spikes a sample".into(),
        entries: "neurons".into(),
        bars: Some((String::new(), Bins::count(rates.iter().copied(), range, BINS.min(rates.len().max(8))))),
        outline: None,
        above: (seconds > 0.0).then(|| (1.0 / seconds, "Hz".into())),
    };
    let hertz = if seconds > 0.0 { format!(" ({} Hz)", number(mean / seconds)) } else { String::new() };
    let note = format!(
        "Mean {} spikes a sample{hertz}; {dead} of {} without a spike in {} samples.",
        number(mean),
        rates.len(),
        test.samples
    );
    histogram(&chart).map_or(String::new(), |svg| figure(&name, &note, &svg))
}

/// Histograms of the parameters that differ between entries, and a table of the others.
pub fn parameters(run: &Run, measured: &Measured) -> String {
    let Some(kept) = &measured.kept else { return String::new() };
    let (mut figures, mut rows) = (String::new(), Vec::new());
    for (name, _) in shapes(&run.recipe.network) {
        let (now, start) = (values(Some(kept), &name), values(measured.start.as_ref(), &name));
        let (low, high) = bounds(now.iter().chain(&start));
        if low < high {
            figures += &weights(&name, &now, &start, (low, high));
        } else {
            let first = |values: &[f64]| values.first().map_or("–".into(), |value| number(*value));
            rows.push(vec![
                Cell::Text(name),
                Cell::Number(first(&start)),
                Cell::Number(first(&now)),
                Cell::Number(now.len().to_string()),
            ]);
        }
    }
    let mut out = format!("<div class=\"grid small\">\n{figures}</div>\n");
    if !rows.is_empty() {
        out += "<p class=\"note\">Parameters with one value for all entries, which training left as they were.</p>\n";
        out += &table(&["parameter", "*at the start", "*kept", "*entries"], &rows);
    }
    out
}

fn weights(name: &str, now: &[f64], start: &[f64], range: (f64, f64)) -> String {
    let bins = |values: &[f64]| Bins::count(values.iter().copied(), range, BINS);
    let chart = Histogram {
        title: format!("Values of {name}"),
        x: "value".into(),
        entries: "entries".into(),
        bars: Some(("kept".into(), bins(now))),
        outline: (start.len() == now.len()).then(|| ("at the start".into(), bins(start))),
        above: None,
    };
    let (mean, deviation) = moments(now);
    let note = match now {
        [one] => {
            format!("{} at the start, {} now.", start.first().map_or("–".into(), |value| number(*value)), number(*one))
        }
        _ => format!("{} entries, mean {}, standard deviation {}.", now.len(), number(mean), number(deviation)),
    };
    histogram(&chart).map_or(String::new(), |svg| figure(name, &note, &svg))
}

/// Histograms of the sizes of the gradients of one batch.
pub fn gradients(run: &Run, gradients: &Parameters) -> String {
    let mut out = String::new();
    for (name, _) in shapes(&run.recipe.network) {
        let all = values(Some(gradients), &name);
        let sizes: Vec<f64> = all.iter().filter(|value| **value != 0.0).map(|value| value.abs().log10()).collect();
        if sizes.is_empty() {
            continue;
        }
        let range = bounds(sizes.iter());
        let chart = Histogram {
            title: format!("Size of the gradient of {name}"),
            x: "log₁₀ of the absolute value".into(),
            entries: "entries that are not 0".into(),
            bars: Some((String::new(), Bins::count(sizes.iter().copied(), range, BINS))),
            ..Histogram::default()
        };
        let zero = 100.0 * (all.len() - sizes.len()) as f64 / all.len() as f64;
        let norm = all.iter().map(|value| value * value).sum::<f64>().sqrt();
        let note = format!("{} entries, {zero:.1} % are 0; norm {}.", all.len(), number(norm));
        out += &histogram(&chart).map_or(String::new(), |svg| figure(&name, &note, &svg));
    }
    out
}

fn values(parameters: Option<&Parameters>, name: &str) -> Vec<f64> {
    let tensor = parameters.and_then(|parameters| parameters.get(name));
    tensor.map_or(Vec::new(), |tensor| tensor.values.iter().map(|value| f64::from(*value)).collect())
}

fn bounds<'a>(values: impl Iterator<Item = &'a f64>) -> (f64, f64) {
    let finite = values.filter(|value| value.is_finite());
    finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)))
}

fn moments(values: &[f64]) -> (f64, f64) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    (mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt())
}
