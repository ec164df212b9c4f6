//! `jlist`: the processes as JSON.

use super::{Invocation, Nothing, Verb};
use crate::{failure::Failure, render};

pub(super) const VERB: Verb =
    Verb { name: "jlist", aliases: &[], about: "Show all processes as JSON", takes_options: false, run };

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (context, Nothing {}) = invocation.read_or_default()?;
    let processes = match context.connect()? {
        Some(mut connection) => context.all(&mut connection)?,
        None => Vec::new(),
    };
    let json = render::jlist::jlist(&processes).map_err(|error| Failure::Error(error.to_string()))?;
    context.out.json(&String::from_utf8_lossy(&json));
    Ok(())
}
