//! The part of the page about one run.

use super::chart::{Cell, Line, LineChart, Panel, RasterChart, Readout, confusion, line_chart, raster_chart, table};
use super::html::{duration, escape, figure, number, percent};
use super::layers;
use super::measure::{Example, Measured, Test};
use super::overview::{joules, spikes, synaptic_operations};
use super::run::{Run, State};
use crate::cli::summary::{energy, layers as layers_in_a_line, quantity};
use spikegrad::engine::Input;
use spikegrad::io::EpochMetrics;
use spikegrad::learn::{Confusion, learned_parameters};
use spikegrad::network::Reduction;
use spikegrad::spikes::Raster;

/// The part about `run`, to be found under `anchor`.
pub fn section(run: &Run, measured: &Measured, anchor: &str) -> String {
    let mut out = format!("<section id=\"{anchor}\"><h1>{}</h1>\n", escape(&run.name));
    out += &introduction(run, measured);
    let mut part = |name: &str, text: String| {
        if !text.is_empty() {
            out += &format!("<h2>{name}</h2>\n{text}");
        }
    };
    part("Learning curves", learning(run));
    if let Some(test) = &measured.test {
        part("Confusion matrix", classes(run, test));
        let charts = test.examples.iter().map(|example| sample(run, example));
        part("Samples", grid(charts.collect::<String>()));
    }
    part("Activity over epochs", small(layers::activity(run)));
    if let Some(test) = &measured.test {
        part("Firing rates on the test set", small(layers::rates(run, test)));
    }
    part("Parameters", layers::parameters(run, measured));
    if let Some(gradients) = &measured.gradients {
        let note = "Of the first training batch, with the kept parameters, of the loss and the regularisers.";
        part("Gradients", format!("<p class=\"note\">{note}</p>\n{}", small(layers::gradients(run, gradients))));
    }
    part("Plan and device", plan(run));
    out += &format!("<details><summary>Configuration</summary><pre>{}</pre></details>\n", escape(&run.config));
    out + "</section>\n"
}

fn grid(figures: String) -> String {
    if figures.is_empty() { figures } else { format!("<div class=\"grid\">\n{figures}</div>\n") }
}

/// Drawings that keep their size where there are few.
fn small(figures: String) -> String {
    if figures.is_empty() { figures } else { format!("<div class=\"grid small\">\n{figures}</div>\n") }
}

fn introduction(run: &Run, measured: &Measured) -> String {
    let recipe = &run.recipe;
    let class = if run.state == State::Finished { "state" } else { "state open" };
    let mut out = format!(
        "<p class=\"{class}\">{}</p><p>Recipe {}, data {}, seed {}; {}</p>\n",
        escape(&run.state_text()),
        escape(&recipe.train.name),
        escape(recipe.data.name()),
        recipe.train.seed,
        escape(&layers_in_a_line(&recipe.network))
    );
    let missing: Vec<String> =
        run.missing.iter().chain(&measured.missing).map(|what| format!("<li>{}</li>", escape(what))).collect();
    if !missing.is_empty() {
        out += &format!("<ul class=\"missing\">{}</ul>\n", missing.concat());
    }
    let mut facts: Vec<(&str, String, String)> = Vec::new();
    let test = measured.test.as_ref();
    let accuracy = test.map(|test| test.evaluation.accuracy).or_else(|| run.told("test_accuracy"));
    if let Some(accuracy) = accuracy {
        let samples = test.map_or("as told at the end of training".into(), |test| format!("{} samples", test.samples));
        facts.push(("test accuracy", format!("{:.2}\u{202f}%", 100.0 * accuracy), samples));
    }
    if let Some(loss) = test.map(|test| test.evaluation.loss).or_else(|| run.told("test_loss")) {
        facts.push(("test loss", number(loss), String::new()));
    }
    if let Some(best) = run.checkpoint.as_ref().and_then(|checkpoint| checkpoint.progress.best) {
        facts.push(("best on validation", percent(Some(best.accuracy)), format!("epoch {}", best.epoch)));
    }
    if let Some(spikes) = spikes(run, measured) {
        facts.push(("hidden spikes", number(spikes), "a test sample".into()));
    }
    if let Some(operations) = synaptic_operations(run, measured) {
        facts.push(("synaptic operations", quantity(operations).trim_end().into(), "a test sample".into()));
    }
    if let Some(joules) = joules(run, measured) {
        facts.push(("energy proxy", energy(joules), "a test sample's arithmetic".into()));
    }
    facts.push(("parameters", learned_parameters(&recipe.network).to_string(), "learned".into()));
    facts.push(("training", duration(run.seconds()), format!("{} epochs", run.done())));
    if let Some(speed) = run.speed() {
        facts.push(("speed", quantity(speed).trim_end().into(), "neuron-steps/s".into()));
    }
    let facts = facts.iter().map(|(name, value, note)| {
        format!("<div><dt>{name}</dt><dd>{}<small>{}</small></dd></div>", escape(value), escape(note))
    });
    out + &format!("<dl class=\"facts\">{}</dl>\n", facts.collect::<String>())
}

