//! What client and daemon say to each other.
//!
//! The first frame each way is a [`Hello`]. Then the client sends one [`Request`] at a time; the daemon answers
//! with any number of [`Reply`] frames, the last of which is [`Reply::End`] or [`Reply::Failed`]. The events of a
//! subscription are replies that go on until the connection closes.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{AppSpec, Env, ProcessId, ProcessInfo, ProcessSummary, Selector, Signal, Status, process::Exit};

/// The hidden verb under which the executable is the daemon.
pub const DAEMON_VERB: &str = "__daemon";

/// The hidden verb under which the executable is a static server.
pub const SERVE_VERB: &str = "__serve";

/// The variable by which systemd tells a service where to say that it is up. It means the daemon only where systemd has
/// started it.
pub const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";

/// Raised when a message changes so that an older program would misread it.
pub const PROTOCOL: u32 = 1;

/// Who is speaking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`] of the speaker.
    pub protocol: u32,
    /// Its program's version, for people.
    pub version: String,
    /// Its pid.
    pub pid: i32,
}

/// What a client may ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Are you there?
    Ping,
    /// A row for each process.
    List,
    /// All about those that are selected; all processes without a selector. The values of variables that are declared
    /// to be secret are masked.
    Describe(Option<Selector>),
    /// The same, with the values of variables that are declared to be secret.
    Reveal(Option<Selector>),
    /// In what the environment of a process differs from the one that it would get if it were started now.
    EnvDiff(EnvDiff),
    /// Answers when processes are somewhere.
    Wait(Wait),
    /// Declares apps and starts them.
    Start(StartApps),
    /// Does one thing to each selected process.
    Act(Act),
    /// Starts each selected process now, if all of them rest.
    Run(RunNow),
    /// Tells of the end of the run that a process has.
    AwaitEnd(ProcessId),
    /// Makes the number of an app's processes what it says.
    Scale(Scale),
    /// Empties the logs of the selected processes; of all and the daemon's own without a selector.
    Flush(Option<Selector>),
    /// Writes the list to the dump file.
    Save {
        /// Also when the list is empty.
        force: bool,
    },
    /// Starts what a dump names and is not there.
    Resurrect {
        /// Another dump than the home's own; one of PM2 will do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dump: Option<PathBuf>,
    },
    /// Opens the log files anew, as after somebody moved them away.
    ReloadLogs,
    /// Rotates the logs of the selected processes, whatever their size, also where rotation is switched off.
    RotateLogs(Selector),
    /// Reads the home's settings (`module_conf.json`) again.
    ReloadSettings,
    /// Sends a signal to the main process of each that is selected.
    Signal(SendSignal),
    /// Writes a line to the standard input of one process.
    Input(Input),
    /// Has an action of each selected app done, as `trigger` does.
    Trigger(Trigger),
    /// Sends a message on the IPC channel of one process.
    Message {
        /// To whom.
        id: ProcessId,
        /// What.
        data: serde_json::Value,
    },
    /// Tells what happens from now on.
    Subscribe,
    /// Ends every process and the daemon.
    Kill,
    /// Replaces the daemon by another program, in place. Also taken from a client of another protocol. The
    /// connection ends when it is done.
    Update {
        /// The program.
        executable: PathBuf,
    },
}

impl Request {
    /// Whether it changes nothing: asked twice, it does no harm.
    pub fn only_looks(&self) -> bool {
        matches!(self, Self::Ping | Self::List | Self::Describe(_) | Self::Reveal(_) | Self::EnvDiff(_))
    }

    /// Whether it does no harm if it is asked again after the daemon was replaced in the middle of it.
    pub fn is_repeatable(&self) -> bool {
        self.only_looks() || matches!(self, Self::Wait(_) | Self::Subscribe)
    }

    /// Whether a replacement of the daemon waits for its end: it changes something, and does not wait for what may never
    /// happen.
    pub fn holds_up_update(&self) -> bool {
        let waits = matches!(self, Self::Wait(_) | Self::AwaitEnd(_) | Self::Subscribe);
        !self.only_looks() && !waits && !matches!(self, Self::Kill | Self::Update { .. })
    }
}

/// Apps to be declared and started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StartApps {
    /// What to run.
    pub apps: Vec<AppSpec>,
    /// The caller's environment, which each child has below its declared one.
    pub env: Env,
    /// What to do with an app whose name is taken.
    pub existing: Existing,
    /// Whether `env` also replaces that of processes which are there already (`--update-env`).
    #[serde(default)]
    pub update_env: bool,
}

