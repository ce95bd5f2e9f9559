//! Constants of a layer from its parameters, and the gradients of the parameters. See [`crate::kernels::NeuronGradient`].

use super::Cpu;
use super::float::Float;
use crate::kernels::{Mode, Model, NEVER, NeuronGradient, constant, plane, row};
use crate::neuron::{Leak, Tail, Transform};
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
        let tau = parameter(row::TAU_MEM);
        let beta = match (inside, model.leak) {
            (false, _) => F::ZERO,
            (true, Leak::Exponential) => decay(tau),
            (true, Leak::Euler) => (F::ONE - dt / tau).min(F::below_one()),
            (true, Leak::Logistic) => (F::ONE - logistic(tau)).min(F::below_one()),
            (true, Leak::None) => F::ONE,
        };
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
    let own = model.snippet.map_or(&[][..], |snippet| snippet.parameters);
    for (index, spec) in own.iter().enumerate() {
        let values = &parameters[(row::ROWS + index) * width..][..width];
        let out = &mut out[(constant::ROWS + index) * width..][..width];
        for (out, &value) in out.iter_mut().zip(values) {
            *out = match spec.transform {
                Transform::Identity => value,
                Transform::Decay => (-dt / value).exp().min(F::below_one()),
                Transform::Rate => dt / value,
            };
        }
    }
}

/// `1 / (1 + e^−p)`.
fn logistic<F: Float>(p: F) -> F {
    let e = (-p.abs()).exp();
    if p < F::ZERO { e / (F::ONE + e) } else { F::ONE / (F::ONE + e) }
}

/// See [`NeuronGradient`].
pub fn neuron_gradient<F: Float>(call: NeuronGradient<Cpu<F>>) {
    let (width, units, model) = (call.shape.row(), call.shape.units, call.model);
    let dt = F::from_f64(call.dt);
    call.out[..model.parameter_rows() * width].fill(F::ZERO);
    let rows = [
        (row::TAU_SYN, plane::ALPHA_GRADIENT),
        (row::TAU_MEM, plane::BETA_GRADIENT),
        (row::THRESHOLD, plane::THETA_GRADIENT),
        (row::BIAS, plane::BIAS_GRADIENT),
    ];
    for (row, from) in rows {
        if call.modes[row].0 == Mode::Frozen {
            continue;
        }
        let out = &mut call.out[row * width..][..units];
        for planes in call.planes.chunks_exact(plane::PLANES * width).take(call.shape.batch) {
            for (out, &value) in out.iter_mut().zip(&planes[from * width..]) {
                *out += value;
            }
        }
        let parameters = &call.parameters[row * width..];
        let decay = |constant: usize, j: usize| call.constants[constant * width + j];
        for (j, out) in out.iter_mut().enumerate() {
            let tau = parameters[j];
            *out = match (row, model.leak) {
                (row::TAU_SYN, _) => *out * decay(constant::ALPHA, j) * dt / (tau * tau),
                (row::TAU_MEM, Leak::Exponential) => *out * decay(constant::BETA, j) * dt / (tau * tau),
                (row::TAU_MEM, Leak::Euler) => *out * dt / (tau * tau),
                (row::TAU_MEM, Leak::Logistic) => {
                    let beta = decay(constant::BETA, j);
                    -(*out * beta * (F::ONE - beta))
                }
                (row::TAU_MEM, Leak::None) => F::ZERO,
                _ => *out,
            };
        }
        share(call.modes[row].1, out);
    }
    let Some(snippet) = model.snippet else { return };
    let (tail, head) = (Tail::of(snippet), plane::PLANES * call.shape.len(1));
    for (index, spec) in snippet.parameters.iter().enumerate() {
        let row = row::ROWS + index;
        if call.modes[row].0 == Mode::Frozen {
            continue;
        }
        let out = &mut call.out[row * width..][..units];
        let planes = &call.planes[head + tail.gradient(index) * call.shape.len(1)..][..call.shape.len(1)];
        for planes in planes.chunks_exact(width) {
            for (out, &value) in out.iter_mut().zip(planes) {
                *out += value;
            }
        }
        for (j, out) in out.iter_mut().enumerate() {
            let tau = call.parameters[row * width + j];
            let constant = call.constants[(constant::ROWS + index) * width + j];
            *out = match spec.transform {
                Transform::Identity => *out,
                Transform::Decay => *out * constant * dt / (tau * tau),
                Transform::Rate => -(*out * dt / (tau * tau)),
            };
        }
        share(call.modes[row].1, out);
    }
}

/// Sums a row into its first entry where one value serves the layer.
fn share<F: Float>(shared: bool, row: &mut [F]) {
    if shared {
        let mut sum = F::ZERO;
        for value in &mut *row {
            sum += *value;
            *value = F::ZERO;
        }
        row[0] = sum;
    }
}
