//! `scale`: makes the processes of an app more or fewer.

use clap::Args;
use rpm_client::Connection;
use rpm_core::protocol::{Action, Failure as Refusal, Reply, Request, Scale, ScaleTo};

use super::{Invocation, Verb};
use crate::{
    act,
    context::{self, Context},
    crowd,
    failure::Failure,
};

pub(super) const VERB: Verb = Verb {
    name: "scale",
    aliases: &[],
    about: "Set the number of processes of an app",
    takes_options: false,
    run,
};

#[derive(Args, Debug)]
struct ScaleArgs {
    /// Name of the app.
    #[arg(value_name = "app_name")]
    app: String,
    /// How many; with a plus, how many more.
    #[arg(value_name = "number")]
    number: String,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (mut context, ScaleArgs { app, number }) = invocation.read()?;
    let to = parse(&number)
        .ok_or_else(|| Failure::Error(format!("{number:?} is no number of processes: expected 4 or +2")))?;
    let Some(mut connection) = context.connect()? else { return Err(Refusal::UnknownApp(app).into()) };
    confirm(&mut context, &mut connection, &app, to)?;
    let mut failed = false;
    for reply in connection.request(&Request::Scale(Scale { app, to }))? {
        match reply? {
            Reply::Targets(targets) => {
                for target in &targets {
                    let ids = act::ids(std::slice::from_ref(target), false);
                    act::echo(&mut context, Action::Delete, &target.id.to_string(), &ids);
                }
            }
            Reply::Acted(acted) if acted.created && acted.error.is_none() => {
                context.out.info("Scaling up application");
            }
            Reply::Acted(acted) => {
                let action = if acted.created { Action::Start } else { Action::Delete };
                failed |= !act::tell(&mut context, action, &acted);
            }
            Reply::Note(note) => context.out.warn(&note),
            _ => {}
        }
    }
    if failed {
        return Err(Failure::Said);
    }
    context.show_list(Some(&mut connection))
}

/// Asks before an app gets very many processes. The present number is read only where it matters.
fn confirm(
    context: &mut Context,
    connection: &mut Connection,
    app: &str,
    to: ScaleTo,
) -> Result<(), Failure> {
    if matches!(to, ScaleTo::Exactly(count) if !crowd::is_many(count.into())) {
        return Ok(());
    }
    let present = context::rows(connection)?.iter().filter(|row| row.name == app).count() as u64;
    let count = match to {
        ScaleTo::Exactly(count) => count.into(),
        ScaleTo::Add(more) => present + u64::from(more),
    };
    if present == 0 { Ok(()) } else { crowd::confirm(context, app, present, count) }
}

fn parse(number: &str) -> Option<ScaleTo> {
    let (digits, to): (_, fn(u32) -> ScaleTo) = match number.strip_prefix('+') {
        Some(more) => (more, ScaleTo::Add),
        None => (number, ScaleTo::Exactly),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().map(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_absolute_unless_they_have_a_plus() {
        assert_eq!(parse("4"), Some(ScaleTo::Exactly(4)));
        assert_eq!(parse("+2"), Some(ScaleTo::Add(2)));
        for text in ["", "+", "-1", "x", "++1", "1.5"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
