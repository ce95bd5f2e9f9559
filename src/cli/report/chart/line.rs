//! Lines over epochs, each named at its end.

use super::scale::Scale;
use super::{Anchor, Area, Svg, path, spread, text_width};
use crate::cli::report::html::number;

/// A line.
#[derive(Clone, Debug)]
pub struct Line {
    pub name: String,
    /// Index of the colour; the dash follows it.
    pub colour: usize,
    pub points: Vec<(f64, f64)>,
    /// What lies about the line.
    pub band: Option<Band>,
    /// A point with a ring around it, and what it is.
    pub mark: Option<((f64, f64), String)>,
}

/// Lowest and highest value at each place.
type Band = Vec<(f64, f64, f64)>;

/// A drawing of lines.
#[derive(Clone, Debug, Default)]
pub struct LineChart {
    /// What it shows, for those who do not see it.
    pub title: String,
    pub x: String,
    pub y: String,
    /// The range of the vertical axis where it is fixed; else from 0 to the largest value.
    pub range: Option<(f64, f64)>,
    /// Whether the vertical axis is logarithmic where the values span more than a decade and a half.
    pub may_be_logarithmic: bool,
    pub lines: Vec<Line>,
    /// A level to compare with, and its name.
    pub level: Option<(f64, String)>,
}

const WIDTH: f64 = 430.0;
/// Lines with more points than this have fewer places that tell their value.
const TOLD: usize = 120;

/// Draws it; nothing where there are no points.
pub fn line_chart(chart: &LineChart) -> Option<String> {
    let points = || chart.lines.iter().flat_map(|line| &line.points);
    let values = || points().map(|point| point.1).filter(|value| value.is_finite());
    values().next()?;
    let (first, last) = bounds(points().map(|point| point.0));
    let (low, high) = bounds(values());
    let logarithmic = chart.may_be_logarithmic && low > 0.0 && high / low > 30.0;
    let names = chart.lines.iter().map(|line| text_width(&line.name));
    let right = WIDTH - names.fold(16.0, |a: f64, b| a.max(b + 18.0)).min(0.42 * WIDTH);
    let height = 260f64.max(80.0 + 15.0 * chart.lines.len() as f64);
    let left = if logarithmic { 50.0 } else { 44.0 };
    let area = Area { left, right, top: 30.0, bottom: height - 42.0 };
    let y = match chart.range {
        _ if logarithmic => Scale::logarithmic((low * 0.9, high * 1.1), area.bottom, area.top),
        Some(range) => Scale::linear(range, area.bottom, area.top),
        None => Scale::linear((low.min(0.0), top(chart, high)), area.bottom, area.top),
    };
    let x = if last > first { (first, last) } else { (first - 0.5, first + 0.5) };
    let x = Scale::linear(x, area.left, area.right);
    let suffix = if logarithmic { " (log scale)" } else { "" };
    let mut svg = Svg::new(WIDTH, height, &chart.title, &describe(chart));
    area.draw_y(&mut svg, &y, 5, &format!("{}{suffix}", chart.y));
    area.draw_x(&mut svg, &x, 6, true, &chart.x);
    if let Some((level, name)) = &chart.level {
        svg.line((area.left, y.at(*level)), (area.right, y.at(*level)), "level");
        svg.text(area.right, y.at(*level) - 4.0, Anchor::End, "tick", name);
    }
    for line in &chart.lines {
        draw(&mut svg, line, &x, &y, chart);
    }
    name(&mut svg, chart, &area, &y);
    Some(svg.finish())
}

fn draw(svg: &mut Svg, line: &Line, x: &Scale, y: &Scale, chart: &LineChart) {
    let colour = line.colour;
    if let Some(band) = &line.band {
        // A mean less a deviation may lie below what an axis can show.
        let (floor, ceiling) = y.range();
        let inside = |value: f64| y.at(value.clamp(floor, ceiling));
        let upper = band.iter().map(|(at, _, high)| (x.at(*at), inside(*high)));
        let lower = band.iter().rev().map(|(at, low, _)| (x.at(*at), inside(*low)));
        svg.path(&format!("{}Z", path(upper.chain(lower))), &format!("band s{colour}"), "");
    }
    let d = path(line.points.iter().map(|(at, value)| (x.at(*at), y.at(*value))));
    svg.path(&d, &format!("line s{colour}"), &line.name);
    let every = line.points.len().div_ceil(TOLD).max(1);
    let alone = line.points.len() == 1;
    for (at, value) in line.points.iter().step_by(every).filter(|(_, value)| value.is_finite()) {
        let tooltip = format!("{}, {} {}: {} {}", line.name, chart.x, number(*at), chart.y, number(*value));
        let class = if alone { format!("dot s{colour}") } else { "hit".to_string() };
        svg.circle((x.at(*at), y.at(*value)), if alone { 3.0 } else { 5.0 }, &class, &tooltip);
    }
    if let Some(((at, value), what)) = &line.mark {
        svg.circle((x.at(*at), y.at(*value)), 5.0, &format!("ring s{colour}"), what);
    }
}

/// The names of the lines beside their ends.
fn name(svg: &mut Svg, chart: &LineChart, area: &Area, y: &Scale) {
    let ends: Vec<(usize, f64)> = chart
        .lines
        .iter()
        .enumerate()
        .filter_map(|(index, line)| Some((index, y.at(line.points.iter().rev().find(|point| point.1.is_finite())?.1))))
        .collect();
    let wanted: Vec<f64> = ends.iter().map(|(_, end)| *end).collect();
    let places = spread(&wanted, 15.0, (area.top, area.bottom));
    for ((index, _), place) in ends.iter().zip(places) {
        let line = &chart.lines[*index];
        let start = area.right + 9.0;
        svg.text(start, place + 4.0, Anchor::Start, &format!("name s{}", line.colour), &line.name);
    }
}

fn describe(chart: &LineChart) -> String {
    let ends = chart.lines.iter().filter_map(|line| {
        let (at, value) = line.points.last()?;
        Some(format!("{} {} at {} {}", line.name, number(*value), chart.x, number(*at)))
    });
    format!("{}: {}", chart.y, ends.collect::<Vec<_>>().join(", "))
}

/// Room over the largest value, of bands too.
fn top(chart: &LineChart, high: f64) -> f64 {
    let bands = chart.lines.iter().filter_map(|line| line.band.as_ref()).flatten().map(|(_, _, high)| *high);
    let high = bands.filter(|value| value.is_finite()).fold(high, f64::max);
    if high > 0.0 { high * 1.05 } else { 1.0 }
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}
