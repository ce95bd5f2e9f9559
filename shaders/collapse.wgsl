// A recording reduced over the steps of a sample (contract: `Collapse`): each invocation walks one unit of one sample.
#import shared/grid
#import shared/finite

struct Params {
    batch: u32,
    row: u32,
    units: u32,
    emit_lag: u32,
    // 0 max, 1 sum, 2 mean, 3 last, 4 spike of this number
    pooling: u32,
    number: u32,
    // Planes of a sample in `out`, and those of activation and step.
    planes: u32,
    activation: u32,
    step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> lengths: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
#import shared/recording

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let cell = flat_group(group, groups) * SIZE + local;
    if (cell >= params.batch * params.row) {
        return;
    }
    let sample = cell / params.row;
    let unit = cell % params.row;
    let length = lengths[sample];
    var activation = 0.0;
    var step = 0u;
    switch params.pooling {
        case 0u: {
            for (var t = 0u; t < length; t++) {
                let a = recorded(t, sample, unit);
                // One that is not a number stays: it must not vanish from the loss.
                if (t == 0u || a > activation || !is_finite(a)) {
                    activation = a;
                    step = t;
                }
            }
        }
        case 1u, 2u: {
            let share = select(1.0, 1.0 / f32(length), params.pooling == 2u);
            for (var t = 0u; t < length; t++) {
                activation = fma(share, recorded(t, sample, unit), activation);
            }
        }
        case 3u: {
            activation = recorded(length - 1u, sample, unit);
        }
        default: {
            step = length - 1u;
            var count = 0.0;
            for (var t = 0u; t < length; t++) {
                count += recorded(t, sample, unit);
                if (count >= f32(params.number)) {
                    step = t;
                    break;
                }
            }
            if (unit >= params.units) {
                step = 0u;
            }
            activation = f32(step);
        }
    }
    let first = sample * params.planes;
    out[(first + params.activation) * params.row + unit] = activation;
    if (params.pooling == 0u || params.pooling == 4u) {
        out[(first + params.step) * params.row + unit] = f32(step);
    }
}
