//! Weights as 16-bit floats in the forward pass: exact where the weights are, else off by no more than is said; the same in every
//! form, in a replay, and after every change of the weights.

use super::forms::open;
use crate::engine::{adam, labels, noise};
use crate::kernels::*;
use spikegrad::engine::{Batch, Budget, Core, TapeKind, Wish};
use spikegrad::gpu::{Gpu, Options, When};
use spikegrad::kernels::*;
use spikegrad::network::Network;
use spikegrad::spikes::{Random, pad};

fn with(half_forward: When, unpack: When, fuse: usize) -> Option<Gpu> {
    open(Options { half_forward, unpack, fuse, ..Options::default() })
}

/// Spikes, bytes and numbers, with and without recurrence, resident and stepwise, the drive fused, listed and unpacked.
#[test]
fn weights_that_are_16_bit_floats_give_the_bits_of_whole_ones() {
    let Some(mut whole) = with(When::Never, When::Never, 0) else { return };
    let forms = [(When::Never, 0), (When::Never, usize::MAX), (When::Always, 0)];
    let mut halves = forms.map(|(unpack, fuse)| with(When::Always, unpack, fuse).unwrap());
    for seed in 0..20 {
        let random = &mut Random::new(seed, 8);
        let mut case = fused::draw(random);
        if case.neuron.recurrent {
            let resident = Form::Resident { tile: 1 + random.below(3), quantum: 2 };
            case.neuron.form = Some(one_of(random, &[resident, Form::Stepwise]));
        }
        println!("case {seed}: {case:?}");
        let expected = fused::outcomes(&mut whole, &case);
        for gpu in &mut halves {
            fused::check(gpu, &case);
            assert_eq!(fused::outcomes(gpu, &case), expected);
        }
    }
}

/// A drive of k inputs with weights of every size: off by 2⁻¹¹ of each weight (2⁻¹⁴ where it is small), held at 65504.
#[test]
fn a_drive_is_off_by_no_more_than_is_said() {
    for unpack in [When::Never, When::Always] {
        let Some(mut gpu) = with(When::Always, unpack, usize::MAX) else { return };
        let (inputs, shape) = (70, Shape { steps: 3, batch: 2, units: 45 });
        let (row, random) = (shape.row(), &mut Random::new(12, 0));
        let mut weights = vec![0.0f32; inputs * row];
        for entry in 0..inputs * shape.units {
            let size = 10f64.powf(-8.0 + 12.0 * random.uniform());
            weights[entry / shape.units * row + entry % shape.units] = (random.normal() * size) as f32;
        }
        (weights[0], weights[1]) = (1e6, -1e30);
        let mut on_device = gpu.forward_weights("weights", inputs, row).unwrap();
        gpu.write(&mut on_device, 0, &weights);
        let source_shape = Shape { units: inputs, ..shape };
        let mut source = gpu.activity("input", ActivityKind::Raster, source_shape).unwrap();
        let rows = shape.steps * shape.batch;
        let words: Vec<u32> = (0..rows * 3).map(|i| random.bits() as u32 & if i % 3 == 2 { 63 } else { !0 }).collect();
        gpu.write_activity(&mut source, HISTORY, ActivityData::Raster(&words));
        let constants = gpu.values("constants", constant::ROWS * row).unwrap();
        let mut out = gpu.values("drive", rows * row).unwrap();
        let projection = Projection::Dense;
        let (range, weights_of) = (0..shape.steps, &on_device);
        let (source, constants) = (&source, &constants);
        gpu.drive(Drive {
            projection,
            inputs,
            shape,
            range,
            source,
            lag: 0,
            weights: weights_of,
            constants,
            out: &mut out,
        });
        let got = gpu.read(&out, 0..rows * row).unwrap();
        let mut rounded = false;
        for at in 0..rows * shape.units {
            let (r, j) = (at / shape.units, at % shape.units);
            let (mut sum, mut bound) = (0.0, 0.0);
            for i in (0..inputs).filter(|i| words[r * 3 + i / 32] >> (i % 32) & 1 == 1) {
                let w = f64::from(weights[i * row + j]).clamp(-65504.0, 65504.0);
                sum += w;
                // 2⁻¹⁸ for the sum in f32.
                bound += (w.abs() * 2f64.powi(-11)).max(2f64.powi(-14).min(w.abs())) + w.abs() * 2f64.powi(-18);
            }
            let off = (f64::from(got[r * row + j]) - sum).abs();
            assert!(off <= bound, "row {r}, neuron {j}: off by {off}, not {bound}");
            rounded |= off > 1e-6 * sum.abs();
        }
        assert!(rounded, "they were not rounded");
    }
}

/// A recurrent layer, and one whose weights are scaled for dropout.
const NETWORK: &str = r#"
    inputs = 40
    [[layer]]
    units = 70
    recurrent = true
    init = { kind = "uniform", gain = 6.0 }
    neuron = { kind = "cuba_lif", tau_mem = 10.0, tau_syn = 5.0 }
    dropout = { rate = 0.2 }
    [[layer]]
    units = 33
    init = { kind = "uniform", gain = 8.0 }
    neuron = { kind = "lif" }
    [[layer]]
    units = 4
"#;

