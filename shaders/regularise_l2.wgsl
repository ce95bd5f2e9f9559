// The regulariser l2 (contract: `Regularise`): strength * mean over units of (sum over samples of the count)^2, not
// divided by the batch. Each workgroup takes SIZE units; its value goes to `out`, and `finish` adds the parts up.
#import shared/tree

struct Params {
    batch: u32,
    row: u32,
    units: u32,
    strength: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> planes: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, lane: Lane) {
    let local = lane.local;
    let unit = group.x * SIZE + local;
    var part = 0.0;
    if (unit < params.units) {
        var sum = 0.0;
        for (var sample = 0u; sample < params.batch; sample++) {
            sum += planes[(sample * PLANES + PLANE_COUNT) * params.row + unit];
        }
        let weight = params.strength / f32(params.units);
        part = weight * sum * sum;
        for (var sample = 0u; sample < params.batch; sample++) {
            planes[(sample * PLANES + PLANE_COUNT_GRADIENT) * params.row + unit] += 2.0 * weight * sum;
        }
    }
    let total = tree_sum(part, lane);
    if (local == 0u) {
        out[group.x] = total;
    }
}
