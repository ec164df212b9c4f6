//! `redundancy.toml`: what is watched, how often, and what is done about it.
//!
//! Order of precedence: environment variables `RPM_REDUNDANCY_<PART>_<KEY>`, the file, the defaults. The defaults are
//! one table of values (`Default`), from which the types of the environment's values are known too; the commented
//! file that `init` writes is checked against them.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use rpm_core::{Bytes, Millis};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use toml::{Table, Value};

/// The file's name.
pub const FILE: &str = "redundancy.toml";

/// What `init` writes: every setting with its default, and what it means.
pub const TEMPLATE: &str = include_str!("redundancy.toml");

/// How the variables begin that override settings.
const PREFIX: &str = "RPM_REDUNDANCY_";

/// A setting with a unit: `"30s"`, `"10M"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unit<T> {
    /// Its value.
    pub value: T,
    /// How a default is written; of what was read nobody asks.
    text: &'static str,
}

impl<T> Unit<T> {
    const fn of(value: T, text: &'static str) -> Self {
        Self { value, text }
    }
}

impl<T: fmt::Debug> Serialize for Unit<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text)
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Unit<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a text such as \"30s\" or \"10M\", or a whole number")]
        enum Written {
            Number(u64),
            Text(String),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Number(number) => number.to_string(),
            Written::Text(text) => text,
        };
        let value = text.parse().map_err(de::Error::custom)?;
        Ok(Self { value, text: "" })
    }
}

/// A duration.
pub type Span = Unit<Millis>;

const fn span(ms: u64, text: &'static str) -> Span {
    Unit::of(Millis(ms), text)
}

const fn size(bytes: u64, text: &'static str) -> Unit<Bytes> {
    Unit::of(Bytes(bytes), text)
}

/// All settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The directory that relative paths begin at, relative to the file.
    pub root: PathBuf,
    /// Where logs and reports go, and what must survive.
    pub files: Files,
    /// Processes of the daemon.
    pub pm2: Pm2,
    /// GitHub Actions.
    pub github: Github,
    /// Netlify functions.
    pub netlify: Netlify,
    /// The whole.
    pub orchestrator: Orchestrator,
}

/// Where files go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Files {
    /// One log a part, and the health reports.
    pub logs: PathBuf,
    /// What must survive a restart.
    pub state: PathBuf,
    /// A log of ours that is larger is put aside as `<name>.log.1`.
    pub max_log_size: Unit<Bytes>,
    /// Health reports of so many days are kept.
    pub keep_reports: u32,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            logs: "automation/logs".into(),
            state: "automation/state".into(),
            max_log_size: size(5 << 20, "5M"),
            keep_reports: 30,
        }
    }
}

/// Processes of the daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pm2 {
    /// Whether this part runs with the whole.
    pub enabled: bool,
    /// Between two looks.
    pub interval: Span,
    /// Names that are watched.
    pub processes: Vec<String>,
    /// Namespaces that are watched whole.
    pub namespaces: Vec<String>,
    /// Files whose apps are watched, and started when they are not there; in this order.
    pub ecosystem_files: Vec<PathBuf>,
    /// Attempts to bring a process back, after which it is reported.
    pub max_attempts: u32,
    /// Between two of them.
    pub retry_delay: Span,
    /// Attempts and restarts are counted from scratch when a process has stayed up for so long.
    pub forget_after: Span,
    /// Percent of one core.
    pub cpu_limit: f64,
    /// Percent of the process's limit, else of the machine's memory.
    pub memory_limit: f64,
    /// Looks in a row above one of these limits, after which it is reported.
    pub overload_checks: u32,
    /// Whether it is restarted then.
    pub restart_overloaded: bool,
    /// A larger log is rotated.
    pub max_log_size: Unit<Bytes>,
    /// Whether a daemon is started where there is none.
    pub start_daemon: bool,
}

impl Default for Pm2 {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: span(30_000, "30s"),
            processes: texts(&[
                "zion-auto-sync",
                "zion-auto-sync-cron",
                "redundancy-automation-system",
                "redundancy-health-monitor",
                "redundancy-git-sync",
                "redundancy-build-monitor",
            ]),
            namespaces: Vec::new(),
            ecosystem_files: vec!["ecosystem/ecosystem.redundancy.toml".into()],
            max_attempts: 5,
            retry_delay: span(5_000, "5s"),
            forget_after: span(600_000, "10m"),
            cpu_limit: 90.0,
            memory_limit: 80.0,
            overload_checks: 3,
            restart_overloaded: false,
            max_log_size: size(50 << 20, "50M"),
            start_daemon: false,
        }
    }
}