fn trained(gpu: Gpu, wish: Wish, form: Form) -> (Vec<f32>, Gpu) {
    let mut core = Core::new(Network::from_toml(NETWORK).unwrap(), gpu, Budget::Unbounded).unwrap();
    core.initialise(4).unwrap();
    core.force_form(Some(form));
    core.set_memory(Budget::Unbounded, wish);
    for step in 0..3 {
        let batch = Batch::spikes(noise(70, 20, 40, 0.2, step)).with_labels(labels(20, 4));
        core.train(&batch, &adam(0.01)).unwrap();
    }
    assert!(core.metrics().unwrap().iter().all(|step| step.finite && step.spikes.iter().sum::<f64>() > 100.0));
    let all = core.parameters().unwrap().into_values().flat_map(|tensor| tensor.values).collect();
    (all, core.into_kernels())
}

/// A replay computes V anew: with other weights than those of the forward pass it would be another V.
#[test]
fn a_replay_reads_the_weights_that_the_forward_pass_read() {
    let Some(gpu) = with(When::Always, When::Planned, 0) else { return };
    for form in [Form::Stepwise, Form::Resident { tile: 1, quantum: 7 }] {
        let gpu = with(When::Always, When::Planned, 0).unwrap();
        let (whole, gpu) = trained(gpu, Wish::default(), form);
        let replay = Wish { tape: Some(TapeKind::Replay), steps: Some(32), samples: None };
        let (replayed, _) = trained(gpu, replay, form);
        assert!(whole == replayed, "{form:?}");
    }
    // And they are others than those of the whole weights.
    let form = Form::Stepwise;
    let (rounded, _) = trained(gpu, Wish::default(), form);
    let (exact, _) = trained(with(When::Never, When::Planned, 0).unwrap(), Wish::default(), form);
    assert!(rounded != exact);
}

/// What a drive of one spike at input 0 gives: the first row of the weights.
fn first_row(gpu: &mut Gpu, weights: &<Gpu as Memory>::Values, shape: Shape) -> Vec<f32> {
    let mut source = gpu.activity("input", ActivityKind::Raster, Shape { units: 32, ..shape }).unwrap();
    gpu.write_activity(&mut source, HISTORY, ActivityData::Raster(&[1]));
    let constants = gpu.values("constants", constant::ROWS * shape.row()).unwrap();
    let mut out = gpu.values("drive", shape.row()).unwrap();
    let (projection, range, source, constants) = (Projection::Dense, 0..1, &source, &constants);
    gpu.drive(Drive { projection, inputs: 32, shape, range, source, lag: 0, weights, constants, out: &mut out });
    gpu.read(&out, 0..shape.units).unwrap()
}

#[test]
fn every_change_of_the_weights_reaches_the_next_forward_pass() {
    let Some(mut gpu) = with(When::Always, When::Never, 0) else { return };
    let shape = Shape { steps: 1, batch: 1, units: 40 };
    let (row, len) = (shape.row(), 32 * shape.row());
    let mut weights = gpu.forward_weights("weights", 32, row).unwrap();
    assert_eq!(first_row(&mut gpu, &weights, shape), [0.0; 40]);
    gpu.write(&mut weights, 1, &[2.0]);
    assert_eq!(first_row(&mut gpu, &weights, shape)[..2], [0.0, 2.0]);
    gpu.fill(&mut weights, 0..len, 3.0);
    assert_eq!(first_row(&mut gpu, &weights, shape), [3.0; 40]);
    gpu.clamp(&mut weights, 0..row, 0.0, 2.5);
    assert_eq!(first_row(&mut gpu, &weights, shape), [2.5; 40]);
    let [mut gradient, mut state, mut control] =
        ["gradient", "state", "control"].map(|role| gpu.values(role, len).unwrap());
    gpu.fill(&mut gradient, 0..len, 1.0);
    gpu.fill(&mut control, 0..2, 1.0);
    gpu.update(Update {
        rule: Rule::Sgd { momentum: 0.0 },
        rate: 0.5,
        penalty: Penalty::default(),
        step: 1,
        row: len,
        modes: &[(Mode::Plain, false)],
        parameters: &mut weights,
        gradient: &gradient,
        state: &mut state,
        control: &control,
    });
    assert_eq!(first_row(&mut gpu, &weights, shape), [2.0; 40]);
}

/// Cooperative matrices that an adapter does not have are not asked of it.
#[test]
fn without_cooperative_matrices_the_drive_has_another_form() {
    let options = Options { half_forward: When::Always, ..Options::default() };
    let (Some(mut asked), Some(mut plain)) =
        (open(Options { cooperative: When::Always, ..options.clone() }), open(options))
    else {
        return;
    };
    if asked.has_cooperative_matrices() {
        eprintln!("skipped: the adapter has them");
        return;
    }
    for seed in 0..4 {
        let case = fused::draw(&mut Random::new(seed, 9));
        assert_eq!(fused::outcomes(&mut asked, &case), fused::outcomes(&mut plain, &case));
    }
}

#[test]
fn a_copy_takes_half_of_the_bytes_and_is_planned_for_large_tensors() {
    for (half_forward, rows, copied) in [
        (When::Always, 32, true),
        (When::Never, 3000, false),
        (When::Planned, 1000, false),
        (When::Planned, 3000, true),
    ] {
        let Some(mut gpu) = with(half_forward, When::Planned, 0) else { return };
        let weights = gpu.forward_weights("weights", rows, pad(512)).unwrap();
        let whole = (rows * 512 * 4) as u64;
        assert_eq!(gpu.allocated(), whole + if copied { whole / 2 } else { 0 }, "{half_forward:?}, {rows} rows");
        drop(weights);
        assert_eq!(gpu.allocated(), 0);
    }
}
