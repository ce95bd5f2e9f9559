//! The neuron: surrogate, constants, forward, the adjoint equations of section 2, parameter gradients.

use super::{Grid, reduction_gradient};
use spikegrad::kernels::{Mode, Model, Modes, row};
use spikegrad::network::{Reduce, Reset, Surrogate, SurrogateKind};

/// σ'(x) = c f(kx), section 3.
pub fn surrogate(surrogate: Surrogate, x: f64) -> f64 {
    let z = surrogate.slope * x;
    let f = match surrogate.kind {
        SurrogateKind::FastSigmoid => 1.0 / ((1.0 + z.abs()) * (1.0 + z.abs())),
        SurrogateKind::Sigmoid => 1.0 / ((z / 2.0).cosh() * (z / 2.0).cosh()),
        SurrogateKind::Triangle => (1.0 - z.abs()).max(0.0),
        SurrogateKind::Exponential => (-z.abs()).exp(),
        SurrogateKind::Atan => 1.0 / (1.0 + (std::f64::consts::FRAC_PI_2 * z).powi(2)),
        SurrogateKind::Boxcar => f64::from(z.abs() < 0.5),
        SurrogateKind::Gaussian => (-z * z).exp(),
        SurrogateKind::StraightThrough => 1.0,
        SurrogateKind::MultiGaussian { height, ratio } => {
            multi_gaussian(height, ratio, z) / multi_gaussian(height, ratio, 0.0)
        }
        SurrogateKind::LeakyRelu { leak } => f64::from(z >= 0.0) + leak * f64::from(z < 0.0),
        SurrogateKind::Tanh => 1.0 - z.tanh() * z.tanh(),
        SurrogateKind::SpikeRateEscape { offset } => (-(z - offset).abs()).exp(),
        SurrogateKind::SparseFastSigmoid { bound } if x.abs() < bound => 1.0 / ((1.0 + z.abs()) * (1.0 + z.abs())),
        SurrogateKind::SparseFastSigmoid { .. } => 0.0,
        SurrogateKind::Custom(custom) => custom.derivative(z),
    };
    surrogate.scale * f
}

/// Yin et al. 2021: three bells, the outer ones s times as wide and h high, with the density's 1/σ.
fn multi_gaussian(h: f64, s: f64, z: f64) -> f64 {
    let bell = |z: f64, sigma: f64| (-z * z / (2.0 * sigma * sigma)).exp() / sigma;
    (1.0 + h) * bell(z, 1.0) - h * bell(z - 1.0, s) - h * bell(z + 1.0, s)
}

/// The error function, by the series `erf z = 2/√π e^(−z²) Σ_n 2^n z^(2n+1) / (2n+1)!!`, whose terms have one sign.
fn erf(z: f64) -> f64 {
    if z.abs() > 6.0 {
        return z.signum();
    }
    let (mut term, mut sum) = (z, z);
    for n in 1..200 {
        term *= 2.0 * z * z / f64::from(2 * n + 1);
        sum += term;
    }
    2.0 / std::f64::consts::PI.sqrt() * (-z * z).exp() * sum
}

