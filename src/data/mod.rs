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

#[cfg(feature = "data")]
mod aedat;
#[cfg(feature = "data")]
mod aer;
mod augment;
#[cfg(feature = "data")]
mod braille;
#[cfg(feature = "data")]
mod convert;
#[cfg(feature = "data")]
mod ecg;
#[cfg(feature = "cli")]
mod fetch;
#[cfg(feature = "data")]
mod files;
#[cfg(feature = "data")]
mod fsdd;
#[cfg(feature = "hdf5")]
mod heidelberg;
#[cfg(feature = "data")]
mod idx;
#[cfg(feature = "data")]
mod mel;
#[cfg(feature = "data")]
mod mnist;
#[cfg(feature = "data")]
mod npz;
mod order;
mod poisson;
#[cfg(feature = "data")]
mod published;
mod randman;
#[cfg(feature = "data")]
mod recorded;
mod set;
mod store;
mod task;
mod yin_yang;

#[cfg(feature = "data")]
pub use aedat::read_aedat;
#[cfg(feature = "data")]
pub use aer::read_aer;
pub use augment::Augment;
#[cfg(feature = "data")]
pub use braille::Braille;
#[cfg(feature = "data")]
pub use convert::{CONVERTED, convert};
#[cfg(feature = "data")]
pub use ecg::Ecg;
#[cfg(feature = "cli")]
pub use fetch::{fetch, unpack};
#[cfg(feature = "data")]
pub use fsdd::{Fsdd, FsddSplit, Scaling, read_wav};
#[cfg(feature = "data")]
pub use idx::Idx;
#[cfg(feature = "data")]
pub use mel::FilterBank;
#[cfg(feature = "data")]
pub use mnist::{FashionMnist, Mnist, Scan};
#[cfg(feature = "data")]
pub use npz::{Array, Npz};
pub use order::order;
pub use poisson::Poisson;
#[cfg(feature = "data")]
pub use published::{Checksum, Remote, SOURCES, Source};
pub use randman::{Randman, Spectrum};
#[cfg(feature = "data")]
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
