//! `pm2-dev`: apps in the foreground while somebody writes them. They are restarted whenever a file changes, and
//! nothing is left of them afterwards.

use std::time::Duration;

use clap::Args;
use rpm_core::Persona;

use super::{runtime::without_start, start};
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
struct Dev {
    /// Script, or file that declares apps; `start` may stand before it.
    #[arg(value_name = "app.js|file")]
    targets: Vec<String>,
    /// Arguments of the script.
    #[arg(last = true, value_name = "args")]
    args: Vec<String>,
    /// Lines as they are.
    #[arg(long)]
    raw: bool,
    /// Date before each line.
    #[arg(long)]
    timestamp: bool,
    /// Files that are not watched.
    #[arg(long, value_name = "files")]
    ignore: Option<String>,
    /// What a shell runs after each restart.
    #[arg(long, value_name = "command")]
    post_exec: Option<String>,
    /// Throw its output away.
    #[arg(long)]
    silent_exec: bool,
    /// End when no app is left.
    #[arg(long)]
    auto_exit: bool,
    /// Accepted for PM2's sake.
    #[arg(long, hide = true)]
    test_mode: bool,
}

/// The pause before a restart, milliseconds: who saves a file saves the next one soon.
const RESTART_DELAY: &str = "1000";
/// The time between two looks whether an app is left.
const LOOK: Duration = Duration::from_secs(3);

/// Does what was typed after the name.
pub(super) fn run(name: &str, persona: Persona, args: Vec<String>, out: &mut Output) -> Result<(), Failure> {
    let about = "Run apps in the foreground, and restart them when their files change";
    let is_bare = args.is_empty();
    let args = if is_bare { vec!["--help".to_owned()] } else { tolerated::<Dev>(args) };
    let (mut options, mut dev) = match parse::<Dev>(name, about, true, args) {
        Err(Failure::Help(text)) if is_bare => {
            out.data(text.as_bytes());
            return Ok(());
        }
        outcome => outcome?,
    };
    let mut set = |attribute, text: &str| {
        if options.attributes.iter().all(|(set, _)| *set != attribute || attribute == "ignore_watch") {
            options.attributes.push((attribute, text.to_owned()));
        }
    };
    set("watch", "true");
    set("restart_delay", RESTART_DELAY);
    if let Some(ignored) = &dev.ignore {
        for file in ignored.split(',').chain(["node_modules"]) {
            set("ignore_watch", file);
        }
    }
    let mut context = Context::new(persona, options, out)?;
    context.out.terse = true;
    let manner = Manner {
        form: if dev.raw { Form::Raw } else { Form::Labelled },
        timestamp: dev.timestamp.then(|| "YYYY-MM-DD-HH:mm:ss".to_owned()),
        daemon: false,
        delay: Duration::ZERO,
        auto_exit: dev.auto_exit.then_some(LOOK),
        after_restart: dev.post_exec.take().map(|line| (line, !dev.silent_exec)),
    };
    without_start(&mut dev.targets);
    let Dev { targets, args, ignore, .. } = dev;
    let shown = targets.join(" ");
    foreground::run(&mut context, manner, |context, heed| {
        start::all(context, targets, args, heed)?;
        let ignored = ignore.unwrap_or_else(|| "node_modules".to_owned());
        context
            .out
            .line(&format!("Development mode: {shown} is restarted when files change (but {ignored})"));
        Ok(())
    })
}
