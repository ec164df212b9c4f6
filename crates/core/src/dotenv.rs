//! Files of environment variables as npm's `dotenv` reads them, which differs from [`crate::env_file`]: an unquoted value
//! ends at the first `#`, `${NAME}` is text, `NAME: value` is a variable, and what is no variable is passed over.

use std::sync::LazyLock;

use regex_lite::{Captures, Regex};

/// What JavaScript takes for white space.
const BLANK: &str =
    r"[\t\n\x0b\x0c\r \u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{feff}]";

/// A variable, from the beginning of its line to the end of the line on which its value ends.
static VARIABLE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let quoted = |quote: char| format!(r"{BLANK}*{quote}(?:\\{quote}|[^{quote}])*{quote}");
    let value = [quoted('\''), quoted('"'), quoted('`'), r"[^#\r\n]+".to_owned()].join("|");
    let name = r"([A-Za-z0-9_.-]+)";
    let pattern = format!(
        r"(?m)^{BLANK}*(?:export{BLANK}+)?{name}(?:{BLANK}*={BLANK}*?|:{BLANK}+?)({value})?{BLANK}*(?:#[^\r\n]*)?$"
    );
    Regex::new(&pattern).ok()
});

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dotenv {
    /// Names and values, in order; a name may be there twice, and the last counts.
    pub variables: Vec<(String, String)>,
    /// The lines, counted from 1, on which something stands that is neither a variable nor a comment.
    pub unread: Vec<usize>,
}

/// Reads a text.
pub fn parse(text: &str) -> Dotenv {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut read = Dotenv::default();
    let mut passed = 0;
    for found in VARIABLE.iter().flat_map(|variable| variable.captures_iter(&text)) {
        let range = found.get(0).map(|all| all.range()).unwrap_or_default();
        read.pass(&text, passed, range.start);
        passed = range.end;
        read.take(&text, passed, &found);
    }
    read.pass(&text, passed, text.len());
    read
}

impl Dotenv {
    fn take(&mut self, text: &str, end: usize, found: &Captures<'_>) {
        let name = found.get(1).map(|name| name.as_str()).unwrap_or_default();
        let written = found.get(2).map(|value| value.as_str()).unwrap_or_default();
        let value = value(written);
        // No process can get such a variable.
        if value.contains('\0') {
            let line = text[..end].matches('\n').count() + 1;
            self.unread.push(line);
            return;
        }
        self.variables.push((name.to_owned(), value));
    }

    /// Looks at what stands between two variables.
    fn pass(&mut self, text: &str, from: usize, to: usize) {
        let first = text[..from].matches('\n').count() + 1;
        let lines = text[from..to].split('\n').enumerate();
        let is_read = |line: &str| line.is_empty() || line.starts_with('#');
        self.unread.extend(lines.filter(|(_, line)| !is_read(trim(line))).map(|(offset, _)| first + offset));
    }
}

/// A value without its quotes; only double quotes have escapes.
fn value(written: &str) -> String {
    let trimmed = trim(written);
    let quote = trimmed.chars().next().filter(|first| matches!(first, '\'' | '"' | '`'));
    let inner = quote.and_then(|quote| trimmed.strip_prefix(quote)?.strip_suffix(quote));
    let value = inner.unwrap_or(trimmed);
    if quote == Some('"') { value.replace("\\n", "\n").replace("\\r", "\r") } else { value.to_owned() }
}

fn trim(text: &str) -> &str {
    let is_blank = |c: char| c != '\u{85}' && (c.is_whitespace() || c == '\u{feff}');
    text.trim_matches(is_blank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_package() {
        // Each expectation is what dotenv 17 makes of it.
        for (text, expected) in [
            ("X=", ""),
            ("export X = a b  ", "a b"),
            ("X=a#b", "a"),
            ("X=a # b", "a"),
            ("X: 1", "1"),
            ("X='a # b' # c", "a # b"),
            ("X=\"a\\nb\"", "a\nb"),
            ("X='a\\nb'", "a\\nb"),
            ("X=\"two\r\nlines\"", "two\nlines"),
            ("X=`it's \"it\"`", "it's \"it\""),
            ("X=${A}$$", "${A}$$"),
            ("X=\n'1'", "1"),
            ("X='a'b'", "a'b"),
            ("X=\"a", "\"a"),
            ("\u{feff}X=1", "1"),
        ] {
            let read = parse(text);
            assert_eq!(read.variables, [("X".to_owned(), expected.to_owned())], "{text:?}");
            assert_eq!(read.unread, [0; 0], "{text:?}");
        }
    }

    #[test]
    fn what_is_no_variable_is_told_by_its_line() {
        let read = parse("# one\n\nA=1\nwhat?\nB='2\n3'\n= 4\nC=5\0\nD=6");
        let names: Vec<_> = read.variables.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["A", "B", "D"]);
        assert_eq!(read.unread, [4, 7, 8]);
    }
}
