// Spikes that are lost on the way to the next layer (contract: `Dropout`): one invocation for each word.
#import shared/grid
#import shared/dropout

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> spikes: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = flat_group(group, groups) * SIZE + local;
    if (at >= params.rows * params.batch * params.words) {
        return;
    }
    let word = at % params.words;
    let sample = at / params.words % params.batch;
    let row = mask_row(at / params.words / params.batch, sample);
    var rest = spikes[at];
    var bits = 0u;
#ifdef BYTES
    // Several spikes a step: a byte for each unit, lost together.
    for (var place = 0u; place < 4u; place++) {
        if (kept(row, word * 4u + place)) {
            bits |= rest & (0xffu << (8u * place));
        }
    }
#else
    while (rest != 0u) {
        let bit = firstTrailingBit(rest);
        rest &= rest - 1u;
        if (kept(row, word * 32u + bit)) {
            bits |= 1u << bit;
        }
    }
#endif
    out[at] = bits;
}
