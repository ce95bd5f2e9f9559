// One optimiser step on one tensor (contract: `Update`, `Rule`). Nothing changes where the step is not finite.
#import shared/grid

struct Params {
    // Of each row: 0 frozen, 1 plain, 2 logarithmic; 4 besides where one value serves the row.
    modes: array<vec4<u32>, 5>,
    len: u32,
    row: u32,
    rate: f32,
    // sgd: momentum. adam, adamax: beta1, beta2, and 1 - beta (rounded from f64). c = 1 - beta^step.
    beta1: f32,
    beta2: f32,
    rest1: f32,
    rest2: f32,
    c1: f32,
    c2: f32,
    epsilon: f32,
    decay: f32,
    // Of the penalty.
    l2: f32,
    l1: f32,
    // Where the entries begin in parameters and gradient, and in a row of the state; from one row of it to the next.
    first: u32,
    first_state: u32,
    stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(2) var<storage, read> gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> state: array<f32>;
@group(0) @binding(4) var<storage, read> control: array<f32>;

// The step of an entry for the gradient g; reads and writes the rows of the state.
fn delta(entry: u32, g: f32) -> f32 {
    let i = params.first_state + entry;
    let second = params.stride + i;
#ifdef SGD
    var m = g;
    // Without momentum the state is only written: it may hold anything.
    if (params.beta1 != 0.0) {
        m = fma(params.beta1, state[i], g);
    }
    state[i] = m;
    return params.rate * m;
#endif
#ifdef ADAM
    let m = fma(params.beta1, state[i], params.rest1 * g);
    let v = fma(params.beta2, state[second], params.rest2 * g * g);
    state[i] = m;
    state[second] = v;
    return params.rate * (m / params.c1) / (sqrt(v / params.c2) + params.epsilon);
#endif
#ifdef ADAMAX
    let m = fma(params.beta1, state[i], params.rest1 * g);
    let u = max(params.beta2 * state[second], abs(g) + params.epsilon);
    state[i] = m;
    state[second] = u;
    return params.rate / params.c1 * m / u;
#endif
#ifdef SMORMS3
    let at = 2u * params.stride + i;
    // The state holds mem - 1, so that the start is 0.
    let memory = state[at] + 1.0;
    let r = 1.0 / (memory + 1.0);
    let g1 = fma(r, g - state[i], state[i]);
    let g2 = fma(r, g * g - state[second], state[second]);
    let x = g1 * g1 / (g2 + params.epsilon);
    state[i] = g1;
    state[second] = g2;
    state[at] = memory * (1.0 - x);
    return min(params.rate, x) * g / (sqrt(g2) + params.epsilon);
#endif
}

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = flat_group(group, groups) * SIZE + local;
    if (i >= params.len || control[1] == 0.0) {
        return;
    }
    let row = i / params.row;
    let flags = params.modes[row / 4u][row % 4u];
    let mode = flags & 3u;
    if (mode == 0u) {
        return;
    }
    let source = select(i, row * params.row, (flags & 4u) != 0u);
    let g = control[0] * gradient[params.first + source];
    let at = params.first + i;
    let p = parameters[at];
    if (mode == 1u) {
        let penalty = fma(params.l2, p, params.l1 * sign(p));
        parameters[at] = p - params.rate * params.decay * p - delta(i, g + penalty);
    } else {
        parameters[at] = p * exp(-delta(i, p * g));
    }
}
