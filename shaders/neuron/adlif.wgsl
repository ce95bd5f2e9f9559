// Twin of src/neuron/adlif.rs. SYMPLECTIC stands in front.

fn recovery_gain(rho: f32) -> f32 {
    return select(1.0, 1.0 - rho, SYMPLECTIC);
}

fn seen(v: f32, reset: f32) -> f32 {
    return select(v, v * (1.0 - reset), SYMPLECTIC);
}

fn neuron_step(c: Constants, spike: f32, reset: f32, drive: f32, before: Neuron) -> Neuron {
    var now: Neuron;
    let driven = fma(c.a, seen(before.potential, reset), c.b * spike);
    now.recovery = fma(c.rho, before.recovery, recovery_gain(c.rho) * driven);
    now.potential =
        reset_step(c.beta, c.theta, c.v_reset, before.potential, reset, c.gamma * (drive - now.recovery));
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
    let net = drive - after.recovery;
    let by = reset_adjoint(c.beta, c.theta, c.v_reset, before.potential, reset, c.gamma * net, g.potential);
    let g_drive = c.gamma * by.drive;
    let g_recovery = g.recovery - g_drive;
    let p = recovery_gain(c.rho) * g_recovery;
    let u = seen(before.potential, reset);
    out.before.potential = by.potential + p * c.a * select(1.0, 1.0 - reset, SYMPLECTIC);
    out.before.recovery = c.rho * g_recovery;
    out.spike = (1.0 - c.detach_adaptation) * p * c.b;
    out.reset = by.spike + select(0.0, -(p * c.a * before.potential), SYMPLECTIC);
    out.drive = g_drive;
    out.constants.beta = by.beta;
    out.constants.gamma = net * by.drive;
    out.constants.theta = by.theta;
    out.constants.rho = (before.recovery - select(0.0, fma(c.a, u, c.b * spike), SYMPLECTIC)) * g_recovery;
    out.constants.a = p * u;
    out.constants.b = p * spike;
    return out;
}
