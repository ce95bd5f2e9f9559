// The neuron of a recurrent layer over many steps in one dispatch (contract: `Forward`, form Resident): a workgroup owns
// TILE samples and all neurons, PER neurons for each invocation. Recurrence never leaves the sample, so no other
// workgroup has to be waited for.
//
// Spikes of the last steps live as bits in SLOTS = recurrent lag + 2 rotating arrays: step t reads t - lag, sets bits in
// t and clears t + 1, all different, so one barrier a step is enough.
#import neuron/lif
#import neuron/forward

@group(0) @binding(3) var<storage, read> drive: array<f32>;
@group(0) @binding(5) var<storage, read> recurrent: array<f32>;

const ARRAY = TILE * WORDS;
var<workgroup> recent: array<atomic<u32>, SLOTS * ARRAY>;

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let first_sample = group.x * TILE;
    let lag = SLOTS - 2u;
    var states: array<State, PER * TILE>;
    for (var i = 0u; i < PER * TILE; i++) {
        states[i] = load_state(owned(i, first_sample, local));
    }
    // Steps before the range come from the raster, the slot of the first step starts empty.
    for (var i = local; i < ARRAY; i += SIZE) {
        let sample = min(first_sample + i / WORDS, params.batch - 1u);
        for (var back = 1u; back <= lag; back++) {
            let row = params.begin + HISTORY - back;
            atomicStore(&recent[(row % SLOTS) * ARRAY + i], spikes[(row * params.batch + sample) * WORDS + i % WORDS]);
        }
        atomicStore(&recent[((params.begin + HISTORY) % SLOTS) * ARRAY + i], 0u);
    }
    workgroupBarrier();
    for (var t = params.begin; t < params.end; t++) {
        let row = t + HISTORY;
        let now = (row % SLOTS) * ARRAY;
        let source = ((row - lag) % SLOTS) * ARRAY;
        let next = ((row + 1u) % SLOTS) * ARRAY;
        for (var s = 0u; s < TILE; s++) {
            var input: array<f32, PER>;
            for (var k = 0u; k < PER; k++) {
                let cell = owned(s * PER + k, first_sample, local);
                input[k] = drive[(t * params.batch + cell.sample) * params.row + cell.column];
            }
            for (var word = 0u; word < WORDS; word++) {
                var bits = atomicLoad(&recent[source + s * WORDS + word]);
                while (bits != 0u) {
                    let base = (word * 32u + firstTrailingBit(bits)) * params.row;
                    bits &= bits - 1u;
                    for (var k = 0u; k < PER; k++) {
                        input[k] += recurrent[base + column_of(k, local)];
                    }
                }
            }
            for (var k = 0u; k < PER; k++) {
                let i = s * PER + k;
                let cell = owned(i, first_sample, local);
                states[i] = lif_step(constants_of(cell.column), states[i], input[k]);
                if (is_owned(i, first_sample, local)) {
                    store_tape(t, cell, states[i]);
                    if (states[i].spike > 0.0) {
                        atomicOr(&recent[now + s * WORDS + cell.column / 32u], 1u << (cell.column % 32u));
                    }
                }
            }
        }
        for (var i = local; i < ARRAY; i += SIZE) {
            atomicStore(&recent[next + i], 0u);
        }
        workgroupBarrier();
        // The words of this step are complete, and nobody changes them for two more steps.
        for (var i = local; i < ARRAY; i += SIZE) {
            let sample = first_sample + i / WORDS;
            if (sample < params.batch) {
                spikes[(row * params.batch + sample) * WORDS + i % WORDS] = atomicLoad(&recent[now + i]);
            }
        }
    }
    for (var i = 0u; i < PER * TILE; i++) {
        if (is_owned(i, first_sample, local)) {
            store_state(owned(i, first_sample, local), states[i]);
        }
    }
}

// Column k of this invocation. One past the row stands in for the last, so that its loads stay inside.
fn column_of(k: u32, local: u32) -> u32 {
    return min(k * SIZE + local, params.row - 1u);
}

// Cell i = sample * PER + neuron of this invocation; one that does not exist stands in for the last.
fn owned(i: u32, first_sample: u32, local: u32) -> Cell {
    return Cell(min(first_sample + i / PER, params.batch - 1u), column_of(i % PER, local));
}

fn is_owned(i: u32, first_sample: u32, local: u32) -> bool {
    return first_sample + i / PER < params.batch && (i % PER) * SIZE + local < params.row;
}
