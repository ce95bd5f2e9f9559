// Adds the bias of its step to V and thresholds it, an invocation for each entry [T][B][np] (contract: `TimeForward`). V is
// the product over time then, without bias.
#import shared/grid

struct Params {
    steps: u32,
    batch: u32,
    row: u32,
    inclusive: u32,
    // 0 where one bias serves all steps, else 1
    own_bias: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> constants: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> potential: array<f32>;
@group(0) @binding(4) var<storage, read_write> spikes: array<u32>;
@group(0) @binding(5) var<storage, read_write> planes: array<f32>;

var<workgroup> fired: array<u32, SIZE>;

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = flat_group(group, groups) * SIZE + local;
    let live = at < params.steps * params.batch * params.row;
    var bit = 0u;
    if (live) {
        let column = at % params.row;
        let line = at / params.row;
        let t = line / params.batch;
        let theta = constants[CONSTANT_THETA * params.row + column];
        let v = select(0.0, potential[at] + bias[t * params.own_bias], theta < NEVER);
        potential[at] = v;
        bit = u32(v > theta || (params.inclusive != 0u && v == theta));
        if (t + 1u == params.steps) {
            planes[((line % params.batch) * PLANES + PLANE_POTENTIAL) * params.row + column] = v;
        }
    }
    fired[local] = bit;
    workgroupBarrier();
    // Rows are whole words: 32 invocations stand in one.
    if (live && local % 32u == 0u) {
        var word = 0u;
        for (var i = 0u; i < 32u; i++) {
            word |= fired[local + i] << i;
        }
        spikes[HISTORY * params.batch * (params.row / 32u) + at / 32u] = word;
    }
}
