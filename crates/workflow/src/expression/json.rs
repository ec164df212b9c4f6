//! Values as JSON and back, in the order of the text.

use std::{fmt, sync::Arc};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

use super::{value::Object, value::Value};

/// With an indent of two blanks.
pub(super) fn write(value: &Value) -> String {
    let mut text = String::new();
    push(value, 0, &mut text);
    text
}

fn push(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Number(number) if !number.is_finite() => text.push_str("null"),
        Value::Bool(_) | Value::Number(_) => text.push_str(&value.to_text()),
        Value::String(string) => text.push_str(&quoted(string)),
        Value::Array(items) => {
            let items = items.iter().map(|item| (None, item));
            block(['[', ']'], items, depth, text);
        }
        Value::Object(object) => {
            let entries = object.iter().map(|(name, value)| (Some(name), value));
            block(['{', '}'], entries, depth, text);
        }
    }
}

fn block<'a>(
    [open, close]: [char; 2],
    entries: impl Iterator<Item = (Option<&'a str>, &'a Value)>,
    depth: usize,
    text: &mut String,
) {
    text.push(open);
    let mut is_empty = true;
    for (name, value) in entries {
        if !is_empty {
            text.push(',');
        }
        is_empty = false;
        line(depth + 1, text);
        if let Some(name) = name {
            text.push_str(&quoted(name));
            text.push_str(": ");
        }
        push(value, depth + 1, text);
    }
    if !is_empty {
        line(depth, text);
    }
    text.push(close);
}

fn line(depth: usize, text: &mut String) {
    text.push('\n');
    text.push_str(&"  ".repeat(depth));
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl From<&serde_json::Value> for Value {
    fn from(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::Number(value) => Self::Number(value.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(value) => Self::from(value.as_str()),
            serde_json::Value::Array(items) => items.iter().collect(),
            serde_json::Value::Object(entries) => entries.iter().collect::<Object>().into(),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(Arc::new(values)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Object::default();
        while let Some((name, value)) = entries.next_entry::<String, Value>()? {
            object.set(name, value);
        }
        Ok(object.into())
    }
}
