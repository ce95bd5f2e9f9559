// The direct part of the gradient of the threshold: each invocation takes sum_t sigma'(V_t - theta) rho_t of one neuron of
// one sample from the plane of dL/d theta.
#import shared/grid
#import neuron/arriving

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
    var sum = 0.0;
    for (var t = 0u; t < params.steps; t++) {
        sum += through_spike(t, sample, column);
    }
    planes[plane_at(PLANE_THETA_GRADIENT, sample, column)] -= sum;
}
