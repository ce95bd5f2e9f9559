// A number as a 16-bit float, held within its range. By bits, rounded to the nearest and to even between two: what pack2x16float
// rounds to is left to the driver.

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
