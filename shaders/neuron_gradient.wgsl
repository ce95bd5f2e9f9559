// Gradients of the neuron parameters (contract: `NeuronGradient`): one invocation for each entry of [4][row] sums its
// plane over the samples in ascending order and applies the chain rule from alpha and beta to the time constants.
// OWN: those of a snippet, whose planes stand behind the common ones.
// SHARED is the second stage: one workgroup for each row sums it into its first entry where one value serves the layer.
#import shared/grid
#ifdef SHARED
#import shared/tree
#endif

struct Params {
    // Of each row: 1 where it is learned, 2 besides where one value serves the layer.
    modes: array<vec4<u32>, 5>,
    // Of each row of a snippet's own: 0 identity, 1 decay, 2 rate.
    transforms: array<vec4<u32>, 4>,
    batch: u32,
    row: u32,
    units: u32,
    dt: f32,
    leak: u32,
    // Rows of a snippet's own, and the first of their planes behind the common ones.
    rows: u32,
    first_plane: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

fn mode_of(row: u32) -> u32 {
    return params.modes[row / 4u][row % 4u];
}

#ifdef SHARED
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, lane: Lane) {
    let local = lane.local;
    let row = group.x;
    let summed = (mode_of(row) & 2u) != 0u;
    var part = 0.0;
    for (var column = local; column < params.row; column += SIZE) {
        part += out[row * params.row + column];
    }
    // Rows with a value for each neuron go along, so that the barriers of the tree are met by all, and stay as they are.
    let sum = tree_sum(part, lane);
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
#ifdef OWN
    if (entry >= params.rows * params.row) {
        return;
    }
    let index = entry / params.row;
    let column = entry % params.row;
    let at = ROWS * params.row + entry;
    if (mode_of(ROWS + index) == 0u || column >= params.units) {
        out[at] = 0.0;
        return;
    }
    var sum = 0.0;
    for (var sample = 0u; sample < params.batch; sample++) {
        sum += planes[((PLANES + params.first_plane + index) * params.batch + sample) * params.row + column];
    }
    let tau = parameters[at];
    switch params.transforms[index / 4u][index % 4u] {
        case 1u: {
            sum *= constants[CONSTANTS * params.row + entry] * (params.dt / tau) / tau;
        }
        case 2u: {
            sum *= -(params.dt / tau) / tau;
        }
        default: {
        }
    }
    out[at] = sum;
#else
    if (entry >= ROWS * params.row) {
        return;
    }
    let row = entry / params.row;
    let column = entry % params.row;
    if (mode_of(row) == 0u || column >= params.units) {
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
        let decay = constants[entry];
        let leak = select(params.leak, 0u, row == ROW_TAU_SYN);
        switch leak {
            case 0u: {
                sum *= decay * (params.dt / tau) / tau;
            }
            case 1u: {
                sum *= (params.dt / tau) / tau;
            }
            case 2u: {
                sum *= -decay * (1.0 - decay);
            }
            default: {
                sum = 0.0;
            }
        }
    }
    out[entry] = sum;
#endif
}
#endif
