//! What will be there after the machine was started anew.

use std::{collections::BTreeSet, fs};

use rpm_core::{ProcessInfo, Status, bounded};
use rpm_daemon::Proof;

use super::{Finding, names};
use crate::{
    context::{Context, variable},
    failure::Failure,
    startup::{Plan, Platform},
    verbs::startup::{SYSTEM_PATH, in_path, subject},
};

const SUBJECT: &str = "boot";

pub(super) fn findings(
    context: &Context,
    processes: Option<&[ProcessInfo]>,
) -> Result<Vec<Finding>, Failure> {
    let word = context.persona().word();
    let mut findings = vec![list(context, processes)];
    findings.extend(integrity(context));
    let path = format!("{}:{SYSTEM_PATH}", variable("PATH").unwrap_or_default());
    let Some(platform) = Platform::detect(|program| in_path(program, &path).is_some()) else {
        findings.push(Finding::warning(
            SUBJECT,
            "this machine has no init system that is known here",
            format!("have `{word} resurrect` run when it boots"),
        ));
        return Ok(findings);
    };
    let plan = Plan::new(platform, &subject(context)?).map_err(Failure::Error)?;
    let target = plan.target.display();
    let advice = format!("`{word} startup`");
    findings.push(match fs::read_to_string(&plan.target) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Finding::warning(SUBJECT, "nothing brings the list back when the machine boots", advice)
        }
        Err(error) => Finding::warning(SUBJECT, format!("{target}: {error}"), advice),
        Ok(text) if text == plan.text => Finding::good(SUBJECT, format!("{target} agrees with this program")),
        Ok(_) => Finding::warning(
            SUBJECT,
            format!("{target} is not what this program would write: another version, path or user wrote it"),
            format!("{advice} writes it anew; `{word} startup --dry-run` shows it"),
        ),
    });
    Ok(findings)
}

/// Whether the saved list is what `save` wrote.
fn integrity(context: &Context) -> Option<Finding> {
    let (home, word) = (&context.home, context.persona().word());
    let path = home.dump();
    let text = bounded::read(&path, rpm_daemon::MAX_DUMP).ok()?;
    let shown = path.display();
    match rpm_daemon::proof(home, &path, &text) {
        Proof::Whole => None,
        Proof::None => Some(Finding::good(
            SUBJECT,
            format!(
                "{shown} was not written by `{word} save` here: it is taken as it is, and has no sum against damage"
            ),
        )),
        Proof::Damaged => Some(Finding::bad(
            SUBJECT,
            format!("{shown} was damaged on the disk: the latest backup that is whole would be brought back"),
            format!("`{word} save` writes it anew from what runs"),
        )),
    }
}

/// What was saved, beside what runs.
fn list(context: &Context, processes: Option<&[ProcessInfo]>) -> Finding {
    let home = &context.home;
    let word = context.persona().word();
    let saved = match rpm_daemon::saved(home) {
        Ok(Some(saved)) => saved,
        Ok(None) if processes.is_none_or(<[_]>::is_empty) => {
            return Finding::good(SUBJECT, "no list was saved, and nothing is there to save");
        }
        Ok(None) => {
            return Finding::warning(
                SUBJECT,
                "no list was saved: nothing would be brought back",
                format!("`{word} save`"),
            );
        }
        Err(error) => {
            return Finding::bad(SUBJECT, error, format!("`{word} save` writes it anew from what runs"));
        }
    };
    let running: BTreeSet<_> =
        saved.iter().filter(|saved| saved.running).map(|saved| saved.spec.key()).collect();
    let there: BTreeSet<_> = processes
        .unwrap_or_default()
        .iter()
        .filter(|process| !matches!(process.summary.status, Status::Stopped | Status::Stopping))
        .map(|process| process.spec.key())
        .collect();
    let count = saved.iter().filter(|saved| saved.running).count();
    let back = format!("{count} of {} saved processes would be started", saved.len());
    let missing: Vec<_> = there.difference(&running).map(|app| app.name.as_str()).collect();
    if processes.is_some() && !missing.is_empty() {
        return Finding::warning(
            SUBJECT,
            format!("{back}, but not what runs and was not saved so: {}", names(missing)),
            format!("`{word} save`"),
        );
    }
    Finding::good(SUBJECT, back)
}
