//! The few messages of TensorFlow's `event.proto` and `summary.proto` that are written, in the wire format of protocol
//! buffers.

/// A message under way.
#[derive(Clone, Debug, Default)]
struct Message {
    bytes: Vec<u8>,
}

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// Number of a field, and how it is written.
    fn key(&mut self, field: u32, wire: u32) {
        self.varint(u64::from((field << 3) | wire));
    }

    fn double(mut self, field: u32, value: f64) -> Self {
        self.key(field, 1);
        self.bytes.extend(value.to_le_bytes());
        self
    }

    fn float(mut self, field: u32, value: f32) -> Self {
        self.key(field, 5);
        self.bytes.extend(value.to_le_bytes());
        self
    }

    fn integer(mut self, field: u32, value: u64) -> Self {
        self.key(field, 0);
        self.varint(value);
        self
    }

    fn bytes(mut self, field: u32, bytes: &[u8]) -> Self {
        self.key(field, 2);
        self.varint(bytes.len() as u64);
        self.bytes.extend(bytes);
        self
    }

    fn doubles(self, field: u32, values: &[f64]) -> Self {
        let packed: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.bytes(field, &packed)
    }
}

/// An `Event` that opens a file.
pub fn version(wall_time: f64) -> Vec<u8> {
    Message::default().double(1, wall_time).bytes(3, b"brain.Event:2").bytes
}

/// What happened in a step: a `Summary` under way.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    message: Message,
}

impl Summary {
    /// Adds a number.
    pub fn scalar(&mut self, tag: &str, value: f64) {
        self.add(Message::default().bytes(1, tag.as_bytes()).float(2, value as f32));
    }

    /// Adds the distribution of the values that are numbers, in `bins` equal bins; nothing where there are none.
    pub fn histogram(&mut self, tag: &str, values: &[f32], bins: usize) {
        let values: Vec<f64> = values.iter().filter(|value| value.is_finite()).map(|value| f64::from(*value)).collect();
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if values.is_empty() || bins == 0 {
            return;
        }
        let width = (high - low) / bins as f64;
        let (limits, counts) = if width > 0.0 {
            let mut counts = vec![0.0; bins];
            values.iter().for_each(|value| counts[(((value - low) / width) as usize).min(bins - 1)] += 1.0);
            let limit = |bin: usize| if bin + 1 == bins { high } else { low + width * (bin + 1) as f64 };
            ((0..bins).map(limit).collect(), counts)
        } else {
            (vec![high], vec![values.len() as f64])
        };
        let histogram = Message::default()
            .double(1, low)
            .double(2, high)
            .double(3, values.len() as f64)
            .double(4, values.iter().sum())
            .double(5, values.iter().map(|value| value * value).sum())
            .doubles(6, &limits)
            .doubles(7, &counts);
        self.add(Message::default().bytes(1, tag.as_bytes()).bytes(5, &histogram.bytes));
    }

    fn add(&mut self, value: Message) {
        self.message = std::mem::take(&mut self.message).bytes(1, &value.bytes);
    }

    /// The `Event` of a step.
    pub fn event(self, wall_time: f64, step: u64) -> Vec<u8> {
        Message::default().double(1, wall_time).integer(2, step).bytes(5, &self.message.bytes).bytes
    }
}
