//! Text that becomes HTML.

/// `text` as it may stand between tags and in a quoted attribute: markup in it is shown, not obeyed.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Other control characters may not stand in HTML, not even as references.
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A drawing with its caption, and a line of explanation where there is something to explain.
pub fn figure(caption: &str, note: &str, svg: &str) -> String {
    let note = if note.is_empty() { String::new() } else { format!("<p class=\"note\">{}</p>", escape(note)) };
    let caption = escape(caption);
    format!("<figure><figcaption>{caption}</figcaption>{note}<div class=\"scroll\">{svg}</div></figure>\n")
}

/// A number with about four digits that count.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        return "0".into();
    }
    if !value.is_finite() {
        return value.to_string();
    }
    if !(1e-4..1e6).contains(&size) {
        return format!("{value:.2e}").replace('-', "\u{2212}");
    }
    let digits = (3 - size.log10().floor() as i32).clamp(0, 7) as usize;
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    text.replace('-', "\u{2212}")
}

/// A fraction as `97.4 %`; None: a dash.
pub fn percent(fraction: Option<f64>) -> String {
    fraction.map_or("–".into(), |fraction| format!("{:.1}\u{202f}%", 100.0 * fraction))
}

/// Seconds for people: `19.4 s`, `12 min 3 s`, `3 h 20 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0 => format!("{seconds:.2} s"),
        1..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}
