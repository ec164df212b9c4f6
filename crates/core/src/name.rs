//! Names that people give, made safe for paths and terminals.

use std::{borrow::Cow, fmt::Write};

/// Longest stem that leaves room for a suffix within the 255 bytes of a file name.
const MAX_STEM: usize = 200;

/// The part of a file name that stands for an app.
///
/// As in PM2 every character outside `[a-zA-Z0-9.\-\\]` becomes `-` (underscores too), so that no name reaches
/// another directory or breaks a shell line.
pub fn file_stem(app: &str) -> String {
    app.chars()
        .take(MAX_STEM)
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '\\') { c } else { '-' })
        .collect()
}

/// `text` as it may be shown on a terminal: control characters are written out (`\u{1b}`), because a name is
/// foreign text and an escape sequence in it could rewrite the screen.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unprintable(c) {
            // Writing to a String cannot fail.
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Controls, and the marks that reorder the text around them.
fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_are_plain_and_short() {
        assert_eq!(file_stem("late_one"), "late-one");
        assert_eq!(file_stem("api v1.2/ü"), "api-v1.2--");
        assert_eq!(file_stem(&"x".repeat(1000)).len(), MAX_STEM);
    }

    #[test]
    fn escapes_never_reach_the_terminal() {
        assert_eq!(printable("plain ✓"), "plain ✓");
        assert_eq!(printable("a\x1b[2Jb\n\u{202e}"), "a\\u{1b}[2Jb\\u{a}\\u{202e}");
    }
}
