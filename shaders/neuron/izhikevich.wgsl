// Twin of src/neuron/izhikevich.rs.

fn neuron_step(c: Constants, spike: f32, reset: f32, drive: f32, before: Neuron) -> Neuron {
    var now: Neuron;
    let start = reset_value(c.theta, c.v_reset, before.potential, reset);
    let recovery = fma(c.b, spike, before.recovery);
    let slope = drive + c.quadratic * (start - c.v_rest) * (start - c.v_critical) - recovery;
    now.potential = fma(1.0 - c.beta, slope, start);
    now.recovery = fma(c.recovery_rate, c.a * (now.potential - c.v_rest) - recovery, recovery);
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
    let start = reset_value(c.theta, c.v_reset, before.potential, reset);
    let by = reset_value_by(c.theta, c.v_reset, before.potential, reset);
    let recovery = fma(c.b, spike, before.recovery);
    let to_rest = start - c.v_rest;
    let to_critical = start - c.v_critical;
    let slope = drive + c.quadratic * to_rest * to_critical - recovery;
    let pull = c.a * (after.potential - c.v_rest) - recovery;
    let g_v = g.potential + c.recovery_rate * c.a * g.recovery;
    let g_slope = (1.0 - c.beta) * g_v;
    let g_start = g_v + g_slope * c.quadratic * (to_rest + to_critical);
    let g_recovery = (1.0 - c.recovery_rate) * g.recovery - g_slope;
    out.before.potential = by.x * g_start;
    out.before.recovery = g_recovery;
    out.spike = c.b * g_recovery;
    out.reset = by.y * g_start;
    out.drive = g_slope;
    out.constants.beta = -(slope * g_v);
    out.constants.theta = by.z * g_start;
    out.constants.recovery_rate = pull * g.recovery;
    out.constants.v_rest = -(g_slope * c.quadratic * to_critical) - c.recovery_rate * c.a * g.recovery;
    out.constants.v_critical = -(g_slope * c.quadratic * to_rest);
    out.constants.quadratic = g_slope * to_rest * to_critical;
    out.constants.a = c.recovery_rate * (after.potential - c.v_rest) * g.recovery;
    out.constants.b = spike * g_recovery;
    return out;
}
