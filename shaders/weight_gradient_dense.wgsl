// Gradient of the weights of an analogue source, or BYTES of one with several spikes a step (contract: `WeightGradient`):
// the matrix product s^T chi, its long inner dimension (step, sample) cut into parts that sum_chunks adds up. 64 x 64
// entries for a workgroup, 4 x 4 for an invocation. Row lengths are multiples of 32, so whole vec4 are read.
#import shared/grid
#import shared/part


#ifdef BYTES
// A word is the counts of four inputs.
@group(0) @binding(1) var<storage, read> source: array<u32>;

fn source_at(index: u32) -> vec4<f32> {
    let word = source[index];
    return vec4<f32>(vec4(word & 255u, (word >> 8u) & 255u, (word >> 16u) & 255u, word >> 24u));
}
#else
@group(0) @binding(1) var<storage, read> source: array<vec4<f32>>;

fn source_at(index: u32) -> vec4<f32> {
    return source[index];
}
#endif
@group(0) @binding(2) var<storage, read> chi: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;

const TILE = 64u;
const DEPTH = 16u;
var<workgroup> tile_a: array<vec4<f32>, DEPTH * TILE / 4u>;
var<workgroup> tile_b: array<vec4<f32>, DEPTH * TILE / 4u>;

fn store(part: u32, input: u32, column: u32, value: vec4<f32>) {
    if (input < params.inputs && column < params.row) {
        let at = ((part * params.inputs + input) * params.row + column) / 4u;
        if (params.accumulate != 0u) {
            out[at] += value;
        } else {
            out[at] = value;
        }
    }
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let across = (params.row + TILE - 1u) / TILE;
    let down = (params.inputs + TILE - 1u) / TILE;
    let flat = params.first_group + flat_group(group, groups);
    let left = (flat % across) * TILE;
    let top = ((flat / across) % down) * TILE;
    let part = flat / (across * down);
    let x = local % 16u;
    let y = local / 16u;
    let steps = steps_of(part);
    let rows = (steps.y - steps.x) * params.samples;
    var c0 = vec4<f32>();
    var c1 = vec4<f32>();
    var c2 = vec4<f32>();
    var c3 = vec4<f32>();
    for (var r = 0u; r < rows; r += DEPTH) {
        let i = r + y;
        let row = (steps.x + i / params.samples) * params.batch + params.first_sample + i % params.samples;
        var a = vec4<f32>();
        var b = vec4<f32>();
        if (i < rows && params.first_input + top + x * 4u < params.source_row) {
            a = source_at(((params.first_source + row) * params.source_row + params.first_input + top) / 4u + x);
        }
        if (i < rows && left + x * 4u < params.row) {
            b = chi[(row * params.row + left) / 4u + x];
        }
        tile_a[local] = a;
        tile_b[local] = b;
        workgroupBarrier();
        for (var k = 0u; k < DEPTH; k++) {
            let s = tile_a[k * 16u + y];
            let g = tile_b[k * 16u + x];
            c0 = fma(s.xxxx, g, c0);
            c1 = fma(s.yyyy, g, c1);
            c2 = fma(s.zzzz, g, c2);
            c3 = fma(s.wwww, g, c3);
        }
        workgroupBarrier();
    }
    if (part < params.parts) {
        store(part, top + y * 4u, left + x * 4u, c0);
        store(part, top + y * 4u + 1u, left + x * 4u, c1);
        store(part, top + y * 4u + 2u, left + x * 4u, c2);
        store(part, top + y * 4u + 3u, left + x * 4u, c3);
    }
}
