//! Taking from an answer what differs from run to run: paths, pids, times, ids, sizes.

use std::{collections::BTreeSet, path::Path, sync::LazyLock};

use regex_lite::{Captures, Regex};
use serde_json::Value;

use super::table;

/// What is to be replaced in the answers of one session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Normal {
    /// Longest first: a working directory may lie in another path.
    words: Vec<(String, &'static str)>,
    /// The processes that were seen.
    pub(crate) pids: BTreeSet<i32>,
}

static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        ("\u{1b}\\[[0-9;]*[A-Za-z]", ""),
        (r"host metrics \| .*", "host metrics | <numbers>"),
        (r"\bunstable restarts │ \d+ │", "unstable restarts │ <number> │"),
        ("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uuid>"),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?", "<date>"),
        (r"\d{4}-\d\d-\d\d-\d\d:\d\d:\d\d([+-]\d{4})?", "<date>"),
        (r"\b\d\d:\d\d:\d\d\b", "<time>"),
        (r"\buptime( *[:│] )\d+[smhDMY]\b", "uptime$1<time>"),
        (r"\b1[6-9]\d{11}\b", "<ms>"),
        (r"\b(0|\d+(\.\d+)?[kmg])b\b", "<size>"),
        (r"\b\d+(\.\d+)?%", "<percent>"),
    ]
    .into_iter()
    .map(|(pattern, word)| (Regex::new(pattern).expect("it is an expression"), word))
    .collect()
});

static NUMBER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b[1-9]\d{1,6}\b").expect("it is an expression"));

impl Normal {
    /// Replaces a path, or another text, by a word.
    pub(crate) fn word(&mut self, path: &Path, word: &'static str) {
        self.words.push((path.display().to_string(), word));
        self.words.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    }

    /// What a program said.
    pub(crate) fn text(&self, text: &str) -> String {
        let mut text = table::normal(text, |text| self.paths(text));
        for (pattern, word) in &*PATTERNS {
            text = pattern.replace_all(&text, *word).into_owned();
        }
        sorted(&NUMBER.replace_all(&text, |found: &Captures<'_>| self.number(&found[0])))
    }

    fn number(&self, text: &str) -> String {
        let is_pid = text.parse().is_ok_and(|number| self.pids.contains(&number));
        if is_pid { "<pid>".to_owned() } else { text.to_owned() }
    }

    fn paths(&self, text: &str) -> String {
        self.words.iter().fold(text.to_owned(), |text, (path, word)| text.replace(path, word))
    }

    /// A value of `jlist` or of an environment, by its name.
    pub(crate) fn leaf(&self, name: &str, value: &Value) -> String {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match name {
            "pid" if value.as_f64().is_some_and(|number| number > 0.0) => "<number>".to_owned(),
            "cpu" | "memory" if value.is_number() => "<number>".to_owned(),
            // Whether a run that was ended by hand was a short one depends on how busy the machine is.
            "unstable_restarts" => "<number>".to_owned(),
            "_tree_pids" => "<pids>".to_owned(),
            "pm_uptime" | "created_at" if text.len() == 13 => "<ms>".to_owned(),
            "NODE_CHANNEL_FD" => text,
            // A text stays distinguishable from a number or a truth value.
            _ if value.is_string() => format!("'{}'", self.text(&text)),
            _ => self.text(&text),
        }
    }
}

/// The text with its `[PM2] [name](id) ✓` lines in order where several follow each other: whoever is done first is
/// told first.
fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    for done in lines.chunk_by_mut(|one, other| one.ends_with("✓\n") && other.ends_with("✓\n")) {
        done.sort_unstable();
    }
    lines.concat()
}

#[test]
fn order_of_completion_is_chance() {
    assert_eq!(sorted("b\n2 ✓\n1 ✓\na\n1 ✓\n"), "b\n1 ✓\n2 ✓\na\n1 ✓\n");
}
