//! The daemon's settings, from the home's `module_conf.json`: the file and the keys that PM2's users know, written by
//! `set` and `unset`.

use std::{fs, io, path::PathBuf, str::FromStr};

use rpm_core::{
    Bytes, Home, MaxParallel, Persona,
    cron::{Schedule, Zone},
};
use serde_json::{Map, Value};

/// The object of the file that is about the rotation of logs: the settings of the module `pm2-logrotate`.
const ROTATION: &str = "pm2-logrotate";

/// The object of the file that is about the daemon itself.
const OWN: &str = "rpm";

/// How logs are rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rotation {
    /// A log is rotated when it has become this large; 0 for never.
    pub max_size: Bytes,
    /// Rotated files that are kept of each log; `None` for all.
    pub retain: Option<usize>,
    /// Bytes that all rotated files of the home may have together; `None` for any number.
    pub max_total: Option<Bytes>,
    /// Rotated files are compressed.
    pub compress: bool,
    /// The date in their names, in the tokens of day.js.
    pub date_format: String,
    /// Whose clock that date is read from, and the schedule is meant for.
    pub zone: Zone,
    /// When logs are rotated whatever their size.
    pub schedule: Option<Schedule>,
    /// The longest time between two looks at the sizes of logs that are written to, milliseconds.
    pub interval: u64,
    /// Logs of modules are rotated as well.
    pub modules: bool,
}

/// The settings could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("{path}: {error}")]
    File { path: PathBuf, error: io::Error },
    #[error("{path}: {error}")]
    Json { path: PathBuf, error: serde_json::Error },
    #[error("{path}: {key}: {reason}")]
    Value { path: PathBuf, key: String, reason: String },
}

