//! `cleardump`: the saved list becomes an empty one.

use super::{Invocation, Nothing, Verb};
use crate::{failure::Failure, files};

pub(super) const VERB: Verb =
    Verb { name: "cleardump", aliases: &[], about: "Empty the saved list", takes_options: false, run };

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (context, Nothing {}) = invocation.read()?;
    rpm_client::prepare_home(&context.home)?;
    let path = context.home.dump();
    files::replace(&path, b"[]", 0o600)
        .map_err(|error| Failure::Error(format!("cannot write {}: {error}", path.display())))?;
    context.out.info(&format!("Successfully created {}", path.display()));
    Ok(())
}
