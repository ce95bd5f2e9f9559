//! Tables of text and numbers.

use crate::cli::report::html::escape;

/// An entry of a table.
#[derive(Clone, Debug)]
pub enum Cell {
    /// Words, at the left.
    Text(String),
    /// A number or a dash, at the right.
    Number(String),
    /// HTML that is made of escaped text.
    Markup(String),
}

/// A table with a row of headings; the first entry of a row names it. A heading with `*` before it belongs to numbers.
pub fn table(headings: &[&str], rows: &[Vec<Cell>]) -> String {
    let mut out = String::from("<div class=\"scroll\"><table><thead><tr>");
    for heading in headings {
        out += &match heading.strip_prefix('*') {
            Some(heading) => format!("<th scope=\"col\" class=\"n\">{}</th>", escape(heading)),
            None => format!("<th scope=\"col\">{}</th>", escape(heading)),
        };
    }
    out += "</tr></thead><tbody>";
    for row in rows {
        out += "<tr>";
        for (index, cell) in row.iter().enumerate() {
            let (class, text) = match cell {
                Cell::Text(text) => ("", escape(text)),
                Cell::Number(text) => (" class=\"n\"", escape(text)),
                Cell::Markup(html) => ("", html.clone()),
            };
            out += &match index {
                0 => format!("<th scope=\"row\"{class}>{text}</th>"),
                _ => format!("<td{class}>{text}</td>"),
            };
        }
        out += "</tr>";
    }
    out + "</tbody></table></div>\n"
}
