// One step of the leaky integrate-and-fire family (docs/dynamics.md, section 1), with the roundings of the contract:
//
//     I_t = fma(alpha, I_{t-1}, X_t),  J_t = I_t or (LAGGED) I_{t-1},  d = gamma * J_t
//     subtract before   V_t = fma(beta, fma(-theta, S_{t-1}, V_{t-1}), d)
//     subtract after    V_t = fma(-theta, S_{t-1}, fma(beta, V_{t-1}, d))
//     zero before       V_t = fma(beta, S_{t-1} ? v_reset : V_{t-1}, d)
//     zero after        V_t = S_{t-1} ? 0 : fma(beta, V_{t-1}, d)
//     none              V_t = fma(beta, V_{t-1}, d)
//
// (DX12 has no exact fma in f32: there the driver may round twice, and a spike at the threshold may differ by one step.)
//
// The importing file has `params.reset_potential` and `params.inclusive`.

#import neuron/lif_constants

struct State {
    potential: f32,
    current: f32,
    // 1 where the neuron spiked.
    spike: f32,
}

fn scan_step(c: Constants, before: State, x: f32) -> State {
    var now: State;
#ifdef SYNAPSE
    now.current = fma(c.alpha, before.current, x);
#else
    now.current = x;
#endif
#ifdef LAGGED
    let d = c.gamma * before.current;
#else
    let d = c.gamma * now.current;
#endif
#ifdef SUBTRACT_BEFORE
    now.potential = fma(c.beta, fma(-c.theta, before.spike, before.potential), d);
#endif
#ifdef SUBTRACT_AFTER
    now.potential = fma(-c.theta, before.spike, fma(c.beta, before.potential, d));
#endif
#ifdef ZERO_BEFORE
    now.potential = fma(c.beta, select(before.potential, params.reset_potential, before.spike > 0.0), d);
#endif
#ifdef ZERO_AFTER
    now.potential = select(fma(c.beta, before.potential, d), 0.0, before.spike > 0.0);
#endif
#ifdef NO_RESET
    now.potential = fma(c.beta, before.potential, d);
#endif
#ifdef BYTES
    // Several spikes a step: floor(V / theta), or with > the whole number below V / theta. 0 for padding.
    let ratio = now.potential / c.theta;
    let count = select(-floor(-ratio) - 1.0, floor(ratio), params.inclusive != 0u);
    now.spike = clamp(count, 0.0, f32(params.most));
#else
    // A comparison, not a sign: V - theta may round to 0 where V is not theta.
    let reached = select(now.potential > c.theta, now.potential >= c.theta, params.inclusive != 0u);
    now.spike = select(0.0, 1.0, reached);
#endif
    return now;
}
