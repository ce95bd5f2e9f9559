//! `spikegrad train`.

use super::arguments::Train;
use super::progress::Bar;
use super::tensorboard::Events;
use super::{picture, say, summary};
use spikegrad::engine::Device;
use spikegrad::io::{Checkpoint, RunDirectory, write_whole};
use spikegrad::learn::{Recipe, Trainer, learned_parameters};
use spikegrad::{Error, Result};
use std::path::{Path, PathBuf};

pub fn run(arguments: Train) -> Result<()> {
    let device: Device = arguments.device.parse()?;
    let (budget, wish) = arguments.memory.parse()?;
    let (mut recipe, existing) = plan(&arguments)?;
    if let Some(directory) = data_directory(arguments.data.as_deref()) {
        recipe.data.set_directory(directory);
    }
    recipe.validate()?;
    if let (Some(out), None) = (&arguments.out, &existing) {
        RunDirectory::vacant(out)?;
    }
    device.check()?;
    let split = recipe.data.load(recipe.train.seed)?;
    let mut trainer = Trainer::new(recipe, split, device)?;
    let planned = trainer.plan(budget, wish)?;
    // Held to the end of this function.
    let (directory, _lock) = match existing {
        Some(directory) => {
            let lock = directory.lock()?;
            (resume(&mut trainer, directory)?, lock)
        }
        None => {
            let directory = begin(&mut trainer, arguments.out.as_deref())?;
            let lock = directory.lock()?;
            (directory, lock)
        }
    };
    introduce(&trainer, &directory);
    planned.lines().take(2).zip(["memory  ", "plan    "]).for_each(|(line, name)| say(&format!("{name} {line}")));
    write_whole(directory.file("plan.txt"), format!("{}\n{planned}", trainer.device()).as_bytes())?;
    let done = trainer.progress().epoch;
    let bar = Bar::new(&trainer);
    let mut history = directory.cut_metrics(done)?;
    let spiking = summary::spiking_layers(&trainer.recipe().network);
    let mut events = arguments.tensorboard.then(|| Events::create(&directory, spiking)).transpose()?;
    while !trainer.finished() {
        let metrics = trainer.epoch(|moment| bar.moment(&moment)).map_err(|error| last_good(error, &directory))?;
        trainer.engine().notices().iter().for_each(|notice| say(&format!("memory   {notice}")));
        directory.append(&metrics)?;
        let checkpoint = trainer.checkpoint()?;
        // First: what the checkpoint counts as done is not written again.
        if let Some(events) = &mut events {
            events.epoch(&metrics, &checkpoint.parameters)?;
        }
        checkpoint.save(directory.checkpoint())?;
        bar.epoch(&metrics);
        if let Some(note) = summary::silence(trainer.recipe(), history.last(), &metrics) {
            bar.say(&note);
        }
        history.push(metrics);
    }
    bar.finish();
    let parameters = trainer.use_best()?;
    let test = (!trainer.split().test.is_empty()).then(|| trainer.test()).transpose()?;
    summary::write(&mut trainer, &directory, test.as_ref(), &parameters)?;
    let accuracy = test.as_ref().map(|test| test.accuracy);
    picture::learning_curve(&history, &directory.file("learning_curve.png"), &trainer, accuracy)?;
    picture::raster(&mut trainer, &directory.file("raster.png"))?;
    match &test {
        Some(test) => {
            say(&format!("test accuracy {:.2} %, parameters: {parameters}", 100.0 * test.accuracy));
            summary::activity(&test.activity).iter().for_each(|line| say(line.trim_start()));
        }
        None => say(&format!("there is no test set; parameters: {parameters}")),
    }
    say(&format!("written to {}", directory.path().display()));
    Ok(())
}

