//! Whatever is in a file, loading it ends with apps or with a message.
#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::iter;

use project::Project;
use proptest::{prelude::*, test_runner::TestRunner};
use rpm_ecosystem::Options;

mod project;

/// Words that make a random text look like an ecosystem file.
const WORDS: [&str; 32] = [
    "[[apps]]",
    "[apps]",
    "[",
    "]",
    "{",
    "}",
    "=",
    ",",
    ".",
    "\"",
    "'''",
    "\n",
    "\\u0000",
    "apps",
    "pm2",
    "root",
    "name",
    "script",
    "env",
    "env_x",
    "cron",
    "instances",
    "args",
    "app.js",
    "-1",
    "1e400",
    "0x7fffffffffffffff",
    "nan",
    "99999999999999999999",
    "1979-05-27",
    "true",
    "ü",
];

const KEYS: [&str; 40] = [
    "name",
    "script",
    "exec",
    "cwd",
    "args",
    "interpreter",
    "node_args",
    "env",
    "env_a",
    "instances",
    "exec_mode",
    "cron_restart",
    "cron_timezone",
    "cron_overlap",
    "cron_jitter",
    "task_timeout",
    "retries",
    "kill_timeout",
    "kill_signal",
    "out_file",
    "stop_exit_codes",
    "max_restarts",
    "time",
    "watch",
    "treekill",
    "ignore_watch",
    "watch_delay",
    "watch_options",
    "filter_env",
    "max_memory_restart",
    "uid",
    "port",
    "log",
    "log_type",
    "pid",
    "pmx",
    "io",
    "name_prefix",
    "windowsHide",
    "wrong",
];

const VALUES: [&str; 20] = [
    "''",
    "' '",
    "'app.js'",
    "'a b'",
    "'api'",
    "'..'",
    "'/'",
    "'none'",
    "'5s'",
    "'max'",
    "0",
    "-9223372036854775808",
    "1.5",
    "inf",
    "-nan",
    "true",
    "[]",
    "[1, [2, {a = 3}]]",
    "{}",
    "{'' = 0, b = {c = []}}",
];

/// Words that make a random text look like YAML or JSON.
const OTHER_WORDS: [&str; 36] = [
    "apps",
    ":",
    ": ",
    "-",
    "- ",
    "\n",
    "\n  ",
    "\n    ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "\"",
    "'",
    "&a",
    "*a",
    "<<: *a",
    "!!str ",
    "!!map",
    "|",
    ">-",
    "#",
    "// ",
    "/*",
    "*/",
    "? ",
    "---",
    "...",
    "%YAML 1.2",
    "script: app.js",
    "\t",
    "\u{feff}",
    "ü",
    "0x",
    "~",
];

/// Loads what the strategy makes, in one project.
fn survives<S: Strategy>(strategy: S, text: impl Fn(S::Value) -> Vec<u8>) {
    survives_as("ecosystem.toml", strategy, text);
}

fn survives_as<S: Strategy>(name: &str, strategy: S, text: impl Fn(S::Value) -> Vec<u8>) {
    let project = Project::new();
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&strategy, |value| {
        match project.load_as(name, text(value), &Options::default()) {
            Ok(loaded) => _ = loaded.warnings.to_string(),
            Err(error) => {
                prop_assert!(!error.to_string().is_empty());
                prop_assert!(error.report().rendered(true).count() > 0);
            }
        }
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn any_bytes() {
    survives(prop::collection::vec(any::<u8>(), 0..300), |bytes| bytes);
}

#[test]
fn any_words() {
    let words = prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..60);
    survives((words, prop::sample::select(vec!["", " "])), |(words, between)| {
        words.join(between).into_bytes()
    });
}

#[test]
fn any_bytes_and_words_of_other_formats() {
    for name in ["ecosystem.json", "ecosystem.yml"] {
        survives_as(name, prop::collection::vec(any::<u8>(), 0..300), |bytes| bytes);
        survives_as(name, any::<String>(), String::into_bytes);
        let words = prop::collection::vec(prop::sample::select(OTHER_WORDS.to_vec()), 0..40);
        survives_as(name, words, |words| words.concat().into_bytes());
    }
}

#[test]
fn any_attributes() {
    let pair = (prop::sample::select(KEYS.to_vec()), prop::sample::select(VALUES.to_vec()));
    let app = prop::collection::vec(pair, 0..8);
    survives((prop::collection::vec(app, 0..4), any::<bool>()), |(apps, bare)| {
        let lines = apps.iter().flat_map(|app| {
            let header = if bare { "" } else { "[[apps]]" }.to_owned();
            iter::once(header).chain(app.iter().map(|(key, value)| format!("{key} = {value}")))
        });
        lines.collect::<Vec<_>>().join("\n").into_bytes()
    });
}

#[test]
fn any_option() {
    proptest!(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }, |(
        attribute in prop::sample::select(KEYS.to_vec()),
        text in any::<String>(),
    )| {
        let _ = rpm_ecosystem::Declaration::default().set(attribute, &text);
    });
}
