// The weights over time of a sliding neuron as a whole matrix [T][pad(T)]: W_ts = taps[k - 1 - (t - s)] where 0 <= t - s < k
// (contract: `TimeWeights`).
#import shared/grid

struct Params {
    steps: u32,
    row: u32,
    order: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> taps: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = flat_group(group, groups) * SIZE + local;
    if (at >= params.steps * params.row) {
        return;
    }
    let t = at / params.row;
    let s = at % params.row;
    var weight = 0.0;
    if (s <= t && t - s < params.order) {
        weight = taps[params.order - 1u - (t - s)];
    }
    out[at] = weight;
}
