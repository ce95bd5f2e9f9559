//! How activity is held: packed rasters (32 neurons a word), dense values, sources that are read window by window, and
//! counter-based random numbers.

pub mod encode;
mod random;
mod raster;
mod source;

pub use random::Random;
pub use raster::{Raster, Trace, pad, words};
pub use source::{EventFile, EventWriter, Events, RasterFile, RasterWriter, Selected, Source};
