// Rate-coded spikes, drawn where they are used (contract: `EncodeRate`): one invocation for each word of 32 channels.
#import shared/grid
#import shared/random

struct Params {
    // Rows, counted with the history.
    begin: u32,
    end: u32,
    batch: u32,
    // Words of a row.
    words: u32,
    first: u32,
    key_low: u32,
    key_high: u32,
    // First step and all steps of the sequence, first sample and all samples of the batch.
    window_step: u32,
    window_steps: u32,
    window_sample: u32,
    window_samples: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> chances: array<u32>;
@group(0) @binding(2) var<storage, read_write> spikes: array<u32>;

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = flat_group(group, groups) * SIZE + local;
    if (at >= (params.end - params.begin) * params.batch * params.words) {
        return;
    }
    let word = at % params.words;
    let sample = params.window_sample + at / params.words % params.batch;
    let row_of_sequence = params.window_step + params.begin + at / params.words / params.batch;
    var bits = 0u;
    if (row_of_sequence >= HISTORY + params.first) {
        let row = random_row(vec2<u32>(params.key_low, params.key_high), row_of_sequence - HISTORY, sample);
        for (var bit = 0u; bit < 32u; bit++) {
            let channel = word * 32u + bit;
            let drawn = random_at(row, vec2<u32>(channel, 0u)).y >> 8u;
            if (drawn < chances[sample * params.words * 32u + channel]) {
                bits |= 1u << bit;
            }
        }
    }
    spikes[params.begin * params.batch * params.words + at] = bits;
}
