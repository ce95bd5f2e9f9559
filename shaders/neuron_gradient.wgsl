// Gradients of the neuron parameters (contract: `NeuronGradient`): one invocation for each entry of [4][row] sums its
// plane over the samples in ascending order and applies the chain rule from alpha and beta to the time constants.
// SHARED is the second stage: one workgroup for each row sums it into its first entry where one value serves the layer.
#import shared/grid
#ifdef SHARED
#import shared/tree
#endif

struct Params {
    // 1 where the row is learned, 1 where one value serves the layer.
    learned: vec4<u32>,
    shared_rows: vec4<u32>,
    batch: u32,
    row: u32,
    units: u32,
    dt: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
#ifdef SHARED
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let row = group.x;
    let summed = params.shared_rows[row] != 0u;
    var part = 0.0;
    for (var column = local; column < params.row; column += SIZE) {
        part += out[row * params.row + column];
    }
    // Rows with a value for each neuron go along, so that the barriers of the tree are met by all, and stay as they are.
    let sum = tree_sum(part, local);
    if (summed) {
        for (var column = local; column < params.row; column += SIZE) {
            out[row * params.row + column] = select(0.0, sum, column == 0u);
        }
    }
}
#else
@group(0) @binding(1) var<storage, read> parameters: array<f32>;
@group(0) @binding(2) var<storage, read> constants: array<f32>;
@group(0) @binding(3) var<storage, read> planes: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let entry = flat_group(group, groups) * SIZE + local;
    if (entry >= 4u * params.row) {
        return;
    }
    let row = entry / params.row;
    let column = entry % params.row;
    if (params.learned[row] == 0u || column >= params.units) {
        out[entry] = 0.0;
        return;
    }
    // The gradient planes stand in the order of the parameter rows.
    let plane = PLANE_ALPHA_GRADIENT + row;
    var sum = 0.0;
    for (var sample = 0u; sample < params.batch; sample++) {
        sum += planes[(sample * PLANES + plane) * params.row + column];
    }
    if (row == ROW_TAU_SYN || row == ROW_TAU_MEM) {
        // Constants 0 and 1 are alpha and beta, parameters 0 and 1 their time constants.
        let tau = parameters[entry];
        sum *= constants[entry] * (params.dt / tau) / tau;
    }
    out[entry] = sum;
}
#endif
