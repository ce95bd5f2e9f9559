//! A stream in pieces of any length equals the whole sequence.

use super::{cpu, noise};
use spikegrad::engine::Batch;
use spikegrad::network::{Network, Preset};
use spikegrad::spikes::Raster;

fn piece(whole: &Raster, from: usize, steps: usize) -> Raster {
    let row = whole.words().len() / whole.steps();
    let words = whole.words()[from * row..(from + steps) * row].to_vec();
    Raster::from_words(steps, whole.batch(), whole.units(), words).unwrap()
}

#[test]
fn pieces_equal_the_whole_for_every_preset() {
    for preset in Preset::ALL {
        let network = Network::builder(13)
            .preset(preset)
            .recurrent(37, |layer| layer.init = spikegrad::network::Init::Uniform { gain: 3.0 })
            .hidden(9, |layer| layer.init = spikegrad::network::Init::Uniform { gain: 4.0 })
            .readout(3)
            .build()
            .unwrap();
        let mut core = cpu(network);
        core.initialise(4).unwrap();
        let whole = noise(24, 3, 13, 0.4, 8);
        let mut outputs = core.forward(&Batch::spikes(whole.clone())).unwrap();
        let trace = outputs.potential(2).unwrap();
        let spikes = outputs.spikes(0).unwrap();
        assert!(spikes.count() > 0);
        core.reset_state();
        let mut from = 0;
        for (index, steps) in [1, 1, 5, 5, 2, 10].into_iter().enumerate() {
            if index == 3 {
                // The state can be taken out and put into another engine.
                let state = core.state().unwrap();
                let parameters = core.parameters().unwrap();
                core = cpu(core.network().clone());
                core.set_parameters(&parameters).unwrap();
                core.set_state(state).unwrap();
            }
            let mut outputs = core.stream(&Batch::spikes(piece(&whole, from, steps))).unwrap();
            let (now, own) = (outputs.potential(2).unwrap(), outputs.spikes(0).unwrap());
            for t in 0..steps {
                for b in 0..3 {
                    for k in 0..3 {
                        let (a, b) = (now.get(t, b, k), trace.get(from + t, b, k));
                        assert_eq!(a.to_bits(), b.to_bits(), "{preset:?} step {}", from + t);
                    }
                    for n in 0..37 {
                        assert_eq!(own.get(t, b, n), spikes.get(from + t, b, n), "{preset:?} step {}", from + t);
                    }
                }
            }
            from += steps;
        }
        // A forward pass starts anew whatever streamed before.
        let again = core.forward(&Batch::spikes(whole.clone())).unwrap().potential(2).unwrap();
        assert_eq!(again, trace, "{preset:?}");
    }
}