/// The primitive of σ' that is 0 at x = 0.
pub fn primitive(surrogate: Surrogate, x: f64) -> f64 {
    let z = surrogate.slope * x;
    let f = match surrogate.kind {
        SurrogateKind::FastSigmoid => z / (1.0 + z.abs()),
        SurrogateKind::Sigmoid => 2.0 * (z / 2.0).tanh(),
        SurrogateKind::Triangle if z.abs() < 1.0 => z - z * z.abs() / 2.0,
        SurrogateKind::Triangle => z.signum() / 2.0,
        SurrogateKind::Exponential => z.signum() * (1.0 - (-z.abs()).exp()),
        SurrogateKind::Atan => (std::f64::consts::FRAC_PI_2 * z).atan() / std::f64::consts::FRAC_PI_2,
        SurrogateKind::Boxcar => z.clamp(-0.5, 0.5),
        SurrogateKind::Gaussian => std::f64::consts::PI.sqrt() / 2.0 * erf(z),
        SurrogateKind::StraightThrough => z,
        SurrogateKind::MultiGaussian { height, ratio } => {
            let half = std::f64::consts::FRAC_PI_2.sqrt();
            let root = std::f64::consts::SQRT_2;
            let sides = erf((z - 1.0) / (root * ratio)) + erf((z + 1.0) / (root * ratio));
            half * ((1.0 + height) * erf(z / root) - height * sides) / multi_gaussian(height, ratio, 0.0)
        }
        SurrogateKind::LeakyRelu { leak } => z.max(0.0) + leak * z.min(0.0),
        SurrogateKind::Tanh => z.tanh(),
        SurrogateKind::SpikeRateEscape { offset } => {
            let half = |y: f64| y.signum() * (1.0 - (-y.abs()).exp());
            half(z - offset) - half(-offset)
        }
        SurrogateKind::SparseFastSigmoid { bound } => {
            let held = z.clamp(-surrogate.slope * bound, surrogate.slope * bound);
            held / (1.0 + held.abs())
        }
        SurrogateKind::Custom(custom) => custom.primitive(z),
    };
    surrogate.scale / surrogate.slope * f
}

/// The constants of a layer, one value for each neuron.
#[derive(Clone, Debug)]
pub struct Constants {
    pub alpha: Vec<f64>,
    pub beta: Vec<f64>,
    pub gamma: Vec<f64>,
    pub theta: Vec<f64>,
    pub bias: Vec<f64>,
}

/// From parameters `[4][n]`.
pub fn constants(model: Model, dt: f64, parameters: &[f64]) -> Constants {
    let n = parameters.len() / row::ROWS;
    let of = |row: usize| parameters[row * n..(row + 1) * n].to_vec();
    let decay = |tau: Vec<f64>| tau.iter().map(|tau| (-dt / tau).exp()).collect::<Vec<f64>>();
    let beta = decay(of(row::TAU_MEM));
    Constants {
        alpha: if model.synapse { decay(of(row::TAU_SYN)) } else { vec![0.0; n] },
        gamma: beta.iter().map(|beta| if model.normalised { 1.0 - beta } else { 1.0 }).collect(),
        beta,
        theta: of(row::THRESHOLD),
        bias: of(row::BIAS),
    }
}

/// A layer: its switches, constants and recurrent weights `[n][n]` from row to column.
#[derive(Clone, Debug)]
pub struct Layer {
    pub model: Model,
    pub constants: Constants,
    pub recurrent: Option<Vec<f64>>,
    /// H is replaced by the primitive of σ', with this value at the threshold.
    pub smooth: Option<f64>,
}

/// V and I from step −1, S from step −2.
#[derive(Clone, Debug)]
pub struct Trace {
    pub potential: Grid,
    pub current: Grid,
    pub spikes: Grid,
}

impl Trace {
    /// The start values; everything from step 0 on is still 0.
    pub fn new(steps: usize, batch: usize, units: usize) -> Trace {
        let end = steps as isize;
        Trace {
            potential: Grid::new(-1..end, batch, units),
            current: Grid::new(-1..end, batch, units),
            spikes: Grid::new(-2..end, batch, units),
        }
    }
}

/// J_t.
fn seen(model: Model, current: &Grid, t: isize, b: usize, j: usize) -> f64 {
    current.get(t - model.lag as isize, b, j)
}

