//! The progress of a run: a bar where stderr is a terminal, and a line for each epoch on stdout.

use super::say;
use super::summary::quantity;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use spikegrad::io::EpochMetrics;
use spikegrad::learn::{Moment, Trainer};
use std::cell::Cell;

/// The bar of a whole run.
pub struct Bar {
    bar: ProgressBar,
    epochs: usize,
    epoch: Cell<usize>,
    hidden: f64,
}

impl Bar {
    /// A bar over the epochs that are left. indicatif draws nothing where stderr is not a terminal.
    pub fn new(trainer: &Trainer) -> Self {
        let (epochs, done) = (trainer.recipe().train.epochs, trainer.progress().epoch);
        let batches = trainer.split().train.len().div_ceil(trainer.recipe().train.batch);
        let bar = ProgressBar::with_draw_target(
            Some((epochs.saturating_sub(done) * batches) as u64),
            ProgressDrawTarget::stderr_with_hz(10),
        );
        let style = ProgressStyle::with_template("{bar:24.cyan/dim} {percent:>3} % {msg} · {eta} left");
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("━╸─"));
        }
        Bar { bar, epochs, epoch: Cell::new(done), hidden: trainer.hidden_neurons().max(1) as f64 }
    }

    /// Within an epoch.
    pub fn moment(&self, moment: &Moment) {
        self.bar.set_message(format!(
            "epoch {}/{} · loss {:.4} · {:.1} % right · {:.2} spikes/neuron · {} neuron-steps/s",
            self.epoch.get() + 1,
            self.epochs,
            moment.loss,
            100.0 * moment.accuracy,
            moment.spikes_per_neuron,
            quantity(moment.neuron_steps_per_s)
        ));
        let before = self.bar.position() / moment.batches as u64 * moment.batches as u64;
        self.bar.set_position(before + moment.done as u64);
    }

    /// After an epoch.
    pub fn epoch(&self, metrics: &EpochMetrics) {
        self.epoch.set(metrics.epoch);
        let valid = metrics.valid_accuracy.map_or(String::new(), |valid| format!("  valid {:6.2} %", 100.0 * valid));
        let line = format!(
            "epoch {:>4}/{}  loss {:.4}  train {:6.2} %{valid}  {:.2} spikes/neuron  {} neuron-steps/s  {:.2} s",
            metrics.epoch,
            self.epochs,
            metrics.train_loss,
            100.0 * metrics.train_accuracy,
            metrics.spikes_per_sample / self.hidden,
            quantity(metrics.neuron_steps_per_s),
            metrics.seconds
        );
        self.say(&line);
    }

    /// A line above the bar.
    pub fn say(&self, line: &str) {
        self.bar.suspend(|| say(line));
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
