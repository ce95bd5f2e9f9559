// The second stage of the weight gradients: sums the parts of each block, and the blocks, from the last to the first.
#import shared/grid

struct Params {
    blocks: u32,
    // Parts of a block.
    parts: u32,
    entries: u32,
    // Where the result begins.
    first: u32,
    // 1 where the sum is added to what is there.
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partial: array<f32>;
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
    if (params.accumulate != 0u) {
        sum = out[params.first + entry];
    }
    for (var block = params.blocks; block > 0u; block--) {
        var of_block = 0.0;
        for (var part = params.parts; part > 0u; part--) {
            of_block += partial[((block - 1u) * params.parts + part - 1u) * params.entries + entry];
        }
        sum += of_block;
    }
    out[params.first + entry] = sum;
}
