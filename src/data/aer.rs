//! The address events of N-MNIST: five bytes each.
//!
//! | bits | |
//! |---|---|
//! | 0–7 | column |
//! | 8–15 | row; 240 is no event: the clock of what follows is 2^13 µs later |
//! | 16 | polarity: 1 brighter |
//! | 17–39 | time, µs, big-endian |

/// Pixels of a side.
const SIDE: usize = 34;
/// Row of an overflow of the clock.
const OVERFLOW: u8 = 240;
/// Microseconds that it stands for.
const LATER: u32 = 1 << 13;

/// The (time in µs, channel) of a recording; channel `(polarity · 34 + row) · 34 + column`.
///
/// # Errors
/// What is wrong with the bytes.
pub fn read_aer(bytes: &[u8]) -> Result<Vec<(u32, u32)>, String> {
    let (events, rest) = bytes.as_chunks::<5>();
    if !rest.is_empty() {
        return Err(format!("has {} bytes, which is no whole number of events of 5", bytes.len()));
    }
    let (mut out, mut late) = (Vec::new(), 0u32);
    for (at, &[column, row, high, middle, low]) in events.iter().enumerate() {
        if row == OVERFLOW {
            late = late.checked_add(LATER).ok_or("has more overflows of its clock than an hour of events")?;
            continue;
        }
        if usize::from(column) >= SIDE || usize::from(row) >= SIDE {
            return Err(format!("has event {at} at column {column}, row {row}, outside {SIDE} × {SIDE} pixels"));
        }
        let time = u32::from_be_bytes([0, high & 0x7f, middle, low]);
        let time = time.checked_add(late).ok_or("has more overflows of its clock than an hour of events")?;
        let channel = (usize::from(high >> 7) * SIDE + usize::from(row)) * SIDE + usize::from(column);
        out.push((time, channel as u32));
    }
    Ok(out)
}
