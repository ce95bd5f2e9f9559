// Constants of the neurons from their parameters (contract: `constants`).
#import shared/exponential

struct Params {
    row: u32,
    units: u32,
    synapse: u32,
    normalised: u32,
    spiking: u32,
    dt: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parameters: array<f32>;
@group(0) @binding(2) var<storage, read_write> constants: array<f32>;

// The largest number under 1: a time constant may not grow into an integrator that never forgets.
const BELOW_ONE = 0.99999994;

fn decay(tau: f32) -> f32 {
    return min(exponential(-params.dt / tau), BELOW_ONE);
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
        beta = decay(parameters[ROW_TAU_MEM * params.row + column]);
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
