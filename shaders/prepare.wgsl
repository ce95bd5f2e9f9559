// Transposes weights [rows][pad(columns)] to [pad(columns)][pad(rows)] in tiles of 16 x 16 (contract: `prepare`). HALF: to 16-bit
// floats, two neighbours of a row in a word.
#import shared/grid
#ifdef HALF
#import shared/half
#endif

struct Params {
    // Rows of the piece of the weights.
    rows: u32,
    // pad(columns), pad(rows) of all
    row: u32,
    column: u32,
    // Where the pieces of the weights and of the result begin.
    first_row: u32,
    first_column: u32,
    // Tiles side by side, and all.
    across: u32,
    tiles: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
#ifdef HALF
@group(0) @binding(2) var<storage, read_write> out: array<u32>;
#else
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
#endif

const TILE = 16u;
// One entry of padding a row keeps the columns in different banks.
var<workgroup> tile: array<f32, TILE * (TILE + 1u)>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    // Both sides are multiples of 32, so all tiles are whole. Folded groups past the end repeat the last tile.
    let flat = min(flat_group(group, groups), params.tiles - 1u);
    let top = (flat / params.across) * TILE;
    let left = (flat % params.across) * TILE;
    let x = local % TILE;
    let y = local / TILE;
    var value = 0.0;
    if (top + y < params.rows) {
        value = weights[(top + y) * params.row + params.first_column + left + x];
    }
    tile[y * (TILE + 1u) + x] = value;
    workgroupBarrier();
    let at = (left + y) * params.column + params.first_row + top + x;
    let entry = x * (TILE + 1u) + y;
#ifdef HALF
    if (x % 2u == 0u) {
        out[at / 2u] = half_of(tile[entry]) | (half_of(tile[entry + TILE + 1u]) << 16u);
    }
#else
    out[at] = tile[entry];
#endif
}
