//! `logrotate`: a rule for the system's logrotate.

use std::path::PathBuf;

use clap::Args;
use nix::unistd::{Group, User, geteuid};

use super::{Invocation, Verb, startup::subject};
use crate::{failure::Failure, files, startup};

pub(super) const VERB: Verb = Verb {
    name: "logrotate",
    aliases: &[],
    about: "Have the system's logrotate care for the logs (--dry-run: only show how)",
    takes_options: false,
    run,
};

#[derive(Args, Debug)]
struct Logrotate {
    /// Show what would be written, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

fn run(invocation: Invocation) -> Result<(), Failure> {
    let (context, Logrotate { dry_run }) = invocation.read()?;
    let subject = subject(&context)?;
    let word = context.persona().word();
    if !dry_run && !geteuid().is_root() {
        context.out.info("To setup the logrotate configuration, copy/paste the following command:");
        let executable = subject.executable.display();
        context.out.line(&format!("sudo env PATH=$PATH {executable} logrotate -u {}", subject.user));
        return Err(Failure::Said);
    }
    let group = User::from_name(&subject.user)
        .ok()
        .flatten()
        .and_then(|user| Group::from_gid(user.gid).ok().flatten());
    let group = group.map_or_else(|| subject.user.clone(), |group| group.name);
    let rule = startup::logrotate_rule(&subject, &group).map_err(Failure::Error)?;
    let path = PathBuf::from(format!("/etc/logrotate.d/{word}-{}", subject.user));
    if dry_run {
        context.out.text(&rule);
        context.out.info(&format!("{} was not written (--dry-run)", path.display()));
        return Ok(());
    }
    files::replace(&path, rule.as_bytes(), 0o644)
        .map_err(|error| Failure::Error(format!("cannot write {}: {error}", path.display())))?;
    context.out.info(&format!("Logrotate configuration added to {}", path.display()));
    Ok(())
}
