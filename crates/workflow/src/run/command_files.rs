//! The files through which a step tells the runner something: `$GITHUB_OUTPUT` and its like.

/// Names and values of `name=value` lines and of blocks:
/// ```text
/// name<<END
/// several lines
/// END
/// ```
pub(super) fn read(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut entries = Vec::new();
    let mut lines = text.strip_prefix('\u{feff}').unwrap_or(text).split_inclusive('\n');
    while let Some(line) = lines.next() {
        let line = without_end(line);
        if line.is_empty() {
            continue;
        }
        let equals = line.find('=');
        let block = line.find("<<").filter(|at| equals.is_none_or(|equals| *at < equals));
        let (name, value) = match (block, equals) {
            (Some(at), _) => (&line[..at], block_value(&line[at + 2..], &mut lines)?),
            (None, Some(at)) => (&line[..at], line[at + 1..].to_owned()),
            (None, None) => return Err(format!("{line:?} is neither name=value nor name<<END")),
        };
        if name.is_empty() {
            return Err(format!("{line:?} has no name"));
        }
        entries.push((name.to_owned(), value));
    }
    Ok(entries)
}

/// The lines until the one that ends the block.
fn block_value<'a>(end: &str, lines: &mut impl Iterator<Item = &'a str>) -> Result<String, String> {
    if end.is_empty() {
        return Err("expected a word after <<, which ends the block".to_owned());
    }
    let mut value = String::new();
    for line in lines {
        if without_end(line) == end {
            // The end of the last line belongs to the block.
            let length = without_end(&value).len();
            value.truncate(length);
            return Ok(value);
        }
        value.push_str(line);
    }
    Err(format!("expected a line {end:?}, which ends the block, found the end of the file"))
}

fn without_end(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

/// The lines of `$GITHUB_PATH`.
pub(super) fn paths(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Result<Vec<(String, String)>, String> {
        read(text)
    }

    #[test]
    fn lines_and_blocks_are_read() {
        let entries = of("a=1\n\nb=x=y\r\nc<<EOF\none\n\ntwo\nEOF\nd<<==\nz=<<\n==\ne=\nf<<X\nX\ng=<<h\ni<<E\r\nq\r\nE\r\n").unwrap();
        let entries: Vec<_> = entries.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            entries,
            [
                ("a", "1"),
                ("b", "x=y"),
                ("c", "one\n\ntwo"),
                ("d", "z=<<"),
                ("e", ""),
                ("f", ""),
                ("g", "<<h"),
                ("i", "q"),
            ]
        );
    }

    #[test]
    fn what_has_no_form_is_told() {
        for (text, message) in [
            ("nonsense", "\"nonsense\" is neither name=value nor name<<END"),
            ("=x", "\"=x\" has no name"),
            ("a<<", "expected a word after <<"),
            ("a<<EOF\nx\n", "expected a line \"EOF\""),
        ] {
            assert!(of(text).unwrap_err().starts_with(message), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(?s).{0,80}") {
            _ = of(&text);
        }

        #[test]
        fn a_block_gives_back_what_was_put_in(value in "[a-z=<\n]{0,40}") {
            let text = format!("x<<ghadelimiter_1\n{value}\nghadelimiter_1\n");
            prop_assert_eq!(of(&text), Ok(vec![("x".to_owned(), value)]));
        }
    }
}
