//! Accuracy over a number of spikes: points joined by a line, the axis of spikes logarithmic.

use super::*;

/// A line of the picture.
pub struct ScatterLine {
    pub name: String,
    /// Spikes, accuracy in percent, and its standard deviation.
    pub points: Vec<(f64, f64, f64)>,
}

/// Draws the lines to `path`.
///
/// # Errors
/// [`Error::File`] where it cannot be written.
pub fn scatter(path: &Path, title: &str, subtitle: &str, across: &str, lines: &[ScatterLine]) -> Result<()> {
    // A network without a spike has no place on a logarithmic axis: it stands at the left end.
    const LEAST: f64 = 0.1;
    let sizes = lines.iter().flat_map(|line| &line.points).map(|point| point.0.max(LEAST));
    let (low, high) = sizes.fold((f64::MAX, 0f64), |(low, high), size| (low.min(size), high.max(size)));
    // Whole decades, so that both ends have a number.
    let (low, high) = if low < high { (decade(low, f64::floor), decade(high, f64::ceil)) } else { (0.5, 2.0) };
    // Where all do well, their differences are what is to be seen.
    let worst = lines.iter().flat_map(|line| &line.points).map(|point| point.1 - point.2).fold(100.0, f64::min);
    let least = [90.0, 50.0, 0.0].into_iter().find(|least| worst >= *least).unwrap_or(0.0);
    render(path, (760, 480), |area| {
        let body = heading(area, title, subtitle)?;
        let mut chart = ChartBuilder::on(&body)
            .margin(px(8))
            .margin_right(px(20))
            .x_label_area_size(px(42))
            .y_label_area_size(px(58))
            .build_cartesian_2d((low..high).log_scale(), least..100.0)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID.stroke_width(SCALE))
            .axis_style(FAINT.stroke_width(SCALE))
            .label_style(text(12, &INK))
            .axis_desc_style(text(13, &INK))
            .x_desc(across)
            .y_desc("test accuracy (%)")
            .x_label_formatter(&|spikes| format!("{spikes}"))
            .y_label_formatter(&|value| format!("{value:.0}"))
            .draw()?;
        for (line, colour) in lines.iter().zip([BLUE, ORANGE, GREEN, RED].into_iter().cycle()) {
            let mut points: Vec<(f64, f64)> = line.points.iter().map(|point| (point.0.max(LEAST), point.1)).collect();
            points.sort_by(|one, other| one.0.total_cmp(&other.0));
            let thin = colour.mix(0.5).stroke_width(SCALE);
            let bars = line.points.iter().filter(|point| point.2 > 0.0);
            chart.draw_series(bars.map(|&(spikes, mean, deviation)| {
                let ends = [(mean - deviation).max(least), (mean + deviation).min(100.0)];
                PathElement::new(ends.map(|end| (spikes.max(LEAST), end)).to_vec(), thin)
            }))?;
            chart
                .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(px(2))))?
                .label(line.name.as_str())
                .legend(move |(x, y)| {
                    PathElement::new(vec![(x - px(6) as i32, y), (x + px(14) as i32, y)], colour.stroke_width(px(3)))
                });
            chart.draw_series(points.iter().map(|point| Circle::new(*point, px(3), colour.filled())))?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .margin(px(14))
            .legend_area_size(px(26))
            .label_font(text(12, &INK))
            .background_style(WHITE.mix(0.85))
            .border_style(TRANSPARENT)
            .draw()?;
        Ok(())
    })
}

/// The power of ten that `size` is rounded to.
fn decade(size: f64, round: fn(f64) -> f64) -> f64 {
    10f64.powf(round(size.log10()))
}
