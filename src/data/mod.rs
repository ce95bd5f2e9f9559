//! Data sets: labelled samples that are read when a batch needs them, cut into training, validation and test, and the order
//! in which an epoch visits them.
//!
//! | file | what |
//! |---|---|
//! | `set` | [`DataSet`]: samples of a [`Store`], their labels, and batches of them |
//! | `store` | what a store is; events and values in memory |
//! | `task` | the table of the data sets that a training file can name |
//! | `files` | where files are looked for, and what is said where they are not right |
//! | the others | one data set or one format each |

mod aedat;
mod aer;
mod augment;
mod braille;
mod convert;
mod ecg;
#[cfg(feature = "cli")]
mod fetch;
mod files;
mod fsdd;
#[cfg(feature = "hdf5")]
mod heidelberg;
mod idx;
mod mel;
mod mnist;
mod npz;
mod order;
mod poisson;
mod published;
mod randman;
mod recorded;
mod set;
mod store;
mod task;
mod yin_yang;

pub use aedat::read_aedat;
pub use aer::read_aer;
pub use augment::Augment;
pub use braille::Braille;
pub use convert::{CONVERTED, convert};
pub use ecg::Ecg;
#[cfg(feature = "cli")]
pub use fetch::{fetch, unpack};
pub use fsdd::{Fsdd, FsddSplit, Scaling, read_wav};
pub use idx::Idx;
pub use mel::FilterBank;
pub use mnist::{FashionMnist, Mnist, Scan};
pub use npz::{Array, Npz};
pub use order::order;
pub use poisson::Poisson;
pub use published::{Checksum, Remote, SOURCES, Source};
pub use randman::{Randman, Spectrum};
pub use recorded::{DvsGesture, Nmnist, Recorded, Shd, Ssc};
pub use set::{Activity, DataSet, Selection, StepLabels};
pub use store::{Sample, Store};
pub use task::{Parameters, Task};
pub use yin_yang::YinYang;

/// A data set cut in three. A part may be empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// What the network learns from.
    pub train: DataSet,
    /// What decides which epoch's parameters are kept.
    pub valid: DataSet,
    /// What the reported accuracy is measured on, once.
    pub test: DataSet,
}
