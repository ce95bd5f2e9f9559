// The adjoint of the neuron over a range of steps (contract: `Backward`): each invocation walks one neuron of one sample
// from the last step to the first.
//
// RECURRENT: the form Stepwise. The range is then at most the recurrent lag, and `feedback` holds the rows
// chi_{t+lag} R^T of its steps, made by the matrix product before this dispatch.
#import shared/grid
#import neuron/backward

#ifdef RECURRENT
@group(0) @binding(8) var<storage, read> feedback: array<f32>;
#endif

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let index = flat_group(group, groups) * SIZE + local;
    if (index >= params.batch * params.row) {
        return;
    }
    let cell = cell_of(index);
    let c = constants_of(cell.column);
    var adjoint = load_adjoint(cell);
    for (var t = params.end; t > params.begin; t--) {
        let step = t - 1u;
        var above = 0.0;
#ifdef RECURRENT
        above = feedback[at_step(step - params.begin, cell)];
#endif
        adjoint = adjoint_at(step, cell, c, above, adjoint);
        chi[at_step(step, cell)] = adjoint.mu;
    }
    store_adjoint(cell, adjoint);
}
