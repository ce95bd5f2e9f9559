// The adjoint of `lif_step` (docs/dynamics.md, section 2).

// What the adjoint of step t reads of the forward pass.
struct Tape {
    // V_t and V_{t-1}
    potential: f32,
    potential_before: f32,
    // S_t and S_{t-1}
    spike: f32,
    spike_before: f32,
    // J_t and J_{t+1}, I_{t-1}; 0 where the tape does not hold I, because then nothing that is kept depends on them
    drive: f32,
    drive_after: f32,
    current_before: f32,
}

// lambda and mu of step t+1 before `lif_adjoint`, of step t after it; the sums over the steps so far.
struct Adjoint {
    lambda: f32,
    mu: f32,
    alpha: f32,
    beta: f32,
    theta: f32,
    bias: f32,
}

#ifdef SPIKING
// Where the surrogate stands: V - theta and 1, or PERIODIC what V is from the nearest multiple n of theta, and n (contract:
// `Firing`).
fn surrogate_place(c: Constants, potential: f32) -> vec2<f32> {
#ifdef PERIODIC
    if (potential >= c.theta) {
        let n = floor(potential / c.theta + 0.5);
        return vec2<f32>(2.0 * fma(-n, c.theta, potential), n);
    }
#endif
    return vec2<f32>(potential - c.theta, 1.0);
}
#endif

// `above`: the part of rho_t from outside the neuron, `potential_above`: that of lambda_t.
fn lif_adjoint(c: Constants, tape: Tape, above: f32, potential_above: f32, after: Adjoint) -> Adjoint {
    var now = after;
    // Reset term of rho_t and carry_t of lambda_{t+1}.
    var reset = 0.0;
    var carry = c.beta;
#ifdef SUBTRACT_BEFORE
    reset = -c.beta * c.theta * after.lambda;
#endif
#ifdef SUBTRACT_AFTER
    reset = -c.theta * after.lambda;
#endif
#ifdef ZERO_BEFORE
    reset = -c.beta * (tape.potential - params.reset_potential) * after.lambda;
    carry = c.beta * (1.0 - tape.spike);
#endif
#ifdef ZERO_AFTER
    reset = -fma(c.beta, tape.potential, c.gamma * tape.drive_after) * after.lambda;
    carry = c.beta * (1.0 - tape.spike);
#endif
#ifdef DETACHED
    reset = 0.0;
#endif
#ifdef SPIKING
    let place = surrogate_place(c, tape.potential);
    let slope = surrogate(place.x);
    let rho = above + reset;
    now.lambda = fma(slope, rho, fma(carry, after.lambda, potential_above));
    let theta_direct = -place.y * slope * rho;
#else
    now.lambda = fma(carry, after.lambda, potential_above);
    let theta_direct = 0.0;
#endif
    // The gate has the index of its own V.
#ifdef LAGGED
    var gated = after.lambda;
#ifdef ZERO_AFTER
    gated *= 1.0 - tape.spike;
#endif
#else
    var gated = now.lambda;
#ifdef ZERO_AFTER
    gated *= 1.0 - tape.spike_before;
#endif
#endif
#ifdef SYNAPSE
    now.mu = fma(c.alpha, after.mu, c.gamma * gated);
#else
    now.mu = c.gamma * gated;
#endif
    // dV_t/dbeta and dV_t/dtheta.
    var by_beta = tape.potential_before;
    var by_theta = 0.0;
#ifdef SUBTRACT_BEFORE
    by_beta = fma(-c.theta, tape.spike_before, tape.potential_before);
    by_theta = -c.beta * tape.spike_before;
#endif
#ifdef SUBTRACT_AFTER
    by_theta = -tape.spike_before;
#endif
#ifdef ZERO_BEFORE
    by_beta = select(tape.potential_before, params.reset_potential, tape.spike_before > 0.0);
#endif
    by_beta -= params.normalised * tape.drive;
#ifdef ZERO_AFTER
    by_beta *= 1.0 - tape.spike_before;
#endif
    now.alpha = fma(now.mu, tape.current_before, after.alpha);
    now.beta = fma(now.lambda, by_beta, after.beta);
    now.theta = after.theta + fma(now.lambda, by_theta, theta_direct);
    now.bias = after.bias + now.mu;
    return now;
}
