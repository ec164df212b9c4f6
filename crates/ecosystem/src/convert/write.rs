//! Writing TOML. An attribute is explained where it comes first.

use std::{borrow::Cow, collections::HashSet};

use rpm_core::{EnvFile, env_file::EnvFiles, name::printable_json};
use toml_writer::{ToTomlKey, ToTomlValue};

use crate::{
    Declaration,
    attributes::{self, ATTRIBUTES, Attribute, Dialect, Key, Sorted, sorted},
    extras::EXTRAS,
    node::{Entry, Node, Value},
};

/// A text that grows.
pub(super) struct Writer {
    pub(super) text: String,
    explained: HashSet<&'static str>,
    dialect: Dialect,
    /// Whether attributes that PM2 does not have are dropped where they cannot be read.
    is_lenient: bool,
}

impl Writer {
    pub(super) fn new(dialect: Dialect, is_lenient: bool) -> Self {
        Self { text: String::new(), explained: HashSet::new(), dialect, is_lenient }
    }

    pub(super) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// Lines for people.
    pub(super) fn comment(&mut self, text: &str) {
        // A line of its own for each; TOML allows no other control character than the tab.
        for line in text.split('\n').map(|line| line.replace(char::is_control, " ")).collect::<Vec<_>>() {
            self.text.push_str(["# ", &line].concat().trim_end());
            self.blank();
        }
    }

    /// A key and its value, which has no null.
    pub(super) fn line(&mut self, key: &str, node: &Node) {
        if let Some(value) = value(node) {
            self.text.push_str(&[&self::key(key), " = ", &value, "\n"].concat());
        }
    }

    /// An app, in the order of the table of attributes: first what is a line, then the tables of variables.
    pub(super) fn app(&mut self, entries: &[Entry]) {
        self.blank();
        self.header(&["apps"], true);
        let Sorted { chosen, others, .. } = sorted(entries, self.dialect);
        for attribute in ATTRIBUTES.iter().filter(|attribute| attribute.name != "env") {
            if let Some((_, _, entry)) = chosen.get(attribute.name) {
                let Some(node) = self.value_of(attribute, &entry.node) else { continue };
                if self.explained.insert(attribute.name) {
                    self.comment(attribute.about.trim());
                }
                self.line(attribute.name, &node);
            }
        }
        for extra in EXTRAS {
            let is_it = |(key, _): &&(Key<'_>, _)| matches!(key, Key::Extra(it) if it.key == extra.key);
            if let Some((_, entry)) = others.iter().rev().find(is_it) {
                self.line(extra.key, &entry.node);
            }
        }
        if let Some((_, _, entry)) = chosen.get("env") {
            self.variables("env", &entry.node, None);
        }
        let mut written = HashSet::new();
        for (key, entry) in &others {
            let Key::Profile(name) = key else { continue };
            // Of the same block twice the last counts.
            let last = others.iter().rev().find(|(_, other)| other.key == entry.key);
            if let Some((_, entry)) = last.filter(|_| written.insert(*name)) {
                let about = format!("With `--env {name}` these come on top.");
                let about = self.explained.insert("env_").then_some(about.as_str());
                self.variables(&entry.key, &entry.node, about);
            }
        }
    }

    /// The value of an attribute with the meaning that it has in its file.
    fn value_of<'a>(&self, attribute: &Attribute, node: &'a Node) -> Option<Cow<'a, Node>> {
        if !self.is_lenient || attributes::ours(attribute.name).is_none() {
            return Some(Cow::Borrowed(node));
        }
        let mut declaration = Declaration::default();
        (attribute.read)(&mut declaration, node).ok()?;
        Some(declaration.env_file.map_or(Cow::Borrowed(node), |files| Cow::Owned(dotenv_files(&files))))
    }

    /// Variables become text; what TOML cannot say is written as the text that it becomes.
    fn variables(&mut self, key: &str, node: &Node, about: Option<&str>) {
        let Value::Table(entries) = &node.value else { return };
        self.blank();
        if let Some(about) = about {
            self.comment(about);
        }
        self.header(&["apps", key], false);
        for entry in last_of_each(entries) {
            if has_null(&entry.node) {
                self.line(&entry.key, &Node::text(entry.node.to_text()));
            } else {
                self.line(&entry.key, &entry.node);
            }
        }
    }

    /// A table whose tables are written in the same way.
    pub(super) fn table(&mut self, path: &[&str], node: &Node, is_in_list: bool) {
        let Value::Table(entries) = &node.value else { return };
        let entries = last_of_each(entries);
        let (tables, lines): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| matches!(entry.node.value, Value::Table(_)));
        if is_in_list || tables.is_empty() || !lines.is_empty() {
            self.blank();
            self.header(path, is_in_list);
        }
        for entry in lines {
            self.line(&entry.key, &entry.node);
        }
        for entry in tables {
            self.table(&[path, &[&entry.key]].concat(), &entry.node, false);
        }
    }

    fn header(&mut self, path: &[&str], is_in_list: bool) {
        let (open, close) = if is_in_list { ("[[", "]]\n") } else { ("[", "]\n") };
        let path: Vec<_> = path.iter().map(|part| key(part)).collect();
        self.text.push_str(&[open, &path.join("."), close].concat());
    }
}

