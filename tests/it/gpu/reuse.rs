//! A steady training loop creates no pipeline, no bind group and no buffer.

use super::layer::{constants, drawn, model};
use crate::engine::{adam, labels, noise};
use crate::kernels::gpu;
use spikegrad::engine::{Batch, Budget, Core, Group, TapeKind, Wish};
use spikegrad::kernels::*;
use spikegrad::network::{Network, Regulariser};

#[test]
fn a_steady_loop_creates_nothing() {
    let Some(mut gpu) = gpu() else { return };
    let gpu = &mut gpu;
    let shape = Shape { steps: 6, batch: 3, units: 40 };
    let (model, inputs, row) = (model(1), 50, shape.row());
    let constants = constants(gpu, model, shape.units);
    let mut weights = drawn(gpu, 1, inputs, shape.units, 0.3);
    let recurrent = drawn(gpu, 2, shape.units, shape.units, 0.1);
    let mut state = gpu.values("state", 2 * inputs * row).unwrap();
    let mut prepared = gpu.prepared("recurrent", shape.units, shape.units).unwrap();
    let source_shape = Shape { units: inputs, ..shape };
    let mut source = gpu.activity("input", ActivityKind::Raster, source_shape).unwrap();
    let mut spikes = gpu.activity("spikes", ActivityKind::Raster, shape).unwrap();
    let [mut drive, mut tape, mut chi] =
        ["drive", "tape", "chi"].map(|role| gpu.values(role, shape.len(shape.steps + FUTURE)).unwrap());
    let mut planes = gpu.values("planes", shape.batch * plane::PLANES * row).unwrap();
    let mut gradient = gpu.values("gradient", inputs * row).unwrap();
    let mut lengths = gpu.words("lengths", shape.batch).unwrap();
    gpu.write_words(&mut lengths, &vec![shape.steps as u32; shape.batch]);
    let [mut metrics, mut control] = ["metrics", "control"].map(|role| gpu.values(role, 8).unwrap());
    let mut created = None;
    for step in 1..=4u64 {
        let words: Vec<u32> = (0..6 * 3 * 2)
            .map(|i| if i % 2 == 0 { 0x9e37_79b9u32.rotate_left(i + step as u32) } else { i & 3 })
            .collect();
        gpu.write_activity(&mut source, HISTORY, ActivityData::Raster(&words));
        gpu.prepare(&recurrent, shape.units, shape.units, &mut prepared);
        for at in [plane::POTENTIAL, plane::CURRENT, plane::COUNT_GRADIENT, plane::LAMBDA, plane::MU] {
            gpu.fill_plane(shape, &mut planes, at, 0.0);
        }
        gpu.fill(&mut metrics, 0..8, 0.0);
        for form in [Form::Resident { tile: 2, quantum: 4 }, Form::Stepwise] {
            let call = Drive {
                projection: Projection::Dense,
                inputs,
                shape,
                range: 0..shape.steps,
                source: &source,
                lag: 0,
                weights: &weights,
                constants: &constants,
                out: &mut drive,
            };
            let neuron = Forward {
                model,
                shape,
                window: Window::whole(shape),
                range: 0..shape.steps,
                form,
                constants: &constants,
                recurrent: Some((&recurrent, &prepared)),
                spikes: Some(&mut spikes),
                tape: Some(&mut tape),
                active: None,
                planes: &mut planes,
                reduce: None,
            };
            gpu.layer_forward(call, neuron);
            gpu.count(Count {
                shape,
                window: Window::whole(shape),
                emit_lag: 0,
                spikes: &spikes,
                lengths: &lengths,
                planes: &mut planes,
            });
            let regulariser = Regulariser::Lower { strength: 1.0, target: 3.0 };
            gpu.regularise(Regularise { regulariser, shape, planes: &mut planes, metrics: &mut metrics, slot: 0 });
            gpu.backward(Backward {
                model,
                shape,
                window: Window::whole(shape),
                range: 0..shape.steps,
                form,
                constants: &constants,
                recurrent: Some((&recurrent, &prepared)),
                spikes: Some(&spikes),
                tape: Some(&tape),
                gradient_spikes: None,
                gradient_potential: None,
                counts: true,
                kicks: None,
                reduce: None,
                planes: &mut planes,
                chi: &mut chi,
            });
        }
        gpu.weight_gradient(WeightGradient {
            projection: Projection::Dense,
            inputs,
            shape,
            window: Window::whole(shape),
            source: &source,
            lag: 0,
            chi: &chi,
            samples: 0..shape.batch,
            accumulate: false,
            out: &mut gradient,
        });
        gpu.square_sum(&gradient, inputs * row, &mut metrics, 1);
        gpu.control(&metrics, 1..2, 0, Some(1.0), &mut control);
        gpu.update(Update {
            rule: Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0 },
            rate: 1e-3 / step as f64,
            penalty: Penalty::default(),
            step,
            row: inputs * row,
            modes: &[(Mode::Plain, false)],
            parameters: &mut weights,
            gradient: &gradient,
            state: &mut state,
            control: &control,
        });
        let read = gpu.read(&metrics, 0..8).unwrap();
        assert!(read[0] > 0.0 && read[1] > 0.0, "{read:?}");
        let first = *created.get_or_insert(gpu.created());
        assert_eq!(gpu.created(), first, "step {step}");
        assert!(first.pipelines > 10 && first.bind_groups >= first.pipelines / 2);
    }
}

/// Learned constants, dropout, a regulariser and groups.
const NETWORK: &str = r#"
    inputs = 20
    [[layer]]
    units = 40
    recurrent = true
    init = { kind = "uniform", gain = 6.0 }
    neuron = { kind = "cuba_lif", tau_mem = { value = 10.0, learned = true }, tau_syn = { value = 5.0, learned = true } }
    regularise = [{ kind = "upper", strength = 0.1, target = 1.0 }]
    [[layer]]
    units = 33
    init = { kind = "uniform", gain = 6.0 }
    neuron = { kind = "lif" }
    dropout = { rate = 0.2 }
    [[layer]]
    units = 4
"#;

#[test]
fn a_steady_training_loop_creates_nothing() {
    let Some(gpu) = gpu() else { return };
    let mut core = Core::new(Network::from_toml(NETWORK).unwrap(), gpu, Budget::Unbounded).unwrap();
    let group = Group { pattern: "*.tau_*".into(), rate_scale: Some(0.1), weight_decay: None, frozen: None };
    core.set_groups(&[group]).unwrap();
    let replay = Wish { tape: Some(TapeKind::Replay), steps: Some(16), samples: Some(4) };
    for (wish, ragged) in [(Wish::default(), false), (Wish::default(), true), (replay, true)] {
        core.set_memory(Budget::Unbounded, wish);
        let mut created = None;
        for step in 0..5 {
            let mut batch = Batch::spikes(noise(40, 7, 20, 0.3, step)).with_labels(labels(7, 4));
            batch.lengths = ragged.then(|| (0..7).map(|b| 40 - (b + step as u32) % 9).collect());
            core.train(&batch, &adam(0.01)).unwrap();
            if step < 2 {
                continue;
            }
            let now = core.kernels().created();
            assert_eq!(now, *created.get_or_insert(now), "step {step}, {wish:?}");
        }
        assert!(core.metrics().unwrap().iter().all(|step| step.finite));
    }
}
