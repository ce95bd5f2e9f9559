//! Heat maps: accuracy over two factors, a panel for each network.

use super::*;

/// A heat map.
pub struct HeatPanel {
    pub title: String,
    /// `[row][column]`, fractions; None where there is nothing.
    pub cells: Vec<Vec<Option<f64>>>,
}

/// From few to many: dark violet, blue, green, yellow, as in viridis, which grows evenly in lightness.
const COLOURS: [(u8, u8, u8); 5] = [(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)];

pub(super) fn colour(fraction: f64) -> RGBColor {
    let at = fraction.clamp(0.0, 1.0) * (COLOURS.len() - 1) as f64;
    let (from, part) = (COLOURS[at as usize], at.fract());
    let to = COLOURS[(at as usize + 1).min(COLOURS.len() - 1)];
    let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * part).round() as u8;
    RGBColor(mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
}

/// Draws panels to `path`, each cell with its number; `across` and `up` name the factors and their levels.
///
/// # Errors
/// [`Error::File`] where it cannot be written.
pub fn heat_maps(
    path: &Path,
    title: &str,
    subtitle: &str,
    across: (&str, &[String]),
    up: (&str, &[String]),
    panels: &[HeatPanel],
) -> Result<()> {
    let columns = if panels.len() > 4 { 3 } else { panels.len().clamp(1, 2) };
    let rows = panels.len().div_ceil(columns);
    let cell = (46u32, 30u32);
    let panel = (cell.0 * across.1.len() as u32 + 110, cell.1 * up.1.len() as u32 + 100);
    let size = ((panel.0 * columns as u32 + 40).max(760), panel.1 * rows as u32 + 110);
    render(path, size, |area| {
        let body = heading(area, title, subtitle)?;
        for (area, panel) in body.split_evenly((rows, columns)).iter().zip(panels) {
            draw(area, panel, across, up, cell)?;
        }
        Ok(())
    })
}

fn draw(
    area: &Drawing,
    panel: &HeatPanel,
    across: (&str, &[String]),
    up: (&str, &[String]),
    cell: (u32, u32),
) -> Drawn {
    use plotters::style::text_anchor::{HPos, Pos, VPos};
    let centred = |size, colour: &RGBColor| text(size, colour).pos(Pos::new(HPos::Center, VPos::Center));
    let (left, top) = (px(84) as i32, px(34) as i32);
    let (width, height) = (px(cell.0) as i32, px(cell.1) as i32);
    area.draw_text(&panel.title, &text(13, &INK), (left, px(8) as i32))?;
    let count = up.1.len() as i32;
    for (row, cells) in panel.cells.iter().enumerate() {
        // The first row is the lowest.
        let y = top + (count - 1 - row as i32) * height;
        area.draw_text(
            &up.1[row],
            &text(11, &INK).pos(Pos::new(HPos::Right, VPos::Center)),
            (left - px(6) as i32, y + height / 2),
        )?;
        for (column, value) in cells.iter().enumerate() {
            let x = left + column as i32 * width;
            let corners = [(x, y), (x + width - SCALE as i32, y + height - SCALE as i32)];
            let (fill, ink, label) = match value {
                Some(value) => {
                    let ink = if *value > 0.55 { RGBColor(20, 22, 28) } else { WHITE };
                    (colour(*value), ink, format!("{:.0}", 100.0 * value))
                }
                None => (GRID, FAINT, "–".into()),
            };
            area.draw(&Rectangle::new(corners, fill.filled()))?;
            area.draw_text(&label, &centred(11, &ink), (x + width / 2, y + height / 2))?;
        }
    }
    let bottom = top + count * height;
    for (column, label) in across.1.iter().enumerate() {
        let x = left + column as i32 * width + width / 2;
        area.draw_text(label, &centred(11, &INK), (x, bottom + px(10) as i32))?;
    }
    let middle = left + across.1.len() as i32 * width / 2;
    area.draw_text(across.0, &centred(12, &FAINT), (middle, bottom + px(28) as i32))?;
    let turned = TextStyle {
        color: FAINT.to_backend_color(),
        ..TextStyle::from(("sans-serif", px(12)).into_font().transform(FontTransform::Rotate270))
    };
    area.draw_text(up.0, &turned.pos(Pos::new(HPos::Center, VPos::Top)), (px(8) as i32, top + count * height / 2))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go_from_dark_to_light() {
        let light = |fraction| {
            let RGBColor(red, green, blue) = colour(fraction);
            0.3 * f64::from(red) + 0.59 * f64::from(green) + 0.11 * f64::from(blue)
        };
        let all: Vec<f64> = (0..=20).map(|step| light(f64::from(step) / 20.0)).collect();
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "{all:?}");
        assert_eq!(colour(2.0), colour(1.0));
    }
}
