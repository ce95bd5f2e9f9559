//! Learning: optimisers, schedules, recipes, and the trainer.

mod batches;
mod group;
mod optimiser;
mod prefetch;
mod recipe;
mod schedule;
mod trainer;

pub use batches::select;
pub use group::Group;
pub use optimiser::Optimiser;
pub use prefetch::Prefetch;
pub use recipe::{Recipe, Task, Train};
pub use schedule::Schedule;
pub use trainer::{Evaluation, Moment, Trainer, evaluate, evaluate_each, learned_parameters};
