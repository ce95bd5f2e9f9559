//! Tensors by name in a safetensors file, in f32 or f64, read strictly.

use super::write_whole;
use crate::engine::Tensor;
use crate::error::{Error, Result};
use crate::kernels::Real;
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A file of tensors in memory.
pub struct TensorFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

/// A tensor as bytes, to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Stored {
    /// Numbers in their own type, f32 or f64.
    pub fn reals<F: Real>(tensor: &Tensor<F>) -> Self {
        let dtype = if size_of::<F>() == 8 { Dtype::F64 } else { Dtype::F32 };
        let shape = tensor.shape.clone();
        Stored { dtype, shape, bytes: bytemuck::cast_slice::<F, u8>(&tensor.values).to_vec() }
    }

    /// Spikes, 0 or 1.
    pub fn spikes(shape: Vec<usize>, bytes: Vec<u8>) -> Self {
        Stored { dtype: Dtype::U8, shape, bytes }
    }
}

/// Writes tensors and one line of metadata under the key `spikegrad`, whole or not at all. The same input gives the same
/// bytes.
///
/// # Errors
/// [`Error::File`] where the file cannot be written.
pub fn write_tensors(path: &Path, tensors: &[(String, Stored)], metadata: Option<String>) -> Result<()> {
    let mut views = Vec::with_capacity(tensors.len());
    for (name, stored) in tensors {
        let view = TensorView::new(stored.dtype, stored.shape.clone(), &stored.bytes);
        views.push((name.as_str(), view.map_err(|error| Error::file(path, format!("tensor {name}: {error}")))?));
    }
    // One key only: a map of several has no order of its own.
    let metadata = metadata.map(|text| HashMap::from([("spikegrad".to_string(), text)]));
    let bytes = serialize(views, metadata).map_err(|error| Error::file(path, error))?;
    write_whole(path, &bytes)
}

/// CRC-32 of what tensors are called, how they are shaped, and what they hold. Their order says nothing.
pub(super) fn checksum(tensors: &[(String, Stored)]) -> u32 {
    let of = |(name, stored): &(String, Stored)| (name.clone(), one(name, &stored.shape, &stored.bytes));
    all(tensors.iter().map(of).collect())
}

/// CRC-32 of one tensor.
fn one(name: &str, shape: &[usize], bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(name.as_bytes());
    shape.iter().for_each(|&length| hasher.update(&(length as u64).to_le_bytes()));
    hasher.update(bytes);
    hasher.finalize()
}

/// CRC-32 of those of tensors by name.
fn all(mut each: Vec<(String, u32)>) -> u32 {
    each.sort_unstable();
    let bytes: Vec<u8> = each.iter().flat_map(|(_, own)| own.to_le_bytes()).collect();
    crc32fast::hash(&bytes)
}

impl TensorFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::File`] where it cannot be read or is not a complete safetensors file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let bytes = std::fs::read(&path).map_err(|error| Error::file(&path, format!("cannot be read: {error}")))?;
        SafeTensors::read_metadata(&bytes)
            .map_err(|_| Error::file(&path, "not a complete safetensors file (foreign, truncated or damaged)"))?;
        Ok(TensorFile { path, bytes })
    }

    fn parsed(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.bytes).expect("checked when opened")
    }

    /// Where it came from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of the tensors, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.parsed().names().into_iter().map(str::to_string).collect();
        names.sort();
        names
    }

    /// The metadata under the key `spikegrad`.
    pub fn metadata(&self) -> Option<String> {
        let (_, metadata) = SafeTensors::read_metadata(&self.bytes).ok()?;
        metadata.metadata().as_ref()?.get("spikegrad").cloned()
    }

    /// The [`checksum`] of its tensors.
    pub(super) fn checksum(&self) -> u32 {
        let parsed = self.parsed();
        all(parsed.iter().map(|(name, view)| (name.to_string(), one(name, view.shape(), view.data()))).collect())
    }

    /// Shape of a tensor.
    ///
    /// # Errors
    /// [`Error::File`] where it is missing.
    pub fn shape(&self, name: &str) -> Result<Vec<usize>> {
        Ok(self.view(&self.parsed(), name)?.shape().to_vec())
    }

    /// Whether a tensor holds bytes (spikes).
    ///
    /// # Errors
    /// [`Error::File`] where it is missing.
    pub fn is_bytes(&self, name: &str) -> Result<bool> {
        Ok(matches!(self.view(&self.parsed(), name)?.dtype(), Dtype::U8 | Dtype::BOOL))
    }

    fn view<'a>(&self, parsed: &SafeTensors<'a>, name: &str) -> Result<TensorView<'a>> {
        parsed.tensor(name).map_err(|_| {
            let mut names = parsed.names();
            names.sort_unstable();
            let known = if names.is_empty() { "nothing".to_string() } else { names.join(", ") };
            Error::file(&self.path, format!("has no tensor {name}; it holds {known}"))
        })
    }

    /// A tensor of numbers, f32 or f64 in the file.
    ///
    /// # Errors
    /// [`Error::File`] where it is missing or of another type.
    pub fn reals<F: Real>(&self, name: &str) -> Result<Tensor<F>> {
        let parsed = self.parsed();
        let view = self.view(&parsed, name)?;
        let data = view.data();
        let values = match view.dtype() {
            Dtype::F32 => data.as_chunks::<4>().0.iter().map(|&b| F::from_f64(f32::from_le_bytes(b).into())).collect(),
            Dtype::F64 => data.as_chunks::<8>().0.iter().map(|&b| F::from_f64(f64::from_le_bytes(b))).collect(),
            other => return Err(self.wrong(name, other, "f32 or f64")),
        };
        Tensor::new(view.shape().to_vec(), values).map_err(|error| Error::file(&self.path, error))
    }

    /// A tensor of bytes.
    ///
    /// # Errors
    /// [`Error::File`] where it is missing or of another type.
    pub fn bytes(&self, name: &str) -> Result<Vec<u8>> {
        let parsed = self.parsed();
        let view = self.view(&parsed, name)?;
        match view.dtype() {
            Dtype::U8 | Dtype::BOOL => Ok(view.data().to_vec()),
            other => Err(self.wrong(name, other, "u8")),
        }
    }

    /// A tensor of integers of any width.
    ///
    /// # Errors
    /// [`Error::File`] where it is missing or not of integers.
    pub fn integers(&self, name: &str) -> Result<Vec<i64>> {
        let parsed = self.parsed();
        let view = self.view(&parsed, name)?;
        let data = view.data();
        Ok(match view.dtype() {
            Dtype::U8 => data.iter().map(|&b| b.into()).collect(),
            Dtype::I8 => data.iter().map(|&b| (b as i8).into()).collect(),
            Dtype::U16 => data.as_chunks::<2>().0.iter().map(|&b| u16::from_le_bytes(b).into()).collect(),
            Dtype::I16 => data.as_chunks::<2>().0.iter().map(|&b| i16::from_le_bytes(b).into()).collect(),
            Dtype::U32 => data.as_chunks::<4>().0.iter().map(|&b| u32::from_le_bytes(b).into()).collect(),
            Dtype::I32 => data.as_chunks::<4>().0.iter().map(|&b| i32::from_le_bytes(b).into()).collect(),
            Dtype::I64 => data.as_chunks::<8>().0.iter().map(|&b| i64::from_le_bytes(b)).collect(),
            other => return Err(self.wrong(name, other, "an integer type")),
        })
    }

    fn wrong(&self, name: &str, have: Dtype, want: &str) -> Error {
        Error::file(&self.path, format!("tensor {name} is of type {have:?}, expected {want}"))
    }
}
