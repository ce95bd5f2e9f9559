// C = A B (+ bias) by cooperative matrices: A holds spikes (BYTES: their numbers), which 16-bit floats hold exactly, B 16-bit
// floats; products are summed in f32, in the order that the device's matrix units take.
//
// A workgroup makes HEIGHT x WIDTH entries of C in fragments of EDGE x EDGE. Each subgroup takes every so many-th fragment: it may
// be as wide as the workgroup, and only has to divide it, because a fragment is worked on by a whole subgroup. Sums stay in
// workgroup memory between slabs of DEPTH inner entries, not in a fragment that lives across the loop.
#import shared/grid
#import shared/lane

struct Params {
    // As in product.wgsl.
    rows: u32,
    columns: u32,
    inner: u32,
    row: u32,
    first: u32,
    first_inner: u32,
    first_out: u32,
    // 0: C is overwritten, 2: the sums go on from C.
    begin: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<u32>;
@group(0) @binding(2) var<storage, read> b: array<u32>;
@group(0) @binding(3) var<storage, read> constants: array<f32>;
@group(0) @binding(4) var<storage, read_write> c: array<f32>;

#ifdef EIGHT
const EDGE = 8u;
alias Left = coop_mat8x8<f16, A>;
alias Right = coop_mat8x8<f16, B>;
alias Sums = coop_mat8x8<f32, C>;
#else
const EDGE = 16u;
alias Left = coop_mat16x16<f16, A>;
alias Right = coop_mat16x16<f16, B>;
alias Sums = coop_mat16x16<f32, C>;
#endif

const SIZE = 128u;
const HEIGHT = 32u;
const WIDTH = 64u;
const DEPTH = 32u;
const ACROSS = WIDTH / EDGE;
const FRAGMENTS = (HEIGHT / EDGE) * ACROSS;
var<workgroup> tile_a: array<f16, HEIGHT * DEPTH>;
var<workgroup> tile_b: array<f16, DEPTH * WIDTH>;
var<workgroup> tile_c: array<f32, HEIGHT * WIDTH>;

fn spikes_at(row: u32, k: u32) -> f16 {
    if (row >= params.rows || k >= params.inner) {
        return 0.0h;
    }
    let first = (params.first + row) * params.row;
    let channel = params.first_inner + k;
#ifdef BYTES
    return f16((a[first + channel / 4u] >> (8u * (channel % 4u))) & 255u);
#else
    return f16((a[first + channel / 32u] >> (channel % 32u)) & 1u);
#endif
}

// Two neighbours of a row of B.
fn weights_at(k: u32, column: u32) -> vec2<f16> {
    if (k >= params.inner || column >= params.columns) {
        return vec2<f16>();
    }
    return vec2<f16>(unpack2x16float(b[(k * params.columns + column) / 2u]));
}

fn start_at(row: u32, column: u32) -> f32 {
    if (row >= params.rows || column >= params.columns) {
        return 0.0;
    }
    if (params.begin == 2u) {
        return c[(params.first_out + row) * params.columns + column];
    }
    return constants[CONSTANT_BIAS * params.columns + column];
}

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    lane: Lane,
) {
    let local = lane.local;
    let across = (params.columns + WIDTH - 1u) / WIDTH;
    let flat = flat_group(group, groups);
    let top = (flat / across) * HEIGHT;
    let left = (flat % across) * WIDTH;
    for (var i = local; i < HEIGHT * WIDTH; i += SIZE) {
        tile_c[i] = start_at(top + i / WIDTH, left + i % WIDTH);
    }
    for (var k = 0u; k < params.inner; k += DEPTH) {
        for (var i = local; i < HEIGHT * DEPTH; i += SIZE) {
            tile_a[i] = spikes_at(top + i / DEPTH, k + i % DEPTH);
        }
        for (var i = 2u * local; i < DEPTH * WIDTH; i += 2u * SIZE) {
            let pair = weights_at(k + i / WIDTH, left + i % WIDTH);
            tile_b[i] = pair.x;
            tile_b[i + 1u] = pair.y;
        }
        workgroupBarrier();
        for (var fragment = lane.subgroup; fragment < FRAGMENTS; fragment += lane.subgroups) {
            let row = (fragment / ACROSS) * EDGE;
            let column = (fragment % ACROSS) * EDGE;
            var sums = coopLoadT<Sums>(&tile_c[row * WIDTH + column], WIDTH);
#repeat q SLICES
            let x = coopLoadT<Left>(&tile_a[row * DEPTH + q * EDGE], DEPTH);
            let y = coopLoadT<Right>(&tile_b[q * EDGE * WIDTH + column], WIDTH);
            sums = coopMultiplyAdd(x, y, sums);
#end
            coopStoreT(sums, &tile_c[row * WIDTH + column], WIDTH);
        }
        workgroupBarrier();
    }
    // Without inner entries there was no barrier.
    workgroupBarrier();
    for (var i = local; i < HEIGHT * WIDTH; i += SIZE) {
        let row = top + i / WIDTH;
        let column = left + i % WIDTH;
        if (row < params.rows && column < params.columns) {
            c[(params.first_out + row) * params.columns + column] = tile_c[i];
        }
    }
}