/// What to do with a declared app that is already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Existing {
    /// Give its processes the new declaration and restart them (a file was started).
    Restart,
    /// The same, with a reload instead of a restart.
    Reload,
    /// Start it if it rests, else refuse when it is the same script (a script was started).
    Refuse,
    /// Start another beside it (`--force`).
    Duplicate,
}

/// Where processes have to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// Which processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Selector>,
    /// Without a target: these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<ProcessId>,
    /// Where.
    pub until: Until,
}

/// Where a process may have to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// Its status is `online`.
    Online,
    /// It has shown that it is up, where it declares how.
    Ready,
    /// Its health check was answered.
    Healthy,
    /// Healthy where it has a health check, else ready.
    Up,
    /// It rests.
    Stopped,
    /// The present run has ended.
    Exit,
}

/// The end of a wait for one process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waited {
    /// Which one.
    pub id: ProcessId,
    /// Its name; empty if it is no more.
    pub name: String,
    /// Why it will not come there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// A question about an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvDiff {
    /// Whose.
    pub id: ProcessId,
    /// The environment that would replace the one of the first start (`--update-env`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<Env>,
    /// Whether values are told that are declared to be secret.
    #[serde(default)]
    pub reveal: bool,
}

/// A variable that would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Its name.
    pub name: String,
    /// What it is, if it is there.
    pub running: Option<String>,
    /// What it would be, if it would be there.
    pub next: Option<String>,
}

/// A signal for processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendSignal {
    /// To whom.
    pub target: Selector,
    /// Which.
    pub signal: Signal,
}

/// A line for a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// To whom.
    pub id: ProcessId,
    /// What, without the end of the line.
    pub line: String,
}

/// An action that an app offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// Whose.
    pub target: Selector,
    /// Its name.
    pub action: String,
    /// What it gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub param: Option<String>,
}

/// One action on each selected process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Act {
    /// What to do.
    pub action: Action,
    /// To whom.
    pub target: Selector,
    /// The environment that replaces the one of the first start (`--update-env`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<Env>,
    /// Attributes of [`AppSpec`] that replace the stored ones; `null` removes one.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub patch: serde_json::Map<String, serde_json::Value>,
}

/// What can be done to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Start it if it rests.
    Start,
    /// Stop its whole tree; it stays in the table.
    Stop,
    /// Stop it if it runs, then start it.
    Restart,
    /// Give it a new run before the old one ends, where its kind can; else as `Restart`.
    Reload,
    /// Stop it and forget it.
    Delete,
    /// Set its counters to zero.
    Reset,
    /// Restart it from now on when its files change; no longer, if that is so already.
    ToggleWatch,
}

impl Action {
    /// PM2's name of it, which the CLI prints.
    pub fn pm2_method(self) -> &'static str {
        match self {
            Self::Start => "startProcessId",
            Self::Stop => "stopProcessId",
            Self::Restart => "restartProcessId",
            Self::Reload => "reloadProcessId",
            Self::Delete => "deleteProcessId",
            Self::Reset => "resetMetaProcessId",
            Self::ToggleWatch => "toggleWatch",
        }
    }
}

/// A run now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunNow {
    /// Of whom.
    pub target: Selector,
    /// Its end is told, too.
    pub wait: bool,
}

/// The end of a run that somebody waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEnded {
    /// Whose.
    pub process: ProcessRef,
    /// How; `None` if it did not begin.
    pub exit: Option<Exit>,
    /// Why it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A new number of instances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scale {
    /// The app's name.
    pub app: String,
    /// How many there shall be.
    pub to: ScaleTo,
}

/// How many instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScaleTo {
    /// That many.
    Exactly(u32),
    /// That many more.
    Add(u32),
}

