// Gradient of the weights of a current encoder: dw_j = sum of chi_j s_(j mod inputs) over a chunk of the rows (step,
// sample), from the last to the first (contract: `WeightGradient`). The chunks are summed by sum_chunks.
#import shared/grid
#import shared/source

struct Params {
    chunk: u32,
    rows: u32,
    chunks: u32,
    first_source: u32,
    row: u32,
    source_row: u32,
    inputs: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> chi: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let cell = flat_group(group, groups) * SIZE + local;
    if (cell >= params.chunks * params.row) {
        return;
    }
    let column = cell % params.row;
    let channel = column % params.inputs;
    let begin = (cell / params.row) * params.chunk;
    let end = min(begin + params.chunk, params.rows);
    var sum = 0.0;
    for (var r = end; r > begin; r--) {
        sum = fma(chi[(r - 1u) * params.row + column], source_at(params.first_source + r - 1u, channel), sum);
    }
    out[cell] = sum;
}
