//! A question before one app gets very many processes: probably a slip of the pen.

use std::io::{self, IsTerminal, Write};

use rpm_core::{AppSpec, Instances, Persona, name::printable};

use crate::{context::Context, failure::Failure};

/// Processes of one app that are started without a question.
const MANY: u64 = 500;

/// The number of processes that an app declares.
pub(crate) fn declared(app: &AppSpec) -> u64 {
    let cpus = std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u32);
    app.instances.map_or(1, |instances| instances.resolve(cpus)).into()
}

/// Whether [`confirm`] would ask about so many processes if there were none yet.
pub(crate) fn is_many(count: u64) -> bool {
    // The daemon refuses what is beyond the limit; a question before that would mislead.
    (MANY + 1..=u64::from(Instances::MAX)).contains(&count)
}

/// Confirms that the number of processes of `app` is to rise from `present` to `count`, where that is many. As `rpm` it
/// asks on a terminal, and fails without one unless `--force` is given; as `pm2` it warns, because scripts rely on it.
pub(crate) fn confirm(context: &mut Context, app: &str, present: u64, count: u64) -> Result<(), Failure> {
    if !is_many(count) || count <= present || context.options.force {
        return Ok(());
    }
    let app = printable(app);
    if context.persona() != Persona::Rpm {
        context.out.warn(&format!("{app} will have {count} processes"));
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::Error(format!(
            "{app} would have {count} processes: add --force if that is meant"
        )));
    }
    let question = format!("{app} will have {count} processes. Go on? [y/N] ");
    context.out.error_bytes(question.as_bytes());
    let mut answer = String::new();
    let read = io::stderr().flush().and_then(|()| io::stdin().read_line(&mut answer));
    match read {
        Ok(_) if ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) => Ok(()),
        _ => Err(Failure::Error("nothing was changed".to_owned())),
    }
}