/// What the daemon answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// I am here.
    Pong,
    /// Rows for `list`; more may follow.
    Rows(Vec<ProcessSummary>),
    /// Processes in full; more may follow.
    Processes(Vec<ProcessInfo>),
    /// A process is where it has to be, or will not come there.
    Waited(Waited),
    /// What would change in an environment.
    EnvDiff(Vec<Difference>),
    /// These will be acted on.
    Targets(Vec<ProcessRef>),
    /// This one has been acted on.
    Acted(Acted),
    /// A run has ended that this was asked about.
    Ended(RunEnded),
    /// Something worth telling, in words.
    Note(String),
    /// A file that was written or emptied.
    File(PathBuf),
    /// So many processes have got a message.
    Reached(u32),
    /// What an app answered to an action.
    Answer {
        /// Which app.
        process: ProcessRef,
        /// Its namespace.
        namespace: String,
        /// What it said.
        value: serde_json::Value,
    },
    /// Something happened.
    Event(Event),
    /// An app sent this on its IPC channel.
    Message {
        /// Which app.
        process: ProcessRef,
        /// What it sent.
        data: serde_json::Value,
    },
    /// All is said.
    End,
    /// It could not be done.
    Failed(Failure),
}

/// A process by number and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRef {
    /// Its number.
    pub id: ProcessId,
    /// Its app's name.
    pub name: String,
}

/// The outcome of an action on one process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acted {
    /// Which one.
    pub process: ProcessRef,
    /// What it is doing now.
    pub status: Status,
    /// Whether it was new in the table.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub created: bool,
    /// What it runs, if it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<PathBuf>,
    /// Its schedule, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// Why it failed, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Why a request could not be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The table is empty, or nothing matches a regular expression.
    #[error("No process found")]
    NoProcess,
    /// A word that selects nothing.
    #[error("Process or Namespace {0} not found")]
    UnknownName(String),
    /// A number that selects nothing.
    #[error("{0} : id unknown")]
    UnknownId(u32),
    /// The pattern of a selector does not compile.
    #[error("bad regular expression {pattern:?}: {reason}")]
    BadRegex {
        /// What was between the slashes.
        pattern: String,
        /// Why not.
        reason: String,
    },
    /// `start` of a script that runs.
    #[error("Script already launched, add -f option to force re-execution")]
    AlreadyLaunched,
    /// `run` of what runs already.
    #[error("{name} ({id}) runs already")]
    AlreadyRunning {
        /// Its name.
        name: String,
        /// Its number.
        id: u32,
    },
    /// `send` to a process that does not run.
    #[error("Process with ID <{0}> offline.")]
    Offline(u32),
    /// `trigger` of an action that no selected app offers.
    #[error("Not any process has received a command (offline or unexistent)")]
    NoAction,
    /// A message to a process without an IPC channel.
    #[error("Process with ID {0} has no IPC channel")]
    NoChannel(u32),
    /// `scale` of a name that is not there.
    #[error("Application {0} not found")]
    UnknownApp(String),
    /// More processes than one app may have.
    #[error("{app}: {count} processes are more than one app may have: at most {}", crate::Instances::MAX)]
    TooMany {
        /// The app's name.
        app: String,
        /// The number of processes that the request would lead to.
        count: u64,
    },
    /// `scale` to what there is.
    #[error("Nothing to do")]
    NothingToDo,
    /// `save` of an empty list.
    #[error("not managing any process, nothing saved")]
    NothingToSave,
    /// `resurrect` without a dump.
    #[error("No processes saved; DUMP file doesn't exist")]
    NoDump,
    /// The daemon is ending.
    #[error("the daemon is ending")]
    Ending,
    /// The daemon is being replaced, and has not begun with the request: the next one is to be asked.
    #[error("the daemon is being replaced: try again")]
    Replaced,
    /// The daemon could not be replaced, and goes on.
    #[error("the daemon was not replaced, the old one goes on: {0}")]
    NotReplaced(String),
    /// The peer is another user.
    #[error("the daemon belongs to another user")]
    NotYours,
    /// The peer speaks another version of the protocol.
    #[error("the daemon is version {0}: run `rpm kill` and start again, or use that version")]
    OtherProtocol(String),
    /// A frame that could not be read.
    #[error("{0}")]
    BadRequest(String),
    /// A file could not be read or written, or the like.
    #[error("{0}")]
    Io(String),
}

/// Something that happened to a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, milliseconds since the epoch.
    pub at: i64,
    /// To whom.
    pub process: ProcessRef,
    /// What.
    pub what: EventKind,
}

/// What can happen to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// It was declared.
    Created,
    /// It is up.
    Online,
    /// Its main process ended.
    Exit(Exit),
    /// It ended and will be started again.
    Restart,
    /// It failed too often, or could not be started.
    Errored,
    /// It is stopped.
    Stopped,
    /// It is no longer in the table.
    Deleted,
    /// It has answered its health check, for the first time or again.
    Healthy,
    /// It has failed to answer its health check as often as it may.
    Unhealthy,
}
