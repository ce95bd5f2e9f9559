//! Lists of events, sorted, so that a window is found without a look at the rest.

use super::{Source, Word, inside, one, window};
use crate::error::{Error, Result};
use crate::spikes::words;
use std::ops::Range;

/// Spikes as lists of (step, channel), one for each sample, in memory: 8 bytes a spike. Several events of a channel at a
/// step are one spike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Events {
    steps: usize,
    units: usize,
    /// The events of sample b are those from `offsets[b]` to `offsets[b + 1]`.
    offsets: Vec<usize>,
    step: Vec<u32>,
    channel: Vec<u32>,
}

impl Events {
    /// From the (step, channel) of each sample, in any order.
    ///
    /// # Errors
    /// [`Error::Input`] where an event lies outside the T steps or N units.
    pub fn new(steps: usize, units: usize, samples: &[Vec<(u32, u32)>]) -> Result<Self> {
        let ends = samples.iter().scan(0, |end, events| {
            *end += events.len();
            Some(*end)
        });
        let offsets = std::iter::once(0).chain(ends).collect();
        let (step, channel) = samples.iter().flatten().copied().unzip();
        Events::from_flat(steps, units, offsets, step, channel)
    }

    /// From one list of steps and one of channels, of which `offsets[b]..offsets[b + 1]` are the events of sample b, in any
    /// order.
    ///
    /// # Errors
    /// [`Error::Input`] where the offsets do not cut the lists into samples, or an event lies outside the T steps or N units.
    pub fn from_flat(
        steps: usize,
        units: usize,
        offsets: Vec<usize>,
        mut step: Vec<u32>,
        mut channel: Vec<u32>,
    ) -> Result<Self> {
        if step.len() != channel.len() {
            return Err(Error::Input(format!("{} steps of events and {} channels", step.len(), channel.len())));
        }
        check_offsets(offsets.iter().map(|&offset| Some(offset)), step.len()).map_err(Error::Input)?;
        let mut starts = vec![0];
        let mut pairs = Vec::new();
        let mut kept = 0;
        for (sample, ends) in offsets.windows(2).enumerate() {
            let events = ends[0]..ends[1];
            pairs.clear();
            pairs.extend(step[events.clone()].iter().copied().zip(channel[events].iter().copied()));
            in_order(steps, units, sample, &mut pairs)?;
            // Never past what was read: a list only gets shorter.
            for &(t, n) in &pairs {
                (step[kept], channel[kept]) = (t, n);
                kept += 1;
            }
            starts.push(kept);
        }
        step.truncate(kept);
        channel.truncate(kept);
        Ok(Events { steps, units, offsets: starts, step, channel })
    }

    /// The sorted (step, channel) of a sample.
    ///
    /// # Panics
    /// Where there is no such sample.
    pub fn sample(&self, sample: usize) -> impl Iterator<Item = (u32, u32)> {
        let events = self.offsets[sample]..self.offsets[sample + 1];
        self.step[events.clone()].iter().copied().zip(self.channel[events].iter().copied())
    }

    /// The events of a sample, to be searched.
    fn list(&self, sample: usize) -> List<'_, u32> {
        let events = self.offsets[sample]..self.offsets[sample + 1];
        let (step, channel) = (&self.step[events.clone()], &self.channel[events]);
        List { steps: self.steps, units: self.units, sample, step, channel }
    }
}

impl Source for Events {
    fn steps(&self) -> usize {
        self.steps
    }

    fn batch(&self) -> usize {
        self.offsets.len() - 1
    }

    fn units(&self) -> usize {
        self.units
    }

    fn read(&self, steps: Range<usize>, samples: Range<usize>, out: &mut Vec<u32>) -> Result<()> {
        read_lists(self, |sample| self.list(sample), steps, samples, out, Error::Input)
    }

    fn count(&self, steps: Range<usize>, sample: usize) -> Result<u64> {
        inside(self, &steps, &one(sample))?;
        self.list(sample).count(steps).map_err(Error::Input)
    }
}

/// Sorts the events of a sample, each once.
///
/// # Errors
/// [`Error::Input`] where one lies outside.
pub(super) fn in_order(steps: usize, units: usize, sample: usize, events: &mut Vec<(u32, u32)>) -> Result<()> {
    if let Some(&(t, n)) = events.iter().find(|event| event.0 as usize >= steps || event.1 as usize >= units) {
        return Err(Error::Input(outside(steps, units, sample, t, n)));
    }
    if !events.is_sorted_by(|a, b| a < b) {
        events.sort_unstable();
        events.dedup();
    }
    Ok(())
}

