// What both backward kernels share: parameters, arrays, and the adjoint of one step of one cell with all its loads.
//
// `Adjoint` (with mu, which is chi), `adjoint_at`, `load_adjoint` and `store_adjoint` are those of the leaky
// integrate-and-fire family, or SNIPPET a snippet's.
#import shared/spikes
#ifdef SPIKING
#import surrogate/surrogate
#endif
#ifdef SNIPPET
#import neuron/snippet_backward
#else
#import neuron/lif_constants
#import neuron/adjoint
#endif

struct Params {
    steps: u32,
    batch: u32,
    row: u32,
    units: u32,
    begin: u32,
    end: u32,
    emit_lag: u32,
    recurrent_lag: u32,
    // 1 where dL/d count is added
    counts: u32,
    // 0 none, 1 max, 2 sum, 3 mean, 4 last
    reduction: u32,
    // Bits 0 to 3: alpha, beta, theta, bias are learned; from bit 4 on a snippet's own parameters.
    learned: u32,
    // 1 where gamma = 1 - beta, else 0
    normalised: f32,
    slope: f32,
    scale: f32,
    reset_potential: f32,
    shape_a: f32,
    shape_b: f32,
    shape_c: f32,
    // First step and all steps of the sequence, first sample and all samples of the batch.
    window_step: u32,
    window_steps: u32,
    window_sample: u32,
    window_samples: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> constants: array<f32>;
@group(0) @binding(2) var<storage, read_write> planes: array<f32>;
@group(0) @binding(3) var<storage, read> tape: array<f32>;
@group(0) @binding(4) var<storage, read_write> chi: array<f32>;
#ifdef SPIKING
@group(0) @binding(5) var<storage, read> spikes: array<u32>;
#endif
#ifdef SPIKE_GRADIENT
@group(0) @binding(6) var<storage, read> gradient_spikes: array<f32>;
#endif
#ifdef POTENTIAL_GRADIENT
@group(0) @binding(7) var<storage, read> gradient_potential: array<f32>;
#endif

// A sample of the arrays over time.
struct Cell {
    sample: u32,
    column: u32,
}

fn cell_of(index: u32) -> Cell {
    return Cell(index / params.row, index % params.row);
}

fn plane_at(plane: u32, cell: Cell) -> u32 {
    return ((params.window_sample + cell.sample) * PLANES + plane) * params.row + cell.column;
}

fn at_step(t: u32, cell: Cell) -> u32 {
    return (t * params.batch + cell.sample) * params.row + cell.column;
}

#ifdef SNIPPET
#else
fn constants_of(column: u32) -> Constants {
    return Constants(
        constants[CONSTANT_ALPHA * params.row + column],
        constants[CONSTANT_BETA * params.row + column],
        constants[CONSTANT_GAMMA * params.row + column],
        constants[CONSTANT_THETA * params.row + column],
    );
}
#endif

// S of row t - back of the arrays; the history stands before row 0.
fn spike_before(t: u32, back: u32, cell: Cell) -> f32 {
#ifdef SPIKING
    let row = (t + HISTORY - back) * params.batch + cell.sample;
    return f32(spikes_in(spikes[row * words_of(params.row) + word_of(cell.column)], cell.column));
#else
    return 0.0;
#endif
}

#ifdef SNIPPET
#else
// I of step t, where the tape holds it.
fn current_at(t: u32, cell: Cell) -> f32 {
    return tape[params.steps * params.batch * params.row + at_step(t, cell)];
}

fn read_tape(t: u32, cell: Cell) -> Tape {
    var read: Tape;
    read.potential = tape[at_step(t, cell)];
    read.spike = spike_before(t, 0u, cell);
    read.spike_before = spike_before(t, 1u, cell);
    if (t > 0u) {
        read.potential_before = tape[at_step(t - 1u, cell)];
    } else {
        read.potential_before = planes[plane_at(PLANE_START_POTENTIAL, cell)];
    }
#ifdef KEEPS_CURRENT
    let current = current_at(t, cell);
    if (t > 0u) {
        read.current_before = current_at(t - 1u, cell);
    } else {
        read.current_before = planes[plane_at(PLANE_START_CURRENT, cell)];
    }
#ifdef LAGGED
    read.drive = read.current_before;
    read.drive_after = current;
#else
    read.drive = current;
    // Past the last step of the sequence lambda is 0, so that the value does not matter.
    if (t + 1u < params.steps) {
        read.drive_after = current_at(t + 1u, cell);
    } else if (params.window_step + t + 1u < params.window_steps) {
        read.drive_after = planes[plane_at(PLANE_CURRENT, cell)];
    }
#endif
#endif
    return read;
}
#endif

// dL/dV_t from outside: the potential's own gradient and the readout's reduction.
fn potential_above(t: u32, cell: Cell) -> f32 {
    var sum = 0.0;
#ifdef POTENTIAL_GRADIENT
    sum += gradient_potential[at_step(t, cell)];
#endif
#ifdef REDUCED
    let activation = planes[plane_at(PLANE_ACTIVATION_GRADIENT, cell)];
    let step = params.window_step + t;
    switch params.reduction {
        case 1u: {
            sum += select(0.0, activation, planes[plane_at(PLANE_STEP, cell)] == f32(step));
        }
        case 2u: {
            sum += activation;
        }
        case 3u: {
            sum += activation / f32(params.window_steps);
        }
        default: {
            sum += select(0.0, activation, step + 1u == params.window_steps);
        }
    }
#endif
    return sum;
}

// The part of rho_t from outside the neuron; `feedback` is the recurrent one. Padding has none, whatever stands in its
// entries.
fn spike_above(t: u32, cell: Cell, feedback: f32) -> f32 {
    var above = feedback;
#ifdef SPIKE_GRADIENT
    above += gradient_spikes[at_step(t, cell)];
#endif
    if (params.counts != 0u && params.window_step + t + params.emit_lag < params.window_steps) {
        above += planes[plane_at(PLANE_COUNT_GRADIENT, cell)];
    }
    return select(0.0, above, cell.column < params.units);
}

// A sum over the steps goes on from dispatch to dispatch: its bits do not depend on where the sequence is cut.
fn load_learned(plane: u32, bit: u32, cell: Cell) -> f32 {
    if ((params.learned & bit) != 0u) {
        return planes[plane_at(plane, cell)];
    }
    return 0.0;
}

fn store_learned(plane: u32, bit: u32, cell: Cell, value: f32) {
    if ((params.learned & bit) != 0u) {
        planes[plane_at(plane, cell)] = value;
    }
}

#ifdef SNIPPET
#else
#ifdef SPIKING
// sigma' of step t. Where it is 0, nothing reads rho_t: only sigma' rho is used.
fn slope_at(t: u32, cell: Cell, c: Constants) -> f32 {
    return surrogate(surrogate_place(c, tape[at_step(t, cell)]).x);
}
#endif

// One step of one cell, from t + 1 to t; chi_t is `mu` of the result. `feedback` is the recurrent part of rho_t.
fn adjoint_at(t: u32, cell: Cell, c: Constants, feedback: f32, after: Adjoint) -> Adjoint {
    let above = spike_above(t, cell, feedback);
    let inside = cell.column < params.units;
    return lif_adjoint(c, read_tape(t, cell), above, select(0.0, potential_above(t, cell), inside), after);
}

fn load_adjoint(cell: Cell) -> Adjoint {
    var adjoint: Adjoint;
    adjoint.lambda = planes[plane_at(PLANE_LAMBDA, cell)];
    adjoint.mu = planes[plane_at(PLANE_MU, cell)];
    adjoint.alpha = load_learned(PLANE_ALPHA_GRADIENT, 1u, cell);
    adjoint.beta = load_learned(PLANE_BETA_GRADIENT, 2u, cell);
    adjoint.theta = load_learned(PLANE_THETA_GRADIENT, 4u, cell);
    adjoint.bias = load_learned(PLANE_BIAS_GRADIENT, 8u, cell);
    return adjoint;
}

fn store_adjoint(cell: Cell, adjoint: Adjoint) {
    planes[plane_at(PLANE_LAMBDA, cell)] = adjoint.lambda;
    planes[plane_at(PLANE_MU, cell)] = adjoint.mu;
    store_learned(PLANE_ALPHA_GRADIENT, 1u, cell, adjoint.alpha);
    store_learned(PLANE_BETA_GRADIENT, 2u, cell, adjoint.beta);
    store_learned(PLANE_THETA_GRADIENT, 4u, cell, adjoint.theta);
    store_learned(PLANE_BIAS_GRADIENT, 8u, cell, adjoint.bias);
}
#endif
