//! Processes for tests.

use std::sync::Arc;

use rpm_core::{AppSpec, Bytes, Env, ExecMode, Interpreter, ProcessInfo, ProcessSummary, Status};

pub(crate) const NOW: i64 = 1_800_000_000_000;

pub(crate) fn row(id: u32, name: &str, status: Status) -> ProcessSummary {
    let runs = status == Status::Online;
    ProcessSummary {
        id: id.into(),
        name: name.into(),
        namespace: "default".into(),
        version: (id == 1).then(|| "1.2.3".into()),
        exec_mode: if id == 1 { ExecMode::Cluster } else { ExecMode::Fork },
        pid: if runs { 4242 + id as i32 } else { 0 },
        pm_uptime: NOW - 90_000,
        restart_time: id * 3,
        status,
        cpu: if runs { 12.54 } else { 0.0 },
        memory: Bytes(if runs { 53_791_949 } else { 0 }),
        user: Some("me".into()),
        watching: id == 1,
        health: None,
        module: false,
    }
}

pub(crate) fn info(id: u32, name: &str, status: Status) -> ProcessInfo {
    let script = format!("/srv/{name}.js").into();
    let mut spec = AppSpec::new(name, script, Interpreter::Program("node".to_owned()), "/srv".into());
    spec.env.set("NODE_ENV", "production");
    spec.env.set("name", "a variable that is called like an attribute");
    let mut base_env = Env::default();
    base_env.set("HOME", "/home/me");
    base_env.set("NODE_ENV", "test");
    ProcessInfo {
        summary: row(id, name, status),
        spec: Arc::new(spec),
        base_env: Arc::new(base_env),
        resolved: None,
        instance: 0,
        increment: None,
        unique_id: "0f8a".to_owned(),
        created_at: Some(NOW - 100_000),
        unstable_restarts: 0,
        prev_restart_delay: 0,
        exit: None,
        health_report: None,
        waits_for: Vec::new(),
        error: None,
        out_log: format!("/home/me/.rpm/logs/{name}-out.log").into(),
        error_log: format!("/home/me/.rpm/logs/{name}-error.log").into(),
        combined_log: None,
        pid_file: format!("/home/me/.rpm/pids/{name}-{id}.pid").into(),
        told: rpm_core::process::Told::default(),
        why: rpm_core::Why::default(),
        pause_ends: None,
        next_tick: None,
        unheld: None,
    }
}
