//! TFRecord: a file of byte strings. Each is its length (u64), the masked CRC32C of those 8 bytes, the bytes, and the masked
//! CRC32C of the bytes; numbers are little-endian.

use crc::{CRC_32_ISCSI, Crc};

const CASTAGNOLI: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// `bytes` as a record.
pub fn record(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    let sums = [masked(&length), masked(bytes)].map(u32::to_le_bytes);
    [&length[..], &sums[0], bytes, &sums[1]].concat()
}

/// The checksum as TFRecord has it: turned and moved, so that a checksum of bytes which hold checksums is no trivial one.
fn masked(bytes: &[u8]) -> u32 {
    CASTAGNOLI.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}
