//! `list`: the table of processes.

use std::{thread, time::Duration};

use chrono::{Local, SecondsFormat};
use clap::Args;
use serde_json::json;

use super::{Invocation, Verb};
use crate::{
    context,
    failure::Failure,
    render::{document, sort::sort},
};

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
    /// Tell it as data.
    #[arg(long)]
    json: bool,
    /// PM2 takes any words here and shows all the same.
    #[arg(hide = true)]
    _ignored: Vec<String>,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, List { json, .. }) = invocation.read_or_default()?;
    if json {
        let mut rows = match context.connect()? {
            Some(mut connection) => context::rows(&mut connection)?,
            None => Vec::new(),
        };
        sort(&mut rows, context.options.sort.as_deref());
        let rows: Vec<_> = rows.iter().map(document::row).collect();
        context.out.document(json!({ "processes": rows }));
        return Ok(());
    }
    if !context.options.watches() {
        let mut connection = context.connect()?;
        return context.show_list(connection.as_mut());
    }
    // Until nobody reads, or Ctrl-C. The daemon may come and go meanwhile.
    while !context.out.is_broken() {
        let mut connection = context.connect()?;
        let date = Local::now().to_rfc3339_opts(SecondsFormat::Secs, false);
        context.out.text(&format!("{CLEAR}Last refresh:  {date}\n"));
        context.show_list(connection.as_mut())?;
        thread::sleep(REFRESH);
    }
    Ok(())
}
