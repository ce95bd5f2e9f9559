//! One sample on its way through the network: input, spikes of the layers, potential of the readout, on one axis of time.

use super::scale::Scale;
use super::{Anchor, Area, COLOURS, Svg, path, spread};
use spikegrad::spikes::{Raster, Trace};
use std::fmt::Write;

/// What one layer, or the input, did. Rasters and traces hold one sample.
#[derive(Debug)]
pub enum Panel {
    /// Spikes of the units in `order`, from the bottom up.
    Spikes { name: String, raster: Raster, order: Vec<usize> },
    /// Real values, a line for each channel, and the names of the first channels; of many channels a map.
    Values { name: String, trace: Trace, channels: Vec<String> },
}

/// The traces by which the network answers.
#[derive(Debug)]
pub struct Readout {
    pub trace: Trace,
    /// Names of the classes; each has as many units beside each other as the trace has for a class.
    pub classes: Vec<String>,
    /// What the sample is and what it was taken for; None where each step has its own.
    pub answer: Option<(usize, usize)>,
    /// Whether the answer is that of the highest maximum.
    pub maximum: bool,
}

/// A drawing of a sample.
#[derive(Debug)]
pub struct RasterChart {
    /// What it shows, for those who do not see it.
    pub title: String,
    /// Milliseconds of a step.
    pub dt: f64,
    pub steps: usize,
    pub panels: Vec<Panel>,
    pub readout: Readout,
}

const WIDTH: f64 = 620.0;
const SPIKES: f64 = 130.0;
const TRACES: f64 = 170.0;
const GAP: f64 = 34.0;
/// Marks of a panel: more would make a page of megabytes, in which single spikes can no longer be seen.
const MARKS: u64 = 30_000;
/// Channels whose lines can still be told apart.
const LINES: usize = 12;
/// Shades of a map, the first of which is not drawn.
const SHADES: usize = 8;

/// Draws it.
pub fn raster_chart(chart: &RasterChart) -> String {
    let height = GAP + (SPIKES + GAP) * chart.panels.len() as f64 + TRACES + 34.0;
    let spikes: Vec<String> = chart.panels.iter().map(describe).collect();
    let mut svg = Svg::new(WIDTH, height, &chart.title, &spikes.join("; "));
    let end = chart.steps as f64 * chart.dt;
    let (left, right) = (44.0, WIDTH - 84.0);
    let time = Scale::linear((0.0, end), left, right);
    let mut top = GAP - 12.0;
    for panel in &chart.panels {
        let area = Area { left, right, top, bottom: top + SPIKES };
        match panel {
            Panel::Spikes { name, raster, order } => {
                spikes_panel(&mut svg, &area, &time, name, raster, order, chart.dt)
            }
            Panel::Values { name, trace, channels } => values(&mut svg, &area, &time, name, trace, channels, chart.dt),
        }
        time_axis(&mut svg, &area, &time, false);
        top += SPIKES + GAP;
    }
    let area = Area { left, right, top, bottom: top + TRACES };
    readout(&mut svg, &area, &time, &chart.readout, chart.dt);
    time_axis(&mut svg, &area, &time, true);
    svg.finish()
}

fn describe(panel: &Panel) -> String {
    match panel {
        Panel::Spikes { name, raster, .. } => format!("{name}: {} spikes", raster.count()),
        Panel::Values { name, trace, .. } => format!("{name}: values of {} channels", trace.units),
    }
}

/// Ticks of every panel; numbers and name under the last one.
fn time_axis(svg: &mut Svg, area: &Area, time: &Scale, last: bool) {
    if last {
        area.draw_x(svg, time, 8, false, "time (ms)");
        return;
    }
    svg.line((area.left, area.bottom), (area.right, area.bottom), "base");
    for tick in time.ticks(8, false) {
        svg.line((time.at(tick), area.bottom), (time.at(tick), area.bottom + 4.0), "base");
    }
}

