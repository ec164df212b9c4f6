//! Every setting of the manager itself: where it stands, and what its value may be. `set` refuses others before they are
//! stored, and `doctor` reports those that are in the file all the same. Keys of other modules are theirs.

use std::str::FromStr;

use rpm_core::{
    Bytes, Home,
    cron::{Schedule, Zone},
};
use serde_json::{Map, Value};

use super::{OWN, ROTATION, Said, Settings};

/// One setting.
struct Setting {
    /// Where it stands; `*` is any name.
    path: &'static [&'static str],
    /// A word that is allowed beside what `check` allows.
    word: Option<&'static str>,
    expected: &'static str,
    check: fn(&str) -> Result<(), String>,
}

const fn setting(
    path: &'static [&'static str],
    expected: &'static str,
    check: fn(&str) -> Result<(), String>,
) -> Setting {
    Setting { path, word: None, expected, check }
}

const TABLE: &[Setting] = &[
    setting(&[ROTATION, "enabled"], "true or false", parses::<bool>),
    setting(&[ROTATION, "max_size"], "a size such as 10M, or 0 for never", parses::<Bytes>),
    Setting {
        path: &[ROTATION, "retain"],
        word: Some("all"),
        expected: "a number of files, or all",
        check: parses::<usize>,
    },
    Setting {
        path: &[ROTATION, "max_total"],
        word: Some("none"),
        expected: "a size such as 1G, or none",
        check: parses::<Bytes>,
    },
    setting(&[ROTATION, "compress"], "true or false", parses::<bool>),
    setting(&[ROTATION, "dateFormat"], "a date format such as YYYY-MM-DD_HH-mm-ss", parses::<String>),
    setting(&[ROTATION, "TZ"], "a time zone such as Europe/Berlin", parses::<Zone>),
    Setting {
        path: &[ROTATION, "rotateInterval"],
        word: Some("none"),
        expected: "a schedule such as 0 0 * * *, or none",
        check: parses::<Schedule>,
    },
    setting(&[ROTATION, "workerInterval"], "a number of seconds", parses::<u32>),
    setting(&[ROTATION, "rotateModule"], "true or false", parses::<bool>),
    setting(&[OWN, "max_parallel"], "a number of tasks, or 0 for any", parses::<u32>),
    setting(&[OWN, "namespaces", "*", "max_parallel"], "a number of tasks, or 0 for any", parses::<u32>),
    setting(&[OWN, "history_runs"], "a number of runs, or 0 for none", parses::<u64>),
    setting(&[OWN, "web_hosts"], "names of hosts, with commas between them", hosts),
];

fn parses<T: FromStr<Err: ToString>>(text: &str) -> Result<(), String> {
    text.parse::<T>().map(drop).map_err(|error| error.to_string())
}

/// Names as they stand in the header `Host`, without a port.
fn hosts(text: &str) -> Result<(), String> {
    let is_name =
        |name: &str| name.chars().all(|letter| letter.is_alphanumeric() || "-._[]".contains(letter));
    match text.split([',', ' ']).find(|name| !is_name(name)) {
        Some(name) => Err(format!("{name:?} is not the name of a host")),
        None => Ok(()),
    }
}

impl Setting {
    fn is_at(&self, path: &[&str]) -> bool {
        self.path.len() == path.len()
            && self.path.iter().zip(path).all(|(part, at)| *part == "*" || part == at)
    }

    /// Checks a value; the error says what is wrong with it and what is expected.
    fn check(&self, text: &str) -> Result<(), String> {
        if self.word == Some(text) {
            return Ok(());
        }
        (self.check)(text).map_err(|reason| format!("{text:?}: {reason} (expected {})", self.expected))
    }
}

/// Whether `value` may stand at `path`. The error says what may.
pub fn check_setting(path: &[String], value: &str) -> Result<(), String> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let value = value.trim();
    match TABLE.iter().find(|setting| setting.is_at(&path)) {
        // An empty value is none.
        Some(setting) if !value.is_empty() => setting.check(value),
        _ => Ok(()),
    }
}

/// The values of a home that cannot be read, each in a sentence.
pub fn bad_settings(home: &Home) -> Vec<String> {
    match Settings::load(home) {
        Ok(settings) => settings.problems().iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
    }
}

/// The keys of a file whose values cannot be read, and why, in the order of the table.
pub(super) fn bad(file: &Map<String, Value>) -> impl Iterator<Item = (String, String)> {
    TABLE.iter().flat_map(|setting| {
        places(file, setting.path, String::new())
            .filter_map(|(key, text)| setting.check(&text).err().map(|reason| (key, reason)))
    })
}

/// What stands at `path`, with its key.
fn places<'a>(
    file: &'a Map<String, Value>,
    path: &'a [&'static str],
    prefix: String,
) -> Box<dyn Iterator<Item = (String, String)> + 'a> {
    match path {
        [] => Box::new(std::iter::empty()),
        [key] => Box::new(Said(file).text(key).map(|text| (format!("{prefix}{key}"), text)).into_iter()),
        [part, rest @ ..] => {
            let inner = file.iter().filter(move |(name, _)| *part == "*" || name == part);
            Box::new(inner.flat_map(move |(name, value)| {
                let file = value.as_object();
                let prefix = format!("{prefix}{name}:");
                file.into_iter().flat_map(move |file| places(file, rest, prefix.clone()))
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &str, value: &str) -> Result<(), String> {
        let path: Vec<String> = key.split(':').map(str::to_owned).collect();
        check_setting(&path, value)
    }

    #[test]
    fn a_value_is_checked_before_it_is_stored() {
        for (key, value) in [
            ("pm2-logrotate:compress", "true"),
            ("pm2-logrotate:retain", "all"),
            ("pm2-logrotate:retain", "7"),
            ("pm2-logrotate:max_total", "none"),
            ("pm2-logrotate:compress", ""),
            ("rpm:namespaces:night:max_parallel", "3"),
            ("rpm:web_hosts", "status.example.com, other"),
            ("other-module:compress", "yes"),
            ("compress", "yes"),
        ] {
            assert_eq!(check(key, value), Ok(()), "{key} {value}");
        }
        for (key, value, expected) in [
            ("pm2-logrotate:compress", "yes", "true or false"),
            ("pm2-logrotate:retain", "none", "a number of files, or all"),
            ("pm2-logrotate:max_size", "big", "a size"),
            ("pm2-logrotate:rotateInterval", "daily", "a schedule"),
            ("rpm:history_runs", "many", "a number of runs"),
            ("rpm:namespaces:night:max_parallel", "-1", "a number of tasks"),
            ("rpm:web_hosts", "http://a/", "names of hosts"),
        ] {
            let error = check(key, value).unwrap_err();
            assert!(error.starts_with(&format!("{value:?}")) || key.ends_with("hosts"), "{error}");
            assert!(error.contains(expected), "{error}");
        }
    }
}
