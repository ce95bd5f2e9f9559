//! One sample on its way through the network: input, hidden spikes, readout traces.

use super::heat::colour;
use super::*;
use spikegrad::engine::Input;
use spikegrad::learn::Trainer;
use spikegrad::network::Reduction;
use spikegrad::spikes::{Raster, Trace};

/// What a picture of a sample shows.
struct Sample {
    input: Input,
    hidden: Vec<(String, Raster)>,
    readout: Trace,
    /// The true class and that it is taken for; None where each step has its own.
    answer: Option<(usize, usize)>,
    /// Milliseconds of a step.
    dt: f64,
    reduce: Reduction,
    classes: usize,
}

/// Colours of traces beside each other.
const COLOURS: [RGBColor; 6] = [BLUE, ORANGE, GREEN, RED, INK, FAINT];

/// Draws a test sample, with the parameters that are on the device.
///
/// # Errors
/// [`Error::File`] where the picture cannot be written, [`Error::Device`] where the device was lost.
pub fn raster(trainer: &mut Trainer, path: &Path) -> Result<()> {
    let Some(sample) = look(trainer)? else { return Ok(()) };
    let recipe = trainer.recipe();
    let name = |class: usize| recipe.data.class_name(class);
    let verdict = match sample.answer {
        Some((class, predicted)) if class == predicted => format!(" of class {}, recognised", name(class)),
        Some((class, predicted)) => format!(" of class {}, taken for {}", name(class), name(predicted)),
        None => String::new(),
    };
    let title = format!("{}: a test sample{verdict}", recipe.train.name);
    let subtitle = "Each mark is a spike. Hidden neurons that spike are sorted by their first spike.";
    let height = 66 + 180 + 240 * sample.hidden.len() as u32 + 260;
    render(path, (1200, height), |area| {
        let body = heading(area, &title, subtitle)?;
        let mut rest = body;
        let (input, below) = rest.split_vertically(px(180));
        rest = below;
        match &sample.input {
            Input::Spikes(raster) => {
                let order: Vec<usize> = (0..raster.units()).collect();
                spikes(&input, "input channel", raster, &order, INK, sample.dt)?;
            }
            Input::Rates(rates) => {
                let order: Vec<usize> = (0..rates.units).collect();
                spikes(&input, "input channel", &rates.draw(), &order, INK, sample.dt)?;
            }
            Input::Source(source) => {
                let (steps, samples, units) = (source.steps(), source.batch(), source.units());
                let mut words = Vec::new();
                source.read(0..steps, 0..samples, &mut words)?;
                let raster = spikegrad::spikes::Raster::from_words(steps, samples, units, words)?;
                let order: Vec<usize> = (0..units).collect();
                spikes(&input, "input channel", &raster, &order, INK, sample.dt)?;
            }
            Input::Values(trace) => analogue(&input, trace, sample.dt, &|channel| recipe.data.channel_name(channel))?,
        }
        for (name, raster) in &sample.hidden {
            let (panel, below) = rest.split_vertically(px(240));
            rest = below;
            spikes(&panel, name, raster, &by_first_spike(raster), BLUE, sample.dt)?;
        }
        readout(&rest, &sample, &name)
    })
}

/// Runs one test sample: the first one of the middle class.
fn look(trainer: &mut Trainer) -> Result<Option<Sample>> {
    let data = &trainer.split().test;
    if data.is_empty() {
        return Ok(None);
    }
    let middle = data.classes() / 2;
    let index = data.labels().iter().position(|&label| label as usize == middle).unwrap_or(0);
    let class = data.labels().get(index).map(|&label| label as usize);
    let batch = trainer.recipe().batch(data, &[index], 0)?;
    let network = trainer.recipe().network.clone();
    let mut outputs = trainer.engine().forward(&batch)?;
    let answer = match class {
        Some(class) => Some((class, outputs.answers()?[0] as usize)),
        None => None,
    };
    let mut hidden = Vec::new();
    for (layer, described) in network.layers.iter().enumerate() {
        if described.neuron.spiking() {
            let kind = if described.recurrent { "recurrent" } else { "feed-forward" };
            let name = format!("layer {layer} ({kind}), sorted");
            hidden.push((name, outputs.spikes(layer)?));
        }
    }
    let readout = outputs.potential(network.layers.len() - 1)?;
    Ok(Some(Sample {
        input: batch.input,
        hidden,
        readout,
        answer,
        dt: network.dt,
        reduce: network.readout.losses[0].reduce,
        classes: network.classes(),
    }))
}

