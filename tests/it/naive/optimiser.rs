//! Gradient norm, control, and the update rules.

use spikegrad::kernels::{Mode, Penalty, Rule};

/// `Σ x²`.
pub fn square_sum(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum()
}

/// The factor that brings the norm to at most `max_norm`, and 1 where norm and loss are finite.
pub fn control(squares: &[f64], loss: f64, max_norm: Option<f64>) -> (f64, f64) {
    let norm = squares.iter().sum::<f64>().sqrt();
    let scale = max_norm.map_or(1.0, |most| if norm > most { most / norm } else { 1.0 });
    (scale, f64::from(norm.is_finite() && loss.is_finite()))
}

/// Step `step` of one entry: the new parameter and the new state.
#[allow(clippy::too_many_arguments)]
fn entry(rule: Rule, rate: f64, step: u64, mode: Mode, p: f64, dp: f64, state: [f64; 3]) -> (f64, [f64; 3]) {
    let k = step as f64;
    let g = if mode == Mode::Logarithmic { p * dp } else { dp };
    let [a, b, c] = state;
    let (delta, state, decayed) = match rule {
        Rule::Sgd { momentum } => {
            let m = momentum * a + g;
            (rate * m, [m, b, c], 0.0)
        }
        Rule::Adam { beta1, beta2, epsilon, decay } => {
            let m = beta1 * a + (1.0 - beta1) * g;
            let v = beta2 * b + (1.0 - beta2) * g * g;
            let corrected = (v / (1.0 - beta2.powf(k))).sqrt();
            let decayed = if mode == Mode::Plain { rate * decay * p } else { 0.0 };
            (rate * m / (1.0 - beta1.powf(k)) / (corrected + epsilon), [m, v, c], decayed)
        }
        Rule::Adamax { beta1, beta2, epsilon } => {
            let m = beta1 * a + (1.0 - beta1) * g;
            let u = (beta2 * b).max(g.abs() + epsilon);
            (rate / (1.0 - beta1.powf(k)) * m / u, [m, u, c], 0.0)
        }
        Rule::Smorms3 { epsilon } => {
            let memory = c + 1.0;
            let r = 1.0 / (memory + 1.0);
            let g1 = (1.0 - r) * a + r * g;
            let g2 = (1.0 - r) * b + r * g * g;
            let x = g1 * g1 / (g2 + epsilon);
            (rate.min(x) * g / (g2.sqrt() + epsilon), [g1, g2, memory * (1.0 - x)], 0.0)
        }
    };
    match mode {
        Mode::Frozen => (p, [a, b, c]),
        Mode::Plain => (p - delta - decayed, state),
        Mode::Logarithmic => (p * (-delta).exp(), state),
    }
}

/// One optimiser step on rows of `row` entries. A shared row moves as its first entry does.
#[allow(clippy::too_many_arguments)]
pub fn update(
    rule: Rule,
    rate: f64,
    step: u64,
    row: usize,
    modes: &[(Mode, bool)],
    parameters: &mut [f64],
    gradient: &[f64],
    state: &mut [f64],
    (scale, finite): (f64, f64),
    penalty: Penalty,
) {
    if finite == 0.0 {
        return;
    }
    let len = parameters.len();
    for at in 0..len {
        let (mode, shared) = modes[at / row];
        let first = at / row * row;
        let mut dp = scale * gradient[if shared { first } else { at }];
        if mode == Mode::Plain {
            let p = parameters[at];
            dp += penalty.l2 * p + if p == 0.0 { 0.0 } else { penalty.l1 * p.signum() };
        }
        let mut old = [0.0; 3];
        for r in 0..rule.rows() {
            old[r] = state[r * len + at];
        }
        let (p, new) = entry(rule, rate, step, mode, parameters[at], dp, old);
        parameters[at] = p;
        for r in 0..rule.rows() {
            state[r * len + at] = new[r];
        }
    }
}
