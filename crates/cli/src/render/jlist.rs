//! The list as JSON, in the shape that tools for PM2 read.

use rpm_core::{AppSpec, Env, LogTarget, ProcessInfo, ProcessSummary, Status};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, json};

/// One line of JSON, without a line break, as PM2 prints it. Processes come in the order of their ids.
pub(crate) fn jlist(processes: &[ProcessInfo]) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&processes.iter().map(Entry::of).collect::<Vec<_>>())
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
        Self { pid: *pid, name, pm2_env: Pm2Env { process, env: process.env() }, pm_id: id.0, monit }
    }
}

/// PM2 keeps the attributes and the environment in one object. Where they clash, the attribute is told.
struct Pm2Env<'a> {
    process: &'a ProcessInfo,
    env: Env,
}

impl Serialize for Pm2Env<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut attributes = declared(&self.process.spec);
        attributes.extend(observed(self.process));
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &attributes {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry("env", &self.env)?;
        for (name, value) in self.env.iter().filter(|(name, _)| *name != "env") {
            if !attributes.iter().any(|(attribute, _)| attribute == name) {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

type Attributes = Vec<(&'static str, Value)>;

/// What was declared, with the defaults that PM2 writes out.
fn declared(spec: &AppSpec) -> Attributes {
    let mut attributes: Attributes = vec![
        ("name", json!(spec.name)),
        ("namespace", json!(spec.namespace)),
        ("pm_exec_path", json!(spec.script)),
        ("pm_cwd", json!(spec.cwd)),
        ("exec_interpreter", json!(spec.interpreter.as_str())),
        ("node_args", json!(spec.interpreter_args)),
        ("exec_mode", json!(spec.exec_mode.as_str())),
        ("instances", json!(spec.instances.map_or(1, i64::from))),
        ("instance_var", json!(spec.instance_var)),
        ("autostart", json!(spec.autostart)),
        ("autorestart", json!(spec.autorestart)),
        ("merge_logs", json!(spec.merges_logs())),
        ("username", json!(spec.username.as_deref().unwrap_or("N/A"))),
        ("version", json!(spec.version.as_deref().unwrap_or("N/A"))),
        ("filter_env", json!([])),
        ("watch", json!(false)),
        ("vizion", json!(true)),
        ("pmx", json!(true)),
        ("automation", json!(true)),
        ("treekill", json!(true)),
        ("windowsHide", json!(true)),
        ("kill_retry_time", json!(100)),
    ];
    let path = |target: &LogTarget| std::path::PathBuf::from(target.clone());
    let optional = [
        ("args", (!spec.args.is_empty()).then(|| json!(spec.args))),
        ("max_restarts", spec.max_restarts.map(|count| json!(count))),
        ("min_uptime", spec.min_uptime.map(|time| json!(time))),
        ("restart_delay", spec.restart_delay.map(|time| json!(time))),
        ("exp_backoff_restart_delay", spec.exp_backoff_restart_delay.map(|time| json!(time))),
        ("stop_exit_codes", stop_exit_codes(&spec.stop_exit_codes)),
        ("cron_restart", spec.cron_restart.as_ref().map(|cron| json!(cron))),
        ("cron_timezone", spec.cron_timezone.as_ref().map(|zone| json!(zone))),
        ("kill_timeout", spec.kill_timeout.map(|time| json!(time))),
        ("kill_signal", spec.kill_signal.map(|signal| json!(signal))),
        ("out_file", spec.out_file.as_ref().map(|target| json!(path(target)))),
        ("error_file", spec.error_file.as_ref().map(|target| json!(path(target)))),
        ("log_date_format", spec.log_date_format.as_ref().map(|format| json!(format))),
    ];
    attributes.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    attributes
}

/// As in PM2 a single code stands without its array.
fn stop_exit_codes(codes: &[i32]) -> Option<Value> {
    match codes {
        [] => None,
        [code] => Some(json!(code)),
        codes => Some(json!(codes)),
    }
}

/// What the daemon knows.
fn observed(process: &ProcessInfo) -> Attributes {
    let row = &process.summary;
    let mut attributes: Attributes = vec![
        ("pm_id", json!(row.id)),
        ("status", json!(row.status)),
        ("pm_uptime", json!(row.pm_uptime)),
        ("created_at", json!(process.created_at)),
        ("restart_time", json!(row.restart_time)),
        ("unstable_restarts", json!(process.unstable_restarts)),
        ("prev_restart_delay", json!(process.prev_restart_delay)),
        ("unique_id", json!(process.unique_id)),
        ("NODE_APP_INSTANCE", json!(process.instance)),
        ("pm_out_log_path", json!(process.out_log)),
        ("pm_err_log_path", json!(process.error_log)),
        ("pm_pid_path", json!(process.pid_file)),
        ("km_link", json!(false)),
        ("vizion_running", json!(false)),
        ("axm_actions", json!([])),
        ("axm_monitor", json!({})),
        ("axm_options", json!({})),
        ("axm_dynamic", json!({})),
    ];
    attributes.extend(process.exit.map(|exit| ("exit_code", json!(exit.pm2_code()))));
    attributes
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rpm_core::{Exit, Instances, Millis};

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
