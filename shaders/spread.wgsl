// The adjoint of a reduction over the steps (contract: `Spread`): each invocation adds to one entry of the gradient.
#import shared/grid

struct Params {
    steps: u32,
    batch: u32,
    row: u32,
    units: u32,
    emit_lag: u32,
    // 0 max, 1 sum, 2 mean, 3 last, 4 spike
    pooling: u32,
    // Planes of a sample in `source`, and those of gradient and step.
    planes: u32,
    gradient: u32,
    step: u32,
    // First step and all steps of the sequence, first sample and all samples of the batch.
    window_step: u32,
    window_steps: u32,
    window_sample: u32,
    window_samples: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> lengths: array<u32>;
@group(0) @binding(2) var<storage, read> source: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let entry = flat_group(group, groups) * SIZE + local;
    let unit = entry % params.row;
    let row = entry / params.row;
    if (row >= params.steps * params.batch || unit >= params.units) {
        return;
    }
    let sample = params.window_sample + row % params.batch;
    let t = params.window_step + row / params.batch + params.emit_lag;
    let length = lengths[sample];
    let first = sample * params.planes;
    var share = 1.0;
    var counts = t < length;
    switch params.pooling {
        case 0u: {
            counts = counts && source[(first + params.step) * params.row + unit] == f32(t);
        }
        case 1u: {
        }
        case 2u: {
            share = 1.0 / f32(length);
        }
        case 3u: {
            counts = counts && t + 1u == length;
        }
        default: {
            counts = counts && source[(first + params.step) * params.row + unit] == f32(t);
            share = -1.0;
        }
    }
    if (counts) {
        out[entry] += share * source[(first + params.gradient) * params.row + unit];
    }
}
