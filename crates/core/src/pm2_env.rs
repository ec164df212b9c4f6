//! A process in PM2's shape, `pm2_env`: as `jlist` shows it and `dump.pm2` holds it. Written and read here.

mod read;

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, json};

use crate::{AppSpec, Balance, Env, LogTarget, OnDependencyFailure, Overlap, ProcessInfo};

pub use read::{Saved, read};

/// A process as PM2's object: attributes and environment in one. Where they clash, the attribute is told.
pub struct Pm2Env<'a> {
    process: &'a ProcessInfo,
    env: Option<Env>,
}

impl<'a> Pm2Env<'a> {
    /// `process` in PM2's shape.
    pub fn of(process: &'a ProcessInfo) -> Self {
        Self { process, env: Some(process.env()) }
    }

    /// The attributes of `process` alone: nothing of any environment, chosen or declared for a profile.
    pub fn without_environment(process: &'a ProcessInfo) -> Self {
        Self { process, env: None }
    }
}

impl Serialize for Pm2Env<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut attributes = declared(&self.process.spec);
        attributes.extend(observed(self.process));
        let Some(env) = &self.env else {
            let is_environment = |name: &str| name == "env" || name.starts_with("env_");
            return serializer.collect_map(attributes.into_iter().filter(|(name, _)| !is_environment(name)));
        };
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &attributes {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry("env", env)?;
        for (name, value) in env.iter().filter(|(name, _)| *name != "env") {
            if !attributes.iter().any(|(attribute, _)| attribute == name) {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

type Attributes<'a> = Vec<(&'a str, Value)>;

/// What was declared, with the defaults that PM2 writes out.
fn declared(spec: &AppSpec) -> Attributes<'_> {
    let mut attributes: Attributes<'_> = vec![
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
        ("filter_env", if spec.filter_env.is_off() { json!([]) } else { json!(spec.filter_env) }),
        ("watch", json!(spec.watch)),
        ("treekill", json!(spec.treekill)),
    ];
    let extras = [
        ("vizion", json!(true)),
        ("pmx", json!(true)),
        ("automation", json!(true)),
        ("windowsHide", json!(true)),
        ("kill_retry_time", json!(100)),
    ];
    attributes.extend(extras.into_iter().filter(|(name, _)| !spec.extras.contains_key(*name)));
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
        ("cron_overlap", (spec.cron_overlap != Overlap::Restart).then(|| json!(spec.cron_overlap))),
        ("cron_jitter", spec.cron_jitter.map(|time| json!(time))),
        ("cron_catch_up", spec.cron_catch_up.then_some(json!(true))),
        ("cron_only", spec.cron_only.then_some(json!(true))),
        ("task_timeout", spec.task_timeout.map(|time| json!(time))),
        ("retries", (spec.retries > 0).then(|| json!(spec.retries))),
        ("retry_delay", spec.retry_delay.map(|time| json!(time))),
        ("kill_timeout", spec.kill_timeout.map(|time| json!(time))),
        ("kill_signal", spec.kill_signal.map(|signal| json!(signal))),
        ("out_file", spec.out_file.as_ref().map(|target| json!(path(target)))),
        ("error_file", spec.error_file.as_ref().map(|target| json!(path(target)))),
        ("log_file", spec.log_file.as_ref().map(|log| json!(log))),
        ("log_date_format", spec.log_date_format.as_ref().map(|format| json!(format))),
        ("log_type", spec.log_type.map(|form| json!(form))),
        ("disable_logs", spec.disable_logs.then_some(json!(true))),
        ("pid_file", spec.pid_file.as_ref().map(|path| json!(path))),
        ("shutdown_with_message", spec.shutdown_with_message.then_some(json!(true))),
        ("wait_ready", spec.wait_ready.then_some(json!(true))),
        ("listen_timeout", spec.listen_timeout.map(|time| json!(time))),
        ("ready", spec.ready.as_ref().map(|ready| json!(ready))),
        ("env_file", spec.env_file.as_ref().map(|files| json!(files))),
        ("expand_env", spec.expand_env.then_some(json!(true))),
        ("secret", spec.secret.as_ref().map(|secrets| json!(secrets))),
        ("health", spec.health.as_ref().map(|health| json!(health))),
        ("depends_on", spec.depends_on.as_ref().map(|dependencies| json!(dependencies))),
        (
            "on_dependency_failure",
            (spec.on_dependency_failure != OnDependencyFailure::Wait)
                .then(|| json!(spec.on_dependency_failure)),
        ),
        ("watchdog", spec.watchdog.map(|time| json!(time))),
        ("listen", (!spec.listen.is_empty()).then(|| json!(spec.listen))),
        (
            "cluster_balance",
            (spec.cluster_balance != Balance::RoundRobin).then(|| json!(spec.cluster_balance)),
        ),
        ("reload", spec.reload.map(|reload| json!(reload))),
        ("reload_parallel", spec.reload_parallel.map(|count| json!(count))),
        ("max_memory_restart", spec.max_memory_restart.map(|size| json!(size))),
        ("limits", spec.limits.as_ref().map(|limits| json!(limits))),
        ("ignore_watch", spec.ignore_watch.as_ref().map(|globs| json!(globs))),
        ("watch_delay", spec.watch_delay.map(|time| json!(time))),
        ("increment_var", spec.increment_var.as_ref().map(|name| json!(name))),
        ("uid", spec.uid.map(|id| json!(id))),
        ("gid", spec.gid.map(|id| json!(id))),
    ];
    attributes.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    attributes.extend(spec.extras.iter().map(|(name, value)| (name.as_str(), value.clone())));
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
fn observed(process: &ProcessInfo) -> Attributes<'_> {
    let row = &process.summary;
    let told = &process.told;
    let mut attributes: Attributes<'_> = vec![
        ("pm_id", json!(row.id)),
        ("status", json!(row.status)),
        ("pm_uptime", json!(row.pm_uptime)),
        ("created_at", json!(process.created_at)),
        ("restart_time", json!(row.restart_time)),
        ("unstable_restarts", json!(process.unstable_restarts)),
        ("prev_restart_delay", json!(process.prev_restart_delay)),
        ("unique_id", json!(process.unique_id)),
        (process.spec.instance_var.as_str(), json!(process.instance)),
        ("pm_out_log_path", json!(process.out_log)),
        ("pm_err_log_path", json!(process.error_log)),
        ("pm_pid_path", json!(process.pid_file)),
        ("km_link", json!(false)),
        ("vizion_running", json!(false)),
        ("axm_actions", json!(told.actions)),
        ("axm_monitor", json!(told.metrics)),
        ("axm_options", json!(told.options)),
        ("axm_dynamic", json!({})),
    ];
    attributes.extend(process.combined_log.as_ref().map(|path| ("pm_log_path", json!(path))));
    attributes.extend(told.node_version.as_ref().map(|version| ("node_version", json!(version))));
    attributes.extend(process.health_report.as_ref().map(|health| ("health_state", json!(health))));
    attributes.extend(process.exit.map(|exit| ("exit_code", json!(exit.pm2_code()))));
    attributes
}
