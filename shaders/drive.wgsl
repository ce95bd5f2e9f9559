// Drive of a spiking source, event-driven: X = b + the weight rows of the active inputs, ascending (contract: `Drive`).
// Weights in several arrays are added one array after the other.
// HALF: weights are 16-bit floats.
// One invocation for each entry of X; neighbours share a source row and read neighbouring weights.
#import shared/grid
#import shared/rows

struct Params {
    // Rows (step, sample) to compute, the first row of the source and of X.
    rows: u32,
    first_source: u32,
    first_out: u32,
    // Length of a row of X, words of a row of the source, and those of them whose weights are here.
    row: u32,
    source_row: u32,
    first_word: u32,
    words: u32,
    // 1 where X holds the start of the sum; else that is the bias.
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<u32>;
#ifdef HALF
#import shared/pair
@group(0) @binding(2) var<storage, read> weights: array<u32>;
#else
@group(0) @binding(2) var<storage, read> weights: array<f32>;
#endif
@group(0) @binding(3) var<storage, read> constants: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

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

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let cell = flat_group(group, groups) * SIZE + local;
    if (cell >= params.rows * params.row) {
        return;
    }
    let row = cell / params.row;
    let column = cell % params.row;
    let at = params.first_out * params.row + cell;
    var start = 0.0;
    if (params.accumulate != 0u) {
        start = out[at];
    } else {
        start = constants[CONSTANT_BIAS * params.row + column];
    }
    let first = (params.first_source + row) * params.source_row + params.first_word;
    out[at] = add_active_rows(start, first, params.words, column);
}
