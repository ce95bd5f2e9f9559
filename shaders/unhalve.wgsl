// Numbers from 16-bit floats, two in a word (contract: `unhalve`). By bits: a driver may take small ones for 0.
#import shared/grid

struct Params {
    words: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> words: array<u32>;
@group(0) @binding(2) var<storage, read_write> values: array<vec2<f32>>;

fn number_of(half: u32) -> f32 {
    let sign = (half & 0x8000u) << 16u;
    let size = half & 0x7fffu;
    // Multiples of 2^-24, whole digits, infinite or not a number.
    let small = bitcast<u32>(f32(size) * 5.9604644775390625e-8);
    var bits = select((size << 13u) + 0x38000000u, small, size < 0x400u);
    bits = select(bits, (size << 13u) | 0x7f800000u, size >= 0x7c00u);
    return bitcast<f32>(sign | bits);
}

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = flat_group(group, groups) * SIZE + local;
    if (at < params.words) {
        let word = words[at];
        values[at] = vec2<f32>(number_of(word & 0xffffu), number_of(word >> 16u));
    }
}
