// The adjoint of `band`: one workgroup for each tap sums the diagonal of dW that the tap stands on.
#import shared/grid
#import shared/tree

struct Params {
    steps: u32,
    row: u32,
    order: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    lane: Lane,
) {
    let local = lane.local;
    // Folded dispatches have groups past the end: they go along with the last tap.
    let tap = min(flat_group(group, groups), params.order - 1u);
    let back = params.order - 1u - tap;
    var part = 0.0;
    for (var t = back + local; t < params.steps; t += SIZE) {
        part += gradient[t * params.row + t - back];
    }
    let sum = tree_sum(part, lane);
    if (local == 0u) {
        out[tap] = sum;
    }
}
