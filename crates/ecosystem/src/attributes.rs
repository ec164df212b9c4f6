//! The attributes of an app: one table, a line for each.
//!
//! A line gives the name, the type, the reader and the other names; its comment is also the one that `convert`
//! writes. What an attribute does to an `AppSpec` is one more line, in [`crate::spec`]. Attributes of PM2 that
//! change nothing here are in [`crate::extras`].

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use rpm_core::{
    Balance, Bytes, CombinedLog, Dependencies, Env, ExecMode, FilterEnv, Health, Instances, Interpreter,
    Limits, Listen, LogType, Millis, OnDependencyFailure, Overlap, Ready, Reload, Secrets, Signal, Watch,
    cron::Zone, env_file::EnvFiles, suggestion::nearest,
};

use crate::{
    account::{self, Account},
    dependencies, environment,
    extras::{self, EXTRAS, Extra},
    health, limits,
    node::{Entry, Node, Value},
    source::Span,
    values::{self, Cron, Read},
    watch::{self, WatchOptions},
};

/// One line of the table.
pub(crate) struct Attribute {
    pub(crate) name: &'static str,
    /// What it says, and in which unit.
    pub(crate) about: &'static str,
    aliases: &'static [&'static str],
    /// Puts a value into its field.
    pub(crate) read: fn(&mut Declaration, &Node) -> Read<()>,
    /// Puts a copy of the field into another declaration.
    pub(crate) copy: fn(&Declaration, &mut Declaration),
    pub(crate) is_declared: fn(&Declaration) -> bool,
}

impl Attribute {
    /// Its names, the one that counts most first: PM2's own, then its aliases from the last to the first. The table gives
    /// our name apart, which counts most unless it is among the others.
    fn names(&self) -> impl Iterator<Item = &'static str> {
        let own = (!self.aliases.contains(&self.name)).then_some(self.name);
        own.into_iter().chain(self.aliases.iter().copied())
    }

    /// Takes back what was declared.
    pub(crate) fn clear(&self, declaration: &mut Declaration) {
        (self.copy)(&Declaration::default(), declaration);
        declaration.spans.remove(self.name);
    }
}

/// Attributes that PM2 does not have. It ignores them, so that files for PM2 may use the same words for something else.
static OURS: &[&str] = &[
    "cluster_balance",
    "cron_catch_up",
    "cron_jitter",
    "cron_only",
    "cron_overlap",
    "cron_timezone",
    "depends_on",
    "env_file",
    "expand_env",
    "health",
    "kill_signal",
    "limits",
    "listen",
    "on_dependency_failure",
    "ready",
    "reload",
    "reload_parallel",
    "retries",
    "retry_delay",
    "secret",
    "task_timeout",
    "watchdog",
];

/// The attribute of this name, if PM2 does not have it.
pub(crate) fn ours(name: &str) -> Option<&'static Attribute> {
    ATTRIBUTES.iter().find(|attribute| attribute.name == name && OURS.contains(&name))
}

