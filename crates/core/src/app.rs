//! What to run and how: the declaration of an app, checked and complete.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    Env, Millis, Signal,
    cron::{Schedule, Zone},
};

/// A declared app. Paths are absolute, units are resolved, the environment profile is chosen.
///
/// Attributes have PM2's names. `None` means 'not declared': PM2's default applies, and `jlist` does not show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AppSpec {
    /// What people call it. Any text: see [`crate::name`] for what reaches paths and terminals.
    pub name: String,
    /// The group it belongs to.
    #[serde(default = "default_namespace")]
    pub namespace: String,
    /// The file to run (PM2's `pm_exec_path`).
    pub script: PathBuf,
    /// What the script gets.
    #[serde(default)]
    pub args: Vec<String>,
    /// What runs the script.
    pub interpreter: Interpreter,
    /// What the interpreter gets before the script.
    #[serde(default)]
    pub interpreter_args: Vec<String>,
    /// Where it runs (PM2's `pm_cwd`).
    pub cwd: PathBuf,
    /// How several instances share their ports.
    #[serde(default)]
    pub exec_mode: ExecMode,
    /// How many processes; `None` is one, with a log file that carries no id.
    #[serde(default)]
    pub instances: Option<Instances>,
    /// The declared environment, the chosen `env_<name>` merged in. The caller's own comes on top of nothing:
    /// see [`crate::protocol::Request::Start`].
    #[serde(default)]
    pub env: Env,
    /// The `env_<name>` blocks as declared, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub profiles: BTreeMap<String, Env>,
    /// The variable that carries the instance's number.
    #[serde(default = "default_instance_var")]
    pub instance_var: String,
    /// Whether it is started when it is declared.
    #[serde(default = "yes")]
    pub autostart: bool,
    /// Whether it is started again when it ends.
    #[serde(default = "yes")]
    pub autorestart: bool,
    /// Unstable runs in a row after which it is `errored`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_restarts: Option<u32>,
    /// A shorter run is unstable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_uptime: Option<Millis>,
    /// Pause before an automatic restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_delay: Option<Millis>,
    /// First pause of a growing series; wins over `restart_delay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp_backoff_restart_delay: Option<Millis>,
    /// Exit codes after which it stays stopped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop_exit_codes: Vec<i32>,
    /// When it is started or restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron_restart: Option<Schedule>,
    /// The time zone of `cron_restart`; the daemon's own without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron_timezone: Option<Zone>,
    /// How long it may take to end before SIGKILL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill_timeout: Option<Millis>,
    /// The signal that asks it to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill_signal: Option<Signal>,
    /// Where standard output goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_file: Option<LogTarget>,
    /// Where standard error goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_file: Option<LogTarget>,
    /// Whether instances share their log files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge_logs: Option<bool>,
    /// day.js tokens of the date before each line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_date_format: Option<String>,
    /// The user whose CLI declared it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The version in the nearest `package.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

fn default_namespace() -> String {
    "default".to_owned()
}

fn default_instance_var() -> String {
    "NODE_APP_INSTANCE".to_owned()
}

fn yes() -> bool {
    true
}

impl AppSpec {
    /// PM2's limit when none is declared.
    pub const DEFAULT_MAX_RESTARTS: u32 = 16;
    /// PM2's `min_uptime` when none is declared.
    pub const DEFAULT_MIN_UPTIME: Millis = Millis(1_000);
    /// PM2's `kill_timeout` when none is declared.
    pub const DEFAULT_KILL_TIMEOUT: Millis = Millis(1_600);

    /// An app with nothing declared but what it runs.
    pub fn new(name: impl Into<String>, script: PathBuf, interpreter: Interpreter, cwd: PathBuf) -> Self {
        Self {
            name: name.into(),
            namespace: default_namespace(),
            script,
            args: Vec::new(),
            interpreter,
            interpreter_args: Vec::new(),
            cwd,
            exec_mode: ExecMode::Fork,
            instances: None,
            env: Env::default(),
            profiles: BTreeMap::new(),
            instance_var: default_instance_var(),
            autostart: true,
            autorestart: true,
            max_restarts: None,
            min_uptime: None,
            restart_delay: None,
            exp_backoff_restart_delay: None,
            stop_exit_codes: Vec::new(),
            cron_restart: None,
            cron_timezone: None,
            kill_timeout: None,
            kill_signal: None,
            out_file: None,
            error_file: None,
            merge_logs: None,
            log_date_format: None,
            username: None,
            version: None,
        }
    }

