// An array times a number (contract: `scale`); ADD: another one added (`add`).
#import shared/grid

struct Params {
    len: u32,
    factor: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> values: array<f32>;
#ifdef COPY
@group(0) @binding(2) var<storage, read> from_values: array<f32>;
#endif

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = flat_group(group, groups) * SIZE + local;
    if (at >= params.len) {
        return;
    }
#ifdef ADD
    values[at] += from_values[at];
#else
#ifdef COPY
    values[at] = params.factor * from_values[at];
#else
    values[at] = params.factor * values[at];
#endif
#endif
}
