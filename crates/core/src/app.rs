//! What to run and how: the declaration of an app, checked and complete.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    Bytes, Dependencies, Dependency, Env, Health, Limits, Listen, Millis, OnDependencyFailure, Ready,
    Secrets, Signal,
    cron::{Schedule, Zone},
    env_file::EnvFiles,
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
    /// Files of further variables, below `env`; read at each start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env_file: Option<Box<EnvFiles>>,
    /// Whether the values of `env` may refer to variables (see [`crate::expand`]).
    #[serde(default, skip_serializing_if = "is_false")]
    pub expand_env: bool,
    /// Variables that are not shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Box<Secrets>>,
    /// The `env_<name>` blocks as declared, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub profiles: BTreeMap<String, Env>,
    /// Which of them was chosen (`--env`): a later start of the file that chooses none keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
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
    /// What a tick does while it runs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cron_overlap: Overlap,
    /// A tick fires up to so much later, by an amount that looks random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron_jitter: Option<Millis>,
    /// Whether a tick that nobody could see, because no daemon ran, is made up for.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cron_catch_up: bool,
    /// Whether to declare it does not start it: its schedule does.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cron_only: bool,
    /// How long a run of a task may last; then it is stopped and has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_timeout: Option<Millis>,
    /// How often a task that failed is tried again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retries: u32,
    /// The pause before the first of these, twice as long before each further one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_delay: Option<Millis>,
    /// How long it may take to end before SIGKILL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill_timeout: Option<Millis>,
    /// The signal that asks it to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill_signal: Option<Signal>,
    /// Whether a stop ends the whole tree, not only the main process.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub treekill: bool,
    /// Whether a stop is asked for by the message `shutdown` on the IPC channel, not by a signal.
    #[serde(default, skip_serializing_if = "is_false")]
    pub shutdown_with_message: bool,
    /// Whether it is up only when it says `ready` on the IPC channel.
    #[serde(default, skip_serializing_if = "is_false")]
    pub wait_ready: bool,
    /// What else shows that it is up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<Ready>,
    /// How long that may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen_timeout: Option<Millis>,
    /// How long it may be silent on its notify socket once it is up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watchdog: Option<Millis>,
    /// Whether it is well, and what follows if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Box<Health>>,
    /// What has to be before it is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depends_on: Option<Box<Dependencies>>,
    /// What becomes of it if that fails.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_dependency_failure: OnDependencyFailure,
    /// Sockets that the daemon holds for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listen: Vec<Listen>,
    /// How connections get to the workers of a cluster.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cluster_balance: Balance,
    /// What a reload does; by its kind without this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reload: Option<Reload>,
    /// How many processes are reloaded at once; `None` is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reload_parallel: Option<u32>,
    /// Over this, the memory of the whole tree, it is restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_memory_restart: Option<Bytes>,
    /// What it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Box<Limits>>,
    /// The files whose change restarts it.
    #[serde(default, skip_serializing_if = "Watch::is_off")]
    pub watch: Watch,
    /// Globs of files that are not watched; `None` is PM2's: dot files and `node_modules`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_watch: Option<Vec<String>>,
    /// Quiet time after a change before the restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch_delay: Option<Millis>,
    /// What is kept from the starter's environment.
    #[serde(default, skip_serializing_if = "FilterEnv::is_off")]
    pub filter_env: FilterEnv,
    /// A number in the environment that grows by one from instance to instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub increment_var: Option<String>,
    /// The user it runs as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The name and the home directory of that user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Box<Account>>,
    /// The group it runs as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// Where standard output goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_file: Option<LogTarget>,
    /// Where standard error goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_file: Option<LogTarget>,
    /// Where both streams go beside that; `true` is the default place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_file: Option<CombinedLog>,
    /// Whether its output is thrown away.
    #[serde(default, skip_serializing_if = "is_false")]
    pub disable_logs: bool,
    /// The form of its log lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_type: Option<LogType>,
    /// Where its pid is written; the id is put before the extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_file: Option<PathBuf>,
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
    /// Attributes of PM2 that change nothing here but belong in `jlist`, by name.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub extras: serde_json::Map<String, serde_json::Value>,
}

/// The namespace of an app that declares none.
pub const DEFAULT_NAMESPACE: &str = "default";

fn default_namespace() -> String {
    DEFAULT_NAMESPACE.to_owned()
}

