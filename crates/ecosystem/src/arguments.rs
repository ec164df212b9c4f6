//! Arguments in one text.

/// Splits as PM2 does: at white space, but not within `"…"`, `'…'`, `key="…"` and `key='…'`. Quotes around a
/// whole argument are taken off; there are no escapes, and nothing is expanded.
pub(crate) fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = pair_end(rest)
            .or_else(|| quoted_end(rest))
            .or_else(|| rest.find(char::is_whitespace))
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let word = unquoted(word);
        if !word.trim().is_empty() {
            words.push(word.to_owned());
        }
        rest = after.trim_start();
    }
    words
}

/// The length of `key="…"` where the text begins with one.
fn pair_end(text: &str) -> Option<usize> {
    let key = text.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '='))?;
    let value = text[key..].strip_prefix('=').filter(|_| key > 0)?;
    Some(key + 1 + quoted_end(value)?)
}

/// The length of `"…"` or `'…'` where the text begins with one.
fn quoted_end(text: &str) -> Option<usize> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    Some(text[1..].find(quote)? + 2)
}

fn unquoted(word: &str) -> &str {
    let inner = |quote| word.strip_prefix(quote).map(|rest| rest.strip_suffix(quote).unwrap_or(rest));
    match word.chars().next() {
        // A quote that is alone is both ends of itself.
        Some(quote @ ('"' | '\'')) if word.ends_with(quote) => inner(quote).unwrap_or(word),
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_splits_as_in_pm2() {
        // Each expectation is what PM2 7.0.4 made of it.
        for (text, words) in [
            (r#"x "y z" --k=v"#, &["x", "y z", "--k=v"][..]),
            (r#"--k="a b" 'c d'"#, &[r#"--k="a b""#, "c d"]),
            (r#"a="b"c"#, &[r#"a="b""#, "c"]),
            (r#"a"b c"d"#, &[r#"a"b"#, r#"c"d"#]),
            (r#""open 'x"#, &[r#""open"#, "'x"]),
            (r#""" '' " " x"#, &["x"]),
            (r#"" y"#, &["y"]),
            ("=\"a b\"", &["=\"a", "b\""]),
            ("  \t ", &[]),
            ("ü=\"ö ä\" é", &["ü=\"ö ä\"", "é"]),
        ] {
            assert_eq!(split(text), words, "{text}");
        }
    }
}
