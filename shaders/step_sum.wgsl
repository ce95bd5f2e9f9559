// Adds sum_t of values [T][B][np] to a plane, an invocation for each neuron of each sample, steps in ascending order.
#import shared/grid

struct Params {
    steps: u32,
    batch: u32,
    row: u32,
    plane: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read_write> planes: array<f32>;

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let cell = flat_group(group, groups) * SIZE + local;
    let cells = params.batch * params.row;
    if (cell >= cells) {
        return;
    }
    var sum = 0.0;
    for (var t = 0u; t < params.steps; t++) {
        sum += values[t * cells + cell];
    }
    planes[((cell / params.row) * PLANES + params.plane) * params.row + cell % params.row] += sum;
}
