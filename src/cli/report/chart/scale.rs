//! Axes: where a value stands, where the ticks are, and what they say.

/// A line from the values `low..high` to the places `from..to` of a drawing.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    logarithmic: bool,
}

impl Scale {
    /// Equal steps of the value are equal distances. A range without extent, or that is no number, is widened.
    pub fn linear((low, high): (f64, f64), from: f64, to: f64) -> Self {
        let (low, high) = match (low.is_finite() && high.is_finite(), high > low) {
            (true, true) => (low, high),
            (true, false) => (low - 0.5 * low.abs().max(1.0), low + 0.5 * low.abs().max(1.0)),
            (false, _) => (0.0, 1.0),
        };
        Scale { low, high, from, to, logarithmic: false }
    }

    /// Equal factors of the value are equal distances; `low` is above 0.
    pub fn logarithmic((low, high): (f64, f64), from: f64, to: f64) -> Self {
        let (low, high) = if high > low { (low, high) } else { (low / 2.0, low * 2.0) };
        Scale { low, high, from, to, logarithmic: true }
    }

    /// The lowest and highest value.
    pub fn range(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// The place of a value.
    pub fn at(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.from + share * (self.to - self.from)
    }

    /// Values for about `wanted` ticks, of which no two are nearer than 1 where the axis counts (`whole`).
    pub fn ticks(&self, wanted: usize, whole: bool) -> Vec<f64> {
        if self.logarithmic {
            return self.decades(wanted);
        }
        let rough = (self.high - self.low) / wanted.max(1) as f64;
        let size = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].iter().map(|factor| factor * size).find(|step| *step >= 0.999 * rough);
        let step = step.unwrap_or(10.0 * size).max(if whole { 1.0 } else { f64::MIN_POSITIVE });
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        (first..=last).map(|index| index as f64 * step).collect()
    }

    fn decades(&self, wanted: usize) -> Vec<f64> {
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let factors: &[f64] = match self.high.log10() - self.low.log10() {
            decades if decades < 1.2 => &[1.0, 2.0, 3.0, 5.0],
            decades if decades < 2.5 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let every = ((last - first) as usize).div_ceil(wanted.max(1)).max(1);
        let all = (first..=last).step_by(every).flat_map(|power| factors.iter().map(move |f| f * 10f64.powi(power)));
        all.filter(|value| (0.999 * self.low..=1.001 * self.high).contains(value)).collect()
    }

    /// What a tick says: as many digits as tell it from its neighbours.
    pub fn label(&self, value: f64, ticks: &[f64]) -> String {
        let size = ticks.iter().map(|tick| tick.abs()).fold(0.0, f64::max);
        if self.logarithmic && !(0.0009..10_000.0).contains(&value) || size >= 1e5 || (size > 0.0 && size < 1e-3) {
            return scientific(value);
        }
        let step = match ticks {
            [first, second, ..] if !self.logarithmic => (second - first).abs(),
            _ => value.abs(),
        };
        let digits = if step > 0.0 { (-(step * 1.001).log10().floor()).clamp(0.0, 6.0) as usize } else { 0 };
        format!("{value:.digits$}").replace('-', "\u{2212}")
    }
}

/// `2×10⁻⁴`, `10³`.
fn scientific(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let power = (value.abs().log10() + 1e-9).floor() as i32;
    let factor = value / 10f64.powi(power);
    let raised: String = power.to_string().chars().map(raise).collect();
    if (factor - 1.0).abs() < 1e-6 {
        return format!("10{raised}");
    }
    let text = format!("{factor:.1}");
    format!("{}×10{raised}", text.trim_end_matches(".0").replace('-', "\u{2212}"))
}

fn raise(c: char) -> char {
    match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        digit => char::from_u32('⁰' as u32 + (digit as u32 - '0' as u32)).unwrap_or(digit),
    }
}
