// Holds a range of entries between two values (contract: `clamp`).
#import shared/grid

struct Params {
    begin: u32,
    end: u32,
    low: f32,
    high: f32,
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
        let value = values[at];
        // Comparisons, so that a number that is not one stays so.
        values[at] = select(select(value, params.high, value > params.high), params.low, value < params.low);
    }
}
