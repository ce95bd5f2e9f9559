//! Transposes of weights as 16-bit floats: exact where the weights are, else off by no more than is said.

use super::forms::open;
use super::layer::{self, drawn};
use spikegrad::gpu::{Gpu, Options};
use spikegrad::kernels::*;
use spikegrad::spikes::{Random, pad};

fn half() -> Option<Gpu> {
    open(Options { half_weights: true, ..Options::default() })
}

/// Weights on a grid of 1/64 have no more digits than 16-bit floats: the gradient is that of whole numbers, bit by bit.
#[test]
fn weights_that_are_16_bit_floats_give_the_same_bits() {
    let (Some(mut half), Some(mut whole)) = (half(), open(Options::default())) else { return };
    for units in [1, 33, 100, 300] {
        let shape = Shape { steps: 5, batch: 3, units };
        for tile in [1, 2, 4] {
            let form = Form::Resident { tile, quantum: 3 };
            assert_eq!(layer::run(&mut half, shape, 1, form), layer::run(&mut whole, shape, 1, form), "{units} units");
        }
        assert_eq!(layer::run(&mut half, shape, 2, Form::Stepwise), layer::run(&mut whole, shape, 2, Form::Stepwise));
    }
    let prepared = half.prepared("weights", 64, 64).unwrap();
    let before = half.allocated();
    drop(prepared);
    assert_eq!(before - half.allocated(), 64 * 64 * 2);
}

/// `dL/ds = χ W^T` with weights of every size, each off by 2⁻¹¹ of itself, by 2⁻¹⁴ where it is small, and held at 65504.
#[test]
fn any_weight_is_off_by_no_more_than_is_said() {
    let Some(mut gpu) = half() else { return };
    let (inputs, shape) = (45, Shape { steps: 2, batch: 3, units: 70 });
    let row = shape.row();
    let random = &mut Random::new(11, 0);
    let mut weights = vec![0.0f32; inputs * row];
    for entry in 0..inputs * shape.units {
        // Sizes from 1e-8 to 1e4.
        let size = 10f64.powf(-8.0 + 12.0 * random.uniform());
        weights[entry / shape.units * row + entry % shape.units] = (random.normal() * size) as f32;
    }
    (weights[0], weights[1]) = (1e6, -1e30);
    let held = weights.iter().map(|&weight| f64::from(weight).clamp(-65504.0, 65504.0)).collect::<Vec<_>>();
    let mut on_device = gpu.values("weights", inputs * row).unwrap();
    gpu.write(&mut on_device, 0, &weights);
    let mut prepared = gpu.prepared("weights", inputs, shape.units).unwrap();
    gpu.prepare(&on_device, inputs, shape.units, &mut prepared);
    let rows = shape.steps * shape.batch;
    let chi = drawn(&mut gpu, 5, rows, shape.units, 1.0);
    let mut out = gpu.values("gradient", rows * pad(inputs)).unwrap();
    gpu.drive_backward(DriveBackward {
        projection: Projection::Dense,
        inputs,
        shape,
        lag: 0,
        weights: (&on_device, &prepared),
        chi: &chi,
        accumulate: false,
        out: &mut out,
    });
    let got = gpu.read(&out, 0..rows * pad(inputs)).unwrap();
    let chi = gpu.read(&chi, 0..rows * row).unwrap();
    let mut different = false;
    for at in 0..rows * inputs {
        let (r, i) = (at / inputs, at % inputs);
        let (mut sum, mut bound) = (0.0, 0.0);
        for k in 0..row {
            let (x, w) = (f64::from(chi[r * row + k]), held[i * row + k]);
            sum += x * w;
            // 2⁻²⁰ for the sum in f32.
            bound += x.abs() * ((w.abs() * 2f64.powi(-11)).max(2f64.powi(-14).min(w.abs())) + w.abs() * 2f64.powi(-20));
        }
        let off = (f64::from(got[r * pad(inputs) + i]) - sum).abs();
        assert!(off <= bound, "row {r}, input {i}: off by {off}, not {bound}");
        different |= off > 1e-6 * sum.abs();
    }
    assert!(different, "they were not rounded");
}
