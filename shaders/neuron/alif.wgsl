// Twin of src/neuron/alif.rs.

fn neuron_step(c: Constants, spike: f32, reset: f32, drive: f32, before: Neuron) -> Neuron {
    var now: Neuron;
    let subtracted = fma(c.reset_by * c.adaptation, before.adaptation, c.theta);
    let gain = 1.0 - c.normalised_adaptation * c.rho;
    now.potential = reset_step(c.beta, subtracted, c.v_reset, before.potential, reset, c.gamma * drive);
    now.adaptation = fma(c.rho, before.adaptation, gain * spike);
    return now;
}

fn neuron_threshold(c: Constants, after: Neuron) -> f32 {
    return fma(c.adaptation, after.adaptation, c.theta);
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
    let subtracted = fma(c.reset_by * c.adaptation, before.adaptation, c.theta);
    let by = reset_adjoint(c.beta, subtracted, c.v_reset, before.potential, reset, c.gamma * drive, g.potential);
    let by_adapted = by.theta * c.reset_by;
    out.before.potential = by.potential;
    out.before.adaptation = fma(c.rho, g.adaptation, by_adapted * c.adaptation);
    out.spike = (1.0 - c.detach_adaptation) * (1.0 - c.normalised_adaptation * c.rho) * g.adaptation;
    out.reset = by.spike;
    out.drive = c.gamma * by.drive;
    out.constants.beta = by.beta;
    out.constants.gamma = drive * by.drive;
    out.constants.theta = by.theta;
    out.constants.rho = (before.adaptation - c.normalised_adaptation * spike) * g.adaptation;
    out.constants.adaptation = by_adapted * before.adaptation;
    return out;
}

fn neuron_threshold_adjoint(c: Constants, after: Neuron, g: f32) -> ThresholdAdjoint {
    var out: ThresholdAdjoint;
    let kept = (1.0 - c.detach_threshold) * g;
    out.after.adaptation = c.adaptation * kept;
    out.constants.theta = kept;
    out.constants.adaptation = after.adaptation * kept;
    return out;
}
