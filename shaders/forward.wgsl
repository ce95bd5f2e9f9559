// The neuron over a range of steps (contract: `Forward`): each invocation walks one neuron of one sample.
//
// FUSED: the drive of a spiking source is computed here and never stored.
// RECURRENT: the form Stepwise. The range is then at most the recurrent lag, so that the spikes read from the raster
// were written by earlier dispatches.
//
// HALF: the weights that are read are 16-bit floats.
//
// Spikes of 32 steps are kept in a register and turned into words of 32 neurons through workgroup memory; BYTES: those of
// 4 steps, words of 4 neurons.
#import shared/grid
#import neuron/forward

#ifdef FUSED
@group(0) @binding(3) var<storage, read> source: array<u32>;
#ifdef HALF
#import shared/pair
@group(0) @binding(4) var<storage, read> weights: array<u32>;
#else
@group(0) @binding(4) var<storage, read> weights: array<f32>;
#endif
#import shared/rows
#else
@group(0) @binding(3) var<storage, read> drive: array<f32>;
#endif
#ifdef RECURRENT
#ifdef HALF
#import shared/pair
@group(0) @binding(5) var<storage, read> recurrent: array<u32>;
#else
@group(0) @binding(5) var<storage, read> recurrent: array<f32>;
#endif
#import shared/rows
#endif

#ifdef BYTES
const LANES = 4u;
const BITS = 8u;
const MASK = 255u;
#else
const LANES = 32u;
const BITS = 1u;
const MASK = 1u;
#endif

var<workgroup> fired: array<u32, SIZE>;

#ifdef FUSED
fn bits_at(index: u32) -> u32 {
    return source[index];
}

fn weight_at(index: u32) -> f32 {
#ifdef HALF
    return of_pair(weights[index / 2u], index);
#else
    return weights[index];
#endif
}

// X of step t.
fn input_at(t: u32, cell: Cell) -> f32 {
    let bias = constants[CONSTANT_BIAS * params.row + cell.column];
    let row = (t + params.source_offset) * params.batch + cell.sample;
    return add_active_rows(bias, row * params.source_words, params.source_words, cell.column);
}
#else
#ifdef RECURRENT
fn bits_at(index: u32) -> u32 {
    return spikes[index];
}

fn weight_at(index: u32) -> f32 {
#ifdef HALF
    return of_pair(recurrent[index / 2u], index);
#else
    return recurrent[index];
#endif
}

// X of step t, completed by the recurrent rows of the neurons that spiked recurrent_lag steps before.
fn input_at(t: u32, cell: Cell) -> f32 {
    let x = drive[(t * params.batch + cell.sample) * params.row + cell.column];
    let words = words_of(params.row);
    let row = (t + HISTORY - params.recurrent_lag) * params.batch + cell.sample;
    return add_active_rows(x, row * words, words, cell.column);
}
#else
// X of step t.
fn input_at(t: u32, cell: Cell) -> f32 {
    return drive[(t * params.batch + cell.sample) * params.row + cell.column];
}
#endif
#endif

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    // The last group may have more invocations than there are cells: those walk along the last cell and write nothing.
    let index = flat_group(group, groups) * SIZE + local;
    let live = index < params.batch * params.row;
    let cell = cell_of(min(index, params.batch * params.row - 1u));
    let c = constants_of(cell.column);
    var state = load_state(cell);
#ifdef SNIPPET
    if (live && params.begin == 0u) {
        store_start(cell, state);
    }
#endif
#ifdef REDUCED
    var readout = load_readout(cell);
#endif
    for (var block = params.begin; block < params.end; block += LANES) {
        let length = min(LANES, params.end - block);
        var bits = 0u;
        for (var k = 0u; k < length; k++) {
            let t = block + k;
            state = scan_step(c, state, input_at(t, cell));
            bits |= u32(state.spike) << (k * BITS);
            if (live) {
                store_tape(t, cell, state);
            }
#ifdef REDUCED
            readout = reduce(readout, t, state.potential);
#endif
        }
#ifdef SPIKING
        fired[local] = bits;
        workgroupBarrier();
        // Lane l of the neurons of a word writes it for step block + l.
        let lane = local % LANES;
        if (live && lane < length) {
            var word = 0u;
            for (var i = 0u; i < LANES; i++) {
                word |= ((fired[local - lane + i] >> (lane * BITS)) & MASK) << (i * BITS);
            }
            let row = (block + lane + HISTORY) * params.batch + cell.sample;
            spikes[row * words_of(params.row) + word_of(cell.column)] = word;
        }
        workgroupBarrier();
#endif
    }
    if (live) {
        store_state(cell, state);
#ifdef REDUCED
        store_readout(cell, readout);
#endif
    }
}
