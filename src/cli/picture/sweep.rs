//! How the time of a step goes with the sizes of a network: a panel for each, both axes logarithmic.

use super::*;

/// A line of a panel.
pub struct SweepLine {
    pub name: String,
    /// The size, and milliseconds.
    pub points: Vec<(f64, f64)>,
    /// The least and the most milliseconds of each.
    pub ranges: Vec<(f64, f64)>,
}

/// What a size does.
pub struct SweepPanel {
    pub name: &'static str,
    pub lines: Vec<SweepLine>,
    /// Whether a line of time in proportion to the size is drawn as well.
    pub linear: bool,
}

/// Draws four panels to `path`.
///
/// # Errors
/// [`Error::File`] where it cannot be written.
pub fn sweep(path: &Path, subtitle: &str, panels: &[SweepPanel; 4]) -> Result<()> {
    let all = panels.iter().flat_map(|panel| &panel.lines).flat_map(|line| &line.ranges);
    let (low, high) = all.fold((f64::MAX, 0f64), |(low, high), range| (low.min(range.0), high.max(range.1)));
    let (low, high) = if low < high { (low / 1.4, high * 1.4) } else { (0.5, 2.0) };
    render(path, (1100, 820), |area| {
        let body = heading(area, "Time of a training step", subtitle)?;
        for (at, (area, panel)) in body.split_evenly((2, 2)).iter().zip(panels).enumerate() {
            draw(area, panel, low..high, at == 0)?;
        }
        Ok(())
    })
}

/// 1, 2 and 5 times the powers of ten within a range.
fn ticks(low: f64, high: f64, mantissas: &[f64]) -> Vec<f64> {
    let powers = (low.log10().floor() as i32)..=(high.log10().ceil() as i32);
    let all = powers.flat_map(|power| mantissas.iter().map(move |mantissa| mantissa * 10f64.powi(power)));
    all.filter(|tick| (low..=high).contains(tick)).collect()
}

fn number(value: f64) -> String {
    let digits = if value >= 0.999 { 0 } else { (-value.log10()).ceil() as usize };
    format!("{value:.digits$}")
}

fn draw(area: &Drawing, panel: &SweepPanel, range: std::ops::Range<f64>, legend: bool) -> Drawn {
    let sizes = panel.lines.iter().flat_map(|line| &line.points).map(|point| point.0);
    let (first, last) = sizes.fold((f64::MAX, 0f64), |(low, high), size| (low.min(size), high.max(size)));
    let (first, last) = if first < last { (first / 1.15, last * 1.15) } else { (0.5, 2.0) };
    // The ticks are put where numbers are round, which a logarithmic axis of plotters does not do by itself: the axes are
    // linear in the logarithm.
    let (x, y) = (first.ln()..last.ln(), range.start.ln()..range.end.ln());
    let mut chart = ChartBuilder::on(area)
        .margin(px(8))
        .margin_right(px(20))
        .x_label_area_size(px(42))
        .y_label_area_size(px(58))
        .build_cartesian_2d(x.clone(), y.clone())?;
    chart
        .configure_mesh()
        .disable_mesh()
        .x_labels(0)
        .y_labels(0)
        .axis_style(FAINT.stroke_width(SCALE))
        .axis_desc_style(text(13, &INK))
        .x_desc(panel.name)
        .y_desc("step (ms)")
        .draw()?;
    let grid = GRID.stroke_width(SCALE);
    let centred = |horizontal, vertical| {
        use plotters::style::text_anchor::Pos;
        text(12, &INK).pos(Pos::new(horizontal, vertical))
    };
    use plotters::style::text_anchor::{HPos, VPos};
    for tick in ticks(range.start, range.end, &[1.0, 3.0]) {
        chart.draw_series([PathElement::new(vec![(x.start, tick.ln()), (x.end, tick.ln())], grid)])?;
        let (left, height) = chart.backend_coord(&(x.start, tick.ln()));
        let (base_x, base_y) = area.get_base_pixel();
        let at = (left - base_x - px(6) as i32, height - base_y);
        area.draw_text(&number(tick), &centred(HPos::Right, VPos::Center), at)?;
    }
    let mut marks: Vec<f64> = panel.lines.iter().flat_map(|line| &line.points).map(|point| point.0).collect();
    if panel.name.contains('%') {
        marks = ticks(first, last, &[1.0, 2.0, 5.0]);
    }
    marks.sort_by(f64::total_cmp);
    marks.dedup();
    for mark in marks {
        chart.draw_series([PathElement::new(vec![(mark.ln(), y.start), (mark.ln(), y.end)], grid)])?;
        let (across, bottom) = chart.backend_coord(&(mark.ln(), y.start));
        let (base_x, base_y) = area.get_base_pixel();
        let at = (across - base_x, bottom - base_y + px(6) as i32);
        area.draw_text(&number(mark), &centred(HPos::Center, VPos::Top), at)?;
    }
    if let (true, Some((size, time))) = (panel.linear, panel.lines[0].points.last().copied()) {
        // In proportion, through the last point of the first line.
        let low = first.max(range.start * size / time);
        let ends = [low, last.min(range.end * size / time)].map(|at| (at.ln(), (time * at / size).ln()));
        let dashes = DashedLineSeries::new(ends, px(5), px(4), FAINT.stroke_width(SCALE));
        let series = chart.draw_series(dashes)?;
        if legend {
            series.label("in proportion").legend(|(x, y)| {
                let style = FAINT.stroke_width(SCALE);
                PathElement::new(vec![(x - px(6) as i32, y), (x + px(14) as i32, y)], style)
            });
        }
    }
    for (line, colour) in panel.lines.iter().zip([BLUE, ORANGE]) {
        let points: Vec<(f64, f64)> = line.points.iter().map(|(size, time)| (size.ln(), time.ln())).collect();
        let series = chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(px(2))))?;
        if legend {
            series.label(line.name.as_str()).legend(move |(x, y)| {
                PathElement::new(vec![(x - px(6) as i32, y), (x + px(14) as i32, y)], colour.stroke_width(px(3)))
            });
        }
        let thin = colour.mix(0.5).stroke_width(SCALE);
        let ends = points.iter().zip(&line.ranges);
        let ranges = ends.map(|((at, _), (low, high))| vec![(*at, low.ln()), (*at, high.ln())]);
        chart.draw_series(ranges.map(|range| PathElement::new(range, thin)))?;
        chart.draw_series(points.iter().map(|point| Circle::new(*point, px(3), colour.filled())))?;
    }
    if legend {
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .margin(px(14))
            .legend_area_size(px(26))
            .label_font(text(12, &INK))
            .background_style(WHITE.mix(0.85))
            .border_style(TRANSPARENT)
            .draw()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers_inside() {
        assert_eq!(ticks(0.7, 60.0, &[1.0, 2.0, 5.0]), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0]);
        assert_eq!(ticks(3.0, 4.0, &[1.0]), [0.0f64; 0]);
        assert_eq!([number(0.5), number(2.0), number(1000.0)], ["0.5", "2", "1000"]);
    }
}
