// Counter-based random numbers, the same integers as `spikes/random.rs`: SplitMix64. A 64-bit number is (low, high).

// The 64-bit product of two 32-bit numbers, by halves.
fn multiply_wide(a: u32, b: u32) -> vec2<u32> {
    let a0 = a & 0xffffu;
    let a1 = a >> 16u;
    let b0 = b & 0xffffu;
    let b1 = b >> 16u;
    let low = a0 * b0;
    let middle = a1 * b0 + (low >> 16u);
    let other = a0 * b1 + (middle & 0xffffu);
    return vec2<u32>((other << 16u) | (low & 0xffffu), a1 * b1 + (middle >> 16u) + (other >> 16u));
}

fn multiply_64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let wide = multiply_wide(a.x, b.x);
    return vec2<u32>(wide.x, wide.y + a.x * b.y + a.y * b.x);
}

fn add_64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let low = a.x + b.x;
    return vec2<u32>(low, a.y + b.y + select(0u, 1u, low < a.x));
}

// z ^ (z >> count), count below 32.
fn fold_64(z: vec2<u32>, count: u32) -> vec2<u32> {
    return z ^ vec2<u32>((z.x >> count) | (z.y << (32u - count)), z.y >> count);
}

fn mix_64(seed: vec2<u32>) -> vec2<u32> {
    var z = multiply_64(fold_64(seed, 30u), vec2<u32>(0x1ce4e5b9u, 0xbf58476du));
    z = multiply_64(fold_64(z, 27u), vec2<u32>(0x133111ebu, 0x94d049bbu));
    return fold_64(z, 31u);
}

// Number n of the stream of `key`.
fn random_at(key: vec2<u32>, n: vec2<u32>) -> vec2<u32> {
    let counter = multiply_64(add_64(n, vec2<u32>(1u, 0u)), vec2<u32>(0x7f4a7c15u, 0x9e3779b9u));
    return mix_64(add_64(key, counter));
}

// The key of step t of sample b.
fn random_row(key: vec2<u32>, t: u32, sample: u32) -> vec2<u32> {
    return random_at(key, vec2<u32>(sample, t));
}
