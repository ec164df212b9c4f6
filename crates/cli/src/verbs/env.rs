//! `env`: the environment of a process, or what would change in it.

use clap::Args;
use rpm_client::Connection;
use rpm_core::{
    ProcessId,
    protocol::{EnvDiff, Reply, Request},
    selector::Form,
};
use serde_json::json;

use super::{Invocation, Verb};
use crate::{
    context::{Context, own_environment},
    failure::Failure,
    render,
};

pub(super) const VERB: Verb =
    Verb { name: "env", aliases: &[], about: "Show the environment of a process", takes_options: false, run };

/// The exit code of `--diff` where something would change, as with diff(1) and `apply --dry-run`.
const WOULD_CHANGE: u8 = 2;

#[derive(Args, Debug)]
struct Environment {
    /// Id of the process.
    #[arg(value_name = "id")]
    id: String,
    /// Show what would change if it were started now: files of `env_file` may have changed, with `--update-env` also the
    /// environment of this shell. The exit code is 2 if something would.
    #[arg(long)]
    diff: bool,
    /// Tell it as data.
    #[arg(long)]
    json: bool,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Environment { id, diff, json }) = invocation.read()?;
    let unknown = || Failure::Error(format!("Modules with id {id} not found"));
    let selector = context.selector(&id);
    let Form::Number(number) = selector.form() else { return Err(unknown()) };
    let Some(mut connection) = context.connect()? else { return Err(unknown()) };
    // The number may be the name of others.
    let processes = context.all(&mut connection)?;
    let process = processes.iter().find(|process| process.summary.id.0 == number).ok_or_else(unknown)?;
    if diff {
        return tell_diff(&mut context, &mut connection, process.summary.id, json);
    }
    if json {
        context.out.document(json!({ "env": &*process.env() }));
        return Ok(());
    }
    let lines = render::env::lines(&process.env(), context.out.paint);
    context.out.text(&lines);
    Ok(())
}

fn tell_diff(
    context: &mut Context,
    connection: &mut Connection,
    id: ProcessId,
    json: bool,
) -> Result<(), Failure> {
    let env = context.options.update_env.then(own_environment);
    let request = EnvDiff { id, env, reveal: context.options.reveal };
    let mut all = Vec::new();
    for reply in connection.request(&Request::EnvDiff(request))? {
        if let Reply::EnvDiff(differences) = reply? {
            all.extend(differences);
        }
    }
    if json {
        context.out.document(json!({ "differences": all }));
    } else {
        let lines = render::env::differences(&all, context.out.paint);
        context.out.text(&lines);
    }
    if all.is_empty() { Ok(()) } else { Err(Failure::Exit(WOULD_CHANGE)) }
}
