// Normalisation of the drive (contract: `Normalise`): the statistics of the batch, or without TRAINING the running ones.
#import shared/grid
#import shared/columns

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parameters: array<f32>;
@group(0) @binding(2) var<storage, read_write> running: array<f32>;
@group(0) @binding(3) var<storage, read_write> drive: array<f32>;
#ifdef TRAINING
@group(0) @binding(4) var<storage, read_write> normal: array<f32>;
@group(0) @binding(5) var<storage, read_write> deviation: array<f32>;
#endif

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let column = flat_group(group, groups) * 32u + local % 32u;
    let first = local / 32u;
    let step = SIZE / 32u;
    let mean_at = NORMAL_MEAN * params.row + column;
    let variance_at = NORMAL_VARIANCE * params.row + column;
#ifdef TRAINING
    var total = 0.0;
    var block = 0.0;
    var count = 0u;
    for (var r = first; r < params.rows; r += step) {
        block += drive[r * params.row + column];
        count++;
        if (count % 32u == 0u) {
            total += block;
            block = 0.0;
        }
    }
    let mean = column_sum(total + block, local) / f32(params.rows);
    total = 0.0;
    block = 0.0;
    for (var r = first; r < params.rows; r += step) {
        let d = drive[r * params.row + column] - mean;
        block = fma(d, d, block);
        count++;
        if (count % 32u == 0u) {
            total += block;
            block = 0.0;
        }
    }
    let squares = column_sum(total + block, local);
    let inverse = inverseSqrt(squares / f32(params.rows) + params.epsilon);
    if (first == 0u) {
        let unbiased = squares / f32(max(params.rows, 2u) - 1u);
        running[mean_at] = mix(running[mean_at], mean, params.momentum);
        running[variance_at] = mix(running[variance_at], unbiased, params.momentum);
        deviation[column] = inverse;
    }
#else
    let mean = running[mean_at];
    let inverse = inverseSqrt(running[variance_at] + params.epsilon);
#endif
    let slope = running[NORMAL_FACTOR * params.row + column] * parameters[column];
    let shift = parameters[params.row + column];
    for (var r = first; r < params.rows; r += step) {
        let at = r * params.row + column;
        let standard = (drive[at] - mean) * inverse;
#ifdef TRAINING
        normal[at] = standard;
#endif
        drive[at] = fma(slope, standard, shift);
    }
}
