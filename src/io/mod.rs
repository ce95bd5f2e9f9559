//! Files: tensors, checkpoints, and the run directory.

mod checkpoint;
mod run;
mod tensors;
mod whole;

pub use checkpoint::{Best, Checkpoint, Progress};
pub use run::{ActivityMetrics, EpochMetrics, RunDirectory};
pub use tensors::{Stored, TensorFile, write_tensors};
pub use whole::write_whole;
