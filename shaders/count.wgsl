// Counts of the emitted spikes: COUNT = sum of S_{t-e} over the steps of the sample (contract: `Count`).
#import shared/grid
#import shared/spikes

struct Params {
    steps: u32,
    batch: u32,
    row: u32,
    emit_lag: u32,
    // First step and all steps of the sequence, first sample and all samples of the batch.
    window_step: u32,
    window_steps: u32,
    window_sample: u32,
    window_samples: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> spikes: array<u32>;
@group(0) @binding(2) var<storage, read_write> planes: array<f32>;
@group(0) @binding(3) var<storage, read> lengths: array<u32>;

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
    let column = cell % params.row;
    let words = words_of(params.row);
    let first = HISTORY - params.emit_lag;
    let own = params.window_sample + sample;
    let end = min(max(lengths[own], params.window_step) - params.window_step, params.steps);
    var count = 0u;
    for (var t = 0u; t < end; t++) {
        count += spikes_in(spikes[((first + t) * params.batch + sample) * words + word_of(column)], column);
    }
    let at = (own * PLANES + PLANE_COUNT) * params.row + column;
    planes[at] = select(planes[at], 0.0, params.window_step == 0u) + f32(count);
}
