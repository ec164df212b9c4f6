//! `examples`: what is typed most.

use super::{Invocation, Nothing, Verb};
use crate::failure::Failure;

pub(super) const VERB: Verb =
    Verb { name: "examples", aliases: &[], about: "Show what is typed most", takes_options: false, run };

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (context, Nothing {}) = invocation.read()?;
    let word = context.persona().word();
    context.out.info(&include_str!("../templates/examples.txt").replace("{word}", word));
    Ok(())
}
