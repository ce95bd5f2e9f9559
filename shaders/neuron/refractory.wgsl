// Twin of src/neuron/refractory.rs.

fn neuron_step(c: Constants, spike: f32, reset: f32, drive: f32, before: Neuron) -> Neuron {
    var now: Neuron;
    now.countdown = select(max(before.countdown - 1.0, 0.0), c.refractory, spike > 0.5);
    let free = reset_step(c.beta, c.theta, c.v_reset, before.potential, reset, c.gamma * drive);
    let held = reset_value(c.theta, c.v_reset, before.potential, reset);
    now.potential = select(held, free, now.countdown <= 0.0 || c.integrating > 0.0);
    return now;
}

fn neuron_threshold(c: Constants, after: Neuron) -> f32 {
    return select(c.theta, NEVER, after.countdown > 0.0);
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
    if (after.countdown <= 0.0 || c.integrating > 0.0) {
        let by = reset_adjoint(c.beta, c.theta, c.v_reset, before.potential, reset, c.gamma * drive, g.potential);
        out.before.potential = by.potential;
        out.reset = by.spike;
        out.drive = c.gamma * by.drive;
        out.constants.beta = by.beta;
        out.constants.gamma = drive * by.drive;
        out.constants.theta = by.theta;
    } else {
        let by = reset_value_by(c.theta, c.v_reset, before.potential, reset);
        out.before.potential = by.x * g.potential;
        out.reset = by.y * g.potential;
        out.constants.theta = by.z * g.potential;
    }
    return out;
}

fn neuron_threshold_adjoint(c: Constants, after: Neuron, g: f32) -> ThresholdAdjoint {
    var out: ThresholdAdjoint;
    out.constants.theta = select(g, 0.0, after.countdown > 0.0);
    return out;
}
