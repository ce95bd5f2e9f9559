//! Where a gradient comes from, and how it gets onto the device.

use super::core::Core;
use super::forward::At;
use crate::error::{Error, Result};
use crate::kernels::*;

/// Where the gradient of a backward pass comes from: the built-in loss, the user's own gradients, or both added up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gradient<F = f32> {
    /// Whether the built-in loss counts.
    pub loss: bool,
    /// dL/d activation of the readout's first loss, `[B, units]`.
    pub activation: Option<Vec<F>>,
    /// dL/dO of a layer's emitted spikes, `[T, B, units]`.
    pub spikes: Vec<(usize, Vec<F>)>,
    /// dL/dV of a layer's potential (of the readout: of its trace), `[T, B, units]`.
    pub potential: Vec<(usize, Vec<F>)>,
}

impl<F> Gradient<F> {
    /// Of the built-in loss and the regularisers of the network.
    pub fn loss() -> Self {
        Gradient { loss: true, activation: None, spikes: Vec::new(), potential: Vec::new() }
    }

    /// Of the user's own loss: dL/d activation `[B, units]`.
    pub fn activation(values: Vec<F>) -> Self {
        Gradient { loss: false, activation: Some(values), spikes: Vec::new(), potential: Vec::new() }
    }

    /// None yet; add with the methods below.
    pub fn none() -> Self {
        Gradient { loss: false, activation: None, spikes: Vec::new(), potential: Vec::new() }
    }

    /// Adds dL/dO of a layer's emitted spikes, `[T, B, units]`.
    pub fn with_spikes(mut self, layer: usize, values: Vec<F>) -> Self {
        self.spikes.push((layer, values));
        self
    }

    /// Adds dL/dV of a layer's potential, `[T, B, units]`.
    pub fn with_potential(mut self, layer: usize, values: Vec<F>) -> Self {
        self.potential.push((layer, values));
        self
    }
}

impl<K: Kernels> Core<K> {
    pub(super) fn check_gradient(&self, index: usize, gradient: &Gradient<K::Real>) -> Result<()> {
        let plan = &self.plans[index];
        let size = |what: &str, values: &[K::Real], expected: usize| {
            if values.len() != expected {
                return Err(Error::Input(format!(
                    "the gradient of {what} has {} values, not {expected}",
                    values.len()
                )));
            }
            match values.iter().position(|value| !value.to_f64().is_finite()) {
                Some(at) => Err(Error::Input(format!("the gradient of {what} is not finite at entry {at}"))),
                None => Ok(()),
            }
        };
        let steps = plan.sequence.steps;
        let batch = plan.sequence.batch;
        if gradient.loss {
            self.needs_labels()?;
        }
        if let Some(values) = &gradient.activation {
            self.has_activation()?;
            size("the activation", values, batch * self.network.outputs())?;
        }
        for (layer, values) in &gradient.spikes {
            self.spiking(*layer)?;
            size(&format!("layer{layer}.spikes"), values, steps * batch * self.layers[*layer].units)?;
        }
        for (layer, values) in &gradient.potential {
            self.exists(*layer)?;
            size(&format!("layer{layer}.potential"), values, steps * batch * self.layers[*layer].units)?;
        }
        Ok(())
    }

    /// Sets dL/d activation of the first loss where somebody gives one.
    pub(super) fn upload_activation_gradient(&mut self, index: usize, gradient: &Gradient<K::Real>) -> Result<()> {
        let Some(values) = &gradient.activation else { return Ok(()) };
        if !gradient.loss {
            self.write_activation_gradient(index, values);
            return Ok(());
        }
        let mut sum = self.read_activation(index, plane::ACTIVATION_GRADIENT, Place::OWN.gradient)?;
        for (sum, given) in sum.iter_mut().zip(values) {
            *sum = K::Real::from_f64(given.to_f64() + sum.to_f64());
        }
        self.write_activation_gradient(index, &sum);
        Ok(())
    }