fn default_instance_var() -> String {
    "NODE_APP_INSTANCE".to_owned()
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_true(flag: &bool) -> bool {
    *flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl AppSpec {
    /// PM2's limit when none is declared.
    pub const DEFAULT_MAX_RESTARTS: u32 = 16;
    /// PM2's `min_uptime` when none is declared.
    pub const DEFAULT_MIN_UPTIME: Millis = Millis(1_000);
    /// PM2's `kill_timeout` when none is declared.
    pub const DEFAULT_KILL_TIMEOUT: Millis = Millis(1_600);

    /// PM2's `listen_timeout` when none is declared.
    pub const DEFAULT_LISTEN_TIMEOUT: Millis = Millis(3_000);

    /// `retry_delay` when none is declared.
    pub const DEFAULT_RETRY_DELAY: Millis = Millis(1_000);

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
            env_file: None,
            expand_env: false,
            secret: None,
            profiles: BTreeMap::new(),
            profile: None,
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
            cron_overlap: Overlap::Restart,
            cron_jitter: None,
            cron_catch_up: false,
            cron_only: false,
            task_timeout: None,
            retries: 0,
            retry_delay: None,
            kill_timeout: None,
            kill_signal: None,
            treekill: true,
            shutdown_with_message: false,
            wait_ready: false,
            ready: None,
            listen_timeout: None,
            watchdog: None,
            health: None,
            depends_on: None,
            on_dependency_failure: OnDependencyFailure::Wait,
            listen: Vec::new(),
            cluster_balance: Balance::RoundRobin,
            reload: None,
            reload_parallel: None,
            max_memory_restart: None,
            limits: None,
            watch: Watch::Off,
            ignore_watch: None,
            watch_delay: None,
            filter_env: FilterEnv::default(),
            increment_var: None,
            uid: None,
            account: None,
            gid: None,
            out_file: None,
            error_file: None,
            log_file: None,
            disable_logs: false,
            log_type: None,
            pid_file: None,
            merge_logs: None,
            log_date_format: None,
            username: None,
            version: None,
            extras: serde_json::Map::new(),
        }
    }

    /// The variables that name the user it runs as, where that is not the daemon's own.
    pub fn account_variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.account.iter().flat_map(|account| {
            [("USER", &*account.name), ("LOGNAME", &*account.name), ("HOME", &*account.home)]
        })
    }

    /// The name of the user it runs as: that of `uid`, else that of the user who declared it.
    pub fn user(&self) -> Option<std::borrow::Cow<'_, str>> {
        match (&self.account, self.uid) {
            (Some(account), _) => Some(account.name.as_str().into()),
            (None, Some(uid)) => Some(uid.to_string().into()),
            (None, None) => self.username.as_deref().map(Into::into),
        }
    }

    /// Whether it was installed by `install`: PM2 leaves such apps out of `all`, of dumps and of the table of apps.
    pub fn is_module(&self) -> bool {
        self.extras.get("pmx_module") == Some(&serde_json::Value::Bool(true))
    }

    /// Whether it is started when it is declared, or brought back after a boot.
    pub fn starts_when_declared(&self) -> bool {
        self.autostart && !self.cron_only
    }

    /// Whether it is meant to end.
    pub fn is_task(&self) -> bool {
        !self.autorestart
    }

    /// What shows that it is up, if anything was declared.
    pub fn readiness(&self) -> Option<Ready> {
        self.ready.clone().or_else(|| self.wait_ready.then_some(Ready::Ipc))
    }

    /// What has to be before it is started.
    pub fn dependencies(&self) -> &[Dependency] {
        self.depends_on.as_ref().map_or(&[], |dependencies| &dependencies.0)
    }

    /// Puts a mask in place of the values that are not to be seen.
    pub fn mask(&mut self) {
        let Some(secrets) = self.secret.take() else { return };
        for env in std::iter::once(&mut self.env).chain(self.profiles.values_mut()) {
            secrets.mask(env);
        }
        self.secret = Some(secrets);
    }

    /// Whether its processes are workers of a Node cluster: nothing else can be one.
    pub fn is_cluster(&self) -> bool {
        self.exec_mode == ExecMode::Cluster && self.interpreter.is_node()
    }

    /// Whether a reload starts the new run beside the old one.
    pub fn overlaps(&self) -> bool {
        match self.reload {
            Some(reload) => reload == Reload::Overlap,
            None => self.is_cluster() || !self.listen.is_empty(),
        }
    }

    /// Whether Node is to show places of the sources from which a script was made (`source_map_support`).
    pub fn reads_source_maps(&self) -> bool {
        let asked = self.extras.get("source_map_support") == Some(&serde_json::Value::Bool(true));
        let program = Path::new(self.interpreter.as_str());
        asked && program.file_name().is_some_and(|name| name == "node")
    }

    /// Whether its instances share log files: as declared, else PM2's rule, by which plain forks carry no id.
    pub fn merges_logs(&self) -> bool {
        self.merge_logs.unwrap_or_else(|| {
            matches!(self.instances, None | Some(Instances::Cpus { less: 0 }))
                && self.exec_mode == ExecMode::Fork
        })
    }
}

/// A user of this system, as it was when the app was declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The login name.
    pub name: String,
    /// The home directory.
    pub home: String,
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
    /// Whether it is Node.
    pub fn is_node(&self) -> bool {
        let program = Path::new(self.as_str()).file_name().and_then(|name| name.to_str());
        matches!(program, Some("node" | "nodejs"))
    }

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