/// Section 1 from the drive on. `reset_spikes` replaces S inside the reset form: with the spikes of another run, the
/// reset of this one is a constant (`sg S`).
pub fn forward(layer: &Layer, drive: &Grid, trace: &mut Trace, reset_spikes: Option<&Grid>) {
    let (model, constants) = (layer.model, &layer.constants);
    let n = drive.units;
    for (t, b, j) in drive.places(drive.steps.clone()) {
        let mut x = drive.get(t, b, j);
        if let Some(recurrent) = &layer.recurrent {
            for i in 0..n {
                x += trace.spikes.get(t - model.recurrent_lag as isize, b, i) * recurrent[i * n + j];
            }
        }
        let (alpha, beta, theta) = (constants.alpha[j], constants.beta[j], constants.theta[j]);
        trace.current.set(t, b, j, alpha * trace.current.get(t - 1, b, j) + x);

        let input = constants.gamma[j] * seen(model, &trace.current, t, b, j);
        let v = trace.potential.get(t - 1, b, j);
        let s = reset_spikes.unwrap_or(&trace.spikes).get(t - 1, b, j);
        let v = match model.reset {
            Reset::SubtractBefore => beta * (v - theta * s) + input,
            Reset::SubtractAfter => beta * v - theta * s + input,
            Reset::ZeroBefore => beta * v * (1.0 - s) + beta * model.reset_potential * s + input,
            Reset::ZeroAfter => (beta * v + input) * (1.0 - s),
            Reset::None => beta * v + input,
        };
        trace.potential.set(t, b, j, v);
        if model.spiking {
            let s = match layer.smooth {
                Some(middle) => middle + primitive(model.surrogate, v - theta),
                None => f64::from(v > theta || (model.inclusive && v == theta)),
            };
            trace.spikes.set(t, b, j, s);
        }
    }
}

/// What comes from above: `g^O` on S directly, dL/dζ, `g^V`, and the gradient of the reduced readout.
#[derive(Clone, Debug, Default)]
pub struct Above {
    pub spikes: Option<Grid>,
    /// `[B][n]`.
    pub counts: Option<Vec<f64>>,
    pub potential: Option<Grid>,
    /// The reduction, dL/d activation `[B][n]`, and the step of the maximum `[B][n]`.
    pub activation: Option<(Reduce, Vec<f64>, Vec<f64>)>,
}

/// λ, χ = μ, and the sums over time of the parameter gradients, `[B][n]`.
#[derive(Clone, Debug)]
pub struct Adjoint {
    pub lambda: Grid,
    pub chi: Grid,
    pub alpha: Vec<f64>,
    pub beta: Vec<f64>,
    pub theta: Vec<f64>,
    pub bias: Vec<f64>,
}

