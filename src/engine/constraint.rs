//! Constraints on weights: masks drawn from the seed or set by the user, and Dale's law.

use super::core::{Core, LayerState};
use super::parameters::split;
use crate::error::{Error, Result};
use crate::kernels::{Constrain, Kernels, Projection};
use crate::network::{Connection, Layer, Network};
use crate::spikes::{Random, words};

/// Streams of random numbers that draw masks, apart from those of the weights.
const MASKS: u64 = 0x4d41_534b_5300_0000 << 8;

/// The constraint on one weight tensor.
#[derive(Default)]
pub(super) struct Constraint<K: Kernels> {
    /// Which weights exist, bit j of row i; None: all.
    pub mask: Option<K::Words>,
    /// How many of the sources are excitatory; None: any sign.
    pub excitatory: Option<usize>,
}

impl<K: Kernels> Constraint<K> {
    /// Of a layer whose connection has `sources` sources.
    pub fn new(layer: &Layer, sources: usize) -> Self {
        Constraint { mask: None, excitatory: layer.dale.map(|dale| dale.count(sources)) }
    }

    /// Holds `values` `[rows][pad(columns)]` to it; `gradient`: where no weight exists only.
    pub fn hold(
        &self,
        kernels: &mut K,
        rows: usize,
        columns: usize,
        modulo: usize,
        values: &mut K::Values,
        gradient: bool,
    ) {
        let excitatory = self.excitatory.filter(|_| !gradient);
        if self.mask.is_none() && excitatory.is_none() {
            return;
        }
        kernels.constrain(Constrain { rows, columns, modulo, mask: self.mask.as_ref(), excitatory, values });
    }
}

/// The mask of the parameter `part` of layer `index` that `seed` draws, `[rows][columns]`; None: all weights exist.
///
/// Of the weights that may exist exactly `density`, rounded, do: each set of that many is equally likely (selection
/// sampling, Knuth 3.4.2, algorithm S).
pub(super) fn draw_mask(network: &Network, index: usize, part: &str, seed: u64) -> Option<Vec<bool>> {
    let layer = &network.layers[index];
    let recurrent = part == "recurrent";
    let (density, rows) = match (part, layer.connection) {
        ("recurrent", _) => (layer.recurrent_density, layer.units),
        (_, Connection::Dense) => (layer.density, network.fan_in(index)),
        (_, Connection::Current) => (layer.density, 1),
    };
    let diagonal = !recurrent || layer.self_connections;
    if density.is_none() && diagonal {
        return None;
    }
    let columns = layer.neuron.kind.gates() * layer.units;
    let mut candidates = rows * columns - if diagonal { 0 } else { columns };
    let mut wanted = (density.unwrap_or(1.0) * candidates as f64).round() as usize;
    let mut random = Random::new(seed, MASKS + 2 * index as u64 + u64::from(recurrent));
    let mut mask = vec![false; rows * columns];
    for (at, exists) in mask.iter_mut().enumerate() {
        if !diagonal && at / columns == at % columns % layer.units {
            continue;
        }
        *exists = random.below(candidates) < wanted;
        wanted -= usize::from(*exists);
        candidates -= 1;
    }
    Some(mask)
}

fn pack(mask: &[bool], columns: usize) -> Vec<u32> {
    let width = words(columns);
    let mut packed = vec![0; mask.len() / columns * width];
    for (row, mask) in packed.chunks_exact_mut(width).zip(mask.chunks_exact(columns)) {
        for (j, _) in mask.iter().enumerate().filter(|(_, exists)| **exists) {
            row[j / 32] |= 1 << (j % 32);
        }
    }
    packed
}

impl<K: Kernels> Core<K> {
    /// Fixes which weights of `name` (`layer0.weight`, `layer1.recurrent`) exist, `[in, out]` as the tensor: the others are 0
    /// from now on. [`Core::initialise`] draws the network's own masks again.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no such tensor or the mask has another size.
    pub fn set_mask(&mut self, name: &str, mask: &[bool]) -> Result<()> {
        let shapes = super::shapes(&self.network);
        let weights = shapes.iter().filter(|(name, _)| name.ends_with(".weight") || name.ends_with(".recurrent"));
        let Some((_, shape)) = weights.clone().find(|(known, _)| known == name) else {
            let known: Vec<&str> = weights.map(|(name, _)| name.as_str()).collect();
            return Err(Error::Input(crate::suggest::unknown("weight tensor", name, &known)));
        };
        let size: usize = shape.iter().product();
        if mask.len() != size {
            return Err(Error::Input(format!("the mask of {name} has {} entries, not {size}", mask.len())));
        }
        let (index, part) = split(name).expect("made by `shapes`");
        self.write_mask(index, part, Some(mask))?;
        self.hold_weights();
        self.refresh();
        Ok(())
    }

    fn write_mask(&mut self, index: usize, part: &str, mask: Option<&[bool]>) -> Result<()> {
        let layer = &mut self.layers[index];
        let units = layer.units;
        let constraint = match part {
            "weight" => &mut layer.constraint,
            _ => &mut layer.recurrent.as_mut().expect("a recurrent layer").constraint,
        };
        let Some(mask) = mask else {
            constraint.mask = None;
            return Ok(());
        };
        let packed = pack(mask, units);
        if constraint.mask.is_none() {
            constraint.mask = Some(self.kernels.words("mask of weights", packed.len())?);
        }
        self.kernels.write_words(constraint.mask.as_mut().expect("made above"), &packed);
        Ok(())
    }

    /// Draws the masks of the network.
    pub(super) fn draw_masks(&mut self, seed: u64) -> Result<()> {
        for index in 0..self.layers.len() {
            let mask = draw_mask(&self.network, index, "weight", seed);
            self.write_mask(index, "weight", mask.as_deref())?;
            if self.layers[index].recurrent.is_some() {
                let mask = draw_mask(&self.network, index, "recurrent", seed);
                self.write_mask(index, "recurrent", mask.as_deref())?;
            }
        }
        Ok(())
    }

    /// Holds all weights to their constraints.
    pub(super) fn hold_weights(&mut self) {
        for layer in &mut self.layers {
            layer.hold(&mut self.kernels, false);
        }
    }
}

impl<K: Kernels> LayerState<K> {
    /// Holds the weights, or their gradients, to the constraints.
    pub(super) fn hold(&mut self, kernels: &mut K, gradient: bool) {
        let (rows, units, columns) = (self.weight_rows(), self.units, self.columns);
        // The source of weight j of a current encoder is its channel.
        let modulo = if self.projection == Projection::Current { self.inputs } else { 1 };
        let values = if gradient { &mut self.weight_gradient } else { &mut self.weights };
        self.constraint.hold(kernels, rows, columns, modulo, values, gradient);
        if let Some(recurrent) = &mut self.recurrent {
            let values = if gradient { &mut recurrent.gradient } else { &mut recurrent.weights };
            recurrent.constraint.hold(kernels, units, columns, 1, values, gradient);
        }
    }
}
