// What both forward kernels share: parameters, arrays, and the way state goes in and out of the sample planes.
//
// A neuron has `State` (with potential, current and spike) and `scan_step`: those of the leaky integrate-and-fire family, or
// SNIPPET a snippet's.
#import shared/spikes
#ifdef SNIPPET
#import neuron/snippet
#else
#import neuron/lif
#endif

struct Params {
    steps: u32,
    batch: u32,
    row: u32,
    begin: u32,
    end: u32,
    recurrent_lag: u32,
    inclusive: u32,
    // 1 max, 2 sum, 3 mean, 4 last
    reduction: u32,
    // Words of a row of the source; row of step 0 of the source.
    source_words: u32,
    source_offset: u32,
    reset_potential: f32,
    // Most spikes of a step.
    most: u32,
    // First step and all steps of the sequence, first sample and all samples of the batch.
    window_step: u32,
    window_steps: u32,
    window_sample: u32,
    window_samples: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> constants: array<f32>;
@group(0) @binding(2) var<storage, read_write> planes: array<f32>;
#ifdef SPIKING
@group(0) @binding(6) var<storage, read_write> spikes: array<u32>;
#endif
#ifdef TAPE
@group(0) @binding(7) var<storage, read_write> tape: array<f32>;
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

// The state of the step before the range.
fn load_state(cell: Cell) -> State {
    var state: State;
    state.potential = planes[plane_at(PLANE_POTENTIAL, cell)];
    state.current = planes[plane_at(PLANE_CURRENT, cell)];
#ifdef SNIPPET
    state.z = load_states(TAIL_STATE, state.potential, cell);
#endif
#ifdef SPIKING
    let before = (params.begin + HISTORY - 1u) * params.batch + cell.sample;
    state.spike = f32(spikes_in(spikes[before * words_of(params.row) + word_of(cell.column)], cell.column));
#endif
    return state;
}

fn store_state(cell: Cell, state: State) {
    planes[plane_at(PLANE_POTENTIAL, cell)] = state.potential;
    planes[plane_at(PLANE_CURRENT, cell)] = state.current;
#ifdef SNIPPET
    store_states(TAIL_STATE, cell, state.z);
#endif
}

#ifdef SNIPPET
// The states before row 0 of the arrays, for the backward pass.
fn store_start(cell: Cell, state: State) {
    store_states(TAIL_START, cell, state.z);
}
#endif

fn store_tape(t: u32, cell: Cell, state: State) {
#ifdef TAPE
    let at = (t * params.batch + cell.sample) * params.row + cell.column;
    tape[at] = state.potential;
    let whole = params.steps * params.batch * params.row;
#ifdef SNIPPET
    tape_states(at, whole, state.z);
#ifdef KEEPS_CURRENT
    tape[STATES * whole + at] = state.current;
#endif
#ifdef KEEPS_DRIVE
    tape[(TAPES - 1u) * whole + at] = state.drive;
#endif
#else
#ifdef KEEPS_CURRENT
    tape[whole + at] = state.current;
#endif
#endif
#endif
}

#ifdef REDUCED
struct Readout {
    activation: f32,
    step: f32,
}

fn load_readout(cell: Cell) -> Readout {
    return Readout(planes[plane_at(PLANE_ACTIVATION, cell)], planes[plane_at(PLANE_STEP, cell)]);
}

fn store_readout(cell: Cell, readout: Readout) {
    planes[plane_at(PLANE_ACTIVATION, cell)] = readout.activation;
    if (params.reduction == 1u) {
        planes[plane_at(PLANE_STEP, cell)] = readout.step;
    }
}

// Row t of the arrays. Step 0 of the sequence starts the reduction; `max` keeps the first of equal maxima.
fn reduce(before: Readout, t: u32, potential: f32) -> Readout {
    let step = params.window_step + t;
    var now = before;
    switch params.reduction {
        case 1u: {
            if (step == 0u || potential > before.activation) {
                now = Readout(potential, f32(step));
            }
        }
        case 2u: {
            now.activation = select(before.activation, 0.0, step == 0u) + potential;
        }
        case 3u: {
            now.activation = select(before.activation, 0.0, step == 0u) + potential / f32(params.window_steps);
        }
        default: {
            now.activation = potential;
        }
    }
    return now;
}
#endif
