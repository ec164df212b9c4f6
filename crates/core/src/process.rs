//! What the daemon tells about a process.

use std::{fmt, path::PathBuf, sync::Arc};

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::{AppSpec, Bytes, Env, ExecMode, HealthReport, HealthState, Status, Why};

/// A process's number in the table (PM2's `pm_id`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProcessId(pub u32);

impl ProcessId {
    /// PM2's variable with the number of a process, in the environment of its whole tree.
    pub const VARIABLE: &str = "pm_id";
}

impl From<u32> for ProcessId {
    fn from(id: u32) -> Self {
        Self(id)
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It returned this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// It was killed because it used more memory than its limit.
    OutOfMemory,
    /// It ended while no daemon was there to see how.
    Unknown,
}

impl Exit {
    /// The code as PM2 shows it: 0 for a death by signal.
    pub fn pm2_code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(_) | Self::OutOfMemory | Self::Unknown => 0,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "code {code}"),
            Self::Signal(number) => match crate::Signal::try_from(*number) {
                Ok(signal) => write!(f, "signal {signal}"),
                Err(_) => write!(f, "signal {number}"),
            },
            Self::OutOfMemory => f.write_str("memory over its limit"),
            Self::Unknown => f.write_str("unknown exit"),
        }
    }
}

/// One row of `list`: what a person looks at, without environments and paths. What goes without saying is not said,
/// because the list is as quick as its rows are short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessSummary {
    /// Its number.
    pub id: ProcessId,
    /// Its app's name.
    pub name: CompactString,
    /// Its app's namespace.
    #[serde(default = "default_namespace", skip_serializing_if = "is_default_namespace")]
    pub namespace: CompactString,
    /// Its app's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<CompactString>,
    /// Fork or cluster.
    #[serde(default, skip_serializing_if = "is_default")]
    pub exec_mode: ExecMode,
    /// 0 unless it runs.
    pub pid: i32,
    /// When the present run began, milliseconds since the epoch; meaningful while it runs.
    pub pm_uptime: i64,
    /// The ↺ column.
    #[serde(default, skip_serializing_if = "is_default")]
    pub restart_time: u32,
    /// What it is doing.
    pub status: Status,
    /// CPU of its whole tree in percent of one core, since the last look.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cpu: f32,
    /// Resident memory of its whole tree.
    pub memory: Bytes,
    /// The user it runs as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<CompactString>,
    /// Whether files are watched for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub watching: bool,
    /// How well its run is, where it is checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthState>,
    /// Whether it is a module ([`AppSpec::is_module`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub module: bool,
}

fn default_namespace() -> CompactString {
    CompactString::const_new("default")
}

fn is_default_namespace(namespace: &str) -> bool {
    namespace == "default"
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// All that is known of a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessInfo {
    /// What `list` shows.
    #[serde(flatten)]
    pub summary: ProcessSummary,
    /// What was declared.
    pub spec: Arc<AppSpec>,
    /// The environment of the one who started it, below the declared one.
    pub base_env: Arc<Env>,
    /// What its latest run has of `env_file`, and where its values refer to others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Box<Env>>,
    /// Its number among the instances of its app.
    pub instance: u32,
    /// The value of the app's `increment_var` for this instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub increment: Option<i64>,
    /// The same for all instances of one start.
    pub unique_id: String,
    /// When it was first started, or last restarted by hand; milliseconds since the epoch.
    pub created_at: Option<i64>,
    /// Short runs in a row.
    pub unstable_restarts: u32,
    /// The pause before the last automatic restart, milliseconds.
    pub prev_restart_delay: u64,
    /// How the last run ended.
    pub exit: Option<Exit>,
    /// Why it is `errored`, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What the checks of its run have shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_report: Option<HealthReport>,
    /// What it waits for before it is started, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
    /// The log of its standard output.
    pub out_log: PathBuf,
    /// The log of its standard error.
    pub error_log: PathBuf,
    /// The log of both together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub combined_log: Option<PathBuf>,
    /// Its pid file.
    pub pid_file: PathBuf,
    /// What the app told about itself.
    #[serde(default)]
    pub told: Told,
    /// Why the present run was started; of one that rests, the run before.
    #[serde(default)]
    pub why: Why,
    /// When the pause before the next run ends, milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause_ends: Option<i64>,
    /// When the schedule fires next, milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_tick: Option<i64>,
    /// Why the kernel does not hold it to its limits on memory and CPU, if it has such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unheld: Option<String>,
}

/// What a Node app tells on its IPC channel, by PM2's own conventions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// The version of Node that runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_version: Option<String>,
    /// What `trigger` can ask of it (`axm:action`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<serde_json::Value>,
    /// Its metrics by name (`axm:monitor`).
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub metrics: serde_json::Map<String, serde_json::Value>,
    /// What it does, in its own words (`STATUS=` of `sd_notify`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Its options (`axm:option:configuration`).
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub options: serde_json::Map<String, serde_json::Value>,
}

impl ProcessInfo {
    /// Puts a mask in place of the values of the variables that its app declares to be secret.
    pub fn mask(&mut self) {
        let Some(secrets) = self.spec.secret.clone() else { return };
        Arc::make_mut(&mut self.spec).mask();
        secrets.mask(Arc::make_mut(&mut self.base_env));
        if let Some(resolved) = &mut self.resolved {
            secrets.mask(resolved);
        }
    }

    /// The environment its child has, without what the daemon adds for each run.
    pub fn env(&self) -> Env {
        let passed = self.base_env.iter().filter(|(name, _)| self.spec.filter_env.passes(name));
        let mut env: Env = passed.map(|(name, value)| (name.clone(), value.clone())).collect();
        for (name, value) in self.spec.account_variables() {
            env.set(name, value);
        }
        env.merge(self.resolved.as_deref().unwrap_or(&self.spec.env));
        if let (Some(name), Some(value)) = (&self.spec.increment_var, self.increment) {
            env.set(&**name, value.to_string());
        }
        env
    }
}
