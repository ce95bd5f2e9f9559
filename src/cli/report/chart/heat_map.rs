//! A confusion matrix: rows are what a sample is, columns what it was taken for.

use super::{Anchor, Svg, text_width};
use spikegrad::learn::Confusion;

/// Draws the matrix. The shade is the share of a row; right answers and mistakes have colours of their own, and stand on the
/// diagonal and beside it.
pub fn confusion(matrix: &Confusion, names: &[String]) -> String {
    let classes = matrix.classes();
    let longest = names.iter().map(|name| text_width(name)).fold(12.0, f64::max).min(120.0);
    let size = (560.0 / classes as f64).clamp(4.0, 44.0);
    let (left, top) = (longest + 30.0, 40.0);
    let side = size * classes as f64;
    let (width, height) = (left + side + 8.0, top + side + 8.0);
    let (answers, right) = matrix.totals();
    let title = format!("Confusion matrix of {answers} answers");
    let mut svg = Svg::new(width, height, &title, &format!("{right} are on the diagonal: taken for what they are"));
    svg.text(left + side / 2.0, 13.0, Anchor::Middle, "axis", "taken for");
    svg.push(format_args!(
        "<text class=\"axis\" text-anchor=\"middle\" transform=\"translate(12 {:.1}) rotate(-90)\">class</text>",
        top + side / 2.0
    ));
    // Names that would touch the one before are left out; a pointer on an entry tells them.
    let every_row = (13.0 / size).ceil().max(1.0) as usize;
    let mut free = f64::NEG_INFINITY;
    for (class, name) in names.iter().enumerate() {
        let (middle, half) = ((class as f64 + 0.5) * size, text_width(name) / 2.0);
        if middle - half > free {
            svg.text(left + middle, top - 7.0, Anchor::Middle, "tick", name);
            free = middle + half + 2.0;
        }
        if class % every_row == 0 {
            svg.text(left - 6.0, top + middle + 4.0, Anchor::End, "tick", name);
        }
    }
    for (class, name) in names.iter().enumerate() {
        let row = matrix.samples(class).max(1) as f64;
        for (answer, answered) in names.iter().enumerate() {
            let count = matrix.count(class, answer);
            if count == 0 {
                continue;
            }
            let share = count as f64 / row;
            let (x, y) = (left + answer as f64 * size, top + class as f64 * size);
            let colour = if answer == class { "right" } else { "wrong" };
            // A single mistake is to be seen as well.
            let opacity = if answer == class { share } else { 0.12 + 0.88 * share };
            svg.push(format_args!(
                "<g><title>{}</title><rect class=\"{colour}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill-opacity=\"{opacity:.2}\"/>",
                super::escape(&format!("{name} taken for {answered}: {count} ({:.1} %)", 100.0 * share)),
                x + 0.5,
                y + 0.5,
                size - 1.0,
                size - 1.0
            ));
            if text_width(&count.to_string()) < size + 2.0 && size >= 14.0 {
                let class = if opacity > 0.55 { "cell over" } else { "cell" };
                svg.text(x + size / 2.0, y + size / 2.0 + 4.0, Anchor::Middle, class, &count.to_string());
            }
            svg.out.push_str("</g>");
        }
    }
    svg.push(format_args!(
        "<rect class=\"frame\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{side:.1}\" height=\"{side:.1}\"/>"
    ));
    svg.finish()
}
