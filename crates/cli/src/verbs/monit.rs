//! `monit`: processes, logs and usage on the full screen.

use super::{Invocation, Nothing, Verb};
use crate::{failure::Failure, monit};

pub(super) const VERB: Verb = Verb {
    name: "monit",
    aliases: &["dashboard", "dash", "imonit"],
    about: "Watch all processes on the full screen",
    takes_options: false,
    run,
};

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (context, Nothing {}) = invocation.read()?;
    monit::run(&context)
}