/// Neurons that spike, in the order of their first spikes.
fn by_first_spike(raster: &Raster) -> Vec<usize> {
    let first = |n: usize| (0..raster.steps()).find(|&t| raster.get(t, 0, n));
    let mut order: Vec<(usize, usize)> = (0..raster.units()).filter_map(|n| Some((first(n)?, n))).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, n)| n).collect()
}

/// Axes of a panel: time in ms below (named under the last panel only), `name` at the side.
macro_rules! axes {
    ($area:expr, $name:expr, $end:expr, $range:expr, $labels:expr, $last:expr, $format:expr) => {{
        let mut chart = ChartBuilder::on($area)
            .margin(px(6))
            .margin_right(px(124))
            .x_label_area_size(px(if $last { 36 } else { 20 }))
            .y_label_area_size(px(58))
            .build_cartesian_2d(0.0..$end, $range)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID.stroke_width(SCALE))
            .disable_y_mesh()
            .axis_style(FAINT.stroke_width(SCALE))
            .label_style(text(11, &INK))
            .axis_desc_style(text(12, &INK))
            .x_labels(11)
            .y_labels($labels)
            .x_desc(if $last { "time (ms)" } else { "" })
            .y_desc($name)
            .x_label_formatter(&|time| format!("{time:.0}"))
            .y_label_formatter(&$format)
            .draw()?;
        chart
    }};
}

/// Spikes of the units in `order`, from the bottom up.
pub(super) fn spikes(area: &Drawing, name: &str, raster: &Raster, order: &[usize], colour: RGBColor, dt: f64) -> Drawn {
    let (steps, rows) = (raster.steps(), order.len());
    let end = steps as f64 * dt;
    let mut chart = axes!(area, name, end, 0.0..rows.max(1) as f64, 4, false, |n: &f64| format!("{n:.0}"));
    // Every mark has the same size in pixels, so that no row looks paler than another.
    let (across, down) = chart.plotting_area().dim_in_pixel();
    let width = (across as f64 / steps as f64).clamp(2.0, f64::from(px(4))) as i32;
    let height = (0.75 * down as f64 / rows.max(1) as f64).clamp(f64::from(px(1)) + 1.0, f64::from(px(8))) as i32;
    let mut marks = Vec::new();
    for t in 0..steps {
        for (row, &n) in order.iter().enumerate() {
            if raster.get(t, 0, n) {
                let corners = [(0, -height / 2), (width, height - height / 2)];
                let mark = Rectangle::new(corners, colour.filled());
                marks.push(EmptyElement::at((t as f64 * dt, row as f64 + 0.5)) + mark);
            }
        }
    }
    chart.draw_series(marks)?;
    let active = (0..raster.units()).filter(|&n| (0..steps).any(|t| raster.get(t, 0, n))).count();
    let notes = [(format!("{} spikes", raster.count()), INK), (format!("{active} of {} units", raster.units()), FAINT)];
    side(area, &notes)
}

/// Channels of analogue input that lines can still tell apart.
const LINES: usize = 12;

/// Values of a few channels as lines, of many as a map, a row for each.
pub(super) fn analogue(area: &Drawing, trace: &Trace, dt: f64, name: &dyn Fn(usize) -> String) -> Drawn {
    if trace.units > LINES {
        return map(area, trace, dt);
    }
    let end = trace.steps as f64 * dt;
    let (low, high) = bounds(&trace.values);
    let mut chart = axes!(area, "input", end, low..high, 4, false, |value: &f64| format!("{value:.0}"));
    let mut names = Vec::new();
    for channel in 0..trace.units {
        let colour = COLOURS[channel % COLOURS.len()];
        let points = (0..trace.steps).map(|t| (t as f64 * dt, f64::from(trace.get(t, 0, channel))));
        chart.draw_series(LineSeries::new(points, colour.stroke_width(px(2))))?;
        if channel < 6 {
            names.push((name(channel), colour));
        }
    }
    side(area, &names)
}

