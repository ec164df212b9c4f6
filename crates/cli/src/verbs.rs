//! The verbs: one table, a file for each.

mod absent;
mod apply;
mod attach;
mod cleardump;
mod completion;
mod conf;
mod convert;
mod daemon;
mod delete;
mod deploy;
mod describe;
mod dev;
mod doctor;
mod env;
mod examples;
mod flush;
mod history;
mod id;
mod import;
mod init;
mod inspect;
mod jlist;
mod kill;
mod list;
mod logrotate;
mod logs;
mod modules;
mod monit;
mod pid;
mod ping;
mod prettylist;
mod redundancy;
mod reload;
mod reload_logs;
mod report;
mod reset;
mod restart;
mod resurrect;
mod run;
mod runtime;
mod save;
mod scale;
pub(crate) mod schedule;
mod send;
mod send_signal;
mod serve;
mod start;
mod start_or;
pub(crate) mod startup;
mod stop;
mod sysinfos;
mod targets;
mod trigger;
mod update;
mod versioning;
mod wait;
mod web;
mod why;
mod workflow;

pub(crate) use self::modules::launch_all as launch_modules;

use clap::{Args, Command};
use rpm_core::{Persona, protocol::DAEMON_VERB, suggestion::nearest};

use crate::{
    args::{
        options,
        parse::parse,
        split::{Line, split},
    },
    context::{Context, Program},
    failure::Failure,
    output::Output,
    render::style::Style,
};

/// A verb.
pub(crate) struct Verb {
    name: &'static str,
    aliases: &'static [&'static str],
    about: &'static str,
    /// Whether the global options mean something to it, so that its help tells them.
    takes_options: bool,
    run: fn(Invocation) -> Result<(), Failure>,
}

const VERBS: &[&Verb] = &[
    &start::VERB,
    &stop::VERB,
    &restart::VERB,
    &reload::VERB,
    &start_or::RESTART,
    &start_or::RELOAD,
    &apply::VERB,
    &wait::VERB,
    &delete::VERB,
    &run::VERB,
    &scale::VERB,
    &reset::VERB,
    &list::VERB,
    &jlist::VERB,
    &prettylist::VERB,
    &sysinfos::VERB,
    &describe::VERB,
    &schedule::VERB,
    &history::VERB,
    &why::VERB,
    &logs::VERB,
    &monit::VERB,
    &flush::VERB,
    &reload_logs::VERB,
    &send_signal::VERB,
    &send::VERB,
    &attach::VERB,
    &trigger::VERB,
    &inspect::VERB,
    &env::VERB,
    &pid::VERB,
    &id::VERB,
    &save::VERB,
    &resurrect::VERB,
    &import::VERB,
    &convert::VERB,
    &cleardump::VERB,
    &update::VERB,
    &report::VERB,
    &doctor::VERB,
    &startup::STARTUP,
    &startup::UNSTARTUP,
    &logrotate::VERB,
    &conf::SET,
    &conf::GET,
    &conf::UNSET,
    &conf::MULTISET,
    &conf::CONF,
    &conf::CONFIG,
    &serve::VERB,
    &web::VERB,
    &workflow::VERB,
    &deploy::VERB,
    &redundancy::VERB,
    &modules::INSTALL,
    &modules::UNINSTALL,
    &init::VERB,
    &completion::VERB,
    &examples::VERB,
    &versioning::PULL,
    &versioning::FORWARD,
    &versioning::BACKWARD,
    &ping::VERB,
    &kill::VERB,
    &absent::LINK,
    &absent::UNLINK,
    &absent::MONITOR,
    &absent::UNMONITOR,
    &absent::OPEN,
    &absent::PLUS,
    &absent::LOGIN,
    &absent::LOGOUT,
    &absent::OTEL,
    &absent::DEEP_UPDATE,
    &absent::PROFILE,
    &absent::GENERATE,
];

/// A verb that was called, with its arguments.
pub(crate) struct Invocation<'a> {
    verb: &'static Verb,
    persona: Persona,
    args: Vec<String>,
    out: &'a mut Output,
}

impl<'a> Invocation<'a> {
    /// Reads the arguments.
    fn read<A: Args>(self) -> Result<(Context<'a>, A), Failure> {
        let Verb { name, about, takes_options, .. } = self.verb;
        let name = format!("{} {name}", self.persona.word());
        let (options, own) = parse::<A>(&name, about, *takes_options, self.args)?;
        Ok((Context::new(self.persona, options, self.out)?, own))
    }

    /// [`Self::read`] for a verb that needs no argument. Without any, no parser is made: `list` has to be quick.
    fn read_or_default<A: Args + Default>(self) -> Result<(Context<'a>, A), Failure> {
        if self.args.is_empty() {
            return Ok((Context::new(self.persona, options::Options::default(), self.out)?, A::default()));
        }
        self.read()
    }
}

/// No arguments.
#[derive(Args, Debug, Default)]
struct Nothing {}

/// A program that runs apps in the foreground: its name, who calls, the arguments.
type Foreground = fn(&str, Persona, Vec<String>, &mut Output) -> Result<(), Failure>;

