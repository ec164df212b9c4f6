//! The attributes of PM2 that change nothing here. They are checked, and told by `jlist` as they were declared.
//!
//! To support one is to move it into the table of [`crate::attributes`].

use serde_json::Value as Json;

use crate::{
    node::{Node, Value},
    values::{self, Read, expected},
};

/// One of them.
pub(crate) struct Extra {
    /// How it is written.
    pub(crate) key: &'static str,
    /// How `jlist` writes it.
    pub(crate) name: &'static str,
    pub(crate) read: fn(&Node) -> Read<Json>,
    quiet: Quiet,
}

/// Which value asks for what happens anyway, so that nobody needs to be told that it has no effect.
#[derive(Clone, Copy)]
enum Quiet {
    /// `false`, and what is empty.
    Off,
    /// `true`.
    On,
    /// Any: it is about something that cannot be seen from here.
    Any,
}

const fn extra(key: &'static str, read: fn(&Node) -> Read<Json>, quiet: Quiet) -> Extra {
    Extra { key, name: key, read, quiet }
}

pub(crate) static EXTRAS: &[Extra] = &[
    extra("automation", switch, Quiet::Any),
    extra("deep_monitoring", switch, Quiet::Off),
    extra("disable_source_map_support", switch, Quiet::On),
    extra("disable_trace", switch, Quiet::On),
    extra("event_loop_inspector", switch, Quiet::Off),
    extra("force", switch, Quiet::Off),
    extra("install_url", text, Quiet::Off),
    extra("io", table, Quiet::Any),
    extra("kill_retry_time", number, Quiet::Any),
    extra("pmx", switch_or_text, Quiet::Any),
    extra("post_update", list, Quiet::Off),
    // The daemon has Node read them.
    extra("source_map_support", switch, Quiet::Any),
    extra("trace", switch, Quiet::Off),
    extra("v8", switch, Quiet::Off),
    extra("vizion", switch, Quiet::Any),
    Extra { key: "windows_hide", name: "windowsHide", read: switch, quiet: Quiet::Any },
    extra("write", switch, Quiet::Off),
];

/// The one that is written `key`.
pub(crate) fn find(key: &str) -> Option<&'static Extra> {
    EXTRAS.iter().find(|extra| extra.key == key)
}

impl Extra {
    /// Whether `node` asks for what happens anyway.
    pub(crate) fn is_quiet(&self, node: &Node) -> bool {
        match (self.quiet, &node.value) {
            (Quiet::Any, _) => true,
            (Quiet::On, Value::Bool(value)) => *value,
            (Quiet::Off, Value::Bool(value)) => !value,
            (Quiet::Off, Value::String(text)) => text.is_empty(),
            (Quiet::Off, Value::Array(items)) => items.is_empty(),
            (Quiet::Off, Value::Table(entries)) => entries.is_empty(),
            _ => false,
        }
    }
}

/// What one attribute says about another, as PM2 stores it.
pub(crate) fn settle(extras: &mut serde_json::Map<String, Json>) {
    if extras.remove("disable_trace") == Some(Json::Bool(true)) {
        extras.insert("trace".to_owned(), Json::Bool(false));
    }
    if extras.get("automation") == Some(&Json::Bool(false)) {
        extras.insert("pmx".to_owned(), Json::Bool(false));
    }
}

fn switch(node: &Node) -> Read<Json> {
    values::boolean(node).map(Json::from)
}

fn switch_or_text(node: &Node) -> Read<Json> {
    match &node.value {
        Value::String(text) => Ok(text.parse::<bool>().map_or_else(|_| node.to_json(), Json::from)),
        _ => switch(node),
    }
}

fn text(node: &Node) -> Read<Json> {
    values::text(node).map(|text| text.unwrap_or_default().into())
}

fn number(node: &Node) -> Read<Json> {
    values::millis(node).map(|time| time.0.into())
}

fn list(node: &Node) -> Read<Json> {
    match &node.value {
        Value::Array(_) => Ok(node.to_json()),
        _ => expected("a list", node),
    }
}

fn table(node: &Node) -> Read<Json> {
    match &node.value {
        Value::Table(_) => Ok(node.to_json()),
        _ => expected("a table", node),
    }
}
