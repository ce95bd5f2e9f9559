// Gradient of the weights of a spiking source, event-driven (contract: `WeightGradient`): a workgroup owns the 32 inputs
// of one word and COLUMNS columns, and walks a chunk of the rows (step, sample) from the last to the first. A row of chi
// is read only where one of the 32 inputs spiked, and added to the sums of those that did. Each invocation touches only
// its own column of the sums, so there is no barrier. The chunks are summed by sum_chunks.
#import shared/grid

struct Params {
    // Rows of a chunk, all rows, chunks.
    chunk: u32,
    rows: u32,
    chunks: u32,
    // First row of the source.
    first_source: u32,
    // Length of a row of chi, words of a row of the source, inputs.
    row: u32,
    words: u32,
    inputs: u32,
    // First workgroup of this dispatch, among those of all chunks.
    first_group: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
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

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let blocks = (params.row + COLUMNS - 1u) / COLUMNS;
    let flat = params.first_group + flat_group(group, groups);
    let word = flat % params.words;
    let column = ((flat / params.words) % blocks) * COLUMNS + local;
    let chunk = flat / (params.words * blocks);
    if (column >= params.row || chunk >= params.chunks) {
        return;
    }
    for (var i = 0u; i < 32u; i++) {
        sums[i * COLUMNS + local] = 0.0;
    }
    let begin = chunk * params.chunk;
    var end = min(begin + params.chunk, params.rows);
    // Two rows at a time, so that two loads are under way.
    while (end >= begin + 2u) {
        let a = source[(params.first_source + end - 1u) * params.words + word];
        let b = source[(params.first_source + end - 2u) * params.words + word];
        if ((a | b) != 0u) {
            let x = chi[(end - 1u) * params.row + column];
            let y = chi[(end - 2u) * params.row + column];
            add(a, x, local);
            add(b, y, local);
        }
        end -= 2u;
    }
    if (end > begin) {
        add(source[(params.first_source + begin) * params.words + word], chi[begin * params.row + column], local);
    }
    for (var i = 0u; i < 32u; i++) {
        let input = word * 32u + i;
        if (input < params.inputs) {
            out[(chunk * params.inputs + input) * params.row + column] = sums[i * COLUMNS + local];
        }
    }
}
