//! A mel filter bank: how loud a sound is in bands that are evenly spaced to the ear, frame by frame.

use crate::error::{Error, Result};
use realfft::{RealFftPlanner, RealToComplex};
use std::fmt;
use std::sync::Arc;

/// Frames of a recording → log10 of the power in triangular bands. As in the front end of Zenke & Vogels 2021: pre-emphasis,
/// Hamming window, |FFT|², bands, logarithm.
#[derive(Clone)]
pub struct FilterBank {
    frame: usize,
    hop: usize,
    pre_emphasis: f32,
    window: Vec<f32>,
    /// Of each band the first bin of the spectrum that it sees, and the weights from there on.
    bands: Vec<(usize, Vec<f32>)>,
    fft: Arc<dyn RealToComplex<f32>>,
}

/// Added to a power before its logarithm is taken: below the rounding of 16-bit sound.
const FLOOR: f32 = 1e-10;

/// Mel scale of a frequency in Hz (O'Shaughnessy 1987).
fn mel(frequency: f64) -> f64 {
    2595.0 * (1.0 + frequency / 700.0).log10()
}

fn hertz(mel: f64) -> f64 {
    700.0 * (10f64.powf(mel / 2595.0) - 1.0)
}

impl FilterBank {
    /// Frames of `frame` sound samples, a new one every `hop`; `bands` triangles from `low` to `high` Hz, each from the
    /// centre of the one before to that of the one after. `rate` is in sound samples a second.
    ///
    /// # Errors
    /// [`Error::Input`] where a band lies between two bins of the spectrum, so that nothing would ever be heard in it.
    pub fn new(
        rate: u32,
        frame: usize,
        hop: usize,
        bands: usize,
        [low, high]: [f64; 2],
        pre_emphasis: f32,
    ) -> Result<Self> {
        let size = frame.next_power_of_two();
        let fft = RealFftPlanner::new().plan_fft_forward(size);
        let turn = std::f64::consts::TAU / (frame.max(2) - 1) as f64;
        let window = (0..frame).map(|n| (0.54 - 0.46 * (turn * n as f64).cos()) as f32).collect();
        let edge = |n: usize| hertz(mel(low) + (mel(high) - mel(low)) * n as f64 / (bands + 1) as f64);
        let bin = f64::from(rate) / size as f64;
        let band = |n: usize| {
            let [left, centre, right] = [n, n + 1, n + 2].map(edge);
            let first = (left / bin).floor() as usize + 1;
            let bins = (first..=size / 2).map(|k| k as f64 * bin).take_while(|&frequency| frequency < right);
            let weight = |frequency: f64| {
                let (rising, falling) = ((frequency - left) / (centre - left), (right - frequency) / (right - centre));
                rising.min(falling) as f32
            };
            (first, bins.map(weight).collect::<Vec<f32>>())
        };
        let bands: Vec<(usize, Vec<f32>)> = (0..bands).map(band).collect();
        if let Some(n) = bands.iter().position(|(_, weights)| weights.is_empty()) {
            return Err(Error::Input(format!(
                "band {n} of {} lies between two bins of {bin:.1} Hz: fewer bands or longer frames",
                bands.len()
            )));
        }
        Ok(FilterBank { frame, hop, pre_emphasis, window, bands, fft })
    }

    /// Bands.
    pub fn bands(&self) -> usize {
        self.bands.len()
    }

    /// Frames of a recording, the last one filled up with silence; at least one.
    pub fn frames(&self, samples: usize) -> usize {
        samples.saturating_sub(self.frame).div_ceil(self.hop) + 1
    }

    /// log10 of the power in each band of each frame, `[frames][bands]`; `sound` is in −1 to 1.
    pub fn apply(&self, sound: &[f32]) -> Vec<f32> {
        let (mut input, mut spectrum) = (self.fft.make_input_vec(), self.fft.make_output_vec());
        let mut scratch = self.fft.make_scratch_vec();
        let mut out = Vec::with_capacity(self.frames(sound.len()) * self.bands());
        for at in 0..self.frames(sound.len()) {
            input.fill(0.0);
            for (n, (value, window)) in input.iter_mut().zip(&self.window).enumerate() {
                let n = at * self.hop + n;
                let Some(now) = sound.get(n) else { break };
                let before = n.checked_sub(1).map_or(0.0, |n| sound[n]);
                *value = window * (now - self.pre_emphasis * before);
            }
            let transformed = self.fft.process_with_scratch(&mut input, &mut spectrum, &mut scratch);
            // The lengths are its own; all that it can complain about else is an imaginary part where none can be.
            debug_assert!(transformed.is_ok());
            let scale = 1.0 / input.len() as f32;
            out.extend(self.bands.iter().map(|(first, weights)| {
                let power = weights.iter().zip(&spectrum[*first..]).map(|(weight, bin)| weight * bin.norm_sqr());
                (power.sum::<f32>() * scale + FLOOR).log10()
            }));
        }
        out
    }
}

impl fmt::Debug for FilterBank {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "FilterBank {{ frame: {}, hop: {}, bands: {} }}", self.frame, self.hop, self.bands.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_loudest_in_its_own_band_and_a_frame_is_a_frame() {
        let bank = FilterBank::new(8000, 200, 80, 20, [20.0, 4000.0], 0.0).unwrap();
        for band in [2, 9, 17] {
            let centre = hertz(mel(20.0) + (mel(4000.0) - mel(20.0)) * f64::from(band + 1) / 21.0);
            let tone = |n: usize| (std::f64::consts::TAU * centre * n as f64 / 8000.0).sin() as f32;
            let sound: Vec<f32> = (0..1000).map(tone).collect();
            let loud = bank.apply(&sound);
            assert_eq!(loud.len(), 11 * 20);
            for frame in loud.chunks_exact(20).take(10) {
                let loudest = (0..20).max_by(|&a, &b| frame[a].total_cmp(&frame[b])).unwrap();
                assert_eq!(loudest, band as usize, "{centre} Hz");
            }
        }
    }

    #[test]
    fn a_tenfold_amplitude_is_a_hundredfold_power() {
        let bank = FilterBank::new(8000, 200, 80, 10, [20.0, 4000.0], 0.97).unwrap();
        let sound: Vec<f32> = (0..400).map(|n: i32| ((n * n) as f32 * 0.37).sin() * 0.05).collect();
        let loud: Vec<f32> = sound.iter().map(|value| value * 10.0).collect();
        for (quiet, loud) in bank.apply(&sound).iter().zip(bank.apply(&loud)) {
            assert!((loud - quiet - 2.0).abs() < 1e-3, "{quiet} {loud}");
        }
        assert_eq!(bank.apply(&[]), vec![FLOOR.log10(); 10]);
    }

    #[test]
    fn a_band_without_a_bin_is_refused() {
        let error = FilterBank::new(8000, 64, 32, 80, [20.0, 4000.0], 0.0).unwrap_err().to_string();
        assert!(error.contains("between two bins"), "{error}");
    }
}
