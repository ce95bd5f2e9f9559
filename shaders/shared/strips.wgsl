// Dot products by strips of LANES invocations, so that neighbours read neighbouring entries of one row. Each invocation leaves
// its part in workgroup memory, and the parts of a strip are added in a fixed tree. SIZE is the number of invocations.
//
// Rounds alternate between two arrays, so one barrier a round is enough.
const LANES = 8u;
const STRIPS = SIZE / LANES;

var<workgroup> strip_parts: array<f32, 2u * SIZE>;

// The sum of strip `strip` of the round with this parity, after its barrier.
fn strip_sum(parity: u32, strip: u32) -> f32 {
    let at = parity * SIZE + strip * LANES;
    let left = (strip_parts[at] + strip_parts[at + 1u]) + (strip_parts[at + 2u] + strip_parts[at + 3u]);
    let right = (strip_parts[at + 4u] + strip_parts[at + 5u]) + (strip_parts[at + 6u] + strip_parts[at + 7u]);
    return left + right;
}
