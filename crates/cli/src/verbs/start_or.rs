//! `startOrRestart` and its kind: all apps of a file, whether they are there already or not.

use clap::Args;
use rpm_core::protocol::Action;
use rpm_ecosystem::Use;

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
    let mut declared = Declared::new(&mut context, Vec::new())?;
    let files = std::slice::from_ref(&file);
    let apps = start::load_all(&mut context, &mut declared, files, Use::Start)?.concat();
    let mut connection = context.connect_or_spawn()?;
    start::apps(&mut context, &mut connection, &declared, apps, action)?;
    context.show_list(Some(&mut connection))
}
