//! `startOrRestart` and its kind: all apps of a file, whether they are there already or not.

use clap::Args;
use rpm_core::protocol::Action;

use super::{Invocation, Verb, start};
use crate::{apps::Declared, failure::Failure};

pub(super) const RESTART: Verb = Verb {
    name: "startOrRestart",
    aliases: &[],
    about: "Start the apps of a file, restart those that are there",
    takes_options: true,
    run: |invocation| run(invocation, Action::Restart),
};

pub(super) const RELOAD: Verb = Verb {
    name: "startOrReload",
    aliases: &["startOrGracefulReload"],
    about: "Start the apps of a file, reload those that are there",
    takes_options: true,
    run: |invocation| run(invocation, Action::Reload),
};

#[derive(Args, Debug)]
struct StartOr {
    /// File that declares apps.
    #[arg(value_name = "json")]
    file: String,
}

fn run(invocation: Invocation, action: Action) -> Result<(), Failure> {
    let (mut context, StartOr { file }) = invocation.read()?;
    let declared = Declared::new(&mut context, Vec::new())?;
    let apps = declared.load(&mut context, &file)?.apps;
    let mut connection = context.connect_or_spawn()?;
    start::apps(&mut context, &mut connection, &declared, apps, action)?;
    context.show_list(Some(&mut connection))
}