/// Whether offsets (none: too large for this machine) cut a list of `events` into samples; else what is wrong.
pub(super) fn check_offsets(
    offsets: impl Iterator<Item = Option<usize>>,
    events: usize,
) -> std::result::Result<(), String> {
    let mut last = None;
    for (sample, offset) in offsets.enumerate() {
        match (last, offset) {
            (_, None) => return Err(format!("the offset of sample {sample} is past all {events} events")),
            (_, Some(offset)) if offset > events => {
                return Err(format!("the offset {offset} of sample {sample} is past all {events} events"));
            }
            (None, Some(offset)) if offset != 0 => {
                return Err(format!("the offset of the first sample is {offset}, not 0"));
            }
            (Some(before), Some(offset)) if offset < before => {
                return Err(format!("the offset {offset} of sample {sample} is below that of the sample before it"));
            }
            _ => last = offset,
        }
    }
    match last {
        None => Err("there are no offsets: B samples have B + 1 of them".into()),
        Some(last) if last != events => Err(format!("the last offset is {last}, but there are {events} events")),
        Some(_) => Ok(()),
    }
}

/// The events of one sample, by step and channel. Of lists from a file nothing is known yet.
pub(super) struct List<'a, W> {
    /// Steps T of the source.
    pub steps: usize,
    /// Units N of the source.
    pub units: usize,
    /// Which sample, for messages.
    pub sample: usize,
    pub step: &'a [W],
    pub channel: &'a [W],
}

impl<W: Word> List<'_, W> {
    /// Where the events from step `t` on begin; all lie before T.
    fn begin(&self, t: usize) -> usize {
        if t < self.steps { self.step.partition_point(|step| (step.value() as usize) < t) } else { self.step.len() }
    }

    /// Calls `visit` with each spike of a window, in order; what is wrong where an event that belongs there is not what it
    /// should be: inside, and sorted. A window begins where the one before it ends whatever the list, so of windows that
    /// make up all steps, one meets what is wrong.
    pub fn visit(&self, window: Range<usize>, mut visit: impl FnMut(usize, usize)) -> std::result::Result<(), String> {
        if window.is_empty() {
            return Ok(());
        }
        let first = self.begin(window.start);
        // Of a list that is not sorted, or changes while it is searched, no order is known.
        let events = first..self.begin(window.end).max(first);
        let mut before = None;
        for (step, channel) in self.step[events.clone()].iter().zip(&self.channel[events]) {
            let (t, n) = (step.value(), channel.value());
            if t as usize >= self.steps || n as usize >= self.units {
                return Err(outside(self.steps, self.units, self.sample, t, n));
            }
            if !window.contains(&(t as usize)) || before > Some((t, n)) {
                return Err(format!("the events of sample {} are not sorted at step {t}, channel {n}", self.sample));
            }
            if before != Some((t, n)) {
                visit(t as usize, n as usize);
            }
            before = Some((t, n));
        }
        Ok(())
    }

    /// Number of spikes in a window.
    pub fn count(&self, window: Range<usize>) -> std::result::Result<u64, String> {
        let mut spikes = 0;
        self.visit(window, |_, _| spikes += 1)?;
        Ok(spikes)
    }
}

fn outside(steps: usize, units: usize, sample: usize, t: u32, n: u32) -> String {
    format!("sample {sample} has an event of channel {n} at step {t}, outside {units} channels × {steps} steps")
}

/// [`Source::read`] from lists; `error` says whose fault wrong ones are.
pub(super) fn read_lists<'a, W: Word + 'a>(
    source: &impl Source,
    list: impl Fn(usize) -> List<'a, W>,
    steps: Range<usize>,
    samples: Range<usize>,
    out: &mut Vec<u32>,
    error: impl Fn(String) -> Error,
) -> Result<()> {
    let length = window(source, &steps, &samples, out)?;
    if length == 0 {
        return Ok(());
    }
    out.resize(length, 0);
    let (row, width) = (words(source.units()), samples.len() * words(source.units()));
    for (b, sample) in samples.enumerate() {
        let set = |t: usize, n: usize| out[(t - steps.start) * width + b * row + n / 32] |= 1 << (n % 32);
        list(sample).visit(steps.clone(), set).map_err(&error)?;
    }
    Ok(())
}
