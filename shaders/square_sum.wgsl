// Sum of squares, first stage (contract: `square_sum`): each workgroup sums a stretch of entries. `finish` does the rest.
#import shared/grid
#import shared/tree

struct Params {
    len: u32,
    // Entries of a workgroup, number of workgroups.
    stretch: u32,
    parts: u32,
    // Where their sums go.
    first_part: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    lane: Lane,
) {
    let local = lane.local;
    let part = min(flat_group(group, groups), params.parts - 1u);
    let begin = part * params.stretch;
    let end = min(begin + params.stretch, params.len);
    var sum = 0.0;
    for (var i = begin + local; i < end; i += SIZE) {
        sum = fma(values[i], values[i], sum);
    }
    let total = tree_sum(sum, lane);
    if (local == 0u) {
        out[params.first_part + part] = total;
    }
}
