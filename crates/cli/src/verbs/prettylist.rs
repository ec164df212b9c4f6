//! `prettylist`: the processes as Node shows an object.

use super::{Invocation, Nothing, Verb};
use crate::{failure::Failure, render};

pub(super) const VERB: Verb = Verb {
    name: "prettylist",
    aliases: &[],
    about: "Show all processes as Node shows objects",
    takes_options: false,
    run,
};

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (context, Nothing {}) = invocation.read()?;
    let processes = match context.connect()? {
        Some(mut connection) => context.all(&mut connection)?,
        None => Vec::new(),
    };
    let text = render::jlist::jlist(&processes).and_then(|json| render::pretty::pretty(&json));
    let text = text.map_err(|error| Failure::Error(error.to_string()))?;
    // Without an end of line, as PM2.
    context.out.data(text.as_bytes());
    Ok(())
}
