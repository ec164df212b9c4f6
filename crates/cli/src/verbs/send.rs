//! `send`: a line for the standard input of a process.

use clap::Args;
use rpm_client::ClientError;
use rpm_core::{
    ProcessId,
    protocol::{Failure as Refusal, Input, Request},
};

use super::{Invocation, Verb};
use crate::failure::Failure;

pub(super) const VERB: Verb = Verb {
    name: "send",
    aliases: &[],
    about: "Write a line to the standard input of a process",
    takes_options: false,
    run,
};

#[derive(Args, Debug)]
struct Send {
    /// To whom.
    #[arg(value_name = "pm_id")]
    id: String,
    /// What, without the end of the line.
    #[arg(allow_hyphen_values = true)]
    line: String,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Send { id, line }) = invocation.read()?;
    let unknown = || Failure::Error(format!("Error: Process with ID <{id}> unknown."));
    let number = id.parse().map(ProcessId).map_err(|_| unknown())?;
    let Some(mut connection) = context.connect()? else { return Err(unknown()) };
    for reply in connection.request(&Request::Input(Input { id: number, line }))? {
        match reply {
            Ok(_) => {}
            Err(ClientError::Failed(Refusal::UnknownId(_))) => return Err(unknown()),
            Err(ClientError::Failed(failure)) => return Err(Failure::Error(format!("Error: {failure}"))),
            Err(error) => return Err(error.into()),
        }
    }
    context.show_list(Some(&mut connection))
}
