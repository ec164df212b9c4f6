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
    /// The caller's environment replaces the stored one.
    pub(crate) update_env: bool,
    /// The list is plain lines.
    pub(crate) mini_list: bool,
    /// Nothing but data is written.
    pub(crate) silent: bool,
    /// No colours.
    pub(crate) no_color: bool,
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
    Opt { long, aliases: &[], short: None, value: Some(name), effect, about }
}

/// An option without.
const fn flag(long: &'static str, effect: Effect, about: &'static str) -> Opt {
    Opt { long, aliases: &[], short: None, value: None, effect, about }
}

impl Opt {
    const fn short(self, short: char) -> Self {
        Self { short: Some(short), ..self }
    }

    const fn alias(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    /// Whether the next argument is its value.
    pub(crate) fn takes_value(&self) -> bool {
        self.value.is_some()
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
    value("--namespace", "name", Attribute("namespace"), "Namespace of the app"),
    value("--cwd", "path", Attribute("cwd"), "Directory in which the app runs"),
    value("--kill-timeout", "ms", Attribute("kill_timeout"), "Time to end before SIGKILL").short('k'),
    value("--kill-signal", "signal", Attribute("kill_signal"), "Signal that asks it to end (SIGINT)"),
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
    value(
        "--stop-exit-codes",
        "codes",
        Attribute("stop_exit_codes"),
        "Exit codes after which it stays stopped",
    ),
    flag("--no-autorestart", Sets("autorestart", "false"), "Do not start it again when it ends"),
    flag("--no-autostart", Sets("autostart", "false"), "Declare it without starting it"),
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
    flag("--force", Says(|options, _| options.force = true), "Start another of the same; save an empty list")
        .short('f'),
    value(
        "--parallel",
        "number",
        Says(|_, _| {}),
        "Accepted for PM2's sake: actions are carried out side by side",
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
            Some(name) => arg.value_name(name).allow_hyphen_values(true).action(ArgAction::Set),
            None => arg.action(ArgAction::SetTrue),
        }
    }))
}

/// What was said.
pub(crate) fn read(matches: &mut ArgMatches) -> Options {
    let mut options = Options::default();
    for option in OPTIONS {
        let text = if option.takes_value() {
            matches.remove_one::<String>(option.long)
        } else {
            matches.get_flag(option.long).then(String::new)
        };
        let Some(text) = text else { continue };
        match option.effect {
            Attribute(name) => options.attributes.push((name, text)),
            Sets(name, fixed) => options.attributes.push((name, fixed.to_owned())),
            Says(say) => say(&mut options, text),
        }
    }
    options
}
