// Drive of a current encoder: X_j = w_j s_(j mod inputs) + b_j (contract: `Projection::Current`).
#import shared/grid
#import shared/source

struct Params {
    // Rows (step, sample) to compute, the first row of the source and of X.
    rows: u32,
    first_source: u32,
    first_out: u32,
    // Length of a row of X, its units, entries of a row of the source, input channels.
    row: u32,
    units: u32,
    source_row: u32,
    inputs: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
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
    let column = cell % params.row;
    let s = source_at(params.first_source + cell / params.row, column % params.inputs);
    let x = fma(weights[column], s, constants[CONSTANT_BIAS * params.row + column]);
    out[params.first_out * params.row + cell] = select(0.0, x, column < params.units);
}
