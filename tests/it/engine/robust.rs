//! What must not be lost.

use super::{adam, cpu, labels, noise};
use spikegrad::engine::{Batch, OptimiserState};
use spikegrad::kernels::Rule;
use spikegrad::network::{Init, Network, Parameter};

#[test]
fn a_learned_threshold_stays_above_0() {
    let network = Network::builder(10)
        .hidden(20, |layer| {
            layer.init = Init::Uniform { gain: 6.0 };
            layer.neuron.threshold = Some(Parameter::from(0.2).learned().per_neuron());
        })
        .readout(2)
        .build()
        .unwrap();
    let mut core = cpu(network);
    core.initialise(1).unwrap();
    let batch = Batch::spikes(noise(20, 6, 10, 0.4, 1)).with_labels(labels(6, 2));
    for _ in 0..60 {
        core.train(&batch, &adam(0.5)).unwrap();
    }
    let parameters = core.parameters().unwrap();
    assert!(parameters["layer0.threshold"].values.iter().all(|&theta| theta > 0.0));
    core.set_parameters(&parameters).unwrap();
}

#[test]
fn an_update_that_overflows_is_seen_before_it_is_kept() {
    let mut core = cpu(super::small());
    core.initialise(1).unwrap();
    core.check_finite().unwrap();
    core.train(&super::small_batch(1), &adam(1e39)).unwrap();
    let error = core.check_finite().unwrap_err().to_string();
    assert!(error.contains("is not finite") && error.contains("layer"), "{error}");
}

#[test]
fn an_optimiser_state_that_is_missing_is_refused() {
    let mut core = cpu(super::small());
    let rule = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.0 };
    core.set_optimiser_state(rule, &OptimiserState::default()).unwrap();
    let lost = OptimiserState { step: 72, ..OptimiserState::default() };
    assert!(core.set_optimiser_state(rule, &lost).unwrap_err().to_string().contains("missing"));
}

#[test]
fn a_step_after_its_numbers_were_read_is_judged_by_them() {
    // Three rows fill the ring; the middle of the third step reads them. The clip must use the third row's norm.
    let run = |read: bool| {
        let mut core = cpu(super::small());
        core.initialise(2).unwrap();
        let optimiser = spikegrad::engine::Optimiser { max_norm: Some(1e-3), ..adam(0.01) };
        for step in 0..3 {
            core.forward(&super::small_batch(step)).unwrap();
            core.backward(&spikegrad::engine::Gradient::loss()).unwrap();
            if read && step == 2 {
                assert_eq!(core.metrics().unwrap().len(), 3);
            }
            core.step(&optimiser).unwrap();
        }
        core.parameters().unwrap()
    };
    assert_eq!(run(false), run(true));
}
