// Gradient of the weights of an analogue source, or BYTES of one with several spikes a step (contract: `WeightGradient`): the matrix product s^T chi, its long inner
// dimension (step, sample) cut into chunks that sum_chunks adds up. 64 x 64 entries for a workgroup, 4 x 4 for an
// invocation. Row lengths are multiples of 32, so whole vec4 are read.
#import shared/grid

struct Params {
    // Rows of a chunk, all rows, chunks.
    chunk: u32,
    rows: u32,
    chunks: u32,
    // First row of the source.
    first_source: u32,
    // Length of a row of chi, of a row of the source, inputs.
    row: u32,
    source_row: u32,
    inputs: u32,
    // First workgroup of this dispatch, among those of all chunks.
    first_group: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
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

fn store(chunk: u32, input: u32, column: u32, value: vec4<f32>) {
    if (input < params.inputs && column < params.row) {
        out[((chunk * params.inputs + input) * params.row + column) / 4u] = value;
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
    let chunk = flat / (across * down);
    let x = local % 16u;
    let y = local / 16u;
    let begin = min(chunk * params.chunk, params.rows);
    let end = min(begin + params.chunk, params.rows);
    var c0 = vec4<f32>();
    var c1 = vec4<f32>();
    var c2 = vec4<f32>();
    var c3 = vec4<f32>();
    for (var r = begin; r < end; r += DEPTH) {
        let row = r + y;
        var a = vec4<f32>();
        var b = vec4<f32>();
        if (row < end && top + x * 4u < params.source_row) {
            a = source_at(((params.first_source + row) * params.source_row + top) / 4u + x);
        }
        if (row < end && left + x * 4u < params.row) {
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
    if (chunk < params.chunks) {
        store(chunk, top + y * 4u, left + x * 4u, c0);
        store(chunk, top + y * 4u + 1u, left + x * 4u, c1);
        store(chunk, top + y * 4u + 2u, left + x * 4u, c2);
        store(chunk, top + y * 4u + 3u, left + x * 4u, c3);
    }
}