/// What stands in for a workflow that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backup {
    /// `workflow_dispatch` or `repository_dispatch` over the API.
    Dispatch,
    /// The workflow is run on this machine.
    Local,
}

impl Backup {
    /// The word of the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dispatch => "dispatch",
            Self::Local => "local",
        }
    }
}

/// What is done about due schedules when GitHub's API tells nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unanswered {
    /// They run on this machine.
    Local,
    /// It is reported, and nothing else.
    Report,
}

/// GitHub Actions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Github {
    /// Whether this part runs with the whole.
    pub enabled: bool,
    /// Between two looks.
    pub interval: Span,
    /// Where workflow files are.
    pub directory: PathBuf,
    /// Names of workflow files, or patterns such as `*.yml`.
    pub workflows: Vec<String>,
    /// `owner/name`; without it `GITHUB_REPOSITORY`, or what the remote `origin` says.
    pub repository: String,
    /// The branch that back-ups run on; without it the one that is checked out.
    pub branch: String,
    /// The API; without it `GITHUB_API_URL`, or GitHub's own.
    pub api_url: String,
    /// How long the API may take to answer.
    pub timeout: Span,
    /// Failed checks in a row before the back-up.
    pub failure_threshold: u32,
    /// What is tried, in this order.
    pub backup: Vec<Backup>,
    /// Due schedules when the API does not answer so often in a row: no connection, no answer in time, or 5xx.
    pub when_unreachable: Unanswered,
    /// The same when it refuses (401, 403, 404) or its rate limit is spent, although GitHub runs the workflows then.
    pub on_refusal: Unanswered,
    /// Before the back-up is tried again for what still fails.
    pub backup_pause: Span,
    /// How long a local run may take.
    pub local_limit: Span,
    /// How late a scheduled run may be. GitHub starts many of them minutes late.
    pub schedule_grace: Span,
}

impl Default for Github {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: span(60_000, "1m"),
            directory: ".github/workflows".into(),
            workflows: texts(&["marketing-sync.yml", "sync-health.yml"]),
            repository: String::new(),
            branch: String::new(),
            api_url: String::new(),
            timeout: span(10_000, "10s"),
            failure_threshold: 3,
            backup: vec![Backup::Dispatch, Backup::Local],
            when_unreachable: Unanswered::Local,
            on_refusal: Unanswered::Report,
            backup_pause: span(3_600_000, "1h"),
            local_limit: span(300_000, "5m"),
            schedule_grace: span(3_600_000, "1h"),
        }
    }
}

/// Netlify functions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Netlify {
    /// Whether this part runs with the whole.
    pub enabled: bool,
    /// Between two looks.
    pub interval: Span,
    /// Where functions are.
    pub directory: PathBuf,
    /// The list of them.
    pub manifest: PathBuf,
    /// Whether each function is sent a test event. Off, it is loaded and its handler looked for.
    pub invoke: bool,
    /// Functions that are not sent one, because it would do something.
    pub not_invoked: Vec<String>,
    /// How long a function may take to load and answer.
    pub timeout: Span,
    /// How much memory it may have.
    pub memory: Unit<Bytes>,
    /// Functions that are checked at the same time.
    pub max_concurrent_checks: u32,
    /// A function whose files are as they were is run again only after this time.
    pub full_check_interval: Span,
    /// The site, whose deployed functions are asked too.
    pub site_url: String,
    /// Failed checks in a row before the manifest is made anew and the site deployed.
    pub failure_threshold: u32,
    /// Whether it is deployed then.
    pub auto_deploy: bool,
    /// The URL that starts a build; without it `NETLIFY_BUILD_HOOK`, or the `netlify` command where it is installed.
    pub build_hook: String,
    /// How long a deployment may take.
    pub deploy_limit: Span,
    /// Before it is tried again for what still fails.
    pub deploy_pause: Span,
}

impl Default for Netlify {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: span(120_000, "2m"),
            directory: "netlify/functions".into(),
            manifest: "netlify/functions/functions-manifest.json".into(),
            invoke: true,
            not_invoked: Vec::new(),
            timeout: span(10_000, "10s"),
            memory: size(256 << 20, "256M"),
            max_concurrent_checks: 4,
            full_check_interval: span(7_200_000, "2h"),
            site_url: String::new(),
            failure_threshold: 3,
            auto_deploy: false,
            build_hook: String::new(),
            deploy_limit: span(300_000, "5m"),
            deploy_pause: span(1_800_000, "30m"),
        }
    }
}