macro_rules! attributes {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $read:path, [$($alias:literal),*];)*) => {
        /// What is declared of one app, each attribute checked by itself. `None`: not declared.
        #[derive(Clone, Debug, Default)]
        pub struct Declaration {
            $($(#[doc = $doc])+ pub $name: Option<$type>,)*
            /// The `env_<name>` blocks, by name.
            pub profiles: BTreeMap<String, Env>,
            /// Attributes of PM2 that change nothing here, by the names that `jlist` has.
            pub extras: serde_json::Map<String, serde_json::Value>,
            /// Where the values stand.
            pub(crate) spans: BTreeMap<&'static str, Span>,
        }

        pub(crate) static ATTRIBUTES: &[Attribute] = &[$(Attribute {
            name: stringify!($name),
            about: concat!($($doc),+),
            aliases: &[$($alias),*],
            read: |declaration, node| {
                declaration.$name = $read(node)?.into();
                Ok(())
            },
            copy: |from, to| to.$name.clone_from(&from.$name),
            is_declared: |declaration| declaration.$name.is_some(),
        }),*];
    };
}

attributes! {
    /// What to run: a path, a command in `PATH`, or a line for the shell.
    script: String = values::filled, ["cmd", "command", "exec"];
    /// What people call it; else the script's name without extension.
    name: String = values::filled, [];
    /// What comes before its name, and a colon.
    name_prefix: String = values::text, [];
    /// Whether the name of the chosen `env_<name>` comes after its name.
    append_env_to_name: bool = values::boolean, [];
    /// Its group; else `default`.
    namespace: String = values::text, [];
    /// Where it runs; else where the caller is.
    cwd: String = values::text, [];
    /// What the script gets.
    args: Vec<String> = values::words, [];
    /// What runs the script; else by extension.
    interpreter: Interpreter = values::interpreter, ["exec_interpreter", "interpreter"];
    /// What the interpreter gets before the script.
    interpreter_args: Vec<String> = values::words, ["node_args", "interpreter_args"];
    /// Environment variables.
    env: Env = values::variables, [];
    /// Files of further variables below `env`, read at each start: `.env`, several, or `{ path = ".env", required = false }`.
    env_file: EnvFiles = environment::files, [];
    /// Whether `env` may refer to variables: `${NAME}`, `${NAME:-otherwise}`; `$$` is a dollar sign.
    expand_env: bool = values::boolean, [];
    /// Variables that are not shown: names, in which `*` stands for any characters.
    secret: Secrets = environment::secrets, [];
    /// What is kept back of the starter's environment: `true` is all, text one variable, a list those whose names
    /// contain one of these.
    filter_env: FilterEnv = values::filter_env, [];
    /// The variable `PORT`.
    port: u16 = values::port, [];
    /// How many processes: a number, `max` or 0 for one each CPU, -1 for all CPUs but one.
    instances: Instances = values::instances, [];
    /// How they share their ports, `fork` or `cluster`; else by interpreter and instances.
    exec_mode: ExecMode = values::exec_mode, [];
    /// Whether `exec_mode` is `fork`, whatever else is declared.
    execute_command: bool = values::boolean, [];
    /// The variable that carries an instance's number.
    instance_var: String = values::text, [];
    /// A number in the environment that grows by one from instance to instance.
    increment_var: String = values::text, [];
    /// The user it runs as, a name or a number: root only.
    uid: Account = account::read, ["user"];
    /// The group it runs as, a name or a number: root only.
    gid: Account = account::read, [];
    /// The user that is shown; else the one who declares it.
    username: String = values::text, [];
    /// Whether it is started when it is declared.
    autostart: bool = values::boolean, [];
    /// Whether it is started again when it ends.
    autorestart: bool = values::boolean, [];
    /// Unstable runs in a row after which it is `errored`.
    max_restarts: u32 = values::count, [];
    /// A shorter run is unstable: milliseconds, or text with s, m or h.
    min_uptime: Millis = values::millis, [];
    /// Pause before an automatic restart: milliseconds, or text with s, m or h.
    restart_delay: Millis = values::millis, [];
    /// First pause of a growing series: milliseconds, or text with s, m or h.
    exp_backoff_restart_delay: Millis = values::millis, [];
    /// Memory of its whole tree over which it is restarted: bytes, or text with K, M or G.
    max_memory_restart: Bytes = values::bytes, [];
    /// What it may use: a table of `memory` (killed over it), `cpu` (percent of one core), `open_files`, `core` (bytes, or
    /// `unlimited`) and `nice`.
    limits: Limits = limits::read, [];
    /// Exit codes after which it stays stopped.
    stop_exit_codes: Vec<i32> = values::exit_codes, [];
    /// When it is started or restarted; 0 is never.
    cron_restart: Cron = values::cron, ["cron"];
    /// The time zone of `cron_restart`.
    cron_timezone: Zone = values::zone, [];
    /// What a tick does while it runs: `restart` it, `skip` the tick, or `queue` it until it has ended.
    cron_overlap: Overlap = values::overlap, [];
    /// A tick fires up to so much later: milliseconds, or text with s, m or h.
    cron_jitter: Millis = values::millis, [];
    /// Whether a tick that came while no daemon ran is made up for, once.
    cron_catch_up: bool = values::once, [];
    /// Whether it runs by its schedule alone, not when it is declared.
    cron_only: bool = values::boolean, [];
    /// How long a run of a task may last before it is stopped and has failed: milliseconds, or text with s, m or h.
    task_timeout: Millis = values::some_millis, [];
    /// How often a task that failed is tried again.
    retries: u32 = values::count, [];
    /// The pause before that, each time twice as long: milliseconds, or text with s, m or h.
    retry_delay: Millis = values::millis, [];
    /// Files whose change restarts it, relative to where it runs; `true` is all of them.
    watch: Watch = watch::read, [];
    /// Globs of files that are not watched; else dot files and `node_modules`.
    ignore_watch: Vec<String> = values::words, [];
    /// Quiet time after a change before the restart: milliseconds, or text with s, m or h.
    watch_delay: Millis = values::millis, [];
    /// PM2's further options of watching: `ignored` does what `ignore_watch` does, `awaitWriteFinish` what `watch_delay`.
    watch_options: WatchOptions = watch::options, [];
    /// Whether it is up only when it says `ready` on its IPC channel.
    wait_ready: bool = values::boolean, [];
    /// What shows that it is up: `ipc`, `notify`, `tcp:PORT`, `http://HOST:PORT/PATH` or `log:REGEX`.
    ready: Ready = values::ready, [];
    /// How long that may take: milliseconds, or text with s, m or h.
    listen_timeout: Millis = values::millis, [];
    /// How long it may be silent on its notify socket: milliseconds, or text with s, m or h.
    watchdog: Millis = values::millis, [];
    /// Whether it is well: `{ http = "http://HOST:PORT/PATH" }`, `{ tcp = PORT }` or `{ command = "..." }`, with `interval`,
    /// `timeout`, `retries`, `start_period` and `on_failure` (`restart`, `reload`, `report`).
    health: Health = health::read, [];
    /// What has to be before it is started: names, or `{ app = "db", condition = "healthy" }` (`started`, `ready`,
    /// `healthy`, `completed`).
    depends_on: Dependencies = dependencies::read, [];
    /// What becomes of it if that fails: `wait` until it is there after all, `fail`, or `start`.
    on_dependency_failure: OnDependencyFailure = dependencies::on_failure, [];
    /// Sockets that the daemon holds for it (`LISTEN_FDS`): `127.0.0.1:3000`, `unix:/path`, with `name=` before.
    listen: Vec<Listen> = values::listen, [];
    /// How connections get to the workers of a cluster: `round_robin` or `shared`.
    cluster_balance: Balance = values::balance, [];
    /// What a reload does: `overlap` (the new run beside the old one) or `restart`; else by its kind.
    reload: Reload = values::reload, [];
    /// How many of its processes are reloaded at once.
    reload_parallel: u32 = values::count, [];
    /// How long it may take to end before SIGKILL: milliseconds, or text with s, m or h.
    kill_timeout: Millis = values::millis, [];
    /// The signal that asks it to end.
    kill_signal: Signal = values::signal, [];
    /// Whether the message `shutdown` on its IPC channel asks it to end, not a signal.
    shutdown_with_message: bool = values::boolean, [];
    /// Whether a stop ends the whole tree, not only the main process.
    treekill: bool = values::boolean, [];
    /// Where standard output goes.
    out_file: String = values::text, ["out_log", "output", "out"];
    /// Where standard error goes.
    error_file: String = values::text, ["err_log", "err_file", "err", "error"];
    /// Where both go together beside that; `true` is the default place.
    log_file: CombinedLog = values::combined_log, ["log"];
    /// Whether its output is thrown away.
    disable_logs: bool = values::boolean, [];
    /// The form of its log lines: `json`, else as they are.
    log_type: LogType = values::log_type, [];
    /// Whether instances share their log files.
    merge_logs: bool = values::boolean, ["combine_logs"];
    /// day.js tokens of the date before each line.
    log_date_format: String = values::text, [];
    /// `log_date_format` of `YYYY-MM-DDTHH:mm:ss`.
    time: bool = values::boolean, [];
    /// Where its pid is written; `-<id>` is put before the extension.
    pid_file: String = values::text, ["pid"];
}

/// The attributes by all their names, with how much each name counts, 0 most: a file has thousands of keys.
static NAMES: LazyLock<HashMap<&'static str, (&'static Attribute, usize)>> = LazyLock::new(|| {
    let named = |attribute: &'static Attribute| {
        attribute.names().enumerate().map(move |(rank, name)| (name, (attribute, rank)))
    };
    ATTRIBUTES.iter().flat_map(named).collect()
});

