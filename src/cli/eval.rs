//! `spikegrad eval`.

use super::arguments::Eval;
use super::{say, summary, train};
use spikegrad::engine::Device;
use spikegrad::io::{Checkpoint, RunDirectory};
use spikegrad::learn::Trainer;
use spikegrad::{Error, Result};

pub fn run(arguments: Eval) -> Result<()> {
    let device: Device = arguments.device.parse()?;
    device.check()?;
    let directory = RunDirectory::open(&arguments.run)?;
    let mut recipe = train::stored(&directory)?;
    if let Some(data) = train::data_directory(arguments.data.as_deref()) {
        recipe.data.set_directory(data);
    }
    let path = directory.checkpoint();
    if !path.exists() {
        return Err(Error::file(path, "not there: the run has not been trained"));
    }
    let checkpoint = Checkpoint::load(&path)?;
    let split = recipe.data.load(recipe.train.seed)?;
    let mut trainer = Trainer::new(recipe, split, device)?;
    train::restore(&mut trainer, checkpoint, path)?;
    let (budget, wish) = arguments.memory.parse()?;
    trainer.engine().set_memory(budget, wish);
    say(&format!("device   {}", trainer.device()));
    let parameters = trainer.use_best()?;
    say(&format!("run      {}, parameters: {parameters}", directory.path().display()));
    let (valid, test) = (trainer.split().valid.clone(), trainer.split().test.clone());
    for (name, data) in [("valid", valid), ("test", test)] {
        if !data.is_empty() {
            let result = trainer.evaluate(&data)?;
            say(&format!(
                "{name:<8} accuracy {:.2} %, loss {:.4}, {:.1} hidden spikes a sample, {} samples",
                100.0 * result.accuracy,
                result.loss,
                result.spikes_per_sample,
                data.len()
            ));
            summary::activity(&result.activity).iter().for_each(|line| say(line));
        }
    }
    if arguments.confusion {
        let test = trainer.split().test.clone();
        let confusion = trainer.confusion(&test)?;
        let names: Vec<String> =
            (0..confusion.classes()).map(|class| trainer.recipe().data.class_name(class)).collect();
        say("rows: the class; columns, in the same order: what it was taken for");
        summary::confusion(&confusion, &names).iter().for_each(|line| say(line));
    }
    Ok(())
}
