// Activity regularisers on the counts of a sample (contract: `Regularise`; docs/dynamics.md, section 5). One workgroup for
// each sample; its value goes to `out`, and `finish` adds the samples up. The kind `l2`, which couples the samples, has
// regularise_l2.
#import shared/grid
#import shared/tree

struct Params {
    batch: u32,
    row: u32,
    units: u32,
    // 0 lower, 1 upper, 2 l1, 3 upper of each neuron, 4 l2 to a target
    kind: u32,
    exponent: u32,
    strength: f32,
    target_count: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> planes: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

// x^L and its slope, x >= 0.
fn raised(x: f32) -> f32 {
    return select(x, x * x, params.exponent == 2u);
}

fn raised_slope(x: f32) -> f32 {
    return select(select(0.0, 1.0, x > 0.0), 2.0 * x, params.exponent == 2u);
}

// What a unit adds to the sum, and the slope of that; of `upper`, the count itself.
fn term(count: f32) -> f32 {
    let above = count - params.target_count;
    switch params.kind {
        case 0u: {
            let missing = max(0.0, -above);
            return missing * missing;
        }
        case 3u: {
            return raised(max(0.0, above));
        }
        case 4u: {
            return above * above;
        }
        default: {
            return count;
        }
    }
}

fn slope_of(count: f32) -> f32 {
    let above = count - params.target_count;
    switch params.kind {
        case 0u: {
            return -2.0 * max(0.0, -above);
        }
        case 3u: {
            return raised_slope(max(0.0, above));
        }
        case 4u: {
            return 2.0 * above;
        }
        default: {
            return 1.0;
        }
    }
}

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    lane: Lane,
) {
    let local = lane.local;
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
        part += term(planes[count + j]);
    }
    let sum = tree_sum(part, lane);
    // upper: how far the population's mean is above the target.
    let excess = max(0.0, sum / units - params.target_count);
    // What is a mean over the units, and what is not.
    var scale = params.strength / units / batch;
    if (params.kind == 2u) {
        scale = params.strength / batch;
    }
    var value = scale * sum;
    if (params.kind == 1u) {
        value = params.strength * raised(excess) / batch;
    }
    for (var j = local; j < params.units; j += SIZE) {
        var slope = slope_of(planes[count + j]);
        if (params.kind == 1u) {
            slope = raised_slope(excess);
        }
        if (live) {
            planes[gradient + j] += scale * slope;
        }
    }
    if (local == 0u && live) {
        out[sample] = value;
    }
}
