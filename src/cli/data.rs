//! `spikegrad data`: list, info, view, convert; `fetch` is beside.

use super::arguments::{Data as Arguments, DataCommand, DataView};
use super::picture::{self, Shown};
use super::{fetch, say, train};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use spikegrad::data::{DataSet, Source, Task, convert};
use spikegrad::engine::Input;
use spikegrad::learn::Recipe;
use spikegrad::{Error, Result};
use std::path::{Path, PathBuf};

pub fn run(arguments: Arguments) -> Result<()> {
    let directory = train::data_directory(arguments.data.as_deref());
    match arguments.what {
        None => list(directory.as_deref()),
        Some(DataCommand::Info(asked)) => info(&asked.name, directory),
        Some(DataCommand::View(asked)) => view(&asked, directory),
        Some(DataCommand::Convert(asked)) => {
            let directory = needed(directory)?;
            let bar = bar("samples");
            let written = convert(&asked.name, &directory, |done, of| {
                bar.set_length(of as u64);
                bar.set_position(done as u64);
            })?;
            bar.finish_and_clear();
            written.iter().for_each(|path| say(&format!("written to {}", path.display())));
            Ok(())
        }
        Some(DataCommand::Fetch(asked)) => fetch::run(&asked, &needed(directory)?),
    }
}

/// The directory, which something is to be written to.
fn needed(directory: Option<PathBuf>) -> Result<PathBuf> {
    directory.ok_or_else(|| Error::Input("into which directory? Give --data DIR or set SPIKEGRAD_DATA=DIR".into()))
}

/// A bar that counts `what`.
pub fn bar(what: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
    let count = if what == "bytes" { "{bytes}/{total_bytes} · {bytes_per_sec}" } else { "{pos}/{len}" };
    let style = ProgressStyle::with_template(&format!("{{bar:24.cyan/dim}} {count} {{msg}} · {{eta}} left"));
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar
}

fn list(directory: Option<&Path>) -> Result<()> {
    for (name, about) in Task::ABOUT {
        let there = match (Source::named(name), directory) {
            (None, _) => "generated",
            (Some(_), Some(directory)) if directory.join(name).is_dir() => "there",
            (Some(source), _) if !source.files.is_empty() => "can be fetched",
            _ => "see docs/data.md",
        };
        say(&format!("{name:<14}{there:<18}{about}"));
    }
    Ok(())
}

/// A data set by name, or that of a training file, with its recipe.
fn task(name: &str, directory: Option<PathBuf>) -> Result<(Task, Option<Recipe>)> {
    let recipe = (Path::new(name).extension().is_some_and(|extension| extension == "toml")).then(|| train::read(name));
    let recipe = recipe.transpose()?;
    let mut task = match &recipe {
        Some(recipe) => recipe.data.clone(),
        None => Task::named(name)?,
    };
    if let Some(directory) = directory {
        task.set_directory(directory);
    }
    Ok((task, recipe))
}

fn info(name: &str, directory: Option<PathBuf>) -> Result<()> {
    let (task, recipe) = task(name, directory)?;
    let split = task.load(recipe.as_ref().map_or(1, |recipe| recipe.train.seed))?;
    if let Some(source) = Source::named(task.name()) {
        say(&format!("{}, {}, {}", task.name(), source.licence, source.page));
    }
    let kind = if split.train.spiking() { "spikes" } else { "values" };
    let (steps, inputs, classes) = (split.train.steps(), split.train.inputs(), split.train.classes());
    let answers = if split.train.is_by_step() { "of each step" } else { "of each sample" };
    say(&format!("{kind}, {steps} steps × {inputs} channels, {classes} classes {answers}"));
    for (name, part) in [("train", &split.train), ("valid", &split.valid), ("test", &split.test)] {
        say(&format!("{name:<8} {} samples{}", part.len(), described(part)?));
    }
    let names: Vec<String> = (0..classes).map(|class| task.class_name(class)).collect();
    say(&format!("classes  {}", names.join(", ")));
    Ok(())
}

