//! PM2's global options: they may stand anywhere on the line, and mean something mostly to `start` and `restart`.
//!
//! One table, a line for each. Most of them set an attribute of an app, by the rules of an ecosystem file.

use clap::{Arg, ArgAction, ArgMatches, Command};

/// What the options say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
pub(crate) struct Options {
    /// Attributes of an app and their text, in the order of the table.
    pub(crate) attributes: Vec<(&'static str, String)>,
    /// The `env_<name>` block that is merged in.
    pub(crate) profile: Option<String>,
    /// The apps of a file that are meant.
    pub(crate) only: Option<String>,
    /// The order of the list.
    pub(crate) sort: Option<String>,
    /// Also where something speaks against it.
    pub(crate) force: bool,
    /// Values that are declared to be secret are shown.
    pub(crate) reveal: bool,
    /// The caller's environment replaces the stored one.
    pub(crate) update_env: bool,
    /// The list is plain lines.
    pub(crate) mini_list: bool,
    /// Nothing but data is written.
    pub(crate) silent: bool,
    /// No colours.
    pub(crate) no_color: bool,
    /// What is acted on is listened to afterwards.
    pub(crate) attach: bool,
    /// The extensions of the files whose change restarts an app.
    pub(crate) extensions: Option<String>,
    /// The declared app is written to a file.
    pub(crate) write: bool,
    /// The daemon lives as long as this command, and its apps' output is shown.
    pub(crate) foreground: bool,
    /// For `startup` and its kind.
    pub(crate) service: Service,
}

impl Options {
    /// Whether files, or the list, are to be watched.
    pub(crate) fn watches(&self) -> bool {
        self.attributes.iter().any(|(name, _)| *name == "watch")
    }
}

/// What a service of the init system is made for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Service {
    /// Whose daemon it starts.
    pub(crate) user: Option<String>,
    /// Where that user's home directory is.
    pub(crate) home_directory: Option<String>,
    /// What it is called.
    pub(crate) name: Option<String>,
    /// It waits for the network to be up, not only to be there.
    pub(crate) waits_for_network: bool,
}

/// One option.
#[derive(Debug)]
pub(crate) struct Opt {
    /// With its dashes, so that no argument of a verb is called the same.
    long: &'static str,
    aliases: &'static [&'static str],
    short: Option<char>,
    /// What its value is called, if it takes one.
    value: Option<&'static str>,
    /// What its value is where none is given, if it may be left out.
    default: Option<&'static str>,
    /// Whether each occurrence adds something.
    repeats: bool,
    effect: Effect,
    about: &'static str,
}

/// What an option does.
#[derive(Debug)]
enum Effect {
    /// Sets an attribute to the value.
    Attribute(&'static str),
    /// Sets an attribute to this text.
    Sets(&'static str, &'static str),
    /// Anything else.
    Says(fn(&mut Options, String)),
}

use Effect::{Attribute, Says, Sets};

/// An option with a value.
const fn value(long: &'static str, name: &'static str, effect: Effect, about: &'static str) -> Opt {
    Opt { value: Some(name), ..flag(long, effect, about) }
}

/// An option without.
const fn flag(long: &'static str, effect: Effect, about: &'static str) -> Opt {
    Opt { long, aliases: &[], short: None, value: None, default: None, repeats: false, effect, about }
}

impl Opt {
    const fn short(self, short: char) -> Self {
        Self { short: Some(short), ..self }
    }

