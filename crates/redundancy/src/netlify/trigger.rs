//! What starts a function, as far as it can be known without running it. A scheduled or background function does its
//! work whenever it is called, and that work may be a push, a mail or a payment: it is neither called nor loaded.

use std::{collections::BTreeSet, fs, path::Path, path::PathBuf};

use globset::Glob;
use serde_json::Value;

/// What may be done with a function to see how it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trial {
    /// It is loaded and sent a test event.
    Invoke,
    /// It is loaded.
    Load,
    /// Its syntax is checked, and this is why.
    Parse(Trigger),
}

/// Why a function is not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    Background,
    Scheduled,
    /// `netlify.toml`, which says so, cannot be read.
    Unknown,
}

impl Trigger {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Background => "a background function",
            Self::Scheduled => "a scheduled function",
            Self::Unknown => "netlify.toml, which says what is scheduled, cannot be read",
        }
    }
}

/// Functions that Netlify calls when something happens: <https://docs.netlify.com/functions/trigger-on-events/>.
const OF_EVENTS: [&str; 14] = [
    "deploy-building",
    "deploy-succeeded",
    "deploy-failed",
    "deploy-deleted",
    "deploy-locked",
    "deploy-unlocked",
    "split-test-activated",
    "split-test-deactivated",
    "split-test-modified",
    "submission-created",
    "identity-validate",
    "identity-signup",
    "identity-login",
    "identity-modified",
];

/// Files that a function imports are read up to this many: one of them may make it a scheduled one.
const MOST_IMPORTS: usize = 50;

/// Whether a function with this name is one that an event starts.
pub(super) fn is_of_event(name: &str) -> bool {
    OF_EVENTS.contains(&name)
}

/// What its entry in the manifest says.
pub(super) fn of_manifest(entry: &Value) -> Option<Trigger> {
    let is_set =
        |key: &str| entry.get(key).is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)));
    let says = |key: &str| entry.get(key).and_then(Value::as_str);
    if is_set("schedule") {
        Some(Trigger::Scheduled)
    } else if is_set("background")
        || says("invocationMode") == Some("background")
        || says("type") == Some("background")
    {
        Some(Trigger::Background)
    } else {
        None
    }
}

/// Which functions `netlify.toml` schedules, as patterns of names; nothing if it cannot be read.
pub(super) fn schedules(root: &Path) -> Option<Vec<String>> {
    let text = match fs::read_to_string(root.join("netlify.toml")) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Some(Vec::new()),
        Err(_) => return None,
    };
    let table: toml::Table = toml::from_str(&text).ok()?;
    let functions = table.get("functions").and_then(toml::Value::as_table);
    let scheduled =
        functions.into_iter().flatten().filter(|(_, settings)| settings.get("schedule").is_some());
    Some(scheduled.map(|(name, _)| name.clone()).collect())
}

/// What starts a function, by its name, by `netlify.toml` and by its source.
pub(super) fn of_function(name: &str, file: &Path, schedules: Option<&[String]>) -> Option<Trigger> {
    if name.ends_with("-background") {
        return Some(Trigger::Background);
    }
    let Some(schedules) = schedules else { return Some(Trigger::Unknown) };
    let is_meant = |pattern: &String| {
        pattern == name || Glob::new(pattern).is_ok_and(|glob| glob.compile_matcher().is_match(name))
    };
    if schedules.iter().any(is_meant) {
        return Some(Trigger::Scheduled);
    }
    let text = String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned();
    of_source(&text).or_else(|| {
        let mut seen = BTreeSet::from([file.to_owned()]);
        imports_schedule(file, &text, &mut seen).then_some(Trigger::Scheduled)
    })
}

/// Netlify finds schedules in the source of the function's main file, too. Whatever might be one is taken for one: the
/// cost of a mistake is a function that is checked less.
fn of_source(text: &str) -> Option<Trigger> {
    let has_config = has_word(text, "config");
    if has_word(text, "schedule") && (has_config || text.contains(LIBRARY)) {
        Some(Trigger::Scheduled)
    } else if has_word(text, "background") && has_config {
        Some(Trigger::Background)
    } else {
        None
    }
}

