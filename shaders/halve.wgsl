// Numbers as 16-bit floats, two in a word (contract: `halve`).
#import shared/grid
#import shared/half

struct Params {
    words: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = flat_group(group, groups) * SIZE + local;
    if (at < params.words) {
        let pair = values[at];
        out[at] = half_of(pair.x) | (half_of(pair.y) << 16u);
    }
}
