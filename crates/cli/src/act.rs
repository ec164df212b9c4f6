//! Having something done to processes, and telling of it as PM2 does.

use rpm_client::{ClientError, Connection};
use rpm_core::{
    Selector, Status,
    name::printable,
    protocol::{self, Act, Acted, Action, ProcessRef, Reply, Request},
    selector::{Exact, Form},
};

use crate::{context::Context, failure::Failure, render::inspect};

/// Asks for an action and tells what comes of it. Fails after the last answer if one of the processes did.
///
/// Where there is no daemon, it is as with an empty list.
pub(crate) fn act(
    context: &mut Context,
    connection: Option<&mut Connection>,
    act: Act,
) -> Result<(), Failure> {
    perform(context, connection, act, true)
}

/// [`act`] without telling in advance who will be acted on, as PM2 does for the apps of a file.
pub(crate) fn act_quietly(
    context: &mut Context,
    connection: &mut Connection,
    act: Act,
) -> Result<(), Failure> {
    perform(context, Some(connection), act, false)
}

fn perform(
    context: &mut Context,
    connection: Option<&mut Connection>,
    act: Act,
    echoes: bool,
) -> Result<(), Failure> {
    let (action, target) = (act.action, act.target.clone());
    let Some(connection) = connection else {
        return Err(refused(context, action, &target, empty(&target)));
    };
    let mut failed = false;
    for reply in connection.request(&Request::Act(act))? {
        match reply {
            Ok(Reply::Targets(targets)) if echoes => {
                let ids = ids(&targets, is_by_id(&target, &targets));
                echo(context, action, &target.text, &ids);
            }
            Ok(Reply::Acted(acted)) => {
                context.acted.push(acted.process.id);
                failed |= !tell(context, action, &acted);
            }
            Ok(Reply::Note(note)) => context.out.warn(&note),
            Ok(_) => {}
            Err(ClientError::Failed(failure)) => return Err(refused(context, action, &target, failure)),
            Err(error) => return Err(error.into()),
        }
    }
    if failed { Err(Failure::Said) } else { Ok(()) }
}

/// What the daemon would say if it had no processes.
fn empty(target: &Selector) -> protocol::Failure {
    match target.form() {
        Form::All | Form::Regex(_) => protocol::Failure::NoProcess,
        Form::Exactly(Exact::Id(id)) => protocol::Failure::UnknownId(id.0),
        Form::Exactly(Exact::App { name, .. }) => protocol::Failure::UnknownName(name.clone()),
        Form::Number(id) => protocol::Failure::UnknownId(id),
        Form::Word(word) => protocol::Failure::UnknownName(word.to_owned()),
    }
}

/// Whether a number was typed, and it was the id that it meant.
fn is_by_id(target: &Selector, targets: &[ProcessRef]) -> bool {
    match (target.form(), targets) {
        (Form::Number(number), [only]) => only.id.0 == number && only.name != target.text,
        _ => false,
    }
}

/// The failure in PM2's words for the action. PM2 asks its daemon about an id only when it acts, and so tells of
/// it first.
fn refused(context: &mut Context, action: Action, target: &Selector, failure: protocol::Failure) -> Failure {
    match (action, failure) {
        (Action::Reset, protocol::Failure::UnknownName(_)) => {
            Failure::Bare("Unknown process name".to_owned())
        }
        (_, protocol::Failure::UnknownId(id)) => {
            echo(context, action, &target.text, &[format!("'{id}'")]);
            match action {
                Action::Start | Action::Restart | Action::ToggleWatch => {
                    Failure::Error("God db process id unknown".to_owned())
                }
                Action::Reload => Failure::Error("PM2 ID unknown".to_owned()),
                Action::Stop | Action::Delete => protocol::Failure::UnknownId(id).into(),
                Action::Reset => Failure::Bare(format!("Error: {id} id unknown")),
            }
        }
        (_, failure) => failure.into(),
    }
}

/// `Applying action stopProcessId on app [all](ids: [ 0, 1 ])`
pub(crate) fn echo(context: &mut Context, action: Action, target: &str, ids: &[String]) {
    if action == Action::Reset {
        for id in ids {
            let id = id.trim_matches('\'');
            context.out.info(&format!("Resetting meta for process id {id}"));
        }
        return;
    }
    let method = action.pm2_method();
    let target = printable(target);
    context.out.info(&format!("Applying action {method} on app [{target}](ids: {})", inspect::array(ids)));
}

/// Ids as PM2 echoes them: an id that was typed is a text there.
pub(crate) fn ids(processes: &[ProcessRef], quoted: bool) -> Vec<String> {
    let show =
        |process: &ProcessRef| if quoted { format!("'{}'", process.id) } else { process.id.to_string() };
    processes.iter().map(show).collect()
}

/// Tells of one process; false if the action failed.
pub(crate) fn tell(context: &mut Context, action: Action, acted: &Acted) -> bool {
    let name = printable(&acted.process.name).into_owned();
    let process = format!("[{name}]({})", acted.process.id);
    let stayed = action == Action::Reload && acted.error.is_some();
    // The system lacks what a start needs: it is tried again, but the app is not up.
    let is_put_off = acted.status == Status::Launching && acted.error.is_some();
    if action != Action::Delete && (acted.status == Status::Errored || stayed || is_put_off) {
        let reason = acted.error.as_deref().unwrap_or("it is errored");
        context.out.error(&format!("{process} {reason}"));
        return false;
    }
    if action != Action::Reset {
        context.out.info(&format!("{process} ✓"));
    }
    if action == Action::Stop
        && let Some(cron) = &acted.cron
    {
        context.out.warn(&format!("App {name} stopped but CRON RESTART is still UP {cron}"));
    }
    true
}