/// Its `schedule()` wraps a handler.
const LIBRARY: &str = "@netlify/functions";

/// Whether a file of the project that it imports wraps a handler.
fn imports_schedule(file: &Path, text: &str, seen: &mut BTreeSet<PathBuf>) -> bool {
    let Some(directory) = file.parent() else { return false };
    for specifier in
        text.split(['\'', '"', '`']).filter(|part| part.starts_with("./") || part.starts_with("../"))
    {
        let path = directory.join(specifier);
        let ends = ["", ".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", "/index.js", "/index.mjs", "/index.ts"];
        let candidates = ends.into_iter().map(|end| PathBuf::from(format!("{}{end}", path.display())));
        let Some(path) = candidates.into_iter().find(|path| path.is_file()) else { continue };
        let Ok(path) = path.canonicalize() else { continue };
        if seen.len() >= MOST_IMPORTS || !seen.insert(path.clone()) {
            continue;
        }
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
        let wraps = text.contains(LIBRARY) && has_word(&text, "schedule");
        if wraps || imports_schedule(&path, &text, seen) {
            return true;
        }
    }
    false
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn schedules_are_found_in_every_form() {
        for text in [
            "export const config = { schedule: '@daily' }",
            "const schedule = '0 * * * *'; export const config = { schedule };",
            "export const config: Config = {\n  'schedule' : `@hourly`\n}",
            "const { schedule } = require('@netlify/functions'); exports.handler = schedule('@daily', run)",
            "import { schedule as cron } from '@netlify/functions'",
        ] {
            assert_eq!(of_source(text), Some(Trigger::Scheduled), "{text}");
        }
        assert_eq!(of_source("export const config = { background: true }"), Some(Trigger::Background));
        for text in [
            "export const config = { path: '/x' }",
            "const schedules = config.list",
            "exports.handler = schedule",
        ] {
            assert_eq!(of_source(text), None, "{text}");
        }
    }

    #[test]
    fn name_manifest_toml_and_imports_say_it_too() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            fs::write(directory.path().join(name), text).unwrap();
            directory.path().join(name)
        };
        let plain = file("plain.js", "exports.handler = async () => {}");
        let none: Vec<String> = Vec::new();
        let of = |name: &str, file: &Path, schedules: &[String]| of_function(name, file, Some(schedules));
        assert_eq!(of("plain", &plain, &none), None);
        assert_eq!(of("mail-background", &plain, &none), Some(Trigger::Background));
        file(
            "netlify.toml",
            "[functions]\nnode_bundler = 'esbuild'\n[functions.'night*']\nschedule = '@daily'\n",
        );
        let schedules = super::schedules(directory.path()).unwrap();
        assert_eq!(of("nightly", &plain, &schedules), Some(Trigger::Scheduled));
        assert_eq!(of("plain", &plain, &schedules), None);
        file("netlify.toml", "[functions");
        assert_eq!(
            of_function("plain", &plain, super::schedules(directory.path()).as_deref()),
            Some(Trigger::Unknown)
        );
        file(
            "job.js",
            "const { schedule } = require('@netlify/functions'); module.exports = schedule('@daily', f)",
        );
        let outer = file("outer.js", "exports.handler = require('./job')");
        assert_eq!(of("outer", &outer, &none), Some(Trigger::Scheduled));
        assert_eq!(of_manifest(&json!({"name": "a", "schedule": "@daily"})), Some(Trigger::Scheduled));
        assert_eq!(
            of_manifest(&json!({"name": "a", "invocationMode": "background"})),
            Some(Trigger::Background)
        );
        assert_eq!(of_manifest(&json!({"name": "a", "schedule": null})), None);
        assert!(is_of_event("submission-created") && !is_of_event("submission"));
    }
}
