// C = A B^T at the cells (row, neuron) whose surrogate derivative is not 0, 0 (or what is there) elsewhere: what reaches the
// spikes of a layer through weights B [neuron][row], where the rest is multiplied by 0 anyway (A = chi of the layer above, or of
// the layer's own later steps).
//
// A workgroup takes CELLS cells, lists those that are not silent, and strips of invocations reduce one of them each. A cell's
// sum is the same wherever it stands in the list, so the list needs no order. The number of rounds is the same for all
// invocations.
//
// SUBGROUPS: a subgroup takes places for all its cells at once, so that the list's length is not added to cell by cell.
const SIZE = 256u;
#import shared/grid
#import shared/lane
#import shared/strips
#import surrogate/surrogate

struct Params {
    // Rows of C, its columns and length of its rows, length of the rows of A and B.
    rows: u32,
    columns: u32,
    row: u32,
    // First row of A, of V, and of C.
    first: u32,
    first_state: u32,
    first_out: u32,
    // 1 where the product is added to C.
    accumulate: u32,
    slope: f32,
    scale: f32,
    shape_a: f32,
    shape_b: f32,
    shape_c: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> constants: array<f32>;
@group(0) @binding(4) var<storage, read> potential: array<f32>;
@group(0) @binding(5) var<storage, read_write> c: array<f32>;

const CELLS = 1024u;
var<workgroup> listed: array<u32, CELLS>;
var<workgroup> listed_count: atomic<u32>;

fn is_silent(cell: u32) -> bool {
    let theta = constants[CONSTANT_THETA * params.columns + cell % params.columns];
    let v = potential[params.first_state * params.columns + cell];
    return surrogate(v - theta) == 0.0;
}

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    lane: Lane,
) {
    let local = lane.local;
    let begin = flat_group(group, groups) * CELLS;
    let end = min(begin + CELLS, params.rows * params.columns);
    let part = local % LANES;
    let strip = local / LANES;
    if (local == 0u) {
        atomicStore(&listed_count, 0u);
    }
    workgroupBarrier();
#ifdef SUBGROUPS
    // The first that runs in its subgroup.
    let leads = subgroupExclusiveAdd(1u) == 0u;
#endif
    for (var round = 0u; round < CELLS / SIZE; round++) {
        let cell = begin + round * SIZE + local;
        let wanted = cell < end && !is_silent(cell);
#ifdef SUBGROUPS
        let before = subgroupExclusiveAdd(u32(wanted));
        let number = subgroupAdd(u32(wanted));
        var first = 0u;
        if (leads && number > 0u) {
            first = atomicAdd(&listed_count, number);
        }
        first = subgroupBroadcastFirst(first);
        if (wanted) {
            listed[first + before] = cell;
        }
#else
        if (wanted) {
            listed[atomicAdd(&listed_count, 1u)] = cell;
        }
#endif
        if (cell < end && !wanted && params.accumulate == 0u) {
            c[params.first_out * params.columns + cell] = 0.0;
        }
    }
    workgroupBarrier();
    let count = atomicLoad(&listed_count);
    let vectors = params.row / 4u;
    var parity = 0u;
    for (var first = 0u; first < count; first += STRIPS) {
        var sums = vec4<f32>();
        if (first + strip < count) {
            let cell = listed[first + strip];
            let of_a = (params.first + cell / params.columns) * vectors;
            let of_b = (cell % params.columns) * vectors;
            for (var k = part; k < vectors; k += LANES) {
                sums = fma(a[of_a + k], b[of_b + k], sums);
            }
        }
        strip_parts[parity * SIZE + local] = (sums.x + sums.y) + (sums.z + sums.w);
        workgroupBarrier();
        if (local < STRIPS && first + local < count) {
            let at = params.first_out * params.columns + listed[first + local];
            var sum = strip_sum(parity, local);
            if (params.accumulate != 0u) {
                sum += c[at];
            }
            c[at] = sum;
        }
        parity = 1u - parity;
    }
}
