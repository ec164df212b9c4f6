//! What every format is turned into: a tree of values that know their place.

use std::fmt::Write;

use crate::source::Span;

/// A value and where it stands; formats that are evaluated, such as JavaScript, leave the place out.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its place in the source.
    pub span: Option<Span>,
    /// What it says.
    pub value: Value,
}

/// What a node can be: JSON's types, with integers apart from other numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Not declared, for an attribute; the word `null` in an environment.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    String(String),
    /// A list.
    Array(Vec<Node>),
    /// Keys and values, in order of appearance.
    Table(Vec<Entry>),
}

/// One line of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// The place of the key.
    pub span: Option<Span>,
    /// Its value.
    pub node: Node,
}

/// Text in a message is cut after so many characters.
const SHOWN: usize = 60;

impl Node {
    /// A text that comes from no file.
    pub fn text(text: impl Into<String>) -> Self {
        Self { span: None, value: Value::String(text.into()) }
    }

    /// What it is, for `expected ..., found ...`.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Integer(value) => value.to_string(),
            Value::Float(value) => value.to_string(),
            Value::String(text) => match text.char_indices().nth(SHOWN) {
                Some((end, _)) => format!("{:?}", format!("{}…", &text[..end])),
                None => format!("{text:?}"),
            },
            Value::Array(_) => "a list".to_owned(),
            Value::Table(_) => "a table".to_owned(),
        }
    }

    /// As text, the way JavaScript's `String` and `JSON.stringify` write it: what an environment variable gets.
    pub fn to_text(&self) -> String {
        if let Value::String(text) = &self.value {
            return text.clone();
        }
        let mut json = String::new();
        self.write_json(&mut json);
        json
    }

    /// As JSON. What JSON has no number for is `null`, as in JavaScript.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Integer(value) => (*value).into(),
            Value::Float(value) => (*value).into(),
            Value::String(text) => text.as_str().into(),
            Value::Array(nodes) => nodes.iter().map(Self::to_json).collect(),
            Value::Table(entries) => {
                entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect()
            }
        }
    }

    fn write_json(&self, json: &mut String) {
        match &self.value {
            Value::Null => json.push_str("null"),
            // Writing to a String cannot fail.
            Value::Bool(value) => _ = write!(json, "{value}"),
            Value::Integer(value) => _ = write!(json, "{value}"),
            Value::Float(value) => _ = write!(json, "{value}"),
            Value::String(text) => json.push_str(&quoted(text)),
            Value::Array(nodes) => list(json, ['[', ']'], nodes, Node::write_json),
            Value::Table(entries) => list(json, ['{', '}'], entries, |entry, json| {
                json.push_str(&quoted(&entry.key));
                json.push(':');
                entry.node.write_json(json);
            }),
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn list<T>(json: &mut String, [open, close]: [char; 2], items: &[T], write: impl Fn(&T, &mut String)) {
    json.push(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        write(item, json);
    }
    json.push(close);
}
