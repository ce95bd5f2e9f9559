// Sums of the columns of a matrix over chunks of its rows, in ascending order: an invocation for each column of each chunk.
// A second dispatch, of one chunk, adds the chunks up.
#import shared/grid

struct Params {
    // Rows of a chunk, all rows, chunks.
    chunk: u32,
    rows: u32,
    chunks: u32,
    columns: u32,
    // Entry where the sums of the first chunk begin.
    first_out: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = flat_group(group, groups) * SIZE + local;
    if (at >= params.chunks * params.columns) {
        return;
    }
    let begin = (at / params.columns) * params.chunk;
    let end = min(begin + params.chunk, params.rows);
    let column = at % params.columns;
    var sum = 0.0;
    for (var row = begin; row < end; row++) {
        sum += values[row * params.columns + column];
    }
    out[params.first_out + at] = sum;
}