fn spikes_panel(svg: &mut Svg, area: &Area, time: &Scale, name: &str, raster: &Raster, order: &[usize], dt: f64) {
    // Of more spikes than can be told apart, every so many units are drawn.
    let every = (raster.count().div_ceil(MARKS) as usize).max(1);
    let shown: Vec<usize> = order.iter().copied().step_by(every).collect();
    let thinned = if every > 1 { format!(", 1 in {every} drawn") } else { String::new() };
    let spiking = match order.len() {
        all if all == raster.units() => String::new(),
        some => format!(", {some} spike"),
    };
    svg.text(0.0, area.top - 8.0, Anchor::Start, "axis", &format!("{name}{spiking}{thinned}"));
    let rows = Scale::linear((0.0, shown.len().max(1) as f64), area.bottom, area.top);
    let row = (area.bottom - area.top) / shown.len().max(1) as f64;
    let size = (0.8 * row).clamp(1.2, 7.0);
    let mut d = String::new();
    for (place, &unit) in shown.iter().enumerate() {
        let y = rows.at(place as f64 + 0.5) - size / 2.0;
        for t in (0..raster.steps()).filter(|&t| raster.get(t, 0, unit)) {
            let _ = write!(d, "M{:.1} {y:.1}v{size:.1}", time.at((t as f64 + 0.5) * dt));
        }
    }
    svg.text(area.left - 6.0, area.bottom, Anchor::End, "tick", "1");
    svg.text(area.left - 6.0, area.top + 8.0, Anchor::End, "tick", &order.len().to_string());
    svg.path(&d, "spikes", "");
}

fn values(svg: &mut Svg, area: &Area, time: &Scale, name: &str, trace: &Trace, channels: &[String], dt: f64) {
    if trace.units > LINES {
        return map(svg, area, time, name, trace, dt);
    }
    let y = Scale::linear(bounds(&trace.values), area.bottom, area.top);
    area.draw_y(svg, &y, 4, "");
    svg.text(0.0, area.top - 8.0, Anchor::Start, "axis", name);
    for channel in 0..trace.units {
        let colour = channel % COLOURS;
        let name = channels.get(channel).map_or("", String::as_str);
        svg.path(&curve(trace, channel, time, &y, dt), &format!("trace s{colour}"), name);
    }
    let last = trace.steps.saturating_sub(1);
    let ends: Vec<f64> = (0..channels.len()).map(|channel| y.at(f64::from(trace.get(last, 0, channel)))).collect();
    for (channel, place) in spread(&ends, 14.0, (area.top, area.bottom)).into_iter().enumerate() {
        let class = format!("name s{}", channel % COLOURS);
        svg.text(area.right + 6.0, place + 4.0, Anchor::Start, &class, &channels[channel]);
    }
}

/// A row for each channel, the darker the larger; cells of a shade that touch are one.
fn map(svg: &mut Svg, area: &Area, time: &Scale, name: &str, trace: &Trace, dt: f64) {
    svg.text(0.0, area.top - 8.0, Anchor::Start, "axis", &format!("{name}, the first at the bottom"));
    let (low, high) = range(&trace.values);
    let shade = |t: usize, channel: usize| {
        let fraction = (f64::from(trace.get(t, 0, channel)) - low) / (high - low).max(f64::MIN_POSITIVE);
        ((fraction * SHADES as f64) as usize).min(SHADES - 1)
    };
    let rows = Scale::linear((0.0, trace.units as f64), area.bottom, area.top);
    let tall = (area.bottom - area.top) / trace.units as f64;
    let mut paths = vec![String::new(); SHADES];
    for channel in 0..trace.units {
        let mut from = 0;
        for t in 1..=trace.steps {
            if t == trace.steps || shade(t, channel) != shade(from, channel) {
                let (left, right) = (time.at(from as f64 * dt), time.at(t as f64 * dt));
                let (top, wide) = (rows.at((channel + 1) as f64), right - left);
                let _ = write!(paths[shade(from, channel)], "M{left:.1} {top:.2}h{wide:.1}v{tall:.2}h-{wide:.1}z");
                from = t;
            }
        }
    }
    for (shade, d) in paths.iter().enumerate().skip(1).filter(|(_, d)| !d.is_empty()) {
        svg.path(d, &format!("map m{shade}"), "");
    }
    svg.text(area.right + 6.0, area.top + 8.0, Anchor::Start, "tick", &format!("dark {high:.2}"));
    svg.text(area.right + 6.0, area.top + 22.0, Anchor::Start, "tick", &format!("light {low:.2}"));
}

