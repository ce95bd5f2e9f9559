//! Forms chosen again by what was measured: others, to the same bits.

use crate::engine::{adam, labels, noise};
use spikegrad::engine::{Batch, Budget, Core, LayerActivity};
use spikegrad::gpu::{Gpu, Options};
use spikegrad::network::Network;

/// With so many samples and neurons that a step's form depends on how many spike.
const NETWORK: &str = r#"
    inputs = 20
    [[layer]]
    units = 1024
    recurrent = true
    init = { kind = "uniform", gain = 150.0 }
    recurrent_init = { kind = "uniform", gain = 0.5 }
    neuron = { kind = "cuba_lif", tau_mem = 10.0, tau_syn = 5.0 }
    [[layer]]
    units = 40
    init = { kind = "uniform", gain = 4.0 }
    neuron = { kind = "lif" }
    [[layer]]
    units = 4
"#;

fn train(replan: &[f64]) -> Option<(Vec<bool>, Vec<Vec<f32>>)> {
    let gpu: Gpu = super::forms::open(Options::default())?;
    let mut core = Core::new(Network::from_toml(NETWORK).unwrap(), gpu, Budget::Unbounded).unwrap();
    let mut changed = Vec::new();
    for step in 0..3 {
        let batch = Batch::spikes(noise(3, 256, 20, 0.3, step)).with_labels(labels(256, 4));
        core.train(&batch, &adam(0.01)).unwrap();
        let Some(&share) = replan.get(step as usize) else { continue };
        let layers = core.activity().unwrap();
        assert!(layers[0].share() > 0.01, "the layer spikes: {}", layers[0].share());
        let of = |layer: &LayerActivity| LayerActivity {
            spikes: vec![share; layer.spikes.len()],
            steps: 1.0,
            ..layer.clone()
        };
        changed.push(core.replan(&layers.iter().map(of).collect::<Vec<_>>()));
    }
    let parameters = core.parameters().unwrap().into_values().map(|tensor| tensor.values).collect();
    Some((changed, parameters))
}

#[test]
fn forms_follow_the_activity_and_change_no_bit() {
    let Some((_, parameters)) = train(&[]) else { return };
    // Next to nothing spikes: step by step. Then so much that products are faster.
    let (changed, replanned) = train(&[1e-5, 0.5]).unwrap();
    assert_eq!(changed, [true, true]);
    assert!(replanned == parameters, "the same bits");
}

#[test]
fn a_plan_that_fits_stays() {
    let Some((changed, _)) = train(&[0.05]) else { return };
    assert_eq!(changed, [false]);
}
