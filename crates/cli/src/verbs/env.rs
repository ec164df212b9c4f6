//! `env`: the environment of a process.

use clap::Args;
use rpm_core::selector::Form;

use super::{Invocation, Verb};
use crate::{context, failure::Failure, render};

pub(super) const VERB: Verb =
    Verb { name: "env", aliases: &[], about: "Show the environment of a process", takes_options: false, run };

#[derive(Args, Debug)]
struct Environment {
    /// Id of the process.
    #[arg(value_name = "id")]
    id: String,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (context, Environment { id }) = invocation.read()?;
    let unknown = || Failure::Error(format!("Modules with id {id} not found"));
    let selector = context.selector(&id);
    let Form::Number(number) = selector.form() else { return Err(unknown()) };
    let Some(mut connection) = context.connect()? else { return Err(unknown()) };
    // The number may be the name of others.
    let processes = context::processes(&mut connection, None)?;
    let process = processes.iter().find(|process| process.summary.id.0 == number).ok_or_else(unknown)?;
    let lines = render::env::lines(&process.env(), context.out.paint);
    context.out.text(&lines);
    Ok(())
}