    /// What is given of layer `l` in a segment goes on the device; what the readout adds to starts at 0 there. Returns
    /// whether there is a gradient of the potential, and of the spikes.
    pub(super) fn upload_gradient(
        &mut self,
        at: &At,
        l: usize,
        gradient: &Gradient<K::Real>,
        (by_potential, by_spikes): (bool, bool),
    ) -> Result<(bool, bool)> {
        let shape = at.shape(self.layers[l].units);
        let plan = &self.plans[at.index];
        let all = plan.layers[l].shape;
        let longest = Shape { steps: plan.cut.steps.min(all.steps), batch: plan.cut.samples.min(all.batch), ..all };
        let room = longest.len(longest.steps);
        let lag = self.layers[l].model.emit_lag;
        let given = |all: &[(usize, Vec<K::Real>)]| all.iter().any(|(layer, _)| *layer == l);
        let (spikes, potential) = (given(&gradient.spikes), given(&gradient.potential));
        // Dropout masks what comes from above, but not what is given.
        let masked = self.trained && self.layers[l].dropping.is_some();
        if spikes && !masked {
            self.ensure_gradient(at.index, room)?;
        }
        let (kernels, work) = (&mut self.kernels, &mut self.plans[at.index].work);
        let len = shape.len(shape.steps);
        let has_spikes = spikes || by_spikes;
        if spikes {
            let rows = given_rows(&gradient.spikes, l, at, all, lag, &mut self.staging);
            if masked {
                let given = match &mut work.given {
                    Some(given) => given,
                    none => none.insert(kernels.values("given gradient of spikes", room)?),
                };
                kernels.write(given, 0, rows);
            } else {
                kernels.write(&mut work.gradient, 0, rows);
            }
        } else if by_spikes {
            kernels.fill(&mut work.gradient, 0..len, 0.0);
        }
        let has_potential = potential || by_potential;
        if has_potential {
            let into = match &mut work.potential {
                Some(into) if work.potential_len >= room => into,
                slot => {
                    // The old one first: both may not fit.
                    *slot = None;
                    work.potential_len = room;
                    slot.insert(kernels.values("gradient of potential", room)?)
                }
            };
            if potential {
                kernels.write(into, 0, given_rows(&gradient.potential, l, at, all, 0, &mut self.staging));
            } else {
                kernels.fill(into, 0..len, 0.0);
            }
        }
        Ok((has_potential, has_spikes))
    }

    /// Room for the gradient of the spikes of a segment.
    pub(super) fn ensure_gradient(&mut self, index: usize, len: usize) -> Result<()> {
        let work = &mut self.plans[index].work;
        if work.gradient_len < len {
            work.gradient = self.kernels.values("gradient of spikes", len)?;
            work.gradient_len = len;
        }
        Ok(())
    }
}

/// The sum of what is given for layer `l` in the rows of a segment; the gradient of `O_t = S_{t-e}` belongs to row t − e.
fn given_rows<'a, F: Real>(
    given: &[(usize, Vec<F>)],
    l: usize,
    at: &At,
    all: Shape,
    lag: usize,
    rows: &'a mut Vec<F>,
) -> &'a [F] {
    let shape = at.shape(all.units);
    rows.clear();
    rows.resize(shape.len(shape.steps), F::from_f64(0.0));
    for (_, values) in given.iter().filter(|(layer, _)| *layer == l) {
        for (m, row) in rows.chunks_exact_mut(shape.row()).enumerate() {
            let (t, b) = (at.steps.start + m / shape.batch + lag, at.samples.start + m % shape.batch);
            if t < all.steps {
                for (row, value) in row.iter_mut().zip(&values[(t * all.batch + b) * all.units..][..all.units]) {
                    *row = F::from_f64(row.to_f64() + value.to_f64());
                }
            }
        }
    }
    rows
}