/// Files that are read as npm's `dotenv` reads them, and may be missing.
fn dotenv_files(files: &EnvFiles) -> Node {
    let entry =
        |key: &str, value| Entry { key: key.to_owned(), span: None, node: Node { span: None, value } };
    let file = |file: &EnvFile| {
        let path = Value::String(file.path.to_string_lossy().into_owned());
        let switches = [entry("required", Value::Bool(false)), entry("dotenv", Value::Bool(true))];
        Value::Table([entry("path", path)].into_iter().chain(switches).collect())
    };
    let files = files.0.iter().map(|it| Node { span: None, value: file(it) }).collect();
    Node { span: None, value: Value::Array(files) }
}

/// As one line of TOML; nothing for null, also within lists and tables.
fn value(node: &Node) -> Option<String> {
    Some(match &node.value {
        Value::Null => return None,
        Value::Bool(value) => value.to_toml_value(),
        Value::Integer(value) => value.to_toml_value(),
        Value::Float(value) if value.is_nan() => f64::NAN.copysign(1.0).to_toml_value(),
        Value::Float(value) => value.to_toml_value(),
        Value::String(text) => string(text),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().filter_map(value).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(entries) => {
            let entries = last_of_each(entries)
                .into_iter()
                .filter_map(|entry| Some(format!("{} = {}", key(&entry.key), value(&entry.node)?)));
            let entries: Vec<_> = entries.collect();
            if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) }
        }
    })
}

/// A key, written as [`string`] writes texts.
fn key(text: &str) -> String {
    escaped(text).unwrap_or_else(|| text.to_toml_key())
}

fn string(text: &str) -> String {
    escaped(text).unwrap_or_else(|| text.to_toml_value())
}

/// A text that could rewrite a terminal, with the escapes of JSON, which TOML has too.
fn escaped(text: &str) -> Option<String> {
    let json = serde_json::Value::from(text).to_string();
    match printable_json(&json) {
        Cow::Borrowed(_) => None,
        Cow::Owned(escaped) => Some(escaped),
    }
}

/// The entries that count where a key is there twice, which TOML forbids and JavaScript does not.
fn last_of_each(entries: &[Entry]) -> Vec<&Entry> {
    let mut seen = HashSet::new();
    let mut last: Vec<_> = entries.iter().rev().filter(|entry| seen.insert(entry.key.as_str())).collect();
    last.reverse();
    last
}

fn has_null(node: &Node) -> bool {
    match &node.value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Table(entries) => entries.iter().any(|entry| has_null(&entry.node)),
        _ => false,
    }
}
