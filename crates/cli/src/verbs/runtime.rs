//! `pm2-runtime` (also `pm2-docker`): the program of a container. It starts apps, shows what they write, and ends when
//! a signal says so, or when no app is left.

use std::time::Duration;

use clap::Args;
use rpm_core::Persona;

use super::start;
use crate::{
    args::parse::{parse, tolerated},
    context::Context,
    failure::Failure,
    foreground::{self, Manner},
    logs::print::Form,
    output::Output,
};

#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
struct Runtime {
    /// Script, or file that declares apps; `start` may stand before it.
    #[arg(value_name = "app.js|file")]
    targets: Vec<String>,
    /// Arguments of the script.
    #[arg(last = true, value_name = "args")]
    args: Vec<String>,
    /// Lines as they are (the default).
    #[arg(long)]
    raw: bool,
    /// Lines with whose they are.
    #[arg(long)]
    formatted: bool,
    /// Lines as `key=value` fields.
    #[arg(long)]
    format: bool,
    /// Lines as JSON, and what happens to processes.
    #[arg(long)]
    json: bool,
    /// Time before the start.
    #[arg(long, value_name = "seconds", default_value_t = 0.0)]
    delay: f64,
    /// Stay also when no app is left.
    #[arg(long)]
    no_auto_exit: bool,
    /// Time between two looks whether an app is left, when one has ended.
    #[arg(long, value_name = "ms", default_value_t = 2000)]
    auto_exit_interval: u64,
    /// Accepted for PM2's sake: `pm2 web` offers the list over HTTP.
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "")]
    web: Option<String>,
    /// Accepted for PM2's sake.
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "")]
    secret: Option<String>,
    /// Accepted for PM2's sake.
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "")]
    public: Option<String>,
    /// Accepted for PM2's sake.
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "")]
    machine_name: Option<String>,
}

impl Runtime {
    fn form(&self) -> Form {
        match (self.json, self.format, self.formatted) {
            (true, ..) => Form::Json,
            (_, true, _) => Form::Fields,
            (.., true) => Form::Labelled,
            _ => Form::Raw,
        }
    }
}

/// Does what was typed after the name.
pub(super) fn run(name: &str, persona: Persona, args: Vec<String>, out: &mut Output) -> Result<(), Failure> {
    let about = "Run apps in the foreground, as the program of a container";
    let is_bare = args.is_empty();
    let args = if is_bare { vec!["--help".to_owned()] } else { tolerated::<Runtime>(args) };
    let (options, mut runtime) = match parse::<Runtime>(name, about, true, args) {
        Err(Failure::Help(text)) if is_bare => {
            out.data(text.as_bytes());
            return Err(Failure::Said);
        }
        outcome => outcome?,
    };
    let mut context = Context::new(persona, options, out)?;
    // Standard output is the apps'.
    context.out.terse = true;
    if runtime.web.is_some() {
        context.out.warn("--web has no effect: `pm2 web` offers the list over HTTP");
    }
    let delay = Duration::try_from_secs_f64(runtime.delay)
        .map_err(|_| Failure::Error(format!("--delay: expected seconds, found {}", runtime.delay)))?;
    let interval = Duration::from_millis(runtime.auto_exit_interval);
    let manner = Manner {
        form: runtime.form(),
        timestamp: None,
        daemon: true,
        delay,
        auto_exit: (!runtime.no_auto_exit).then_some(interval),
        after_restart: None,
    };
    without_start(&mut runtime.targets);
    let Runtime { targets, args, .. } = runtime;
    foreground::run(&mut context, manner, |context, heed| start::all(context, targets, args, heed).map(drop))
}

/// `start` may stand before what is to be started.
pub(super) fn without_start(targets: &mut Vec<String>) {
    if targets.len() > 1 && targets.first().is_some_and(|word| word == "start") {
        targets.remove(0);
    }
}
