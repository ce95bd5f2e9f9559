//! NumPy files: a zip of arrays, read strictly. A file from anywhere may be handed in, so nothing is allocated on the word
//! of a header alone.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// An array, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Shape.
    pub shape: Vec<usize>,
    /// Values; integers up to 16 bits are exact.
    pub values: Vec<f32>,
}

/// A file of arrays (`.npz`).
pub struct Npz {
    path: PathBuf,
    archive: ZipArchive<BufReader<File>>,
}

/// The most entries that an array may have.
const MOST: usize = 1 << 28;

impl Npz {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::File`] where it cannot be opened or is not a complete zip file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let file = File::open(&path).map_err(|error| Error::file(&path, error))?;
        let archive = ZipArchive::new(BufReader::new(file))
            .map_err(|_| Error::file(&path, "not a complete .npz file (truncated or damaged): get it again"))?;
        Ok(Npz { path, archive })
    }

    /// The array `name`; `shape` holds the length that each axis must have, or None where any will do.
    ///
    /// # Errors
    /// [`Error::File`] where it is missing, has another shape or a number type that is not read, or is damaged.
    pub fn array(&mut self, name: &str, shape: &[Option<usize>]) -> Result<Array> {
        let fail = |message: String| Error::file(&self.path, message);
        let mut entry = self
            .archive
            .by_name(&format!("{name}.npy"))
            .map_err(|_| Error::file(&self.path, format!("has no array {name}")))?;
        let header = Header::read(&mut entry).map_err(|reason| fail(format!("array {name}: {reason}")))?;
        let fits = header.shape.len() == shape.len()
            && header.shape.iter().zip(shape).all(|(have, want)| want.is_none_or(|want| want == *have));
        if !fits {
            let axes: Vec<String> =
                shape.iter().map(|axis| axis.map_or("any".to_string(), |axis| axis.to_string())).collect();
            return Err(fail(format!("array {name} has the shape {:?}, expected [{}]", header.shape, axes.join(", "))));
        }
        let count = header.shape.iter().try_fold(1usize, |product, &axis| product.checked_mul(axis));
        let Some(count) = count.filter(|&count| count <= MOST) else {
            return Err(fail(format!(
                "array {name} claims the shape {:?}, which is too large to be true",
                header.shape
            )));
        };
        let length = count * header.kind.bytes();
        let mut bytes = Vec::new();
        // The vector grows with what is really there, not with what the header claims.
        entry
            .by_ref()
            .take(length as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|_| Error::file(&self.path, format!("array {name} is damaged: get the file again")))?;
        if bytes.len() != length {
            let amount = if bytes.len() < length { "ends early" } else { "is longer than its shape says" };
            return Err(Error::file(&self.path, format!("array {name} {amount}: get the file again")));
        }
        let values = header.kind.decode(&bytes);
        let values = if header.columns_first { row_major(&values, &header.shape) } else { values };
        Ok(Array { shape: header.shape, values })
    }
}

/// Values whose first axis runs fastest, with the last one fastest.
fn row_major(values: &[f32], shape: &[usize]) -> Vec<f32> {
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1;
    for &length in shape {
        strides.push(stride);
        stride *= length;
    }
    let (mut at, mut place) = (vec![0; shape.len()], 0);
    let mut out = Vec::with_capacity(values.len());
    while out.len() < values.len() {
        out.push(values[place]);
        for axis in (0..shape.len()).rev() {
            at[axis] += 1;
            place += strides[axis];
            if at[axis] < shape[axis] {
                break;
            }
            place -= strides[axis] * at[axis];
            at[axis] = 0;
        }
    }
    out
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    U8,
    I8,
    U16,
    I16,
    F32,
}

impl Kind {
    fn bytes(self) -> usize {
        match self {
            Kind::U8 | Kind::I8 => 1,
            Kind::U16 | Kind::I16 => 2,
            Kind::F32 => 4,
        }
    }

    fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Kind::U8 => bytes.iter().map(|&byte| f32::from(byte)).collect(),
            Kind::I8 => bytes.iter().map(|&byte| f32::from(byte as i8)).collect(),
            Kind::U16 => bytes.as_chunks::<2>().0.iter().map(|&bytes| f32::from(u16::from_le_bytes(bytes))).collect(),
            Kind::I16 => bytes.as_chunks::<2>().0.iter().map(|&bytes| f32::from(i16::from_le_bytes(bytes))).collect(),
            Kind::F32 => bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
        }
    }
}

/// What stands before the numbers (NEP 1): a magic number, a version, and a Python dictionary.
#[derive(Debug, PartialEq)]
struct Header {
    kind: Kind,
    shape: Vec<usize>,
    /// Fortran order: the first axis runs fastest.
    columns_first: bool,
}

impl Header {
    fn read(reader: &mut impl Read) -> std::result::Result<Header, String> {
        let mut fixed = [0; 8];
        reader.read_exact(&mut fixed).map_err(|_| "is not a NumPy array")?;
        if &fixed[..6] != b"\x93NUMPY" {
            return Err("is not a NumPy array".into());
        }
        let length = match fixed[6] {
            1 => {
                let mut bytes = [0; 2];
                reader.read_exact(&mut bytes).map_err(|_| "has no header")?;
                usize::from(u16::from_le_bytes(bytes))
            }
            2 | 3 => {
                let mut bytes = [0; 4];
                reader.read_exact(&mut bytes).map_err(|_| "has no header")?;
                u32::from_le_bytes(bytes) as usize
            }
            version => return Err(format!("has the unknown format version {version}")),
        };
        if length > 1 << 16 {
            return Err("has a header that is too long to be true".into());
        }
        let mut text = vec![0; length];
        reader.read_exact(&mut text).map_err(|_| "has a header that ends early")?;
        let text = String::from_utf8(text).map_err(|_| "has a header that is not text")?;
        Header::parse(&text)
    }

    /// From `{'descr': '|u1', 'fortran_order': False, 'shape': (1350, 77, 12), }`.
    fn parse(text: &str) -> std::result::Result<Header, String> {
        let after = |key: &str| {
            let at = text.find(&format!("'{key}'")).ok_or_else(|| format!("has no {key} in its header"))?;
            let rest = text[at + key.len() + 2..].trim_start();
            rest.strip_prefix(':').map(str::trim_start).ok_or_else(|| format!("has a malformed {key} in its header"))
        };
        let kind = after("descr")?;
        let kind = kind.strip_prefix('\'').and_then(|rest| rest.split('\'').next()).unwrap_or_default();
        let kind = match kind {
            "|u1" | "<u1" => Kind::U8,
            "|i1" | "<i1" => Kind::I8,
            "<u2" => Kind::U16,
            "<i2" => Kind::I16,
            "<f4" => Kind::F32,
            other => return Err(format!("has numbers of the type '{other}', read are |u1 |i1 <u2 <i2 <f4")),
        };
        let order = after("fortran_order")?;
        let columns_first = order.starts_with("True");
        if !columns_first && !order.starts_with("False") {
            return Err("has a malformed fortran_order in its header".into());
        }
        let shape = after("shape")?;
        let inner = shape.strip_prefix('(').and_then(|rest| rest.split_once(')')).map(|(inner, _)| inner);
        let axes = inner.ok_or("has a malformed shape")?.split(',').map(str::trim).filter(|axis| !axis.is_empty());
        let shape: std::result::Result<Vec<usize>, _> = axes.map(str::parse).collect();
        Ok(Header { kind, shape: shape.map_err(|_| "has a malformed shape")?, columns_first })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_either_order_come_out_row_major() {
        // a[i, j, k] = 100 i + 10 j + k of shape (2, 3, 2), the first axis fastest.
        let columns_first: Vec<f32> = (0..12).map(|at| (100 * (at % 2) + 10 * (at / 2 % 3) + at / 6) as f32).collect();
        let expected: Vec<f32> = (0..12).map(|at| (100 * (at / 6) + 10 * (at / 2 % 3) + at % 2) as f32).collect();
        assert_eq!(row_major(&columns_first, &[2, 3, 2]), expected);
        assert_eq!(row_major(&[1.0, 2.0], &[2]), [1.0, 2.0]);
        assert!(row_major(&[], &[0, 4]).is_empty());
    }

    #[test]
    fn a_header_is_read_strictly() {
        let good = Header::parse("{'descr': '|u1', 'fortran_order': False, 'shape': (1350, 77, 12), }  \n");
        assert_eq!(good, Ok(Header { kind: Kind::U8, shape: vec![1350, 77, 12], columns_first: false }));
        let one = Header::parse("{'descr': '<u2', 'fortran_order': True, 'shape': (7,), }");
        assert_eq!(one, Ok(Header { kind: Kind::U16, shape: vec![7], columns_first: true }));
        for bad in [
            "{}",
            "{'descr': '|O', 'fortran_order': False, 'shape': (7,), }",
            "{'descr': '|u1', 'fortran_order': Maybe, 'shape': (7,), }",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (-7,), }",
            "{'descr': '|u1', 'fortran_order': False, 'shape': 7",
            "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999999,), }",
        ] {
            assert!(Header::parse(bad).is_err(), "{bad}");
        }
    }
}
