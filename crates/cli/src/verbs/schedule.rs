//! `schedule`: what runs when, how much at once, and what should have run and did not.

mod agenda;

use clap::Args;

pub(crate) use self::agenda::{Agenda, App, Collision, Missed};
use super::{Invocation, Verb};
use crate::{
    context::{Context, now_millis},
    failure::Failure,
    module_conf::ModuleConf,
    output::Output,
    render,
};

pub(super) const VERB: Verb = Verb {
    name: "schedule",
    aliases: &[],
    about: "Show what runs when by its schedule, the load of each hour, and missed ticks",
    takes_options: false,
    run,
};

/// Columns where there is no terminal.
const WIDTH: u16 = 80;

#[derive(Args, Debug)]
struct Schedule {
    /// How many hours to look ahead, up to a week.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=168))]
    hours: u16,
    /// Tell it as data.
    #[arg(long)]
    json: bool,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (context, Schedule { hours, json }) = invocation.read()?;
    let processes = match context.connect()? {
        Some(mut connection) => context.all(&mut connection)?,
        None => Vec::new(),
    };
    let agenda = Agenda::of(&processes, now_millis(), hours.into());
    if json {
        let mut data = serde_json::to_value(&agenda).map_err(|error| Failure::Error(error.to_string()))?;
        data["max_parallel"] = max_parallel(&context)?.into();
        context.out.document(data);
        return Ok(());
    }
    if agenda.apps.is_empty() {
        context.out.info("No app has a schedule");
        return Ok(());
    }
    let columns = Output::columns().unwrap_or(WIDTH);
    let text = render::schedule::text(&agenda, max_parallel(&context)?, columns, context.out.paint);
    context.out.text(&text);
    Ok(())
}

/// How many tasks of the home may run at the same time.
fn max_parallel(context: &Context) -> Result<Option<u64>, Failure> {
    let conf = ModuleConf::load(&context.home)?;
    let value = conf.get(&["rpm".to_owned(), "max_parallel".to_owned()]);
    let number = value.and_then(|value| value.as_u64().or_else(|| value.as_str()?.trim().parse().ok()));
    Ok(number.filter(|&number| number > 0))
}
