//! The learning curve: accuracy and loss over the epochs.

use super::*;
use crate::cli::summary::layers;
use spikegrad::io::EpochMetrics;
use spikegrad::learn::Trainer;

/// A line of the picture: name, colour, and the points.
type Line = (&'static str, RGBColor, Vec<(f64, f64)>);

/// Draws `history` to `path`.
pub fn learning_curve(history: &[EpochMetrics], path: &Path, trainer: &Trainer, test: Option<f64>) -> Result<()> {
    let of = |value: &dyn Fn(&EpochMetrics) -> Option<f64>| -> Vec<(f64, f64)> {
        history.iter().filter_map(|metrics| Some((metrics.epoch as f64, value(metrics)?))).collect()
    };
    let accuracy: Vec<Line> = vec![
        ("training", BLUE, of(&|metrics| Some(100.0 * metrics.train_accuracy))),
        ("validation", ORANGE, of(&|metrics| metrics.valid_accuracy.map(|value| 100.0 * value))),
    ];
    let loss: Vec<Line> = vec![
        ("training", BLUE, of(&|metrics| Some(metrics.train_loss))),
        ("validation", ORANGE, of(&|metrics| metrics.valid_loss)),
    ];
    let recipe = trainer.recipe();
    let title = match test {
        Some(accuracy) => format!("{}: test accuracy {:.1} %", recipe.train.name, 100.0 * accuracy),
        None => format!("{}: no test set", recipe.train.name),
    };
    let subtitle = format!("{}  ·  seed {}  ·  {}", layers(&recipe.network), recipe.train.seed, trainer.device());
    let kept = trainer.progress().best.map(|best| (best.epoch as f64, 100.0 * best.accuracy));
    render(path, (1200, 480), |area| {
        let body = heading(area, &title, &subtitle)?;
        let (left, right) = body.split_horizontally((50).percent_width());
        let least =
            accuracy.iter().filter_map(|(_, _, points)| points.last()).map(|point| point.1).fold(100.0, f64::min);
        let corner = if least < 40.0 { SeriesLabelPosition::UpperRight } else { SeriesLabelPosition::LowerRight };
        panel(&left, "accuracy (%)", 0.0, 100.0, &accuracy, corner, kept)?;
        let top = loss.iter().flat_map(|(_, _, points)| points).map(|point| point.1).fold(0.0, f64::max);
        let top = if top > 0.0 { top * 1.05 } else { 1.0 };
        // Where there is room: a loss that has hardly fallen runs along the top.
        let last = loss.iter().filter_map(|(_, _, points)| points.last()).map(|point| point.1).fold(0.0, f64::max);
        let corner = if last > 0.6 * top { SeriesLabelPosition::LowerRight } else { SeriesLabelPosition::UpperRight };
        panel(&right, "loss (cross-entropy, nats)", 0.0, top, &loss, corner, None)
    })
}

fn panel(
    area: &Drawing,
    name: &str,
    low: f64,
    high: f64,
    lines: &[Line],
    legend: SeriesLabelPosition,
    kept: Option<(f64, f64)>,
) -> Drawn {
    let last = lines.iter().flat_map(|(_, _, points)| points).map(|point| point.0).fold(2.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .margin(px(8))
        .margin_right(px(20))
        .x_label_area_size(px(42))
        .y_label_area_size(px(58))
        .build_cartesian_2d(1.0..last, low..high)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.stroke_width(SCALE))
        .axis_style(FAINT.stroke_width(SCALE))
        .label_style(text(12, &INK))
        .axis_desc_style(text(13, &INK))
        .x_labels(last.min(10.0) as usize)
        .y_labels(6)
        .x_desc("epoch")
        .y_desc(name)
        .x_label_formatter(&|epoch| format!("{epoch:.0}"))
        .y_label_formatter(&|value| if high >= 10.0 { format!("{value:.0}") } else { format!("{value:.1}") })
        .draw()?;
    for (name, colour, points) in lines {
        if points.is_empty() {
            continue;
        }
        let style = colour.stroke_width(px(2));
        let series = chart.draw_series(LineSeries::new(points.iter().copied(), style))?;
        let style = colour.stroke_width(px(3));
        series
            .label(*name)
            .legend(move |(x, y)| PathElement::new(vec![(x - px(6) as i32, y), (x + px(14) as i32, y)], style));
        if points.len() == 1 {
            chart.draw_series(points.iter().map(|point| Circle::new(*point, px(3), colour.filled())))?;
        }
    }
    if let Some(point) = kept {
        let mark = chart.draw_series([Circle::new(point, px(5), ORANGE.stroke_width(px(2)))])?;
        mark.label("parameters that are kept")
            .legend(|(x, y)| Circle::new((x + px(4) as i32, y), px(5), ORANGE.stroke_width(px(2))));
    }
    chart
        .configure_series_labels()
        .position(legend)
        .margin(px(14))
        .legend_area_size(px(26))
        .label_font(text(12, &INK))
        .background_style(WHITE.mix(0.85))
        .border_style(TRANSPARENT)
        .draw()?;
    Ok(())
}
