// Gradient of the weights of an analogue source, or BYTES of one with several spikes a step (contract: `WeightGradient`):
// the matrix product s^T chi, its long inner dimension (step, sample) cut into parts that sum_chunks adds up. A square
// tile for a workgroup, 64 SIDE entries wide, EACH = 4 SIDE inputs and as many columns for an invocation; the order of the sum
// is the same whatever the tile. Row lengths are multiples of 32, so whole vec4 are read.
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

const TILE = 64u * SIDE;
const DEPTH = 16u;
// vec4 of a row of a tile.
const ACROSS = 16u * SIDE;
var<workgroup> tile_a: array<vec4<f32>, DEPTH * ACROSS>;
var<workgroup> tile_b: array<vec4<f32>, DEPTH * ACROSS>;

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
    var sums: array<vec4<f32>, EACH * SIDE>;
    for (var r = 0u; r < rows; r += DEPTH) {
#repeat n SIDE
        let at = 256u * n + local;
        let i = r + at / ACROSS;
        let column = (at % ACROSS) * 4u;
        let row = (steps.x + i / params.samples) * params.batch + params.first_sample + i % params.samples;
        var a = vec4<f32>();
        var b = vec4<f32>();
        if (i < rows && params.first_input + top + column < params.source_row) {
            a = source_at(((params.first_source + row) * params.source_row + params.first_input + top + column) / 4u);
        }
        if (i < rows && left + column < params.row) {
            b = chi[(row * params.row + left + column) / 4u];
        }
        tile_a[at] = a;
        tile_b[at] = b;
#end
        workgroupBarrier();
        for (var k = 0u; k < DEPTH; k++) {
            var g: array<vec4<f32>, SIDE>;
#repeat j SIDE
            g[j] = tile_b[k * ACROSS + 16u * j + x];
#end
#repeat i SIDE
            let s = tile_a[k * ACROSS + 16u * i + y];
#repeat j SIDE
            sums[(4u * i) * SIDE + j] = fma(s.xxxx, g[j], sums[(4u * i) * SIDE + j]);
            sums[(4u * i + 1u) * SIDE + j] = fma(s.yyyy, g[j], sums[(4u * i + 1u) * SIDE + j]);
            sums[(4u * i + 2u) * SIDE + j] = fma(s.zzzz, g[j], sums[(4u * i + 2u) * SIDE + j]);
            sums[(4u * i + 3u) * SIDE + j] = fma(s.wwww, g[j], sums[(4u * i + 3u) * SIDE + j]);
#end
#end
        }
        workgroupBarrier();
    }
    if (part < params.parts) {
#repeat n EACH
#repeat j SIDE
        store(part, top + 64u * (n / 4u) + 4u * y + n % 4u, left + 64u * j + 4u * x, sums[n * SIDE + j]);
#end
#end
    }
}