/// Samples that are looked at for a mean.
const LOOKED_AT: usize = 1000;

/// How active the samples are, and how even the classes.
fn described(part: &DataSet) -> Result<String> {
    if part.is_empty() {
        return Ok(String::new());
    }
    let some: Vec<usize> = (0..part.len()).step_by(part.len().div_ceil(LOOKED_AT)).collect();
    let (mut spikes, mut low, mut high, mut sum, mut count) = (0, f32::INFINITY, f32::NEG_INFINITY, 0.0, 0);
    for &index in &some {
        let sample = part.sample(index)?;
        spikes += sample.events().len();
        for &value in sample.values() {
            (low, high) = (low.min(value), high.max(value));
            sum += f64::from(value);
            count += 1;
        }
    }
    let mut text = if part.spiking() {
        let mean = spikes as f64 / some.len() as f64;
        let cells = (part.steps() * part.inputs()) as f64;
        format!(", {mean:.1} spikes a sample ({:.2} % of its channels and steps)", 100.0 * mean / cells)
    } else {
        format!(", values {low:.2} to {high:.2}, mean {:.3}", sum / f64::from(count))
    };
    if !part.is_by_step() {
        let mut counts = vec![0usize; part.classes()];
        part.labels().iter().for_each(|&label| counts[label as usize] += 1);
        let (least, most) = (counts.iter().min().unwrap_or(&0), counts.iter().max().unwrap_or(&0));
        text += &format!(", {least} to {most} of a class");
    }
    Ok(text)
}

fn view(asked: &DataView, directory: Option<PathBuf>) -> Result<()> {
    let (task, recipe) = task(&asked.name, directory)?;
    let split = task.load(recipe.as_ref().map_or(1, |recipe| recipe.train.seed))?;
    let part = match asked.part.as_str() {
        "train" => &split.train,
        "valid" => &split.valid,
        "test" => &split.test,
        other => return Err(Error::Input(format!("there is no part {other}: give train, valid or test"))),
    };
    let index = asked.sample;
    if index >= part.len() {
        return Err(Error::Input(format!("there is no sample {index}: {} has {} of them", asked.part, part.len())));
    }
    let batch = match (&recipe, asked.varied) {
        (Some(recipe), Some(epoch)) => recipe.varied(part, &[index], 0, epoch)?,
        (Some(recipe), None) => recipe.batch(part, &[index], 0)?,
        (None, Some(_)) => return Err(Error::Input("only a training file (.toml) says how samples are varied".into())),
        (None, None) => spikegrad::learn::select(part, &[index])?,
    };
    let (spikes, values) = match batch.input {
        Input::Spikes(raster) => (Some(raster), None),
        Input::Rates(rates) => (Some(rates.draw()), None),
        Input::Values(values) => (None, Some(values)),
        Input::Source(_) => return Err(Error::Input("a source cannot be drawn".into())),
    };
    let class = match part.labels().get(index) {
        Some(&label) => format!(" of class {}", task.class_name(label as usize)),
        None => String::new(),
    };
    let title = format!("{}: {} sample {index}{class}", task.name(), asked.part);
    let dt = recipe.as_ref().map_or(1.0, |recipe| recipe.network.dt);
    let (shown, subtitle) = match (&spikes, &values) {
        (Some(raster), _) => (Shown::Spikes(raster), "Each mark is a spike."),
        (None, Some(values)) => (Shown::Values(values), "The larger a value, the darker."),
        (None, None) => return Ok(()),
    };
    let lines = values.as_ref().is_some_and(|values| values.steps > 1 && values.units <= 6);
    let subtitle = if lines { "One line for each channel." } else { subtitle };
    picture::sample(&asked.out, &title, subtitle, &shown, dt, &|channel| task.channel_name(channel))?;
    say(&format!("written to {}", asked.out.display()));
    Ok(())
}
