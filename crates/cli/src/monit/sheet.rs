//! Names and values in two columns, with long values broken to fit.

use unicode_width::UnicodeWidthChar;

use crate::render::grid::{clip, display_width};

/// A name and its value, both safe for a terminal.
pub(super) type Entry = (String, String);

/// `entries` as lines of at most `width` columns: a name, which is empty on the further lines of a value, padded to
/// its column, and a piece of the value.
pub(super) fn lines(entries: &[Entry], width: usize) -> Vec<Entry> {
    let longest = entries.iter().map(|(name, _)| display_width(name)).max().unwrap_or(0);
    let names = longest.min(width / 2);
    let values = width.saturating_sub(names + 1).max(1);
    let mut lines = Vec::with_capacity(entries.len());
    for (name, value) in entries {
        let mut name = clip(name, names);
        for piece in pieces(value, values) {
            let padding = names.saturating_sub(display_width(name)) + 1;
            lines.push((format!("{name}{}", " ".repeat(padding)), piece.to_owned()));
            name = "";
        }
    }
    lines
}

/// `text` in pieces of at most `width` columns; at least one.
fn pieces(text: &str, width: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut columns) = (0, 0);
    for (at, c) in text.char_indices() {
        let taken = c.width().unwrap_or(0);
        if columns + taken > width && at > start {
            pieces.push(&text[start..at]);
            (start, columns) = (at, 0);
        }
        columns += taken;
    }
    pieces.push(&text[start..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_broken() {
        let entry = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let entries = [entry("name", "web"), entry("a long name", "/srv/漢字x"), entry("none", "")];
        let shown: Vec<_> =
            lines(&entries, 12).into_iter().map(|(name, value)| format!("{name}|{value}")).collect();
        assert_eq!(shown, ["name   |web", "a long |/srv/", "       |漢字x", "none   |"]);
        assert_eq!(lines(&entries, 0).len(), 3 + 8 + 1, "one character a line");
    }
}
