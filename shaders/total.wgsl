// Sum of a plane, first stage (contract: `total`): one workgroup for each sample. `finish` adds the samples up.
#import shared/grid
#import shared/tree

struct Params {
    batch: u32,
    row: u32,
    units: u32,
    plane: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> planes: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    // Folded dispatches have groups past the end: they go along with the last sample.
    let sample = min(flat_group(group, groups), params.batch - 1u);
    var part = 0.0;
    for (var column = local; column < params.units; column += SIZE) {
        part += planes[(sample * PLANES + params.plane) * params.row + column];
    }
    let sum = tree_sum(part, local);
    if (local == 0u) {
        out[sample] = sum;
    }
}
