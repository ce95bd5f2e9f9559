// Sets a range of entries to one value (contract: `fill`).
#import shared/grid

struct Params {
    begin: u32,
    end: u32,
    value: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> values: array<f32>;

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = params.begin + flat_group(group, groups) * SIZE + local;
    if (at < params.end) {
        values[at] = params.value;
    }
}
