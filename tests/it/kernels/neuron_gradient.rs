//! Gradients of the neuron parameters from the samples' sums.

use super::constants::draw_parameters;
use super::*;
use crate::naive::{self, Adjoint, Grid};
use spikegrad::kernels::*;

#[derive(Clone, Debug)]
struct Case {
    seed: u64,
    model: Model,
    shape: Shape,
    dt: f64,
    modes: Modes,
}

fn draw(random: &mut Random) -> Case {
    let mut model = model(random, true);
    let mode =
        |random: &mut Random| (one_of(random, &[Mode::Frozen, Mode::Plain, Mode::Logarithmic]), chance(random, 0.5));
    let mut modes: Modes = (0..4).map(|_| mode(random)).collect();
    if !model.synapse {
        modes[row::TAU_SYN].0 = Mode::Frozen;
    }
    let learned = |row: usize| modes[row].0 != Mode::Frozen;
    let (tau_syn, tau_mem) = (learned(row::TAU_SYN), learned(row::TAU_MEM));
    let (threshold, bias) = (learned(row::THRESHOLD), learned(row::BIAS));
    model.learned = Learned { tau_syn, tau_mem, threshold, bias, own: 0 };
    Case { seed: random.bits(), model, shape: shape(random), dt: one_of(random, &[0.5, 1.0]), modes }
}

fn check<K: Kernels>(kernels: &mut K, case: &Case) {
    let (shape, random) = (case.shape, &mut Random::new(case.seed, 1));
    let parameters = draw_parameters(random, shape.units);
    let constants = naive::constants(case.model, case.dt, &parameters);
    let adjoint = Adjoint {
        lambda: Grid::new(0..0, 0, 0),
        chi: Grid::new(0..0, 0, 0),
        alpha: draw_plane(random, shape),
        beta: draw_plane(random, shape),
        theta: draw_plane(random, shape),
        bias: draw_plane(random, shape),
    };
    let expected = naive::neuron_gradient(&adjoint, &constants, case.dt, &case.modes, &parameters);

    let set: [(usize, &[f64]); 4] = [
        (plane::ALPHA_GRADIENT, &adjoint.alpha),
        (plane::BETA_GRADIENT, &adjoint.beta),
        (plane::THETA_GRADIENT, &adjoint.theta),
        (plane::BIAS_GRADIENT, &adjoint.bias),
    ];
    let planes = planes(kernels, shape, &set);
    let parameters = rows(kernels, shape.units, &parameters);
    let mut made = kernels.values("constants", constant::ROWS * shape.row()).unwrap();
    kernels.constants(case.model, shape.units, case.dt, &parameters, &mut made);
    let mut out = rows(kernels, shape.units, &vec![STALE; row::ROWS * shape.units]);
    kernels.neuron_gradient(NeuronGradient {
        model: case.model,
        shape,
        dt: case.dt,
        modes: &case.modes,
        parameters: &parameters,
        constants: &made,
        planes: &planes,
        out: &mut out,
    });
    let got = read(kernels, &out, row::ROWS * shape.row());
    let got = stripped("gradient of the neuron parameters", shape.units, &got);
    for (at, name) in ["τ_syn", "τ_mem", "θ", "b"].into_iter().enumerate() {
        let row = at * shape.units..(at + 1) * shape.units;
        assert_close(name, &got[row.clone()], &expected[row], tolerance::<K>(2e-5));
    }
}

on_every_backend!(equals_naive, 60, draw, check);