/// The directory of the data sets: the argument, else the environment, else none.
pub fn data_directory(argument: Option<&Path>) -> Option<PathBuf> {
    let named = argument.map(Path::to_path_buf);
    let directory =
        named.or_else(|| std::env::var_os("SPIKEGRAD_DATA").filter(|value| !value.is_empty()).map(PathBuf::from))?;
    // It is written into the run's configuration, which is read from elsewhere later.
    Some(std::path::absolute(&directory).unwrap_or(directory))
}

/// The recipe with what the command line changes, and the run that it goes on with.
fn plan(arguments: &Train) -> Result<(Recipe, Option<RunDirectory>)> {
    let Some(resume) = &arguments.resume else {
        let Some(name) = &arguments.recipe else {
            let names: Vec<&str> = Recipe::names().collect();
            return Err(Error::Input(format!("train what? Name a recipe ({}) or a .toml file", names.join(", "))));
        };
        let mut recipe = read(name)?;
        let train = &mut recipe.train;
        train.epochs = arguments.epochs.unwrap_or(train.epochs);
        train.batch = arguments.batch.unwrap_or(train.batch);
        train.seed = arguments.seed.unwrap_or(train.seed);
        if let Some(rate) = arguments.lr {
            train.optimiser.set_rate(rate);
        }
        return Ok((recipe, None));
    };
    let directory = match (resume, &arguments.out, &arguments.recipe) {
        (Some(_), Some(_), _) => {
            return Err(Error::Input("--resume RUN goes on in RUN: leave --out away".into()));
        }
        (Some(run), _, _) | (None, Some(run), _) => RunDirectory::open(run)?,
        (None, None, Some(name)) => {
            let recipe = read(name)?;
            RunDirectory::latest(&recipe.train.name, arguments.seed.unwrap_or(recipe.train.seed))?
        }
        (None, None, None) => return Err(Error::Input("resume which run? Give --resume RUN".into())),
    };
    let mut recipe = stored(&directory)?;
    if let Some(name) = &arguments.recipe {
        let given = read(name)?;
        let (wanted, found) = (&given.train.name, &recipe.train.name);
        if wanted != found {
            return Err(Error::file(directory.path(), format!("holds a run of {found}, not of {wanted}")));
        }
        if let Some(line) = changed(given, &recipe) {
            let message = format!(
                "the run was not begun with \"{line}\" of {name}: leave {name} away to go on as it was, or begin another run"
            );
            return Err(Error::file(directory.path(), message));
        }
    }
    let changed = [
        ("--batch", arguments.batch.is_some_and(|batch| batch != recipe.train.batch)),
        ("--seed", arguments.seed.is_some_and(|seed| seed != recipe.train.seed)),
        ("--lr", arguments.lr.is_some_and(|rate| rate != recipe.train.optimiser.rate())),
    ];
    if let Some((option, _)) = changed.iter().find(|(_, changed)| *changed) {
        return Err(Error::Input(format!("{option} cannot change when a run is resumed: only --epochs can")));
    }
    recipe.train.epochs = arguments.epochs.unwrap_or(recipe.train.epochs);
    Ok((recipe, Some(directory)))
}

/// The first line of `given` that is not in the recipe of a run, but for what the command line may have changed when it began.
fn changed(mut given: Recipe, of_run: &Recipe) -> Option<String> {
    let train = &mut given.train;
    (train.epochs, train.batch, train.seed) = (of_run.train.epochs, of_run.train.batch, of_run.train.seed);
    train.optimiser.set_rate(of_run.train.optimiser.rate());
    let place = |line: &&str| !line.starts_with("directory");
    let (given, of_run) = (given.to_toml(), of_run.to_toml());
    let (mut given, mut of_run) = (given.lines().filter(place), of_run.lines().filter(place));
    loop {
        match (given.next(), of_run.next()) {
            (None, None) => return None,
            (own, other) if own == other => {}
            (own, other) => return own.or(other).map(str::to_string),
        }
    }
}