fn learning(run: &Run) -> String {
    let line = |name: &str, colour: usize, value: &dyn Fn(&EpochMetrics) -> Option<f64>| -> Option<Line> {
        let points: Vec<_> = run.epochs.iter().filter_map(|epoch| Some((epoch.epoch as f64, value(epoch)?))).collect();
        let line = Line { name: name.into(), colour, points, band: None, mark: None };
        (!line.points.is_empty()).then_some(line)
    };
    let best = run.checkpoint.as_ref().and_then(|checkpoint| checkpoint.progress.best);
    let marked = |line: Option<Line>, value: &dyn Fn(f64, f64) -> f64| {
        let mut line = line?;
        if let Some(best) = best {
            let what = format!("kept: epoch {}", best.epoch);
            line.mark = Some(((best.epoch as f64, value(best.accuracy, best.loss)), what));
        }
        Some(line)
    };
    let validation = marked(line("validation", 1, &|epoch| epoch.valid_accuracy.map(|v| 100.0 * v)), &|v, _| 100.0 * v);
    let accuracy = [line("training", 0, &|epoch| Some(100.0 * epoch.train_accuracy)), validation];
    let loss = [
        line("training", 0, &|epoch| Some(epoch.train_loss)),
        marked(line("validation", 1, &|epoch| epoch.valid_loss), &|_, loss| loss),
    ];
    let chance = 100.0 / run.recipe.network.classes() as f64;
    let note = if best.is_some() { "The ring is the epoch whose parameters are kept." } else { "" };
    let mut charts = vec![
        (
            "Accuracy",
            note,
            LineChart {
                y: "accuracy (%)".into(),
                range: Some((0.0, 100.0)),
                lines: accuracy.into_iter().flatten().collect(),
                level: Some((chance, "chance".into())),
                ..LineChart::default()
            },
        ),
        (
            "Loss",
            note,
            LineChart {
                y: "loss".into(),
                may_be_logarithmic: true,
                lines: loss.into_iter().flatten().collect(),
                ..LineChart::default()
            },
        ),
    ];
    let rates = || run.epochs.iter().map(|epoch| epoch.learning_rate);
    if rates().any(|rate| Some(rate) != rates().next()) {
        let lines = line("rate", 0, &|epoch| Some(epoch.learning_rate)).into_iter().collect();
        let chart = LineChart { y: "learning rate".into(), may_be_logarithmic: true, lines, ..LineChart::default() };
        charts.push(("Learning rate", "Of the last step of each epoch.", chart));
    }
    let draw = |(caption, note, chart): (&str, &str, LineChart)| {
        let chart =
            LineChart { title: format!("{caption} of {} over the epochs", run.name), x: "epoch".into(), ..chart };
        line_chart(&chart).map_or(String::new(), |svg| figure(caption, note, &svg))
    };
    grid(charts.into_iter().map(draw).collect())
}

