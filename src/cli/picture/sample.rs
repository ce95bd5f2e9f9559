//! One sample of a data set: spikes as marks, a few values as lines, many as shades.

use super::raster::{analogue, spikes};
use super::*;
use spikegrad::spikes::{Raster, Trace};

/// What is drawn.
pub enum Shown<'a> {
    /// Spikes `[T, 1, N]`.
    Spikes(&'a Raster),
    /// Values `[T, 1, N]`.
    Values(&'a Trace),
}

/// Channels that are drawn as lines, at most.
const LINES: usize = 6;

/// Draws a sample; `dt` is the length of a step in ms, `name` names channels.
///
/// # Errors
/// [`Error::File`] where the picture cannot be written.
pub fn sample(
    path: &Path,
    title: &str,
    subtitle: &str,
    shown: &Shown,
    dt: f64,
    name: &dyn Fn(usize) -> String,
) -> Result<()> {
    let still = matches!(shown, Shown::Values(trace) if trace.steps == 1);
    let size = if still { (520, 560) } else { (1200, 460) };
    render(path, size, |area| {
        let body = heading(area, title, subtitle)?;
        match shown {
            Shown::Spikes(raster) => {
                let order: Vec<usize> = (0..raster.units()).collect();
                spikes(&body, "input channel", raster, &order, INK, dt)
            }
            Shown::Values(trace) if trace.steps == 1 => {
                // A picture where the channels are those of a square, else one row.
                let side = trace.units.isqrt();
                let columns = if side * side == trace.units { side } else { trace.units };
                shades(&body, &trace.values, columns, false)
            }
            Shown::Values(trace) if trace.units <= LINES => analogue(&body, trace, dt, name),
            Shown::Values(trace) => {
                let by_channel = (0..trace.units).rev().flat_map(|n| (0..trace.steps).map(move |t| trace.get(t, 0, n)));
                shades(&body, &by_channel.collect::<Vec<f32>>(), trace.steps, true)
            }
        }
    })
}

/// Rows of values from the top, darker the larger; over the whole width, or in squares.
fn shades(area: &Drawing, values: &[f32], columns: usize, stretched: bool) -> Drawn {
    let rows = values.len() / columns.max(1);
    let (low, high) = values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), &v| (a.min(v), b.max(v)));
    let (width, height) = area.dim_in_pixel();
    let (mut across, mut down) = (f64::from(width) / columns as f64, f64::from(height) / rows.max(1) as f64);
    if !stretched {
        (across, down) = (across.min(down), across.min(down));
    }
    for (at, value) in values.iter().enumerate() {
        let share = if high > low { (value - low) / (high - low) } else { 0.0 };
        let shade = INK.mix(f64::from(share));
        let (column, row) = (at % columns, at / columns);
        let corner = |column: usize, row: usize| ((column as f64 * across) as i32, (row as f64 * down) as i32);
        area.draw(&Rectangle::new([corner(column, row), corner(column + 1, row + 1)], shade.filled()))?;
    }
    Ok(())
}
