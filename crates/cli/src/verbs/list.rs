//! `list`: the table of processes.

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

#[derive(Args, Debug, Default)]
struct List {
    /// PM2 takes any words here and shows all the same.
    #[arg(hide = true)]
    _ignored: Vec<String>,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, List { .. }) = invocation.read_or_default()?;
    let mut connection = context.connect()?;
    context.show_list(connection.as_mut())
}