/// The whole file; nothing where there is none.
fn read(home: &Home) -> Result<(PathBuf, Map<String, Value>), SettingsError> {
    let path = home.root().join("module_conf.json");
    match fs::read_to_string(&path) {
        Ok(text) => match serde_json::from_str(&text) {
            Ok(file) => Ok((path, file)),
            Err(error) => Err(SettingsError::Json { path, error }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((path, Map::new())),
        Err(error) => Err(SettingsError::File { path, error }),
    }
}

/// How many tasks may run at the same time: `rpm:max_parallel`, and `rpm:namespaces:NAME:max_parallel`.
pub(crate) fn max_parallel(home: &Home) -> Result<MaxParallel, SettingsError> {
    const KEY: &str = "max_parallel";
    let (path, file) = read(home)?;
    let Some(own) = file.get(OWN).and_then(Value::as_object) else { return Ok(MaxParallel::default()) };
    let value = |settings: &Map<String, Value>, prefix: &str| {
        Said(settings).value(KEY).map_err(|(key, reason)| SettingsError::Value {
            path: path.clone(),
            key: format!("{prefix}:{key}"),
            reason,
        })
    };
    let mut said = MaxParallel { home: value(own, OWN)?, ..MaxParallel::default() };
    for (name, settings) in own.get("namespaces").and_then(Value::as_object).into_iter().flatten() {
        let Some(settings) = settings.as_object() else { continue };
        if let Some(limit) = value(settings, &format!("{OWN}:namespaces:{name}"))? {
            said.namespaces.insert(name.clone(), limit);
        }
    }
    Ok(said)
}

/// How many runs the history of this home keeps: `rpm:history_runs`; 0 for none.
pub(crate) fn history_runs(home: &Home) -> Result<u64, SettingsError> {
    let (path, file) = read(home)?;
    let own = file.get(OWN).and_then(Value::as_object);
    let said = own.map_or(Ok(None), |own| Said(own).value("history_runs"));
    let value = |(key, reason)| SettingsError::Value { path, key: format!("{OWN}:{key}"), reason };
    said.map(|runs| runs.unwrap_or(rpm_history::DEFAULT_RUNS)).map_err(value)
}

impl Rotation {
    /// What holds without a setting. `rpm` bounds its logs from the start, and so does a container, whose logs go
    /// elsewhere; called as `pm2` it does what pm2-logrotate does, once that is set up.
    pub(crate) fn usual(persona: Persona) -> Self {
        let is_rpm = persona == Persona::Rpm;
        let passes_on = matches!(persona, Persona::Runtime | Persona::Dev);
        Self {
            max_size: Bytes(10 << 20),
            retain: Some(if passes_on { 1 } else { 30 }),
            max_total: is_rpm.then_some(Bytes(1 << 30)),
            compress: false,
            date_format: "YYYY-MM-DD_HH-mm-ss".to_owned(),
            zone: Zone::Local,
            schedule: if is_rpm || passes_on { None } else { Schedule::parse("0 0 * * *").ok() },
            interval: 30_000,
            modules: true,
        }
    }

    /// The rotation of this home; `None` where logs are not rotated: by the setting `enabled`, else if it is PM2's
    /// and has no settings of pm2-logrotate.
    pub(crate) fn of(home: &Home) -> Result<Option<Self>, SettingsError> {
        let (path, file) = read(home)?;
        let settings = file.get(ROTATION).and_then(Value::as_object);
        Self::read(settings, home.persona()).map_err(|(key, reason)| SettingsError::Value {
            path,
            key: format!("{ROTATION}:{key}"),
            reason,
        })
    }

    fn read(
        settings: Option<&Map<String, Value>>,
        persona: Persona,
    ) -> Result<Option<Self>, (&'static str, String)> {
        let mut rotation = Self::usual(persona);
        let Some(settings) = settings else { return Ok((persona != Persona::Pm2).then_some(rotation)) };
        let said = Said(settings);
        if said.value("enabled")? == Some(false) {
            return Ok(None);
        }
        said.put("max_size", &mut rotation.max_size)?;
        said.put("compress", &mut rotation.compress)?;
        said.put("dateFormat", &mut rotation.date_format)?;
        said.put("TZ", &mut rotation.zone)?;
        said.put("rotateModule", &mut rotation.modules)?;
        if let Some(seconds) = said.value::<u32>("workerInterval")? {
            rotation.interval = u64::from(seconds.max(1)) * 1000;
        }
        if let Some(text) = said.text("retain") {
            rotation.retain = if text == "all" { None } else { said.value("retain")? };
        }
        if let Some(text) = said.text("max_total") {
            rotation.max_total = if text == "none" { None } else { said.value("max_total")? };
        }
        if let Some(text) = said.text("rotateInterval") {
            rotation.schedule = if text == "none" { None } else { said.value("rotateInterval")? };
        }
        Ok(Some(rotation))
    }
}

/// Settings as they were written: PM2 writes texts, a person perhaps numbers.
struct Said<'a>(&'a Map<String, Value>);

impl Said<'_> {
    /// What was set; an empty text or `null` is nothing.
    fn text(&self, key: &str) -> Option<String> {
        let text = match self.0.get(key)? {
            Value::Null => return None,
            Value::String(text) => text.trim().to_owned(),
            other => other.to_string(),
        };
        (!text.is_empty()).then_some(text)
    }

    fn value<T: FromStr<Err: ToString>>(
        &self,
        key: &'static str,
    ) -> Result<Option<T>, (&'static str, String)> {
        let parse = |text: String| {
            text.parse().map_err(|error: T::Err| (key, format!("{text:?}: {}", error.to_string())))
        };
        self.text(key).map(parse).transpose()
    }

    fn put<T: FromStr<Err: ToString>>(
        &self,
        key: &'static str,
        place: &mut T,
    ) -> Result<(), (&'static str, String)> {
        if let Some(value) = self.value(key)? {
            *place = value;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rotation(persona: Persona, settings: &Value) -> Result<Option<Rotation>, (&'static str, String)> {
        Rotation::read(settings.as_object(), persona)
    }

    #[test]
    fn all_rotate_unless_told_otherwise_but_pm2_when_it_is_set_up() {
        let usual = Rotation::usual(Persona::Rpm);
        assert_eq!(rotation(Persona::Rpm, &Value::Null), Ok(Some(usual)));
        assert_eq!(rotation(Persona::Rpm, &json!({ "enabled": "false" })), Ok(None));
        assert_eq!(rotation(Persona::Pm2, &Value::Null), Ok(None));
        let container = rotation(Persona::Runtime, &Value::Null).unwrap().unwrap();
        assert_eq!((container.retain, container.schedule), (Some(1), None));
        let pm2 = rotation(Persona::Pm2, &json!({})).unwrap().unwrap();
        assert_eq!((pm2.max_total, pm2.schedule.unwrap().as_str()), (None, "0 0 * * *"));
    }

    #[test]
    fn values_are_texts_or_what_they_say() {
        let settings = json!({
            "max_size": "1K", "retain": "all", "compress": true, "dateFormat": "YY", "TZ": "europe/berlin",
            "workerInterval": 5, "rotateInterval": "*/5 * * * *", "rotateModule": "false", "max_total": 2048,
        });
        let expected = Rotation {
            max_size: Bytes(1024),
            retain: None,
            max_total: Some(Bytes(2048)),
            compress: true,
            date_format: "YY".into(),
            zone: "Europe/Berlin".parse().unwrap(),
            schedule: Some("*/5 * * * *".parse().unwrap()),
            interval: 5_000,
            modules: false,
        };
        assert_eq!(rotation(Persona::Rpm, &settings), Ok(Some(expected)));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (settings, named) in [
            (json!({ "max_size": "big" }), "max_size"),
            (json!({ "retain": "-1" }), "retain"),
            (json!({ "rotateInterval": "daily" }), "rotateInterval"),
            (json!({ "TZ": "Mars" }), "TZ"),
        ] {
            assert_eq!(rotation(Persona::Rpm, &settings).unwrap_err().0, named);
        }
    }

    #[test]
    fn the_number_of_tasks_is_of_the_home_and_of_namespaces() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::new(directory.path().to_owned(), Persona::Rpm);
        assert!(max_parallel(&home).unwrap().is_empty());
        let write = |own: Value| {
            fs::write(directory.path().join("module_conf.json"), json!({ "rpm": own }).to_string()).unwrap();
        };
        write(json!({ "max_parallel": "4", "namespaces": { "a": { "max_parallel": 2 }, "b": {} } }));
        let said = max_parallel(&home).unwrap();
        assert_eq!(
            (said.of_home(), said.of_namespace("a"), said.of_namespace("b")),
            (Some(4), Some(2), None)
        );
        write(json!({ "max_parallel": "0" }));
        assert_eq!(max_parallel(&home).unwrap().of_home(), None);
        write(json!({ "namespaces": { "a": { "max_parallel": "-1" } } }));
        let error = max_parallel(&home).unwrap_err().to_string();
        assert!(error.contains("rpm:namespaces:a:max_parallel: \"-1\""), "{error}");
    }

    #[test]
    fn the_history_is_as_long_as_it_is_set() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::new(directory.path().to_owned(), Persona::Rpm);
        assert_eq!(history_runs(&home).unwrap(), rpm_history::DEFAULT_RUNS);
        for (value, runs) in [(json!("5000"), 5_000), (json!(0), 0), (json!(""), rpm_history::DEFAULT_RUNS)] {
            let file = json!({ "rpm": { "history_runs": value } }).to_string();
            fs::write(directory.path().join("module_conf.json"), file).unwrap();
            assert_eq!(history_runs(&home).unwrap(), runs);
        }
        let file = json!({ "rpm": { "history_runs": "many" } }).to_string();
        fs::write(directory.path().join("module_conf.json"), file).unwrap();
        assert!(history_runs(&home).unwrap_err().to_string().contains("rpm:history_runs: \"many\""));
    }

    #[test]
    fn a_file_that_is_broken_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::new(directory.path().to_owned(), Persona::Rpm);
        assert!(Rotation::of(&home).unwrap().is_some());
        fs::write(directory.path().join("module_conf.json"), "{").unwrap();
        assert!(Rotation::of(&home).unwrap_err().to_string().contains("module_conf.json"));
    }
}
