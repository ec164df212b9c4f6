//! `module_conf.json`: settings of modules, apps and the manager itself, in PM2's file.
//!
//! A key is a path, `module:key` or `module.key`; what stands in quotes is one part. Values that are set are text.

use std::{fs, io, path::PathBuf};

use rpm_core::Home;
use serde_json::{Map, Value, ser::PrettyFormatter};

use crate::files;

/// The settings of one home.
#[derive(Debug)]
pub(crate) struct ModuleConf {
    path: PathBuf,
    values: Map<String, Value>,
}

/// Why the file could not be used.
#[derive(Debug)]
pub(crate) struct ConfError(PathBuf, String);

impl std::fmt::Display for ConfError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.0.display(), self.1)
    }
}

impl ModuleConf {
    /// The file of `home`, whether it is there or not.
    pub(crate) fn path(home: &Home) -> PathBuf {
        home.root().join("module_conf.json")
    }

    /// Reads it; without a file nothing is set.
    pub(crate) fn load(home: &Home) -> Result<Self, ConfError> {
        let path = Self::path(home);
        let values = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|error| ConfError(path.clone(), format!("expected a JSON object: {error}")))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Map::new(),
            Err(error) => return Err(ConfError(path, error.to_string())),
        };
        Ok(Self { path, values })
    }

    /// Writes it, as a whole or not at all.
    pub(crate) fn store(&self) -> Result<(), ConfError> {
        use serde::Serialize;
        let mut text = Vec::new();
        let indented = PrettyFormatter::with_indent(b"    ");
        self.values
            .serialize(&mut serde_json::Serializer::with_formatter(&mut text, indented))
            .map_err(io::Error::from)
            .and_then(|()| files::replace(&self.path, &text, 0o600))
            .map_err(|error| ConfError(self.path.clone(), error.to_string()))
    }

    /// What stands at a path.
    pub(crate) fn get(&self, key: &[String]) -> Option<&Value> {
        let (first, rest) = key.split_first()?;
        rest.iter().try_fold(self.values.get(first)?, |value, part| value.get(part))
    }

    /// Sets what stands at a path. What stands in its way and has no parts of its own is replaced.
    pub(crate) fn set(&mut self, key: &[String], value: Value) {
        let Some((last, parents)) = key.split_last() else { return };
        let mut here = &mut self.values;
        for parent in parents {
            let child = here.entry(parent.clone()).or_insert_with(|| Value::Object(Map::new()));
            if !child.is_object() {
                *child = Value::Object(Map::new());
            }
            let Value::Object(child) = child else { return };
            here = child;
        }
        here.insert(last.clone(), value);
    }

    /// Removes what stands at a path; false if nothing does.
    pub(crate) fn unset(&mut self, key: &[String]) -> bool {
        let Some((last, parents)) = key.split_last() else { return false };
        let mut here = &mut self.values;
        for parent in parents {
            match here.get_mut(parent) {
                Some(Value::Object(child)) => here = child,
                _ => return false,
            }
        }
        here.remove(last).is_some()
    }

    /// Removes all.
    pub(crate) fn clear(&mut self) {
        self.values.clear();
    }

    /// What is set, by the first part of its path.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.values.iter()
    }
}

/// The variables that an app gets of what is set under its name: each value, and all together under the name itself.
pub(crate) fn variables(conf: &ModuleConf, app: &str) -> impl Iterator<Item = (String, String)> {
    let values = conf.values.get(app).and_then(Value::as_object);
    let all = values.map(|values| (app.to_owned(), Value::Object(values.clone()).to_string()));
    let each = values.into_iter().flatten().map(|(key, value)| (key.clone(), shown(value)));
    each.chain(all).collect::<Vec<_>>().into_iter()
}

/// The parts of a path. Without a colon, dots part it.
pub(crate) fn parts(key: &str) -> Vec<String> {
    let separator = if outside_quotes(key).any(|(_, letter)| letter == ':') { ':' } else { '.' };
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, letter) in outside_quotes(key) {
        if letter == separator {
            parts.push(&key[start..at]);
            start = at + 1;
        }
    }
    parts.push(&key[start..]);
    parts
        .iter()
        .map(|part| part.trim_matches(['"', '\'']).to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}

fn outside_quotes(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut quote = None;
    text.char_indices().filter(move |(_, letter)| match (quote, letter) {
        (None, '"' | '\'') => {
            quote = Some(*letter);
            false
        }
        (Some(open), letter) if open == *letter => {
            quote = None;
            false
        }
        (open, _) => open.is_none(),
    })
}

/// A value as PM2 shows it.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use rpm_core::Persona;

    use super::*;

    fn home(directory: &tempfile::TempDir) -> Home {
        Home::new(directory.path().to_owned(), Persona::Rpm)
    }

    #[test]
    fn keys_are_paths() {
        assert_eq!(parts("a"), ["a"]);
        assert_eq!(parts("a:b"), ["a", "b"]);
        assert_eq!(parts("a.b"), ["a", "b"]);
        assert_eq!(parts("pm2-logrotate:max.size"), ["pm2-logrotate", "max.size"]);
        assert_eq!(parts("\"a:b\":c"), ["a:b", "c"]);
        assert_eq!(parts(":a:"), ["a"]);
        assert!(parts("").is_empty() && parts(":").is_empty());
    }

    #[test]
    fn what_is_set_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let home = home(&directory);
        let mut conf = ModuleConf::load(&home).unwrap();
        conf.set(&parts("a:b"), "1".into());
        conf.set(&parts("top"), "x".into());
        conf.set(&parts("top:deep"), "y".into());
        conf.store().unwrap();
        let text = fs::read_to_string(ModuleConf::path(&home)).unwrap();
        assert_eq!(
            text,
            "{\n    \"a\": {\n        \"b\": \"1\"\n    },\n    \"top\": {\n        \"deep\": \"y\"\n    }\n}"
        );
        let mut conf = ModuleConf::load(&home).unwrap();
        assert_eq!(conf.get(&parts("a:b")), Some(&Value::from("1")));
        assert_eq!(conf.get(&parts("a:c")), None);
        assert_eq!(conf.get(&[]), None);
        assert!(conf.unset(&parts("a:b")) && !conf.unset(&parts("a:b")) && !conf.unset(&parts("x:y")));
        conf.clear();
        assert_eq!(conf.iter().count(), 0);
    }

    #[test]
    fn a_damaged_file_is_told_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let home = home(&directory);
        for damage in ["{\"a\": ", "[]", "\u{0}"] {
            fs::write(ModuleConf::path(&home), damage).unwrap();
            let error = ModuleConf::load(&home).unwrap_err().to_string();
            assert!(error.contains("module_conf.json: expected a JSON object"), "{error}");
            assert_eq!(fs::read_to_string(ModuleConf::path(&home)).unwrap(), damage);
        }
    }
}
