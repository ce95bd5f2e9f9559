// Numbers as 16-bit floats, two in a word (contract: `halve`). By bits, rounded to the nearest and to even between two: what
// pack2x16float rounds to is left to the driver.
#import shared/grid

struct Params {
    words: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;

// 65504 and 2^-14: the largest 16-bit float, and the smallest that has all its digits.
const LARGEST = 0x477fe000u;
const NORMAL = 0x38800000u;

fn half_of(x: f32) -> u32 {
    let bits = bitcast<u32>(x);
    let sign = (bits >> 16u) & 0x8000u;
    let size = bits & 0x7fffffffu;
    if (size > 0x7f800000u) {
        // Not a number.
        return sign | 0x7e00u;
    }
    let held = min(size, LARGEST);
    if (held < NORMAL) {
        // A multiple of 2^-24.
        return sign | u32(round(bitcast<f32>(held) * 16777216.0));
    }
    let rounded = held + 0xfffu + ((held >> 13u) & 1u);
    return sign | ((rounded - 0x38000000u) >> 13u);
}

@compute @workgroup_size(SIZE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = flat_group(group, groups) * SIZE + local;
    if (at < params.words) {
        let pair = values[at];
        out[at] = half_of(pair.x) | (half_of(pair.y) << 16u);
    }
}
