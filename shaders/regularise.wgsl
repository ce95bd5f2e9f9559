// Activity regularisers on the counts of a sample (contract: `Regularise`; docs/dynamics.md, section 5). One workgroup for
// each sample; its value goes to `out`, and `finish` adds the samples up. The kind `l2`, which couples the samples, has
// regularise_l2.
#import shared/grid
#import shared/tree

struct Params {
    batch: u32,
    row: u32,
    units: u32,
    // 0 lower, 1 upper, 2 l1
    kind: u32,
    exponent: u32,
    strength: f32,
    target_count: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> planes: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    // A folded dispatch has groups past the end: they go along with the last sample and write nothing.
    let flat = flat_group(group, groups);
    let live = flat < params.batch;
    let sample = min(flat, params.batch - 1u);
    let count = (sample * PLANES + PLANE_COUNT) * params.row;
    let gradient = (sample * PLANES + PLANE_COUNT_GRADIENT) * params.row;
    let units = f32(params.units);
    let batch = f32(params.batch);
    var part = 0.0;
    for (var j = local; j < params.units; j += SIZE) {
        let missing = max(0.0, params.target_count - planes[count + j]);
        part += select(planes[count + j], missing * missing, params.kind == 0u);
    }
    let sum = tree_sum(part, local);
    // upper: how far the population's mean is above the target.
    let excess = max(0.0, sum / units - params.target_count);
    var value = params.strength * sum / batch;
    if (params.kind == 0u) {
        value = params.strength / units * sum / batch;
    }
    if (params.kind == 1u) {
        value = params.strength * select(excess, excess * excess, params.exponent == 2u) / batch;
    }
    for (var j = local; j < params.units; j += SIZE) {
        var slope = params.strength / batch;
        if (params.kind == 0u) {
            slope = -2.0 * params.strength / units * max(0.0, params.target_count - planes[count + j]) / batch;
        }
        if (params.kind == 1u) {
            slope = params.strength * select(select(0.0, 1.0, excess > 0.0), 2.0 * excess, params.exponent == 2u) / units / batch;
        }
        if (live) {
            planes[gradient + j] += slope;
        }
    }
    if (local == 0u && live) {
        out[sample] = value;
    }
}
