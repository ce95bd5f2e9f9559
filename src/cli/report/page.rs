//! The page: head, style, parts.

use super::html::escape;
use super::{Reported, overview, section};

const STYLE: &str = include_str!("style.css");

/// The whole page.
pub fn page(runs: &[Reported]) -> String {
    let title = match runs {
        [(run, _)] => run.name.clone(),
        _ => format!("{} runs", runs.len()),
    };
    let mut body = String::new();
    if runs.len() > 1 {
        body += &overview::overview(runs);
    }
    for (index, (run, measured)) in runs.iter().enumerate() {
        body += &section::section(run, measured, &anchor(index));
    }
    let title = escape(&title);
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>{title} – spikegrad</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n<footer>spikegrad {version}</footer>\n</body>\n</html>\n"
    )
}

/// The name by which the page finds the part about run `index`.
pub fn anchor(index: usize) -> String {
    format!("run-{index}")
}
