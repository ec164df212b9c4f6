//! How an app is asked whether it is well.

use std::str::FromStr;

use rpm_core::{
    Health, Millis,
    health::{OnFailure, Probe},
    suggestion::nearest,
};

use crate::{
    node::{Entry, Node, Value},
    values::{self, Mismatch, Read, expected},
};

const KEYS: [&str; 8] =
    ["http", "tcp", "command", "interval", "timeout", "retries", "start_period", "on_failure"];

/// A table with one of `http`, `tcp` and `command`.
pub(crate) fn read(node: &Node) -> Read<Health> {
    const WHAT: &str = "a table with one of http, tcp and command, such as { tcp = 5432 }";
    let Value::Table(entries) = &node.value else { return expected(WHAT, node) };
    let entries = entries.iter().filter(|entry| entry.node.value != Value::Null);
    let mut probe: Option<(&Entry, Probe)> = None;
    for entry in entries.clone() {
        let found = match entry.key.as_str() {
            "http" => Probe::Http(parsed(&values::filled(&entry.node)?, &entry.node)?),
            "tcp" => Probe::Tcp(match &entry.node.value {
                Value::Integer(port) => parsed(&port.to_string(), &entry.node)?,
                _ => parsed(&values::filled(&entry.node)?, &entry.node)?,
            }),
            "command" => Probe::Command(values::filled(&entry.node)?),
            _ => continue,
        };
        if let Some((other, _)) = &probe {
            let message =
                format!("expected one of http, tcp and command, found {} and {}", other.key, entry.key);
            return Err(Mismatch { message, span: entry.span.clone() });
        }
        probe = Some((entry, found));
    }
    let Some((_, probe)) = probe else { return expected(WHAT, node) };
    let mut health = Health::new(probe);
    for entry in entries {
        match entry.key.as_str() {
            "http" | "tcp" | "command" => {}
            "interval" => health.interval = time(&entry.node)?,
            "timeout" => health.timeout = time(&entry.node)?,
            "start_period" => health.start_period = values::millis(&entry.node)?,
            "retries" => match values::count(&entry.node)? {
                0 => return expected("how many failures in a row are too many, at least 1", &entry.node),
                retries => health.retries = retries,
            },
            "on_failure" => health.on_failure = on_failure(&entry.node)?,
            key => {
                let hint = nearest(key, KEYS).map_or_else(
                    || format!(": expected one of {}", KEYS.join(", ")),
                    |name| values::did_you_mean(Some(name)),
                );
                return Err(Mismatch {
                    message: format!("unknown key `{key}`{hint}"),
                    span: entry.span.clone(),
                });
            }
        }
    }
    Ok(health)
}

fn parsed<T: FromStr<Err: std::fmt::Display>>(text: &str, node: &Node) -> Read<T> {
    text.parse().map_err(|error: T::Err| Mismatch { message: error.to_string(), span: node.span.clone() })
}

/// A time that is not 0: nobody can answer in no time, or be asked all the time.
fn time(node: &Node) -> Read<Millis> {
    match values::millis(node)? {
        Millis(0) => expected("a time of at least 1 ms, such as \"10s\"", node),
        time => Ok(time),
    }
}

fn on_failure(node: &Node) -> Read<OnFailure> {
    match &node.value {
        Value::String(word) if word == "restart" => Ok(OnFailure::Restart),
        Value::String(word) if word == "reload" => Ok(OnFailure::Reload),
        Value::String(word) if word == "report" => Ok(OnFailure::Report),
        _ => expected("\"restart\", \"reload\" or \"report\"", node),
    }
}