fn map(area: &Drawing, trace: &Trace, dt: f64) -> Drawn {
    let (end, rows) = (trace.steps as f64 * dt, trace.units);
    let mut chart = axes!(area, "input channel", end, 0.0..rows as f64, 4, false, |row: &f64| format!("{row:.0}"));
    let values = trace.values.iter().copied().filter(|value| value.is_finite()).map(f64::from);
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
    let cells = (0..trace.steps).flat_map(|t| (0..rows).map(move |channel| (t, channel)));
    chart.draw_series(cells.map(|(t, channel)| {
        let fraction = (f64::from(trace.get(t, 0, channel)) - low) / (high - low).max(f64::MIN_POSITIVE);
        let corners = [(t as f64 * dt, channel as f64), ((t + 1) as f64 * dt, (channel + 1) as f64)];
        Rectangle::new(corners, colour(fraction).filled())
    }))?;
    side(
        area,
        &[(format!("{rows} channels"), INK), (format!("dark {low:.2}"), FAINT), (format!("light {high:.2}"), FAINT)],
    )
}

fn readout(area: &Drawing, sample: &Sample, name: &dyn Fn(usize) -> String) -> Drawn {
    let trace = &sample.readout;
    let end = trace.steps as f64 * sample.dt;
    let (low, high) = bounds(&trace.values);
    let digits = if high - low > 10.0 { 0 } else { 1 };
    let format = |value: &f64| format!("{value:.digits$}");
    let mut chart = axes!(area, "readout potential", end, low..high, 5, true, format);
    let line = |class: usize| -> Vec<(f64, f64)> {
        (0..trace.steps).map(|t| (t as f64 * sample.dt, f64::from(trace.get(t, 0, class)))).collect()
    };
    let pale = FAINT.mix(0.55);
    // Units of a class, with a population code several.
    let size = trace.units / sample.classes;
    let units = |class: usize| class * size..(class + 1) * size;
    let Some((class, predicted)) = sample.answer else {
        let mut names = Vec::new();
        for class in 0..sample.classes {
            let colour = COLOURS[class % COLOURS.len()];
            for unit in units(class) {
                chart.draw_series(LineSeries::new(line(unit), colour.stroke_width(px(1))))?;
            }
            names.extend((class < COLOURS.len()).then(|| (name(class), colour)));
        }
        return side(area, &names);
    };
    for class in (0..sample.classes).filter(|&other| other != class && other != predicted) {
        for unit in units(class) {
            chart.draw_series(LineSeries::new(line(unit), pale.stroke_width(px(1))))?;
        }
    }
    let wrong = class != predicted;
    let mut names = Vec::new();
    if wrong {
        names.push((format!("predicted: {}", name(predicted)), RED));
        for unit in units(predicted) {
            chart.draw_series(LineSeries::new(line(unit), RED.stroke_width(px(2))))?;
        }
    }
    let label = if wrong { "true" } else { "true, predicted" };
    names.insert(0, (format!("{label}: {}", name(class)), GREEN));
    for unit in units(class) {
        chart.draw_series(LineSeries::new(line(unit), GREEN.stroke_width(px(2))))?;
    }
    if sample.reduce == Reduction::Max && size == 1 {
        // The loss and the decision look at the maximum of each trace.
        for (class, colour) in [(predicted, if wrong { RED } else { GREEN }), (class, GREEN)] {
            let top = line(class).into_iter().rev().max_by(|a, b| a.1.total_cmp(&b.1));
            chart.draw_series(top.map(|point| Circle::new(point, px(4), colour.filled())))?;
        }
        names.push(("● maximum".into(), if wrong { RED } else { GREEN }));
    }
    names.push(("other classes".into(), FAINT));
    side(area, &names)
}

/// Notes at the right of a panel, one below the other.
fn side(area: &Drawing, notes: &[(String, RGBColor)]) -> Drawn {
    let (width, _) = area.dim_in_pixel();
    for (row, (note, colour)) in notes.iter().enumerate() {
        let place = ((width - px(116)) as i32, (px(10) + px(17) * row as u32) as i32);
        area.draw_text(note, &text(12, colour), place)?;
    }
    Ok(())
}

/// The range of the values, a little wider.
fn bounds(values: &[f32]) -> (f64, f64) {
    let low = values.iter().copied().fold(f32::INFINITY, f32::min);
    let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if !(low.is_finite() && high.is_finite() && high > low) {
        return (-1.0, 1.0);
    }
    let room = 0.05 * f64::from(high - low);
    (f64::from(low) - room, f64::from(high) + room)
}
