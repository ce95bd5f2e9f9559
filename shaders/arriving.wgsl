// gV_t + sigma'(V_t - theta) rho_t for every entry [T][B][np] (contract: `TimeBackward`, lambda).
#import shared/grid
#import neuron/arriving

@group(0) @binding(6) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = flat_group(group, groups) * SIZE + local;
    if (at >= params.steps * params.batch * params.row) {
        return;
    }
    let line = at / params.row;
    var sum = through_spike(line / params.batch, line % params.batch, at % params.row);
#ifdef POTENTIAL_GRADIENT
    sum += gradient_potential[at];
#endif
    out[at] = sum;
}
