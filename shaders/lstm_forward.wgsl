// One step of the LSTM cell (contract: `LstmForward`), an invocation for each neuron of each sample. The matrix product has
// added h_{t-1} R to the drive of the step before; the gates replace it.
#import shared/grid
#import neuron/gates

struct Params {
    steps: u32,
    batch: u32,
    row: u32,
    step: u32,
    inclusive: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> constants: array<f32>;
@group(0) @binding(2) var<storage, read_write> planes: array<f32>;
@group(0) @binding(3) var<storage, read_write> gates: array<f32>;
@group(0) @binding(4) var<storage, read_write> spikes: array<u32>;
#ifdef TAPE
@group(0) @binding(5) var<storage, read_write> tape: array<f32>;
@group(0) @binding(6) var<storage, read_write> hidden: array<f32>;
#endif

var<workgroup> fired: array<u32, SIZE>;

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let cells = params.batch * params.row;
    let index = flat_group(group, groups) * SIZE + local;
    let live = index < cells;
    var bit = 0u;
    if (live) {
        let sample = index / params.row;
        let column = index % params.row;
        let plane = sample * PLANES * params.row + column;
        let at = params.step * cells + index;
        let first = (params.step * params.batch + sample) * 4u * params.row + column;
        let theta = constants[CONSTANT_THETA * params.row + column];
        let i = logistic(gates[first]);
        let f = logistic(gates[first + params.row]);
        let g = tangent(gates[first + 2u * params.row]);
        let o = logistic(gates[first + 3u * params.row]);
        gates[first] = i;
        gates[first + params.row] = f;
        gates[first + 2u * params.row] = g;
        gates[first + 3u * params.row] = o;
        let c = fma(f, planes[plane + PLANE_CURRENT * params.row], i * g);
        var h = o * tangent(c);
        let word = ((params.step + HISTORY - 1u) * cells + index) / 32u;
        let s = f32((spikes[word] >> (column % 32u)) & 1u);
#ifdef SUBTRACT_AFTER
        h = fma(-theta, s, h);
#endif
#ifdef ZERO_AFTER
        h = h * (1.0 - s);
#endif
#ifdef TAPE
        if (params.step == 0u) {
            hidden[(HISTORY - 1u) * cells + index] = planes[plane + PLANE_POTENTIAL * params.row];
        }
        tape[at] = h;
        tape[params.steps * cells + at] = c;
        hidden[HISTORY * cells + at] = h;
#endif
        planes[plane + PLANE_CURRENT * params.row] = c;
        planes[plane + PLANE_POTENTIAL * params.row] = h;
        bit = u32(h > theta || (params.inclusive != 0u && h == theta));
    }
    fired[local] = bit;
    workgroupBarrier();
    // Rows are whole words: 32 invocations stand in one.
    if (live && local % 32u == 0u) {
        var word = 0u;
        for (var n = 0u; n < 32u; n++) {
            word |= fired[local + n] << n;
        }
        spikes[((params.step + HISTORY) * cells + index) / 32u] = word;
    }
}
