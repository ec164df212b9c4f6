//! The list as JSON, in the shape that tools for PM2 read.

use rpm_core::{ProcessInfo, ProcessSummary, Status, pm2_env::Pm2Env};
use serde::Serialize;

/// One line of JSON, without a line break, as PM2 prints it. Processes come in the order of their ids.
pub(crate) fn jlist(processes: &[ProcessInfo]) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&processes.iter().map(Entry::of).collect::<Vec<_>>())
}

/// The same list for readers that must not see any environment.
pub(crate) fn without_environments(processes: &[ProcessInfo]) -> serde_json::Result<serde_json::Value> {
    let entry = |process| Entry { pm2_env: Pm2Env::without_environment(process), ..Entry::of(process) };
    serde_json::to_value(processes.iter().map(entry).collect::<Vec<_>>())
}

#[derive(Serialize)]
struct Entry<'a> {
    pid: i32,
    name: &'a str,
    pm2_env: Pm2Env<'a>,
    pm_id: u32,
    monit: Monit,
}

#[derive(Serialize)]
struct Monit {
    memory: u64,
    cpu: f64,
}

impl<'a> Entry<'a> {
    fn of(process: &'a ProcessInfo) -> Self {
        let ProcessSummary { id, name, pid, memory, cpu, status, .. } = &process.summary;
        // PM2 measures nothing that is not online. An f64 of one decimal is written as one.
        let monit = match status {
            Status::Online => Monit { memory: memory.0, cpu: (f64::from(*cpu) * 10.0).round() / 10.0 },
            _ => Monit { memory: 0, cpu: 0.0 },
        };
        Self { pid: *pid, name, pm2_env: Pm2Env::of(process), pm_id: id.0, monit }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rpm_core::{Exit, Instances, LogTarget, Millis};
    use serde_json::Value;

    use super::*;
    use crate::render::sample::info;

    fn shown(processes: &[ProcessInfo]) -> Value {
        serde_json::from_slice(&jlist(processes).unwrap()).unwrap()
    }

    #[test]
    fn the_shape_is_pm2s() {
        let mut stopped = info(1, "job", Status::Stopped);
        let spec = Arc::make_mut(&mut stopped.spec);
        spec.args = vec!["a".to_owned()];
        spec.instances = Some(Instances::Count(2));
        spec.cron_restart = Some("0 5 * * *".parse().unwrap());
        spec.stop_exit_codes = vec![3];
        spec.kill_timeout = Some(Millis(4000));
        spec.out_file = Some(LogTarget::Null);
        stopped.exit = Some(Exit::Signal(15));
        insta::assert_snapshot!(
            serde_json::to_string_pretty(&shown(&[info(0, "api", Status::Online), stopped])).unwrap()
        );
    }

    #[test]
    fn an_attribute_is_never_hidden_by_a_variable() {
        let json = shown(&[info(0, "api", Status::Online)]);
        assert_eq!(json[0]["pm2_env"]["name"], "api");
        assert_eq!(json[0]["pm2_env"]["env"]["name"], "a variable that is called like an attribute");
        let text = String::from_utf8(jlist(&[info(0, "api", Status::Online)]).unwrap()).unwrap();
        assert_eq!(text.matches("\"name\":").count(), 3, "once outside, once in pm2_env, once in env");
    }

    #[test]
    fn an_empty_list_is_an_empty_array() {
        assert_eq!(jlist(&[]).unwrap(), b"[]");
    }
}
