// The mask of dropout (contract: `DropoutMask`). The importing file has the key and `keep` in its parameters.
#import shared/random

struct Params {
    // Rows (steps), samples, words of a row.
    rows: u32,
    batch: u32,
    words: u32,
    keep: u32,
    // 1: each step has a mask of its own.
    per_step: u32,
    key_low: u32,
    key_high: u32,
}

// The stream of a row (counted with the history) of a sample.
fn mask_row(row: u32, sample: u32) -> vec2<u32> {
    return random_row(vec2<u32>(params.key_low, params.key_high), select(0u, row, params.per_step != 0u), sample);
}

fn kept(row: vec2<u32>, unit: u32) -> bool {
    return (random_at(row, vec2<u32>(unit, 0u)).y >> 8u) < params.keep;
}
