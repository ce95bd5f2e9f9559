// Copies a sample plane to another, or sets it to one value (contract: `copy_plane`, `fill_plane`).
#import shared/grid

struct Params {
    batch: u32,
    row: u32,
    source: u32,
    plane: u32,
    value: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> planes: array<f32>;

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let cell = flat_group(group, groups) * SIZE + local;
    if (cell >= params.batch * params.row) {
        return;
    }
    let base = (cell / params.row) * PLANES;
    let column = cell % params.row;
#ifdef COPY
    planes[(base + params.plane) * params.row + column] = planes[(base + params.source) * params.row + column];
#else
    planes[(base + params.plane) * params.row + column] = params.value;
#endif
}
