//! AEDAT 3.1, the format of DVS128 Gesture: lines that begin with `#`, then packets of events, little-endian.
//!
//! | bytes of a packet | |
//! |---|---|
//! | 0–1 | type: 1 is polarity events, others are passed over |
//! | 2–3 | source |
//! | 4–7 | bytes of an event |
//! | 8–11 | where in an event its time stands |
//! | 12–15 | overflows of the 31-bit clock |
//! | 16–19, 20–23, 24–27 | events: room, number, valid ones |
//!
//! A polarity event is 4 bytes of address (bit 0 valid, 1 brighter, 2–16 row, 17–31 column) and 4 of time, µs.

/// Pixels of a side.
const SIDE: u32 = 128;
/// Polarity events.
const POLARITY: u16 = 1;

/// The (time in µs, channel) of a recording; channel `(polarity · 128 + row) · 128 + column`.
///
/// # Errors
/// What is wrong with the bytes.
pub fn read_aedat(bytes: &[u8]) -> Result<Vec<(u64, u32)>, String> {
    let mut rest = bytes;
    if !rest.starts_with(b"#!AER-DAT3.1") {
        return Err("is not an AEDAT 3.1 file".into());
    }
    // The lines end with one that says so; old files just begin with a packet.
    while rest.first() == Some(&b'#') {
        let end = rest.iter().position(|&byte| byte == b'\n').ok_or("ends within its first lines")?;
        let line = &rest[..end];
        rest = &rest[end + 1..];
        if line.starts_with(b"#!END-HEADER") {
            break;
        }
    }
    let mut events = Vec::new();
    while !rest.is_empty() {
        let Some((header, after)) = rest.split_first_chunk::<28>() else {
            return Err(format!(
                "ends within the header of a packet, {} bytes before it would be whole",
                28 - rest.len()
            ));
        };
        let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let kind = u16::from_le_bytes([header[0], header[1]]);
        let (size, overflows, number) = (word(4) as usize, word(12), word(20) as usize);
        let length = size.checked_mul(number).filter(|&length| length <= after.len());
        let Some(length) = length else {
            return Err(format!("ends within a packet of {number} events of {size} bytes"));
        };
        let (packet, next) = after.split_at(length);
        rest = next;
        if kind != POLARITY {
            continue;
        }
        if size != 8 {
            return Err(format!("has polarity events of {size} bytes, expected 8"));
        }
        if overflows >= 1 << 16 {
            return Err(format!("has a clock that ran over {overflows} times"));
        }
        for event in packet.as_chunks::<8>().0 {
            let address = u32::from_le_bytes([event[0], event[1], event[2], event[3]]);
            let time = u32::from_le_bytes([event[4], event[5], event[6], event[7]]);
            if address & 1 == 0 {
                continue;
            }
            let (brighter, row, column) = (address >> 1 & 1, address >> 2 & 0x7fff, address >> 17);
            if row >= SIDE || column >= SIDE || time >> 31 != 0 {
                return Err(format!(
                    "has an event at column {column}, row {row}, {time} µs, outside {SIDE} × {SIDE} pixels or its clock"
                ));
            }
            events.push((u64::from(overflows) << 31 | u64::from(time), (brighter * SIDE + row) * SIDE + column));
        }
    }
    Ok(events)
}
