//! The pictures of a run. Drawn twice as large and averaged down, so that lines are smooth; the font is part of the
//! program, so no system font is needed.

mod curve;
mod heat;
mod raster;
mod sample;
mod scatter;
mod sweep;

pub use curve::learning_curve;
pub use heat::{HeatPanel, heat_maps};
pub use raster::raster;
pub use sample::{Shown, sample};
pub use scatter::{ScatterLine, scatter};
pub use sweep::{SweepLine, SweepPanel, sweep};

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;
use spikegrad::io::check_writable;
use spikegrad::{Error, Result};
use std::path::Path;
use std::sync::Once;

/// Pixels of the drawing for one of the picture, in each direction.
const SCALE: u32 = 2;

const INK: RGBColor = RGBColor(58, 62, 70);
const FAINT: RGBColor = RGBColor(140, 146, 156);
const GRID: RGBColor = RGBColor(232, 234, 238);
const BLUE: RGBColor = RGBColor(62, 104, 158);
const ORANGE: RGBColor = RGBColor(214, 128, 74);
const GREEN: RGBColor = RGBColor(72, 148, 104);
const RED: RGBColor = RGBColor(190, 76, 76);

type Drawing<'a> = DrawingArea<BitMapBackend<'a>, Shift>;
type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

/// Draws a picture of `size` pixels and writes it, whole or not at all.
fn render(path: &Path, size: (u32, u32), draw: impl FnOnce(&Drawing) -> Drawn) -> Result<()> {
    static FONTS: Once = Once::new();
    FONTS.call_once(|| {
        // A font that cannot be read leaves text out; the picture is still drawn.
        let _ = register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular());
        let _ = register_font("sans-serif", FontStyle::Bold, dejavu::sans::bold());
    });
    check_writable(path)?;
    let fail = |error: &dyn std::fmt::Display| Error::file(path, format!("cannot be drawn: {error}"));
    let large = (size.0 * SCALE, size.1 * SCALE);
    let mut pixels = vec![255; (large.0 * large.1 * 3) as usize];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, large).into_drawing_area();
        area.fill(&WHITE).map_err(|error| fail(&error))?;
        draw(&area).map_err(|error| fail(&error))?;
        area.present().map_err(|error| fail(&error))?;
    }
    let small = shrink(&pixels, large);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let temporary = path.with_file_name(format!(".tmp-{name}"));
    {
        let mut image = BitMapBackend::new(&temporary, size);
        image.blit_bitmap((0, 0), size, &small).map_err(|error| fail(&error))?;
        image.present().map_err(|error| fail(&error))?;
    }
    std::fs::rename(&temporary, path).map_err(|error| fail(&error))
}

/// Averages `SCALE` × `SCALE` pixels of three bytes into one.
fn shrink(pixels: &[u8], (width, height): (u32, u32)) -> Vec<u8> {
    let scale = SCALE as usize;
    let (width, height) = (width as usize, height as usize);
    let mut out = Vec::with_capacity(pixels.len() / (scale * scale));
    for y in 0..height / scale {
        for x in 0..width / scale {
            for channel in 0..3 {
                let mut sum = 0;
                for dy in 0..scale {
                    for dx in 0..scale {
                        let at = ((y * scale + dy) * width + x * scale + dx) * 3 + channel;
                        sum += usize::from(pixels[at]);
                    }
                }
                out.push((sum / (scale * scale)) as u8);
            }
        }
    }
    out
}

/// `value` pixels of the picture in pixels of the drawing.
fn px(value: u32) -> u32 {
    value * SCALE
}

/// Text of `size` pixels of the picture.
fn text(size: u32, colour: &RGBColor) -> TextStyle<'static> {
    TextStyle { color: colour.to_backend_color(), ..TextStyle::from(("sans-serif", px(size)).into_font()) }
}

/// A heading, and a line of explanation under it.
fn heading<'a>(
    area: &Drawing<'a>,
    title: &str,
    subtitle: &str,
) -> std::result::Result<Drawing<'a>, Box<dyn std::error::Error>> {
    let bold = TextStyle::from(("sans-serif", px(18), FontStyle::Bold).into_font()).color(&INK);
    let (left, top) = (px(24) as i32, px(18) as i32);
    area.draw_text(title, &bold, (left, top))?;
    area.draw_text(subtitle, &text(12, &FAINT), (left, top + px(27) as i32))?;
    Ok(area.margin(px(66), px(12), px(12), px(16)))
}
