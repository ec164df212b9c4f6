//! JSON5, and so JSON with comments: what PM2 takes a `.json` file for, the literal of an object in JavaScript.

use jsonc_parser::{
    ParseOptions,
    ast::{self, ObjectPropName},
    common::{Range, Ranged},
    errors::ParseError,
    parse_to_ast,
};

use crate::{
    Problem,
    node::{Entry, Node, Value},
    source::{Source, Span},
};

/// Everything that JSON5 allows, and no more.
const JSON5: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_loose_object_property_names: true,
    allow_trailing_commas: true,
    allow_missing_commas: false,
    allow_single_quoted_strings: true,
    allow_hexadecimal_numbers: true,
    allow_unary_plus_numbers: true,
    allow_bare_decimal_point_numbers: true,
    allow_non_finite_numbers: true,
    allow_extended_string_escapes: true,
};

/// The tree of a text, or the first thing that is wrong with it.
pub(crate) fn parse(source: &Source) -> Result<Node, Vec<Problem>> {
    let root = read(source.text(), place).map_err(|error| {
        let range = error.range();
        let message = error.kind().to_string();
        let message =
            message.get(..1).unwrap_or_default().to_lowercase() + message.get(1..).unwrap_or_default();
        vec![Problem::error(format!("not JSON: {message}")).at(Some(range.start..range.end))]
    })?;
    root.ok_or_else(|| vec![Problem::error("not JSON: expected a value, the file is empty")])
}

/// The tree of what a program has written, which has no places; nothing if it is none.
pub(crate) fn evaluated(text: &str) -> Option<Node> {
    read(text, |_| None).ok().flatten()
}

type Place = fn(Range) -> Option<Span>;

// What a place is of is decided by the caller.
#[expect(clippy::unnecessary_wraps, reason = "the form of a place")]
fn place(range: Range) -> Option<Span> {
    Some(range.start..range.end)
}

fn read(text: &str, place: Place) -> Result<Option<Node>, ParseError> {
    let parsed = parse_to_ast(text, &jsonc_parser::CollectOptions::default(), &JSON5)?;
    Ok(parsed.value.map(|value| node(value, place)))
}

fn node(value: ast::Value<'_>, place: Place) -> Node {
    let span = place(value.range());
    let value = match value {
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::BooleanLit(literal) => Value::Bool(literal.value),
        ast::Value::NumberLit(literal) => number(literal.value),
        ast::Value::StringLit(literal) => Value::String(literal.value.into_owned()),
        ast::Value::Array(array) => {
            Value::Array(array.elements.into_iter().map(|item| node(item, place)).collect())
        }
        ast::Value::Object(object) => {
            let entry = |property: ast::ObjectProp<'_>| Entry {
                span: place(match &property.name {
                    ObjectPropName::String(name) => name.range,
                    ObjectPropName::Word(name) => name.range,
                }),
                key: property.name.into_string(),
                node: node(property.value, place),
            };
            Value::Table(object.properties.into_iter().map(entry).collect())
        }
    };
    Node { span, value }
}

/// A number of JavaScript: the parser has checked its form.
fn number(text: &str) -> Value {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let hexadecimal = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let whole = match hexadecimal {
        Some(digits) => i64::from_str_radix(digits, 16).ok().map(|number| sign * number),
        None => text.strip_prefix('+').unwrap_or(text).parse().ok(),
    };
    whole.map_or_else(
        || {
            let float = match hexadecimal {
                // More than 64 bits: JavaScript rounds.
                Some(digits) => digits
                    .chars()
                    .filter_map(|digit| digit.to_digit(16))
                    .fold(0.0, |sum, digit| sum * 16.0 + f64::from(digit)),
                None => digits.parse().unwrap_or(f64::NAN),
            };
            Value::Float(f64::from(sign as i32) * float)
        },
        Value::Integer,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        parse(&Source::new("a.json", text)).unwrap().value
    }

    #[test]
    fn numbers_are_those_of_javascript() {
        for (text, number) in [
            ("1", Value::Integer(1)),
            ("-1", Value::Integer(-1)),
            ("+1", Value::Integer(1)),
            ("0x10", Value::Integer(16)),
            ("-0x10", Value::Integer(-16)),
            ("1.5", Value::Float(1.5)),
            (".5", Value::Float(0.5)),
            ("5.", Value::Float(5.0)),
            ("1e3", Value::Float(1000.0)),
            ("-Infinity", Value::Float(f64::NEG_INFINITY)),
            ("0xffffffffffffffffff", Value::Float(4_722_366_482_869_645_213_695.0)),
            ("9223372036854775808", Value::Float(9_223_372_036_854_775_808.0)),
        ] {
            assert_eq!(value(text), number, "{text}");
        }
        assert!(matches!(value("NaN"), Value::Float(float) if float.is_nan()));
    }

    #[test]
    fn the_tree_keeps_order_and_places() {
        let text = "// a comment\n{z: 1, 'a': [true, \"x\",], /* another */ env: {B: null,},}";
        let Value::Table(top) = value(text) else { panic!("a table") };
        let keys: Vec<_> = top.iter().map(|entry| entry.key.as_str()).collect();
        assert_eq!(keys, ["z", "a", "env"]);
        assert_eq!(&text[top[0].span.clone().unwrap()], "z");
        assert_eq!(&text[top[1].node.span.clone().unwrap()], "[true, \"x\",]");
        assert_eq!(top[2].node.to_text(), r#"{"B":null}"#);
    }

    #[test]
    fn what_was_evaluated_has_no_places() {
        let Some(Node { span: None, value: Value::Table(top) }) = evaluated("{\"a\": 1}") else { panic!() };
        assert_eq!((top[0].span.clone(), top[0].node.span.clone()), (None, None));
        assert_eq!(evaluated("{"), None);
        assert_eq!(evaluated(""), None);
    }
}
