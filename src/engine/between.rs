//! What stands between two layers: dropout of the spikes below, normalisation of the drive above.

use super::core::Core;
use crate::error::{Error, Result};
use crate::kernels::*;
use crate::network::{DropoutPer, Layer, Scale};
use crate::spikes::encode::WHOLE;
use crate::spikes::{Random, pad};

/// Streams of random numbers that drop spikes, one for each layer.
const STREAMS: u64 = 0x4452_4f50_0000_0000 << 24;

/// Dropout of a layer's spikes.
#[derive(Clone, Copy)]
pub(super) struct Dropping {
    keep: u32,
    per_step: bool,
    /// What a spike that is kept counts.
    pub factor: f64,
}

impl Dropping {
    pub fn of(layer: &Layer) -> Option<Dropping> {
        let dropout = layer.dropout.filter(|dropout| dropout.rate > 0.0)?;
        let keep = ((1.0 - dropout.rate) * f64::from(WHOLE)).round() as u32;
        let per_step = dropout.per == DropoutPer::Step;
        Some(Dropping { keep, per_step, factor: 1.0 / (1.0 - dropout.rate) })
    }

    /// The mask of training pass `pass` for layer `index`.
    pub fn mask(&self, seed: u64, index: usize, pass: u64) -> DropoutMask {
        let key = Random::new(seed, STREAMS + index as u64).at(pass);
        DropoutMask { keep: self.keep, per_step: self.per_step, key }
    }
}

/// The weights of a layer whose source loses spikes, times what the kept ones count; and their other layouts.
pub(super) struct Scaled<K: Kernels> {
    pub factor: f64,
    pub weights: K::Values,
    pub prepared: K::Prepared,
}

/// A normalised drive.
pub(super) struct Normal<K: Kernels> {
    pub epsilon: f64,
    pub momentum: f64,
    /// `[2][np]`: scale, shift.
    pub parameters: K::Values,
    pub gradient: K::Values,
    /// `[3][np]`, see [`normal`].
    pub running: K::Values,
}

impl<K: Kernels> Normal<K> {
    pub fn new(kernels: &mut K, layer: &Layer) -> Result<Option<Self>> {
        let Some(of) = layer.normalise else { return Ok(None) };
        let width = pad(layer.units);
        let mut running = kernels.values("running statistics", normal::ROWS * width)?;
        kernels.fill(&mut running, normal::VARIANCE * width..(normal::VARIANCE + 1) * width, 1.0);
        let factors = match (of.scale, &layer.neuron.threshold) {
            (Scale::Threshold, Some(theta)) => theta.broadcast(layer.units),
            (Scale::Number(number), _) => vec![number; layer.units],
            (Scale::Threshold, None) => unreachable!("checked with the network"),
        };
        let factors: Vec<K::Real> = factors.into_iter().map(K::Real::from_f64).collect();
        kernels.write(&mut running, normal::FACTOR * width, &factors);
        Ok(Some(Normal {
            epsilon: of.epsilon,
            momentum: of.momentum,
            parameters: kernels.values("normalisation", normal::LEARNED * width)?,
            gradient: kernels.values("normalisation gradient", normal::LEARNED * width)?,
            running,
        }))
    }

    /// The array and the row in it that a parameter's name means.
    pub fn place(&mut self, part: &str) -> Option<(&mut K::Values, usize)> {
        match part {
            "norm_scale" => Some((&mut self.parameters, 0)),
            "norm_shift" => Some((&mut self.parameters, 1)),
            "norm_mean" => Some((&mut self.running, normal::MEAN)),
            "norm_variance" => Some((&mut self.running, normal::VARIANCE)),
            _ => None,
        }
    }
}

/// What a normalised layer keeps for its adjoint.
pub(super) struct NormalTape<M: Memory> {
    /// The normalised drive `[T][B][np]`.
    pub normal: M::Values,
    /// 1/√(σ² + ε) of the batch `[np]`.
    pub deviation: M::Values,
    /// dL/dX before the normalisation, `[T + FUTURE][B][np]`.
    pub chi: M::Values,
}

impl<M: Memory> NormalTape<M> {
    pub fn new(kernels: &mut M, shape: Shape) -> Result<Self> {
        Ok(NormalTape {
            normal: kernels.values("normalised drive", shape.len(shape.steps))?,
            deviation: kernels.values("deviation of the drive", shape.row())?,
            chi: kernels.values("adjoint before the normalisation", shape.len(shape.steps + FUTURE))?,
        })
    }
}

impl<K: Kernels> Core<K> {
    /// The number of the next training pass, which draws its dropout masks. [`Core::forward`] counts on from here;
    /// [`Core::initialise`] starts at 0, [`Core::set_optimiser_state`] at the steps done.
    pub fn set_pass(&mut self, pass: u64) {
        self.pass = pass;
    }

    /// A backward pass through a normalised drive needs the statistics of its own batch.
    pub(super) fn check_normalised(&self) -> Result<()> {
        if !self.trained && self.layers.iter().any(|layer| layer.normal.is_some()) {
            return Err(Error::Input("a stream through a normalised drive has no backward pass: use forward".into()));
        }
        Ok(())
    }
}
