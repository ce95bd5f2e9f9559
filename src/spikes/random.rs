//! Counter-based random numbers: the n-th number of a stream is a function of (seed, stream, n) alone, so it does not
//! depend on the order in which numbers are drawn. The mixing function is that of SplitMix64 (Steele et al. 2014).

/// A stream of random numbers, keyed by a seed and the number of the stream.
#[derive(Clone, Debug)]
pub struct Random {
    key: u64,
    counter: u64,
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Random {
    /// Stream `stream` of `seed`.
    pub fn new(seed: u64, stream: u64) -> Self {
        let key = mix(mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15)) ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03));
        Random { key, counter: 0 }
    }

    /// The stream of a key: see [`Random::key`].
    pub fn keyed(key: u64) -> Self {
        Random { key, counter: 0 }
    }

    /// The key of the stream, from which a device makes the same numbers.
    pub fn key(&self) -> u64 {
        self.key
    }

    /// The stream of step t of sample b: its number n belongs to unit n, whatever the sizes of batch and layer.
    pub fn row(&self, t: usize, b: usize) -> Self {
        Random::keyed(self.at((t as u64) << 32 | b as u64))
    }

    /// Whether the upper 24 bits of number `n` are below `chance`: true with probability `chance / 2^24`.
    pub fn spike(&self, n: usize, chance: u32) -> bool {
        ((self.at(n as u64) >> 40) as u32) < chance
    }

    /// Number `n` of the stream.
    pub fn at(&self, n: u64) -> u64 {
        mix(self.key.wrapping_add(n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        let value = self.at(self.counter);
        self.counter += 1;
        value
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal (Box & Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Uniform in 0..n.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// Shuffles `items` (Fisher & Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
