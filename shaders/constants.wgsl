// Constants of the neurons from their parameters (contract: `constants`). OWN: those of a snippet, which go through their
// transforms in the padding too.
#import shared/exponential
#ifdef OWN
#import shared/grid
#endif

struct Params {
    row: u32,
    units: u32,
    synapse: u32,
    normalised: u32,
    spiking: u32,
    // How beta is made: 0 exponential, 1 Euler, 2 logistic, 3 no leak.
    leak: u32,
    dt: f32,
    rows: u32,
    // Of each row of its own: 0 identity, 1 decay, 2 rate.
    transforms: array<vec4<u32>, 4>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parameters: array<f32>;
@group(0) @binding(2) var<storage, read_write> constants: array<f32>;

// The largest number under 1: a time constant may not grow into an integrator that never forgets.
const BELOW_ONE = 0.99999994;

fn decay(tau: f32) -> f32 {
    return min(exponential(-params.dt / tau), BELOW_ONE);
}

#ifdef OWN
@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let entry = flat_group(group, groups) * SIZE + local;
    if (entry >= params.rows * params.row) {
        return;
    }
    let index = entry / params.row;
    let value = parameters[ROWS * params.row + entry];
    var constant = value;
    switch params.transforms[index / 4u][index % 4u] {
        case 1u: {
            constant = decay(value);
        }
        case 2u: {
            constant = params.dt / value;
        }
        default: {
        }
    }
    constants[CONSTANTS * params.row + entry] = constant;
}
#else
// 1 / (1 + e^-p)
fn logistic(p: f32) -> f32 {
    let e = exponential(-abs(p));
    return select(1.0, e, p < 0.0) / (1.0 + e);
}

fn beta_of(tau: f32) -> f32 {
    switch params.leak {
        case 0u: {
            return decay(tau);
        }
        case 1u: {
            return min(1.0 - params.dt / tau, BELOW_ONE);
        }
        case 2u: {
            return min(1.0 - logistic(tau), BELOW_ONE);
        }
        default: {
            return 1.0;
        }
    }
}

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let column = group.x * SIZE + local;
    if (column >= params.row) {
        return;
    }
    var alpha = 0.0;
    var beta = 0.0;
    var gamma = 0.0;
    var theta = NEVER;
    var bias = 0.0;
    if (column < params.units) {
        if (params.synapse != 0u) {
            alpha = decay(parameters[ROW_TAU_SYN * params.row + column]);
        }
        beta = beta_of(parameters[ROW_TAU_MEM * params.row + column]);
        gamma = select(1.0, 1.0 - beta, params.normalised != 0u);
        if (params.spiking != 0u) {
            theta = parameters[ROW_THRESHOLD * params.row + column];
        }
        bias = parameters[ROW_BIAS * params.row + column];
    }
    constants[CONSTANT_ALPHA * params.row + column] = alpha;
    constants[CONSTANT_BETA * params.row + column] = beta;
    constants[CONSTANT_GAMMA * params.row + column] = gamma;
    constants[CONSTANT_THETA * params.row + column] = theta;
    constants[CONSTANT_BIAS * params.row + column] = bias;
}
#endif
