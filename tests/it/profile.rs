//! The profile of a step: it covers the kernels, its spans follow one another, and it counts what a hand counts.

use crate::engine::{adam, cpu, small, small_batch};
use spikegrad::engine::{Batch, Budget, Core, Gradient, Parameters, Tensor};
use spikegrad::kernels::{Gather, Kernels, Profile, Span};
use spikegrad::network::{Layer, Network, NeuronKind, Preset, Surrogate, SurrogateKind};
use spikegrad::spikes::Raster;
use std::time::Instant;

fn spans<'a>(profile: &'a Profile, kernel: &str, layer: usize) -> Vec<&'a Span> {
    profile.spans.iter().filter(|span| span.kernel == kernel && span.layer == Some(layer)).collect()
}

fn only<'a>(profile: &'a Profile, kernel: &str, layer: usize) -> &'a Span {
    let found = spans(profile, kernel, layer);
    assert_eq!(found.len(), 1, "{kernel} of layer {layer}: {found:?}");
    found[0]
}

/// 3 → 5 recurrent LIF → 2, whose every input spike makes every neuron fire; T = 4, B = 2, three input spikes.
fn tiny(surrogate: Surrogate) -> (Network, Parameters, Batch) {
    let mut hidden = Layer::new(Preset::Snntorch, NeuronKind::Lif, 5, true);
    hidden.surrogate = Some(surrogate);
    let readout = Layer::new(Preset::Snntorch, NeuronKind::Li, 2, false);
    let network = Network::builder(3).layer(hidden).layer(readout).build().unwrap();
    let tensor = |rows: usize, columns: usize, value: f32| Tensor {
        shape: vec![rows, columns],
        values: vec![value; rows * columns],
    };
    let parameters = [("layer0.weight", tensor(3, 5, 1.5)), ("layer0.recurrent", tensor(5, 5, 0.0))];
    let parameters = parameters.into_iter().chain([("layer1.weight", tensor(5, 2, 0.1))]);
    let mut raster = Raster::new(4, 2, 3);
    for (t, b, n) in [(0, 0, 1), (1, 1, 0), (3, 0, 2)] {
        raster.set(t, b, n);
    }
    let batch = Batch::spikes(raster).with_labels(vec![0, 1]);
    (network, parameters.map(|(name, tensor)| (name.to_string(), tensor)).collect(), batch)
}

fn profiled<K: Kernels<Real = f32>>(kernels: K, surrogate: Surrogate) -> Profile {
    let (network, parameters, batch) = tiny(surrogate);
    let mut core = Core::new(network, kernels, Budget::default()).unwrap();
    core.set_parameters(&parameters).unwrap();
    core.train(&batch, &adam(0.0)).unwrap();
    core.kernels().profile(true).unwrap();
    core.train(&batch, &adam(0.0)).unwrap();
    core.kernels().take_profile().unwrap()
}

#[test]
fn a_profile_covers_the_kernels_of_a_step_and_lies_inside_it() {
    let mut core = cpu(small());
    let batch = small_batch(1);
    core.train(&batch, &adam(1e-3)).unwrap();
    core.kernels().profile(true).unwrap();
    let begun = Instant::now();
    core.train(&batch, &adam(1e-3)).unwrap();
    let wall = begun.elapsed().as_secs_f64();
    let profile = core.kernels().take_profile().unwrap();
    for layer in 0..3 {
        let backward = if layer == 2 { "backward" } else { "layer_backward" };
        for kernel in ["layer_forward", backward, "update", "constants", "copy_plane"] {
            assert!(!spans(&profile, kernel, layer).is_empty(), "{kernel} of layer {layer}");
        }
        let tensors = if layer == 0 { 2 } else { 1 };
        assert_eq!(spans(&profile, "weight_gradient", layer).len(), tensors);
    }
    for kernel in ["write_activity", "count", "tally", "loss", "square_sum", "control", "prepare", "neuron_gradient"] {
        assert!(profile.spans.iter().any(|span| span.kernel == kernel), "{kernel}");
    }
    let elapsed = profile.elapsed.unwrap();
    assert!(elapsed <= wall);
    let mut end = 0.0;
    for span in &profile.spans {
        assert!(span.start >= end && span.duration >= 0.0, "{span:?} before {end}");
        end = span.start + span.duration;
    }
    assert!(end <= elapsed);
    assert!(core.kernels().take_profile().unwrap().spans.is_empty(), "what was taken is gone");
    core.kernels().profile(false).unwrap();
    core.train(&batch, &adam(1e-3)).unwrap();
    assert!(core.kernels().take_profile().unwrap().spans.is_empty(), "nobody asked");
}

#[test]
fn a_profile_changes_no_bit() {
    let learned = |profiled: bool| {
        let mut core = cpu(small());
        core.kernels().profile(profiled).unwrap();
        for seed in 0..3 {
            core.train(&small_batch(seed), &adam(1e-2)).unwrap();
        }
        core.parameters().unwrap()
    };
    assert!(learned(true) == learned(false));
}

/// A row of 32 numbers, and what stands in one word.
const ROW: f64 = 128.0;
const WORD: f64 = 4.0;

