//! `pull`, `forward` and `backward`: PM2 moves the source of an app to another commit, where it was told to keep
//! account of version control. That is off in PM2 unless its daemon is told otherwise, and it is never kept here.

use clap::Args;
use rpm_core::name::printable;

use super::{Invocation, Verb};
use crate::{context, failure::Failure};

pub(super) const PULL: Verb = verb("pull", "Accepted for PM2's sake: no version control is kept account of");
pub(super) const FORWARD: Verb = verb("forward", "Accepted for PM2's sake: as `pull`");
pub(super) const BACKWARD: Verb = verb("backward", "Accepted for PM2's sake: as `pull`");

const fn verb(name: &'static str, about: &'static str) -> Verb {
    Verb { name, aliases: &[], about, takes_options: false, run }
}

#[derive(Args, Debug)]
struct Source {
    /// Which app.
    name: String,
    /// The commit.
    #[arg(value_name = "commit_id")]
    _commit: Option<String>,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let what = match invocation.verb.name {
        "pull" => "Updating repository",
        "forward" => "Updating to next commit repository",
        _ => "Downgrading to previous commit repository",
    };
    let (context, Source { name, .. }) = invocation.read()?;
    let shown = printable(&name);
    context.out.info(&format!("{what} for process name {shown}"));
    let is_there = match context.connect()? {
        Some(mut connection) => context::rows(&mut connection)?.iter().any(|row| row.name == name),
        None => false,
    };
    if !is_there {
        return Err(Failure::Error(format!("No process {shown} found")));
    }
    context.out.info(&format!("No versioning system found for process {shown}"));
    Ok(())
}
