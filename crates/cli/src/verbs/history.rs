//! `history`: runs that are over.

use clap::Args;
use rpm_core::Millis;
use serde_json::json;

use super::{Invocation, Verb};
use crate::{
    context::{self, Context},
    failure::Failure,
    render,
    runs::{self, Query, Whose},
};

pub(super) const VERB: Verb = Verb {
    name: "history",
    aliases: &[],
    about: "Show runs that are over, why they began and how they ended",
    takes_options: false,
    run,
};

#[derive(Args, Debug)]
struct History {
    /// Names, namespaces, ids or `/regex/`; all without one.
    #[arg(value_name = "name")]
    names: Vec<String>,
    /// Only runs that failed.
    #[arg(long)]
    failed: bool,
    /// Only runs that ended within this time: 30m, 12h, 2d.
    #[arg(long, value_name = "time")]
    since: Option<Millis>,
    /// So many, the latest; 0 for all.
    #[arg(long, value_name = "n", default_value_t = 50)]
    limit: usize,
    /// Tell them as data, with the last words of those that failed.
    #[arg(long)]
    json: bool,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, History { names, failed, since, limit, json }) = invocation.read()?;
    let now = context::now_millis();
    let query = Query {
        whose: names.iter().map(|name| Whose::of(&context.selector(name))).collect::<Result<_, _>>()?,
        failed,
        since: since.map(|since| now.saturating_sub_unsigned(since.0)),
        limit: (limit > 0).then_some(limit),
    };
    let mut found = runs::find(&context.home, &query)?;
    found.reverse();
    if json {
        return tell(&mut context, &found);
    }
    if found.is_empty() {
        context.out.info("No runs");
        return Ok(());
    }
    let table = render::runs::table(&found, context.out.paint);
    context.out.text(&table);
    if query.limit == Some(found.len()) {
        context.out.info(&format!("The latest {limit}; --limit 0 shows all"));
    }
    Ok(())
}

fn tell(context: &mut Context, found: &[rpm_history::Run]) -> Result<(), Failure> {
    let said = runs::said(&context.home, found)?;
    let runs: Vec<_> =
        found.iter().map(|run| render::runs::data(run, run.key().and_then(|key| said.get(&key)))).collect();
    context.out.document(json!({ "runs": runs }));
    Ok(())
}
