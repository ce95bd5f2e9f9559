// Copies equally long stretches of one array to another (contract: `copy`).
#import shared/grid

struct Params {
    // Stretches, entries of each.
    count: u32,
    len: u32,
    // Where the first one begins, and from one to the next.
    from_first: u32,
    from_stride: u32,
    to_first: u32,
    to_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = flat_group(group, groups) * SIZE + local;
    if (at >= params.count * params.len) {
        return;
    }
    let i = at / params.len;
    let j = at % params.len;
    out[params.to_first + i * params.to_stride + j] = source[params.from_first + i * params.from_stride + j];
}
