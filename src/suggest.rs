//! "Did you mean …": the nearest name to one that nobody knows.

/// The fewest insertions, deletions, replacements and swaps of neighbours that turn one word into the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let mut best = (rows[i - 1][j] + 1).min(row[j - 1] + 1);
            best = best.min(rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]));
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

/// The known name nearest to `word`, the first of several; None where none is near.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    let word = plain(word);
    let near = known.into_iter().map(|name| (distance(&word, &plain(name)), name));
    let (far, name) = near.min_by_key(|(far, _)| *far)?;
    (far <= (word.chars().count().max(name.chars().count())).div_ceil(3).min(4)).then_some(name)
}

/// `, did you mean NAME?` where a known name is near, else nothing.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map_or(String::new(), |name| format!(", did you mean {name}?"))
}

/// `unknown WHAT "WORD", did you mean NAME? Known: …`.
pub(crate) fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    let near = did_you_mean(word, known.iter().copied());
    let list = known.join(", ");
    if near.is_empty() {
        format!("unknown {what} {word:?}, known: {list}")
    } else {
        format!("unknown {what} {word:?}{near} Known: {list}")
    }
}

/// Adds the nearest name to a message of the form ``unknown field `x`, expected one of `a`, `b` ``.
pub(crate) fn with_nearest(message: String) -> String {
    if !message.starts_with("unknown field") && !message.starts_with("unknown variant") {
        return message;
    }
    let mut names = message.split('`').skip(1).step_by(2);
    let Some(word) = names.next() else { return message };
    let near = did_you_mean(word, names);
    format!("{message}{near}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let known = ["fast_sigmoid", "sigmoid", "atan", "tanh"];
        assert_eq!(nearest("fastsigmoid", known), Some("fast_sigmoid"));
        assert_eq!(nearest("Fast-Sigmoid", known), Some("fast_sigmoid"));
        assert_eq!(nearest("atn", known), Some("atan"));
        assert_eq!(nearest("tahn", known), Some("tanh"));
        assert_eq!(nearest("relu", known), None);
        assert_eq!(nearest("x", []), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn a_message_gets_the_nearest_of_its_own_list() {
        let message = |text: &str| with_nearest(text.to_string());
        assert!(message("unknown field `epoch`, expected one of `data`, `epochs`").ends_with(", did you mean epochs?"));
        assert_eq!(message("missing field `data`"), "missing field `data`");
    }
}
