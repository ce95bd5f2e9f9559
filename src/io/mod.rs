//! Files: tensors, checkpoints, and the run directory.

mod checkpoint;
mod mapped;
mod run;
mod tensors;
mod whole;

pub use checkpoint::{Best, Checkpoint, Progress};
pub(crate) use mapped::{Mapped, shown};
pub use run::{ActivityMetrics, EpochMetrics, RunDirectory};
pub use tensors::{Stored, TensorFile, write_tensors};
pub(crate) use whole::WholeFile;
pub use whole::{check_writable, write_whole};
