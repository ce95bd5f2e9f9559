//! The idx format of MNIST: two zero bytes, a type, the number of axes, their lengths (big-endian), then the numbers.

use super::files;
use crate::error::{Error, Result};
use std::path::Path;

/// An array of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Values, row-major.
    pub values: Vec<u8>,
}

/// Unsigned bytes, the one type of number that is read.
const BYTES: u8 = 0x08;

impl Idx {
    /// Reads a file, unpacked where its name ends in `.gz`. `shape` holds the length that each axis must have, or None where
    /// any will do; at most `most` values are read.
    ///
    /// # Errors
    /// [`Error::File`] where it is not such a file, has another shape, or is cut off.
    pub fn open(path: &Path, shape: &[Option<usize>], most: usize) -> Result<Idx> {
        let bytes = files::bytes(path, most.saturating_add(4 + 4 * shape.len()))?;
        Idx::parse(&bytes, shape).map_err(|message| Error::file(path, message))
    }

    /// The same from the bytes of an unpacked file.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(bytes: &[u8], shape: &[Option<usize>]) -> std::result::Result<Idx, String> {
        let Some((&[0, 0, kind, axes], rest)) = bytes.split_first_chunk() else {
            return Err("is not an idx file".into());
        };
        if kind != BYTES {
            return Err(format!("is an idx file of numbers of type {kind:#04x}, expected bytes ({BYTES:#04x})"));
        }
        let head = 4 * usize::from(axes);
        let Some((lengths, values)) = rest.split_at_checked(head) else {
            return Err("is an idx file that ends within its header: fetch it again".into());
        };
        let lengths = lengths.as_chunks::<4>().0.iter().map(|&length| u32::from_be_bytes(length) as usize);
        let lengths: Vec<usize> = lengths.collect();
        let fits = |(have, want): (&usize, &Option<usize>)| want.is_none_or(|want| want == *have);
        if lengths.len() != shape.len() || !lengths.iter().zip(shape).all(fits) {
            let axis = |axis: &Option<usize>| axis.map_or("any".to_string(), |axis| axis.to_string());
            let expected: Vec<String> = shape.iter().map(axis).collect();
            return Err(format!("has the shape {lengths:?}, expected [{}]", expected.join(", ")));
        }
        let count = lengths.iter().try_fold(1usize, |product, &length| product.checked_mul(length));
        match count {
            Some(count) if count == values.len() => Ok(Idx { shape: lengths, values: values.to_vec() }),
            Some(count) if count < values.len() => Err("is longer than its header says: fetch it again".into()),
            _ => Err(format!("ends after {} bytes of the shape {lengths:?}: fetch it again", values.len())),
        }
    }
}
