//! The one error type. Every variant says what is wrong and what the user can do about it.

use std::path::{Path, PathBuf};

/// What can go wrong. The text of each variant is one line that names the place and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A mistake in a network or a recipe, with its place (`layer[1].neuron.tau_mem`, and the line of the file).
    #[error("{place}: {message}")]
    Network { place: String, message: String },
    /// A value handed to the library has the wrong shape or is not a number.
    #[error("{0}")]
    Input(String),
    /// A file that cannot be read, written, or understood.
    #[error("{path}: {message}", path = .path.display())]
    File { path: PathBuf, message: String },
    /// The device asked for is not there, was lost, or refused the work.
    #[error("{0}")]
    Device(String),
    /// The work does not fit the memory of the device.
    #[error("out of memory: {what} needs {needed} bytes; {remedy}")]
    Memory { what: String, needed: u64, remedy: String },
    /// A loss or a gradient stopped being a number.
    #[error("{0}")]
    Diverged(String),
    /// An adjoint is not the gradient of its forward pass.
    #[error("{0}")]
    Audit(String),
}

/// Result with the crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An [`Error::File`] at `path`.
    pub fn file(path: impl AsRef<Path>, message: impl std::fmt::Display) -> Self {
        Error::File { path: path.as_ref().to_path_buf(), message: message.to_string() }
    }

    /// An [`Error::Network`] at `place`.
    pub fn network(place: impl Into<String>, message: impl Into<String>) -> Self {
        Error::Network { place: place.into(), message: message.into() }
    }
}
