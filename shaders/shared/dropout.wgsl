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
    // First step and all steps of the sequence, first sample and all samples of the batch.
    window_step: u32,
    window_steps: u32,
    window_sample: u32,
    window_samples: u32,
}

// The stream of a row (counted with the history) of a sample of the arrays.
fn mask_row(row: u32, sample: u32) -> vec2<u32> {
    let key = vec2<u32>(params.key_low, params.key_high);
    let step = select(0u, params.window_step + row, params.per_step != 0u);
    return random_row(key, step, params.window_sample + sample);
}

fn kept(row: vec2<u32>, unit: u32) -> bool {
    return (random_at(row, vec2<u32>(unit, 0u)).y >> 8u) < params.keep;
}
