// The neuron of a recurrent layer over many steps in one dispatch (contract: `Forward`, form Resident): a workgroup owns
// TILE samples and all neurons, PER neurons for each invocation. Recurrence never leaves the sample, so no other
// workgroup has to be waited for.
//
// Spikes of the last steps live as bits in SLOTS = recurrent lag + 2 rotating arrays: step t reads t - lag, sets bits in
// t and clears t + 1, all different. The neurons that spiked are listed in ascending order before their rows are added,
// four loads under way at once: two barriers a step and sample. HALF: R is of 16-bit floats.
#import shared/grid
#import shared/lane
#import neuron/forward

@group(0) @binding(3) var<storage, read> drive: array<f32>;
#ifdef HALF
#import shared/pair
@group(0) @binding(5) var<storage, read> recurrent: array<u32>;
#else
@group(0) @binding(5) var<storage, read> recurrent: array<f32>;
#endif

const ARRAY = TILE * WORDS;
var<workgroup> recent: array<atomic<u32>, SLOTS * ARRAY>;
// Offsets of the rows of the neurons that spiked.
var<workgroup> spiked: array<u32, WORDS * 32u>;

fn weight_at(index: u32) -> f32 {
#ifdef HALF
    return of_pair(recurrent[index / 2u], index);
#else
    return recurrent[index];
#endif
}

// Lists the set bits of WORDS words from `first` on, in ascending order; gives their number. Ends with a barrier.
#ifdef SUBGROUPS
// Each subgroup counts all bits, a word for each of its invocations at a time, and lists those of the words that are its own: a
// word belongs to one subgroup, however many words at a time the others take. `own`: how many run in the subgroup of this
// invocation, and how many of them before it.
fn list_active(first: u32, lane: Lane, own: vec2<u32>) -> u32 {
    var total = 0u;
    for (var begin = 0u; begin < WORDS; begin += own.x) {
        let word = begin + own.y;
        var bits = select(0u, atomicLoad(&recent[first + min(word, WORDS - 1u)]), word < WORDS);
        let count = countOneBits(bits);
        var place = total + subgroupExclusiveAdd(count);
        total += subgroupAdd(count);
        if (word % lane.subgroups == lane.subgroup) {
            while (bits != 0u) {
                spiked[place] = (word * 32u + firstTrailingBit(bits)) * params.row;
                place++;
                bits &= bits - 1u;
            }
        }
    }
    workgroupBarrier();
    return total;
}
#else
fn list_active(first: u32, local: u32) -> u32 {
    var total = 0u;
    for (var word = 0u; word < WORDS; word++) {
        let bits = atomicLoad(&recent[first + word]);
        for (var k = 0u; k < PER; k++) {
            // The place of a neuron is the number of bits before its own.
            let neuron = k * SIZE + local;
            let bit = neuron % 32u;
            if (neuron / 32u == word && ((bits >> bit) & 1u) != 0u) {
                spiked[total + countOneBits(bits & ((1u << bit) - 1u))] = neuron * params.row;
            }
        }
        total += countOneBits(bits);
    }
    workgroupBarrier();
    return total;
}
#endif

// Column k of this invocation. One past the row stands in for the last, so that its loads stay inside.
fn column_of(k: u32, local: u32) -> u32 {
    return min(k * SIZE + local, params.row - 1u);
}

// Sample s of the tile and column k of this invocation; one that does not exist stands in for the last.
fn owned(s: u32, k: u32, first_sample: u32, local: u32) -> Cell {
    return Cell(min(first_sample + s, params.batch - 1u), column_of(k, local));
}

fn is_owned(s: u32, k: u32, first_sample: u32, local: u32) -> bool {
    return first_sample + s < params.batch && k * SIZE + local < params.row;
}

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    lane: Lane,
) {
    let local = lane.local;
    let first_sample = flat_group(group, groups) * TILE;
    let lag = SLOTS - 2u;
#ifdef SUBGROUPS
    let own = vec2<u32>(subgroupAdd(1u), subgroupExclusiveAdd(1u));
#endif
    var states: array<State, PER * TILE>;
#repeat k PER
#repeat s TILE
    states[s * PER + k] = load_state(owned(s, k, first_sample, local));
#ifdef SNIPPET
    if (params.begin == 0u && is_owned(s, k, first_sample, local)) {
        store_start(owned(s, k, first_sample, local), states[s * PER + k]);
    }
#endif
#end
#end
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
#repeat s TILE
        // X of this step is on its way while the list is made.
        var input: array<f32, PER>;
#repeat k PER
        let cell = owned(s, k, first_sample, local);
        input[k] = drive[(t * params.batch + cell.sample) * params.row + cell.column];
#end
        if (s > 0u) {
            // The list of the sample before is still being read.
            workgroupBarrier();
        }
#ifdef SUBGROUPS
        let count = list_active(source + s * WORDS, lane, own);
#else
        let count = list_active(source + s * WORDS, local);
#endif
        var i = 0u;
        for (; i + 4u <= count; i += 4u) {
            let r0 = spiked[i];
            let r1 = spiked[i + 1u];
            let r2 = spiked[i + 2u];
            let r3 = spiked[i + 3u];
#repeat k PER
            let column = column_of(k, local);
            let a = weight_at(r0 + column);
            let b = weight_at(r1 + column);
            let c = weight_at(r2 + column);
            let d = weight_at(r3 + column);
            input[k] = (((input[k] + a) + b) + c) + d;
#end
        }
        for (; i < count; i++) {
            let r = spiked[i];
#repeat k PER
            input[k] += weight_at(r + column_of(k, local));
#end
        }
#repeat k PER
        let cell = owned(s, k, first_sample, local);
        let state = scan_step(constants_of(cell.column), states[s * PER + k], input[k]);
        states[s * PER + k] = state;
        if (is_owned(s, k, first_sample, local)) {
            store_tape(t, cell, state);
            if (state.spike > 0.0) {
                atomicOr(&recent[now + s * WORDS + cell.column / 32u], 1u << (cell.column % 32u));
            }
        }
#end
#end
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
#repeat k PER
#repeat s TILE
    if (is_owned(s, k, first_sample, local)) {
        store_state(owned(s, k, first_sample, local), states[s * PER + k]);
    }
#end
#end
}
