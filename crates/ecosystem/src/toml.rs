//! TOML.

use toml::{
    Spanned,
    de::{DeInteger, DeTable, DeValue},
};

use crate::{
    Problem,
    node::{Entry, Node, Value},
    source::Source,
};

/// The tree of a TOML text, or everything that is wrong with it.
pub(crate) fn parse(source: &Source) -> Result<Node, Vec<Problem>> {
    let (table, errors) = DeTable::parse_recoverable(source.text());
    let mut problems: Vec<_> = errors
        .into_iter()
        .map(|error| {
            let what = format!("not TOML: {}", error.message());
            (error.span().map_or(0, |span| span.start), Problem::error(what).at(error.span()))
        })
        .collect();
    // The parser goes on after an error; what it then says about the same line is seldom another mistake.
    problems.sort_by_key(|(start, _)| *start);
    problems.dedup_by_key(|(start, _)| source.position(*start).0);
    let mut problems: Vec<_> = problems.into_iter().map(|(_, problem)| problem).collect();

    let span = table.span();
    let value = Value::Table(entries(table.into_inner(), &mut problems));
    if problems.is_empty() { Ok(Node { span: Some(span), value }) } else { Err(problems) }
}

fn node(spanned: Spanned<DeValue<'_>>, problems: &mut Vec<Problem>) -> Node {
    let span = Some(spanned.span());
    let value = match spanned.into_inner() {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Integer(integer) => Value::Integer(whole(&integer).unwrap_or_else(|| {
            problems.push(
                Problem::error(format!("expected a number of 64 bits, found {integer}")).at(span.clone()),
            );
            0
        })),
        // The parser has checked the form; what Rust cannot read is infinite.
        DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::INFINITY)),
        DeValue::Boolean(value) => Value::Bool(value),
        DeValue::Datetime(date) => Value::String(date.to_string()),
        DeValue::Array(array) => Value::Array(array.into_iter().map(|item| node(item, problems)).collect()),
        DeValue::Table(table) => Value::Table(entries(table, problems)),
    };
    Node { span, value }
}

fn whole(integer: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// The lines of a table in order of appearance: the crate gives them in order of their names.
fn entries(table: DeTable<'_>, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let mut entries: Vec<_> = table
        .into_iter()
        .map(|(key, value)| Entry {
            span: Some(key.span()),
            key: key.into_inner().into_owned(),
            node: node(value, problems),
        })
        .collect();
    entries.sort_by_key(|entry| entry.span.as_ref().map(|span| span.start));
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Node {
        parse(&Source::new("a.toml", text)).unwrap()
    }

    #[test]
    fn the_tree_keeps_order_and_places() {
        let text = "z = 1\na = [true, 'x']\n[env]\nB = 1.5\nA = 1979-05-27\n";
        let Value::Table(top) = parsed(text).value else { panic!("a table") };
        let keys: Vec<_> = top.iter().map(|entry| entry.key.as_str()).collect();
        assert_eq!(keys, ["z", "a", "env"]);
        assert_eq!(top[1].span, Some(6..7));
        assert_eq!(&text[top[1].node.span.clone().unwrap()], "[true, 'x']");
        assert_eq!(top[2].node.to_text(), r#"{"B":1.5,"A":"1979-05-27"}"#);
    }

    #[test]
    fn each_wrong_line_is_told_once() {
        let text = "a = = 1\nb = 2\nc = [1\nd = 99999999999999999999\n";
        let problems = parse(&Source::new("a.toml", text)).unwrap_err();
        let shown: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert!(shown.len() >= 2, "{shown:?}");
        assert!(
            shown.iter().all(|line| line.starts_with("not TOML: ") || line.contains("64 bits")),
            "{shown:?}"
        );
    }

    #[test]
    fn values_read_as_javascript_writes_them() {
        let text = "a=1.0\nb=-0x1F\nc=[{d=\"\\\"\"}]\ne=\"plain\"";
        let text = text.replace("-0x1F", "0x1F");
        let Value::Table(top) = parsed(&text).value else { panic!("a table") };
        let texts: Vec<_> = top.iter().map(|entry| entry.node.to_text()).collect();
        assert_eq!(texts, ["1", "31", r#"[{"d":"\""}]"#, "plain"]);
    }
}
