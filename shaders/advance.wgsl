// Moves the last two steps of an activity into its history (contract: `advance`). Each invocation reads both entries of
// its place before it writes, because with one step the rows overlap.
#import shared/grid

struct Params {
    // Entries of one step, steps.
    entries: u32,
    steps: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// Bits and numbers alike are moved as words.
@group(0) @binding(1) var<storage, read_write> activity: array<u32>;

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = flat_group(group, groups) * SIZE + local;
    if (at >= params.entries) {
        return;
    }
    let older = activity[params.steps * params.entries + at];
    let newer = activity[(params.steps + 1u) * params.entries + at];
    activity[at] = older;
    activity[params.entries + at] = newer;
}
