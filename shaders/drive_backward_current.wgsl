// Adjoint of a current encoder towards its source: dL/ds_i = sum over j with j mod inputs = i of w_j chi_j, ascending
// (contract: `DriveBackward`).
#import shared/grid

struct Params {
    // Rows (step, sample), first row of chi.
    rows: u32,
    first: u32,
    // Length of a row of chi, its units, length of a row of the source, input channels.
    row: u32,
    units: u32,
    source_row: u32,
    inputs: u32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read> chi: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let cell = flat_group(group, groups) * SIZE + local;
    if (cell >= params.rows * params.source_row) {
        return;
    }
    let channel = cell % params.source_row;
    let base = (params.first + cell / params.source_row) * params.row;
    var sum = 0.0;
    if (channel < params.inputs) {
        for (var j = channel; j < params.units; j += params.inputs) {
            sum = fma(weights[j], chi[base + j], sum);
        }
    }
    if (params.accumulate != 0u) {
        sum += out[cell];
    }
    out[cell] = sum;
}
