// Register-tiled matrix product C = A B (+ bias | + C) over row-major matrices: a square tile of C, 64 SIDE entries wide, for
// a workgroup of 16 x 16 invocations, EACH = 4 SIDE rows and as many columns each. Drive (A = s, B = W), drive_backward
// (A = chi, B = W^T), and the recurrent part of a stepwise backward pass (A = chi, B = R^T).
//
// A holds numbers, BITS spikes, or BYTES their numbers, and B numbers or HALF 16-bit floats: all are unpacked on the way to
// workgroup memory.
//
// Every entry is one chain of fma over ascending k, whatever the tile: with bits it is the sum of the event-driven drive.
// Row lengths are multiples of 32, so whole vec4 are read. The rows of an invocation are 16 apart, so that those of a subgroup
// stand in different banks.
#import shared/grid

struct Params {
    // Rows of C, columns of C and length of its rows, rows of B here.
    rows: u32,
    columns: u32,
    inner: u32,
    // Length of a row of A (words of one with spikes), its first row, its column of the first row of B, and first row of C.
    row: u32,
    first: u32,
    first_inner: u32,
    first_out: u32,
    // 0: C is overwritten, 1: added to at the end, 2: the sums go on from C.
    begin: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
#ifdef BITS
@group(0) @binding(1) var<storage, read> a: array<u32>;

// Four entries of a row of A from column k on, a multiple of 4.
fn entries(row: u32, k: u32) -> vec4<f32> {
    let four = a[row * params.row + k / 32u] >> (k % 32u);
    return vec4<f32>(vec4<u32>(four & 1u, (four >> 1u) & 1u, (four >> 2u) & 1u, (four >> 3u) & 1u));
}
#else
#ifdef BYTES
@group(0) @binding(1) var<storage, read> a: array<u32>;

fn entries(row: u32, k: u32) -> vec4<f32> {
    let word = a[row * params.row + k / 4u];
    return vec4<f32>(vec4<u32>(word & 255u, (word >> 8u) & 255u, (word >> 16u) & 255u, word >> 24u));
}
#else
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;

fn entries(row: u32, k: u32) -> vec4<f32> {
    return a[(row * params.row + k) / 4u];
}
#endif
#endif
#ifdef HALF
@group(0) @binding(2) var<storage, read> b: array<vec2<u32>>;

fn weights(at: u32) -> vec4<f32> {
    let words = b[at];
    return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}
#else
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;

fn weights(at: u32) -> vec4<f32> {
    return b[at];
}
#endif
#ifdef BIAS
@group(0) @binding(3) var<storage, read> constants: array<vec4<f32>>;
#endif
@group(0) @binding(4) var<storage, read_write> c: array<vec4<f32>>;

const TILE = 64u * SIDE;
const DEPTH = 16u;
// vec4 of a row of the tile of B; one of A has four, each of four k.
const ACROSS = 16u * SIDE;
var<workgroup> tile_a: array<vec4<f32>, TILE * 4u>;
var<workgroup> tile_b: array<vec4<f32>, DEPTH * ACROSS>;

fn load_a(row: u32, k: u32) -> vec4<f32> {
    if (row >= params.rows || k >= params.inner) {
        return vec4<f32>();
    }
    return entries(params.first + row, params.first_inner + k);
}

fn load_b(k: u32, column: u32) -> vec4<f32> {
    if (k >= params.inner || column >= params.columns) {
        return vec4<f32>();
    }
    return weights((k * params.columns + column) / 4u);
}

// What the sum begins with.
fn start(row: u32, column: u32) -> vec4<f32> {
    if (row >= params.rows || column >= params.columns) {
        return vec4<f32>();
    }
    if (params.begin == 2u) {
        return c[((params.first_out + row) * params.columns + column) / 4u];
    }
#ifdef BIAS
    return constants[(CONSTANT_BIAS * params.columns + column) / 4u];
#else
    return vec4<f32>();
#endif
}

fn store(row: u32, column: u32, value: vec4<f32>) {
    if (row < params.rows && column < params.columns) {
        let at = ((params.first_out + row) * params.columns + column) / 4u;
        if (params.begin == 1u) {
            c[at] += value;
        } else {
            c[at] = value;
        }
    }
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let across = (params.columns + TILE - 1u) / TILE;
    let flat = flat_group(group, groups);
    let top = (flat / across) * TILE;
    let left = (flat % across) * TILE;
    let x = local % 16u;
    let y = local / 16u;
    var sums: array<vec4<f32>, EACH * SIDE>;
#repeat i EACH
#repeat j SIDE
    sums[i * SIDE + j] = start(top + y + 16u * i, left + 64u * j + 4u * x);
#end
#end
    for (var k = 0u; k < params.inner; k += DEPTH) {
#repeat s SIDE
        let at = 256u * s + local;
        tile_a[at] = load_a(top + at / 4u, k + (at % 4u) * 4u);
        tile_b[at] = load_b(k + at / ACROSS, left + (at % ACROSS) * 4u);
#end
        workgroupBarrier();
        for (var q = 0u; q < DEPTH / 4u; q++) {
            var b0: array<vec4<f32>, SIDE>;
            var b1: array<vec4<f32>, SIDE>;
            var b2: array<vec4<f32>, SIDE>;
            var b3: array<vec4<f32>, SIDE>;
#repeat j SIDE
            let at = q * 4u * ACROSS + 16u * j + x;
            b0[j] = tile_b[at];
            b1[j] = tile_b[at + ACROSS];
            b2[j] = tile_b[at + 2u * ACROSS];
            b3[j] = tile_b[at + 3u * ACROSS];
#end
#repeat i EACH
            let four = tile_a[(y + 16u * i) * 4u + q];
#repeat j SIDE
            var sum = fma(four.xxxx, b0[j], sums[i * SIDE + j]);
            sum = fma(four.yyyy, b1[j], sum);
            sum = fma(four.zzzz, b2[j], sum);
            sums[i * SIDE + j] = fma(four.wwww, b3[j], sum);
#end
#end
        }
        workgroupBarrier();
    }
#repeat i EACH
#repeat j SIDE
    store(top + y + 16u * i, left + 64u * j + 4u * x, sums[i * SIDE + j]);
#end
#end
}
