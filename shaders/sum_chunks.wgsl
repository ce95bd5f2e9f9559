// The second stage of the weight gradients: sums the chunks of each entry in ascending order.
#import shared/grid

struct Params {
    chunks: u32,
    entries: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> chunks: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let entry = flat_group(group, groups) * SIZE + local;
    if (entry >= params.entries) {
        return;
    }
    var sum = 0.0;
    for (var chunk = 0u; chunk < params.chunks; chunk++) {
        sum += chunks[chunk * params.entries + entry];
    }
    out[entry] = sum;
}
