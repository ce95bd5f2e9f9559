//! Drawings of the page as inline SVG. Colours, fonts and line widths stand in the page's style sheet, so that a drawing
//! follows the reader's light or dark; sizes are those of the drawing, and the page scales it.

mod heat_map;
mod histogram;
mod line;
mod raster;
mod scale;
mod table;

pub use heat_map::confusion;
pub use histogram::{Bins, Histogram, histogram};
pub use line::{Line, LineChart, line_chart};
pub use raster::{Panel, RasterChart, Readout, raster_chart};
pub use table::{Cell, table};

use super::html::escape;
use scale::Scale;
use std::fmt::Write;

/// Colours that the style sheet has, as classes `s0` to `s5`. Every use of them has a second mark: a name, a dash, a place.
pub const COLOURS: usize = 6;

/// A drawing under way.
struct Svg {
    out: String,
}

/// Where a label stands against its place.
#[derive(Clone, Copy)]
enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    /// Begins a drawing of `width` × `height` that says what it shows to those who do not see it.
    fn new(width: f64, height: f64, title: &str, description: &str) -> Self {
        let (title, description) = (escape(title), escape(description));
        let out = format!(
            "<svg viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" style=\"--w:{width:.0}\" aria-label=\"{title}\"><desc>{description}</desc>"
        );
        Svg { out }
    }

    fn finish(mut self) -> String {
        self.out.push_str("</svg>");
        self.out
    }

    fn text(&mut self, x: f64, y: f64, anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        self.push(format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\"{anchor}{class}>{}</text>", escape(text)));
    }

    fn line(&mut self, (x0, y0): (f64, f64), (x1, y1): (f64, f64), class: &str) {
        self.push(format_args!("<path class=\"{class}\" d=\"M{x0:.1} {y0:.1}L{x1:.1} {y1:.1}\"/>"));
    }

    fn path(&mut self, d: &str, class: &str, tooltip: &str) {
        let tooltip = if tooltip.is_empty() { String::new() } else { format!("<title>{}</title>", escape(tooltip)) };
        self.push(format_args!("<path class=\"{class}\" d=\"{d}\">{tooltip}</path>"));
    }

    fn circle(&mut self, (x, y): (f64, f64), radius: f64, class: &str, tooltip: &str) {
        let tooltip = escape(tooltip);
        self.push(format_args!(
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"><title>{tooltip}</title></circle>"
        ));
    }

    fn push(&mut self, text: std::fmt::Arguments) {
        self.out.write_fmt(text).expect("a string takes everything");
    }
}

/// Points as the `d` of a path, without those that are no numbers.
fn path(points: impl Iterator<Item = (f64, f64)>) -> String {
    let mut d = String::new();
    for (x, y) in points.filter(|(x, y)| x.is_finite() && y.is_finite()) {
        let letter = if d.is_empty() { 'M' } else { 'L' };
        let _ = write!(d, "{letter}{x:.1} {y:.1}");
    }
    d
}

/// The plotting area within a drawing.
#[derive(Clone, Copy)]
struct Area {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Area {
    /// Ticks and hairlines of the vertical axis, and its name over it.
    fn draw_y(&self, svg: &mut Svg, scale: &Scale, wanted: usize, name: &str) {
        let ticks = scale.ticks(wanted, false);
        for &tick in &ticks {
            let y = scale.at(tick);
            svg.line((self.left, y), (self.right, y), "grid");
            svg.text(self.left - 6.0, y + 4.0, Anchor::End, "tick", &scale.label(tick, &ticks));
        }
        if !name.is_empty() {
            svg.text(0.0, self.top - 12.0, Anchor::Start, "axis", name);
        }
    }

    /// The horizontal axis, its ticks, and its name under them.
    fn draw_x(&self, svg: &mut Svg, scale: &Scale, wanted: usize, whole: bool, name: &str) {
        svg.line((self.left, self.bottom), (self.right, self.bottom), "base");
        let ticks = scale.ticks(wanted, whole);
        for &tick in &ticks {
            let x = scale.at(tick);
            svg.line((x, self.bottom), (x, self.bottom + 4.0), "base");
            svg.text(x, self.bottom + 17.0, Anchor::Middle, "tick", &scale.label(tick, &ticks));
        }
        svg.text((self.left + self.right) / 2.0, self.bottom + 34.0, Anchor::Middle, "axis", name);
    }
}

/// About the width of a label in the font of the drawings.
fn text_width(text: &str) -> f64 {
    6.6 * text.chars().count() as f64
}

/// Moves labels that stand at `wanted` apart until they are `gap` from each other, in `low..high` where they fit.
fn spread(wanted: &[f64], gap: f64, (low, high): (f64, f64)) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
    let mut places = vec![0.0; wanted.len()];
    let mut next = low;
    for &index in &order {
        places[index] = wanted[index].max(next);
        next = places[index] + gap;
    }
    let mut next = high.max(low + gap * wanted.len().saturating_sub(1) as f64);
    for &index in order.iter().rev() {
        places[index] = places[index].min(next);
        next = places[index] - gap;
    }
    places
}
