// Counts of the emitted spikes: COUNT = sum of S_{t-e} over the steps of the sample (contract: `count`).
#import shared/grid
#import shared/spikes

struct Params {
    batch: u32,
    row: u32,
    emit_lag: u32,
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
    var count = 0u;
    for (var t = 0u; t < lengths[sample]; t++) {
        count += spikes_in(spikes[((first + t) * params.batch + sample) * words + word_of(column)], column);
    }
    planes[(sample * PLANES + PLANE_COUNT) * params.row + column] = f32(count);
}
