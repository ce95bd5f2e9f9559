//! Where the samples of a data set lie: in memory here, in files elsewhere.

use crate::error::{Error, Result};
use std::fmt::Debug;

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub enum Sample {
    /// (step, channel) of its spikes, in any order.
    Events(Vec<(u32, u32)>),
    /// `[T][N]`.
    Values(Vec<f32>),
}

impl Sample {
    /// The (step, channel) of the spikes; none of an analogue sample.
    pub fn events(&self) -> &[(u32, u32)] {
        match self {
            Sample::Events(events) => events,
            Sample::Values(_) => &[],
        }
    }

    /// The values `[T][N]`; none of a spiking sample.
    pub fn values(&self) -> &[f32] {
        match self {
            Sample::Events(_) => &[],
            Sample::Values(values) => values,
        }
    }
}

/// Samples of T steps and N channels that can be read one by one, from any thread. All are spikes or all are values.
pub trait Store: Send + Sync + Debug {
    /// Number of samples.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Steps T.
    fn steps(&self) -> usize;

    /// Channels N.
    fn inputs(&self) -> usize;

    /// Whether samples are spikes (else real values).
    fn spiking(&self) -> bool;

    /// Sample `index`, which is below [`Store::len`]: events inside T × N, or T · N finite values.
    ///
    /// # Errors
    /// [`Error::File`] where its file is gone or damaged.
    fn read(&self, index: usize) -> Result<Sample>;
}

/// Lists of events in memory: 4 bytes for a spike where steps and channels fit 16 bits each, else 8.
#[derive(Debug)]
pub(super) struct Packed {
    steps: usize,
    inputs: usize,
    /// The events of sample i are those from `offsets[i]` to `offsets[i + 1]`.
    offsets: Vec<usize>,
    events: List,
}

#[derive(Debug)]
enum List {
    Narrow(Vec<[u16; 2]>),
    Wide(Vec<[u32; 2]>),
}

impl Packed {
    /// No samples yet.
    pub fn new(steps: usize, inputs: usize) -> Self {
        let narrow = steps.max(inputs) <= 1 << 16;
        let events = if narrow { List::Narrow(Vec::new()) } else { List::Wide(Vec::new()) };
        Packed { steps, inputs, offsets: vec![0], events }
    }

    /// Adds a sample.
    ///
    /// # Errors
    /// [`Error::Input`] where an event lies outside, and nothing is added then.
    pub fn push(&mut self, sample: &[(u32, u32)]) -> Result<()> {
        let Packed { steps, inputs, .. } = *self;
        if let Some((step, channel)) = sample.iter().find(|(t, n)| *t as usize >= steps || *n as usize >= inputs) {
            return Err(Error::Input(format!(
                "sample {} has an event of channel {channel} at step {step}, outside {inputs} channels × {steps} steps",
                self.len()
            )));
        }
        match &mut self.events {
            List::Narrow(events) => events.extend(sample.iter().map(|&(t, n)| [t as u16, n as u16])),
            List::Wide(events) => events.extend(sample.iter().map(|&(t, n)| [t, n])),
        }
        self.offsets.push(self.offsets[self.len()] + sample.len());
        Ok(())
    }
}

impl Store for Packed {
    fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    fn steps(&self) -> usize {
        self.steps
    }

    fn inputs(&self) -> usize {
        self.inputs
    }

    fn spiking(&self) -> bool {
        true
    }

    fn read(&self, index: usize) -> Result<Sample> {
        let place = self.offsets[index]..self.offsets[index + 1];
        Ok(Sample::Events(match &self.events {
            List::Narrow(events) => events[place].iter().map(|&[t, n]| (t.into(), n.into())).collect(),
            List::Wide(events) => events[place].iter().map(|&[t, n]| (t, n)).collect(),
        }))
    }
}

/// Values in memory, `[sample][T][N]`.
#[derive(Debug)]
pub(super) struct Analogue {
    steps: usize,
    inputs: usize,
    samples: usize,
    values: Vec<f32>,
}

impl Analogue {
    /// `samples` samples.
    ///
    /// # Errors
    /// [`Error::Input`] where a value is not finite, or their number does not fit.
    pub fn new(steps: usize, inputs: usize, samples: usize, values: Vec<f32>) -> Result<Self> {
        let size = steps * inputs;
        if values.len() != samples * size {
            return Err(Error::Input(format!(
                "{samples} samples of {steps} steps × {inputs} channels are {} values, not {}",
                samples * size,
                values.len()
            )));
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let (sample, step, channel) = (at / size, at % size / inputs, at % inputs);
            let value = values[at];
            return Err(Error::Input(format!(
                "sample {sample} has the value {value} at step {step}, channel {channel}: input must be finite"
            )));
        }
        Ok(Analogue { steps, inputs, samples, values })
    }
}

impl Store for Analogue {
    fn len(&self) -> usize {
        self.samples
    }

    fn steps(&self) -> usize {
        self.steps
    }

    fn inputs(&self) -> usize {
        self.inputs
    }

    fn spiking(&self) -> bool {
        false
    }

    fn read(&self, index: usize) -> Result<Sample> {
        let size = self.steps * self.inputs;
        Ok(Sample::Values(self.values[index * size..][..size].to_vec()))
    }
}
