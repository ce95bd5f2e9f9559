// Gradient of the weights of a spiking source, event-driven (contract: `WeightGradient`): a workgroup owns the 32 inputs
// of one word and COLUMNS columns, and walks the rows (step, sample) of a part from the last to the first. A row of chi
// is read only where one of the 32 inputs spiked, and added to the sums of those that did. Each invocation touches only
// its own column of the sums, so there is no barrier. The parts are summed by sum_chunks.
#import shared/grid
#import shared/part

@group(0) @binding(1) var<storage, read> source: array<u32>;
@group(0) @binding(2) var<storage, read> chi: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

const COLUMNS = 64u;
var<workgroup> sums: array<f32, 32u * COLUMNS>;

fn add(bits: u32, value: f32, local: u32) {
    var rest = bits;
    while (rest != 0u) {
        sums[firstTrailingBit(rest) * COLUMNS + local] += value;
        rest &= rest - 1u;
    }
}

// A row of the arrays, and its place among the samples of its step that count.
struct Place {
    row: u32,
    sample: u32,
}

// The one before it in the order of the rows.
fn before(at: Place) -> Place {
    if (at.sample > 0u) {
        return Place(at.row - 1u, at.sample - 1u);
    }
    return Place(at.row - 1u - (params.batch - params.samples), params.samples - 1u);
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let blocks = (params.row + COLUMNS - 1u) / COLUMNS;
    let flat = params.first_group + flat_group(group, groups);
    // Words whose weights are summed here.
    let words = (params.inputs + 31u) / 32u;
    let word = flat % words;
    let first_word = params.first_source * params.source_row + params.first_input / 32u + word;
    let column = ((flat / words) % blocks) * COLUMNS + local;
    let part = flat / (words * blocks);
    if (column >= params.row || part >= params.parts) {
        return;
    }
    for (var i = 0u; i < 32u; i++) {
        sums[i * COLUMNS + local] = 0.0;
    }
    let steps = steps_of(part);
    var left = (steps.y - steps.x) * params.samples;
    var at = Place(steps.y * params.batch + params.first_sample, 0u);
    // Two rows at a time, so that two loads are under way; they are added one after the other.
    while (left >= 2u) {
        let first = before(at);
        at = before(first);
        let a = source[first_word + first.row * params.source_row];
        let b = source[first_word + at.row * params.source_row];
        if ((a | b) != 0u) {
            let x = chi[first.row * params.row + column];
            let y = chi[at.row * params.row + column];
            add(a, x, local);
            add(b, y, local);
        }
        left -= 2u;
    }
    if (left > 0u) {
        at = before(at);
        add(source[first_word + at.row * params.source_row], chi[at.row * params.row + column], local);
    }
    for (var i = 0u; i < 32u; i++) {
        let input = word * 32u + i;
        if (input < params.inputs) {
            let entry = (part * params.inputs + input) * params.row + column;
            let sum = sums[i * COLUMNS + local];
            if (params.accumulate != 0u) {
                out[entry] += sum;
            } else {
                out[entry] = sum;
            }
        }
    }
}
