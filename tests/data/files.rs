//! What the loaders share: bytes from anywhere, changed at random.

use std::panic::{AssertUnwindSafe, catch_unwind};

use spikegrad::spikes::Random;

/// Hands `parse` a valid file changed in every way that comes to mind: cut off, bytes set to extremes or to anything, pieces
/// doubled and left out. It may refuse them, but not panic.
pub fn fuzz(valid: &[u8], times: u64, mut parse: impl FnMut(&[u8])) {
    let mut random = Random::new(7, 1);
    for round in 0..times {
        let mut bytes = valid.to_vec();
        for _ in 0..=random.below(4) {
            if bytes.is_empty() {
                break;
            }
            // Headers are short: half of all changes fall into the first bytes.
            let near = if random.below(2) == 0 { bytes.len().min(96) } else { bytes.len() };
            let at = random.below(near);
            match random.below(6) {
                0 => bytes.truncate(at),
                1 => bytes[at] = [0, 0xff, 0x7f, 0x80][random.below(4)],
                2 => bytes[at] = random.bits() as u8,
                3 => bytes[at] ^= 1 << random.below(8),
                4 => {
                    let end = (at + random.below(16)).min(bytes.len());
                    bytes.drain(at..end);
                }
                _ => {
                    let end = (at + random.below(16)).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        let parsed = catch_unwind(AssertUnwindSafe(|| parse(&bytes)));
        assert!(parsed.is_ok(), "round {round}: a panic on {} bytes", bytes.len());
    }
}
