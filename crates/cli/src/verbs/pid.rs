//! `pid`: the pids of an app's processes, or of all.

use clap::Args;
use rpm_core::app_key::is_called;
use serde_json::json;

use super::{Invocation, Verb};
use crate::{context, failure::Failure};

pub(super) const VERB: Verb = Verb {
    name: "pid",
    aliases: &[],
    about: "Show the pids of an app, or of all",
    takes_options: false,
    run,
};

#[derive(Args, Debug)]
struct Pid {
    /// Name of the app.
    #[arg(value_name = "app_name")]
    name: Option<String>,
    /// Tell them as data.
    #[arg(long)]
    json: bool,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (context, Pid { name, json }) = invocation.read()?;
    let rows = match context.connect()? {
        Some(mut connection) => context::rows(&mut connection)?,
        None => Vec::new(),
    };
    let wanted =
        rows.iter().filter(|row| name.as_ref().is_none_or(|name| is_called(&row.namespace, &row.name, name)));
    if json {
        let pids: Vec<_> = wanted.map(|row| row.pid).filter(|&pid| pid > 0).collect();
        context.out.document(json!({ "pids": pids }));
        return Ok(());
    }
    let pids: Vec<_> = wanted.map(|row| row.pid.to_string()).collect();
    // As in PM2, nobody is an empty line.
    context.out.line(&pids.join("\n"));
    Ok(())
}
