//! Learning: optimisers, schedules, recipes, and the trainer.

mod optimiser;
mod recipe;
mod schedule;

pub use optimiser::Optimiser;
pub use recipe::{Recipe, Task, Train};
pub use schedule::Schedule;
