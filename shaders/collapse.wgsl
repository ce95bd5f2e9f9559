// A recording reduced over the steps of a sample (contract: `Collapse`): each invocation walks one unit of one sample.
#import shared/grid
#import shared/finite

struct Params {
    steps: u32,
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
    // First step and all steps of the sequence, first sample and all samples of the batch.
    window_step: u32,
    window_steps: u32,
    window_sample: u32,
    window_samples: u32,
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
    let own = params.window_sample + sample;
    let length = lengths[own];
    let first = own * params.planes;
    let at = (first + params.activation) * params.row + unit;
    let at_step = (first + params.step) * params.row + unit;
    let stepped = params.pooling == 0u || params.pooling == 4u;
    // Steps of the window, those of the sequence less its first one.
    let begin = params.window_step;
    let end = min(max(length, begin) - begin, params.steps);
    var activation = 0.0;
    var step = 0.0;
    if (begin > 0u) {
        activation = out[at];
        if (stepped) {
            step = out[at_step];
        }
    }
    switch params.pooling {
        case 0u: {
            for (var t = 0u; t < end; t++) {
                let a = recorded(t, sample, unit);
                // One that is not a number stays: it must not vanish from the loss.
                if (begin + t == 0u || a > activation || !is_finite(a)) {
                    activation = a;
                    step = f32(begin + t);
                }
            }
        }
        case 1u, 2u: {
            let share = select(1.0, 1.0 / f32(length), params.pooling == 2u);
            for (var t = 0u; t < end; t++) {
                activation = fma(share, recorded(t, sample, unit), activation);
            }
        }
        case 3u: {
            if (end > 0u) {
                activation = recorded(end - 1u, sample, unit);
            }
        }
        default: {
            // Between the windows the number of spikes so far stands in the place of the activation.
            let enough = f32(params.number);
            for (var t = 0u; t < end && activation < enough; t++) {
                activation += recorded(t, sample, unit);
                step = f32(begin + t);
            }
            if (begin + params.steps == params.window_steps) {
                if (activation < enough) {
                    step = f32(length - 1u);
                }
                if (unit >= params.units) {
                    step = 0.0;
                }
                activation = step;
            }
        }
    }
    out[at] = activation;
    if (stepped) {
        out[at_step] = step;
    }
}