/// What a key means.
pub(crate) enum Key<'a> {
    /// An attribute, and the rank of the key among its names: the lowest of several wins.
    Known(&'static Attribute, usize),
    /// `env_<name>`.
    Profile(&'a str),
    /// An attribute that changes nothing.
    Extra(&'static Extra),
    /// None of these.
    Unknown,
}

/// What `key` means in an app's declaration. Each name may also be written in camelCase.
pub(crate) fn key(key: &str) -> Key<'_> {
    let profile = key.strip_prefix("env_").filter(|name| !name.contains(char::is_whitespace));
    if let Some(name) = profile.filter(|_| !NAMES.contains_key(key)) {
        return Key::Profile(name);
    }
    let snake = snake_case(key);
    match NAMES.get(&*snake) {
        // PM2 puts the camelCase forms before its other aliases, so that they count less.
        Some((attribute, rank)) => {
            Key::Known(attribute, if snake == key { *rank } else { usize::MAX - rank })
        }
        None => extras::find(&snake).map_or(Key::Unknown, Key::Extra),
    }
}

/// What the key of an entry means. `env_file` with a table of variables is PM2's block for `--env file`.
pub(crate) fn key_of(entry: &Entry) -> Key<'_> {
    match &entry.node.value {
        Value::Table(of) if entry.key == "env_file" && of.iter().all(|entry| entry.key != "path") => {
            Key::Profile("file")
        }
        _ => key(&entry.key),
    }
}