#[test]
fn a_profile_counts_what_a_hand_counts() {
    let profile = profiled(spikegrad::cpu::Cpu::new(), Surrogate::new(SurrogateKind::FastSigmoid, 25.0));
    let (t, b) = (4.0, 2.0);
    // Three events; the 10 spikes of the first two meet the recurrent weights a step later, those of the last step nothing.
    let forward = &only(&profile, "layer_forward", 0).cost;
    assert_eq!(forward.form, "events");
    let tables = [Gather { bytes: 3.0 * ROW, table: 3.0 * ROW }, Gather { bytes: 10.0 * ROW, table: 5.0 * ROW }];
    assert_eq!(forward.gathers, tables);
    // Input words, spike words, tape, two planes read and written.
    assert_eq!(forward.bytes, t * b * (WORD + WORD + ROW) + 2.0 * 2.0 * b * ROW);
    assert_eq!(forward.operations, 0.0);
    // The readout meets all 15 spikes; it reduces its potential: activation and step besides.
    let readout = &only(&profile, "layer_forward", 1).cost;
    assert_eq!(readout.gathers, [Gather { bytes: 15.0 * ROW, table: 5.0 * ROW }]);
    assert_eq!(readout.bytes, t * b * (WORD + ROW) + 2.0 * 4.0 * b * ROW);
    // Tape, chi, chi of the readout, spikes; λ and μ twice; R and the weights of the readout.
    let backward = &only(&profile, "layer_backward", 0).cost;
    assert_eq!(backward.operations, 2.0 * t * b * 5.0 * (5.0 + 2.0));
    assert_eq!(backward.bytes, t * b * (3.0 * ROW + WORD) + 4.0 * b * ROW + 2.0 * 5.0 * ROW);
    // Weights from the input, then from its own spikes; all columns of dW are written.
    let gradients: Vec<_> = spans(&profile, "weight_gradient", 0).iter().map(|span| &span.cost).collect();
    assert_eq!(gradients[0].gathers, tables[..1]);
    assert_eq!(gradients[0].bytes, t * b * (WORD + ROW) + 3.0 * ROW);
    assert_eq!(gradients[1].gathers, tables[1..]);
    assert_eq!(gradients[1].bytes, t * b * (WORD + ROW) + 5.0 * ROW);
    // Weights read and written, gradient, two rows of Adam read and written.
    let updates: Vec<f64> = spans(&profile, "update", 0).iter().map(|span| span.cost.bytes).collect();
    assert_eq!(updates, [7.0 * 3.0 * ROW, 7.0 * 5.0 * ROW]);
}

#[test]
fn neurons_that_a_compact_surrogate_leaves_out_need_no_products() {
    // θ = 1: V = 1.5, 0 after that or decayed; 1 is far from the threshold at slope 25 for all of them.
    let profile = profiled(spikegrad::cpu::Cpu::new(), Surrogate::new(SurrogateKind::Triangle, 25.0));
    assert_eq!(only(&profile, "layer_backward", 0).cost.operations, 0.0);
    let wide = profiled(spikegrad::cpu::Cpu::new(), Surrogate::new(SurrogateKind::Triangle, 1.5));
    let operations = only(&wide, "layer_backward", 0).cost.operations;
    let sensitive = operations / (2.0 * 7.0);
    assert!((15.0..40.0).contains(&sensitive) && sensitive.fract() == 0.0, "{sensitive}");
}

#[cfg(feature = "gpu")]
#[test]
fn a_gpu_counts_the_same_and_its_spans_follow_one_another() {
    let Some(gpu) = spikegrad::gpu::Gpu::for_tests() else { return };
    if !gpu.adapter().timestamps {
        return;
    }
    for kind in [SurrogateKind::FastSigmoid, SurrogateKind::Triangle] {
        let surrogate = Surrogate::new(kind, 1.5);
        let Some(gpu) = spikegrad::gpu::Gpu::for_tests() else { return };
        let (on_gpu, on_cpu) = (profiled(gpu, surrogate), profiled(spikegrad::cpu::Cpu::new(), surrogate));
        for (kernel, layer) in [("layer_forward", 0), ("layer_forward", 1), ("backward", 1)] {
            let (of_gpu, of_cpu) = (&only(&on_gpu, kernel, layer).cost, &only(&on_cpu, kernel, layer).cost);
            assert_eq!((of_gpu.bytes, &of_gpu.gathers), (of_cpu.bytes, &of_cpu.gathers), "{kernel} {layer}");
        }
        for (gpu, cpu) in spans(&on_gpu, "weight_gradient", 0).iter().zip(spans(&on_cpu, "weight_gradient", 0)) {
            assert_eq!(gpu.cost, cpu.cost);
        }
        let mut end = 0.0;
        for span in &on_gpu.spans {
            assert!(span.start >= end && span.duration >= 0.0, "{span:?} before {end}");
            end = span.start + span.duration;
        }
        assert!(end > 0.0);
    }
}

#[test]
fn a_backward_pass_of_one_s_own_is_profiled_as_well() {
    let mut core = cpu(small());
    core.kernels().profile(true).unwrap();
    core.forward(&small_batch(2)).unwrap();
    let forward = core.kernels().take_profile().unwrap();
    assert!(forward.spans.iter().all(|span| !span.kernel.contains("backward")));
    core.backward(&Gradient::activation(vec![1.0; 7 * 4])).unwrap();
    let backward = core.kernels().take_profile().unwrap();
    assert!(!spans(&backward, "backward", 2).is_empty() && spans(&backward, "layer_forward", 0).is_empty());
}
