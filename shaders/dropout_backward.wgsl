// The adjoint of dropout: the gradient of lost spikes is 0, then comes what was given (contract: `DropoutBackward`).
#import shared/grid
#import shared/dropout

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> gradient: array<f32>;
#ifdef GIVEN
@group(0) @binding(2) var<storage, read> given: array<f32>;
#endif

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = flat_group(group, groups) * SIZE + local;
    let width = params.words * 32u;
    if (at >= params.rows * params.batch * width) {
        return;
    }
    let sample = at / width % params.batch;
    let row = mask_row(HISTORY + at / width / params.batch, sample);
    var value = select(0.0, gradient[at], kept(row, at % width));
#ifdef GIVEN
    value += given[at];
#endif
    gradient[at] = value;
}
