//! How activity is held: packed rasters (32 neurons a word), dense values, and counter-based random numbers.

pub mod encode;
mod random;
mod raster;

pub use random::Random;
pub use raster::{Raster, Trace, pad, words};