    const fn alias(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    /// What it means without a value.
    const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    const fn repeats(self) -> Self {
        Self { repeats: true, ..self }
    }

    /// Whether the next argument is its value.
    pub(crate) fn takes(&self, next: Option<&str>) -> bool {
        self.value.is_some()
            && (self.default.is_none() || next.is_some_and(|next| next == "-" || !next.starts_with('-')))
    }
}

const OPTIONS: &[Opt] = &[
    value("--name", "name", Attribute("name"), "Name of the app").short('n'),
    value("--instances", "number", Attribute("instances"), "Number of processes (`max`: one for each CPU)")
        .short('i'),
    value("--interpreter", "program", Attribute("interpreter"), "What runs the script (`none`: itself)"),
    value("--interpreter-args", "args", Attribute("interpreter_args"), "Arguments of the interpreter")
        .alias(&["--node-args"]),
    value("--output", "path", Attribute("out_file"), "File for standard output").short('o'),
    value("--error", "path", Attribute("error_file"), "File for standard error").short('e'),
    value(
        "--log-date-format",
        "format",
        Attribute("log_date_format"),
        "Date before each log line (day.js tokens)",
    ),
    flag("--time", Sets("time", "true"), "Date before each log line"),
    flag("--merge-logs", Sets("merge_logs", "true"), "One log for all instances"),
    value("--log", "path", Attribute("log_file"), "File for both (without a path: in the home)")
        .short('l')
        .or("true"),
    flag("--disable-logs", Sets("disable_logs", "true"), "Throw its output away"),
    value("--log-type", "type", Attribute("log_type"), "Form of log lines (`json`)"),
    value("--namespace", "name", Attribute("namespace"), "Namespace of the app"),
    value("--cwd", "path", Attribute("cwd"), "Directory in which the app runs"),
    value("--kill-timeout", "ms", Attribute("kill_timeout"), "Time to end before SIGKILL").short('k'),
    value("--kill-signal", "signal", Attribute("kill_signal"), "Signal that asks it to end (SIGINT)"),
    flag(
        "--shutdown-with-message",
        Sets("shutdown_with_message", "true"),
        "Ask it to end by a message, not a signal",
    ),
    flag("--no-treekill", Sets("treekill", "false"), "Stop the main process only"),
    flag("--wait-ready", Sets("wait_ready", "true"), "It is up when it says `ready`"),
    value("--listen-timeout", "ms", Attribute("listen_timeout"), "Time to say so"),
    value(
        "--max-memory-restart",
        "size",
        Attribute("max_memory_restart"),
        "Restart it above this memory (`100M`)",
    ),
    value("--restart-delay", "ms", Attribute("restart_delay"), "Pause before an automatic restart"),
    value(
        "--exp-backoff-restart-delay",
        "ms",
        Attribute("exp_backoff_restart_delay"),
        "First pause of a growing series before automatic restarts",
    ),
    value("--max-restarts", "number", Attribute("max_restarts"), "Short runs in a row before it is errored"),
    value("--min-uptime", "ms", Attribute("min_uptime"), "A shorter run counts as short"),
    value(
        "--cron",
        "pattern",
        Attribute("cron_restart"),
        "Start or restart it on this schedule (`0`: no longer)",
    )
    .short('c')
    .alias(&["--cron-restart"]),
    value("--cron-timezone", "zone", Attribute("cron_timezone"), "Time zone of its schedule"),
    value(
        "--cron-overlap",
        "what",
        Attribute("cron_overlap"),
        "What a tick does while it runs (`restart`, `skip`, `queue`)",
    ),
    value("--cron-jitter", "time", Attribute("cron_jitter"), "Put each tick off by up to this (`30s`)"),
    flag("--cron-catch-up", Sets("cron_catch_up", "true"), "Make up for a tick that no daemon saw"),
    flag("--cron-only", Sets("cron_only", "true"), "Do not start it now: its schedule does"),
    value("--task-timeout", "time", Attribute("task_timeout"), "Stop a task that runs longer: it failed"),
    value("--retries", "number", Attribute("retries"), "How often a task that failed is tried again"),
    value("--retry-delay", "time", Attribute("retry_delay"), "Pause before that, each time twice as long"),
    value(
        "--stop-exit-codes",
        "codes",
        Attribute("stop_exit_codes"),
        "Exit codes after which it stays stopped",
    )
    .repeats(),
    flag("--no-autorestart", Sets("autorestart", "false"), "Do not start it again when it ends"),
    flag("--no-autostart", Sets("autostart", "false"), "Declare it without starting it"),
    value("--watch", "paths", Attribute("watch"), "Restart it when files change").or("true").repeats(),
    value("--ignore-watch", "paths", Attribute("ignore_watch"), "Files that are not watched").repeats(),
    value(
        "--watch-delay",
        "delay",
        Attribute("watch_delay"),
        "Quiet time after a change (seconds, or `4000ms`)",
    ),
    value(
        "--ext",
        "extensions",
        Says(|options, extensions| options.extensions = Some(extensions)),
        "Watch only files with these extensions (`js,json`)",
    ),
    value("--filter-env", "names", Attribute("filter_env"), "Keep variables with these names from it")
        .or("true")
        .repeats(),
    value("--env-file", "path", Attribute("env_file"), "Give it the variables of this file at each start")
        .repeats(),
    flag("--execute-command", Sets("execute_command", "true"), "Run it in fork mode").short('x'),
    value("--uid", "user", Attribute("uid"), "Run it as this user"),
    value("--gid", "group", Attribute("gid"), "Run it as this group"),
    value("--pid", "path", Attribute("pid_file"), "File for its pid").short('p'),
    flag("--write", Says(|options, _| options.write = true), "Write what was declared to a file").short('w'),
    flag("--source-map-support", Sets("source_map_support", "true"), "Accepted for PM2's sake"),
    flag(
        "--disable-source-map-support",
        Sets("disable_source_map_support", "true"),
        "Accepted for PM2's sake",
    ),
    flag("--no-vizion", Sets("vizion", "false"), "Accepted for PM2's sake: no version control is looked at"),
    flag("--no-pmx", Sets("pmx", "false"), "Accepted for PM2's sake: nothing is injected"),
    flag("--no-automation", Sets("automation", "false"), "Accepted for PM2's sake: nothing is injected"),
    flag("--trace", Sets("trace", "true"), "Accepted for PM2's sake"),
    flag("--disable-trace", Sets("disable_trace", "true"), "Accepted for PM2's sake"),
    flag("--v8", Sets("v8", "true"), "Accepted for PM2's sake"),
    flag("--event-loop-inspector", Sets("event_loop_inspector", "true"), "Accepted for PM2's sake"),
    flag("--deep-monitoring", Sets("deep_monitoring", "true"), "Accepted for PM2's sake"),
    value("--env", "name", Says(|options, name| options.profile = Some(name)), "Use the file's `env_<name>`"),
    value(
        "--only",
        "names",
        Says(|options, names| options.only = Some(names)),
        "Only these apps of the file",
    ),
    flag(
        "--update-env",
        Says(|options, _| options.update_env = true),
        "Give it the environment of this shell",
    )
    .short('a'),
    flag(
        "--reveal",
        Says(|options, _| options.reveal = true),
        "Show the values of variables that are `secret`",
    ),
    flag("--force", Says(|options, _| options.force = true), "Start another of the same; save an empty list")
        .short('f'),
    value(
        "--parallel",
        "number",
        Says(|_, _| {}),
        "Accepted for PM2's sake: actions are carried out side by side",
    ),
    flag(
        "--no-daemon",
        Says(|options, _| options.foreground = true),
        "Stay in the foreground: show all output, and end the apps when this ends",
    ),
    flag("--attach", Says(|options, _| options.attach = true), "Show its output afterwards"),
    value(
        "--user",
        "name",
        Says(|options, name| options.service.user = Some(name)),
        "Whose daemon a service starts",
    )
    .short('u'),
    value(
        "--hp",
        "path",
        Says(|options, path| options.service.home_directory = Some(path)),
        "Home directory of that user",
    ),
    value(
        "--service-name",
        "name",
        Says(|options, name| options.service.name = Some(name)),
        "Name of the service",
    ),
    flag(
        "--wait-ip",
        Says(|options, _| options.service.waits_for_network = true),
        "The service waits until the network is up",
    ),
    value(
        "--sort",
        "field",
        Says(|options, field| options.sort = Some(field)),
        "Order of the list (`cpu:desc`)",
    ),
    flag("--mini-list", Says(|options, _| options.mini_list = true), "List as plain lines").short('m'),
    flag("--silent", Says(|options, _| options.silent = true), "Write nothing but data").short('s'),
    flag("--no-color", Says(|options, _| options.no_color = true), "No colours"),
];

/// The option of a long name.
pub(crate) fn by_long(long: &str) -> Option<&'static Opt> {
    OPTIONS.iter().find(|option| option.long == long || option.aliases.contains(&long))
}

/// The option of a letter.
pub(crate) fn by_short(letter: char) -> Option<&'static Opt> {
    OPTIONS.iter().find(|option| option.short == Some(letter))
}

