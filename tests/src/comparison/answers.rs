//! What a program answered in a scenario: small texts by the name of what they are about.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::{Map, Value};

use super::normal::Normal;

/// By aspect: `1 stdout`, `jlist 0.pm2_env.status`, `home pids/web-0.pid`, `env pm_id`. What is not there is absent.
pub(crate) type Answers = BTreeMap<String, String>;

/// Variables that the harness itself gives to every command.
pub(crate) const GIVEN: &[&str] = &["PATH", "HOME", "PM2_HOME", "NO_COLOR", "PWD", "SHLVL", "OLDPWD", "_"];

/// What a command said and how it ended.
pub(crate) fn of_step(
    answers: &mut Answers,
    number: usize,
    code: Option<i32>,
    stdout: &str,
    stderr: &str,
    normal: &Normal,
) {
    let code = code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
    answers.insert(format!("{number} exit"), code);
    for (stream, text) in [("stdout", stdout), ("stderr", stderr)] {
        let text = normal.text(text);
        if !text.is_empty() {
            answers.insert(format!("{number} {stream}"), text);
        }
    }
}

/// The list that `jlist` printed, leaf by leaf.
pub(crate) fn of_jlist(answers: &mut Answers, list: &Value, normal: &Normal) {
    let processes = list.as_array().map(Vec::as_slice).unwrap_or_default();
    answers.insert("jlist length".to_owned(), processes.len().to_string());
    for process in processes {
        let mut process = process.clone();
        drop_what_is_given(&mut process);
        let path = format!("jlist {}", process["pm_id"]);
        leaves(answers, &path, &process, normal);
        answers.insert(path, "listed".to_owned());
    }
}

/// Takes out of a process what says nothing: PM2 repeats each variable of the environment beside the attributes, and
/// the whole environment of the caller is in `env`.
fn drop_what_is_given(process: &mut Value) {
    let name = process["name"].as_str().unwrap_or_default().to_owned();
    let Some(attributes) = process["pm2_env"].as_object_mut() else { return };
    drop_monitoring(attributes);
    let env = attributes.get("env").and_then(Value::as_object).cloned().unwrap_or_default();
    attributes.retain(|name, value| name == "unique_id" || !(is_given(name) || env.get(name) == Some(value)));
    if let Some(env) = attributes.get_mut("env").and_then(Value::as_object_mut) {
        // A variable with the name of the app holds its settings as a module; there are none.
        env.retain(|variable, value| !(is_given(variable) || *variable == name && is_empty(value)));
    }
}

fn is_empty(value: &Value) -> bool {
    value == "{}" || value.as_object().is_some_and(Map::is_empty)
}

/// Takes out what PM2's own monitoring reports, which it loads into every Node app: what has arrived by now is chance.
fn drop_monitoring(attributes: &mut Map<String, Value>) {
    for name in ["axm_options", "axm_dynamic", "node_version"] {
        attributes.remove(name);
    }
    if let Some(actions) = attributes.get_mut("axm_actions").and_then(Value::as_array_mut) {
        actions.retain(|action| action["action_type"] != "internal");
    }
    if let Some(metrics) = attributes.get_mut("axm_monitor").and_then(Value::as_object_mut) {
        metrics
            .retain(|_, metric| !metric["type"].as_str().is_some_and(|kind| kind.starts_with("internal/")));
    }
}

pub(crate) fn is_given(name: &str) -> bool {
    GIVEN.contains(&name) || name == crate::MARK
}

fn leaves(answers: &mut Answers, path: &str, value: &Value, normal: &Normal) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, field) in fields {
                leaves(answers, &format!("{path}.{name}"), field, normal);
            }
        }
        leaf => {
            let name = path.rsplit('.').next().unwrap_or_default();
            answers.insert(path.to_owned(), normal.leaf(name, leaf));
        }
    }
}

/// A file of `NAME=value` lines.
pub(crate) fn of_environment(answers: &mut Answers, text: &str, normal: &Normal) {
    for line in text.lines() {
        if let Some((name, value)) = line.split_once('=')
            && !is_given(name)
        {
            answers.insert(format!("env {name}"), normal.leaf(name, &Value::String(value.to_owned())));
        }
    }
}

/// The files of a home with their types and modes. What a pid file holds is a pid, or it is shown.
pub(crate) fn of_home(answers: &mut Answers, home: &Path) {
    walk(answers, home, home);
}

fn walk(answers: &mut Answers, home: &Path, directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(metadata) = path.symlink_metadata() else { continue };
        let relative = path.strip_prefix(home).unwrap_or(&path).display();
        let kind = match metadata.file_type() {
            kind if kind.is_dir() => "directory",
            kind if kind.is_file() => "file",
            _ => "special",
        };
        let mut text = format!("{kind} {:o}", metadata.permissions().mode() & 0o777);
        if path.extension().is_some_and(|extension| extension == "pid") {
            let pid = fs::read_to_string(&path).unwrap_or_default();
            let is_pid = !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit());
            text = if is_pid { format!("{text} <pid>") } else { format!("{text} {pid:?}") };
        }
        answers.insert(format!("home {relative}"), text);
        if metadata.is_dir() {
            walk(answers, home, &path);
        }
    }
}
