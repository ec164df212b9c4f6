//! The daemon's settings, from the home's `module_conf.json`: the file and the keys that PM2's users know, written by
//! `set` and `unset`.

mod table;

pub use self::table::{bad_settings, check_setting};

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

/// What the file says. A value that cannot be read costs its own key, which has what holds without it, and is added to the
/// problems.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    path: PathBuf,
    file: Map<String, Value>,
}

impl Settings {
    /// Reads the file; nothing is set where there is none.
    pub(crate) fn load(home: &Home) -> Result<Self, SettingsError> {
        let path = home.root().join("module_conf.json");
        match fs::read_to_string(&path) {
            Ok(text) => match serde_json::from_str(&text) {
                Ok(file) => Ok(Self { path, file }),
                Err(error) => Err(SettingsError::Json { path, error }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self { path, file: Map::new() }),
            Err(error) => Err(SettingsError::File { path, error }),
        }
    }

    /// The settings that a daemon begins with: what cannot be read counts as none, which its log says.
    pub(crate) fn begin(home: &Home) -> Self {
        let settings = Self::load(home).unwrap_or_else(|error| {
            tracing::error!("{error}");
            Self::default()
        });
        settings.report();
        settings
    }

    /// Tells the daemon's log of the values that cannot be read.
    pub(crate) fn report(&self) {
        for problem in self.problems() {
            tracing::error!("{problem}");
        }
    }

    /// The values that cannot be read.
    pub(crate) fn problems(&self) -> Vec<SettingsError> {
        let bad = table::bad(&self.file);
        bad.map(|(key, reason)| SettingsError::Value { path: self.path.clone(), key, reason }).collect()
    }

    fn module(&self, name: &str) -> Option<Said<'_>> {
        self.file.get(name).and_then(Value::as_object).map(Said)
    }

    /// How many tasks may run at the same time: `rpm:max_parallel`, and `rpm:namespaces:NAME:max_parallel`.
    pub(crate) fn max_parallel(&self) -> MaxParallel {
        let Some(own) = self.module(OWN) else { return MaxParallel::default() };
        let mut said = MaxParallel { home: own.value("max_parallel"), ..MaxParallel::default() };
        let namespaces = own.0.get("namespaces").and_then(Value::as_object);
        for (name, settings) in namespaces.into_iter().flatten() {
            let limit = settings.as_object().and_then(|settings| Said(settings).value("max_parallel"));
            if let Some(limit) = limit {
                said.namespaces.insert(name.clone(), limit);
            }
        }
        said
    }

    /// How many runs the history of this home keeps: `rpm:history_runs`; 0 for none.
    pub(crate) fn history_runs(&self) -> u64 {
        self.module(OWN).and_then(|own| own.value("history_runs")).unwrap_or(rpm_history::DEFAULT_RUNS)
    }

    /// How logs are rotated; `None` where they are not: by the setting `enabled`, else if the home is PM2's and has no
    /// settings of pm2-logrotate.
    pub(crate) fn rotation(&self, persona: Persona) -> Option<Rotation> {
        Rotation::read(self.module(ROTATION), persona)
    }
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

