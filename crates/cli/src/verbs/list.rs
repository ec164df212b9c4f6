//! `list`: the table of processes.

use std::{thread, time::Duration};

use chrono::{Local, SecondsFormat};
use clap::Args;

use super::{Invocation, Verb};
use crate::failure::Failure;

pub(super) const VERB: Verb = Verb {
    name: "list",
    aliases: &["ls", "l", "ps", "status"],
    about: "Show all processes",
    takes_options: false,
    run,
};

/// PM2's pace of `list --watch`.
const REFRESH: Duration = Duration::from_millis(900);
/// Empties the screen and goes to its first line.
const CLEAR: &str = "\x1b[2J\x1b[0f";

#[derive(Args, Debug, Default)]
struct List {
    /// PM2 takes any words here and shows all the same.
    #[arg(hide = true)]
    _ignored: Vec<String>,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, List { .. }) = invocation.read_or_default()?;
    if !context.options.watches() {
        let mut connection = context.connect()?;
        return context.show_list(connection.as_mut());
    }
    // Until nobody reads, or Ctrl-C. The daemon may come and go meanwhile.
    while !context.out.is_broken() {
        let date = Local::now().to_rfc3339_opts(SecondsFormat::Secs, false);
        context.out.text(&format!("{CLEAR}Last refresh:  {date}\n"));
        let mut connection = context.connect()?;
        context.show_list(connection.as_mut())?;
        thread::sleep(REFRESH);
    }
    Ok(())
}
