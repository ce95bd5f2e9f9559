//! Learning: optimisers, schedules, recipes, the trainer, and what comes out.

mod batches;
mod confusion;
mod group;
mod optimiser;
mod prefetch;
mod recipe;
mod schedule;
mod study;
mod trainer;

pub use batches::select;
pub use confusion::Confusion;
pub use group::Group;
pub use optimiser::Optimiser;
pub use prefetch::Prefetch;
pub use recipe::{Recipe, Train};
pub use schedule::Schedule;
pub use study::{Outcome, Trial, study};
pub use trainer::{Evaluation, Moment, Trainer, evaluate, evaluate_each, learned_parameters};
