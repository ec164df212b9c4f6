//! `id`: the ids of an app's processes.

use clap::Args;
use rpm_core::app_key::is_called;
use serde_json::json;

use super::{Invocation, Verb};
use crate::{context, failure::Failure, render::inspect};

pub(super) const VERB: Verb =
    Verb { name: "id", aliases: &[], about: "Show the ids of an app", takes_options: false, run };

#[derive(Args, Debug)]
struct Id {
    /// Name of the app.
    #[arg(value_name = "name")]
    name: String,
    /// Tell them as data.
    #[arg(long)]
    json: bool,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (context, Id { name, json }) = invocation.read()?;
    let rows = match context.connect()? {
        Some(mut connection) => context::rows(&mut connection)?,
        None => Vec::new(),
    };
    let ids: Vec<_> =
        rows.iter().filter(|row| is_called(&row.namespace, &row.name, &name)).map(|row| row.id).collect();
    if json {
        context.out.document(json!({ "ids": ids }));
        return Ok(());
    }
    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    context.out.line(&inspect::array(&ids));
    Ok(())
}
