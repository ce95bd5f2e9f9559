// Twin of src/neuron/alpha.rs. Reset forms: ZERO_AFTER, SUBTRACT_AFTER, none.

// tau_alpha and its derivatives by the two decays.
fn alpha_scale(alpha: f32, beta: f32) -> vec3<f32> {
    let a = log(alpha);
    let b = log(beta);
    let d = b - a;
    return vec3(b / d, b / (alpha * d * d), -a / (beta * d * d));
}

fn neuron_step(c: Constants, spike: f32, reset: f32, drive: f32, before: Neuron) -> Neuron {
    var now: Neuron;
    let e = fma(c.decay_excitatory, before.excitatory, drive);
    let i = fma(c.decay_inhibitory, before.inhibitory, -drive);
    let v = alpha_scale(c.decay_excitatory, c.decay_inhibitory).x * (e + i);
    now.potential = v;
    now.excitatory = e;
    now.inhibitory = i;
#ifdef ZERO_AFTER
    now.potential = v * (1.0 - reset);
    now.excitatory = e * (1.0 - reset);
    now.inhibitory = i * (1.0 - reset);
#endif
#ifdef SUBTRACT_AFTER
    now.potential = fma(reset, before.inhibitory, v);
    now.excitatory = fma(-c.theta, reset, e);
    now.inhibitory = i * (1.0 - reset);
#endif
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
    let scale = alpha_scale(c.decay_excitatory, c.decay_inhibitory);
    let e = fma(c.decay_excitatory, before.excitatory, drive);
    let i = fma(c.decay_inhibitory, before.inhibitory, -drive);
    let sum = e + i;
    var to_e = g.excitatory;
    var to_i = g.inhibitory;
    var to_u = g.potential;
    var past = 0.0;
#ifdef ZERO_AFTER
    let kept = 1.0 - reset;
    out.reset = -(e * g.excitatory + i * g.inhibitory + scale.x * sum * g.potential);
    to_e *= kept;
    to_i *= kept;
    to_u *= kept;
#endif
#ifdef SUBTRACT_AFTER
    out.reset = before.inhibitory * g.potential - c.theta * g.excitatory - i * g.inhibitory;
    out.constants.theta = -(reset * g.excitatory);
    to_i *= 1.0 - reset;
    past = reset * g.potential;
#endif
    to_e = fma(scale.x, to_u, to_e);
    to_i = fma(scale.x, to_u, to_i);
    let to_tau = sum * to_u;
    out.before.excitatory = c.decay_excitatory * to_e;
    out.before.inhibitory = fma(c.decay_inhibitory, to_i, past);
    out.drive = to_e - to_i;
    out.constants.decay_excitatory = fma(before.excitatory, to_e, scale.y * to_tau);
    out.constants.decay_inhibitory = fma(before.inhibitory, to_i, scale.z * to_tau);
    return out;
}
