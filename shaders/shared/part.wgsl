// The rows of a part of a weight gradient: steps of a part of time, and the samples that count (contract:
// `WeightGradient`).

struct Params {
    // First step of the first part in the whole sequence, steps of a part, parts.
    first_step: u32,
    part: u32,
    parts: u32,
    // Steps of the arrays.
    begin: u32,
    end: u32,
    // Samples of the arrays, and those that count.
    batch: u32,
    first_sample: u32,
    samples: u32,
    // First row of the source.
    first_source: u32,
    // Length of a row of chi, of a row of the source, inputs whose weights are summed here, the first of them.
    row: u32,
    source_row: u32,
    inputs: u32,
    first_input: u32,
    // First workgroup of this dispatch, among those of all parts.
    first_group: u32,
    // 1 where the sums are added to what is there.
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

// First step of a part in the arrays, and the one past its last; a part outside the arrays has none.
fn steps_of(part: u32) -> vec2<u32> {
    let first = params.first_step + part * params.part;
    let begin = clamp(first, params.begin, params.end);
    let end = clamp(first + params.part, params.begin, params.end);
    return vec2<u32>(begin, end) - params.begin;
}
