//! Host-side activity: [`Raster`] holds 0/1 spikes as bits, [`Trace`] holds real values. Both are time-major.

use crate::error::{Error, Result};

/// Neurons in a word of a raster, and the multiple that rows of values are padded to.
pub const WORD: usize = 32;

/// Words that hold the spikes of `units` neurons.
pub const fn words(units: usize) -> usize {
    units.div_ceil(WORD)
}

/// `units` rounded up to a multiple of 32: the length of a row of values on a device.
pub const fn pad(units: usize) -> usize {
    words(units) * WORD
}

/// Spikes `[T, B, N]`, one bit each: bit `n mod 32` of word `[t][b][n / 32]`. Bits past N are 0.
#[derive(Debug, PartialEq, Eq)]
pub struct Raster {
    steps: usize,
    batch: usize,
    units: usize,
    words: Vec<u32>,
}

impl Clone for Raster {
    fn clone(&self) -> Self {
        Raster { words: self.words.clone(), ..*self }
    }

    /// Keeps the room that it has.
    fn clone_from(&mut self, source: &Self) {
        let Raster { steps, batch, units, words } = source;
        (self.steps, self.batch, self.units) = (*steps, *batch, *units);
        self.words.clone_from(words);
    }
}

impl Raster {
    /// No spikes at all.
    pub fn new(steps: usize, batch: usize, units: usize) -> Self {
        Raster { steps, batch, units, words: vec![0; steps * batch * words(units)] }
    }

    /// From packed words `[T][B][words(N)]`.
    ///
    /// # Errors
    /// [`Error::Input`] where the length does not fit or a bit past N is set.
    pub fn from_words(steps: usize, batch: usize, units: usize, data: Vec<u32>) -> Result<Self> {
        let row = words(units);
        if data.len() != steps * batch * row {
            let expected = steps * batch * row;
            return Err(Error::Input(format!(
                "a raster of {steps} steps × {batch} samples × {units} units has {expected} words, not {}",
                data.len()
            )));
        }
        let rest = units % WORD;
        if rest != 0 && data.chunks_exact(row).any(|words| words[row - 1] >> rest != 0) {
            return Err(Error::Input(format!("a raster has a spike of a unit past the {units} that it has")));
        }
        Ok(Raster { steps, batch, units, words: data })
    }

    /// From one byte for each spike, `[T][B][N]`, 0 or 1.
    ///
    /// # Errors
    /// [`Error::Input`] where the length does not fit or a byte is neither 0 nor 1.
    pub fn from_bytes(steps: usize, batch: usize, units: usize, bytes: &[u8]) -> Result<Self> {
        if bytes.len() != steps * batch * units {
            let expected = steps * batch * units;
            return Err(Error::Input(format!(
                "spikes of {steps} steps × {batch} samples × {units} units are {expected} bytes, not {}",
                bytes.len()
            )));
        }
        let mut raster = Raster::new(steps, batch, units);
        let row = words(units);
        for (r, spikes) in bytes.chunks_exact(units.max(1)).enumerate() {
            for (n, &spike) in spikes.iter().enumerate() {
                match spike {
                    0 => {}
                    1 => raster.words[r * row + n / WORD] |= 1 << (n % WORD),
                    other => return Err(Error::Input(format!("a spike is 0 or 1, not {other}"))),
                }
            }
        }
        Ok(raster)
    }

    /// Steps T.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Samples B.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Units N.
    pub fn units(&self) -> usize {
        self.units
    }

    /// The packed words, `[T][B][words(N)]`.
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// Sets the spike of unit `n` of sample `b` at step `t`.
    ///
    /// # Panics
    /// Where an index is out of range.
    pub fn set(&mut self, t: usize, b: usize, n: usize) {
        assert!(t < self.steps && b < self.batch && n < self.units, "spike ({t}, {b}, {n}) is outside the raster");
        let at = (t * self.batch + b) * words(self.units) + n / WORD;
        self.words[at] |= 1 << (n % WORD);
    }

    /// Whether unit `n` of sample `b` spikes at step `t`.
    pub fn get(&self, t: usize, b: usize, n: usize) -> bool {
        self.words[(t * self.batch + b) * words(self.units) + n / WORD] >> (n % WORD) & 1 == 1
    }

    /// Number of spikes.
    pub fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// One byte for each spike, `[T][B][N]`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.steps * self.batch * self.units);
        for t in 0..self.steps {
            for b in 0..self.batch {
                bytes.extend((0..self.units).map(|n| u8::from(self.get(t, b, n))));
            }
        }
        bytes
    }
}

/// Real values `[T, B, N]`, not padded: analogue input, potentials, gradients.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace<F = f32> {
    /// Steps T.
    pub steps: usize,
    /// Samples B.
    pub batch: usize,
    /// Units N.
    pub units: usize,
    /// `[T][B][N]`.
    pub values: Vec<F>,
}

impl<F: Copy> Trace<F> {
    /// From values `[T][B][N]`.
    ///
    /// # Errors
    /// [`Error::Input`] where the length does not fit.
    pub fn new(steps: usize, batch: usize, units: usize, values: Vec<F>) -> Result<Self> {
        if values.len() != steps * batch * units {
            let expected = steps * batch * units;
            return Err(Error::Input(format!(
                "values of {steps} steps × {batch} samples × {units} units are {expected}, not {}",
                values.len()
            )));
        }
        Ok(Trace { steps, batch, units, values })
    }

    /// The value of unit `n` of sample `b` at step `t`.
    pub fn get(&self, t: usize, b: usize, n: usize) -> F {
        self.values[(t * self.batch + b) * self.units + n]
    }
}
