// Weights that do not exist become 0, and those of the wrong sign (contract: `Constrain`).
#import shared/grid

struct Params {
    // Rows here, and the first of them.
    rows: u32,
    first_row: u32,
    columns: u32,
    // Length of a row.
    row: u32,
    modulo: u32,
    // Sources below this one excite.
    excitatory: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> values: array<f32>;
#ifdef MASKED
@group(0) @binding(2) var<storage, read> mask: array<u32>;
#endif

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = flat_group(group, groups) * SIZE + local;
    if (at >= params.rows * params.row) {
        return;
    }
    let row = params.first_row + at / params.row;
    let column = at % params.row;
    if (column >= params.columns) {
        return;
    }
    var value = values[at];
#ifdef MASKED
    let word = mask[row * (params.row / 32u) + column / 32u];
    value = select(0.0, value, ((word >> (column % 32u)) & 1u) != 0u);
#endif
#ifdef SIGNED
    let excites = row + column % params.modulo < params.excitatory;
    value = select(min(value, 0.0), max(value, 0.0), excites);
#endif
    values[at] = value;
}
