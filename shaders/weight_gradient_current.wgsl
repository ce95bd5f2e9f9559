// Gradient of the weights of a current encoder: dw_j = sum of chi_j s_(j mod inputs) over the rows (step, sample) of a
// part, from the last to the first (contract: `WeightGradient`). The parts are summed by sum_chunks.
#import shared/grid
#import shared/source
#import shared/part

@group(0) @binding(2) var<storage, read> chi: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let cell = flat_group(group, groups) * SIZE + local;
    if (cell >= params.parts * params.row) {
        return;
    }
    let column = cell % params.row;
    let channel = column % params.inputs;
    let steps = steps_of(cell / params.row);
    var sum = 0.0;
    for (var t = steps.y; t > steps.x; t--) {
        for (var b = params.samples; b > 0u; b--) {
            let row = (t - 1u) * params.batch + params.first_sample + b - 1u;
            sum = fma(chi[row * params.row + column], source_at(params.first_source + row, channel), sum);
        }
    }
    if (params.accumulate != 0u) {
        out[cell] += sum;
    } else {
        out[cell] = sum;
    }
}