/// How connections get to the workers of a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// The daemon accepts them and hands them over in turn.
    #[default]
    RoundRobin,
    /// Each worker accepts them itself: cheaper, and less even.
    Shared,
}

/// What a tick of a schedule does to what runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// It is restarted, as in PM2.
    #[default]
    Restart,
    /// Nothing: the tick is dropped.
    Skip,
    /// It runs once more when it has ended. Further ticks until then are this one.
    Queue,
}

/// What a reload does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reload {
    /// The new run is started beside the old one, which ends when the new one is up.
    Overlap,
    /// The old run ends, then the new one is started.
    Restart,
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
    /// The largest number of processes of one app, wherever the number comes from.
    pub const MAX: u32 = 65_535;

    /// Whether the declared number is within [`Self::MAX`].
    pub fn is_allowed(self) -> bool {
        let (Self::Count(number) | Self::Cpus { less: number }) = self;
        number <= Self::MAX
    }

    /// The number of processes on a machine with `cpus`, at most [`Self::MAX`] even if an old dump declares more.
    pub fn resolve(self, cpus: u32) -> u32 {
        let count = match self {
            Self::Count(count) => count,
            Self::Cpus { less } => cpus.saturating_sub(less).max(1),
        };
        count.min(Self::MAX)
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

/// Which files restart an app when they change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Watch {
    /// None. Written `false`.
    #[default]
    #[serde(with = "off")]
    Off,
    /// All below the working directory. Written `true`.
    #[serde(with = "on")]
    All,
    /// These, relative to the working directory.
    Paths(Vec<PathBuf>),
}

impl Watch {
    /// Whether nothing is watched.
    pub fn is_off(&self) -> bool {
        *self == Self::Off
    }
}

/// A unit variant that is written as this truth value.
macro_rules! literal_bool {
    ($module:ident, $value:literal) => {
        mod $module {
            use serde::{Deserialize, Deserializer, Serializer, de};

            pub(super) fn serialize<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bool($value)
            }

            pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
                match bool::deserialize(deserializer)? {
                    $value => Ok(()),
                    other => Err(de::Error::custom(other)),
                }
            }
        }
    };
}

literal_bool!(off, false);
literal_bool!(on, true);

/// What is kept back of the environment of the one who starts an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FilterEnv {
    /// Nothing, or everything. Written as a truth value.
    Everything(bool),
    /// Exactly this variable.
    Exactly(String),
    /// Those whose names contain one of these.
    Containing(Vec<String>),
}

impl Default for FilterEnv {
    fn default() -> Self {
        Self::Everything(false)
    }
}

impl FilterEnv {
    /// Whether nothing is kept back.
    pub fn is_off(&self) -> bool {
        match self {
            Self::Everything(all) => !all,
            Self::Exactly(_) => false,
            Self::Containing(parts) => parts.is_empty(),
        }
    }

    /// Whether a child gets the variable `name`.
    pub fn passes(&self, name: &str) -> bool {
        match self {
            Self::Everything(all) => !all,
            Self::Exactly(one) => name != one,
            Self::Containing(parts) => !parts.iter().any(|part| name.contains(part.as_str())),
        }
    }
}

/// Where both streams go together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CombinedLog {
    /// The default place, or nowhere.
    Default(bool),
    /// Here.
    At(LogTarget),
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogType {
    /// An object of JSON for each.
    Json,
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
    fn watch_and_filters_are_written_as_in_pm2() {
        for (watch, json) in
            [(Watch::Off, "false"), (Watch::All, "true"), (Watch::Paths(vec!["src".into()]), "[\"src\"]")]
        {
            assert_eq!(serde_json::to_string(&watch).unwrap(), json);
            assert_eq!(serde_json::from_str::<Watch>(json).unwrap(), watch);
        }
        assert!(FilterEnv::default().passes("A") && !FilterEnv::Everything(true).passes("A"));
        assert!(!FilterEnv::Exactly("A".into()).passes("A") && FilterEnv::Exactly("A".into()).passes("AB"));
        assert!(!FilterEnv::Containing(vec!["A".into()]).passes("BAB"));
    }

    #[test]
    fn a_spec_survives_the_wire() {
        let mut app = AppSpec::new("a", "/a.js".into(), Interpreter::Program("node".into()), "/".into());
        app.kill_signal = Some(Signal::INT);
        app.out_file = Some(LogTarget::Null);
        app.instances = Some(Instances::Cpus { less: 1 });
        app.watch = Watch::All;
        app.filter_env = FilterEnv::Containing(vec!["SECRET".into()]);
        app.log_file = Some(CombinedLog::Default(true));
        let json = serde_json::to_string(&app).unwrap();
        assert_eq!(serde_json::from_str::<AppSpec>(&json).unwrap(), app);
    }
}