    /// Whether its instances share log files: as declared, else PM2's rule, by which plain forks carry no id.
    pub fn merges_logs(&self) -> bool {
        self.merge_logs.unwrap_or_else(|| {
            matches!(self.instances, None | Some(Instances::Cpus { less: 0 }))
                && self.exec_mode == ExecMode::Fork
        })
    }
}

/// What runs a script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Interpreter {
    /// The script is the program.
    None,
    /// A program, looked up in `PATH` unless it has a slash.
    Program(String),
}

impl Interpreter {
    /// PM2's word: `none`, or the program.
    pub fn as_str(&self) -> &str {
        match self {
            Self::None => "none",
            Self::Program(program) => program,
        }
    }
}

impl From<String> for Interpreter {
    fn from(word: String) -> Self {
        if word == "none" { Self::None } else { Self::Program(word) }
    }
}

impl From<Interpreter> for String {
    fn from(interpreter: Interpreter) -> Self {
        interpreter.as_str().to_owned()
    }
}

/// How several instances share their ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExecMode {
    /// They share nothing.
    #[default]
    #[serde(rename = "fork_mode")]
    Fork,
    /// They are Node workers behind one primary.
    #[serde(rename = "cluster_mode")]
    Cluster,
}

impl ExecMode {
    /// PM2's stored word, `fork_mode` or `cluster_mode`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fork => "fork_mode",
            Self::Cluster => "cluster_mode",
        }
    }

    /// The word in the table, `fork` or `cluster`.
    pub fn short(self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::Cluster => "cluster",
        }
    }
}

/// A declared number of instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "i64", into = "i64")]
pub enum Instances {
    /// That many, at least one.
    Count(u32),
    /// One for each CPU, less some; at least one. Written `0` or `max`, `-1`, and so on.
    Cpus {
        /// How many CPUs are left free.
        less: u32,
    },
}

impl Instances {
    /// How many processes that is on a machine with `cpus`.
    pub fn resolve(self, cpus: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Cpus { less } => cpus.saturating_sub(less).max(1),
        }
    }
}

impl From<i64> for Instances {
    fn from(number: i64) -> Self {
        match u32::try_from(number.unsigned_abs()).unwrap_or(u32::MAX) {
            count if number > 0 => Self::Count(count),
            less => Self::Cpus { less },
        }
    }
}

impl From<Instances> for i64 {
    fn from(instances: Instances) -> Self {
        match instances {
            Instances::Count(count) => count.into(),
            Instances::Cpus { less } => -Self::from(less),
        }
    }
}

/// Where one stream of a process goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "PathBuf", into = "PathBuf")]
pub enum LogTarget {
    /// Nowhere; written `/dev/null` or `NULL`.
    Null,
    /// A file. An id is put before its extension unless logs are merged.
    File(PathBuf),
}

impl From<PathBuf> for LogTarget {
    fn from(path: PathBuf) -> Self {
        if path.as_os_str() == "/dev/null" || path.as_os_str() == "NULL" {
            Self::Null
        } else {
            Self::File(path)
        }
    }
}

impl From<LogTarget> for PathBuf {
    fn from(target: LogTarget) -> Self {
        match target {
            LogTarget::Null => "/dev/null".into(),
            LogTarget::File(path) => path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_read_as_in_pm2() {
        let resolved = |number: i64| Instances::from(number).resolve(8);
        assert_eq!([1, 4, 0, -1, -7, -8, -100].map(resolved), [1, 4, 8, 7, 1, 1, 1]);
        for number in [1, 4, 0, -1] {
            assert_eq!(i64::from(Instances::from(number)), number);
        }
    }

    #[test]
    fn only_plain_forks_have_logs_without_an_id() {
        let mut app = AppSpec::new("a", "/a".into(), Interpreter::None, "/".into());
        assert!(app.merges_logs());
        app.instances = Some(Instances::Count(1));
        assert!(!app.merges_logs());
        app.merge_logs = Some(true);
        assert!(app.merges_logs());
    }

    #[test]
    fn a_spec_survives_the_wire() {
        let mut app = AppSpec::new("a", "/a.js".into(), Interpreter::Program("node".into()), "/".into());
        app.kill_signal = Some(Signal::INT);
        app.out_file = Some(LogTarget::Null);
        app.instances = Some(Instances::Cpus { less: 1 });
        let json = serde_json::to_string(&app).unwrap();
        assert_eq!(serde_json::from_str::<AppSpec>(&json).unwrap(), app);
    }
}
