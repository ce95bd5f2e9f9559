// The last stage of sums: one workgroup adds the partial sums of the first stage in a fixed tree and writes, or adds, the
// results to neighbouring slots of the metrics.
#import shared/tree

struct Params {
    parts: u32,
    sums: u32,
    slot: u32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parts: array<f32>;
@group(0) @binding(2) var<storage, read_write> metrics: array<f32>;

@compute @workgroup_size(SIZE)
fn main(lane: Lane) {
    let local = lane.local;
    for (var k = 0u; k < params.sums; k++) {
        var part = 0.0;
        for (var i = local; i < params.parts; i += SIZE) {
            part += parts[k * params.parts + i];
        }
        let sum = tree_sum(part, lane);
        if (local == 0u) {
            metrics[params.slot + k] = select(0.0, metrics[params.slot + k], params.accumulate != 0u) + sum;
        }
    }
}
