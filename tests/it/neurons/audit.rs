//! Every neuron × reset form × surrogate: the adjoint is the gradient of the forward pass, by the product's own audit.

use spikegrad::audit::{Outcome, matrix};

#[test]
fn the_adjoint_of_every_neuron_is_the_gradient_of_its_forward_pass() {
    let cells = matrix(&[]);
    let wrong: Vec<String> = cells
        .iter()
        .filter(|cell| cell.neuron.name() != "wrong_lif")
        .filter(|cell| !cell.outcome.passes() || matches!(cell.outcome, Outcome::Measured { crossed: 1.., .. }))
        .map(|cell| {
            let (neuron, reset) = (cell.neuron.name(), cell.reset.name());
            format!("{neuron} {reset} detach {} {:?} {:?}: {:?}", cell.detach, cell.surrogate, cell.kind, cell.outcome)
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cells.len(), wrong.join("\n"));
}
