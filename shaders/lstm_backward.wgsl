// One step of the adjoint of the LSTM cell (contract: `LstmBackward`), an invocation for each neuron of each sample.
// `direct` holds what reaches V from outside, `feedback` the row chi_{t+1} R^T, made before this dispatch.
#import shared/grid
#import neuron/gates
#import surrogate/surrogate

struct Params {
    steps: u32,
    batch: u32,
    row: u32,
    step: u32,
    // 1 where theta is learned
    learned: u32,
    slope: f32,
    scale: f32,
    shape_a: f32,
    shape_b: f32,
    shape_c: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> constants: array<f32>;
@group(0) @binding(2) var<storage, read_write> planes: array<f32>;
@group(0) @binding(3) var<storage, read> gates: array<f32>;
@group(0) @binding(4) var<storage, read> tape: array<f32>;
@group(0) @binding(5) var<storage, read> spikes: array<u32>;
@group(0) @binding(6) var<storage, read> direct: array<f32>;
@group(0) @binding(7) var<storage, read> feedback: array<f32>;
@group(0) @binding(8) var<storage, read_write> chi: array<f32>;

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let cells = params.batch * params.row;
    let index = flat_group(group, groups) * SIZE + local;
    if (index >= cells) {
        return;
    }
    let sample = index / params.row;
    let column = index % params.row;
    let plane = sample * PLANES * params.row + column;
    let whole = params.steps * cells;
    let at = params.step * cells + index;
    let first = (params.step * params.batch + sample) * 4u * params.row + column;
    let theta = constants[CONSTANT_THETA * params.row + column];
    let i = gates[first];
    let f = gates[first + params.row];
    let g = gates[first + 2u * params.row];
    let o = gates[first + 3u * params.row];
    var before = planes[plane + PLANE_START_CURRENT * params.row];
    if (params.step > 0u) {
        before = tape[whole + at - cells];
    }
    var total = direct[at] + feedback[index];
    var by_theta = 0.0;
#ifdef THROUGH_RESET
    if (params.step + 1u < params.steps) {
#ifdef SUBTRACT_AFTER
        let by_spike = -theta;
#else
        let by_spike = -gates[first + (params.batch * 4u + 3u) * params.row] * tangent(tape[whole + at + cells]);
#endif
        let part = surrogate(tape[at] - theta) * (by_spike * planes[plane + PLANE_LAMBDA * params.row]);
        // Padding has theta = NEVER and lambda = 0.
        total += part;
        by_theta -= part;
    }
#endif
    planes[plane + PLANE_LAMBDA * params.row] = total;
    var out = total;
#ifdef SPIKE_BEFORE
    let word = ((params.step + HISTORY - 1u) * cells + index) / 32u;
    let s = f32((spikes[word] >> (column % 32u)) & 1u);
#ifdef SUBTRACT_AFTER
    by_theta -= s * total;
#endif
#ifdef ZERO_AFTER
    out = total * (1.0 - s);
#endif
#endif
    let held = tangent(tape[whole + at]);
    let d = planes[plane + PLANE_MU * params.row] + out * o * (1.0 - held * held);
    chi[first] = d * g * i * (1.0 - i);
    chi[first + params.row] = d * before * f * (1.0 - f);
    chi[first + 2u * params.row] = d * i * (1.0 - g * g);
    chi[first + 3u * params.row] = out * held * o * (1.0 - o);
    planes[plane + PLANE_MU * params.row] = f * d;
    if (params.learned != 0u) {
        planes[plane + PLANE_THETA_GRADIENT * params.row] += by_theta;
    }
}
