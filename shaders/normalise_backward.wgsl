// The adjoint of the normalisation through the statistics of the batch (contract: `NormaliseBackward`).
#import shared/grid
#import shared/columns

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parameters: array<f32>;
@group(0) @binding(2) var<storage, read> running: array<f32>;
@group(0) @binding(3) var<storage, read> normal: array<f32>;
@group(0) @binding(4) var<storage, read> deviation: array<f32>;
@group(0) @binding(5) var<storage, read> chi: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(7) var<storage, read_write> gradient: array<f32>;

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let column = flat_group(group, groups) * 32u + local % 32u;
    let first = local / 32u;
    let step = SIZE / 32u;
    // x: of chi; y: of chi times the normalised drive.
    var total = vec2<f32>();
    var block = vec2<f32>();
    var count = 0u;
    for (var r = first; r < params.rows; r += step) {
        let at = r * params.row + column;
        let g = chi[at];
        block = vec2<f32>(block.x + g, fma(g, normal[at], block.y));
        count++;
        if (count % 32u == 0u) {
            total += block;
            block = vec2<f32>();
        }
    }
    total += block;
    let sum = column_sum(total.x, local);
    let product = column_sum(total.y, local);
    let factor = running[NORMAL_FACTOR * params.row + column];
    if (first == 0u) {
        gradient[column] = factor * product;
        gradient[params.row + column] = sum;
    }
    let slope = factor * parameters[column] * deviation[column];
    let share = 1.0 / f32(params.rows);
    for (var r = first; r < params.rows; r += step) {
        let at = r * params.row + column;
        out[at] = slope * (chi[at] - share * sum - normal[at] * (share * product));
    }
}
