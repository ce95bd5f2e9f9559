// Register-tiled matrix product C = A B (+ bias | + C) over row-major matrices: a 64 x 64 tile of C for a workgroup of
// 16 x 16 invocations, 4 x 4 entries each. Drive of analogue values (A = s, B = W), drive_backward (A = chi, B = W^T),
// and the recurrent part of a stepwise backward pass (A = chi, B = R^T).
//
// Every entry is one chain of fma over ascending k. Row lengths are multiples of 32, so whole vec4 are read.
#import shared/grid

struct Params {
    // Rows of C, columns of C and length of its rows, rows of B here.
    rows: u32,
    columns: u32,
    inner: u32,
    // Length of a row of A, its first row, its column of the first row of B, and first row of C.
    row: u32,
    first: u32,
    first_inner: u32,
    first_out: u32,
    // 0: C is overwritten, 1: added to at the end, 2: the sums go on from C.
    begin: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
#ifdef BIAS
@group(0) @binding(3) var<storage, read> constants: array<vec4<f32>>;
#endif
@group(0) @binding(4) var<storage, read_write> c: array<vec4<f32>>;

const TILE = 64u;
const DEPTH = 16u;
// A keeps its rows (four k in a vec4, one vec4 of padding against bank conflicts), B its own layout.
const A_STRIDE = 5u;
var<workgroup> tile_a: array<vec4<f32>, TILE * A_STRIDE>;
var<workgroup> tile_b: array<vec4<f32>, DEPTH * TILE / 4u>;

fn load_a(row: u32, k: u32) -> vec4<f32> {
    if (row >= params.rows || k >= params.inner) {
        return vec4<f32>();
    }
    return a[((params.first + row) * params.row + params.first_inner + k) / 4u];
}

fn load_b(k: u32, column: u32) -> vec4<f32> {
    if (k >= params.inner || column >= params.columns) {
        return vec4<f32>();
    }
    return b[(k * params.columns + column) / 4u];
}

fn sum_so_far(row: u32, column: u32) -> vec4<f32> {
    if (row >= params.rows || column >= params.columns) {
        return vec4<f32>();
    }
    return c[((params.first_out + row) * params.columns + column) / 4u];
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
    let column = left + x * 4u;

    var start = vec4<f32>();
#ifdef BIAS
    if (column < params.columns) {
        start = constants[(CONSTANT_BIAS * params.columns + column) / 4u];
    }
#endif
    var c0 = start;
    var c1 = start;
    var c2 = start;
    var c3 = start;
    if (params.begin == 2u) {
        c0 = sum_so_far(top + y * 4u, column);
        c1 = sum_so_far(top + y * 4u + 1u, column);
        c2 = sum_so_far(top + y * 4u + 2u, column);
        c3 = sum_so_far(top + y * 4u + 3u, column);
    }
    for (var k = 0u; k < params.inner; k += DEPTH) {
        tile_a[(local / 4u) * A_STRIDE + local % 4u] = load_a(top + local / 4u, k + (local % 4u) * 4u);
        tile_b[local] = load_b(k + local / 16u, left + x * 4u);
        workgroupBarrier();
        for (var q = 0u; q < DEPTH / 4u; q++) {
            let a0 = tile_a[(y * 4u) * A_STRIDE + q];
            let a1 = tile_a[(y * 4u + 1u) * A_STRIDE + q];
            let a2 = tile_a[(y * 4u + 2u) * A_STRIDE + q];
            let a3 = tile_a[(y * 4u + 3u) * A_STRIDE + q];
            let b0 = tile_b[(q * 4u) * 16u + x];
            let b1 = tile_b[(q * 4u + 1u) * 16u + x];
            let b2 = tile_b[(q * 4u + 2u) * 16u + x];
            let b3 = tile_b[(q * 4u + 3u) * 16u + x];
            c0 = fma(a0.wwww, b3, fma(a0.zzzz, b2, fma(a0.yyyy, b1, fma(a0.xxxx, b0, c0))));
            c1 = fma(a1.wwww, b3, fma(a1.zzzz, b2, fma(a1.yyyy, b1, fma(a1.xxxx, b0, c1))));
            c2 = fma(a2.wwww, b3, fma(a2.zzzz, b2, fma(a2.yyyy, b1, fma(a2.xxxx, b0, c2))));
            c3 = fma(a3.wwww, b3, fma(a3.zzzz, b2, fma(a3.yyyy, b1, fma(a3.xxxx, b0, c3))));
        }
        workgroupBarrier();
    }
    store(top + y * 4u, column, c0);
    store(top + y * 4u + 1u, column, c1);
    store(top + y * 4u + 2u, column, c2);
    store(top + y * 4u + 3u, column, c3);
}