    fn read(said: Option<Said<'_>>, persona: Persona) -> Option<Self> {
        let mut rotation = Self::usual(persona);
        let Some(said) = said else { return (persona != Persona::Pm2).then_some(rotation) };
        if said.value("enabled") == Some(false) {
            return None;
        }
        said.put("max_size", &mut rotation.max_size);
        said.put("compress", &mut rotation.compress);
        said.put("dateFormat", &mut rotation.date_format);
        said.put("TZ", &mut rotation.zone);
        said.put("rotateModule", &mut rotation.modules);
        if let Some(seconds) = said.value::<u32>("workerInterval") {
            rotation.interval = u64::from(seconds.max(1)) * 1000;
        }
        said.put_unless("retain", "all", &mut rotation.retain);
        said.put_unless("max_total", "none", &mut rotation.max_total);
        said.put_unless("rotateInterval", "none", &mut rotation.schedule);
        Some(rotation)
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

    /// What was set, if it can be read.
    fn value<T: FromStr>(&self, key: &str) -> Option<T> {
        self.text(key)?.parse().ok()
    }

    fn put<T: FromStr>(&self, key: &str, place: &mut T) {
        if let Some(value) = self.value(key) {
            *place = value;
        }
    }

    /// The same where `word` stands for nothing.
    fn put_unless<T: FromStr>(&self, key: &str, word: &str, place: &mut Option<T>) {
        match self.text(key) {
            Some(text) if text == word => *place = None,
            _ => {
                if let Some(value) = self.value(key) {
                    *place = Some(value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(file: Value) -> Settings {
        let Value::Object(file) = file else { unreachable!("an object") };
        Settings { path: PathBuf::new(), file }
    }

    fn rotation(persona: Persona, rotation: &Value) -> Option<Rotation> {
        settings(json!({ "pm2-logrotate": rotation })).rotation(persona)
    }

    #[test]
    fn all_rotate_unless_told_otherwise_but_pm2_when_it_is_set_up() {
        let usual = Rotation::usual(Persona::Rpm);
        assert_eq!(rotation(Persona::Rpm, &Value::Null), Some(usual));
        assert_eq!(rotation(Persona::Rpm, &json!({ "enabled": "false" })), None);
        assert_eq!(rotation(Persona::Pm2, &Value::Null), None);
        let container = rotation(Persona::Runtime, &Value::Null).unwrap();
        assert_eq!((container.retain, container.schedule), (Some(1), None));
        let pm2 = rotation(Persona::Pm2, &json!({})).unwrap();
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
        assert_eq!(rotation(Persona::Rpm, &settings), Some(expected));
    }

    #[test]
    fn what_cannot_be_read_costs_its_own_key() {
        let bad = json!({ "max_size": "5M", "compress": "yes", "retain": "-1", "rotateInterval": "daily", "TZ": "Mars" });
        let usual = Rotation::usual(Persona::Rpm);
        let expected = Rotation { max_size: Bytes(5 << 20), ..usual };
        assert_eq!(rotation(Persona::Rpm, &bad), Some(expected));
        let problems = settings(json!({ "pm2-logrotate": bad })).problems();
        let keys: Vec<_> = problems
            .iter()
            .map(|problem| match problem {
                SettingsError::Value { key, .. } => key.as_str(),
                other => panic!("{other}"),
            })
            .collect();
        assert_eq!(
            keys,
            ["retain", "compress", "TZ", "rotateInterval"].map(|key| format!("pm2-logrotate:{key}"))
        );
    }

    #[test]
    fn the_number_of_tasks_is_of_the_home_and_of_namespaces() {
        assert!(settings(json!({})).max_parallel().is_empty());
        let own = json!({ "max_parallel": "4", "namespaces": { "a": { "max_parallel": 2 }, "b": {} } });
        let said = settings(json!({ "rpm": own })).max_parallel();
        assert_eq!(
            (said.of_home(), said.of_namespace("a"), said.of_namespace("b")),
            (Some(4), Some(2), None)
        );
        assert_eq!(settings(json!({ "rpm": { "max_parallel": "0" } })).max_parallel().of_home(), None);
        let bad = settings(
            json!({ "rpm": { "max_parallel": 3, "namespaces": { "a": { "max_parallel": "-1" } } } }),
        );
        assert_eq!((bad.max_parallel().of_home(), bad.max_parallel().of_namespace("a")), (Some(3), None));
        let problem = bad.problems()[0].to_string();
        assert!(problem.contains("rpm:namespaces:a:max_parallel: \"-1\""), "{problem}");
    }

    #[test]
    fn the_history_is_as_long_as_it_is_set() {
        let usual = rpm_history::DEFAULT_RUNS;
        for (value, runs) in
            [(json!("5000"), 5_000), (json!(0), 0), (json!(""), usual), (json!("many"), usual)]
        {
            assert_eq!(settings(json!({ "rpm": { "history_runs": value } })).history_runs(), runs);
        }
        let problems = settings(json!({ "rpm": { "history_runs": "many" } })).problems();
        assert!(problems[0].to_string().contains("rpm:history_runs: \"many\""));
    }

    #[test]
    fn a_file_that_is_broken_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::new(directory.path().to_owned(), Persona::Rpm);
        assert!(Settings::load(&home).unwrap().rotation(Persona::Rpm).is_some());
        fs::write(directory.path().join("module_conf.json"), "{").unwrap();
        assert!(Settings::load(&home).unwrap_err().to_string().contains("module_conf.json"));
    }
}