/// Does what was typed.
pub(crate) fn run(program: &mut Program) -> Result<(), Failure> {
    let Program { persona, ref mut args, ref mut out } = *program;
    let args = std::mem::take(args);
    if args.first().is_some_and(|first| first == DAEMON_VERB) {
        return daemon::run(persona, &args);
    }
    if args.first().is_some_and(|first| first == rpm_daemon::LAUNCH_VERB) {
        return daemon::launch();
    }
    if args.first().is_some_and(|first| first == rpm_ecosystem::SERVE_VERB) {
        return serve::be_server(&args);
    }
    if args.first().is_some_and(|first| first == web::SERVER) {
        return web::be_server(&args);
    }
    let version = |out: &mut Output| out.data(concat!(env!("CARGO_PKG_VERSION"), "\n").as_bytes());
    let foreground = match persona {
        Persona::Runtime => Some(("pm2-runtime", runtime::run as Foreground)),
        Persona::Dev => Some(("pm2-dev", dev::run as Foreground)),
        Persona::Rpm | Persona::Pm2 => None,
    };
    if let Some((name, run)) = foreground {
        let own = args.iter().take_while(|arg| *arg != "--");
        if own.into_iter().any(|arg| ["-v", "-V", "--version"].contains(&arg.as_str())) {
            version(out);
            return Ok(());
        }
        return run(name, persona, args, out);
    }
    match split(args) {
        Line::Version => {
            version(out);
            Ok(())
        }
        Line::Help => Err(Failure::Help(help(persona))),
        Line::Empty => {
            out.text(&usage(persona));
            Err(Failure::Said)
        }
        Line::Verb(word, args) => {
            match VERBS.iter().find(|verb| verb.name == word || verb.aliases.contains(&word.as_str())) {
                Some(verb) => (verb.run)(Invocation { verb, persona, args, out }),
                None => Err(unknown(&word, persona, out)),
            }
        }
    }
}

fn unknown(word: &str, persona: Persona, out: &mut Output) -> Failure {
    let prefix = out.paint.paint(Style::RED, &format!("[{}][ERROR] ", persona.title()));
    let message = out.paint.paint(Style::BOLD, "Command not found");
    let suggestion = match meant(word) {
        Some(verb) => format!("Did you mean `{} {verb}`?\n\n", persona.word()),
        None => String::new(),
    };
    out.text(&format!("{prefix}{message}\n\n{suggestion}{}", usage(persona)));
    Failure::Said
}

/// The verb that was probably meant.
fn meant(word: &str) -> Option<&'static str> {
    nearest(word, VERBS.iter().flat_map(|verb| std::iter::once(&verb.name).chain(verb.aliases)).copied())
}

fn usage(persona: Persona) -> String {
    let word = persona.word();
    format!(
        "usage: {word} [options] <command>\n\n\
         {word} -h, --help             all available commands and options\n\
         {word} <command> -h           help on a specific command\n\n\
         Access {word} files in ~/.{word}\n"
    )
}

fn help(persona: Persona) -> String {
    let names = |verb: &Verb| [&[verb.name], verb.aliases].concat().join(", ");
    // Those that only say why they are not here are left out.
    let here = || VERBS.iter().filter(|verb| !verb.about.starts_with(absent::MARK));
    let width = here().map(|verb| names(verb).len()).max().unwrap_or(0);
    let verbs = here().map(|verb| format!("  {:width$}  {}\n", names(verb), verb.about));
    let word = persona.word();
    let command = Command::new(word)
        .about("Process manager: runs apps in the background, keeps them up, on schedule")
        .override_usage(format!("{word} [options] <command>"))
        .after_help(format!("Commands:\n{}\n{word} <command> -h tells more.", verbs.collect::<String>()));
    options::describe(command, true).render_help().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_means_two_verbs() {
        let mut names: Vec<_> = VERBS.iter().flat_map(|verb| [&[verb.name], verb.aliases].concat()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn every_verb_has_help() {
        for verb in VERBS {
            let mut out = Output::new(Persona::Rpm, |_| None);
            let args = vec!["--help".to_owned()];
            let outcome = (verb.run)(Invocation { verb, persona: Persona::Rpm, args, out: &mut out });
            let Err(Failure::Help(text)) = outcome else { panic!("{}: {outcome:?}", verb.name) };
            assert!(text.contains(verb.about), "{text}");
            assert_eq!(text.contains("--kill-signal"), verb.takes_options, "{text}");
        }
    }

    #[test]
    fn a_slip_is_recognised() {
        assert_eq!(meant("strat"), Some("start"));
        assert_eq!(meant("lits"), Some("list"));
        assert_eq!(meant("frobnicate"), None);
    }

    #[test]
    fn help_names_every_verb() {
        insta::assert_snapshot!(help(Persona::Rpm));
    }

    #[test]
    fn usage_is_in_the_name_of_the_persona() {
        assert!(usage(Persona::Pm2).starts_with("usage: pm2 [options] <command>\n"));
        assert!(usage(Persona::Pm2).ends_with("Access pm2 files in ~/.pm2\n"));
    }
}
