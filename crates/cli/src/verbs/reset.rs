//! `reset`: sets counters to zero.

use clap::Args;
use rpm_core::protocol::{Act, Action};

use super::{Invocation, Verb};
use crate::{act, failure::Failure};

pub(super) const VERB: Verb = Verb {
    name: "reset",
    aliases: &[],
    about: "Set the counters of processes to zero",
    takes_options: false,
    run,
};

#[derive(Args, Debug)]
struct Reset {
    /// Whose counters.
    #[arg(value_name = "name|id|all")]
    target: String,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, Reset { target }) = invocation.read()?;
    let mut connection = context.connect()?;
    let target = context.selector(&target);
    let act = Act { action: Action::Reset, target, env: None, patch: serde_json::Map::new() };
    act::act(&mut context, connection.as_mut(), act)?;
    context.show_list(connection.as_mut())
}