/// How a file is read where formats differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// TOML: what is written counts.
    Own,
    /// The formats that PM2 reads: an alias whose value is empty is not there.
    Pm2,
}

/// The entries of an app, by what their keys mean. What is null is not declared, and left out.
#[derive(Default)]
pub(crate) struct Sorted<'a> {
    /// For each attribute the entry that counts, with the rank of its key.
    pub(crate) chosen: BTreeMap<&'static str, (usize, &'static Attribute, &'a Entry)>,
    /// Entries that do not count, each with the one that does.
    pub(crate) outdone: Vec<(&'a Entry, &'a Entry)>,
    /// Those that are no attributes.
    pub(crate) others: Vec<(Key<'a>, &'a Entry)>,
}

/// Sorts the entries of an app.
pub(crate) fn sorted(entries: &[Entry], dialect: Dialect) -> Sorted<'_> {
    let mut sorted = Sorted::default();
    let declared = || entries.iter().filter(|entry| entry.node.value != Value::Null);
    for entry in declared() {
        // The one key that may mean two things: it has the meaning that it has last.
        let last = declared().rfind(|other| entry.key == "env_file" && other.key == entry.key);
        if let Some(last) = last.filter(|last| !std::ptr::eq(*last, entry)) {
            sorted.outdone.push((entry, last));
            continue;
        }
        match key_of(entry) {
            Key::Known(_, rank) if dialect == Dialect::Pm2 && rank > 0 && is_empty(&entry.node) => {}
            Key::Known(attribute, rank) => sorted.choose((rank, attribute, entry)),
            other => sorted.others.push((other, entry)),
        }
    }
    sorted
}

impl<'a> Sorted<'a> {
    fn choose(&mut self, this: (usize, &'static Attribute, &'a Entry)) {
        let name = this.1.name;
        let Some(other) = self.chosen.insert(name, this) else { return };
        // Of two names the one counts that has a value. Of the same key twice the later counts, as in JavaScript.
        let order = |of: (usize, _, &Entry)| (is_empty(&of.2.node), of.0);
        let counts = this.2.key == other.2.key || order(this) < order(other);
        let (near, far) = if counts { (this, other) } else { (other, this) };
        self.chosen.insert(name, near);
        self.outdone.push((far.2, near.2));
    }
}

/// Whether JavaScript takes a value for false, and so PM2 for none beside another spelling.
fn is_empty(node: &Node) -> bool {
    match &node.value {
        Value::Null | Value::Bool(false) | Value::Integer(0) => true,
        Value::Float(number) => *number == 0.0 || number.is_nan(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// The known name that `word` may have been meant to be.
pub(crate) fn suggestion(word: &str) -> Option<&'static str> {
    let extras = EXTRAS.iter().map(|extra| extra.key);
    nearest(&snake_case(word), ATTRIBUTES.iter().flat_map(Attribute::names).chain(extras))
}

fn snake_case(key: &str) -> Cow<'_, str> {
    if !key.contains(|c: char| c.is_ascii_uppercase()) {
        return Cow::Borrowed(key);
    }
    let mut snake = String::with_capacity(key.len() + 4);
    for c in key.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    Cow::Owned(snake)
}

impl Declaration {
    /// These attributes of `over` replace what is declared here.
    pub(crate) fn override_in(&mut self, over: &Self, names: &[&'static str]) {
        for attribute in ATTRIBUTES.iter().filter(|attribute| names.contains(&attribute.name)) {
            (attribute.copy)(over, self);
            self.spans.remove(attribute.name);
        }
    }

    /// Where the value of an attribute stands.
    pub(crate) fn span(&self, attribute: &str) -> Option<Span> {
        self.spans.get(attribute).cloned()
    }
}
