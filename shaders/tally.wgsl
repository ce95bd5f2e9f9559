// What the units of a layer did, first stage (contract: `Tally`): a workgroup takes 32 units, 8 invocations for each share
// its samples. The parts `[3][groups]` go to `finish`.
#import shared/grid

struct Params {
    batch: u32,
    row: u32,
    units: u32,
    groups: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> planes: array<f32>;
@group(0) @binding(2) var<storage, read> lengths: array<u32>;
@group(0) @binding(3) var<storage, read_write> totals: array<f32>;
@group(0) @binding(4) var<storage, read_write> parts: array<f32>;

const LANES = 8u;
var<workgroup> counts: array<f32, LANES * 32u>;
var<workgroup> steps: array<u32, LANES * 32u>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    // Folded dispatches have groups past the end: they go along with the last one and write nothing.
    let flat = flat_group(group, groups);
    let live = flat < params.groups;
    let first = min(flat, params.groups - 1u) * 32u;
    let unit = first + local % 32u;
    var count = 0.0;
    for (var sample = local / 32u; sample < params.batch; sample += LANES) {
        count += planes[(sample * PLANES + PLANE_COUNT) * params.row + unit];
    }
    counts[local] = count;
    var length = 0u;
    for (var sample = local; sample < params.batch; sample += LANES * 32u) {
        length += lengths[sample];
    }
    steps[local] = length;
    workgroupBarrier();
    // Lane 0 of each unit adds its lanes up; the first invocation adds the units up.
    if (local < 32u) {
        var sum = 0.0;
        for (var lane = 0u; lane < LANES; lane++) {
            sum += counts[lane * 32u + local];
        }
        counts[local] = sum;
        if (live && unit < params.units) {
            totals[unit] += sum;
        }
    }
    workgroupBarrier();
    if (local == 0u && live) {
        var all = 0u;
        for (var i = 0u; i < LANES * 32u; i++) {
            all += steps[i];
        }
        var spikes = 0.0;
        var silent = 0.0;
        var saturated = 0.0;
        for (var i = 0u; i < min(32u, params.units - first); i++) {
            spikes += counts[i];
            silent += select(0.0, 1.0, counts[i] == 0.0);
            saturated += select(0.0, 1.0, counts[i] > 0.5 * f32(all));
        }
        parts[flat] = spikes;
        parts[params.groups + flat] = silent;
        parts[2u * params.groups + flat] = saturated;
    }
}