fn classes(run: &Run, test: &Test) -> String {
    let Some(matrix) = &test.confusion else {
        return "<p>Each step has a class of its own, and what it was taken for is not known of a network with dropout or normalisation.</p>\n".into();
    };
    let names: Vec<String> = (0..matrix.classes()).map(|class| run.recipe.data.class_name(class)).collect();
    let (answers, _) = matrix.totals();
    let what = if answers == test.samples as u64 { "samples" } else { "steps" };
    let note = format!("Numbers are {what}; the shade is the share of the row. Right answers lie on the diagonal.");
    let caption = format!("What {answers} test {what} were taken for");
    let picture = figure(&caption, &note, &confusion(matrix, &names));
    format!("<div class=\"beside\">\n{picture}<div>{}</div></div>\n", by_class(matrix, &names))
}

fn by_class(matrix: &Confusion, names: &[String]) -> String {
    let row = |(class, name): (usize, &String)| {
        let mistakes = (0..names.len()).filter(|&answer| answer != class && matrix.count(class, answer) > 0);
        let worst = mistakes.max_by_key(|&answer| (matrix.count(class, answer), std::cmp::Reverse(answer)));
        let worst = worst.map_or("–".into(), |answer| format!("{} ({})", names[answer], matrix.count(class, answer)));
        vec![
            Cell::Text(name.clone()),
            Cell::Number(matrix.samples(class).to_string()),
            Cell::Number(percent(matrix.recall(class))),
            Cell::Number(percent(matrix.precision(class))),
            Cell::Text(worst),
        ]
    };
    let rows: Vec<Vec<Cell>> = names.iter().enumerate().map(row).collect();
    table(&["class", "*number", "*recall", "*precision", "mostly mistaken for"], &rows)
}

fn sample(run: &Run, example: &Example) -> String {
    let recipe = &run.recipe;
    let name = |class: usize| recipe.data.class_name(class);
    let caption = match example.answer {
        Some((class, answer)) if class == answer => {
            format!("Recognised: test sample {} of class {}", example.index, name(class))
        }
        Some((class, answer)) => {
            format!("Mistaken: test sample {} of class {}, taken for {}", example.index, name(class), name(answer))
        }
        None => format!("Test sample {}", example.index),
    };
    let input = match &example.input {
        Input::Spikes(raster) => Panel::Spikes {
            name: format!("input: {} channels", raster.units()),
            raster: raster.clone(),
            order: (0..raster.units()).collect(),
        },
        Input::Values(trace) => Panel::Values {
            name: format!("input: {} channels", trace.units),
            trace: trace.clone(),
            channels: (0..trace.units.min(6)).map(|channel| recipe.data.channel_name(channel)).collect(),
        },
        // A sample of its own is one of the two above.
        Input::Rates(_) | Input::Source(_) => return String::new(),
    };
    let hidden = example.hidden.iter().map(|(layer, raster)| Panel::Spikes {
        name: run.layer_name(*layer),
        raster: raster.clone(),
        order: by_first_spike(raster),
    });
    let loss = &recipe.network.readout.losses[0];
    let chart = RasterChart {
        title: caption.clone(),
        dt: recipe.network.dt,
        steps: example.readout.steps,
        panels: [input].into_iter().chain(hidden).collect(),
        readout: Readout {
            trace: example.readout.clone(),
            classes: (0..recipe.network.classes()).map(name).collect(),
            answer: example.answer,
            maximum: loss.reduce == Reduction::Max,
        },
    };
    let note = "Each mark is a spike. Hidden neurons that spike are sorted by their first spike.";
    figure(&caption, note, &raster_chart(&chart))
}

/// Units that spike, in the order of their first spikes.
fn by_first_spike(raster: &Raster) -> Vec<usize> {
    let first = |n: usize| (0..raster.steps()).find(|&t| raster.get(t, 0, n));
    let mut order: Vec<(usize, usize)> = (0..raster.units()).filter_map(|n| Some((first(n)?, n))).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, n)| n).collect()
}

fn plan(run: &Run) -> String {
    let device = run.device.as_deref().unwrap_or("not known");
    let mut out = format!("<p>Trained on {}.</p>\n", escape(device));
    if let Some(plan) = &run.plan {
        out += &format!("<pre>{}</pre>\n", escape(plan.trim_end()));
    }
    out
}