/// All long names, with their dashes.
pub(crate) fn longs() -> impl Iterator<Item = &'static str> {
    OPTIONS.iter().flat_map(|option| std::iter::once(option.long).chain(option.aliases.iter().copied()))
}

/// All letters.
pub(crate) fn shorts() -> impl Iterator<Item = char> {
    OPTIONS.iter().filter_map(|option| option.short)
}

fn bare(long: &'static str) -> &'static str {
    long.trim_start_matches('-')
}

/// Adds all options to a verb. Their help is shown where they mean something.
pub(crate) fn describe(command: Command, shown: bool) -> Command {
    command.args(OPTIONS.iter().map(|option| {
        let arg = Arg::new(option.long)
            .long(bare(option.long))
            .visible_aliases(option.aliases.iter().map(|alias| bare(alias)))
            .short(option.short)
            .help(option.about)
            .hide(!shown);
        match option.value {
            // As with PM2's parser, the next argument is the value whatever it looks like.
            Some(name) => {
                let arg = arg.value_name(name).action(ArgAction::Append);
                match option.default {
                    Some(default) => arg.num_args(0..=1).default_missing_value(default),
                    None => arg.allow_hyphen_values(true),
                }
            }
            None => arg.action(ArgAction::SetTrue),
        }
    }))
}

/// What was said.
pub(crate) fn read(matches: &mut ArgMatches) -> Options {
    let mut options = Options::default();
    for option in OPTIONS {
        let mut texts: Vec<String> = match option.value {
            Some(_) => matches.remove_many(option.long).map(Iterator::collect).unwrap_or_default(),
            None => matches.get_flag(option.long).then(String::new).into_iter().collect(),
        };
        if !option.repeats {
            texts.drain(..texts.len().saturating_sub(1));
        }
        for text in texts {
            match option.effect {
                Attribute(name) => options.attributes.push((name, text)),
                Sets(name, fixed) => options.attributes.push((name, fixed.to_owned())),
                Says(say) => say(&mut options, text),
            }
        }
    }
    options
}
