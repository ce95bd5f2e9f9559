// The neuron over a range of steps (contract: `Forward`): each invocation walks one neuron of one sample.
//
// FUSED: the drive of a spiking source is computed here, four steps at a time, and never stored.
// RECURRENT: the form Stepwise. The range is then at most the recurrent lag, so that the spikes read from the raster
// were written by earlier dispatches.
//
// Spikes of 32 steps are kept in a register and turned into words of 32 neurons through workgroup memory.
#import shared/grid
#import neuron/lif
#import neuron/forward

#ifdef FUSED
@group(0) @binding(3) var<storage, read> source: array<u32>;
@group(0) @binding(4) var<storage, read> weights: array<f32>;
#import shared/rows
#else
@group(0) @binding(3) var<storage, read> drive: array<f32>;
#endif
#ifdef RECURRENT
@group(0) @binding(5) var<storage, read> recurrent: array<f32>;
#endif

var<workgroup> fired: array<u32, SIZE>;

#ifdef FUSED
// X of four steps from t on; steps past the range see no input.
fn fused_drive(t: u32, cell: Cell) -> vec4<f32> {
    let bias = constants[CONSTANT_BIAS * params.row + cell.column];
    let stride = params.batch * params.source_words;
    let base = ((t + params.source_offset) * params.batch + cell.sample) * params.source_words;
    let length = params.end - t;
    var x = vec4<f32>(bias);
    for (var word = 0u; word < params.source_words; word++) {
        var bits = vec4<u32>();
        bits.x = source[base + word];
        if (length > 1u) {
            bits.y = source[base + stride + word];
        }
        if (length > 2u) {
            bits.z = source[base + 2u * stride + word];
        }
        if (length > 3u) {
            bits.w = source[base + 3u * stride + word];
        }
        let first = word * 32u;
        x.x = add_rows(x.x, bits.x, first, cell.column);
        x.y = add_rows(x.y, bits.y, first, cell.column);
        x.z = add_rows(x.z, bits.z, first, cell.column);
        x.w = add_rows(x.w, bits.w, first, cell.column);
    }
    return x;
}
#endif

#ifdef RECURRENT
// Adds the recurrent rows of the neurons that spiked recurrent_lag steps before t.
fn add_recurrent(start: f32, t: u32, cell: Cell) -> f32 {
    let words = params.row / 32u;
    let base = ((t + HISTORY - params.recurrent_lag) * params.batch + cell.sample) * words;
    var sum = start;
    for (var word = 0u; word < words; word++) {
        var bits = spikes[base + word];
        while (bits != 0u) {
            sum += recurrent[(word * 32u + firstTrailingBit(bits)) * params.row + cell.column];
            bits &= bits - 1u;
        }
    }
    return sum;
}
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
#ifdef REDUCED
    var readout = load_readout(cell);
#endif
#ifdef FUSED
    var x = vec4<f32>();
#endif
    for (var block = params.begin; block < params.end; block += 32u) {
        let length = min(32u, params.end - block);
        var bits = 0u;
        for (var k = 0u; k < length; k++) {
            let t = block + k;
#ifdef FUSED
            if (k % 4u == 0u) {
                x = fused_drive(t, cell);
            }
            let input = x.x;
            x = x.yzwx;
#else
            var input = drive[(t * params.batch + cell.sample) * params.row + cell.column];
#endif
#ifdef RECURRENT
            input = add_recurrent(input, t, cell);
#endif
            state = lif_step(c, state, input);
            bits |= u32(state.spike) << k;
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
        // Lane l of 32 neurons writes their word of step block + l.
        let lane = local % 32u;
        if (live && lane < length) {
            var word = 0u;
            for (var i = 0u; i < 32u; i++) {
                word |= ((fired[local - lane + i] >> lane) & 1u) << i;
            }
            spikes[((block + lane + HISTORY) * params.batch + cell.sample) * (params.row / 32u) + cell.column / 32u] = word;
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