/// A recipe by name, or a training file.
pub fn read(name: &str) -> Result<Recipe> {
    let path = Path::new(name);
    if path.extension().is_none_or(|extension| extension != "toml") {
        return Recipe::named(name);
    }
    let text = std::fs::read_to_string(path).map_err(|error| Error::file(path, format!("cannot be read: {error}")))?;
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("run");
    Recipe::from_toml(&text, stem).map_err(|error| in_file(path, error))
}

/// The recipe of a run directory.
pub fn stored(directory: &RunDirectory) -> Result<Recipe> {
    Recipe::from_toml(&directory.config()?, "run").map_err(|error| in_file(&directory.file("config.toml"), error))
}

/// Names the file in which a mistake stands.
pub fn in_file(path: &Path, error: Error) -> Error {
    match error {
        Error::Network { place, message } => Error::file(path, format!("{place}: {message}")),
        other => other,
    }
}

fn begin(trainer: &mut Trainer, out: Option<&Path>) -> Result<RunDirectory> {
    let train = &trainer.recipe().train;
    let directory = RunDirectory::create(out, &train.name, train.seed)?;
    directory.write_config(&trainer.recipe().to_toml())?;
    trainer.checkpoint()?.save(directory.checkpoint())?;
    Ok(directory)
}

fn resume(trainer: &mut Trainer, directory: RunDirectory) -> Result<RunDirectory> {
    // A run that was killed before its first checkpoint begins anew.
    if !directory.checkpoint().exists()
        && std::fs::metadata(directory.file("metrics.jsonl")).is_ok_and(|file| file.len() > 0)
    {
        return Err(Error::file(
            directory.checkpoint(),
            "is gone, but metrics.jsonl tells of epochs: put it back, or give another --out",
        ));
    }
    if directory.checkpoint().exists() {
        restore(trainer, Checkpoint::load(directory.checkpoint())?, directory.checkpoint())?;
        let (done, wanted) = (trainer.progress().epoch, trainer.recipe().train.epochs);
        if wanted < done {
            return Err(Error::Input(format!(
                "the run has {done} epochs already: --epochs {wanted} would take some back"
            )));
        }
    } else {
        // As a run that begins: a kill within the first epoch must leave something to go on from.
        trainer.checkpoint()?.save(directory.checkpoint())?;
    }
    directory.write_config(&trainer.recipe().to_toml())?;
    Ok(directory)
}

/// Gives a trainer what the checkpoint of a run held; what does not fit names the file.
pub fn restore(trainer: &mut Trainer, checkpoint: Checkpoint, path: PathBuf) -> Result<()> {
    trainer.restore(checkpoint).map_err(|error| match error {
        Error::Input(message) => Error::file(path, message),
        other => other,
    })
}

fn introduce(trainer: &Trainer, directory: &RunDirectory) {
    let recipe = trainer.recipe();
    let split = trainer.split();
    say(&format!("device   {}", trainer.device()));
    say(&format!(
        "network  {}, {} learned parameters",
        summary::layers(&recipe.network),
        learned_parameters(&recipe.network)
    ));
    say(&format!(
        "data     {}: {} training, {} validation and {} test samples of {} steps",
        recipe.data.name(),
        split.train.len(),
        split.valid.len(),
        split.test.len(),
        recipe.steps(&split.train)
    ));
    let done = trainer.progress().epoch;
    let start = if done > 0 { format!(", resumed after epoch {done}") } else { String::new() };
    say(&format!("run      {}, seed {}{start}", directory.path().display(), recipe.train.seed));
}

/// Says where the last good checkpoint is.
fn last_good(error: Error, directory: &RunDirectory) -> Error {
    match error {
        Error::Diverged(message) => {
            let epoch = Checkpoint::load(directory.checkpoint()).map_or(0, |checkpoint| checkpoint.progress.epoch);
            let path = directory.checkpoint();
            Error::Diverged(format!(
                "{message}; the last good checkpoint is {} (epoch {epoch}); a smaller --lr or [train] clip may help",
                path.display()
            ))
        }
        other => other,
    }
}