fn readout(svg: &mut Svg, area: &Area, time: &Scale, readout: &Readout, dt: f64) {
    let trace = &readout.trace;
    let y = Scale::linear(bounds(&trace.values), area.bottom, area.top);
    area.draw_y(svg, &y, 4, "");
    svg.text(0.0, area.top - 8.0, Anchor::Start, "axis", "readout potential");
    let group = (trace.units / readout.classes.len().max(1)).max(1);
    let units = |class: usize| class * group..((class + 1) * group).min(trace.units);
    let special = |class: usize| readout.answer.is_some_and(|(right, given)| class == right || class == given);
    let others = (0..readout.classes.len()).filter(|&class| !special(class));
    for class in others {
        let style = if readout.answer.is_some() { "trace other".into() } else { format!("trace s{}", class % COLOURS) };
        for unit in units(class) {
            svg.path(&curve(trace, unit, time, &y, dt), &style, &readout.classes[class]);
        }
    }
    let Some((class, answer)) = readout.answer else { return };
    let mut named = vec![(class, if class == answer { "class, answer" } else { "class" }, "right")];
    if class != answer {
        named.push((answer, "answer", "wrong"));
    }
    let mut ends = Vec::new();
    for &(class, _, style) in named.iter().rev() {
        for unit in units(class) {
            svg.path(&curve(trace, unit, time, &y, dt), &format!("trace told {style}"), &readout.classes[class]);
        }
        let highest = (0..trace.steps).map(|t| (t, trace.get(t, 0, units(class).start)));
        if let (true, 1, Some((t, value))) = (readout.maximum, group, highest.rev().max_by(|a, b| a.1.total_cmp(&b.1)))
        {
            let place = (time.at((t as f64 + 0.5) * dt), y.at(f64::from(value)));
            svg.circle(place, 3.5, &format!("dot {style}"), &format!("maximum of {}", readout.classes[class]));
        }
    }
    let last = trace.steps.saturating_sub(1);
    for &(class, ..) in &named {
        ends.push(y.at(f64::from(trace.get(last, 0, units(class).start))));
    }
    for ((class, what, style), place) in named.iter().zip(spread(&ends, 30.0, (area.top + 4.0, area.bottom - 20.0))) {
        let class = &readout.classes[*class];
        svg.text(area.right + 6.0, place + 4.0, Anchor::Start, &format!("name {style}"), class);
        svg.text(area.right + 6.0, place + 17.0, Anchor::Start, "tick", what);
    }
}

fn curve(trace: &Trace, unit: usize, time: &Scale, y: &Scale, dt: f64) -> String {
    let points = (0..trace.steps).map(|t| ((t as f64 + 0.5) * dt, f64::from(trace.get(t, 0, unit))));
    path(points.map(|(at, value)| (time.at(at), y.at(value))))
}

/// The range of the values.
fn range(values: &[f32]) -> (f64, f64) {
    let finite = || values.iter().copied().filter(|value| value.is_finite()).map(f64::from);
    (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max))
}

/// The same, a little wider.
fn bounds(values: &[f32]) -> (f64, f64) {
    let (low, high) = range(values);
    let room = 0.05 * (high - low);
    (low - room, high + room)
}
