//! The attributes of an app: one table, a line for each.
//!
//! A line gives the name, the type, the reader and the other names. What an attribute does to an `AppSpec` is one
//! more line, in [`crate::spec`].

use std::{borrow::Cow, collections::BTreeMap, iter};

use rpm_core::{Env, ExecMode, Instances, Interpreter, Millis, Signal, cron::Zone};

use crate::{
    node::Node,
    source::Span,
    values::{self, Cron, Read},
};

/// One line of the table.
pub(crate) struct Attribute {
    pub(crate) name: &'static str,
    aliases: &'static [&'static str],
    /// Puts a value into its field.
    pub(crate) read: fn(&mut Declaration, &Node) -> Read<()>,
    /// Puts a copy of the field into another declaration.
    copy: fn(&Declaration, &mut Declaration),
    pub(crate) is_declared: fn(&Declaration) -> bool,
}

impl Attribute {
    /// The name, then its aliases in their order.
    fn names(&self) -> impl Iterator<Item = &'static str> {
        iter::once(self.name).chain(self.aliases.iter().copied())
    }
}

macro_rules! attributes {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $read:path, [$($alias:literal),*];)*) => {
        /// What is declared of one app, each attribute checked by itself. `None`: not declared.
        #[derive(Clone, Debug, Default)]
        pub struct Declaration {
            $($(#[$doc])* pub $name: Option<$type>,)*
            /// The `env_<name>` blocks, by name.
            pub profiles: BTreeMap<String, Env>,
            /// Where the values stand.
            pub(crate) spans: BTreeMap<&'static str, Span>,
        }

        pub(crate) static ATTRIBUTES: &[Attribute] = &[$(Attribute {
            name: stringify!($name),
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
    script: String = values::filled, ["exec", "cmd", "command"];
    /// What people call it; else the script's name without extension.
    name: String = values::filled, [];
    /// Its group; else `default`.
    namespace: String = values::text, [];
    /// Where it runs; else where the caller is.
    cwd: String = values::text, [];
    /// What the script gets.
    args: Vec<String> = values::words, [];
    /// What runs the script; else by extension.
    interpreter: Interpreter = values::interpreter, ["exec_interpreter"];
    /// What the interpreter gets before the script.
    interpreter_args: Vec<String> = values::words, ["node_args"];
    /// Environment variables.
    env: Env = values::variables, [];
    /// How many processes.
    instances: Instances = values::instances, [];
    /// How they share their ports; else by interpreter and instances.
    exec_mode: ExecMode = values::exec_mode, [];
    /// The variable that carries an instance's number.
    instance_var: String = values::text, [];
    /// Whether it is started when it is declared.
    autostart: bool = values::boolean, [];
    /// Whether it is started again when it ends.
    autorestart: bool = values::boolean, [];
    /// Unstable runs in a row after which it is `errored`.
    max_restarts: u32 = values::count, [];
    /// A shorter run is unstable.
    min_uptime: Millis = values::millis, [];
    /// Pause before an automatic restart.
    restart_delay: Millis = values::millis, [];
    /// First pause of a growing series.
    exp_backoff_restart_delay: Millis = values::millis, [];
    /// Exit codes after which it stays stopped.
    stop_exit_codes: Vec<i32> = values::exit_codes, [];
    /// When it is started or restarted.
    cron_restart: Cron = values::cron, ["cron"];
    /// The time zone of `cron_restart`.
    cron_timezone: Zone = values::zone, [];
    /// How long it may take to end.
    kill_timeout: Millis = values::millis, [];
    /// The signal that asks it to end.
    kill_signal: Signal = values::signal, [];
    /// Where standard output goes.
    out_file: String = values::text, ["out", "output", "out_log"];
    /// Where standard error goes.
    error_file: String = values::text, ["error", "err", "err_file", "err_log"];
    /// Whether instances share their log files.
    merge_logs: bool = values::boolean, ["combine_logs"];
    /// day.js tokens of the date before each line.
    log_date_format: String = values::text, [];
    /// `log_date_format` of `YYYY-MM-DDTHH:mm:ss`.
    time: bool = values::boolean, [];
}

/// Which value of an idle attribute asks for what happens anyway, so that nobody needs to be told of it.
#[derive(Clone, Copy)]
pub(crate) enum Quiet {
    /// `false`, and what is empty.
    Off,
    /// `true`.
    On,
    /// Any: it is about something that cannot be seen from here.
    Any,
}

/// The attributes of PM2 that change nothing here, with their aliases: to support one is to move it into the table
/// above.
static IDLE: &[(&[&str], Quiet)] = &[
    (&["append_env_to_name"], Quiet::Off),
    (&["automation"], Quiet::Off),
    (&["deep_monitoring"], Quiet::Off),
    (&["disable_logs"], Quiet::Off),
    (&["disable_source_map_support"], Quiet::On),
    (&["disable_trace"], Quiet::On),
    (&["event_loop_inspector"], Quiet::Off),
    (&["execute_command"], Quiet::Off),
    (&["filter_env"], Quiet::Off),
    (&["force"], Quiet::Off),
    (&["gid"], Quiet::Off),
    (&["ignore_watch"], Quiet::Off),
    (&["increment_var"], Quiet::Off),
    (&["install_url"], Quiet::Off),
    (&["io"], Quiet::Off),
    (&["kill_retry_time"], Quiet::Off),
    (&["listen_timeout"], Quiet::Off),
    (&["log_file", "log"], Quiet::Off),
    (&["log_type"], Quiet::Off),
    (&["max_memory_restart"], Quiet::Off),
    (&["name_prefix"], Quiet::Off),
    (&["pid_file", "pid"], Quiet::Off),
    (&["pmx"], Quiet::Off),
    (&["port"], Quiet::Off),
    (&["post_update"], Quiet::Off),
    (&["shutdown_with_message"], Quiet::Off),
    (&["source_map_support"], Quiet::Off),
    (&["trace"], Quiet::Off),
    (&["treekill"], Quiet::On),
    (&["uid", "user"], Quiet::Off),
    (&["username"], Quiet::Any),
    (&["v8"], Quiet::Off),
    (&["vizion"], Quiet::Any),
    (&["wait_ready"], Quiet::Off),
    (&["watch"], Quiet::Off),
    (&["watch_delay"], Quiet::Off),
    (&["watch_options"], Quiet::Off),
    (&["windows_hide"], Quiet::Any),
    (&["write"], Quiet::Off),
];

/// What a key means.
pub(crate) enum Key<'a> {
    /// An attribute, and how far the key is from its name: the nearest of several keys wins.
    Known(&'static Attribute, usize),
    /// `env_<name>`.
    Profile(&'a str),
    /// An attribute that changes nothing.
    Idle(Quiet),
    /// None of these.
    Unknown,
}

/// What `key` means in an app's declaration. Each name may also be written in camelCase.
pub(crate) fn key(key: &str) -> Key<'_> {
    if let Some(name) = key.strip_prefix("env_").filter(|name| !name.contains(char::is_whitespace)) {
        return Key::Profile(name);
    }
    let snake = snake_case(key);
    for attribute in ATTRIBUTES {
        if let Some(distance) = attribute.names().position(|name| name == snake) {
            return Key::Known(attribute, if snake == key { distance } else { usize::MAX });
        }
    }
    match IDLE.iter().find(|(names, _)| names.contains(&&*snake)) {
        Some((_, quiet)) => Key::Idle(*quiet),
        None => Key::Unknown,
    }
}

/// The known name that `word` may have been meant to be.
pub(crate) fn suggestion(word: &str) -> Option<&'static str> {
    let idle = IDLE.iter().flat_map(|(names, _)| names.iter().copied());
    nearest(&snake_case(word), ATTRIBUTES.iter().flat_map(Attribute::names).chain(idle))
}

/// The name that differs from `word` by a slip of the pen.
pub(crate) fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    let distance = |name: &str| strsim::damerau_levenshtein(word, name);
    names.map(|name| (distance(name), name)).filter(|(far, _)| *far <= allowed).min().map(|(_, name)| name)
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
    /// What `over` declares replaces what is declared here.
    pub(crate) fn override_with(&mut self, over: &Self) {
        for attribute in ATTRIBUTES.iter().filter(|attribute| (attribute.is_declared)(over)) {
            (attribute.copy)(over, self);
            self.spans.remove(attribute.name);
        }
    }

    /// Where the value of an attribute stands.
    pub(crate) fn span(&self, attribute: &str) -> Option<Span> {
        self.spans.get(attribute).cloned()
    }
}
