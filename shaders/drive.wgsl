// Drive of a spiking source, event-driven: X = b + the weight rows of the active inputs, ascending (contract: `Drive`).
// One invocation for each entry of X; neighbours share a source row and read neighbouring weights.
#import shared/grid
#import shared/rows

struct Params {
    // Rows (step, sample) to compute, the first row of the source and of X.
    rows: u32,
    first_source: u32,
    first_out: u32,
    // Length of a row of X, words of a row of the source.
    row: u32,
    words: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<u32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> constants: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

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
    let base = (params.first_source + row) * params.words;
    var x = constants[CONSTANT_BIAS * params.row + column];
    for (var word = 0u; word < params.words; word++) {
        x = add_rows(x, source[base + word], word * 32u, column);
    }
    out[params.first_out * params.row + cell] = x;
}
