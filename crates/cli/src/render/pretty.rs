//! JSON as Node's `util.inspect` shows it, without colours and to any depth: the form of PM2's `prettylist` and
//! `slist`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A line that would be longer is broken up.
const LINE: usize = 80;
/// What has this many levels in it is broken up, however short it is.
const COMPACT: usize = 3;

/// The text of a JSON document. Keys keep their order.
pub(crate) fn pretty(json: &[u8]) -> serde_json::Result<String> {
    Ok(serde_json::from_slice::<Ordered>(json)?.show(0).text)
}

/// A value whose keys stand in the order in which they were written.
enum Ordered {
    Bare(String),
    Text(String),
    Array(Vec<Ordered>),
    Object(Vec<(String, Ordered)>),
}

/// A value as text.
struct Shown {
    text: String,
    /// Levels of what is nested in it last, itself included; 0 for a scalar and for what is empty.
    levels: usize,
}

impl Ordered {
    fn show(&self, indentation: usize) -> Shown {
        match self {
            Self::Bare(text) => Shown { text: text.clone(), levels: 0 },
            Self::Text(text) => Shown { text: quoted(text), levels: 0 },
            Self::Array(items) => {
                let shown = items.iter().map(|item| item.show(indentation + 2)).collect();
                enclose(['[', ']'], shown, indentation)
            }
            Self::Object(entries) => {
                let show = |(key, value): &(String, Self)| {
                    let Shown { text, levels } = value.show(indentation + 2);
                    let key = if is_identifier(key) { key.clone() } else { quoted(key) };
                    Shown { text: format!("{key}: {text}"), levels }
                };
                enclose(['{', '}'], entries.iter().map(show).collect(), indentation)
            }
        }
    }
}

fn enclose([open, close]: [char; 2], items: Vec<Shown>, indentation: usize) -> Shown {
    if items.is_empty() {
        return Shown { text: format!("{open}{close}"), levels: 0 };
    }
    let levels = items.iter().rev().map(|item| item.levels).find(|levels| *levels > 0).unwrap_or(0) + 1;
    let items: Vec<_> = items.into_iter().map(|item| item.text).collect();
    let text = if levels <= COMPACT && fits(&items, indentation) {
        format!("{open} {} {close}", items.join(", "))
    } else {
        let line = format!("\n{:indentation$}", "");
        format!("{open}{line}  {}{line}{close}", items.join(&format!(",{line}  ")))
    };
    Shown { text, levels }
}

/// Whether all stands on one line, by Node's arithmetic.
fn fits(items: &[String], indentation: usize) -> bool {
    let separators = items.len() * 2 + indentation + 1 + 10;
    let total: usize = items.iter().map(|item| item.chars().count()).sum();
    total + separators <= LINE && items.iter().all(|item| !item.contains('\n'))
}

fn is_identifier(key: &str) -> bool {
    let mut letters = key.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// In the quotes that need no escape, single ones if it makes no difference.
fn quoted(text: &str) -> String {
    let quote = match text {
        text if !text.contains('\'') => '\'',
        text if !text.contains('"') => '"',
        text if !text.contains('`') && !text.contains("${") => '`',
        _ => '\'',
    };
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push(quote);
    for letter in text.chars() {
        match letter {
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{b}' => quoted.push_str("\\v"),
            '\u{c}' => quoted.push_str("\\f"),
            '\\' => quoted.push_str("\\\\"),
            '\'' if quote == '\'' => quoted.push_str("\\'"),
            letter if letter.is_control() => quoted.extend(format!("\\x{:02X}", u32::from(letter)).chars()),
            letter => quoted.push(letter),
        }
    }
    quoted.push(quote);
    quoted
}

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Ordered;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_unit<E>(self) -> Result<Ordered, E> {
                Ok(Ordered::Bare("null".to_owned()))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Ordered, E> {
                Ok(Ordered::Bare(value.to_string()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Ordered, E> {
                Ok(Ordered::Bare(value.to_string()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Ordered, E> {
                Ok(Ordered::Bare(value.to_string()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Ordered, E> {
                Ok(Ordered::Bare(value.to_string()))
            }

            fn visit_str<E>(self, value: &str) -> Result<Ordered, E> {
                Ok(Ordered::Text(value.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Ordered, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Ordered::Array(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered::Object(entries))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(json: &str) -> String {
        pretty(json.as_bytes()).unwrap()
    }

    /// The texts are what Node 20 prints.
    #[test]
    fn it_is_written_as_node_writes_it() {
        assert_eq!(shown("[]"), "[]");
        assert_eq!(shown("{}"), "{}");
        assert_eq!(shown(r#"{"b":1,"a":[true,null,1.5]}"#), "{ b: 1, a: [ true, null, 1.5 ] }");
        assert_eq!(
            shown(
                r#"{"CPU Usage":{"value":0,"type":"metric","unit":"%","historic":true},"a":{"value":-1,"type":"metric"}}"#
            ),
            "{\n  'CPU Usage': { value: 0, type: 'metric', unit: '%', historic: true },\n  a: { value: -1, type: 'metric' }\n}"
        );
        assert_eq!(shown(r#"{"a":{"b":{"c":{"d":1}}}}"#), "{\n  a: { b: { c: { d: 1 } } }\n}");
        assert_eq!(shown("[[[[]]]]"), "[ [ [ [] ] ] ]");
    }

    #[test]
    fn texts_are_quoted_with_what_needs_no_escape() {
        assert_eq!(shown(r#""it's""#), "\"it's\"");
        assert_eq!(shown(r#""it's \"so\"""#), "`it's \"so\"`");
        assert_eq!(shown(r#""a\nb\u001b[0m\\""#), "'a\\nb\\x1B[0m\\\\'");
        assert_eq!(shown(r#"{"a-b":"x","_c1":"y"}"#), "{ 'a-b': 'x', _c1: 'y' }");
    }
}
