// Twin of src/neuron/lapicque.rs.

fn neuron_step(c: Constants, spike: f32, reset: f32, drive: f32, before: Neuron) -> Neuron {
    var now: Neuron;
    let beta = 1.0 - c.rate / c.resistance;
    now.potential = reset_step(beta, c.theta, c.v_reset, before.potential, reset, c.rate * drive);
    return now;
}

fn neuron_adjoint(
    c: Constants,
    spike: f32,
    reset: f32,
    drive: f32,
    before: Neuron,
    after: Neuron,
    g: Neuron,
) -> NeuronAdjoint {
    var out: NeuronAdjoint;
    let beta = 1.0 - c.rate / c.resistance;
    let by = reset_adjoint(beta, c.theta, c.v_reset, before.potential, reset, c.rate * drive, g.potential);
    let leak = by.beta / c.resistance;
    out.before.potential = by.potential;
    out.reset = by.spike;
    out.drive = c.rate * by.drive;
    out.constants.theta = by.theta;
    out.constants.resistance = leak * c.rate / c.resistance;
    out.constants.rate = drive * by.drive - leak;
    return out;
}
