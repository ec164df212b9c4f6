//! Processes as the documents of `--json` hold them.
//!
//! Unlike `jlist`, which is PM2's and holds what PM2 holds, these have one field for one thing, each always there, and a
//! time is always milliseconds since the epoch.

use rpm_core::{Exit, ProcessInfo, ProcessSummary, Signal};
use serde_json::{Value, json};

/// A row of `list`.
pub(crate) fn row(row: &ProcessSummary) -> Value {
    json!({
        "id": row.id,
        "name": row.name,
        "namespace": row.namespace,
        "version": row.version,
        "mode": row.exec_mode.short(),
        "status": row.status,
        "pid": (row.pid > 0).then_some(row.pid),
        "started": (row.pid > 0).then_some(row.pm_uptime),
        "restarts": row.restart_time,
        "cpu_percent": (f64::from(row.cpu) * 10.0).round() / 10.0,
        "memory_bytes": row.memory,
        "user": row.user,
        "watching": row.watching,
        "module": row.module,
    })
}

/// What `describe` tells, and the whole declaration.
pub(crate) fn process(process: &ProcessInfo) -> Value {
    let mut told = row(&process.summary);
    let more = json!({
        "instance": process.instance,
        "created": process.created_at,
        "unstable_restarts": process.unstable_restarts,
        "exit": process.exit.map(exit),
        "error": process.error,
        "next_tick": process.next_tick,
        "out_log": process.out_log,
        "error_log": process.error_log,
        "combined_log": process.combined_log,
        "pid_file": process.pid_file,
        "metrics": process.told.metrics,
        "actions": process.told.actions,
        "not_held_by_the_kernel": process.unheld,
        "app": process.spec,
    });
    if let (Value::Object(told), Value::Object(more)) = (&mut told, more) {
        told.extend(more);
    }
    told
}

/// How a run ended: one of its fields says it, and the others are null.
pub(crate) fn exit(exit: Exit) -> Value {
    let signal = |number: i32| match Signal::try_from(number) {
        Ok(signal) => signal.to_string(),
        Err(_) => number.to_string(),
    };
    json!({
        "code": match exit { Exit::Code(code) => Some(code), _ => None },
        "signal": match exit { Exit::Signal(number) => Some(signal(number)), Exit::OutOfMemory => Some(signal(9)), _ => None },
        "out_of_memory": exit == Exit::OutOfMemory,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    #[test]
    fn every_field_is_there() {
        let told = process(&sample::info(1, "web", rpm_core::Status::Online));
        insta::assert_snapshot!(format!("{told:#}"));
        let mut stopped = sample::info(1, "web", rpm_core::Status::Online).summary;
        stopped.pid = 0;
        assert_eq!((&row(&stopped)["pid"], &row(&stopped)["started"]), (&Value::Null, &Value::Null));
    }

    #[test]
    fn an_end_is_told_in_one_way() {
        assert_eq!(exit(Exit::Code(3)), json!({ "code": 3, "signal": null, "out_of_memory": false }));
        assert_eq!(
            exit(Exit::OutOfMemory),
            json!({ "code": null, "signal": "SIGKILL", "out_of_memory": true })
        );
    }
}
