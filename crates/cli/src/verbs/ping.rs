//! `ping`: whether the daemon answers.

use rpm_core::protocol::{Reply, Request};

use super::{Invocation, Nothing, Verb};
use crate::failure::Failure;

pub(super) const VERB: Verb =
    Verb { name: "ping", aliases: &[], about: "Ask whether the daemon is there", takes_options: false, run };

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (context, Nothing {}) = invocation.read()?;
    let Some(mut connection) = context.connect()? else {
        return Err(Failure::Error(format!("no daemon is running for {}", context.home.root().display())));
    };
    for reply in connection.request(&Request::Ping)? {
        if reply? == Reply::Pong {
            context.out.line("{ msg: 'pong' }");
        }
    }
    Ok(())
}