/// The whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Orchestrator {
    /// Between two looks at the parts.
    pub interval: Span,
    /// Between two entries of the health report.
    pub health_interval: Span,
    /// So many unhealthy parts are an emergency.
    pub unhealthy_parts: u32,
    /// Whether it is recovered from without being asked.
    pub automatic_recovery: bool,
    /// Attempts in one emergency.
    pub max_recoveries: u32,
    /// The pause after the first attempt; each further one is twice as long.
    pub recovery_pause: Span,
}

impl Default for Orchestrator {
    fn default() -> Self {
        Self {
            interval: span(60_000, "1m"),
            health_interval: span(300_000, "5m"),
            unhealthy_parts: 2,
            automatic_recovery: true,
            max_recoveries: 3,
            recovery_pause: span(60_000, "1m"),
        }
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is wrong, with its place.
    #[error("{}: {reason}", path.display())]
    Wrong {
        /// Which.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// A variable of the environment is wrong.
    #[error("{name}: {reason}")]
    Variable {
        /// Which.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

impl Config {
    /// Reads the settings: of `file`, else of `redundancy.toml` in `cwd` if there is one. Paths come out absolute.
    pub fn load(
        file: Option<&Path>,
        cwd: &Path,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let path = cwd.join(file.unwrap_or(Path::new(FILE)));
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if file.is_none() && error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(ConfigError::Unreadable { path, source }),
        };
        // Once for its places in messages, then with what overrides it.
        let wrong = |error: toml::de::Error| ConfigError::Wrong {
            path: path.clone(),
            reason: error.to_string().trim_end().to_owned(),
        };
        let _: Self = toml::from_str(&text).map_err(wrong)?;
        let mut table: Table = toml::from_str(&text).map_err(wrong)?;
        override_with(&mut table, environment)?;
        let mut config: Self = table.try_into().map_err(wrong)?;
        config.check().map_err(|reason| ConfigError::Wrong { path: path.clone(), reason })?;
        config.root = path.parent().unwrap_or(cwd).join(&config.root);
        config.resolve();
        Ok(config)
    }

    /// What no type says.
    fn check(&self) -> Result<(), String> {
        let spans = [
            ("pm2.interval", self.pm2.interval),
            ("github.interval", self.github.interval),
            ("netlify.interval", self.netlify.interval),
            ("orchestrator.interval", self.orchestrator.interval),
            ("orchestrator.health_interval", self.orchestrator.health_interval),
        ];
        if let Some((name, _)) = spans.into_iter().find(|(_, span)| span.value < SHORTEST) {
            return Err(format!("{name}: expected at least {} ms", SHORTEST.0));
        }
        let counts = [
            ("github.failure_threshold", self.github.failure_threshold),
            ("netlify.failure_threshold", self.netlify.failure_threshold),
            ("netlify.max_concurrent_checks", self.netlify.max_concurrent_checks),
            ("pm2.overload_checks", self.pm2.overload_checks),
            ("orchestrator.unhealthy_parts", self.orchestrator.unhealthy_parts),
        ];
        match counts.into_iter().find(|(_, count)| *count == 0) {
            Some((name, _)) => Err(format!("{name}: expected at least 1")),
            None => Ok(()),
        }
    }

    fn resolve(&mut self) {
        let root = &self.root;
        let paths = [
            &mut self.files.logs,
            &mut self.files.state,
            &mut self.github.directory,
            &mut self.netlify.directory,
            &mut self.netlify.manifest,
        ];
        for path in paths.into_iter().chain(&mut self.pm2.ecosystem_files) {
            *path = root.join(&*path);
        }
    }
}

/// Shorter intervals would be a busy loop.
const SHORTEST: Millis = Millis(50);

/// Puts what the environment says into the table, with the types that the defaults have.
fn override_with(
    table: &mut Table,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<(), ConfigError> {
    let Ok(Value::Table(defaults)) = Value::try_from(Config::default()) else { return Ok(()) };
    for (name, text) in environment {
        let Some(rest) = name.strip_prefix(PREFIX).map(str::to_lowercase) else { continue };
        let wrong = |reason: String| ConfigError::Variable { name: name.clone(), reason };
        let Some((section, key)) = rest.split_once('_') else { continue };
        let Some(Value::Table(known)) = defaults.get(section) else { continue };
        let default = known.get(key).ok_or_else(|| {
            let keys: Vec<_> = known.keys().map(String::as_str).collect();
            wrong(format!("no such setting: expected one of {}", keys.join(", ")))
        })?;
        let value = typed(&text, default)
            .ok_or_else(|| wrong(format!("{text:?} is none: expected a value such as {default}")))?;
        let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(section) = section {
            section.insert(key.to_owned(), value);
        }
    }
    Ok(())
}

/// A text as the kind of value that `like` is. Lists are separated by commas.
fn typed(text: &str, like: &Value) -> Option<Value> {
    Some(match like {
        Value::Integer(_) => text.parse::<i64>().ok()?.into(),
        Value::Float(_) => text.parse::<f64>().ok()?.into(),
        Value::Boolean(_) => match text {
            "1" | "true" | "yes" | "on" => true.into(),
            "0" | "false" | "no" | "off" | "" => false.into(),
            _ => return None,
        },
        Value::Array(_) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(Value::from).collect())
        }
        _ => text.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, env: &[(&str, &str)]) -> Result<Config, String> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(FILE), text).unwrap();
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::load(None, directory.path(), env).map_err(|error| error.to_string())
    }

    #[test]
    fn what_init_writes_says_the_defaults() {
        let mut written: Table = toml::from_str(TEMPLATE).unwrap();
        let Value::Table(mut defaults) = Value::try_from(Config::default()).unwrap() else { panic!() };
        // The one that tells where all else is.
        assert_eq!(written.remove("root"), Some(".".into()));
        defaults.remove("root");
        assert_eq!(written, defaults);
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let config = load(
            "[pm2]\ninterval = \"10s\"\nmax_attempts = 2\n[netlify]\nmemory = 1024",
            &[
                ("RPM_REDUNDANCY_PM2_INTERVAL", "250ms"),
                ("RPM_REDUNDANCY_PM2_PROCESSES", "a, b"),
                ("RPM_REDUNDANCY_GITHUB_BACKUP", "local"),
                ("RPM_REDUNDANCY_NETLIFY_AUTO_DEPLOY", "1"),
                ("RPM_REDUNDANCY_PM2_CPU_LIMIT", "50"),
                ("RPM_REDUNDANCY_CONFIG", "elsewhere"),
                ("HOME", "/h"),
            ],
        )
        .unwrap();
        assert_eq!(config.pm2.interval.value, Millis(250));
        assert_eq!((config.pm2.max_attempts, config.pm2.processes), (2, texts(&["a", "b"])));
        assert_eq!(config.github.backup, [Backup::Local]);
        assert!(config.netlify.auto_deploy && config.netlify.memory.value == Bytes(1024));
        assert!((config.pm2.cpu_limit - 50.0).abs() < f64::EPSILON);
        assert!(config.files.logs.is_absolute() && config.netlify.manifest.is_absolute());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let wrong = |text: &str| load(text, &[]).unwrap_err();
        let message = wrong("[pm2]\nintervall = \"10s\"");
        assert!(message.contains("line 2") && message.contains("`interval`"), "{message}");
        assert!(wrong("[github]\ninterval = \"soon\"").contains("no duration"));
        assert!(wrong("[netlify]\ninterval = 0").contains("netlify.interval: expected at least 50 ms"));
        assert!(wrong("[github]\nbackup = [\"pray\"]").contains("dispatch"));
        assert!(wrong("[pm2").contains("line 1"));
        let variable = |name: &str, text: &str| load("", &[(name, text)]).unwrap_err();
        assert!(variable("RPM_REDUNDANCY_PM2_INTERVALL", "1").contains("no such setting"));
        assert!(variable("RPM_REDUNDANCY_PM2_MAX_ATTEMPTS", "many").contains("such as 5"));
        assert!(variable("RPM_REDUNDANCY_NETLIFY_INTERVAL", "x").contains("no duration"));
    }

    #[test]
    fn a_file_that_is_named_must_be_there() {
        let directory = tempfile::tempdir().unwrap();
        let load = |file| Config::load(file, directory.path(), std::iter::empty());
        assert!(load(None).is_ok());
        assert!(matches!(load(Some(Path::new("x.toml"))), Err(ConfigError::Unreadable { .. })));
    }
}
