//! Histograms: shares of the entries in equal bins, and a second set of the same entries as an outline.

use super::scale::Scale;
use super::{Anchor, Area, Svg, path, text_width};
use crate::cli::report::html::number;

/// Entries counted in bins of equal width.
#[derive(Clone, Debug, PartialEq)]
pub struct Bins {
    pub low: f64,
    pub high: f64,
    /// Entries of each bin; the last one holds `high` too.
    pub counts: Vec<u64>,
    /// Entries that are counted.
    pub total: u64,
}

impl Bins {
    /// Counts the values from `low` to `high`; what lies outside or is no number is left out.
    pub fn count(values: impl Iterator<Item = f64>, (low, high): (f64, f64), bins: usize) -> Self {
        let (low, high) = if high > low { (low, high) } else { (low - 0.5, low + 0.5) };
        let (mut counts, mut total) = (vec![0; bins], 0);
        for value in values.filter(|value| (low..=high).contains(value)) {
            let bin = ((value - low) / (high - low) * bins as f64) as usize;
            counts[bin.min(bins - 1)] += 1;
            total += 1;
        }
        Bins { low, high, counts, total }
    }

    fn edge(&self, index: usize) -> f64 {
        self.low + (self.high - self.low) * index as f64 / self.counts.len() as f64
    }

    fn share(&self, index: usize) -> f64 {
        100.0 * self.counts[index] as f64 / self.total.max(1) as f64
    }
}

/// A drawing of a histogram.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// What it shows, for those who do not see it.
    pub title: String,
    pub x: String,
    /// What is counted: the vertical axis is the share of it.
    pub entries: String,
    /// The filled bars, and their name where there is an outline too.
    pub bars: Option<(String, Bins)>,
    /// The same entries at another time, with the same bins.
    pub outline: Option<(String, Bins)>,
    /// A second axis above, the values times this, and its name.
    pub above: Option<(f64, String)>,
}

const WIDTH: f64 = 390.0;

/// Draws it; nothing where there is nothing to count.
pub fn histogram(chart: &Histogram) -> Option<String> {
    let (name, bins) = chart.bars.as_ref().filter(|(_, bins)| bins.total > 0)?;
    let both = || [Some(bins), chart.outline.as_ref().map(|(_, bins)| bins)].into_iter().flatten();
    let most = both().flat_map(|bins| (0..bins.counts.len()).map(|index| bins.share(index))).fold(0.0, f64::max);
    let above = if chart.above.is_some() { 22.0 } else { 0.0 };
    let height = 232.0 + above;
    let area = Area { left: 40.0, right: WIDTH - 12.0, top: 30.0 + above, bottom: height - 42.0 };
    let x = Scale::linear((bins.low, bins.high), area.left, area.right);
    let y = Scale::linear((0.0, 1.08 * most), area.bottom, area.top);
    let mut svg = Svg::new(WIDTH, height, &chart.title, &describe(chart, bins));
    area.draw_y(&mut svg, &y, 4, "");
    svg.text(0.0, 12.0, Anchor::Start, "axis", &format!("share of {} (%)", chart.entries));
    for index in 0..bins.counts.len() {
        let (left, right) = (x.at(bins.edge(index)), x.at(bins.edge(index + 1)));
        if bins.counts[index] > 0 {
            let top = y.at(bins.share(index)).min(area.bottom - 1.0);
            let (d, right) = (path([(left, area.bottom), (left, top)].into_iter()), (right - 1.0).max(left + 0.5));
            let d = format!("{d}L{right:.1} {top:.1}L{right:.1} {:.1}Z", area.bottom);
            let (from, to) = (number(bins.edge(index)), number(bins.edge(index + 1)));
            let tooltip =
                format!("{from} to {to}: {} of {} ({:.1} %)", bins.counts[index], bins.total, bins.share(index));
            svg.path(&d, "bar s0", &tooltip);
        }
    }
    if let Some((other, outline)) = &chart.outline {
        let corners = (0..outline.counts.len()).flat_map(|index| {
            let height = y.at(outline.share(index));
            [(x.at(outline.edge(index)), height), (x.at(outline.edge(index + 1)), height)]
        });
        let ends = ((area.left, area.bottom), (area.right, area.bottom));
        svg.path(&path([ends.0].into_iter().chain(corners).chain([ends.1])), "outline", other);
        // Beside the name of the axis, where no bar can be.
        let (first, second) = (format!("▇ {name}"), format!("▁ {other}"));
        svg.text(area.right, 12.0, Anchor::End, "outlined", &second);
        svg.text(area.right - text_width(&second) - 12.0, 12.0, Anchor::End, "name s0", &first);
    }
    area.draw_x(&mut svg, &x, 6, false, &chart.x);
    if let Some((factor, name)) = &chart.above {
        second(&mut svg, &area, bins, *factor, name);
    }
    Some(svg.finish())
}

/// The axis above: the same values in another unit.
fn second(svg: &mut Svg, area: &Area, bins: &Bins, factor: f64, name: &str) {
    let x = Scale::linear((bins.low * factor, bins.high * factor), area.left, area.right);
    let ticks = x.ticks(6, false);
    svg.line((area.left, area.top), (area.right, area.top), "grid");
    for &tick in &ticks {
        svg.line((x.at(tick), area.top - 4.0), (x.at(tick), area.top), "base");
        svg.text(x.at(tick), area.top - 8.0, Anchor::Middle, "tick", &x.label(tick, &ticks));
    }
    svg.text(area.left - 14.0, area.top - 8.0, Anchor::End, "axis", name);
}

fn describe(chart: &Histogram, bins: &Bins) -> String {
    let fullest = (0..bins.counts.len()).max_by_key(|&index| bins.counts[index]).unwrap_or(0);
    let (from, to) = (number(bins.edge(fullest)), number(bins.edge(fullest + 1)));
    format!(
        "{} {}; {} from {} to {}; the fullest bin is {from} to {to} with {:.1} %",
        bins.total,
        chart.entries,
        chart.x,
        number(bins.low),
        number(bins.high),
        bins.share(fullest)
    )
}