/// The adjoint equations of section 2, t from T−1 down to 0.
pub fn backward(layer: &Layer, trace: &Trace, above: &Above) -> Adjoint {
    let (model, constants) = (layer.model, &layer.constants);
    let (end, batch, n) = (trace.potential.steps.end, trace.potential.batch, trace.potential.units);
    let zeros = vec![0.0; batch * n];
    let mut adjoint = Adjoint {
        lambda: Grid::new(0..end + 2, batch, n),
        chi: Grid::new(0..end + 2, batch, n),
        alpha: zeros.clone(),
        beta: zeros.clone(),
        theta: zeros.clone(),
        bias: zeros,
    };
    for t in (0..end).rev() {
        for b in 0..batch {
            for j in 0..n {
                let (alpha, beta) = (constants.alpha[j], constants.beta[j]);
                let (gamma, theta) = (constants.gamma[j], constants.theta[j]);
                let v = |t: isize| trace.potential.get(t, b, j);
                let s = |t: isize| trace.spikes.get(t, b, j);
                let seen = |t: isize| seen(model, &trace.current, t, b, j);
                let next = adjoint.lambda.get(t + 1, b, j);

                // λ_t and, for spikes, ρ_t
                let mut rho = 0.0;
                let mut sigma = 0.0;
                if model.spiking {
                    sigma = surrogate(model.surrogate, v(t) - theta);
                    if let Some(gradient) = &above.spikes {
                        rho += gradient.get(t, b, j);
                    }
                    if let Some(gradient) = &above.counts
                        && t + (model.emit_lag as isize) < end
                    {
                        rho += gradient[b * n + j];
                    }
                    if let Some(recurrent) = &layer.recurrent {
                        for k in 0..n {
                            rho += recurrent[j * n + k] * adjoint.chi.get(t + model.recurrent_lag as isize, b, k);
                        }
                    }
                    if !model.detach {
                        rho += match model.reset {
                            Reset::SubtractBefore => -beta * theta * next,
                            Reset::SubtractAfter => -theta * next,
                            Reset::ZeroBefore => -beta * (v(t) - model.reset_potential) * next,
                            Reset::ZeroAfter => -(beta * v(t) + gamma * seen(t + 1)) * next,
                            Reset::None => 0.0,
                        };
                    }
                }
                let carry = match model.reset {
                    Reset::ZeroBefore | Reset::ZeroAfter => beta * (1.0 - s(t)),
                    _ => beta,
                };
                let mut lambda = carry * next + sigma * rho;
                if let Some(gradient) = &above.potential {
                    lambda += gradient.get(t, b, j);
                }
                if let Some((reduce, gradient, step)) = &above.activation {
                    lambda += reduction_gradient(*reduce, t, end, step[b * n + j]) * gradient[b * n + j];
                }
                adjoint.lambda.set(t, b, j, lambda);

                // μ_t = χ_t
                let gate = |t: isize| if model.reset == Reset::ZeroAfter { 1.0 - s(t - 1) } else { 1.0 };
                let reached = if model.lag == 0 { gate(t) * lambda } else { gate(t + 1) * next };
                let mu = alpha * adjoint.chi.get(t + 1, b, j) + gamma * reached;
                adjoint.chi.set(t, b, j, mu);

                // parameters
                let spared = if model.normalised { seen(t) } else { 0.0 };
                let by_beta = match model.reset {
                    Reset::SubtractBefore => v(t - 1) - theta * s(t - 1) - spared,
                    Reset::ZeroBefore => v(t - 1) * (1.0 - s(t - 1)) + model.reset_potential * s(t - 1) - spared,
                    Reset::ZeroAfter => (v(t - 1) - spared) * (1.0 - s(t - 1)),
                    Reset::SubtractAfter | Reset::None => v(t - 1) - spared,
                };
                let by_theta = match model.reset {
                    Reset::SubtractBefore => -beta * s(t - 1),
                    Reset::SubtractAfter => -s(t - 1),
                    _ => 0.0,
                };
                let at = b * n + j;
                adjoint.alpha[at] += mu * trace.current.get(t - 1, b, j);
                adjoint.beta[at] += lambda * by_beta;
                adjoint.theta[at] += -sigma * rho + lambda * by_theta;
                adjoint.bias[at] += mu;
            }
        }
    }
    adjoint
}

/// Gradients `[4][n]` of the parameters `[4][n]` from the samples' sums: `dτ = d decay · decay · dt/τ²`.
pub fn neuron_gradient(
    adjoint: &Adjoint,
    constants: &Constants,
    dt: f64,
    modes: &Modes,
    parameters: &[f64],
) -> Vec<f64> {
    let n = constants.alpha.len();
    let mut gradient = vec![0.0; row::ROWS * n];
    let samples = [
        (row::TAU_SYN, &adjoint.alpha, Some(&constants.alpha)),
        (row::TAU_MEM, &adjoint.beta, Some(&constants.beta)),
        (row::THRESHOLD, &adjoint.theta, None),
        (row::BIAS, &adjoint.bias, None),
    ];
    for (row, sums, decay) in samples {
        let (mode, shared) = modes[row];
        if mode == Mode::Frozen {
            continue;
        }
        for j in 0..n {
            let sum: f64 = sums.iter().skip(j).step_by(n).sum();
            let tau = parameters[row * n + j];
            let chain = decay.map_or(1.0, |decay| decay[j] * dt / (tau * tau));
            gradient[row * n + if shared { 0 } else { j }] += sum * chain;
        }
    }
    gradient
}
