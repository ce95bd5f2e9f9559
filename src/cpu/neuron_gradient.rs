//! Constants of a layer from its parameters, and the gradients of the parameters. See [`crate::kernels::NeuronGradient`].

use super::Cpu;
use super::float::Float;
use crate::kernels::{Mode, Model, NEVER, NeuronGradient, constant, plane, row};
use crate::spikes::pad;

/// See [`crate::kernels::Kernels::constants`].
pub fn constants<F: Float>(model: Model, units: usize, dt: f64, parameters: &[F], out: &mut [F]) {
    let width = pad(units);
    let dt = F::from_f64(dt);
    for j in 0..width {
        let parameter = |row: usize| parameters[row * width + j];
        let inside = j < units;
        let decay = |tau: F| (-dt / tau).exp().min(F::below_one());
        let alpha = if inside && model.synapse { decay(parameter(row::TAU_SYN)) } else { F::ZERO };
        let beta = if inside { decay(parameter(row::TAU_MEM)) } else { F::ZERO };
        let gamma = match (inside, model.normalised) {
            (false, _) => F::ZERO,
            (true, true) => F::ONE - beta,
            (true, false) => F::ONE,
        };
        let never = F::from_f64(NEVER);
        out[constant::ALPHA * width + j] = alpha;
        out[constant::BETA * width + j] = beta;
        out[constant::GAMMA * width + j] = gamma;
        out[constant::THETA * width + j] = if inside && model.spiking { parameter(row::THRESHOLD) } else { never };
        out[constant::BIAS * width + j] = if inside { parameter(row::BIAS) } else { F::ZERO };
    }
}

/// See [`NeuronGradient`].
pub fn neuron_gradient<F: Float>(call: NeuronGradient<Cpu<F>>) {
    let (width, units) = (call.shape.row(), call.shape.units);
    let dt = F::from_f64(call.dt);
    call.out[..row::ROWS * width].fill(F::ZERO);
    let rows = [
        (row::TAU_SYN, plane::ALPHA_GRADIENT, Some(constant::ALPHA)),
        (row::TAU_MEM, plane::BETA_GRADIENT, Some(constant::BETA)),
        (row::THRESHOLD, plane::THETA_GRADIENT, None),
        (row::BIAS, plane::BIAS_GRADIENT, None),
    ];
    for (row, from, decay) in rows {
        let (mode, shared) = call.modes[row];
        if mode == Mode::Frozen {
            continue;
        }
        let out = &mut call.out[row * width..][..width];
        for planes in call.planes.chunks_exact(plane::PLANES * width) {
            for (out, &value) in out[..units].iter_mut().zip(&planes[from * width..]) {
                *out += value;
            }
        }
        if let Some(decay) = decay {
            for j in 0..units {
                let tau = call.parameters[row * width + j];
                out[j] = out[j] * call.constants[decay * width + j] * dt / (tau * tau);
            }
        }
        if shared {
            let mut sum = F::ZERO;
            for value in &mut out[..units] {
                sum += *value;
                *value = F::ZERO;
            }
            out[0] = sum;
        }
    }
}
