//! Replies that fit into no frame.

use std::sync::Arc;

use rpm_core::{
    Env, ProcessInfo,
    process::Told,
    protocol::{Failure, Reply},
};

/// Returns what is sent in place of a reply that is longer than a frame: its halves, or the same without what makes it
/// long. Repeated, this ends.
pub(crate) fn shorter(reply: Reply) -> Vec<Reply> {
    match reply {
        Reply::Rows(rows) if rows.len() > 1 => halves(rows, Reply::Rows),
        Reply::Targets(targets) if targets.len() > 1 => halves(targets, Reply::Targets),
        Reply::Processes(processes) if processes.len() > 1 => halves(processes, Reply::Processes),
        Reply::Processes(processes) => {
            processes.into_iter().filter_map(trimmed).map(|info| Reply::Processes(vec![info])).collect()
        }
        // A subscriber must not lose its connection for a message of one app.
        Reply::Message { .. } => Vec::new(),
        Reply::Failed(_) => {
            vec![Reply::Failed(Failure::Io("the reason does not fit into a frame".to_owned()))]
        }
        _ => vec![Reply::Failed(Failure::Io("the answer does not fit into a frame".to_owned()))],
    }
}

fn halves<T>(mut all: Vec<T>, reply: impl Fn(Vec<T>) -> Reply) -> Vec<Reply> {
    let rest = all.split_off(all.len() / 2);
    vec![reply(all), reply(rest)]
}

/// `info` without its longest parts that can be spared: what its app says first, then environments. `None` if there are
/// none left.
fn trimmed(mut info: ProcessInfo) -> Option<ProcessInfo> {
    if info.told != Told::default() {
        info.told = Told::default();
        return Some(info);
    }
    let has_environment = !info.base_env.is_empty() || info.resolved.is_some() || !info.spec.env.is_empty();
    if !has_environment {
        return None;
    }
    info.base_env = Arc::default();
    info.resolved = None;
    Arc::make_mut(&mut info.spec).env = Env::default();
    Some(info)
}
