//! What the system tells of this process and of the others. Where it does not, nothing is known: 0 or None.

/// Bytes of this process: `VmRSS:` now, `VmHWM:` at most.
pub fn resident(which: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(which));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

/// Processor time so far, in ticks: of the machine, idle, and of this process.
#[derive(Clone, Copy, Debug)]
pub struct Ticks {
    all: u64,
    idle: u64,
    own: u64,
}

impl Ticks {
    /// Now.
    pub fn now() -> Option<Ticks> {
        let machine = std::fs::read_to_string("/proc/stat").ok()?;
        let numbers: Vec<u64> =
            machine.lines().next()?.split_whitespace().skip(1).take(8).map_while(|text| text.parse().ok()).collect();
        let process = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The name, in brackets, may hold blanks.
        let mut fields = process.rsplit_once(')')?.1.split_whitespace().skip(11);
        let own = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
        Some(Ticks { all: numbers.iter().sum(), idle: numbers.get(3)? + numbers.get(4)?, own })
    }

    /// Share of the machine that other processes took since `before`.
    pub fn others_since(self, before: Ticks) -> f64 {
        let all = self.all.saturating_sub(before.all).max(1) as f64;
        let idle = self.idle.saturating_sub(before.idle) as f64;
        let own = self.own.saturating_sub(before.own) as f64;
        ((all - idle - own) / all).max(0.0)
    }
}
