// The adjoint of one step of a snippet with all its loads: threshold, its own adjoint, synapse and lag around it.
#import neuron/reset
#import neuron/generated

// What step t + 1 hands to step t, and the sums over the steps so far.
struct Adjoint {
    // dL/dz, dL/dS and dL/dJ through the step after
    carry: Neuron,
    carry_spike: f32,
    carry_drive: f32,
    mu: f32,
    alpha: f32,
    bias: f32,
    sums: Constants,
}

fn states_before(t: u32, cell: Cell) -> Neuron {
    if (t > 0u) {
        return taped_states(at_step(t - 1u, cell), params.steps * params.batch * params.row);
    }
    return load_states(TAIL_START, planes[plane_at(PLANE_START_POTENTIAL, cell)], cell);
}

// I of step t - 1, where the tape holds it.
fn current_before(t: u32, cell: Cell) -> f32 {
#ifdef KEEPS_CURRENT
    if (t > 0u) {
        return tape[STATES * params.steps * params.batch * params.row + at_step(t - 1u, cell)];
    }
    return planes[plane_at(PLANE_START_CURRENT, cell)];
#else
    return 0.0;
#endif
}

// sigma' of step t. Where it is 0, nothing reads rho_t: only sigma' rho is used.
fn slope_at(t: u32, cell: Cell, c: Constants) -> f32 {
    if (cell.column >= params.units) {
        return 0.0;
    }
    let z = taped_states(at_step(t, cell), params.steps * params.batch * params.row);
    let theta = neuron_threshold(c, z);
    return select(0.0, surrogate(z.potential - theta), theta < NEVER);
}

// One step of one cell, from t + 1 to t; chi_t is `mu` of the result. `feedback` is the recurrent part of rho_t.
fn adjoint_at(t: u32, cell: Cell, c: Constants, feedback: f32, after: Adjoint) -> Adjoint {
    var now: Adjoint;
    if (cell.column >= params.units) {
        return now;
    }
    let whole = params.steps * params.batch * params.row;
    let z = taped_states(at_step(t, cell), whole);
    let before = states_before(t, cell);
    let spike = spike_before(t, 1u, cell);
    var drive = 0.0;
#ifdef KEEPS_DRIVE
    drive = tape[(TAPES - 1u) * whole + at_step(t, cell)];
#endif
    let theta = neuron_threshold(c, z);
    let rho = spike_above(t, cell, feedback) + after.carry_spike;
    let through = select(0.0, surrogate(z.potential - theta), theta < NEVER) * rho;
    let at_threshold = neuron_threshold_adjoint(c, z, -through);
    var g = add_states(after.carry, at_threshold.after);
    g.potential += through + potential_above(t, cell);
    let out = neuron_adjoint(c, spike, spike, drive, before, z, g);
    now.carry = out.before;
#ifdef DETACHED
    now.carry_spike = out.spike;
#else
    now.carry_spike = out.spike + out.reset;
#endif
    now.carry_drive = out.drive;
    // With lag 1, J_{t+1} is I_t.
#ifdef LAGGED
    let drive_gradient = after.carry_drive;
#else
    let drive_gradient = out.drive;
#endif
#ifdef SYNAPSE
    now.mu = fma(c.alpha, after.mu, drive_gradient);
#else
    now.mu = drive_gradient;
#endif
    now.alpha = fma(now.mu, current_before(t, cell), after.alpha);
    now.bias = after.bias + now.mu;
    now.sums = add_constants(after.sums, add_constants(out.constants, at_threshold.constants));
    now.sums.beta -= params.normalised * now.sums.gamma;
    now.sums.gamma = 0.0;
    return now;
}

fn load_adjoint(cell: Cell) -> Adjoint {
    var adjoint: Adjoint;
    adjoint.carry = load_states_of(TAIL_CARRY, cell);
    adjoint.carry_spike = planes[tail_at(TAIL_CARRY_SPIKE, cell)];
    adjoint.carry_drive = planes[tail_at(TAIL_CARRY_DRIVE, cell)];
    adjoint.mu = planes[plane_at(PLANE_MU, cell)];
    adjoint.alpha = load_learned(PLANE_ALPHA_GRADIENT, 1u, cell);
    adjoint.bias = load_learned(PLANE_BIAS_GRADIENT, 8u, cell);
    adjoint.sums = load_own(cell);
    adjoint.sums.beta = load_learned(PLANE_BETA_GRADIENT, 2u, cell);
    adjoint.sums.theta = load_learned(PLANE_THETA_GRADIENT, 4u, cell);
    return adjoint;
}

fn store_adjoint(cell: Cell, adjoint: Adjoint) {
    store_states_of(TAIL_CARRY, cell, adjoint.carry);
    planes[tail_at(TAIL_CARRY_SPIKE, cell)] = adjoint.carry_spike;
    planes[tail_at(TAIL_CARRY_DRIVE, cell)] = adjoint.carry_drive;
    planes[plane_at(PLANE_MU, cell)] = adjoint.mu;
    store_learned(PLANE_ALPHA_GRADIENT, 1u, cell, adjoint.alpha);
    store_learned(PLANE_BETA_GRADIENT, 2u, cell, adjoint.sums.beta);
    store_learned(PLANE_THETA_GRADIENT, 4u, cell, adjoint.sums.theta);
    store_learned(PLANE_BIAS_GRADIENT, 8u, cell, adjoint.bias);
    store_own(cell, adjoint.sums);
}
